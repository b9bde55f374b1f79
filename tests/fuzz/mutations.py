"""Mutations of files: of bytes, and of the structure that they have, with lengths and checksums made to fit again."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random

_NUMBERS = (
    0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 32, 1 << 62, (1 << 64) - 1,
)  # fmt: skip
_WORDS = (
    b"\0", b"\xff" * 8, b"\x80" * 11, b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY", b"\x80\x04", b"cos\nsystem\n",
    b"GGUF", b"TFL3", b"\x89HDF\r\n\x1a\n", b"7z\xbc\xaf\x27\x1c", b"{{", b"}}", b"{%", b"%}", b"{#",
    b"__class__", b"|attr('",
    b"\\x5f", b"../", b"/", b"%s", b"NaN", b"[" * 50, b'{"a":' * 20, b"ustar\x0000", b"\x1f\x8b\x08", b"BZh9",
    b"\xfd7zXZ\0", b"x\x9c", b"location", b"'", b'"', b"\\",
)  # fmt: skip


def mutated(data: bytes, random: Random, pool: list[bytes]) -> bytes:
    """Return a mutation of a file.

    Args:
        data: The file.
        random: Where all choices come from.
        pool: Other files, to splice from.
    """
    structure = _structure(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if structure and random.random() < 0.6:
            data = _try(structure, data, random, pool)
        else:
            data = random.choice(_BYTEWISE)(data, random, pool)
    return data


Mutation = Callable[[bytes, Random, list[bytes]], bytes]


def _structure(data: bytes) -> Mutation | None:  # noqa: PLR0911 - one line for each structure
    if data.startswith(b"PK\x03\x04"):
        return _in_zip
    if data[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7", b"x\x9c"):
        return _in_compression
    if data[8:9] == b"{":
        return _in_safetensors
    if data[:1] in b"{[" and data[:2] not in (b"{{", b"{%"):
        return _in_json
    if data.startswith((b"\x08", b"\x0a", b"\x12")):
        return _in_protobuf
    if data[4:8] in (b"TFL3", b"ORTM", b"ET12"):
        return _in_flatbuffer
    return None


def _try(mutation: Mutation, data: bytes, random: Random, pool: list[bytes]) -> bytes:
    try:
        return mutation(data, random, pool)
    except Exception:  # noqa: BLE001 - an earlier mutation broke the structure, and readers of it fail in any way
        return random.choice(_BYTEWISE)(data, random, pool)


# Bytes


def _place(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    if random.random() < 0.4:  # headers are at the ends
        start = random.choice((min(start, random.randrange(64)), max(0, len(data) - random.randrange(96))))
        start = min(start, len(data))
    return start, min(len(data), start + random.choice((1, 2, 4, 8, 30, 300)))


def _flip(data: bytes, random: Random, _: list[bytes]) -> bytes:
    if not data:
        return b"\0"
    at = min(_place(data, random)[0], len(data) - 1)
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _number(data: bytes, random: Random, _: list[bytes]) -> bytes:
    width, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
    at = _place(data, random)[0]
    old = int.from_bytes(data[at : at + width], order)
    number = random.choice(
        (random.choice(_NUMBERS), old + random.choice((-1, 1, 2, -8, 8)), len(data), len(data) - at, at)
    )
    return data[:at] + (number % (1 << 8 * width)).to_bytes(width, order) + data[at + width :]


def _cut(data: bytes, random: Random, _: list[bytes]) -> bytes:
    return data[: _place(data, random)[0]]


def _without(data: bytes, random: Random, _: list[bytes]) -> bytes:
    start, end = _place(data, random)
    return data[:start] + data[end:]


def _twice(data: bytes, random: Random, _: list[bytes]) -> bytes:
    start, end = _place(data, random)
    return data[:end] + data[start:end] * random.choice((1, 1, 2, 50)) + data[end:]


def _splice(data: bytes, random: Random, pool: list[bytes]) -> bytes:
    other = random.choice(pool)
    start, end = _place(other, random)
    at = _place(data, random)[0]
    rest = at if random.random() < 0.5 else at + end - start
    return data[:at] + other[start:end] + data[rest:]


def _join(data: bytes, random: Random, pool: list[bytes]) -> bytes:
    other = random.choice(pool)
    return data + other if random.random() < 0.7 else other[: random.randrange(1, 600)] + data


def _word(data: bytes, random: Random, _: list[bytes]) -> bytes:
    at, word = _place(data, random)[0], random.choice(_WORDS)
    return data[:at] + word + data[at + random.choice((0, len(word))) :]


_BYTEWISE: tuple[Mutation, ...] = (
    _flip,
    _flip,
    _number,
    _number,
    _number,
    _cut,
    _without,
    _twice,
    _splice,
    _join,
    _word,
)


# Structures


def _in_zip(data: bytes, random: Random, pool: list[bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = random.randrange(len(members))
    name, content = members[at]
    choice = random.randrange(8)
    if choice == 0:
        members.append((name, mutated(content, random, pool)))
    elif choice == 1:
        members[at] = (
            random.choice((name.upper(), f"../{name}", f"{name}/{name}", "schema.json", "data.pkl")),
            content,
        )
    elif choice == 2:
        members.pop(at)
    else:
        members[at] = (name, mutated(content, random, pool))
    file = io.BytesIO()
    method = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that stands twice is meant
        with zipfile.ZipFile(file, "w", method) as archive:
            for member in members:
                archive.writestr(zipfile.ZipInfo(member[0]), member[1], method)
    return file.getvalue()


def _in_compression(data: bytes, random: Random, pool: list[bytes]) -> bytes:
    module = {0x1F: gzip, 0x42: bz2, 0xFD: lzma}.get(data[0], zlib)
    content = mutated(module.decompress(data)[: 1 << 20], random, pool)
    return gzip.compress(content, mtime=0) if module is gzip else module.compress(content)


def _in_safetensors(data: bytes, random: Random, pool: list[bytes]) -> bytes:
    size = int.from_bytes(data[:8], "little")
    header = _in_json(data[8 : 8 + size], random, pool)
    return struct.pack("<Q", len(header)) + header + data[8 + size :]


def _in_json(data: bytes, random: Random, pool: list[bytes]) -> bytes:
    value = json.loads(data)
    changed = json.dumps(_value(value, random, pool, 0))
    if random.random() < 0.1:
        changed = changed.replace('": ', '": 1, "a": ', 1)
    return changed.encode(random.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig")))


def _value(value: object, random: Random, pool: list[bytes], depth: int) -> object:
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(sorted(value))
        if random.random() < 0.15:
            return {**value, random.choice(sorted(value)) + random.choice(("", "_", "\ud800")): value.get(key)}
        return {**value, key: _value(value[key], random, pool, depth + 1)}
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        return [*value[:at], _value(value[at], random, pool, depth + 1), *value[at + random.randrange(2) :]]
    if isinstance(value, str) and random.random() < 0.6:
        return mutated(value.encode(), random, pool).decode("utf-8", "surrogateescape")
    return random.choice(
        (None, True, 0, -1, 1e308, 10**19, 10**400, "", "x" * 300, [], {}, [value] * 3, {"": value}, [[[[value]]]])
    )  # fmt: skip


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _fields(data: bytes) -> list[tuple[int, int, object]]:
    """Read the wire format of protobuf: number, wire type, value."""
    found: list[tuple[int, int, object]] = []
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key & 7 == 0:
            value, at = _read_varint(data, at)
        elif key & 7 == 2:
            size, at = _read_varint(data, at)
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise ValueError("no protobuf")
        elif key & 7 in (1, 5):
            size = 8 if key & 7 == 1 else 4
            value, at = data[at : at + size], at + size
        else:
            raise ValueError("no protobuf")
        found.append((key >> 3, key & 7, value))
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 70:
        number |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return number, at + 1
        at, shift = at + 1, shift + 7
    raise ValueError("no protobuf")


def _in_protobuf(data: bytes, random: Random, pool: list[bytes]) -> bytes:
    fields = _fields(data)
    if not fields:
        return _word(data, random, pool)
    at = random.randrange(len(fields))
    number, wire, value = fields[at]
    choice = random.randrange(10)
    if choice == 0:
        fields.pop(at)
    elif choice == 1:
        fields[at:at] = [fields[at]] * random.choice((1, 2, 30))
    elif choice == 2:
        fields[at] = (random.randrange(1, 26), wire, value)
    elif choice == 3 and wire == 2:
        for _ in range(random.choice((1, 3, 40, 150))):  # deeper and deeper
            value = _encoded(number, wire, value)
        fields[at] = (number, wire, value)
    elif wire == 2:
        fields[at] = (number, wire, _inside(value, random, pool))
    elif wire == 0:
        fields[at] = (number, wire, random.choice(_NUMBERS))
    return b"".join(_encoded(*field) for field in fields)


def _inside(value: object, random: Random, pool: list[bytes]) -> bytes:
    assert isinstance(value, bytes)
    if value and random.random() < 0.75:
        try:
            return _in_protobuf(value, random, pool)
        except (ValueError, RecursionError):
            pass
    return random.choice(_BYTEWISE)(value, random, pool)


def _encoded(number: int, wire: int, value: object) -> bytes:
    key = _varint(number << 3 | wire)
    if isinstance(value, int):
        return key + _varint(value)
    assert isinstance(value, bytes)
    return key + (_varint(len(value)) + value if wire == 2 else value)


def _in_flatbuffer(data: bytes, random: Random, _: list[bytes]) -> bytes:
    """Change a number where numbers stand: at a multiple of four."""
    at = random.randrange(max(1, len(data) // 4)) * 4
    (old,) = struct.unpack_from("<I", data, at)
    number = random.choice(
        (random.choice(_NUMBERS), old + random.choice((-4, 4, 1)), -old, random.randrange(len(data)))
    )
    return data[:at] + struct.pack("<I", number % (1 << 32)) + data[at + 4 :]
