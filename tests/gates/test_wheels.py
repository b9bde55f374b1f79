"""Wheels that ``weighlock scan`` comes across: judged as packages, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus import opcodes as op
from tests.vectors.wheels import MODULE, wheel
from weighlock.finding import Outcome
from weighlock.gates.scan import Judge, Judged, scan


def _scanned(folder: Path, made: tuple[str, bytes], name: str | None = None) -> list[Judged]:
    (folder / (name or made[0])).write_bytes(made[1])
    return list(scan([str(folder)], Judge()).judged)


def test_a_wheel_without_models_is_listed_and_allowed(tmp_path):
    (judged,) = _scanned(tmp_path, wheel("plain"))
    assert (judged.artifact.format, judged.inspection.outcome, judged.verdict.allowed) == (
        "wheel",
        Outcome.DATA_ONLY,
        True,
    )


@pytest.mark.parametrize(
    ("files", "check"),
    [
        ({"a.pth": "import base64;exec(base64.b64decode('eA=='))\n"}, "startup-files"),
        ({"a.pth": "import other\n"}, "startup-files"),  # asks, and nobody can be asked here
        ({"sitecustomize.py": MODULE}, "startup-files"),
        ({"distutils/__init__.py": MODULE}, "shadows-standard-library"),
    ],
)
def test_a_wheel_that_is_refused_as_a_package(tmp_path, files, check):
    (judged,) = _scanned(tmp_path, wheel("other", files))
    assert not judged.verdict.allowed
    assert {reason.rule for reason in judged.verdict.reasons} == {check}
    assert any("tool.weighlock.install" in (reason.remedy or "") for reason in judged.verdict.reasons)


def test_a_model_in_a_wheel_is_said_once(tmp_path):
    data = op.stream(op.call(op.glob("posix", "system"), op.text("true")), protocol=2)
    (judged,) = _scanned(tmp_path, wheel("brings", {"brings/model.pkl": data}))
    assert judged.inspection.outcome is Outcome.REFUSED
    assert "models-in-package" not in {finding.check for finding in judged.inspection.findings}
    assert "dangerous-imports" in {finding.check for finding in judged.inspection.findings}


def test_a_broken_wheel_is_unverifiable(tmp_path):
    name, data = wheel("plain")
    (judged,) = _scanned(tmp_path, (name, data[:-10]))
    assert judged.inspection.outcome is Outcome.UNVERIFIABLE
    assert not judged.verdict.allowed


def test_a_file_that_no_installer_takes_for_a_wheel_is_judged_as_models_alone(tmp_path):
    (judged,) = _scanned(tmp_path, wheel("other", {"a.pth": "import other\n"}), "not a wheel.whl")
    assert judged.verdict.allowed
