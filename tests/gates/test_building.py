"""What is known about a source holds for the wheel that was built of it, and for no other."""

from __future__ import annotations

from pathlib import Path

from weighlock.artifact import PackageFile
from weighlock.gates.building import Built, Workshop
from weighlock.install_policy import InstallPolicy
from weighlock.sources.pip.interface import Resolved

NAME = "gantry-1.0-py3-none-any.whl"


def _resolved(url: str) -> Resolved:
    artifact = PackageFile(name="gantry", version="1.0", filename=NAME)
    return Resolved(artifact=artifact, url=url, requested=True, direct=None)


def test_a_wheel_of_an_index_is_not_taken_for_the_one_of_its_name_that_was_built(tmp_path: Path, monkeypatch):
    policy = InstallPolicy.from_dict({"allow-build": ["gantry"]})
    workshop = Workshop(policy, (), "3.11.0", tmp_path, lambda _requirements: tmp_path)
    built = Built(wheel=tmp_path / "a folder" / NAME)
    monkeypatch.setitem(workshop._built, "gantry", built)
    assert workshop.of(_resolved(built.wheel.as_uri())) is built
    assert workshop.of(_resolved(f"https://index.example/{NAME}")) is None
    assert workshop.of(_resolved(f"file:///elsewhere/{NAME}")) is None
