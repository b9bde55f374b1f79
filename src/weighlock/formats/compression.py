"""Compressed streams: which codec some bytes are in, and reading them inflated within a budget."""

from __future__ import annotations

import lzma
import zlib
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, UnsupportedError, WeighlockError
from weighlock.formats import lz4
from weighlock.formats.inflate import DECODERS, LZMA_MEMORY, BrokenStreamError, Input
from weighlock.formats.source import Source, Stream

if TYPE_CHECKING:
    from weighlock.formats.inflate import Decode
    from weighlock.formats.source import Budget

HEAD = 64  # bytes that `codec_of` wants to see

_BZ2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
_UNSUPPORTED = {"zstd": "Zstandard", "compress": "compress (.Z)", "lzip": "lzip"}


def codec_of(head: bytes) -> str | None:
    """Tell which codec a file is compressed with.

    The answer covers every file of which a Python loader would get at least one byte: a gzip, bz2 or LZ4 file, what
    `lzma.open` takes by itself (xz and the older .lzma), a zlib stream with joblib's first byte. zlib and .lzma have
    no magic number, so that the first byte of their content must really come out.

    Args:
        head: The first bytes of the file, `HEAD` of them or all.

    Returns:
        ``gzip``, ``bz2``, ``xz``, ``lzma``, ``zlib``, ``lz4``; ``zstd``, ``compress`` and ``lzip``, which are
        recognised but not supported; or ``None``.

    Source:
        RFC 1952, RFC 1950, https://tukaani.org/xz/xz-file-format.txt, liblzma's ``lzma_auto_decoder``,
        RFC 8878, the LZ4 frame format.
    """
    by_magic = _codec_by_magic(head)
    if by_magic:
        return by_magic
    if _looks_like_zlib(head):
        return "zlib"
    return "lzma" if _looks_like_lzma(head) else None


def _codec_by_magic(head: bytes) -> str | None:
    for magic, codec in (
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xfd7zXZ\x00", "xz"),
        (lz4.MAGIC, "lz4"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x1f\x9d", "compress"),
        (b"LZIP\x00", "lzip"),
        (b"LZIP\x01", "lzip"),
    ):
        if head.startswith(magic):
            return codec
    if head[:3] == b"BZh" and b"1" <= head[3:4] <= b"9" and head[4:10] in _BZ2_BLOCKS:
        return "bz2"
    if head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:
        return "zstd"  # a skippable frame, which Zstandard readers pass over
    return None


def _looks_like_zlib(head: bytes) -> bool:
    if head[:1] != b"\x78" or len(head) < 3:
        return False
    try:
        zlib.decompressobj().decompress(head, 1)
    except zlib.error:
        return False
    return not head[1] & 0x20  # a preset dictionary, which no loader has


def _looks_like_lzma(head: bytes) -> bool:
    if len(head) < 18:  # the header and the start of the coded data
        return False
    try:
        lzma.LZMADecompressor(memlimit=LZMA_MEMORY).decompress(head, 1)
    except lzma.LZMAError as error:
        return "Memory usage limit" in str(error)
    return True


class InflatedSource(Source):
    """The content of a compressed source. Its size is not known; reading it is charged to ``budget.inflated``.

    Args:
        source: The compressed bytes.
        codec: One of the names that `codec_of` gives, ``deflate`` (no header), or a function that decodes.
        budget: Of the artifact.

    Raises:
        UnsupportedError: The codec is recognised but cannot be unpacked.
    """

    size = None

    def __init__(self, source: Source, codec: str | Decode, budget: Budget) -> None:
        if isinstance(codec, str):
            if codec not in DECODERS:
                raise UnsupportedError(f"{_UNSUPPORTED.get(codec, codec)} compression is not supported")
            codec = DECODERS[codec]
        self._source = source
        self._decode = codec
        self._budget = budget

    def open(self) -> Stream:
        """Start a new reading from the first byte of the content."""
        return _InflatedStream(self._source, self._decode, self._budget)


class _InflatedStream(Stream):
    """One reading of a compressed source.

    A decompressor that fails keeps what it made in the failing call, but a loader with a smaller buffer would have been
    given those bytes and have acted on them. So the source is read again up to that place and from there byte by byte.
    """

    def __init__(self, source: Source, decode: Decode, budget: Budget) -> None:
        self._source = source
        self._decode = decode
        self._budget = budget
        self._input = Input(source.open(), budget)
        self._chunks = decode(self._input)
        self._chunk = b""
        self._offset = 0
        self._total = 0
        self._failure: WeighlockError | None = None

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, ``b""`` only at the end.

        Raises:
            FormatError: All that could be unpacked was read, and the rest is damaged.
            OverBudgetError: The budget for inflated bytes is spent.
        """
        if size <= 0:
            return b""
        if self._offset == len(self._chunk):
            self._chunk, self._offset = self._next(), 0
        data = self._chunk[self._offset : self._offset + size]
        self._offset += len(data)
        return data

    def skip(self, size: int) -> int:
        """Inflate and forget at most `size` bytes; return how many there were."""
        left = size
        while left > 0 and (data := self.read(left)):
            left -= len(data)
        return size - left

    def _next(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            chunk = next(self._chunks, b"")
        except WeighlockError as error:
            self._failure = error
            raise
        except BrokenStreamError as error:
            return self._salvage(error)
        self._budget.spend("inflated", len(chunk))
        self._total += len(chunk)
        return chunk

    def _salvage(self, error: BrokenStreamError) -> bytes:
        if self._input.step == 1:
            self._failure = FormatError(f"the compressed data is damaged: {error}")
            raise self._failure from error
        self._input = Input(self._source.open(), self._budget)
        self._chunks = self._decode(self._input)
        done = 0
        while done < self._total:
            chunk = next(self._chunks)
            self._budget.spend("inflated", len(chunk))
            done += len(chunk)
        self._input.step = 1
        return self._next()
