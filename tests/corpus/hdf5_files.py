"""HDF5 files written byte by byte, in the oldest layout, which every reader of the format opens."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

_UNDEFINED = 0xFFFFFFFFFFFFFFFF
_HEADER = 96


def hdf5(
    attributes: Mapping[str, bytes] | None = None,
    *,
    links: Mapping[str, tuple[str, str]] | None = None,
    datasets: Mapping[str, bytes] | None = None,
    user_block: int = 0,
) -> bytes:
    """Write a file whose root group has attributes, links into other files, and datasets.

    Args:
        attributes: Texts of fixed length.
        links: Name, and the file and the object in it.
        datasets: Name, and the messages of its header.
        user_block: Zero bytes in front of the superblock.
    """
    messages = [_message(0x0C, _attribute(name, value)) for name, value in (attributes or {}).items()]
    messages.append(_message(0x02, b"\0\0" + struct.pack("<QQ", _UNDEFINED, _UNDEFINED)))
    messages += [_message(0x06, _external(name, *target)) for name, target in (links or {}).items()]
    hard = [len(_message(0x06, _hard(name, 0))) for name in datasets or {}]
    end = _HEADER + 16 + sum(map(len, messages)) + sum(hard)
    objects = []
    for name, header in (datasets or {}).items():
        messages.append(_message(0x06, _hard(name, end)))
        objects.append(_object([header]))
        end += len(objects[-1])
    superblock = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
    superblock += struct.pack("<QQQQ", user_block, _UNDEFINED, end, _UNDEFINED)
    superblock += struct.pack("<QQII16x", 0, _HEADER, 0, 0)
    return bytes(user_block) + superblock + _object(messages) + b"".join(objects)


def virtual_dataset() -> bytes:
    """Write the message that says that a dataset is put together from others."""
    return _message(0x08, b"\x04\x03" + struct.pack("<QI", 0, 0))


def filtered_dataset(number: int) -> bytes:
    """Write the message that names a compression filter."""
    return _message(0x0B, struct.pack("<BB6xHHHH", 1, 1, number, 0, 1, 0))


def _object(messages: Iterable[bytes]) -> bytes:
    messages = list(messages)
    body = b"".join(messages)
    return struct.pack("<BBHII4x", 1, 0, len(messages), 1, len(body)) + body


def _message(kind: int, data: bytes) -> bytes:
    data += bytes(-len(data) % 8)
    return struct.pack("<HHB3x", kind, len(data), 0) + data


def _attribute(name: str, value: bytes) -> bytes:
    label = name.encode() + b"\0"
    datatype = struct.pack("<B3BI", 0x13, 1, 0, 0, len(value))
    dataspace = struct.pack("<BBB5x", 1, 0, 0)
    head = struct.pack("<BBHHH", 1, 0, len(label), len(datatype), len(dataspace))
    return head + label + bytes(-len(label) % 8) + datatype + dataspace + value


def _external(name: str, file: str, path: str) -> bytes:
    target = b"\0" + file.encode() + b"\0" + path.encode() + b"\0"
    return struct.pack("<BBBB", 1, 8, 64, len(name)) + name.encode() + struct.pack("<H", len(target)) + target


def _hard(name: str, address: int) -> bytes:
    return struct.pack("<BBB", 1, 0, len(name)) + name.encode() + struct.pack("<Q", address)
