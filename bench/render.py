"""Make ``docs/benchmarks.md`` of the rows in ``bench/results``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.row import NO_BAR, PARTS, RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
_MET = {True: "yes", False: "**no**", None: "not measured here"}


def rows() -> Iterator[dict[str, Any]]:
    """Read the rows of every part that was measured, in the order of the page."""
    parts = {path.stem: path for path in RESULTS.glob("*.json")}
    for part in sorted(parts, key=lambda name: (PARTS.index(name) if name in PARTS else len(PARTS), name)):
        yield from json.loads(parts[part].read_text("utf-8"))


def page() -> str:
    """Return the page."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` on one machine, every row within one run; `python -m bench PART` measures a part",
        "again. Read ratios rather than absolute times.",
        "",
        "| what | bar | measured | met | method |",
        "|---|---|---|---|---|",
    ]
    for row in rows():
        met = "" if row["bar"] == NO_BAR else _MET[row["met"]]
        cells = (row["name"], row["bar"], row["measured"], met, row["method"])
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    write()
    sys.stdout.write(page())
