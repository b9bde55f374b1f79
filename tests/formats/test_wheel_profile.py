"""Profiles of releases: what they hold, and that a forged one is not believed."""

from __future__ import annotations

import json

import pytest

from tests.corpus.archives import Member
from tests.vectors.wheels import wheel
from weighlock import checks
from weighlock.errors import FormatError
from weighlock.finding import Outcome
from weighlock.formats.source import BytesSource
from weighlock.formats.wheel_profile import ReleaseChange, WheelProfile
from weighlock.inspector.packages import examine_wheel

PLAIN = {"demo/__init__.py": "x = 1\n"}


def profile(files: dict[str, bytes | str], **fields: object) -> WheelProfile:
    name, data = wheel("demo", {**PLAIN, **files}, **fields)
    found = examine_wheel(BytesSource(data), name).profile
    assert found is not None
    return found


def news(files: dict[str, bytes | str], **fields: object) -> dict[str, Outcome]:
    change = ReleaseChange(previous=profile({}), new=profile(files, version="1.1", **fields))
    return {finding.message: finding.outcome for finding in checks.run(change, checks.PACKAGES)}


def test_a_profile_says_what_a_wheel_is_made_of():
    found = profile(
        {
            "demo/_speed.cpython-311-x86_64-linux-gnu.so": b"\x7fELF",
            "demo/model.bin": bytes(2 << 20),
            "demo.pth": "import demo\n",
            "demo/run.py": "",
        },
        scripts=["demo-tool"],
        fields=["Requires-Dist: Num_Py>=1", "Requires-Dist: torch; extra == 'gpu'"],
        members=[Member(name="demo-1.0.data/scripts/other", data=b"#!python\n")],
    )
    assert found.native == ("demo/_speed.so",)
    assert found.large == (("demo/model.bin", 2 << 20),)
    assert found.startup == ("demo.pth",)
    assert found.scripts == ("demo-tool", "other")
    assert found.top_levels == ("demo",)
    assert found.requires == ("num-py", "torch")


def test_a_profile_comes_back_from_json_as_it_was():
    found = profile({"demo/big.bin": bytes(1 << 20), "demo/go.py": ""}, scripts=["demo"])
    assert WheelProfile.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"name": "demo"},
        {"name": "demo", "version": 1},
        {"name": "demo", "version": "1", "size": True},
        {"name": "demo", "version": "1", "native": "demo.so"},
        {"name": "demo", "version": "1", "native": [1]},
        {"name": "demo", "version": "1", "large": [["a"]]},
        {"name": "demo", "version": "1", "large": [["a", "b"]]},
        {"name": "demo", "version": "1", "behaviours": [["a", 1]]},
        {"name": "demo", "version": "1", "trusted": True},
    ],
)
def test_a_remembered_profile_that_is_none_is_not_believed(data: object):
    with pytest.raises(FormatError):
        WheelProfile.from_dict(data)


def test_native_code_is_known_by_its_bytes_whatever_it_is_called():
    assert profile({"demo/data.bin": b"\x7fELF" + bytes(60)}).native == ("demo/data.bin",)
    assert profile({"demo/tool": b"MZ" + bytes(60)}).native == ("demo/tool",)


@pytest.mark.parametrize(
    "files",
    [
        {"demo.pth": "import demo\n"},
        {"demo.start": "demo:main\n"},
        {"sitecustomize.py": "x = 1\n"},
        {"demo/__init__.py": "import os\nos.system('true')\n"},
        {"demo/__init__.py": "import socket\nsocket.gethostbyname('x.invalid')\n"},
        {"demo/router.js": b"x" * (11 << 20)},
    ],
    ids=["pth", "start", "sitecustomize", "program", "network", "like-lightning"],
)
def test_a_release_that_suddenly_runs_something_needs_a_person(files: dict[str, bytes | str]):
    assert Outcome.NEEDS_APPROVAL in news(files).values()


def test_a_release_that_grows_in_ordinary_ways_is_told():
    found = news(
        {
            "demo/_speed.so": b"\x7fELF",
            "tests/a.py": "",
            "demo/table.bin": bytes(2 << 20),
            "demo/big.py": "x = 1\n" * 500_000,
        },
        scripts=["demo"],
        fields=["Requires-Dist: numpy"],
    )
    assert set(found.values()) == {Outcome.DATA_ONLY}
    assert len(found) == 6


def test_the_same_release_has_no_news():
    assert news({}) == {}
