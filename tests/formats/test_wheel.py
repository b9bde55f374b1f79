"""Wheels that lie about what is in them, or that their readers would read differently."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from tests.corpus.archives import Member
from tests.vectors.wheels import MODULE, file_name, unicode_path, wheel
from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import wheel as wheel_format
from weighlock.formats.source import Budget, BytesSource


def parse(name: str, data: bytes, **limits: int) -> wheel_format.Wheel:
    return wheel_format.parse(BytesSource(data), name, Budget(**limits))


def parsed(name: str, *args, **fields) -> wheel_format.Wheel:
    return parse(*wheel(name, *args, **fields))


def patched(data: bytes, magic: bytes, offset: int, value: bytes) -> bytes:
    place = data.rindex(magic) + offset
    return data[:place] + value + data[place + len(value) :]


# What zipfile, miniz and uv resolve differently


def test_two_end_records():
    name, data = wheel("plain")
    other = wheel("plain", {"other.py": MODULE})[1]
    end = other[other.rindex(b"PK\x05\x06") :]
    comment = patched(data, b"PK\x05\x06", 20, struct.pack("<H", len(other)))
    for mixed in (comment + other, data + end):
        assert {"several-end-records", "several-directories", "zipfile-differs"} & set(parse(name, mixed).anomalies)


def test_an_end_record_in_the_comment_of_the_archive():
    name, data = wheel("plain")
    fake = b"PK\x05\x06" + bytes(18)
    data = patched(data, b"PK\x05\x06", 20, struct.pack("<H", len(fake))) + fake
    assert "several-end-records" in parse(name, data).anomalies


def test_data_in_front():
    assert "prefixed-data" in parsed("plain", prefix=b"#!/usr/bin/env python\n").anomalies


def test_data_behind():
    name, data = wheel("plain")
    assert "trailing-data" in parse(name, data + b"more").anomalies


def test_a_wheel_in_front_of_a_wheel():
    name, data = wheel("plain")
    behind = wheel("plain", {"other.py": MODULE})[1]
    assert parse(name, data + behind).anomalies


def test_a_name_that_is_cut_at_a_zero_byte():
    found = parsed("plain", members=[Member(name="sitecustomize.py\0.txt", data=b"")])
    assert "zipfile-differs" in found.anomalies


def test_two_headers_with_two_names():
    found = parsed("plain", members=[Member(name="a.txt", local_name="a.py", data=b"x = 1\n")])
    assert "name-mismatch" in found.anomalies
    assert {"a.txt", "a.py"} <= found.names  # both readings are judged


def test_a_name_in_an_extra_field_that_newer_pythons_read():
    extra = unicode_path("notes.txt", "sitecustomize.py")
    found = parsed("plain", members=[Member(name="notes.txt", data=b"", central_extra=extra)])
    assert "unicode-path" in found.anomalies


def test_the_same_name_in_an_extra_field_is_no_anomaly():
    extra = unicode_path("notes.txt", "notes.txt")
    assert parsed("plain", members=[Member(name="notes.txt", data=b"", central_extra=extra)]).anomalies == ()


def test_a_member_that_no_directory_lists():
    found = parsed("plain", members=[Member(name="hidden.py", data=b"", listed=False)])
    assert "hidden-entry" in found.anomalies
    assert "hidden.py" in found.names


def test_a_directory_that_lists_one_member_twice():
    name, data = wheel("plain")
    start = data.index(b"PK\x01\x02")
    first = data[start : data.index(b"PK\x01\x02", start + 4)]
    end = data.rindex(b"PK\x05\x06")
    count, size = struct.unpack_from("<H2xL", data, end + 8)
    record = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count + 1, count + 1, size + len(first), start, 0)
    assert "zipfile-differs" in parse(name, data[:end] + first + record).anomalies


def test_a_data_descriptor_that_says_another_size():
    name, data = wheel("plain", members=[Member(name="a.py", data=b"x = 1\n", flags=8, local_sizes=(0, 3))])
    assert "size-mismatch" in parse(name, data).anomalies


def test_a_version_of_zip_that_zipfile_does_not_take():
    assert "zipfile-differs" in parsed("plain", members=[Member(name="a.py", data=b"", version=90)]).anomalies


def test_names_that_are_no_utf_8():
    name, data = wheel("plain", members=[Member(name="\u00e9.py", data=b"", flags=0x800)])
    broken = data.replace("\u00e9.py".encode(), b"\xff\xfe.py")
    assert "zipfile-differs" in parse(name, broken).anomalies


# What it costs


def test_more_members_than_the_budget_allows():
    name, data = wheel("many", members=[Member(name=f"m{number}.py", data=b"") for number in range(200)])
    with pytest.raises(OverBudgetError):
        parse(name, data, entries=100)


def test_a_file_that_says_it_is_larger_than_it_is():
    found = parsed("plain", members=[Member(name="a.py", data=b"x = 1\n" * 9, method=8, size=1 << 30)])
    member = next(each for each in found.members if each.name == "a.py")
    with pytest.raises(OverBudgetError):
        member.read(Budget(), 1 << 20)
    with pytest.raises(FormatError, match="size"):
        member.read(Budget(), 1 << 31)


def test_a_file_that_unpacks_to_more_than_it_says():
    found = parsed("plain", members=[Member(name="a.py", data=b"x = 1\n" * 999, method=8, size=6)])
    member = next(each for each in found.members if each.name == "a.py")
    with pytest.raises(FormatError, match="size"):
        member.read(Budget(), 1 << 20)


def test_a_file_with_another_checksum():
    found = parsed("plain", members=[Member(name="a.py", data=b"x = 1\n", crc=1)])
    member = next(each for each in found.members if each.name == "a.py")
    with pytest.raises(FormatError, match="checksum"):
        member.read(Budget(), 1 << 20)


@pytest.mark.parametrize("name", ["METADATA", "WHEEL", "RECORD", "entry_points.txt"])
def test_a_huge_file_of_the_dist_info_folder_is_broken_and_not_read(name):
    data = bytes(64 << 20) if name == "RECORD" else bytes(4 << 20)
    place = f"huge-1.0.dist-info/{name}"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(place, data)
    found = parse(file_name("huge"), buffer.getvalue())
    assert found.broken == {name: "it is longer than any honest file of its kind"}


# What it is called


@pytest.mark.parametrize(
    "name",
    [
        "plain.whl",
        "plain-1.0.whl",
        "plain-1.0-py3-none-any.zip",
        "pla__in-1.0-py3-none-any.whl",
        "plain-one-py3-none-any.whl",
        "../plain-1.0-py3-none-any.whl",
        "",
    ],
)
def test_a_name_that_is_not_that_of_a_wheel(name):
    with pytest.raises(FormatError, match="name"):
        parse(name, wheel("plain")[1])


def test_bytes_that_are_no_zip():
    with pytest.raises(FormatError):
        parse(file_name("plain"), b"not a zip archive at all")


def test_an_empty_file():
    with pytest.raises(FormatError):
        parse(file_name("plain"), b"")


# What it holds


def test_a_wheel_says_what_it_is():
    found = parsed("package", {"package/__init__.py": MODULE, "native.abi3.so": b""}, scripts=["tool"])
    assert (found.name, str(found.version), found.tags) == ("package", "1.0", ("py3-none-any",))
    assert found.dist_info == "package-1.0.dist-info"
    assert found.metadata is not None
    assert found.metadata.first("name") == "package"
    assert found.is_pure
    assert set(found.top_levels) == {"package", "native"}
    assert [(entry.group, entry.name, entry.value) for entry in found.entry_points] == [
        ("console_scripts", "tool", "package:main")
    ]
    assert found.record is not None
    assert found.record.rows.keys() == found.names
    assert found.anomalies == ()


def test_only_the_top_dist_info_counts():
    found = parsed("ray", {"ray.py": MODULE, "ray/vendored/psutil-5.9.dist-info/METADATA": "Name: psutil\n"})
    assert found.dist_infos == ("ray-1.0.dist-info",)


def test_zipfile_itself_reads_what_is_read_here():
    name, data = wheel("plain", members=[Member(name="\u00e9/a.py", data=b"x", method=8, flags=0x800)])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert [member.name for member in parse(name, data).members] == archive.namelist()
        for member in parse(name, data).members:
            assert member.read(Budget(), 1 << 20) == archive.read(member.name)
