"""How many popular packages are refused for what is in them: `python -m bench.popular` writes `results/popular.json`.

It fetches the newest wheels of the projects in `popular.txt` from the index that pip is set up for, or takes those of
the folder that ``POPULAR_WHEELS`` names, and judges their content under the default policy. Age, advisories and other
things that are said about a release are left out: they are right to change from day to day.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from bench.row import Row, report
from bench.wheelhouse import fetch
from weighlock.artifact import PackageFile
from weighlock.gates.examine import WheelJob, examine_wheels
from weighlock.install_policy import InstallPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.inspector.packages import Examination

PART = "popular"
_NAME = "popular wheels refused for content"
_METHOD = "The newest wheel of each project (below 80 MB), its content judged under the default policy"


def names() -> list[str]:
    """Return the projects."""
    lines = (Path(__file__).parent / "popular.txt").read_text("utf-8").splitlines()
    return [name for line in lines if not line.startswith("#") for name in line.split()]


def measure(folder: Path) -> list[Row]:
    """Judge them all.

    Args:
        folder: Empty.
    """
    there = os.environ.get("POPULAR_WHEELS")
    wheels = sorted(Path(there).glob("*.whl")) if there else fetch(names(), folder)
    if not wheels:
        return [Row(part=PART, name=_NAME, bar="0", measured="no index", method=_METHOD, met=None)]
    jobs = [WheelJob(path=str(wheel), filename=wheel.name, expected=_artifact(wheel)) for wheel in wheels]
    return [_row(wheels, examine_wheels(jobs))]


def _artifact(wheel: Path) -> PackageFile:
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return PackageFile(name=name, version=str(version), filename=wheel.name)


def _row(wheels: Sequence[Path], found: Sequence[Examination]) -> Row:
    """Make the row, with how many wheels each check has something to say about."""
    policy, now = InstallPolicy(), datetime.now(UTC)
    refused: dict[str, list[str]] = {}
    hits: Counter[str] = Counter()
    for wheel, one in zip(wheels, found, strict=True):
        findings = one.inspection.findings
        hits.update({f"{finding.check} ({finding.outcome})" for finding in findings})
        verdict = policy.decide(_artifact(wheel), findings, now)
        if not verdict.allowed:
            refused[wheel.name] = [f"{reason.rule}: {reason.message}" for reason in verdict.reasons]
    told = ", ".join(f"{name}: {count}" for name, count in hits.most_common())
    return Row(
        part=PART,
        name=_NAME,
        bar="0",
        measured=f"{len(refused)} of {len(wheels)} ({', '.join(refused) or 'none'})",
        method=f"{_METHOD}; wheels that each check speaks of: {told}",
        met=not refused,
        numbers={"refused": refused, "hits": dict(hits)},
    )


if __name__ == "__main__":
    report(PART, measure)
