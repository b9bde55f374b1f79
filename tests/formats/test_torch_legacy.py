"""The layout of torch's oldest files: sizes of items, keys of storages, memory and tensors between pickles."""

from __future__ import annotations

import struct

import pytest

from tests.corpus import opcodes as op
from weighlock.allowlist.interpreter import Interpreter
from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.pickle.window import Window
from weighlock.formats.source import Budget, BytesSource
from weighlock.formats.torch_legacy import KeyMachine, Memory, Storages, element_size, pass_memory, pass_tensor

FLOATS = Memory(4, None)


def window(data):
    return Window(BytesSource(data).open(), Budget())


def keys(stream):
    machine = KeyMachine(window(stream), Interpreter("torch-legacy"))
    return machine.keys(machine.run())


class TestRefused:
    @pytest.mark.parametrize("count", [-1, 1 << 62, (1 << 62) + 1, 3, 0x7FFFFFFFFFFFFFFF])
    def test_a_number_of_items_that_wraps_around_or_reaches_over_the_end(self, count):
        with pytest.raises(FormatError):
            pass_memory(window(struct.pack("<q", count) + bytes(8)), FLOATS)

    def test_another_number_of_items_than_the_storage_has(self):
        with pytest.raises(FormatError):
            pass_memory(window(struct.pack("<q", 1) + bytes(8)), Memory(4, 2))

    @pytest.mark.parametrize("dimensions", [-1, 2, 0x7FFFFFFF])
    def test_a_tensor_that_does_not_fit(self, dimensions):
        with pytest.raises(FormatError):
            pass_tensor(window(struct.pack("<i", dimensions) + bytes(4 + 24)))

    @pytest.mark.parametrize("key", ["+ADE-", "", "\u0661", b"1", 1, None, "1\n"])
    def test_a_key_that_may_be_another_one_makes_all_of_them_unknown(self, key):
        storages = Storages()
        storages.note("1", FLOATS)
        storages.note(key, FLOATS)
        with pytest.raises(FormatError):
            storages.memory("1")

    def test_a_key_without_a_storage(self):
        with pytest.raises(FormatError):
            Storages().memory("1")

    def test_a_part_of_a_storage_that_takes_the_key_of_another(self):
        storages = Storages()
        storages.note("1", None)
        storages.note("1", FLOATS)
        with pytest.raises(FormatError):
            storages.memory("1")

    @pytest.mark.parametrize(
        "stream",
        [
            op.stream(op.EMPTY_DICT),
            op.stream(op.text("12")),
            op.stream(op.array(op.text("1")) + op.integer(0) + op.text("2") + op.SETITEM),
            op.stream(op.call(op.glob("collections", "deque"), op.array(op.text("1")))),
        ],
        ids=["dict", "text", "replaced item", "deque"],
    )
    def test_keys_that_are_not_a_plain_list(self, stream):
        with pytest.raises(FormatError):
            keys(stream)

    def test_more_storages_than_are_remembered(self):
        storages = Storages()
        with pytest.raises(OverBudgetError):
            for key in range(200_001):
                storages.note(str(key), FLOATS)


def test_element_sizes_are_those_of_torch():
    torch = pytest.importorskip("torch")
    types = torch.storage._storage_type_to_dtype_map()
    assert {name: element_size(name) for name in types} == {
        name: torch._utils._element_size(dtype) for name, dtype in types.items()
    }
    assert element_size("UntypedStorage") == 1
    assert element_size("TypedStorage") is None
    assert element_size("Float") is None


def test_the_first_id_of_a_key_counts():
    storages = Storages()
    storages.note("1", Memory(4, 3))
    storages.note("1", Memory(8, 3))
    assert storages.memory("1") == Memory(4, 3)


def test_the_list_of_keys_is_kept_whole():
    many = [str(number) for number in range(5000)]
    assert keys(op.stream(op.array(*(op.text(key) for key in many)))) == many
    assert keys(op.stream(op.EMPTY_LIST)) == []
    assert keys(op.stream(op.EMPTY_LIST + op.text("1") + op.APPEND + op.text("2") + op.APPEND)) == ["1", "2"]


def test_memory_and_tensors_are_passed_to_their_last_byte():
    memory = window(struct.pack("<q", 3) + bytes(12) + b"x")
    pass_memory(memory, Memory(4, 3))
    assert memory.take(1) == b"x"
    tensor = window(struct.pack("<i", 2) + b"\xff" * 4 + bytes(5 * 8) + b"x")
    pass_tensor(tensor)
    assert tensor.take(1) == b"x"
