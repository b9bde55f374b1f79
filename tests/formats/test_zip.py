from __future__ import annotations

import contextlib
import io
import struct
import time
import zipfile
import zlib
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError, WeighlockError
from weighlock.formats.source import Budget, BytesSource, FileSource, Source
from weighlock.formats.zip import ZipArchive, parse

MEMBERS = {"a/data.pkl": b"\x80\x02N.", "a/long": b"0123456789" * 500, "a/empty": b"", "a/version": b"3\n"}


@cache
def plain(method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in MEMBERS.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def read(data: bytes, **limits: int) -> ZipArchive:
    return parse(BytesSource(data), Budget(**limits))


def drain(source: Source) -> bytes:
    stream = source.open()
    return b"".join(iter(lambda: stream.read(1 << 20), b""))


def contents(data: bytes) -> dict[str, bytes]:
    return {entry.name: drain(entry.open(Budget())) for entry in read(data).entries}


def two_entries(first: bytes, second: bytes, name: bytes = b"x") -> bytes:
    """Write two stored entries and a directory that lists them under one name."""
    parts, offset = [], 0
    for content in (first, second):
        local = struct.pack("<I5H3I2H", 0x04034B50, 20, 0, 0, 0, 0, zlib.crc32(content), *[len(content)] * 2, 1, 0)
        parts.append((local + name + content, content, offset))
        offset += len(parts[-1][0])
    directory = b"".join(central(name, content, start) for _, content, start in parts)
    return b"".join(each for each, _, _ in parts) + directory + ending(2, len(directory), offset)


def central(name: bytes, content: bytes, offset: int, *, flags: int = 0, method: int = 0) -> bytes:
    sizes = (zlib.crc32(content), len(content), len(content))
    return (
        struct.pack("<I6H3I5H2I", 0x02014B50, 20, 20, flags, method, 0, 0, *sizes, len(name), 0, 0, 0, 0, 0, offset)
        + name
    )


def ending(count: int, size: int, offset: int, comment: bytes = b"") -> bytes:
    return struct.pack("<I4H2IH", 0x06054B50, 0, 0, count, count, size, offset, len(comment)) + comment


def patched(data: bytes, magic: bytes, field: int, value: bytes, *, nth: int = 0) -> bytes:
    """Overwrite a field of the nth record with this magic number."""
    position = -1
    for _ in range(nth + 1):
        position = data.index(magic, position + 1)
    position += field
    return data[:position] + value + data[position + len(value) :]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_reads_what_zipfile_writes(method: int):
    archive = read(plain(method))
    assert archive.anomalies == ()
    assert [entry.size for entry in archive.entries] == [len(each) for each in MEMBERS.values()]
    assert contents(plain(method)) == MEMBERS


def test_reads_torch_files_without_anomalies():
    state = {f"w{n}": torch.zeros(n + 1, dtype=torch.float16) for n in range(20)}
    file = io.BytesIO()
    torch.save(state, file)
    archive = read(file.getvalue())
    assert archive.anomalies == ()
    with zipfile.ZipFile(file) as theirs:
        assert {e.name: drain(e.open(Budget())) for e in archive.entries} == {
            n: theirs.read(n) for n in theirs.namelist()
        }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_npz_files_without_anomalies(save):
    file = io.BytesIO()
    save(file, a=np.arange(1000), b=np.zeros((3, 4)))
    archive = read(file.getvalue())
    assert archive.anomalies == ()
    assert [entry.name for entry in archive.entries] == ["a.npy", "b.npy"]


class Pipe(io.RawIOBase):
    """A file that cannot seek, so that zipfile writes data descriptors, as Java and Info-ZIP do."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += bytes(data)
        return len(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("wide", [True, False])
def test_data_descriptors_are_no_anomaly(method: int, *, wide: bool):
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        for name, content in MEMBERS.items():
            with archive.open(name, "w", force_zip64=wide) as member:
                member.write(content)
    assert read(pipe.data).anomalies == ()
    assert contents(pipe.data) == MEMBERS


def test_comments_directories_and_utf8_names_are_no_anomaly():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.mkdir("ordner")
        archive.writestr("ordner/größe", b"1")
        archive.writestr("cafe", zipfile.ZIP_STORED.to_bytes(1, "little"))
        archive.comment = b"a comment" * 100
    archive = read(file.getvalue())
    assert archive.anomalies == ()
    assert "ordner/größe" in [entry.name for entry in archive.entries]


def test_a_zip_stored_in_a_zip_is_no_anomaly():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inner.zip", plain())
    assert read(file.getvalue()).anomalies == ()


def test_an_empty_zip_has_no_entries():
    assert read(ending(0, 0, 0)) == ZipArchive(entries=(), anomalies=())


def test_duplicate_name_gives_both_contents():
    data = two_entries(b"good", b"evil")
    assert read(data).anomalies == ("duplicate-name",)
    assert [drain(e.open(Budget())) for e in read(data).entries] == [b"good", b"evil"]


def test_names_that_differ_in_case_only():
    data = patched(two_entries(b"good", b"evil"), b"PK\x01\x02", 46, b"X")
    data = patched(data, b"PK\x03\x04", 30, b"X")
    assert read(data).anomalies == ("duplicate-name-ignoring-case",)


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


def test_a_million_entries_are_over_budget_at_once():
    directory = central(b"x", b"", 0) * 1_000_000
    started = time.process_time()
    for count in (0xFFFF, 5):
        with pytest.raises(OverBudgetError):
            read(directory + ending(count, len(directory), 0), entries=10_000)
    assert time.process_time() - started < 5


def test_many_entries_that_share_one_local_header_with_a_long_name_cost_little_memory():
    local = struct.pack("<I5H3I2H", 0x04034B50, 20, 0, 0, 0, 0, 0, 0, 0, 60_000, 0) + b"n" * 60_000
    directory = b"".join(central(b"%d" % n, b"", 0) for n in range(2000))
    archive = read(local + directory + ending(2000, len(directory), len(local)))
    assert {"name-mismatch"} <= set(archive.anomalies)
    assert sum(len(entry.name) for entry in archive.entries) < 1_000_000


def test_a_zip64_field_behind_the_padding_of_a_page_is_found():
    extra = b"FB" + (4080).to_bytes(2, "little") + b"Z" * 4080 + struct.pack("<HHQQ", 1, 16, 3, 3)
    local = struct.pack("<I5H3I2H", 0x04034B50, 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 1, len(extra)) + b"x" + extra
    directory = central(b"x", b"abc", 0)
    data = local + b"abc" + directory + ending(1, len(directory), len(local) + 3)
    assert read(data).anomalies == ()
    assert contents(data) == {"x": b"abc"}


def test_a_directory_of_gigabytes_is_over_budget_unread(tmp_path):
    with (tmp_path / "sparse.zip").open("wb+") as file:
        file.write(b"PK\x01\x02")
        file.seek(3 << 30)
        file.write(ending(1, 3 << 30, 0))
        file.flush()
        with pytest.raises(OverBudgetError):
            parse(FileSource(file.fileno(), file.tell()), Budget())


def test_a_gigabyte_of_storages_is_not_read(tmp_path):
    class Counting(FileSource):
        got = 0

        def read_at(self, offset: int, size: int) -> bytes:
            data = super().read_at(offset, size)
            Counting.got += len(data)
            return data

    size = 1 << 30
    name = b"m/data/0"
    local = struct.pack("<I5H3I2H", 0x04034B50, 20, 0, 0, 0, 0, 0, size, size, len(name), 0) + name
    with (tmp_path / "large.pt").open("wb+") as file:
        file.write(local)
        file.seek(size, 1)
        start = file.tell()
        directory = bytearray(central(name, b"", 0))
        directory[20:28] = size.to_bytes(4, "little") * 2
        file.write(directory + ending(1, len(directory), start))
        file.flush()
        archive = parse(Counting(file.fileno(), file.tell()), Budget())
    assert archive.anomalies == ()
    assert Counting.got < 200_000


def test_end_records_without_end_are_over_budget():
    comments = b"".join(ending(0, 0, 0)[:20] + (22 * n).to_bytes(2, "little") for n in range(50, -1, -1))
    with pytest.raises(OverBudgetError):
        read(plain() + comments)


@settings(max_examples=150, deadline=None)
@given(method=st.sampled_from([0, 8, 12, 14]), data=st.data())
def test_mutated_archives_raise_nothing_else_and_show_all_that_zipfile_reads(method: int, data: st.DataObject):
    packed = bytearray(plain(method))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    ours: set[bytes] = set()
    with contextlib.suppress(FormatError, OverBudgetError):
        for entry in read(bytes(packed)).entries:
            parts: list[bytes] = []
            with contextlib.suppress(WeighlockError):
                stream = entry.open(Budget(inflated=1 << 24)).open()
                parts.extend(iter(lambda stream=stream: stream.read(1 << 16), b""))  # type: ignore[misc]
            ours.add(b"".join(parts))
    for content in theirs(bytes(packed)):
        assert any(each.startswith(content) for each in ours)


def theirs(data: bytes) -> list[bytes]:
    found = []
    with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            with contextlib.suppress(Exception):
                found.append(archive.read(info))
    return found


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_else(data: bytes):
    with contextlib.suppress(FormatError, OverBudgetError):
        read(data + plain()[-22:])
