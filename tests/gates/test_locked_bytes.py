"""Bytes are verified before they are read, part by part."""

from __future__ import annotations

import hashlib

import pytest

from weighlock.errors import DigestMismatchError, OverBudgetError, SourceError
from weighlock.gates.locked_bytes import locked_bytes
from weighlock.lockfile import Chunks, LockedFile


def entry(data: bytes, step: int | None = None, **changed) -> LockedFile:
    parts = tuple(hashlib.sha256(data[at : at + step]).hexdigest() for at in range(0, len(data), step)) if step else ()
    chunks = Chunks(size=step, sha256=parts) if step else None
    return LockedFile(
        **{"path": "a", "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "chunks": chunks, **changed}
    )


@pytest.mark.parametrize("step", [None, 7])
def test_any_range_can_be_read(tmp_path, step):
    data = bytes(range(100))
    (tmp_path / "a").write_bytes(data)
    with locked_bytes(tmp_path / "a", entry(data, step)) as source:
        assert source.read_at(5, 20) == data[5:25]
        assert source.read_at(0, 1000) == data
        assert source.read_at(99, 5) == data[99:]
        assert source.read_at(100, 5) == b""


def test_other_bytes_are_never_handed_out(tmp_path):
    (tmp_path / "a").write_bytes(b"other bytes")
    with locked_bytes(tmp_path / "a", entry(b"these bytes")) as source, pytest.raises(DigestMismatchError):
        source.read_at(0, 1)


def test_a_part_that_differs_is_found_when_it_is_read(tmp_path):
    good = bytes(100)
    (tmp_path / "a").write_bytes(good[:50] + b"x" + good[51:])
    with locked_bytes(tmp_path / "a", entry(good, 10)) as source:
        assert source.read_at(0, 10) == bytes(10)
        with pytest.raises(DigestMismatchError):
            source.read_at(45, 10)


@pytest.mark.parametrize("data", [b"these", b"these bytes and more"])
def test_a_file_of_another_length_is_refused(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    with locked_bytes(tmp_path / "a", entry(b"these bytes")) as source, pytest.raises(DigestMismatchError):
        source.read_at(0, 1)


def test_a_lockfile_cannot_ask_for_parts_larger_than_memory(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    file = entry(b"", chunks=Chunks(size=1 << 40, sha256=("0" * 64,)), size=1 << 40)
    with pytest.raises(OverBudgetError), locked_bytes(tmp_path / "a", file):
        pass


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SourceError, match="not on this machine"), locked_bytes(tmp_path / "a", entry(b"")):
        pass


def test_a_named_pipe_does_not_let_anybody_wait(tmp_path):
    import os

    os.mkfifo(tmp_path / "a")
    with pytest.raises(SourceError, match="regular"), locked_bytes(tmp_path / "a", entry(b"x")):
        pass
