from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import lz4.block
import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighlock.errors import FormatError, UnsupportedError, WeighlockError
from weighlock.formats.compression import InflatedSource
from weighlock.formats.lz4 import decode_block
from weighlock.formats.source import Budget, BytesSource

NOISE = hashlib.shake_128(b"noise").digest(100_000)
MIXED = b"".join(bytes([n % 7]) * (n % 300) + NOISE[n * 30 : n * 30 + n % 90] for n in range(3000))

if TYPE_CHECKING:
    from pathlib import Path


def unpack(data: bytes) -> bytes:
    stream = InflatedSource(BytesSource(data), "lz4", Budget()).open()
    return b"".join(iter(lambda: stream.read(1 << 20), b""))


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("checksums", [True, False])
@pytest.mark.parametrize("block_size", [4, 5, 6, 7])
@pytest.mark.parametrize("level", [0, 9])
def test_reads_every_block_mode(*, linked: bool, checksums: bool, block_size: int, level: int):
    packed = lz4.frame.compress(
        MIXED,
        block_linked=linked,
        block_checksum=checksums,
        content_checksum=checksums,
        block_size=block_size,
        compression_level=level,
        store_size=checksums,
    )
    assert unpack(packed) == MIXED


def test_reads_stored_blocks_empty_frames_and_frames_in_a_row():
    noise = NOISE * 2
    skippable = b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"abcde"
    assert (
        unpack(lz4.frame.compress(noise) + skippable + lz4.frame.compress(b"") + lz4.frame.compress(b"x"))
        == noise + b"x"
    )


def test_reads_what_the_file_object_writes(tmp_path: Path):
    with lz4.frame.open(tmp_path / "file", "wb") as file:
        for start in range(0, len(MIXED), 1000):
            file.write(MIXED[start : start + 1000])
    assert unpack((tmp_path / "file").read_bytes()) == MIXED


@pytest.mark.parametrize("distance", [1, 2, 3, 5, 8, 64])
def test_overlapping_matches_repeat_their_pattern(distance: int):
    content = bytes(range(distance)) * 5000
    assert decode_block(lz4.block.compress(content, store_size=False), b"", len(content)) == content


def test_a_bomb_in_one_block_is_stopped_before_memory_is_taken():
    block = b"\x1fx\x01\x00" + b"\xff" * 1_000_000 + b"\x00" + b"\x50aaaaa"
    with pytest.raises(FormatError, match="more than its frame"):
        decode_block(block, b"", 4 << 20)


def test_literals_over_the_limit_are_refused():
    with pytest.raises(FormatError, match="more than its frame"):
        decode_block(b"\x90" + b"x" * 9, b"", 8)


def test_a_match_before_the_history_is_refused():
    with pytest.raises(FormatError, match="before its block"):
        decode_block(b"\x10a\x05\x00\x00", b"abc", 100)


def test_distance_zero_which_decoders_read_differently_is_refused():
    with pytest.raises(UnsupportedError, match="distance 0"):
        decode_block(b"\x10a\x00\x00\x00", b"abc", 100)


@pytest.mark.parametrize("block", [b"", b"\x10", b"\xf0", b"\xf0\xff\xff", b"\x10a\x01", b"\x1fa\x01\x00\xff"])
def test_a_block_that_breaks_off_is_refused(block: bytes):
    with pytest.raises(FormatError):
        decode_block(block, b"", 100)


@pytest.mark.parametrize(
    "header", [b"\x84\x40\x00", b"\x42\x40\x00", b"\x40\x30\x00", b"\x40\xc0\x00", b"\x40\x41\x00", b"\x40"]
)
def test_a_frame_of_unknown_version_or_block_size_is_refused(header: bytes):
    with pytest.raises(FormatError):
        unpack(b"\x04\x22\x4d\x18" + header + bytes(20))


def test_a_block_larger_than_its_frame_allows_is_refused():
    with pytest.raises(FormatError, match="larger than"):
        unpack(b"\x04\x22\x4d\x18\x60\x40\x00" + (65537).to_bytes(4, "little") + bytes(65537))


def test_the_blocks_before_a_broken_one_are_readable():
    packed = lz4.frame.compress(MIXED, block_size=4, block_linked=False)
    stream = InflatedSource(BytesSource(packed[:-40]), "lz4", Budget()).open()
    assert stream.read(65536) == MIXED[:65536]
    with pytest.raises(FormatError):
        list(iter(lambda: stream.read(1 << 20), b""))


def test_the_bytes_of_a_stored_block_that_breaks_off_are_readable():
    packed = lz4.frame.compress(NOISE)[:-1000]
    with lz4.frame.open(io.BytesIO(packed)) as file:
        theirs = file.read1(50_000)
    stream = InflatedSource(BytesSource(packed), "lz4", Budget()).open()
    assert stream.read_exactly(len(theirs)) == theirs
    with pytest.raises(FormatError):
        list(iter(lambda: stream.read(1 << 20), b""))


def test_a_million_empty_frames_are_over_budget():
    empty = lz4.frame.compress(b"")
    with pytest.raises(WeighlockError, match="over the budget"):
        InflatedSource(BytesSource(empty * 10_000), "lz4", Budget(inflated=64 << 20)).open().read(1)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_mutated_frames_raise_nothing_else(data: st.DataObject):
    packed = bytearray(lz4.frame.compress(MIXED[:3000], block_linked=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 6))):
        packed[data.draw(st.integers(4, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        ours = unpack(bytes(packed))
    except WeighlockError:
        return
    try:
        theirs = lz4.frame.decompress(bytes(packed))
    except RuntimeError:
        return
    assert ours.startswith(theirs)
