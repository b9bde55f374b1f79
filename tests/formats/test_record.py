"""RECORD files that their readers would take differently."""

from __future__ import annotations

import pytest

from tests.vectors.wheels import digest
from weighlock.errors import FormatError
from weighlock.formats import record

DIGEST = f"sha256={digest(b'')}"


def test_lines_that_end_as_on_windows():
    found = record.parse(f"a.py,{DIGEST},0\r\nb.py,{DIGEST},0\r\n".encode())
    assert list(found.rows) == ["a.py", "b.py"]
    assert (found.odd, found.twice) == ((), ())


def test_quoted_paths():
    found = record.parse(f'"a,b.py",{DIGEST},0\n"c""d.py",{DIGEST},0\n'.encode())
    assert list(found.rows) == ["a,b.py", 'c"d.py']


@pytest.mark.parametrize("character", "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r")
def test_a_character_that_ends_a_line_for_some_readers(character):
    with pytest.raises(FormatError, match="end of a line"):
        record.parse(f"a.py{character}b.py,{DIGEST},0\n".encode())


def test_a_file_listed_twice_with_two_digests():
    assert record.parse(f"a.py,{DIGEST},0\na.py,{DIGEST},1\n".encode()).twice == ("a.py",)


def test_a_file_listed_twice_alike():
    assert record.parse(f"a.py,{DIGEST},0\na.py,{DIGEST},0\n".encode()).twice == ()


@pytest.mark.parametrize(
    "line",
    [
        "a.py",
        "a.py,",
        f"a.py,{DIGEST}",
        f"a.py,{DIGEST},0,more",
        "a.py,sha256=!!!,0",
        "a.py,sha256=,0",
        f"a.py,{DIGEST},-1",
    ],
)
def test_a_line_that_is_no_proper_row(line):
    assert record.parse(f"{line}\n".encode()).odd


def test_a_size_of_thousands_of_digits():
    assert record.parse(f"a.py,{DIGEST},{'9' * 5000}\n".encode()).rows["a.py"].size == -1


def test_digits_of_other_scripts_are_no_size():
    assert record.parse(f"a.py,{DIGEST},\u0661\n".encode()).odd


@pytest.mark.parametrize(
    "data", [b"\xff\xfe,,\n", b'"' + b"x" * 200_000, b",,\n" * 200_001], ids=["bytes", "field", "lines"]
)
def test_what_is_no_record(data):
    with pytest.raises(FormatError):
        record.parse(data)


def test_a_quote_that_never_ends_hides_no_line():
    found = record.parse(f'"a.py,{DIGEST},0\nb.py,{DIGEST},0\n'.encode())
    assert "b.py" not in found.rows  # so that it is a file that RECORD does not list
    assert found.odd


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("package/a.py", "package/a.py"),
        ("../../../bin/tool", "../bin/tool"),
        ("../../Scripts/tool.exe", "../bin/tool.exe"),
        ("..\\..\\Scripts\\tool.exe", "../bin/tool.exe"),
        ("../../../share/man/man1/tool.1", "../share/man/man1/tool.1"),
    ],
)
def test_where_an_installed_file_lies(path, key):
    assert record.owner_key(path) == key
    assert record.keys([path], "tool") == {key: "tool"}
