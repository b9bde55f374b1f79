"""Installing through the gate against plain pip: `python -m bench.install` writes `results/install.json`.

Both install the same packages from the index that this machine's pip is configured with, into fresh environments that
hold pip and nothing else, with a warm cache, in turn. ``WEIGHLOCK_BENCH_RUNS`` says how often; where no index answers
nothing is measured.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.row import NO_BAR, Row, report
from tests import osv

PART = "install"
_RUNS = int(os.environ.get("WEIGHLOCK_BENCH_RUNS", "5"))
_ACCEPTED = ("release-age", "index-ownership")
"""What a mirror cannot answer; everything else of the default policy holds."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What is installed.

    Args:
        name: For the page.
        words: Arguments for both.
        seconds: The bar, in seconds that the gate may add; else `times` is the bar.
        times: As often as this.
    """

    name: str
    words: tuple[str, ...]
    seconds: float | None = None
    times: float | None = None


_CASES = (
    _Case("requests and what it needs", ("requests",), seconds=1.5),
    _Case("transformers and what it needs", ("transformers",), times=1.15),
    _Case("transformers and what it needs, --no-compile", ("--no-compile", "transformers")),
)


def measure(folder: Path) -> list[Row]:
    """Measure both ways of installing.

    Args:
        folder: Empty.
    """
    bench = _Bench(folder)
    if not bench.answers():
        return [_absent(case) for case in _CASES]
    return [_row(case, *bench.compare(case)) for case in _CASES]


class _Bench:
    """Environments, and the two ways of installing into them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._database = osv.database(folder)
        accepted = ", ".join(
            f'{{ package = "*", check = "{check}", reason = "a mirror cannot say" }}' for check in _ACCEPTED
        )
        (folder / "weighlock.toml").write_text(f"[install]\naccept = [{accepted}]\n", encoding="utf-8")
        venv.create(folder / "first", with_pip=True, symlinks=True)
        self._pip = next((folder / "first").glob("lib/python*/site-packages"))

    def answers(self) -> bool:
        """Say whether the configured index does."""
        command = ["-m", "pip", "download", "-q", "--no-deps", "--retries=0", "--dest", str(self._folder / "probe")]
        python = str(self._folder / "first" / "bin" / "python")
        return subprocess.run([python, *command, "idna"], capture_output=True, timeout=120, check=False).returncode == 0

    def compare(self, case: _Case) -> tuple[list[float], list[float], int]:
        """Return the seconds of plain pip and of ours, and how many packages came."""
        plain, guarded, count = [], [], 0
        for run in range(_RUNS + 1):
            python = self._environment()
            first = _timed([python, "-m", "pip", "install", "-q", *case.words], self._environ())
            python = self._environment()
            command = [sys.executable, "-m", "weighlock", "install", "-q", "--python", python, *case.words]
            second = _timed(command, self._environ(), self._folder)
            count = len(list(Path(python).parents[1].glob("lib/python*/site-packages/*.dist-info"))) - 1
            if run:  # the first one warms the caches
                plain.append(first)
                guarded.append(second)
        return plain, guarded, count

    def _environment(self) -> str:
        """Make an environment that holds pip, and return its interpreter."""
        self._made += 1
        place = self._folder / f"environment-{self._made}"
        venv.create(place, with_pip=False, symlinks=True)
        shutil.rmtree(self._folder / f"environment-{self._made - 2}", ignore_errors=True)
        shutil.copytree(self._pip, next(place.glob("lib/python*/site-packages")), dirs_exist_ok=True)
        return str(place / "bin" / "python")

    def _environ(self) -> dict[str, str]:
        own = {
            "WEIGHLOCK_ADVISORIES": str(self._database),
            "WEIGHLOCK_CACHE": str(self._folder / "cache"),
            "WEIGHLOCK_STATE": str(self._folder / "state"),
            "PIP_CACHE_DIR": str(self._folder / "pip-cache"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        # Without byte code of its own every program would be compiled each time, which no user's is.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {**kept, **own, "PYTHONPATH": str(Path(__file__).parent.parent / "src")}


def _timed(command: list[str], environ: dict[str, str], folder: Path | None = None) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)
    passed = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return passed


def _row(case: _Case, plain: list[float], guarded: list[float], count: int) -> Row:
    before, after = statistics.median(plain), statistics.median(guarded)
    added, ratio = after - before, statistics.median(two / one for one, two in zip(plain, guarded, strict=True))
    met: bool | None = None
    if case.seconds is not None:
        met = added <= case.seconds
    elif case.times is not None:
        met = ratio <= case.times
    numbers: dict[str, Any] = {"plain": plain, "guarded": guarded, "packages": count}
    return Row(
        part=PART,
        name=f"`weighlock install` against `pip install`, warm: {case.name}",
        bar=_bar(case),
        measured=f"{before:.1f} s without, {after:.1f} s with: {added:+.1f} s, {ratio:.2f} times ({count} packages)",
        method=f"fresh environments, the configured index, in turn; medians of {_RUNS}; "
        f"the policy accepts {' and '.join(_ACCEPTED)}, which a mirror cannot answer",
        met=met,
        numbers=numbers,
    )


def _bar(case: _Case) -> str:
    if case.seconds is not None:
        return f"{case.seconds} s more at most"
    return f"{case.times} times at most" if case.times is not None else NO_BAR


def _absent(case: _Case) -> Row:
    name = f"`weighlock install` against `pip install`, warm: {case.name}"
    return Row(part=PART, name=name, bar=_bar(case), measured="not measured: no index answers", method="", met=None)


if __name__ == "__main__":
    report(PART, measure)
