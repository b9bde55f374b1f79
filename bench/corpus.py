"""The rows of the corpora: ``python -m bench.corpus`` writes ``bench/results/corpus.json``."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from bench.row import Row, write


def measure() -> dict[str, dict[str, Any]]:
    """Load every file with its real loader, judge it, and compare."""
    from tests.corpus.expectation import needed
    from tests.corpus.reach import write_and_load
    from weighlock.finding import Outcome
    from weighlock.formats.source import BytesSource
    from weighlock.inspector import inspect

    results: dict[str, dict[str, Any]] = {}
    for name in ("benign", "classes", "malicious"):
        with tempfile.TemporaryDirectory() as folder:
            cases, loaded = write_and_load(name, Path(folder))
        judged = {case.name: inspect(BytesSource(case.data)) for case in cases}
        summary: dict[str, Any] = {
            "files": len(cases),
            "outcomes": dict(Counter(str(one.outcome) for one in judged.values())),
        }
        if name == "malicious":
            summary["reached"] = sum(loaded[case.name].proves(case) for case in cases)
            summary["by_marker"] = sum(case.asks is None and loaded[case.name].marker for case in cases)
            summary["admitted"] = sum(one.outcome <= Outcome.DATA_ONLY for one in judged.values())
        if name == "classes":
            exact = (
                one.outcome is Outcome.NEEDS_APPROVAL and one.needs == needed(loaded[key].asked)
                for key, one in judged.items()
            )
            summary["exact"] = sum(exact)
        results[name] = summary
    return results


def rows(results: dict[str, dict[str, Any]]) -> list[Row]:
    """Make the rows of the page."""
    bad, good, classes = results["malicious"], results["benign"], results["classes"]
    refused = good["files"] - good["outcomes"].get("data-only", 0)
    unproved = bad["files"] - bad["reached"]
    return [
        Row(
            part="corpus",
            name="malicious files of our own corpus admitted",
            bar="0",
            measured=f"{bad['admitted']} of {bad['files']}",
            method=f"Each is loaded by its real loader in a child process: {bad['by_marker']} leave a marker,"
            f" the others are seen asking for their gadget, {unproved} do neither",
            met=not bad["admitted"] and not unproved,
            numbers=bad,
        ),
        Row(
            part="corpus",
            name="data-only files falsely refused",
            bar="0",
            measured=f"{refused} of {good['files']}",
            method="Files written by the real libraries, each loaded by its real loader",
            met=not refused,
            numbers=good,
        ),
        Row(
            part="corpus",
            name="files that need classes: needs-approval naming exactly the needed names",
            bar="100 %",
            measured=f"{100 * classes['exact'] / classes['files']:.1f} % of {classes['files']}",
            method="Needed is what a real unpickler asks for while it loads the file, less what plain data needs",
            met=classes["exact"] == classes["files"],
            numbers=classes,
        ),
    ]


def main() -> None:
    """Measure and write the rows."""
    results = measure()
    write("corpus", rows(results))
    sys.stdout.write(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
