"""What ``weighlock verify --chain`` found, link by link."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from weighlock.output.escape import printable

if TYPE_CHECKING:
    from weighlock.gates.chain import ChainReport


def chain_text(report: ChainReport) -> str:
    """Return one line for each link, and what to do about those that do not hold."""
    wide = max(len(link.name) for link in report.links)
    lines = []
    for link in report.links:
        lines.append(f"{link.status:<10}{link.name:<{wide}}  {link.message}")
        if link.hint and link.status != "intact":
            lines.append(f"{'hint':<10}{link.hint}")
    intact = sum(link.status == "intact" for link in report.links)
    counts = [f"{intact} links intact"]
    for status in ("broken", "undecided", "absent"):
        count = sum(link.status == status for link in report.links)
        counts += [f"{count} {status}"] if count else []
    return "\n".join(map(printable, [*lines, f"{'chain':<10}{', '.join(counts)}"])) + "\n"


def chain_json(report: ChainReport) -> str:
    """Return the links as a JSON document."""
    links = [
        {"name": link.name, "status": link.status, "message": link.message, "hint": link.hint} for link in report.links
    ]
    return json.dumps({"command": "verify", "links": links, "exit-code": report.exit_code}, indent=2) + "\n"
