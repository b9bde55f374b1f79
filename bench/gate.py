"""Rows that count what got past ``weighlock install``: every known way to run code early, and attacks played again."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bench.correctness import ROOT, count_passed
from bench.row import Row, report
from tests.e2e import pip_matrix

if TYPE_CHECKING:
    from pathlib import Path

PART = "gate"
_ATTACKS = "tests/e2e/test_attack_replays.py"
_TROUBLE = ("tests/sources/pip/test_transaction.py", "tests/e2e/test_install_errors.py")


def measure(folder: Path) -> list[Row]:
    """Try all of them.

    Args:
        folder: For reports.
    """
    return [_early(), _attacks(folder), _trouble(folder)]


def _early() -> Row:
    failed = [line for version in pip_matrix.VERSIONS for line in pip_matrix.attempt(version)]
    return Row(
        part=PART,
        name="sdists, wheels and configurations of every known bypass: code that ran before the verdict",
        bar="0",
        measured=f"{len(failed)}, under pip {', '.join(pip_matrix.VERSIONS)}",
        method="`tests/e2e/pip_matrix.py`: each way with the requirements read by weighlock, and without that, in its "
        "pip alone; plain pip leaves the marker",
        met=not failed,
        numbers={"failed": failed},
    )


def _attacks(folder: Path) -> Row:
    passed, total = _tests(folder, _ATTACKS)
    return Row(
        part=PART,
        name="real attacks played again: installed",
        bar="0",
        measured=f"refused, and nothing installed, in {passed} of {total} tests",
        method=f"`{_ATTACKS}`: several attacks in a test, each refused for its own reason; "
        "plain pip runs their markers",
        met=passed == total > 0,
    )


def _trouble(folder: Path) -> Row:
    passed, total = _tests(folder, *_TROUBLE)
    return Row(
        part=PART,
        name="kills, interrupts, full disks, two at once; indexes and wheels that fail in every way",
        bar="unchanged or complete; exit code 1 or 2, one clear line, nothing installed",
        measured=f"so in {passed} of {total} tests",
        method=" and ".join(f"`{name}`" for name in _TROUBLE),
        met=passed == total > 0,
    )


def _tests(folder: Path, *files: str) -> tuple[int, int]:
    place = folder / "tests.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, f"--junitxml={place}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return count_passed(place)


if __name__ == "__main__":
    report(PART, measure)
