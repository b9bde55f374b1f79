"""Pickles in the wild: in a row, behind arrays, compressed, broken off, and bytes that only look like them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import tarfile
import zlib

import numpy as np
import pytest

from tests.corpus import opcodes as op
from weighlock.finding import Outcome
from weighlock.formats.compression import InflatedSource
from weighlock.formats.source import Budget, BytesSource
from weighlock.inspector import inspect

EVIL = op.stream(op.call(op.glob("os", "getcwd")))
NONE = op.stream(op.NONE)


def outcome(data):
    return inspect(BytesSource(data)).outcome


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def safetensors(header_size):
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return header_size.to_bytes(8, "little") + header.ljust(header_size) + bytes(4)


class TestRefused:
    def test_a_second_pickle(self):
        assert outcome(NONE + EVIL) is Outcome.REFUSED

    def test_a_second_value_of_a_shelf(self):
        assert outcome(NONE.ljust(512, b"\0") + EVIL) is Outcome.REFUSED

    def test_a_pickle_behind_an_array(self):
        assert outcome(npy(np.arange(3)) + EVIL) is Outcome.REFUSED

    def test_an_array_of_objects_behind_many_arrays(self):
        objects = npy(np.array([None]))
        hidden = objects[: objects.index(b"\x80")] + EVIL
        assert outcome(npy(np.arange(3)) * 20 + hidden) is Outcome.REFUSED

    def test_an_array_of_objects_behind_a_pickle(self):
        objects = npy(np.array([None]))
        assert outcome(NONE + objects[: objects.index(b"\x80")] + EVIL) is Outcome.REFUSED

    def test_a_pickle_behind_an_array_of_objects(self):
        assert outcome(npy(np.array([None])) + EVIL) is Outcome.REFUSED

    @pytest.mark.parametrize("space", [b"", b" "])
    def test_a_z_file_of_joblib(self, space):
        assert outcome(b"ZF" + hex(len(EVIL)).encode().ljust(19) + space + zlib.compress(EVIL)) is Outcome.REFUSED

    def test_a_payload_in_front_of_damage_that_a_small_buffer_does_not_see(self):
        packed = bytearray(gzip.compress(EVIL + random.Random(1).randbytes(100_000)))
        packed[30_000:40_000] = bytes(10_000)
        assert outcome(bytes(packed)) is Outcome.REFUSED

    @pytest.mark.parametrize("cut", range(1, 9))
    def test_a_payload_in_a_stream_that_breaks_off(self, cut):
        assert outcome(gzip.compress(EVIL)[:-cut]) is Outcome.REFUSED

    def test_names_that_only_an_unpickler_with_a_memory_sees(self):
        first = op.stream(op.text("os") + op.MEMOIZE + op.text("getcwd") + op.MEMOIZE + op.STACK_GLOBAL)[:-2] + op.STOP
        second = op.stream(op.get(0) + op.get(1) + op.STACK_GLOBAL + op.EMPTY_TUPLE + op.REDUCE)
        assert outcome(first + second) is Outcome.REFUSED

    def test_names_that_an_unpickler_with_a_memory_takes_for_others(self):
        first = op.stream(op.text("os") + op.MEMOIZE + op.POP + op.text("getcwd") + op.MEMOIZE)
        second = op.stream(
            op.text("datetime") + op.MEMOIZE + op.POP + op.text("date") + op.MEMOIZE + op.POP
            + op.get(0) + op.get(1) + op.STACK_GLOBAL + op.tup(op.integer(1)) + op.REDUCE
        )  # fmt: skip
        assert outcome(first + second) is Outcome.REFUSED

    def test_a_pickle_behind_a_frame_that_is_longer_than_its_own(self):
        decoy = op.proto(4) + op.frame(40) + op.NONE + op.STOP
        assert outcome(decoy + op.binbytes(bytes(60) + EVIL) + op.STOP) is Outcome.REFUSED

    @pytest.mark.parametrize(
        "stream",
        [
            op.frame(7) + b"\x8c\x09AAAAABBBBB\xff\xff\xff\x7f" + op.POP + EVIL[2:],
            op.NONE * 80 + op.BUILD + EVIL[2:],
            b"iantigravity\nx\n",
            b"cantigravityX",
        ],
        ids=["over a frame", "empty state", "inst without mark", "module at the end"],
    )
    def test_a_stream_without_proto_that_most_unpicklers_fail_at(self, stream):
        assert outcome(stream) is Outcome.REFUSED

    def test_many_decoys_in_front_of_a_nested_payload(self):
        decoys = b"".join(op.binbytes(pickle.dumps(number)) + op.POP for number in range(200))
        assert outcome(op.stream(decoys + op.binbytes(EVIL))) is Outcome.REFUSED


class TestUnverifiable:
    def test_a_pickle_that_breaks_off(self):
        assert outcome(pickle.dumps(["text"] * 100)[:-20]) is Outcome.UNVERIFIABLE

    def test_a_second_pickle_that_fails_behind_an_unknown_import(self):
        inspection = inspect(BytesSource(NONE + op.glob("lab", "Net") + b"\xff"))
        assert (inspection.outcome, inspection.needs) == (Outcome.UNVERIFIABLE, ("lab.Net",))

    def test_two_dumps_of_which_the_second_is_broken(self):
        assert outcome(NONE + op.proto(4) + op.NONE + b"\xff") is Outcome.UNVERIFIABLE


class TestNeedsApproval:
    @pytest.mark.parametrize("arguments", [op.text("ab"), op.binbytes(b"ab"), op.array(op.NONE)])
    def test_arguments_that_only_the_pure_python_unpickler_spreads(self, arguments):
        assert outcome(op.glob("lab", "make") + arguments + op.REDUCE + op.STOP) is Outcome.NEEDS_APPROVAL


class TestData:
    def test_two_dumps_of_one_pickler(self):
        file = io.BytesIO()
        pickler = pickle.Pickler(file)
        shared = ["a", "b"]
        for _ in range(3):
            pickler.dump({"shared": shared})
        assert outcome(file.getvalue()) is Outcome.DATA_ONLY

    @pytest.mark.parametrize("rest", [b"\n", b"cat 1\ndog 2\n", bytes(100), b"\x00\x01", b"PNG"])
    def test_something_else_behind_a_pickle(self, rest):
        assert outcome(NONE + rest) is Outcome.DATA_ONLY

    def test_many_dumps_in_a_row(self):
        assert outcome(b"".join(pickle.dumps({"row": number}) for number in range(300))) is Outcome.DATA_ONLY

    def test_arrays_in_a_row(self):
        assert outcome((npy(np.arange(3)) + npy(np.array([None, 1]))) * 20) is Outcome.DATA_ONLY

    @pytest.mark.parametrize("size", [384, 640, 896, 1152, 1408, 128 + 5 * 256])
    def test_safetensors_whose_length_begins_like_a_pickle(self, size):
        assert outcome(safetensors(size)) is Outcome.DATA_ONLY

    def test_text_with_dots_and_brackets_in_a_list(self):
        sentences = [f"(see {number}).\n{{no pickle}}." for number in range(2000)]
        assert outcome(pickle.dumps(sentences)) is Outcome.DATA_ONLY


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x01\x00\x00" + bytes(3000),
        b"\x80\x02\x00\x00\x00\x00\x00\x00" + bytes(range(256)),
        b"\x82\xa4bert\x81\xa1a\x01",
        b"\x83\xa6params\x81\xa1a\x01",
        b"\x95" + bytes(range(255, 0, -1)),
        b"PK\x03\x04" + bytes(70_000),
        b"cat\ndog\nbird\n",
        b"import numpy\nimport torch\n",
        b"(function(){" + b"x" * 70_000 + b"})",
        b"const a=" + b"x" * 70_000,
        b"get " + b"1" * 70_000,
        b"Proxy " + b"x" * 70_000,
        b"columns," + b"a.b," * 100 + b"\n" + b"1.5," * 30_000,
        b"P5\n640 480\n255\n" + bytes(100),
        b'{"a": 1}',
        b"[1, 2, 3]",
        b"Value of a string.\n" * 10,
        b"Nothing.",
        b"(see above).",
        b"I am text\n",
        b"",
    ],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
def test_what_only_looks_like_a_pickle_is_none(data):
    assert outcome(data) is Outcome.NOT_A_MODEL


class TestBudgets:
    @pytest.mark.parametrize(
        ("data", "budget"),
        [
            (op.stream((op.NONE + op.POP) * 5000 + op.NONE), Budget(opcodes=5000)),
            (op.stream(op.text("ab") * 200_000), Budget(retained=1 << 20)),
            (op.stream(b"".join(op.glob(f"m{n}", "n") + op.POP for n in range(30_000)) + op.NONE), Budget()),
            (NONE * 2000, Budget(opcodes=20_000)),
            (op.stream(op.binbytes(NONE) * 300 + op.STOP), Budget(opcodes=2000)),
            (gzip.compress(op.stream(op.binbytes(bytes(1 << 20)))), Budget(inflated=1 << 16)),
        ],
        ids=["opcodes", "memory", "names", "pickles in a row", "nested pickles", "inflation"],
    )
    def test_what_is_over_budget_is_unverifiable(self, data, budget):
        assert inspect(BytesSource(data), budget=budget).outcome is Outcome.UNVERIFIABLE

    def test_nested_deeper_than_the_budget(self):
        data = EVIL
        for _ in range(12):
            data = gzip.compress(data)
        assert outcome(data) is Outcome.UNVERIFIABLE

    def test_names_of_thousands_of_parts_are_judged_at_once(self):
        stream = b"".join(op.glob("a." * 60 + str(number), "b." * 60 + "c") + op.POP for number in range(2000))
        assert outcome(op.stream(stream + op.NONE)) in {Outcome.NEEDS_APPROVAL, Outcome.UNVERIFIABLE, Outcome.REFUSED}

    def test_a_source_of_unknown_length_gives_the_same_answer(self):
        for data in (NONE + EVIL, npy(np.arange(3)) + EVIL, pickle.dumps([1, 2])):
            budget = Budget()
            source = InflatedSource(BytesSource(zlib.compress(data)), "zlib", budget)
            assert inspect(source, budget=budget).outcome is outcome(data)


def tar(checksum):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("pickle")
        member.size = len(EVIL)
        archive.addfile(member, io.BytesIO(EVIL))
    data = bytearray(file.getvalue())
    total = 256 + sum(data[:148]) + sum(data[156:512])
    data[148:156] = checksum(total)
    return bytes(data)


@pytest.mark.parametrize(
    "checksum",
    [
        lambda total: b"%06o\0 " % total,
        lambda total: b"+%06o\0" % total,
        lambda total: b"0o%05o\0" % total,
        lambda total: b"%06o\0x" % total,
        lambda total: b"\x1c%06o\0" % total,
        lambda total: b"\x80" + total.to_bytes(7, "big"),
    ],
    ids=["usual", "sign", "prefix", "behind a zero", "separator", "binary"],
)
def test_a_payload_in_a_tar_whose_checksum_is_written_oddly(checksum):
    data = tar(checksum)
    assert tarfile.open(fileobj=io.BytesIO(data)).getnames() == ["pickle"]  # noqa: SIM115 - in memory
    assert outcome(data) is Outcome.REFUSED
