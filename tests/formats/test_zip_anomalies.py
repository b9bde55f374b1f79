"""Zip archives that two readers read differently: both readings are shown, or the archive is refused."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
import torch

from tests.formats.zips import MEMBERS, central, contents, drain, ending, patched, plain, read, two_entries
from weighlock.errors import FormatError, UnsupportedError
from weighlock.formats.source import Budget


def test_duplicate_name_gives_both_contents():
    data = two_entries(b"good", b"evil")
    assert read(data).anomalies == ("duplicate-name",)
    assert [drain(e.open(Budget())) for e in read(data).entries] == [b"good", b"evil"]


def test_names_that_differ_in_case_only():
    data = patched(two_entries(b"good", b"evil"), b"PK\x01\x02", 46, b"X")
    data = patched(data, b"PK\x03\x04", 30, b"X")
    assert read(data).anomalies == ("duplicate-name-ignoring-case",)


def test_a_folder_with_content_of_which_torch_takes_memory_that_nobody_wrote():
    archive = read(patched(plain(), b"PK\x01\x02", 38, b"\x10"))
    assert archive.anomalies == ("folder-with-content",)
    assert b"\x80\x02N." in [drain(e.open(Budget())) for e in archive.entries]


def test_a_folder_is_no_anomaly():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.mkdir("a")
        archive.writestr("a/x", b"x")
    assert read(file.getvalue()).anomalies == ()


def test_name_mismatch_gives_both_names():
    data = patched(plain(), b"PK\x03\x04", 30, b"b")
    archive = read(data)
    assert archive.anomalies == ("name-mismatch",)
    assert {"a/data.pkl", "b/data.pkl"} <= {entry.name for entry in archive.entries}


def test_method_mismatch_gives_both_readings():
    data = patched(plain(zipfile.ZIP_DEFLATED), b"PK\x01\x02", 10, b"\x00\x00")
    archive = read(data)
    assert "method-mismatch" in archive.anomalies
    assert b"\x80\x02N." in [drain(e.open(Budget())) for e in archive.entries if e.name == "a/data.pkl"]


def test_size_mismatch_of_a_stored_entry_gives_both_lengths():
    data = patched(plain(), b"PK\x01\x02", 24, (2).to_bytes(4, "little"))
    archive = read(data)
    assert archive.anomalies == ("size-mismatch",)
    assert {drain(e.open(Budget())) for e in archive.entries if e.name == "a/data.pkl"} == {b"\x80\x02N.", b"\x80\x02"}


def test_an_entry_that_unpacks_to_more_than_promised_fails_after_its_bytes():
    data = patched(plain(zipfile.ZIP_DEFLATED), b"PK\x01\x02", 24, (100).to_bytes(4, "little"), nth=1)
    stream = next(e for e in read(data).entries if e.name == "a/long").open(Budget()).open()
    assert stream.read(5000) == MEMBERS["a/long"]
    with pytest.raises(FormatError, match="size that the directory says"):
        stream.read(1)


@pytest.mark.parametrize("flags", [0x01, 0x40, 0x2000])
@pytest.mark.parametrize("record", [(b"PK\x01\x02", 8), (b"PK\x03\x04", 6)])
def test_encrypted_flags_do_not_hide_the_content(flags: int, record: tuple[bytes, int]):
    data = patched(plain(), *record, flags.to_bytes(2, "little"))
    assert read(data).anomalies == ("encrypted", "flags-mismatch")
    assert contents(data) == MEMBERS


def test_patch_data_is_noted():
    assert "patched" in read(patched(plain(), b"PK\x01\x02", 8, b"\x20\x00")).anomalies


@pytest.mark.parametrize("method", [1, 9, 93, 95, 98])
def test_an_unknown_method_cannot_be_opened(method: int):
    data = patched(plain(), b"PK\x01\x02", 10, method.to_bytes(2, "little"))
    archive = read(data)
    assert archive.anomalies == ("method-mismatch", "unknown-method")
    with pytest.raises(UnsupportedError):
        archive.entries[0].open(Budget())


def test_a_wrong_checksum_hides_nothing():
    assert contents(patched(plain(), b"PK\x01\x02", 16, b"\xde\xad\xbe\xef")) == MEMBERS


def test_prefixed_data_is_noted_and_the_entries_are_read():
    archive = read(b"\x80\x02N." + plain())
    assert "prefixed-data" in archive.anomalies
    assert drain(archive.entries[1].open(Budget())) == MEMBERS["a/long"]


def test_trailing_data_is_noted():
    assert read(plain() + b"more").anomalies == ("trailing-data",)


def test_a_zip_behind_a_zip_is_read_with_its_hidden_forerunner():
    archive = read(two_entries(b"good", b"evil") + plain())
    assert {"hidden-entry", "prefixed-data"} <= set(archive.anomalies)
    assert {b"good", b"evil"} <= {drain(e.open(Budget())) for e in archive.entries}


def test_an_end_record_in_the_comment_gives_both_archives():
    first, second = plain(), two_entries(b"good", b"evil")
    data = first[:-2] + len(second).to_bytes(2, "little") + second
    archive = read(data)
    assert {"several-end-records", "several-directories"} <= set(archive.anomalies)
    names = [entry.name for entry in archive.entries]
    assert "a/data.pkl" in names
    assert "x" in names


def test_a_second_directory_at_the_promised_offset_gives_both_archives():
    """zipfile takes the directory before the end record, others the one at the offset."""
    body = two_entries(b"good", b"evil")
    start = body.index(b"PK\x01\x02")
    local, directory = body[:start], body[start:-22]
    decoy = directory.replace(b"x", b"y")
    archive = read(local + decoy + directory + ending(2, len(directory), start))
    assert "several-directories" in archive.anomalies
    assert {"x", "y"} <= {entry.name for entry in archive.entries}


def test_an_entry_that_is_not_in_the_directory_is_found():
    body = two_entries(b"good", b"evil")
    start = body.index(b"PK\x01\x02")
    directory = central(b"x", b"good", 0)
    archive = read(body[:start] + directory + ending(1, len(directory), start))
    assert archive.anomalies == ("data-outside", "hidden-entry")
    assert [drain(e.open(Budget())) for e in archive.entries] == [b"good", b"evil"]


def test_overlapping_entries_are_noted():
    body = two_entries(b"good", b"evil")
    start = body.index(b"PK\x01\x02")
    directory = central(b"x", b"good", 0) + central(b"y", b"good", 0)
    assert "overlapping" in read(body[:start] + directory + ending(2, len(directory), start)).anomalies


def test_an_entry_without_a_local_header_cannot_be_opened():
    archive = read(patched(plain(), b"PK\x03\x04", 0, b"XX"))
    assert "missing-entry" in archive.anomalies
    with pytest.raises(FormatError, match="no local header"):
        archive.entries[0].open(Budget())


def test_an_entry_over_the_end_of_the_file_is_noted():
    data = patched(plain(), b"PK\x01\x02", 20, (10**6).to_bytes(4, "little") * 2)
    assert "truncated-entry" in read(data).anomalies


@pytest.mark.parametrize(
    ("name", "anomaly"),
    [
        (b"../a.pkl", "unsafe-name"),
        (b"a/..\\..\\b", "unsafe-name"),
        (b"/etc/pass", "unsafe-name"),
        (b"\\\\host\\x", "unsafe-name"),
        (b"C:\\x.pkl", "unsafe-name"),
        (b"data\x00.txt", "control-in-name"),
        (b"a\x1b[31m.pt", "control-in-name"),
        (b"a\nb", "control-in-name"),
    ],
)
def test_hostile_names_are_noted(name: bytes, anomaly: str):
    local = struct.pack("<I5H3I2H", 0x04034B50, 20, 0, 0, 0, 0, 0, 1, 1, len(name), 0) + name + b"1"
    directory = central(name, b"1", 0)
    assert read(local + directory + ending(1, len(directory), len(local))).anomalies == (anomaly,)


@pytest.mark.parametrize("count", [0, 3, 5])
def test_an_end_record_that_miscounts(count: int):
    assert read(patched(plain(), b"PK\x05\x06", 10, count.to_bytes(2, "little"))).anomalies == ("entry-count",)


def test_garbage_in_the_directory_behind_the_promised_entries():
    data = plain()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    broken = data[:end] + b"garbage" + ending(4, end - start + 7, start)
    assert "directory-garbage" in read(broken).anomalies
    with pytest.raises(FormatError, match="breaks off"):
        read(data[:end] + b"garbage" + ending(9, end - start + 7, start))


def test_zip64_that_contradicts_the_old_fields_gives_both_directories():
    file = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, file)
    data = file.getvalue()
    archive = read(patched(data, b"PK\x06\x06", 48, (0).to_bytes(8, "little")))
    assert "zip64-inconsistent" in archive.anomalies
    assert read(patched(data, b"PK\x06\x07", 8, (3).to_bytes(8, "little"))).anomalies == ("zip64-inconsistent",)
    assert read(patched(data, b"PK\x06\x06", 0, b"XX")).anomalies == ("data-outside", "zip64-inconsistent")


def test_a_size_that_should_be_in_a_missing_zip64_field():
    data = patched(plain(), b"PK\x01\x02", 20, b"\xff" * 8)
    assert "zip64-inconsistent" in read(data).anomalies


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", plain()[:-22], b"PK\x05\x06", b"PK\x05\x06" + b"\xff" * 18])
def test_what_no_reader_takes_is_refused(data: bytes):
    with pytest.raises(FormatError):
        read(data)
