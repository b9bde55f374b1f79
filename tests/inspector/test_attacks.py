"""Files that once were taken for harmless, each named after its trick."""

from __future__ import annotations

import gzip
import io
import lzma
import pickle
import struct
import tarfile
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


def tar_in_an_array(pickled: bytes) -> bytes:
    """Return an array of bytes that is a checkpoint of the oldest torch as well: a tar."""
    members = io.BytesIO()
    with tarfile.open(fileobj=members, mode="w") as archive:
        for name, data in {"storages": pickle.dumps(0, 2), "tensors": pickle.dumps(0, 2), "pickle": pickled}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    array = io.BytesIO()
    np.save(array, np.frombuffer(bytes(384) + members.getvalue(), np.uint8))
    file = bytearray(array.getvalue())
    file[128:136], file[156:157], file[257:265] = b"0000000\0", b"0", b"ustar\x0000"
    file[148:156] = b"%06o\0 " % (sum(file[:148]) + 8 * 32 + sum(file[156:512]))
    return bytes(file)


@pytest.mark.parametrize("hide", [tar_in_an_array, lambda data: array_of_payload()[:128] + zipped("data.pkl", data)])
def test_a_second_format_behind_an_array_is_not_what_the_array_needs(hide):
    found = inspect(BytesSource(hide(b"csome_package.code\nfunction\n(tR.")))
    assert "some_package.code.function" in found.needs
    assert "some_package.code.function" not in found.foremost


@pytest.mark.parametrize("write", [lambda data: data, gzip.compress, lambda data: zipped("archive/data.pkl", data)])
def test_what_a_file_needs_that_is_one_format_is_what_it_begins_as(write):
    found = inspect(BytesSource(write(b"csome_package.code\nfunction\n(tR.")))
    assert found.needs == found.foremost == ("some_package.code.function",)
