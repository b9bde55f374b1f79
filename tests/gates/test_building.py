"""What is known about a source holds for the wheel that was built of it, and for no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from weighlock.artifact import PackageFile
from weighlock.gates.building import Built, Workshop, path_of
from weighlock.install_policy import InstallPolicy
from weighlock.release import Origin
from weighlock.sources.pip.interface import Build, Resolved
from weighlock.sources.pip.requirement import parse

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


@pytest.mark.parametrize("named", ["tool @ .", "tool @ ./", "tool @ file://{folder}", "{folder}"])
def test_a_folder_is_built_from_where_it_lies_however_it_is_named(tmp_path: Path, named: str):
    folder = tmp_path / "a b"
    place = str(folder).replace(" ", "%20") if "file:" in named else str(folder)
    folder.mkdir()
    wanted = parse(named.format(folder=place), Origin(text=named), folder=str(folder))
    assert isinstance(wanted, Build)
    assert path_of(wanted) == folder
