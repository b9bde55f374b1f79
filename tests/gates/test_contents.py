"""What a release has that the one admitted before had not, and a memory that nobody else can write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.vectors.wheels import wheel
from weighlock.artifact import PackageFile
from weighlock.errors import SourceError
from weighlock.finding import Outcome
from weighlock.gates.contents import Contents
from weighlock.gates.install import Fetched
from weighlock.gates.release_memory import ReleaseMemory
from weighlock.release import Release

STARTS = "import os\nos.system('true')\n"


def _fetched(folder: Path, version: str, text: str) -> Fetched:
    name, data = wheel("demo", {"demo/__init__.py": text}, version=version)
    (folder / name).write_bytes(data)
    artifact = PackageFile(name="demo", version=version, filename=name)
    return Fetched(path=folder / name, artifact=artifact, release=Release(artifact=artifact))


def _install(folder: Path, version: str, text: str) -> Outcome:
    """Inspect one, and remember it as if the policy admitted it."""
    contents = Contents({}, ReleaseMemory(folder / "releases.json"))
    one = _fetched(folder, version, text)
    [inspection] = contents([one])
    contents.remember([one.release.artifact])
    return inspection.outcome


def test_a_release_that_starts_a_program_where_the_admitted_one_did_not_needs_a_person(tmp_path: Path):
    assert _install(tmp_path, "1.0", "x = 1\n") is Outcome.DATA_ONLY
    assert _install(tmp_path, "1.1", STARTS) is Outcome.NEEDS_APPROVAL


def test_once_admitted_it_is_no_news(tmp_path: Path):
    assert _install(tmp_path, "1.0", STARTS) is Outcome.DATA_ONLY
    assert _install(tmp_path, "1.1", STARTS) is Outcome.DATA_ONLY


def test_the_same_release_and_an_older_one_have_no_news(tmp_path: Path):
    _install(tmp_path, "1.1", "x = 1\n")
    assert _install(tmp_path, "1.1", STARTS) is Outcome.DATA_ONLY
    _install(tmp_path, "1.1", "x = 1\n")
    assert _install(tmp_path, "1.0", STARTS) is Outcome.DATA_ONLY


def test_what_was_not_admitted_is_not_remembered(tmp_path: Path):
    memory = ReleaseMemory(tmp_path / "releases.json")
    Contents({}, memory)([_fetched(tmp_path, "1.0", "x = 1\n")])
    assert memory.recall("demo") is None


def test_without_a_memory_nothing_is_compared(tmp_path: Path):
    [inspection] = Contents({})([_fetched(tmp_path, "1.1", STARTS)])
    assert inspection.outcome is Outcome.DATA_ONLY


def test_a_wheel_of_another_version_than_was_asked_for_is_still_refused(tmp_path: Path):
    one = _fetched(tmp_path, "1.0", "x = 1\n")
    name, data = wheel("demo", {"demo/__init__.py": "x = 1\n"}, version="9.0")
    one.path.write_bytes(data)
    [inspection] = Contents({})([one])
    assert inspection.outcome > Outcome.DATA_ONLY
    assert name != one.path.name


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no json",
        b"[]",
        b"[" * 100_000,
        json.dumps({"version": 2, "releases": {}}).encode(),
        json.dumps({"version": 1, "releases": []}).encode(),
        json.dumps({"version": 1, "releases": {"demo": {"name": "demo"}}}).encode(),
    ],
)
def test_a_memory_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path, data: bytes):
    path = tmp_path / "releases.json"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(SourceError):
        ReleaseMemory(path).recall("demo")


def test_a_memory_that_others_can_write_is_not_believed(tmp_path: Path):
    path = tmp_path / "releases.json"
    path.write_text('{"version": 1, "releases": {}}', encoding="utf-8")
    path.chmod(0o666)
    with pytest.raises(SourceError):
        ReleaseMemory(path).recall("demo")


def test_a_memory_that_is_a_link_is_not_followed(tmp_path: Path):
    (tmp_path / "other").write_text('{"version": 1, "releases": {}}', encoding="utf-8")
    (tmp_path / "releases.json").symlink_to(tmp_path / "other")
    with pytest.raises(SourceError):
        ReleaseMemory(tmp_path / "releases.json").recall("demo")


def test_where_there_is_no_place_for_a_memory_nothing_is_remembered():
    ReleaseMemory(None).remember([])
    assert ReleaseMemory(None).recall("demo") is None


def _together(folder: Path, *wheels: tuple[str, dict[str, str]]) -> list[Outcome]:
    fetched = []
    for name, files in wheels:
        filename, data = wheel(name, files)
        (folder / filename).write_bytes(data)
        artifact = PackageFile(name=name, version="1.0", filename=filename)
        fetched.append(Fetched(path=folder / filename, artifact=artifact, release=Release(artifact=artifact)))
    return [inspection.outcome for inspection in Contents({})(fetched)]


def test_a_wheel_that_takes_a_module_of_another_one_installed_at_once_needs_a_person(tmp_path: Path):
    outcomes = _together(
        tmp_path,
        ("victim", {"victim/__init__.py": "", "victim/core.py": "x = 1\n"}),
        ("squats", {"squats/__init__.py": "", "squats-1.0.data/purelib/victim/core.py": "x = 2\n"}),
        ("neither", {"neither/__init__.py": "x = 1\n"}),
    )
    assert outcomes == [Outcome.NEEDS_APPROVAL, Outcome.NEEDS_APPROVAL, Outcome.DATA_ONLY]


def test_wheels_that_share_a_namespace_or_tests_at_the_top_take_nothing_from_one_another(tmp_path: Path):
    outcomes = _together(
        tmp_path,
        ("one", {"shared/__init__.py": "", "shared/one.py": "x = 1\n", "tests/__init__.py": "x = 1\n"}),
        ("two", {"shared/__init__.py": "", "shared/two.py": "x = 2\n", "tests/__init__.py": "x = 1\n"}),
    )
    assert outcomes == [Outcome.DATA_ONLY, Outcome.DATA_ONLY]


def _made(folder: Path, project: str, files: dict[str, str], **fields) -> Fetched:
    name, data = wheel(project, files, **fields)
    (folder / name).write_bytes(data)
    artifact = PackageFile(name=project, version="1.0", filename=name)
    return Fetched(path=folder / name, artifact=artifact, release=Release(artifact=artifact))


@pytest.mark.parametrize(
    ("file", "scripts"),
    [
        ("victim/__init__.py", []),
        ("evil-1.0.data/purelib/victim/__init__.py", []),
        ("single/__init__.py", []),
        ("evil/__init__.py", ["victim"]),
    ],
)
def test_a_wheel_that_takes_the_place_of_another_one_of_the_same_installation(tmp_path, file, scripts):
    victim = _made(tmp_path, "victim", {"victim/__init__.py": "x = 1\n", "single.py": "x = 1\n"}, scripts=["victim"])
    evil = _made(tmp_path, "evil", {file: "x = 2\n"}, scripts=scripts)
    inspections = Contents({})([victim, evil])
    assert max(one.outcome for one in inspections) is Outcome.NEEDS_APPROVAL
    assert any(one.check == "shadows-other-distribution" for one in inspections[1].findings)


def test_wheels_that_share_nothing_or_empty_files_are_no_overlap(tmp_path):
    one = _made(tmp_path, "one", {"google/__init__.py": "", "google/one.py": "x = 1\n"}, scripts=["one"])
    two = _made(tmp_path, "two", {"google/__init__.py": "", "google/two.py": "x = 1\n"}, scripts=["two"])
    assert all(one.outcome is Outcome.DATA_ONLY for one in Contents({})([one, two]))


def test_a_wheel_whose_directory_cannot_be_read_is_refused_and_ends_nothing(tmp_path):
    broken = _made(tmp_path, "broken", {"broken.py": "x = 1\n"})
    broken.path.write_bytes(b"no archive")
    inspections = Contents({})([broken, _made(tmp_path, "one", {"one.py": "x = 1\n"})])
    assert [one.outcome for one in inspections] == [Outcome.UNVERIFIABLE, Outcome.DATA_ONLY]
