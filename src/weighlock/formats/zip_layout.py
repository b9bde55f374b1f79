"""How the parts of a zip file lie in it: what overlaps, and what lies in bytes that belong to no part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.formats.zip_records import LOCAL_MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import RandomAccess

_DESCRIPTOR_MAGIC = b"PK\x07\x08"
_WINDOW = 1 << 20
# Beyond this the gap alone has to do as a finding: a whole disk may lie in front of an archive.
_SEARCHED = 64 << 20
_LOCAL_SIZE = 30


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes that belong to an entry, the directory or the end records.

    Args:
        start: First byte.
        end: Behind the last byte.
        described: Compressed size and size, where a data descriptor with them may follow.
    """

    start: int
    end: int
    described: tuple[int, int] | None = None


def examine(source: RandomAccess, spans: list[Span], anomalies: set[str]) -> Iterator[tuple[int, int]]:
    """Note overlaps and stray bytes, and yield the local headers that stand in stray bytes.

    Yields:
        Offset of the header and end of the stray bytes around it.

    Source:
        APPNOTE.TXT 6.3.10, sections 4.3.6 (order of the parts) and 4.3.9 (data descriptor).
    """
    left = _SEARCHED
    for start, end in _gaps(source, spans, anomalies):
        anomalies.add("prefixed-data" if start == 0 else "trailing-data" if end == source.size else "data-outside")
        for offset in _local_headers(source, start, min(end, start + left)):
            anomalies.add("hidden-entry")
            yield offset, end
        left -= min(left, end - start)


def _gaps(source: RandomAccess, spans: list[Span], anomalies: set[str]) -> Iterator[tuple[int, int]]:
    reached, last = 0, None
    for span in sorted(spans, key=lambda each: (each.start, each.end)):
        if span.start < reached:
            anomalies.add("overlapping")
        elif span.start > reached and not (last and _is_descriptor(source, last, span.start)):
            yield reached, span.start
        if span.end >= reached:
            reached, last = span.end, span
    if reached < source.size:
        yield reached, source.size


def _is_descriptor(source: RandomAccess, span: Span, end: int) -> bool:
    """Tell whether all that lies between an entry and the next part is the data descriptor of the entry."""
    if span.described is None or end - span.end not in (12, 16, 20, 24):
        return False
    data = source.read_at(span.end, end - span.end).removeprefix(_DESCRIPTOR_MAGIC)
    width = (len(data) - 4) // 2
    return data[4:] == b"".join((each & (1 << 8 * width) - 1).to_bytes(width, "little") for each in span.described)


def _local_headers(source: RandomAccess, start: int, end: int) -> Iterator[int]:
    """Yield where whole local headers stand in a range, read window by window."""
    while start < end:
        data = source.read_at(start, min(_WINDOW + len(LOCAL_MAGIC) - 1, end - start))
        position = data.find(LOCAL_MAGIC)
        while 0 <= position < _WINDOW:
            if start + position + _LOCAL_SIZE <= source.size:
                yield start + position
            position = data.find(LOCAL_MAGIC, position + 1)
        start += _WINDOW
