"""Fuzz every parser of `weighlock.formats`: ``python -m tests.fuzz.formats --seconds 3600 --seed 1 --format zip``.

An input is made of the seed, the format and its number alone. What must hold for each: the inspector answers, with
nothing but an `Inspection`, within a limit of CPU time and memory, and gives the same answer again. A parser of the
format raises nothing but what its callers expect. ``--state FILE`` continues where an earlier run stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import LIGHT, WRITERS, seeds
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.formats.source import Budget, BytesSource
from weighlock.inspector import inspect
from weighlock.inspector.spool import spool

MEMORY = 4 << 30
CPU_SECONDS = 10.0
"""For one input of some kilobytes, under `small_budget`; what takes longer counts as a hang."""

PARSERS: dict[str, tuple[str, ...]] = {
    "zip": ("zip",),
    "skops": ("zip",),
    "tar": ("tar",),
    "seven-zip": ("seven_zip",),
    "json": ("json_text",),
    "safetensors": ("safetensors",),
}
"""Format -> modules whose ``parse`` is called directly, too; the inspector catches some of what they raise."""

_EXPECTED = (FormatError, OverBudgetError, UnsupportedError)


class HangError(BaseException):
    """The limit of CPU time was reached."""


@dataclass
class Tally:
    """What one format's run has seen."""

    number: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)


def small_budget() -> Budget:
    """Return a budget like the real one, and small enough that an input may spend all of it."""
    return Budget(opcodes=300_000, retained=64 << 20, inflated=24 << 20, depth=8, entries=5_000, spool=spool)


class Fuzzer:
    """Makes and judges the inputs of one format.

    Args:
        name: The format.
        seed: Of all choices.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._seed = seed
        self._seeds = seeds(name)
        self._pool = [data for _, data in self._seeds]
        self._parsers = [import_module(f"weighlock.formats.{module}").parse for module in PARSERS.get(name, ())]

    def make(self, number: int) -> tuple[str, bytes]:
        """Return the name and the bytes of an input."""
        random = Random(f"{self._seed}:{self.name}:{number}")
        file, data = random.choice(self._seeds)
        return file, mutated(data, random, self._pool)

    def judge(self, file: str, data: bytes, *, twice: bool) -> str:
        """Return the outcome of an input, or raise what is wrong."""
        first = inspect(BytesSource(data), name=file, budget=small_budget())
        if twice and inspect(BytesSource(data), name=file, budget=small_budget()) != first:
            raise AssertionError("the second answer is another one")
        for parse in self._parsers:
            try:
                code = parse.__code__
                needs_budget = code.co_argcount > 1
                parse(BytesSource(data), small_budget()) if needs_budget else parse(BytesSource(data))
            except _EXPECTED:
                continue
        return str(first.outcome)

    def step(self, tally: Tally) -> None:
        """Make and judge one input."""
        file, data = self.make(tally.number)
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
        try:
            outcome = self.judge(file, data, twice=tally.number % 16 == 0)
        except HangError:
            outcome = "hang"
            tally.failures.append(self._failure(tally, file, data, "hang"))
        except Exception as error:  # noqa: BLE001 - whatever it is, it may not happen
            outcome = "crash"
            tally.failures.append(self._failure(tally, file, data, repr(error)))
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        tally.outcomes[outcome] += 1
        tally.number += 1

    def _failure(self, tally: Tally, file: str, data: bytes, error: str) -> dict[str, Any]:
        shown = data.hex() if len(data) <= 200_000 else None
        return {"seed": self._seed, "number": tally.number, "name": file, "error": error, "data": shown}


def run(name: str, seed: int, tally: Tally, *, count: int | None, seconds: float | None) -> None:
    """Go on with a format until the count or the time is reached."""
    fuzzer = Fuzzer(name, seed)
    start, done = time.monotonic(), 0
    while (count is None or done < count) and (seconds is None or time.monotonic() - start < seconds):
        fuzzer.step(tally)
        done += 1
    tally.seconds += time.monotonic() - start


def _load(state: Path | None) -> dict[str, Tally]:
    if state is None or not state.exists():
        return {}
    stored = json.loads(state.read_text(encoding="utf-8"))
    return {name: Tally(**{**tally, "outcomes": Counter(tally["outcomes"])}) for name, tally in stored.items()}


def _store(state: Path | None, tallies: dict[str, Tally]) -> None:
    if state is not None:
        text = json.dumps({name: vars(tally) for name, tally in tallies.items()}, indent=1)
        fresh = state.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, state)


def _hang(*_: object) -> None:
    raise HangError


def main() -> None:
    """Read the command line; status 1 when anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--format", action="append", choices=sorted(WRITERS), dest="names")
    parser.add_argument("--light", action="store_true", help="the formats that need no library")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="inputs for each format")
    parser.add_argument("--seconds", type=float, help="for all formats together")
    parser.add_argument("--state", type=Path)
    options = parser.parse_args()
    names = options.names or (LIGHT if options.light else tuple(WRITERS))
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGVTALRM, _hang)
    tallies = _load(options.state)
    share = None if options.seconds is None else options.seconds / len(names)
    for name in names:
        tally = tallies.setdefault(name, Tally())
        run(name, options.seed, tally, count=options.count, seconds=share)
        _store(options.state, tallies)
    shown = {name: {**vars(tally), "failures": tally.failures[:20]} for name, tally in tallies.items()}
    sys.stdout.write(json.dumps(shown) + "\n")
    raise SystemExit(any(tallies[name].failures for name in names))


if __name__ == "__main__":
    main()
