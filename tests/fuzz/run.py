"""Run the fuzzer in a process of its own: it limits its memory, because unpicklers believe what sizes streams claim.

``python -m tests.fuzz.run HONEST --seed N (--count N | --seconds S)`` prints a JSON summary, and each failure with
the seed and the bytes that show it again.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

from tests.fuzz.generator import Generator
from tests.fuzz.oracle import broken_promise

_MEMORY = 3 << 30


def fuzz(honest: Path, seed: int, count: int | None, seconds: float | None) -> dict[str, object]:
    """Make streams until the count or the time is reached."""
    generator = Generator(seed, pickle.loads(honest.read_bytes()))
    outcomes: Counter[str] = Counter()
    failures: list[dict[str, object]] = []
    end = None if seconds is None else time.monotonic() + seconds
    number = 0
    while (count is None or number < count) and (end is None or time.monotonic() < end):
        data = generator.stream()
        try:
            outcome, name = broken_promise(data)
        except Exception as error:  # noqa: BLE001  # the inspector may never raise
            outcomes["crash"] += 1
            failures.append({"seed": seed, "number": number, "error": repr(error), "data": data.hex()})
        else:
            outcomes[str(outcome)] += 1
            if name:
                failures.append({"seed": seed, "number": number, "asked": name, "data": data.hex()})
        number += 1
    return {
        "streams": number,
        "seed": seed,
        "outcomes": dict(outcomes),
        "failures": failures[:20],
        "failed": len(failures),
    }


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("honest", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    sys.stdout.write(json.dumps(fuzz(options.honest, options.seed, options.count, options.seconds)) + "\n")


if __name__ == "__main__":
    main()
