"""METADATA that hides or repeats what it says."""

from __future__ import annotations

import pytest

from weighlock.errors import FormatError
from weighlock.formats import core_metadata, entry_points


def test_a_name_that_stands_twice():
    found = core_metadata.parse(b"Name: a\nVersion: 1\nNAME: b\n")
    assert found.repeated == ("name",)
    assert found.first("name") == "a"


def test_a_description_that_looks_like_fields():
    found = core_metadata.parse(b"Name: a\nVersion: 1\n\nName: b\nRequires-Dist: c\n")
    assert found.repeated == ()
    assert found.all("requires-dist") == ()


def test_fields_that_may_stand_several_times():
    found = core_metadata.parse(b"Name: a\nRequires-Dist: b\nRequires-Dist: c ;\n  python_version > '3'\n")
    assert found.repeated == ()
    assert [text.split()[0] for text in found.all("requires-dist")] == ["b", "c"]


def test_lines_that_end_as_on_windows():
    assert core_metadata.parse(b"Name: a\r\nVersion: 1\r\n\r\nbody").first("version") == "1"


@pytest.mark.parametrize("data", [b"Name: \xff\n", b"A: b\n" * 20_002, b"A: b\r" * 20_002, b"A:\n" + b" b\n" * 20_002])
def test_metadata_that_nobody_writes(data):
    with pytest.raises(FormatError):
        core_metadata.parse(data)


def test_control_characters_stay_within_their_field():
    found = core_metadata.parse(b"Name: a\x1b[2J\x00\nVersion: 1\n")
    assert found.first("name") == "a\x1b[2J\x00"
    assert found.first("version") == "1"


def test_scripts_in_a_group_with_spaces_count():
    found = entry_points.parse(b"[ console_scripts ]\nls = a:b\n[other]\nx = y\n")
    assert [(entry.name, entry.is_script) for entry in found] == [("ls", True), ("x", False)]


def test_scripts_behind_other_ends_of_lines():
    assert [entry.name for entry in entry_points.parse("[console_scripts]\x85ls = a:b\u2028cat = a:c".encode())] == [
        "ls",
        "cat",
    ]


@pytest.mark.parametrize("data", [b"\xff", b"[g]\n" + b"a = b\n" * 20_001])
def test_entry_points_that_nobody_writes(data):
    with pytest.raises(FormatError):
        entry_points.parse(data)
