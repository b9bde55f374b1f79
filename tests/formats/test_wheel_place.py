"""Where the members of a wheel are installed, whatever way they take."""

from __future__ import annotations

import pytest

from weighlock.formats.wheel_place import place_of


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("a.pth", "a.pth"),
        ("x-1.0.data/purelib/a.pth", "a.pth"),
        ("x-1.0.data/platlib/b/a.py", "b/a.py"),
        ("other.data/purelib/a.pth", "a.pth"),
        ("x-1.0.data/data/lib/python3.11/site-packages/a.pth", "a.pth"),
        ("x-1.0.data/data/lib/python3.13t/site-packages/a.pth", "a.pth"),
        ("x-1.0.data/data/lib64/python3.11/dist-packages/a.pth", "a.pth"),
        ("x-1.0.data/data/local/lib/python3.12/dist-packages/a.pth", "a.pth"),
        ("x-1.0.data/data/lib/python3/dist-packages/a.pth", "a.pth"),
        ("x-1.0.data/data/Lib/site-packages/a.pth", "a.pth"),
        ("x-1.0.data/data/lib/site-packages/a.pth", "a.pth"),
        ("x-1.0.data/data/lib/pypy3.11/site-packages/a.pth", "a.pth"),
        ("x-1.0.data/data/share/a.pth", None),
        ("x-1.0.data/scripts/a", None),
        ("x-1.0.data/else/a", None),
    ],
)
def test_every_way_into_the_library(name, library):
    assert place_of(name).library == library


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("x-1.0.data/scripts/ls", "ls"),
        ("x-1.0.data/data/bin/ls", "ls"),
        ("x-1.0.data/data/Scripts/ls.exe", "ls.exe"),
        ("x-1.0.data/data/share/bin/ls", None),
        ("bin/ls", None),
    ],
)
def test_every_way_to_a_command(name, script):
    assert place_of(name).script == script


@pytest.mark.parametrize(
    ("name", "top"),
    [
        ("json.py", "json"),
        ("json/__init__.py", "json"),
        ("json/data.txt", "json"),
        ("json.cpython-311-x86_64-linux-gnu.so", "json"),
        ("json.abi3.so", "json"),
        ("json.PYD", "json"),
        ("json.pyc", "json"),
        ("json.extra.py", None),
        ("json.txt", None),
        ("json-1.0.dist-info/METADATA", None),
        ("x-1.0.data/data/lib/python3.11/json/extra.py", None),
    ],
)
def test_what_can_be_imported(name, top):
    assert place_of(name).top_level == top


def test_the_standard_library_itself():
    assert place_of("x-1.0.data/data/lib/python3.11/json/extra.py").standard_library == "json/extra.py"
    assert place_of("x-1.0.data/data/lib/python3.11/site-packages/a.py").standard_library is None


def test_what_lies_in_one_place_has_one_key():
    keys = {
        place_of(name).key
        for name in ("a.py", "x-1.0.data/purelib/a.py", "y.data/data/lib/python3.11/site-packages/a.py")
    }
    assert keys == {"a.py"}
    assert place_of("x-1.0.data/data/bin/ls").key == place_of("x-1.0.data/scripts/ls").key == "../bin/ls"
