"""LZ4 frames, as `lz4.frame` and joblib write them, decoded without the lz4 library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Take = Callable[[int], bytes]
    Skip = Callable[[int], None]
    Charge = Callable[[], None]

MAGIC = b"\x04\x22\x4d\x18"
_SKIPPABLE = b"\x2a\x4d\x18"  # after a first byte of 0x50 to 0x5f
_HISTORY = 1 << 16  # matches reach back 64 KiB at most
_MIN_MATCH = 4
_STORED = 1 << 31


def frames(take: Take, skip: Skip, charge: Charge) -> Iterator[bytes]:
    """Decode concatenated frames block by block.

    Checksums and the content size are passed over unread: a loader that ignores them must be judged too, and
    a loader that checks them reads nothing that is not yielded here.

    Args:
        take: Returns the next bytes of the compressed data: as many as asked, fewer only at its end.
        skip: Passes over so many bytes of the compressed data.
        charge: Called for each frame and each empty block, which cost time and yield nothing.

    Yields:
        The content, at most 4 MiB at a time.

    Raises:
        FormatError: The data is not LZ4; what was yielded before is what a loader would have read.

    Source:
        https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md (skippable frames included, legacy frames are
        refused as the library refuses them).
    """
    while magic := take(4):
        charge()
        if magic == MAGIC:
            yield from _frame(take, skip, charge)
        elif len(magic) == 4 and magic[0] & 0xF0 == 0x50 and magic[1:] == _SKIPPABLE:
            skip(_uint32(take))
        else:
            raise FormatError("there is no LZ4 frame where one must start")


def _frame(take: Take, skip: Skip, charge: Charge) -> Iterator[bytes]:
    flags, block_limit = _descriptor(take)
    linked = not flags & 0x20
    block_checksum = 4 if flags & 0x10 else 0
    history = b""
    while header := _uint32(take):
        size = header & ~_STORED
        if size > block_limit:
            raise FormatError("an LZ4 block is larger than its frame allows")
        if header & _STORED:
            block = take(size)
            if len(block) < size:
                if block:
                    yield block  # the library hands on stored bytes as they come
                raise FormatError("the LZ4 data ends in the middle of a block")
        else:
            block = decode_block(_exactly(take, size), history, block_limit)
        skip(block_checksum)
        if linked:
            history = (history + block)[-_HISTORY:] if len(block) < _HISTORY else block[-_HISTORY:]
        if block:
            yield block
        else:
            charge()
    skip(4 if flags & 0x04 else 0)


def _descriptor(take: Take) -> tuple[int, int]:
    """Return the flags and the size limit of a block."""
    flags, block = _exactly(take, 2)
    if flags >> 6 != 1 or flags & 0x02:
        raise FormatError("the LZ4 frame has an unknown version")
    size_code = block >> 4
    if block & 0x8F or size_code < 4:
        raise FormatError("the LZ4 frame has an unknown block size")
    _exactly(take, (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0) + 1)
    return flags, 1 << (2 * size_code + 8)


def _exactly(take: Take, size: int) -> bytes:
    data = take(size)
    if len(data) != size:
        raise FormatError("the LZ4 data ends in the middle of a frame")
    return data


def _uint32(take: Take) -> int:
    return int.from_bytes(_exactly(take, 4), "little")


def decode_block(data: bytes, history: bytes, limit: int) -> bytes:
    """Decode one compressed block.

    Args:
        data: The block.
        history: Up to 64 KiB that came before it, empty where blocks are independent.
        limit: Bytes that the block may decode to.

    Raises:
        FormatError: The block breaks off, reaches before its history, or decodes to more than the limit.
        UnsupportedError: Decoders would differ about the content.

    Source:
        https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
    """
    try:
        out = _sequences(data, bytearray(history), len(history) + limit)
    except IndexError:
        raise FormatError("an LZ4 block ends in the middle of a sequence") from None
    del out[: len(history)]
    return bytes(out)


def _sequences(data: bytes, out: bytearray, limit: int) -> bytearray:
    """Append what the sequences of `data` stand for.

    One long loop, since this is the hot path of every LZ4 file. The limit is checked where a length may be anything and
    at the end: between, a sequence adds at most 18 bytes and its literals.
    """
    position, end = 0, len(data)
    while True:
        token = data[position]
        position += 1
        length = token >> 4
        if length:
            if length == 15:
                length, position = _long_length(data, position, length)
            out += data[position : position + length]
            position += length
        if position >= end:
            break
        distance = data[position] | data[position + 1] << 8
        position += 2
        length = (token & 15) + _MIN_MATCH
        if length == 15 + _MIN_MATCH:
            length, position = _long_length(data, position, length)
            if len(out) + length > limit:
                raise FormatError("an LZ4 block decodes to more than its frame allows")
        start = len(out) - distance
        if start < 0:
            raise FormatError("an LZ4 match reaches before its block")
        if distance >= length:
            out += out[start : start + length]
        elif distance:
            pattern = out[start:]
            out += pattern * (length // distance) + pattern[: length % distance]
        else:
            raise UnsupportedError("an LZ4 match has distance 0, which decoders read as different bytes")
    if position > end:
        raise FormatError("LZ4 literals reach over the end of their block")
    if len(out) > limit:
        raise FormatError("an LZ4 block decodes to more than its frame allows")
    return out


def _long_length(data: bytes, position: int, length: int) -> tuple[int, int]:
    while (byte := data[position]) == 255:
        length += 255
        position += 1
    return length + byte, position + 1
