"""Writers of archives that real tools would not write: each field of a zip can be a lie."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One zip member.

    Args:
        name: In the central directory.
        data: What it inflates to.
        method: 0 stored, 8 deflated.
        crc: In both headers; the true one by default.
        flags: In the central directory.
        local_name: In the local header; the same by default.
        local_flags: In the local header; the same by default.
        local_method: In the local header; the same by default.
        size: Uncompressed size in the central directory; the true one by default.
        version: "Version needed to extract".
        extra: Extra field of the local header.
        central_extra: Extra field in the central directory.
        mode: Of Unix, in the central directory.
        listed: Whether the central directory has it.
    """

    name: str
    data: bytes
    method: int = 0
    crc: int | None = None
    flags: int = 0
    local_name: str | None = None
    local_flags: int | None = None
    local_method: int | None = None
    local_sizes: tuple[int, int] | None = None
    size: int | None = None
    version: int = 20
    extra: bytes = b""
    central_extra: bytes = b""
    mode: int = 0
    listed: bool = True


def zip_bytes(members: Sequence[Member], *, prefix: bytes = b"", comment: bytes = b"", offset: int = 0) -> bytes:
    """Write a zip.

    Args:
        members: In their order.
        prefix: Bytes in front of the first local header; offsets count them.
        comment: The archive's comment.
        offset: What is added to every offset, as if the zip stood elsewhere.
    """
    body, central, count = bytearray(prefix), bytearray(), 0
    for member in members:
        start = len(body) + offset
        packed = _pack(member)
        crc = zlib.crc32(member.data) if member.crc is None else member.crc
        size = len(member.data) if member.size is None else member.size
        body += _local(member, crc, len(packed), size) + packed
        if member.listed:
            central += _central(member, crc, len(packed), size, start)
            count += 1
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(central), len(body) + offset, len(comment))
    return bytes(body + central) + end + comment


def _pack(member: Member) -> bytes:
    if member.method != 8:
        return member.data
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(member.data) + compressor.flush()


def _local(member: Member, crc: int, packed: int, size: int) -> bytes:
    name = (member.name if member.local_name is None else member.local_name).encode()
    flags = member.flags if member.local_flags is None else member.local_flags
    method = member.method if member.local_method is None else member.local_method
    packed, size = member.local_sizes or (packed, size)
    header = struct.pack(
        "<4s5H3L2H",
        b"PK\x03\x04",
        member.version,
        flags,
        method,
        0,
        33,
        crc,
        packed,
        size,
        len(name),
        len(member.extra),
    )
    return header + name + member.extra


def _central(member: Member, crc: int, packed: int, size: int, start: int) -> bytes:
    name = member.name.encode()
    fields = (
        member.version,
        member.version,
        member.flags,
        member.method,
        0,
        33,
        crc,
        packed,
        size,
        len(name),
        len(member.central_extra),
        0,
        0,
        0,
        member.mode << 16,
        start,
    )
    return struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *fields) + name + member.central_extra


def tar_bytes(files: dict[str, bytes], mode: str = "w", form: int = tarfile.USTAR_FORMAT) -> bytes:
    """Write a tar, compressed as `mode` says."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


#: py7zr's identifiers of the methods that it writes without a password.
SEVEN_ZIP_FILTERS = {"bzip2": 0x31, "deflate": 0x32, "copy": 0x33, "zstd": 0x35, "ppmd": 0x36, "deflate64": 0x38}


def seven_zip_bytes(files: dict[str, bytes], filters: list[dict[str, int]] | None = None) -> bytes:
    """Write a 7z."""
    import py7zr

    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", filters=filters) as archive:
        for name, data in files.items():
            archive.writestr(data, name)
    return buffer.getvalue()
