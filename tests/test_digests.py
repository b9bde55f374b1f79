"""Digests of open files, whole and in chunks."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighlock.digests import StreamHasher, chunk_digests, cores, sha256_and_chunks, sha256_file
from weighlock.errors import DigestMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = os.urandom(5_000_003)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def parts(data: bytes, size: int) -> tuple[str, ...]:
    return tuple(sha(data[start : start + size]) for start in range(0, len(data), size))


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    number = os.open(path, os.O_RDWR)
    yield number
    os.close(number)


def test_whole_file_and_position_stays(descriptor: int) -> None:
    os.lseek(descriptor, 17, os.SEEK_SET)
    assert sha256_file(descriptor, len(DATA)) == sha(DATA)
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 17


@pytest.mark.parametrize("size", [1 << 20, 1_000_001, 5_000_003, 6_000_000])
@pytest.mark.parametrize("threads", [None, 1, 3])
def test_chunks(descriptor: int, size: int, threads: int | None) -> None:
    assert chunk_digests(descriptor, len(DATA), size, threads) == parts(DATA, size)


@pytest.mark.parametrize("size", [1 << 20, 1_000_001, 5_000_002])
def test_whole_and_chunks_from_one_reading(descriptor: int, size: int) -> None:
    seen: list[int] = []
    assert sha256_and_chunks(descriptor, len(DATA), size, tick=seen.append) == (sha(DATA), parts(DATA, size))
    assert sum(seen) == len(DATA)


def test_a_file_of_one_chunk_has_no_chunks(descriptor: int) -> None:
    assert sha256_and_chunks(descriptor, len(DATA), len(DATA)) == (sha(DATA), ())


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    number = os.open(tmp_path / "empty", os.O_RDONLY)
    try:
        assert sha256_file(number, 0) == sha(b"")
        assert chunk_digests(number, 0) == ()
        assert sha256_and_chunks(number, 0) == (sha(b""), ())
    finally:
        os.close(number)


def test_a_file_that_shrinks_while_it_is_read_is_refused(descriptor: int) -> None:
    os.ftruncate(descriptor, 1_500_000)
    for work in (sha256_file, chunk_digests, sha256_and_chunks):
        with pytest.raises(DigestMismatchError, match="shorter"):
            work(descriptor, len(DATA))


def test_hashing_can_be_ended(descriptor: int) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sha256_and_chunks(descriptor, len(DATA), 1 << 20, tick=stop)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_a_stream_in_any_pieces_has_the_digests_of_the_whole(pieces: list[bytes], size: int) -> None:
    hasher = StreamHasher(size)
    for piece in pieces:
        hasher.update(piece)
    data = b"".join(pieces)
    assert hasher.digests() == (sha(data), parts(data, size) if len(data) > size else ())
    assert hasher.size == len(data)


def test_cores_are_those_of_this_process() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
