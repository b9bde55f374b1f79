"""Rows that count scenarios: the end-to-end tests, run here, each scenario once for each version that it names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from bench.row import Row
from tests.e2e import matrix

PART = "guard"
ROOT = Path(__file__).parent.parent
_TRAINING = "tests/e2e/test_training.py"
_TRAINING_NAMES = "trainer_saves or accelerate_saves or not_refused"


def rows(folder: Path) -> list[Row]:
    """Run the scenarios.

    Args:
        folder: For reports.
    """
    return [tampered(folder), training(folder)]


def tampered(folder: Path) -> Row:
    """Count refusals of tampered files under every generation of huggingface_hub."""
    counts, good, ran = [], True, True
    for version in matrix.VERSIONS:
        report = folder / f"hub-{version}.xml"
        try:
            matrix.run(version, "-k", "tampered", f"--junitxml={report}", "-p", "no:cacheprovider")
        except matrix.NoIndexError:
            counts.append(f"{version}: not installable here")
            ran = False
            continue
        passed, total = count_passed(report)
        good &= passed == total > 0
        counts.append(f"{version}: {passed} of {total}")
    return Row(
        part=PART,
        name="tampered cache, warm, offline, and tampered downloads; .safetensors and .bin through transformers",
        bar="refused, all",
        measured=f"refused: {'; '.join(counts)}",
        method="the tests of `make matrix` whose name says `tampered`, with real clients and a loopback Hub: "
        "`tests/e2e/test_transformers.py`, `tests/runtime/hooks/test_huggingface_hub.py`",
        met=good if ran or not good else None,
    )


def training(folder: Path) -> Row:
    """Count false refusals where a program trains, saves, resumes and talks to its own processes."""
    report = folder / "training.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", _TRAINING, "-k", _TRAINING_NAMES, f"--junitxml={report}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    passed, total = count_passed(report)
    return Row(
        part=PART,
        name="Trainer save and resume, accelerate save and load, DataLoader with workers, object collectives",
        bar="0 false refusals",
        measured=f"{total - passed} false refusals in {total} scenarios",
        method=f"`{_TRAINING}` with the real libraries under the strict defaults and an empty lockfile; workers (fork, "
        "spawn, forkserver) and collectives with both policies",
        met=passed == total > 0,
    )


def count_passed(report: Path) -> tuple[int, int]:
    """Return how many tests of a report passed, and how many there were."""
    cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314 - pytest wrote it a moment ago
    passed = [case for case in cases if all(case.find(tag) is None for tag in ("failure", "error", "skipped"))]
    return len(passed), len(cases)
