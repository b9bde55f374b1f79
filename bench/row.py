"""One line of docs/benchmarks.md, and how parts of the benchmark hand their lines on."""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PARTS = (
    "corpus",
    "fuzz",
    "scan",
    "guard",
    "saved",
    "twin",
    "convert",
    "advisories",
    "gate",
    "install",
    "content",
    "popular",
    "signing",
    "bom",
    "signed_models",
    "engines",
    "ledger",
    "where",
    "quarantine",
    "mlflow",
    "registries",
    "oci",
    "promotion",
)
"""Modules of the benchmark, in the order in which they run and stand on the page."""

NO_BAR = "none: a price that is published"
"""The bar of what has none."""

RESULTS = Path(__file__).parent / "results"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement against its bar.

    Args:
        part: The part of the benchmark that measured it.
        name: What was measured.
        bar: What it must reach, in words.
        measured: What came out, in words.
        method: How, in one or two sentences.
        met: Whether the bar was reached; None where it could not be measured here.
        numbers: What the words rest on.
    """

    part: str
    name: str
    bar: str
    measured: str
    method: str
    met: bool | None
    numbers: dict[str, Any] = dataclasses.field(default_factory=dict)


def write(part: str, rows: list[Row]) -> Path:
    """Write the rows of one part."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{part}.json"
    path.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return path


def report(part: str, measure: Callable[[Path], list[Row]]) -> None:
    """Measure one part in a folder that is removed in the end, and write and show its rows."""
    with scratch() as folder:
        rows = measure(folder)
    write(part, rows)
    for row in rows:
        sys.stdout.write(f"{row.name}: {row.measured} (bar: {row.bar})\n")


@contextmanager
def scratch() -> Iterator[Path]:
    """Provide a folder that is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="weighlock-bench-") as folder:
        yield Path(folder).resolve()


def spread(values: list[float]) -> dict[str, float]:
    """Return the median of some runs, and between what values half of them lie."""
    first, median, third = statistics.quantiles(values, n=4)
    return {"median": median, "first quartile": first, "third quartile": third, "runs": len(values)}
