"""Files that once were taken for harmless, each named after its trick."""

from __future__ import annotations

import gzip
import io
import lzma
import pickle
import struct
import zipfile

import numpy as np
import pytest

from weighlock.finding import Outcome
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

PAYLOAD = b"cposix\nsystem\n(S'true'\ntR."


class Payload:
    def __reduce__(self):
        return print, ("payload",)


def outcome(data: bytes) -> Outcome:
    return inspect(BytesSource(data)).outcome


def array_of_payload() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Payload()], dtype=object), allow_pickle=True)
    return file.getvalue()


def zipped(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


@pytest.mark.parametrize("line", [b"\0", b"\0abc", b"\0" * 70_000])
@pytest.mark.parametrize("start", [b"", b"\x80\x02"])
def test_a_number_that_is_only_a_nul_does_not_end_the_reading(start: bytes, line: bytes):
    assert outcome(start + b"I" + line + b"\n0" + PAYLOAD) is Outcome.REFUSED


def test_the_c_unpickler_takes_a_nul_for_zero():
    assert pickle.loads(b"I\0\n.") == 0


def test_a_string_length_with_the_sign_bit_hides_nothing():
    size = 0x80000000

    class Hole(BytesSource):
        """The string of zeros without its bytes in memory."""

        def __init__(self) -> None:
            self.first, self.size = b"T" + struct.pack("<I", size), 5 + size + len(PAYLOAD) + 1

        def read_at(self, offset: int, count: int) -> bytes:
            count = min(count, self.size - offset)
            if offset >= 5 + size:
                return (b"0" + PAYLOAD)[offset - 5 - size :][:count]
            if offset < 5:
                return self.first[offset:][:count]
            return bytes(min(count, 5 + size - offset))

    assert inspect(Hole()).outcome is Outcome.REFUSED


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
@pytest.mark.parametrize("front", [b"PK\x05\x06" + bytes(18), b"any other bytes"])
def test_a_zip_behind_something_else_is_found_in_compressed_data(pack, front: bytes):
    archive = zipped("a.npy", array_of_payload())
    assert outcome(pack(front + archive)) is Outcome.REFUSED


@pytest.mark.parametrize("kind", ["V0", "S0", "U0"])
def test_an_item_size_in_the_place_of_a_shape_hides_no_second_array(kind: str):
    header = f"{{'descr': ('|{kind}', 100), 'fortran_order': False, 'shape': (1,), }}\n".encode()
    first = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(100 * (4 if kind == "U0" else 1))
    assert outcome(first + array_of_payload()) > Outcome.DATA_ONLY
