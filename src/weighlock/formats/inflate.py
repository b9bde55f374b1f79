"""Decoders of compressed streams: each pulls compressed bytes from an `Input` and yields the content in chunks.

Source:
    RFC 1950, RFC 1951 and RFC 1952; https://tukaani.org/xz/xz-file-format.txt; the documentation of `bz2`, `lzma` and
    `zlib`, which do the work.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING, Protocol

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import lz4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from weighlock.formats.source import Budget, Stream

    Decode = Callable[["Input"], Iterator[bytes]]

# xz -9 needs 65 MiB to unpack. What asks for more is not what a library writes.
LZMA_MEMORY = 80 << 20

_STEP = 1 << 16  # a decompressor is never asked for more than this at once
_RAW = 1 << 14
_EMPTY_LZMA = 18  # bytes of an empty .lzma stream: 13 of header, 5 of coded data
_ZEROS = 1 << 20
_ZERO_BYTES = bytes(_ZEROS)  # comparing is far quicker than stripping
_ZERO_COST = 8  # of the inflated budget, for each byte of a run of empty streams
_MEMBER_COST = 1 << 16  # of the inflated budget, for each further member, since a member may be empty


class Input:
    """The compressed bytes that a decoder pulls in.

    Args:
        stream: Where they come from.
        budget: Of the artifact.
        step: Bytes that a decompressor may give out at once.
    """

    def __init__(self, stream: Stream, budget: Budget, step: int = _STEP) -> None:
        self._stream = stream
        self._back = b""
        self._budget = budget
        self.step = step

    def read(self, size: int = _RAW) -> bytes:
        """Return the next bytes, at most `size` of them from the stream, ``b""`` only at the end."""
        data, self._back = self._back, b""
        return data or self._stream.read(size)

    def unread(self, data: bytes) -> None:
        """Put back what was read too much."""
        self._back = data + self._back

    def take(self, size: int) -> bytes:
        """Return exactly `size` bytes, fewer only at the end."""
        parts = []
        while size and (part := self.read()):
            parts.append(part[:size])
            self.unread(part[size:])
            size -= len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Pass over `size` bytes or all that are left."""
        kept = min(size, len(self._back))
        self._back = self._back[kept:]
        self._stream.skip(size - kept)

    def charge(self, size: int) -> None:
        """Spend budget on what yields nothing."""
        self._budget.spend("inflated", size)

    def charge_member(self) -> None:
        """Spend budget on a member, so that a million empty ones are not free."""
        self.charge(_MEMBER_COST)


class BrokenStreamError(Exception):
    """A decompressor failed; bytes that it made in the failing call are lost."""


class Decoder(Protocol):
    """A decompressor of one stream, as `bz2.BZ2Decompressor` is one."""

    @property
    def eof(self) -> bool: ...  # noqa: D102 - as in the standard library
    @property
    def needs_input(self) -> bool: ...  # noqa: D102
    @property
    def unused_data(self) -> bytes: ...  # noqa: D102
    def decompress(self, data: bytes, max_length: int) -> bytes: ...  # noqa: D102


class Zlib:
    """A zlib decompressor in the shape of the others.

    Args:
        window: As for `zlib.decompressobj`: 15 for zlib's own header, -15 for none.
    """

    def __init__(self, window: int) -> None:
        self._inner = zlib.decompressobj(window)
        self._full = False

    @property
    def eof(self) -> bool:
        """Whether the end mark was read."""
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can come out of what went in."""
        return not self._full and not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What was read beyond the end mark."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return at most `max_length` bytes of the content."""
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._full = len(out) == max_length
        return out


def inflate(data: Input, decoder: Decoder, *, end_mark: bool = True) -> Iterator[bytes]:
    """Decode one stream to its end mark, or to the end of the data where it needs no end mark.

    Raises:
        BrokenStreamError: The decompressor fails.
        FormatError: The data ends before the end mark.
        OverBudgetError: The stream asks for too much memory.
    """
    while not decoder.eof:
        fresh = b""
        if decoder.needs_input and not (fresh := data.read()):
            if end_mark:
                raise FormatError("the compressed data ends before its end mark")
            return
        try:
            out = decoder.decompress(fresh, data.step)
        except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError) as error:
            if "Memory usage limit" in str(error):
                raise OverBudgetError("unpacking needs more memory than the budget allows") from error
            raise BrokenStreamError(str(error)) from error
        if out:
            yield out
    data.unread(decoder.unused_data)


def _streams(make: Callable[[], Decoder], pass_empty: Callable[[Input], bool] | None = None) -> Decode:
    """Decode streams one after the other as `bz2.open` and `lzma.open` do: what follows and is no stream is ignored."""

    def decode(data: Input) -> Iterator[bytes]:
        yield from inflate(data, make())
        while following := data.read():
            data.unread(following)
            if pass_empty and pass_empty(data):
                continue
            data.charge_member()
            produced = False
            try:
                for chunk in inflate(data, make()):
                    produced = True
                    yield chunk
            except BrokenStreamError:
                if produced or data.step > 1:
                    raise
                return

    return decode


def _pass_zeros(data: Input) -> bool:
    """Pass over zeros quickly, since 18 of them are an empty .lzma stream and whole files are made of them."""
    run = 0
    while chunk := data.read(_ZEROS):
        rest = b"" if chunk == _ZERO_BYTES else chunk.lstrip(b"\x00")
        run += len(chunk) - len(rest)
        data.charge(_ZERO_COST * (len(chunk) - len(rest)))
        if rest:
            data.unread(rest)
            break
    data.unread(bytes(run % _EMPTY_LZMA))
    return run >= _EMPTY_LZMA


def _gzip(data: Input) -> Iterator[bytes]:
    """Decode gzip members as Python's gzip does: zero bytes may follow a member, anything else is an error.

    The checksum is passed over, so that members behind a wrong one are judged as well.
    """
    _gzip_header(data)
    while True:
        yield from inflate(data, Zlib(-15))
        if len(data.take(8)) < 8:
            raise FormatError("the gzip data ends before its checksum")
        while (padding := data.read()) and not padding.strip(b"\x00"):
            pass
        data.unread(padding.lstrip(b"\x00"))
        if not padding:
            return
        data.charge_member()
        _gzip_header(data)


def _gzip_header(data: Input) -> None:
    head = data.take(10)
    if len(head) < 10 or head[:3] != b"\x1f\x8b\x08":
        raise FormatError("there is no gzip member where one must start")
    flags = head[3]
    if flags & 4:
        data.take(int.from_bytes(data.take(2), "little"))
    for text in (8, 16):
        if flags & text:
            _skip_text(data)
    if flags & 2:
        data.take(2)


def _skip_text(data: Input) -> None:
    while part := data.read():
        end = part.find(b"\x00")
        if end >= 0:
            data.unread(part[end + 1 :])
            return
    raise FormatError("the gzip data ends in its header")


def raw_lzma(data: Input, filters: list[dict[str, int]], *, end_mark: bool) -> Iterator[bytes]:
    """Decode LZMA data without a header, as zip and 7z hold it.

    Args:
        data: The compressed bytes.
        filters: As for `lzma.LZMADecompressor`.
        end_mark: Whether the data must have one.

    Raises:
        FormatError: The filters are not what liblzma knows.
        OverBudgetError: The dictionary is larger than the budget allows.
    """
    if any(each.get("dict_size", 0) > LZMA_MEMORY for each in filters):
        raise OverBudgetError("unpacking needs more memory than the budget allows")
    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    except (lzma.LZMAError, ValueError) as error:
        raise FormatError("the LZMA properties are out of range") from error
    return inflate(data, decoder, end_mark=end_mark)


def lzma1_filter(properties: bytes) -> dict[str, int]:
    """Turn the five bytes of LZMA properties into a filter for liblzma.

    Raises:
        FormatError: They are not five bytes, or out of range.
    """
    if len(properties) != 5 or properties[0] >= 225:
        raise FormatError("the LZMA properties are out of range")
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    size = int.from_bytes(properties[1:], "little")
    return {"id": lzma.FILTER_LZMA1, "dict_size": max(size, 4096), "lc": lc, "lp": lp, "pb": pb}


def limited(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes of some chunks."""
    for chunk in chunks:
        if len(chunk) >= size:
            yield chunk[:size]
            return
        size -= len(chunk)
        yield chunk


def bz2_stream(data: Input) -> Iterator[bytes]:
    """Decode a single bz2 stream."""
    return inflate(data, bz2.BZ2Decompressor())


def _zlib(data: Input) -> Iterator[bytes]:
    return inflate(data, Zlib(15))


def _deflate(data: Input) -> Iterator[bytes]:
    return inflate(data, Zlib(-15))


def _lz4(data: Input) -> Iterator[bytes]:
    return lz4.frames(data.take, data.skip, data.charge_member)


_xz = _streams(lambda: lzma.LZMADecompressor(memlimit=LZMA_MEMORY), _pass_zeros)

DECODERS: dict[str, Decode] = {
    "gzip": _gzip,
    "bz2": _streams(bz2.BZ2Decompressor),
    "xz": _xz,
    "lzma": _xz,
    "zlib": _zlib,
    "deflate": _deflate,
    "lz4": _lz4,
}
