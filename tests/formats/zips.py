"""Zip archives, honest and bent, and what our parser reads in them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from functools import cache

from weighlock.formats.source import Budget, BytesSource, Source
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
