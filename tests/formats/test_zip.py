from __future__ import annotations

import contextlib
import io
import struct
import time
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.zips import MEMBERS, central, contents, drain, ending, plain, read
from weighlock.errors import FormatError, OverBudgetError, WeighlockError
from weighlock.formats.source import Budget, FileSource
from weighlock.formats.zip import ZipArchive, parse


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
