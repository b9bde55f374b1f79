"""The ledger for people: what is in it, entries one a line, and what a verification found."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from weighlock.output.escape import encodable, inert, printable
from weighlock.verdict import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.gates.ledger import Numbered


def render_status(report: Mapping[str, Any]) -> str:
    """Return what there is to know about a ledger.

    Args:
        report: As ``weighlock ledger show --format json`` prints it.
    """
    lines = [
        f"ledger     {report['place']}",
        f"origin     {report['origin'] or 'none yet: it gets its name and key when it is sealed first'}",
        f"key        {report['key'] or '-'}",
        f"entries    {report['entries']}",
        f"sealed     {report['sealed']}",
        f"unsealed   {report['unsealed']}",
    ]
    if report["waiting_bytes"]:
        lines.append(f"spools     {report['waiting_bytes']} bytes of processes that run, or that wait to be absorbed")
    text = "\n".join(printable(line) for line in lines) + "\n"
    note = report["checkpoint"]
    shown = (
        "\n".join(printable(f"  {line}".rstrip()) for line in note.splitlines()) if note else "  nothing was sealed yet"
    )
    return f"{text}checkpoint\n{shown}\n"


def render_verified(report: Mapping[str, Any]) -> str:
    """Return what a verification found.

    Args:
        report: As ``weighlock ledger verify --format json`` prints it.
    """
    lines = [f"verified: {report['entries']} entries of {report['origin']} are what was sealed"]
    if report["continues"] is not None:
        lines.append(f"  they continue the checkpoint of {report['continues']} entries")
    else:
        lines.append(
            "  nothing says what was sealed earlier: compare with a checkpoint that was kept elsewhere (--since)"
        )
    if report["missing"]:
        lines.append(f"  {report['missing']} records of processes never came: their spools were changed or removed")
    if report["unsealed"]:
        lines.append(f"  {report['unsealed']} more are not sealed yet, and nothing vouches for them")
    return "\n".join(printable(line) for line in lines) + "\n"


def render_entry(one: Numbered) -> str:
    """Return an entry as one line; names in it may be an attacker's."""
    entry = one.entry
    if entry is None:
        return f"{one.index}  not an entry that this weighlock knows: {len(one.data)} bytes\n"
    parts = [
        str(one.index),
        entry.time.strftime("%Y-%m-%d %H:%M:%SZ"),
        entry.gate,
        str(entry.verdict) + ("" if entry.enforced or entry.verdict is Decision.ALLOW else " (not enforced)"),
        entry.subject,
        str(entry.digest) if entry.digest else "-",
        ",".join(entry.rules) or "-",
        entry.actor or "-",
        entry.event,
    ]
    return inert(printable("  ".join(parts))) + "\n"


def render_entry_json(one: Numbered) -> str:
    """Return an entry as one line of JSON, with its bytes where they are no entry."""
    if one.entry is None:
        document: dict[str, Any] = {"index": one.index, "bytes": base64.b64encode(one.data).decode()}
    else:
        document = {"index": one.index, "entry": one.entry.to_dict()}
    return json.dumps(encodable(document)) + "\n"
