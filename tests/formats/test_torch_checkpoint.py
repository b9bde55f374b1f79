"""Checkpoints of torch, read without torch: refused where two readers could differ, and to the bit what torch loads."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
from collections import OrderedDict

import pytest
import torch

from tests.corpus import opcodes as op
from tests.formats.checkpoints import (
    Called,
    Named,
    contents,
    legacy,
    pickled,
    raw,
    read,
    saved,
    storage,
    tensor,
    tensors,
    zipped,
)
from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.torch_checkpoint import DictNode, ListNode, Other, TensorView, flat_tensors
from weighlock.formats.torch_tensors import ITEM_BYTES, STORAGE_DTYPES

UTILS = torch._utils
HOOKS = OrderedDict()
NO = False
LAYOUTS = pytest.mark.parametrize("save", [saved, legacy])


def refusal(data):
    with pytest.raises((FormatError, OverBudgetError)) as caught:
        read(data)
    return caught.value.message


class TestViews:
    @pytest.mark.parametrize(
        ("offset", "shape", "stride"),
        [
            (1, (2, 3), (3, 1)),
            (6, (1,), (1,)),
            (0, (7,), (1,)),
            (0, (2, 3), (4, 1)),
            (0, (2, 2), (0, 6)),
            (1 << 40, (1,), (1,)),
            (0, (1 << 40,), (1,)),
            (0, (2,), (1 << 61,)),
        ],
    )
    def test_a_view_beyond_the_storage(self, offset, shape, stride):
        assert "beyond its storage" in refusal(zipped({"w": tensor(None, offset, shape, stride)}))

    @pytest.mark.parametrize(
        ("offset", "shape", "stride"),
        [(-1, (2,), (1,)), (5, (2,), (-1,)), (0, (-1,), (1,)), (0, (-2, -3), (3, 1))],
    )
    def test_a_negative_number(self, offset, shape, stride):
        assert "negative" in refusal(zipped({"w": tensor(None, offset, shape, stride)}))

    @pytest.mark.parametrize(
        ("shape", "stride"),
        [((1 << 31, 1 << 31), (0, 0)), ((0, 1 << 63), (1, 1)), ((1 << 200,), (0,)), ((2,), (1 << 200,))],
    )
    def test_a_shape_that_overflows(self, shape, stride):
        assert "overflows" in refusal(zipped({"w": tensor(None, 0, shape, stride)}))

    @pytest.mark.parametrize(("shape", "stride"), [((2, 3), (1,)), ((), (1,)), ((1,) * 65, (1,) * 65)])
    def test_strides_without_dimensions(self, shape, stride):
        assert "strides" in refusal(zipped({"w": tensor(None, 0, shape, stride)}))

    @pytest.mark.parametrize("shape", [(2.0, 3), (True, 3), ("2", 3), "23", None, {2: 3}])
    def test_a_shape_of_anything_but_integers(self, shape):
        assert "list of integers" in refusal(zipped({"w": tensor(None, 0, shape)}))

    @pytest.mark.parametrize("offset", [1.0, True, None, "0"])
    def test_an_offset_that_is_no_integer(self, offset):
        refusal(zipped({"w": tensor(None, offset)}))

    def test_an_integer_in_a_notation_that_readers_differ_about(self):
        data = pickled({"w": tensor()}).replace(b"K\x03K\x01\x86", b"I0x3\nK\x01\x86")
        assert b"0x3" in data
        assert "list of integers" in refusal(zipped(data))


class TestStorages:
    @pytest.mark.parametrize("size", [0, 23, 25, 48])
    def test_memory_of_another_size_than_the_storage(self, size):
        assert "has not the size" in refusal(zipped({"w": tensor()}, {"data/0": bytes(size)}))

    def test_missing_memory(self):
        assert "missing" in refusal(zipped({"w": tensor()}, {}))

    @pytest.mark.parametrize("key", ["../0", "data.pkl", "", "0/../1", "\u0661", "0\n", "0" * 30])
    def test_a_key_that_is_no_number(self, key):
        assert "persistent id" in refusal(zipped({"w": tensor(storage(key))}, {"data/0": bytes(24)}))

    @pytest.mark.parametrize("other", [storage(kind=torch.IntStorage), storage(count=3), storage(location="cuda:0")])
    def test_one_storage_named_in_two_ways(self, other):
        value = {"a": tensor(), "b": tensor(other, 0, (3,), (1,))}
        assert "two sizes" in refusal(zipped(value))

    @pytest.mark.parametrize(
        "identifier",
        [
            ("storage", torch.FloatStorage, "0", "cpu"),
            ("storage", torch.FloatStorage, "0", "cpu", 6, None),
            ("module", torch.nn.Linear, "linear.py", "source"),
            ("storage", torch.Size, "0", "cpu", 6),
            ("storage", torch.FloatStorage, "0", "cpu", -6),
            ("storage", torch.FloatStorage, "0", "cpu", True),
            ("storage", torch.FloatStorage, 0, "cpu", 6),
        ],
    )
    def test_another_persistent_id(self, identifier):
        assert "persistent id" in refusal(zipped({"w": tensor(Named(*identifier))}))

    def test_a_part_of_another_storage(self):
        data = legacy({"w": torch.ones(6)})
        bent = data.replace(b"K\x06Nt", b"K\x06X\x01\x00\x00\x001K\x00K\x06\x87t")
        assert bent != data
        assert "part of another" in refusal(bent)

    def test_items_put_into_a_storage_or_a_tensor(self):
        for target in (storage(), tensor()):
            body = pickled(target)[2:-1]
            stream = op.proto(2) + body + b"K\x00K\x07s."
            assert "items" in refusal(zipped(stream))

    @pytest.mark.parametrize("state", [(storage(), 0, (6,), (1,)), (False, False, HOOKS), {"data": tensor()}])
    def test_a_state_that_exchanges_what_a_tensor_holds(self, state):
        stream = op.proto(2) + pickled(tensor())[2:-1] + pickled(state)[2:-1] + b"b."
        assert "state" in refusal(zipped(stream))


class TestArchives:
    def test_two_members_of_one_name(self):
        data = zipped({"w": tensor()}, {"data/0": bytes(24), "data/1": b"x" * 24})
        for old, new in ((b"archive/data/1", b"archive/data/0"), (b"archive/data/1", b"archive/DATA/0")):
            assert "duplicate" in refusal(data.replace(old, new))

    def test_overlapping_members(self):
        data = zipped({"w": tensor()}, {"data/0": bytes(24), "data/1": b"x" * 24})
        entry = data.rindex(b"archive/data/1") - 4
        first = data.index(b"archive/data/0") - 30
        assert "overlapping" in refusal(data[:entry] + struct.pack("<I", first) + data[entry + 4 :])

    def test_a_pickle_in_two_folders_or_in_none(self):
        assert "exactly one" in refusal(zipped({"w": tensor()}, {"data/0": bytes(24), "more/data.pkl": b"N."}))
        assert "exactly one" in refusal(zipped({"w": tensor()}).replace(b"archive/", b"archive_"))

    def test_members_beside_the_folder(self):
        data = zipped({"w": tensor()}, {"data/0": bytes(24), "extra": b""}).replace(b"archive/extra", b"brchive/extra")
        assert "beside" in refusal(data)

    def test_compressed_members(self):
        assert "compressed" in refusal(zipped({"w": tensor()}, method=8))

    @pytest.mark.parametrize("order", [b"big", b"little\0", b"", b"Little"])
    def test_another_byte_order(self, order):
        members = {"data/0": bytes(24), "byteorder": order}
        assert "little-endian" in refusal(zipped({"w": tensor()}, members))

    @pytest.mark.parametrize("order", [b"big", b"little"])
    def test_another_byte_order_in_capitals_which_torch_finds_all_the_same(self, order):
        data = zipped({"w": tensor()}, {"data/0": bytes(24), "BYTEORDER": order}, byteorder=None)
        assert "capitals" in refusal(data)

    def test_torchscript(self):
        assert "TorchScript" in refusal(zipped({"w": tensor()}, {"data/0": bytes(24), "constants.pkl": b"N."}))

    def test_a_second_pickle_behind_the_first(self):
        assert "left over" in refusal(zipped(pickled({"w": tensor()}) + pickled({}), None))

    @pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"hello", pickle.dumps({"w": 1}), bytes(600)])
    def test_something_else(self, data):
        with pytest.raises(FormatError):
            read(data)


class TestLegacy:
    def test_bytes_behind_the_memory(self):
        data = legacy({"w": torch.ones(3)})
        assert "left over" in refusal(data + b"\0")
        assert "left over" in refusal(data + data)

    def test_memory_that_is_shorter_or_of_another_size(self):
        data = legacy({"w": torch.ones(3)})
        assert "size" in refusal(data[:-1])
        assert "size" in refusal(data[:-20] + struct.pack("<q", 2) + data[-12:])
        assert "size" in refusal(data[:-20] + struct.pack("<q", -3) + data[-12:])

    @pytest.mark.parametrize("times", [0, 2])
    def test_a_list_that_does_not_name_every_storage_once(self, times):
        data = legacy({"w": torch.ones(3)})
        keys, memory = data.rindex(b"\x80\x02]"), data[-20:]
        key = op.binunicode(next(iter(read(data).storages)))
        stream = op.proto(2) + b"](" + key * times + b"e."
        assert "each once" in refusal(data[:keys] + stream + memory * times)

    def test_a_list_that_names_another_storage(self):
        data = legacy({"w": torch.ones(3)})
        keys = data.rindex(b"\x80\x02]")
        stream = op.proto(2) + b"](" + op.binunicode("1") + b"e."
        assert "each once" in refusal(data[:keys] + stream + data[-20:])

    def test_another_byte_order(self):
        data = legacy({"w": torch.ones(3)})
        facts = data.index(b"little_endian")
        place = data.index(b"\x88", facts)
        assert "little-endian" in refusal(data[:place] + b"\x89" + data[place + 1 :])

    def test_a_tar_at_the_same_time(self):
        data = legacy({"w": torch.ones(3)})
        info = tarfile.TarInfo("x")
        header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
        # The first pickle and an opcode that passes over the rest of the header.
        start = data[: data.index(b".") + 1]
        assert len(start) < 90
        header[: len(start)] = start
        passed = b"\x80\x02T" + struct.pack("<I", 512 - len(start) - 7)
        header[len(start) : len(start) + 7] = passed
        header[124:136] = b"00000000000\0"
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        rest = data[len(start) :]
        version = rest[2:]
        bent = bytes(header) + b"0" + version
        assert tarfile.is_tarfile(io.BytesIO(bent + bytes(1024)))
        assert "tar" in refusal(bent)

    def test_another_version(self):
        data = legacy({"w": torch.ones(3)})
        assert "version" in refusal(data.replace(b"\x80\x02M\xe9\x03.", b"\x80\x02M\xea\x03."))


class TestObjects:
    @pytest.mark.parametrize(
        "value",
        [
            Called(torch.storage._load_from_bytes, b"x"),
            torch.float32,
            {1, 2},
            frozenset({1}),
            bytearray(b"x"),
            torch.device("cpu"),
            complex(1, 2),
            slice(1, 2),
            b"x" * 70_000,
            "x" * 70_000,
            storage(),
            torch.nn.Linear(1, 1),
        ],
    )
    def test_an_object_is_kept_by_its_name_alone(self, value):
        root = read(zipped({"x": value})).root
        assert isinstance(root.items["x"], Other)
        assert root.items["x"].what
        assert flat_tensors(read(zipped({"x": value}))) is None

    @pytest.mark.parametrize(
        ("what", "value"),
        [
            ("quantized", Called(UTILS._rebuild_qtensor, storage(), 0, (6,), (1,), (), NO, HOOKS)),
            ("sparse", Called(UTILS._rebuild_sparse_tensor, torch.sparse_coo, ())),
            ("meta", Called(UTILS._rebuild_meta_tensor_no_storage, torch.float32, (2,), (1,), NO)),
            ("nested", Called(UTILS._rebuild_nested_tensor, tensor(), tensor(), tensor(), tensor())),
            ("device", Called(UTILS._rebuild_device_tensor_from_numpy, 1, torch.float32, "xla", NO)),
            ("lazy view (conj)", tensor(None, 0, (6,), (1,), NO, HOOKS, {"conj": True})),
            ("lazy view (neg)", tensor(None, 0, (6,), (1,), NO, HOOKS, {"neg": True})),
            ("lazy view", tensor(None, 0, (6,), (1,), NO, HOOKS, {"conj": 1})),
            ("hooks", tensor(None, 0, (6,), (1,), NO, OrderedDict(a=1))),
            ("attributes", Called(UTILS._rebuild_parameter_with_state, tensor(), NO, HOOKS, {"data": tensor()})),
            (
                "attributes",
                Called(
                    torch._tensor._rebuild_from_type_v2,
                    UTILS._rebuild_tensor_v2,
                    torch.Tensor,
                    (storage(), 0, (6,), (1,), NO, HOOKS),
                    {"data": tensor()},
                ),
            ),
            (
                "class",
                Called(
                    torch._tensor._rebuild_from_type_v2,
                    UTILS._rebuild_tensor_v2,
                    torch.nn.Linear,
                    (storage(), 0, (6,), (1,), NO, HOOKS),
                    {},
                ),
            ),
        ],
    )
    def test_a_tensor_that_is_more_than_its_bytes(self, what, value):
        assert what in read(zipped({"x": value})).root.items["x"].what

    def test_real_tensors_that_are_more_than_their_bytes(self):
        value = {
            "conj": torch.ones(2, dtype=torch.complex64).conj(),
            "sparse": torch.eye(2).to_sparse(),
            "meta": torch.ones(2, device="meta"),
        }
        assert all(isinstance(item, Other) for item in read(saved(value)).root.items.values())

    def test_a_dict_with_one_key_twice(self):
        stream = op.proto(2) + b"}(" + (op.binunicode("a") + b"K\x01") * 2 + b"u."
        assert "twice" in refusal(zipped(stream))

    @pytest.mark.parametrize("made", [b"}", b"ccollections\nOrderedDict\n)R", b""])
    def test_a_key_without_a_value(self, made):
        stream = made + b"(K\x01K\x02K\x03" + (b"u" if made else b"d")
        refusal(zipped(op.proto(2) + stream + b"."))

    @pytest.mark.parametrize("key", [float("nan"), ((1,),), (1, (2,))])
    def test_a_key_that_cannot_be_compared(self, key):
        assert "key" in refusal(zipped({key: 1}))

    def test_an_item_of_a_list_that_is_replaced(self):
        assert "replaced" in refusal(zipped(op.proto(2) + b"]K\x01aK\x00K\x02s."))

    def test_an_object_that_holds_itself(self):
        value = []
        value.append(value)
        assert "holds itself" in refusal(zipped(pickle.dumps(value, 2)))

    def test_nesting_without_end(self):
        assert "nested" in refusal(zipped(op.proto(2) + b"]" * 5000 + b"a" * 4999 + b"."))

    def test_a_doubling_at_each_level_costs_nothing(self):
        stream = op.proto(2) + b")q\x00" + b"0h\x00h\x00\x86q\x00" * 60 + b"."
        assert isinstance(read(zipped(stream)).root, tuple)

    def test_more_values_than_the_budget_allows(self):
        with pytest.raises(OverBudgetError):
            read(zipped([1.5] * 100_000), retained=1 << 20)

    @pytest.mark.parametrize(
        "stream",
        [
            op.text("os") + op.text("system") + b"h\x00" + op.STACK_GLOBAL,
            b"\x82\x01",
            op.frame(9) + op.frame(1) + b"N",
            b"K\x01K\x01R",
        ],
    )
    def test_what_no_pickler_writes(self, stream):
        refusal(zipped(op.proto(4) + stream + b"."))

    def test_plain_values(self):
        value = {
            "list": [1, -2.5, None, True, (3, "x")],
            "bytes": b"abc",
            "long": 1 << 100,
            "size": torch.Size([1, 2]),
            3: {"deep": OrderedDict(a=1)},
            (1, "t"): "text" * 1000,
        }
        for protocol in (2, 3, 4, 5):
            root = read(zipped(pickled(value, protocol))).root
            assert isinstance(root, DictNode)
            assert list(root.items) == list(value)
            assert isinstance(root.items["list"], ListNode)
            assert root.items["list"].items == (1, -2.5, None, True, (3, "x"))
            assert root.items["bytes"] == b"abc"
            assert root.items["long"] == 1 << 100
            assert root.items["size"] == (1, 2)
            assert root.items[3].items["deep"].kind == "OrderedDict"
            assert root.items[(1, "t")] == "text" * 1000

    def test_more_items_than_a_judge_looks_at(self):
        data = zipped({f"n{number}": number for number in range(5000)})
        assert list(read(data).root.items.values()) == list(range(5000))

    def test_the_metadata_of_a_state_dict(self):
        root = read(saved(torch.nn.BatchNorm1d(2).state_dict())).root
        assert root.kind == "OrderedDict"
        assert root.state["_metadata"].items[""].items["version"] == 2


class TestBits:
    @LAYOUTS
    def test_every_dtype(self, save):
        made, known = {}, torch.storage._storage_type_to_dtype_map()
        for name in ITEM_BYTES:
            dtype = getattr(torch, name)
            if name.startswith("q") or dtype not in {*torch.storage._new_dtypes(), *known.values()}:
                continue
            memory = torch.arange(240, dtype=torch.uint8)
            memory = memory % 2 if name == "bool" else memory
            made[name] = memory.view(dtype)
        data = save(made)
        views = tensors(data)
        assert views.keys() == made.keys()
        assert len(made) > 25
        for name, view in views.items():
            assert view.dtype == name
            assert view.shape == tuple(made[name].shape)
            assert contents(data, view) == made[name].view(torch.uint8).numpy().tobytes()

    def test_the_storage_types_are_those_of_torch(self):
        known = {**torch.storage._storage_type_to_dtype_map(), "UntypedStorage": torch.uint8}
        assert {name: str(dtype).removeprefix("torch.") for name, dtype in known.items()} == STORAGE_DTYPES

    def test_the_items_have_the_bytes_that_torch_says(self):
        assert {name: getattr(torch, name).itemsize for name in ITEM_BYTES} == ITEM_BYTES

    @LAYOUTS
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64, torch.complex128])
    def test_every_way_to_lie_in_memory(self, save, dtype):
        base = torch.randn(64, dtype=torch.float64).to(dtype)
        made = {
            "slice": base[2:10],
            "stepped": base[1::3],
            "column": base.view(8, 8)[:, 3],
            "every second column": base.view(4, 16)[:, ::2],
            "transposed": torch.randn(30, 40).to(dtype).t(),
            "permuted": torch.randn(4, 5, 6, 7).to(dtype).permute(2, 0, 3, 1),
            "channels last": torch.randn(4, 3, 5, 5).to(dtype).to(memory_format=torch.channels_last),
            "expanded": torch.randn(1, 5).to(dtype).expand(7, 5),
            "scalar expanded": torch.ones((), dtype=dtype).expand(5, 6),
            "overlapping": base.as_strided((3, 4, 2), (1, 2, 3)),
            "empty": torch.zeros(0, 3, dtype=dtype),
            "scalar": torch.ones((), dtype=dtype),
            "many of one": torch.randn(1, 1, 5, 1).to(dtype),
            "parameter": torch.nn.Parameter(torch.ones(3).to(dtype), requires_grad=dtype is torch.float32),
            "buffer": torch.nn.Buffer(torch.ones(3, dtype=dtype)),
        }
        data = save(made)
        for name, view in tensors(data).items():
            assert contents(data, view) == raw(made[name]), name
            assert view.is_contiguous == made[name].is_contiguous(), name
            assert view.is_parameter == isinstance(made[name], torch.nn.Parameter), name

    def test_a_tensor_larger_than_what_is_read_at_once(self, monkeypatch):
        made = {
            "transposed": torch.randn(70, 90).t(),
            "sparse rows": torch.randn(500, 64)[:, 1],
            "sparse": torch.randn(64, 500)[:, ::100].t(),
            "expanded": torch.randn(50, 1).expand(50, 300),
            "deep": torch.randn(9, 8, 7, 6).permute(3, 1, 0, 2)[::2, :, ::3],
        }
        data = saved(made)
        for window in (1, 16, 100, 4096, 1 << 20):
            monkeypatch.setattr("weighlock.formats.torch_tensors._WINDOW", window)
            monkeypatch.setattr("weighlock.formats.torch_tensors._STEP", max(window // 2, 1))
            for name, view in tensors(data).items():
                assert contents(data, view) == raw(made[name]), (name, window)

    def test_items_in_more_places_than_can_be_visited(self, monkeypatch):
        data = saved({"w": torch.randn(20, 20, 20)[::2, ::2, ::2]})
        monkeypatch.setattr("weighlock.formats.torch_tensors._MOST_STEPS", 50)
        with pytest.raises(OverBudgetError):
            contents(data, tensors(data)["w"])

    @LAYOUTS
    def test_tensors_that_share_a_storage(self, save):
        base = torch.arange(6.0)
        views = tensors(save({"a": base, "b": base, "c": base[3:]}))
        assert views["a"] == views["b"]
        assert views["a"].storage == views["c"].storage
        assert views["c"].offset == 3

    def test_views_of_one_memory_with_two_new_dtypes(self):
        base = torch.arange(8, dtype=torch.uint8)
        made = {"a": base.view(torch.float8_e4m3fn), "b": base.view(torch.uint16)}
        data = saved(made)
        views = tensors(data)
        assert [views[name].dtype for name in made] == ["float8_e4m3fn", "uint16"]
        assert [contents(data, views[name]) for name in made] == [bytes(range(8))] * 2

    def test_empty_tensors_of_several_dtypes(self):
        made = {"a": torch.zeros(0), "b": torch.zeros(0, dtype=torch.int64), "c": torch.zeros(3, 0).bfloat16()}
        views = tensors(saved(made))
        assert [views[name].dtype for name in made] == ["float32", "int64", "bfloat16"]
        assert all(isinstance(view, TensorView) and view.size == 0 for view in views.values())

    def test_a_checkpoint_of_python_2(self):
        # Strings of Python 2, an OrderedDict of pairs, a tensor without hooks.
        stream = (
            op.proto(2)
            + b"ccollections\nOrderedDict\n]](U\x01wctorch._utils\n_rebuild_tensor\n("
            + b"(U\x07storagectorch\nFloatStorage\n"
            + b"U\x010U\x03cpuK\x06tQK\x00K\x02K\x03\x86K\x03K\x01\x86tRea\x85R."
        )
        assert tensors(zipped(stream))["w"].shape == (2, 3)
