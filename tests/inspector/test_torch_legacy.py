"""Files of torch from before the zip, in a row and with something behind their memory."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import warnings

import numpy as np
import pytest

from tests.corpus import opcodes as op
from weighlock.finding import Outcome
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

torch = pytest.importorskip("torch")

CALL = op.call(op.glob("os", "getcwd"))
EVIL = op.stream(CALL)
MAGIC = op.stream(op.integer(0x1950A86A20F9469CFC6C), protocol=2)
VERSION = op.stream(op.integer(1001), protocol=2)
SYSTEM = op.stream(op.EMPTY_DICT, protocol=2)
FILE = MAGIC + VERSION + SYSTEM


def outcome(data):
    return inspect(BytesSource(data)).outcome


def saved(*values, protocol=2):
    file = io.BytesIO()
    for value in values:
        torch.save(value, file, _use_new_zipfile_serialization=False, pickle_protocol=protocol)
    return file.getvalue()


def storage(key, kind="FloatStorage", count=1, view=op.NONE):
    names = op.binunicode("storage"), op.glob("torch", kind), op.binunicode(key), op.binunicode("cpu")
    return op.tup(*names, op.integer(count), view) + op.BINPERSID


def memory(count, data=b""):
    return struct.pack("<q", count) + data


def made(*storages, keys=("1",), head=FILE):
    """Return everything in front of the memory."""
    listed = op.stream(op.array(*map(op.binunicode, keys)), protocol=2)
    return head + op.stream(op.array(*storages), protocol=2) + listed


def object_array():
    file = io.BytesIO()
    np.save(file, np.array([None]), allow_pickle=True)
    return file.getvalue()[: file.getvalue().index(b"\x80")]


ONE = made(storage("1")) + memory(1, bytes(4))
PLAIN = {
    "none": {"a": 1},
    "one": {"w": torch.zeros(3)},
    "shared": [torch.zeros(4)[1:], torch.ones(2, dtype=torch.int8)],
}


class TestRefused:
    @pytest.mark.parametrize("name", PLAIN)
    @pytest.mark.parametrize("files", [1, 2, 3])
    def test_a_payload_behind_the_memory(self, name, files):
        assert outcome(saved(*[PLAIN[name]] * files) + EVIL) is Outcome.REFUSED

    def test_a_payload_without_proto_behind_the_memory(self):
        assert outcome(saved(PLAIN["one"]) + EVIL[2:]) is Outcome.REFUSED

    def test_a_payload_as_the_object_of_the_second_file(self):
        second = FILE + op.stream(CALL, protocol=2) + op.stream(op.EMPTY_LIST)
        assert outcome(saved(PLAIN["one"]) + second) is Outcome.REFUSED

    def test_a_payload_behind_a_pickle_and_a_file(self):
        assert outcome(pickle.dumps({"epoch": 1}) + saved(PLAIN["one"]) + EVIL) is Outcome.REFUSED

    def test_a_payload_behind_a_file_that_is_compressed(self):
        assert outcome(gzip.compress(saved(PLAIN["one"]) + EVIL)) is Outcome.REFUSED

    def test_a_payload_behind_zeros_up_to_the_next_value_of_a_shelf(self):
        assert outcome(ONE.ljust(512, b"\0") + EVIL) is Outcome.REFUSED

    def test_a_payload_in_an_array_behind_the_memory(self):
        assert outcome(saved(PLAIN["one"]) + object_array() + EVIL) is Outcome.REFUSED

    def test_a_payload_in_memory_that_pickle_in_a_loop_runs(self):
        # C 06: the number of items is the beginning of a constant of six bytes.
        data = (op.POP + CALL + op.STOP).ljust(4 * 0x0643, b"\0")
        assert outcome(made(storage("1", count=0x0643)) + memory(0x0643, data)) is Outcome.REFUSED

    def test_a_payload_for_one_unpickler_behind_a_file(self):
        names = op.text("os") + op.MEMOIZE + op.text("getcwd") + op.MEMOIZE + op.tup(op.NONE)
        first = op.proto(4) + names + op.STOP
        second = op.get(0) + op.get(1) + op.STACK_GLOBAL + op.EMPTY_TUPLE + op.REDUCE + op.STOP
        assert outcome(saved(PLAIN["one"]) + first + second) is Outcome.REFUSED


class TestUnverifiable:
    @pytest.mark.parametrize(
        "data",
        [
            made(storage("1")) + memory(2, bytes(8)),
            made(storage("1")) + memory(-1, bytes(8)),
            made(storage("1")) + memory((1 << 62) + 1, bytes(4)),
            ONE[:-1],
            made(storage("1")),
        ],
        ids=["another number", "negative", "wraps around", "cut", "missing"],
    )
    def test_memory_of_another_size(self, data):
        assert outcome(data) is Outcome.UNVERIFIABLE

    @pytest.mark.parametrize(
        "front",
        [
            made(storage("1"), keys=("2",)),
            made(storage("1", view=op.tup(op.binunicode("2"), op.integer(0), op.integer(1))), keys=("2",)),
            made(storage("9", view=op.tup(op.binunicode("1"), op.integer(0), op.integer(1))), storage("1")),
            made(storage("1"), storage("+ADE-")),
            made(storage("1", "TypedStorage")),
        ],
        ids=["unknown key", "view", "view under the key of a storage", "key in UTF-7", "unknown type"],
    )
    def test_a_list_of_storages_that_does_not_say_how_long_they_are(self, front):
        assert outcome(front + memory(1, bytes(4))) is Outcome.UNVERIFIABLE

    @pytest.mark.parametrize("keys", [op.text("1"), op.tup(op.text("1")), op.mapping(a=op.NONE), op.NONE])
    def test_a_fifth_pickle_that_is_no_list(self, keys):
        data = FILE + op.stream(op.array(storage("1"))) + op.stream(keys) + memory(1, bytes(4))
        assert outcome(data) is Outcome.UNVERIFIABLE

    def test_the_first_type_of_a_storage_decides(self):
        # torch reads 4 bytes, not 8: what is behind them is a pickle.
        front = made(storage("1"), storage("1", "DoubleStorage"))
        assert outcome(front + memory(1, bytes(4)) + EVIL) is Outcome.REFUSED

    @pytest.mark.parametrize("pickles", [1, 2, 3, 4])
    def test_a_file_that_ends_before_its_fifth_pickle(self, pickles):
        parts = [MAGIC, VERSION, SYSTEM, op.stream(op.EMPTY_DICT)]
        assert outcome(b"".join(parts[:pickles])) is Outcome.UNVERIFIABLE
        assert outcome(b"".join(parts[:pickles]) + b"\xff") is Outcome.UNVERIFIABLE

    @pytest.mark.parametrize("version", [op.integer(1000), op.TRUE, op.integer(0x1950A86A20F9469CFC6C)])
    def test_a_magic_number_with_another_version(self, version):
        assert outcome(MAGIC + op.stream(version) + SYSTEM * 3) is Outcome.UNVERIFIABLE

    @pytest.mark.parametrize(
        "magic",
        [
            op.call(op.glob("decimal", "Decimal"), op.text(str(0x1950A86A20F9469CFC6C))),
            op.NONE * 9 + op.POP * 9 + op.integer(0x1950A86A20F9469CFC6C) + op.integer(1) + op.POP,
        ],
        ids=["decimal", "run of numbers"],
    )
    def test_a_magic_number_that_is_no_literal_hides_no_payload(self, magic):
        front = made(storage("1"), head=op.stream(magic) + VERSION + SYSTEM)
        assert outcome(front + memory(1, bytes(4)) + EVIL) >= Outcome.UNVERIFIABLE

    def test_a_hidden_file_that_begins_inside_of_a_recognised_one(self):
        decimal = op.glob("decimal", "Decimal")
        system = op.stream(op.call(decimal, op.text(str(0x1950A86A20F9469CFC6C))))
        version = op.stream(op.call(decimal, op.text("1001")))
        front = MAGIC + VERSION + system + version + op.stream(op.EMPTY_LIST)
        hidden = op.stream(op.array(storage("1"))) + op.stream(op.array(op.text("1"))) + memory(1, b"\xff" * 4)
        assert outcome(front + hidden + EVIL) >= Outcome.UNVERIFIABLE

    def test_names_that_only_an_unpickler_with_a_memory_gets_from_the_magic_number(self):
        first = op.proto(4) + op.text("os") + op.MEMOIZE + op.text("getcwd") + op.MEMOIZE + MAGIC[2:]
        second = op.get(0) + op.get(1) + op.STACK_GLOBAL + op.EMPTY_TUPLE + op.REDUCE + op.STOP
        assert outcome(first + second) >= Outcome.UNVERIFIABLE


class TestData:
    @pytest.mark.parametrize("name", PLAIN)
    @pytest.mark.parametrize("files", [1, 2, 5])
    @pytest.mark.parametrize("protocol", [2, 4])
    def test_files_in_a_row(self, name, files, protocol):
        data = saved(*[PLAIN[name]] * files, protocol=protocol)
        inspection = inspect(BytesSource(data))
        assert (inspection.outcome, inspection.format) == (Outcome.DATA_ONLY, "torch-legacy")

    def test_a_file_of_storages_of_every_type(self):
        types = [t for t in torch.storage._dtype_to_storage_type_map() if not str(t).startswith("torch.q")]
        values = [torch.zeros(5, dtype=dtype) for dtype in types]
        assert outcome(saved(values) * 2) is Outcome.DATA_ONLY

    def test_a_file_with_more_storages_than_contracts_look_at(self):
        assert outcome(saved([torch.full((2,), number) for number in range(2500)]) * 2) is Outcome.DATA_ONLY

    def test_a_file_between_pickles(self):
        data = pickle.dumps({"epoch": 1}) + saved(PLAIN["one"]) + pickle.dumps([1]) + saved(PLAIN["shared"])
        assert outcome(data) is Outcome.DATA_ONLY

    def test_an_empty_storage_and_one_as_a_part_of_which_a_tensor_was_made(self):
        view = op.tup(op.binunicode("2"), op.integer(0), op.integer(1))
        assert outcome(saved(torch.zeros(0), torch.zeros(0))) is Outcome.DATA_ONLY
        assert outcome(made(storage("1", view=view)) + memory(1, bytes(4))) is Outcome.DATA_ONLY

    @pytest.mark.parametrize("count", [0x0643, 0x4E4E, 0x2E4E, 0x1000, 0x4B0280])
    def test_memory_that_begins_like_opcodes(self, count):
        front = made(storage("1", "ByteStorage", count))
        assert outcome(front + memory(count, b"c" * count)) is Outcome.DATA_ONLY

    def test_arrays_and_text_behind_the_memory(self):
        file = io.BytesIO()
        np.save(file, np.arange(3))
        assert outcome(saved(PLAIN["one"]) + file.getvalue()) is Outcome.DATA_ONLY
        assert outcome(saved(PLAIN["one"]) + b"\n") is Outcome.DATA_ONLY

    def test_it_is_read_to_where_torch_reads(self, tmp_path):
        place = tmp_path / "two.pt"
        place.write_bytes(ONE + ONE + saved(PLAIN["one"]))
        with place.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            positions = [torch.load(file, weights_only=False) is not None and file.tell() for _ in range(3)]
        assert positions == [len(ONE), 2 * len(ONE), place.stat().st_size]
        assert outcome(place.read_bytes()) is Outcome.DATA_ONLY
