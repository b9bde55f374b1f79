"""The long run of the fuzzer: ``python -m bench.fuzz --count 1000000 -j 2`` writes ``bench/results/fuzz.json``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.row import Row, write

ROOT = Path(__file__).resolve().parents[1]


def run(count: int, processes: int, seed: int) -> dict[str, Any]:
    """Share the streams among processes, each with a seed of its own, and add up what they saw."""
    from tests.fuzz.honest import write_honest

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        honest = Path(folder, "honest")
        write_honest(honest)
        shares = [count // processes + (number < count % processes) for number in range(processes)]
        command = [sys.executable, "-m", "tests.fuzz.run", str(honest)]
        children = [
            subprocess.Popen(
                [*command, "--seed", str(seed + number), "--count", str(share)],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
            )
            for number, share in enumerate(shares)
        ]
        summaries = [json.loads(child.communicate()[0]) for child in children]
    outcomes: Counter[str] = Counter()
    for summary in summaries:
        outcomes.update(summary["outcomes"])
    return {
        "streams": sum(summary["streams"] for summary in summaries),
        "outcomes": dict(outcomes),
        "failed": sum(summary["failed"] for summary in summaries),
        "failures": [failure for summary in summaries for failure in summary["failures"]],
        "seconds": time.monotonic() - start,
    }


def row(result: dict[str, Any]) -> Row:
    """Make the row of the page."""
    data_only = result["outcomes"].get("data-only", 0)
    return Row(
        part="fuzz",
        name="fuzzed streams judged data-only for which a real unpickler asks for another name",
        bar="0",
        measured=f"{result['failed']} of {result['streams']:,}",
        method=f"Opcode-level mutations of honest pickles, and streams made up from scratch; the {data_only:,} judged"
        " data-only are run by the C and the Python unpickler in four encodings against a recorder",
        met=not result["failed"],
        numbers=result,
    )


def main() -> None:
    """Run, write the result and print one line; status 1 when a promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-j", dest="processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    result = run(options.count, options.processes, options.seed)
    write("fuzz", [row(result)])
    shown = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(result["outcomes"].items()))
    total = f"{result['streams']:,} streams in {result['seconds']:.0f} s"
    sys.stdout.write(f"{total}: {shown}; {result['failed']} broken promises\n")
    raise SystemExit(bool(result["failed"]))


if __name__ == "__main__":
    main()
