"""The gate of `weighlock convert`: hostile checkpoints, indexes and outputs, and the bits of honest ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors
import torch
from safetensors.torch import load_file, save

from tests.formats.checkpoints import Called, legacy, raw, saved, storage, tensor, zipped
from weighlock.convert import Choice
from weighlock.errors import AdmissionError, FormatError, OverBudgetError, SourceError, UsageError, WeighlockError
from weighlock.gates import convert as gate
from weighlock.gates import outputs
from weighlock.gates.convert import convert, output_name
from weighlock.gates.convert_shards import convert_shards

PLAIN = Choice()
DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e4m3fnuz,
    torch.float8_e5m2, torch.float8_e5m2fnuz, torch.float8_e8m0fnu, torch.complex64, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool,
]  # fmt: skip


def made(folder, data, name="model.bin"):
    path = folder / name
    path.write_bytes(data)
    return path


def refusal(path, kind=WeighlockError, choice=PLAIN, **options):
    before = sorted(os.listdir(path.parent))
    with pytest.raises(kind) as caught:
        convert(path, options.pop("output", None), choice, **options)
    assert sorted(os.listdir(path.parent)) == before
    return str(caught.value), caught.value


def same(loaded, expected):
    assert loaded.keys() == expected.keys()
    for name, value in expected.items():
        assert loaded[name].dtype == value.dtype, name
        assert loaded[name].shape == value.shape, name
        assert raw(loaded[name]) == raw(value), name


class TestRefusedCheckpoints:
    def test_a_pickle_that_would_run_code(self, tmp_path):
        marker = tmp_path / "marker"
        path = made(tmp_path, zipped({"w": tensor(), "x": Called(os.system, f"touch {marker}")}))
        message, error = refusal(path, AdmissionError)
        assert "refused" in message
        assert "weighlock scan" in error.hint
        assert not marker.exists()

    def test_a_checkpoint_that_needs_classes(self, tmp_path):
        message, error = refusal(made(tmp_path, saved(torch.nn.Linear(1, 1))), AdmissionError)
        assert "torch.nn.modules.linear.Linear" in message
        assert error.exit_code == 1

    def test_a_view_beyond_the_storage(self, tmp_path):
        assert "beyond" in refusal(made(tmp_path, zipped({"w": tensor(None, 1)})), FormatError)[0]

    def test_a_terabyte_from_a_kilobyte(self, tmp_path):
        value = {"w": tensor(), "huge": tensor(None, 0, (1 << 38,), (0,))}
        message, error = refusal(made(tmp_path, zipped(value)), OverBudgetError)
        assert str((1 << 40) + 24) in message
        assert "--without huge" in error.hint

    def test_many_views_that_make_a_terabyte_together(self, tmp_path):
        value = {f"w{number}": tensor(None, 0, ((1 << 20) + number,), (0,)) for number in range(100)}
        refusal(made(tmp_path, zipped(value)), OverBudgetError)

    @pytest.mark.parametrize("name", ["__metadata__", "a\nb", "a\0b", "\x1b[2J", "\ud800", "\x85"])
    def test_a_name_that_a_header_must_not_have(self, tmp_path, name):
        assert "name" in refusal(made(tmp_path, zipped({name: tensor()})))[0]

    @pytest.mark.parametrize("key", [1, None, ("a",), b"a", 1.5, True])
    def test_a_name_that_is_no_text(self, tmp_path, key):
        refusal(made(tmp_path, zipped({key: tensor()})))
        refusal(made(tmp_path, zipped({key: 1, "w": tensor()})), choice=Choice(extras=True))

    @pytest.mark.parametrize("dtype", [torch.complex128, torch.complex32, torch.float4_e2m1fn_x2, torch.bits8])
    def test_a_data_type_without_a_word(self, tmp_path, dtype):
        value = torch.zeros(16, dtype=torch.uint8).view(dtype)
        message, error = refusal(made(tmp_path, saved({"w": torch.ones(1), "odd": value})))
        assert str(dtype).removeprefix("torch.") in message
        assert "--without odd" in error.hint

    @pytest.mark.parametrize("value", [torch.eye(2).to_sparse(), torch.ones(2, device="meta")])
    def test_a_tensor_that_safetensors_cannot_hold(self, tmp_path, value):
        assert "odd" in refusal(made(tmp_path, saved({"odd": value})), choice=Choice(extras=True))[0]

    @pytest.mark.parametrize("data", [b"hello", b"", bytes(1000), b"PK\x03\x04" + bytes(100)])
    def test_something_else(self, tmp_path, data):
        assert refusal(made(tmp_path, data))[1].exit_code == 2

    def test_a_safetensors_file(self, tmp_path):
        path = convert(made(tmp_path, saved({"w": torch.ones(1)})), None, PLAIN).path
        assert "already" in refusal(Path(path), output=tmp_path / "x.safetensors")[0]

    def test_a_big_endian_checkpoint(self, tmp_path):
        members = {"data/0": bytes(24), "byteorder": b"big"}
        assert "little-endian" in refusal(made(tmp_path, zipped({"w": tensor()}, members)))[0]

    def test_a_folder_a_pipe_and_a_link_to_nothing(self, tmp_path):
        assert "folder" in refusal(tmp_path)[0]
        os.mkfifo(tmp_path / "pipe")
        assert "regular" in refusal(tmp_path / "pipe")[0]
        (tmp_path / "link").symlink_to("nothing")
        assert "link to nothing" in refusal(tmp_path / "link")[0]
        assert "does not exist" in refusal(tmp_path / "nofile")[0]

    def test_a_file_that_is_exchanged_while_it_is_converted(self, tmp_path):
        path = made(tmp_path, saved({"w": torch.ones(9)}))

        def exchange(_size):
            data = bytearray(path.read_bytes())
            data[-200] ^= 1
            path.write_bytes(data)

        assert "changed" in refusal(path, SourceError, tick=exchange)[0]

    def test_a_file_that_gets_shorter(self, tmp_path, monkeypatch):
        path = made(tmp_path, saved({"w": torch.ones(9)}))
        real = gate.lay_out
        monkeypatch.setattr(gate, "lay_out", lambda chosen: (os.truncate(path, 100), real(chosen))[1])
        assert "ended" in refusal(path, FormatError)[0]

    def test_the_name_is_exchanged_after_the_file_was_opened(self, tmp_path, monkeypatch):
        path = made(tmp_path, saved({"w": torch.ones(9)}))
        other = made(tmp_path, saved({"w": torch.zeros(9)}), "other.bin")
        real = gate.lay_out
        monkeypatch.setattr(gate, "lay_out", lambda chosen: (os.replace(other, path), real(chosen))[1])
        try:
            converted = convert(path, None, PLAIN)
        except SourceError:
            # The rename changed the inode's own times.
            return
        assert torch.equal(load_file(converted.path)["w"], torch.ones(9))


class TestRefusedOutputs:
    @pytest.fixture
    def path(self, tmp_path):
        return made(tmp_path, saved({"w": torch.ones(3)}))

    def test_a_file_that_is_there(self, path):
        target = made(path.parent, b"mine", "model.safetensors")
        assert "exists" in refusal(path, UsageError)[0]
        assert target.read_bytes() == b"mine"
        convert(path, None, PLAIN, force=True)
        assert torch.equal(load_file(target)["w"], torch.ones(3))

    @pytest.mark.parametrize("force", [False, True])
    @pytest.mark.parametrize("target", ["victim", "nothing"])
    def test_a_link_at_the_output_is_not_written_through(self, path, target, force):
        victim = made(path.parent, b"mine", "victim")
        (path.parent / "model.safetensors").symlink_to(path.parent / target)
        assert "link" in refusal(path, UsageError, force=force)[0]
        assert victim.read_bytes() == b"mine"
        assert not (path.parent / "nothing").exists()

    @pytest.mark.parametrize("link", [False, True])
    def test_a_file_that_appears_while_it_is_converted(self, path, link):
        target = path.parent / "model.safetensors"

        def appear(_size):
            if link and not target.is_symlink():
                target.symlink_to("victim")
            elif not link:
                target.write_bytes(b"mine")

        with pytest.raises(UsageError):
            convert(path, None, PLAIN, tick=appear)
        assert link or target.read_bytes() == b"mine"
        assert not (path.parent / "victim").exists()
        assert not [name for name in os.listdir(path.parent) if name.endswith(".new")]

    def test_the_checkpoint_itself(self, path):
        assert "itself" in refusal(path, UsageError, output=path, force=True)[0]

    def test_a_folder_or_no_folder(self, path):
        assert "folder" in refusal(path, UsageError, output=path.parent)[0]
        assert "cannot be written" in refusal(path, output=path.parent / "no" / "x.safetensors")[0]

    def test_a_device(self, path):
        with pytest.raises(UsageError):
            convert(path, Path("/dev/null"), PLAIN, force=True)

    def test_a_disk_that_is_full(self, path, monkeypatch):
        def full(_descriptor, _data):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(outputs.os, "write", full)
        message, error = refusal(path)
        assert "No space left" in message
        assert "make room" in error.hint

    def test_extras_that_are_there(self, tmp_path):
        path = made(tmp_path, saved({"w": torch.ones(3), "epoch": 3}), "a.pt")
        made(tmp_path, b"mine", "a.extras.json")
        assert "exists" in refusal(path, UsageError, choice=Choice(extras=True))[0]


class TestRefusedEntries:
    def test_what_is_no_tensor(self, tmp_path):
        path = made(tmp_path, saved({"epoch": 3, "state_dict": {"w": torch.ones(1)}, "ema": {"w": torch.ones(1)}}))
        message, error = refusal(path)
        assert "epoch" in message
        assert "--key state_dict" in error.hint
        message, error = refusal(path, choice=Choice(keys=("state_dict",)))
        assert "--extras" in error.hint

    @pytest.mark.parametrize(
        "value",
        [b"x", float("nan"), float("inf"), {1: 2}, 1 << 64, "\ud800", [torch.ones(1)], {"a": (torch.float32,)}, {1, 2}],
    )
    def test_what_json_cannot_hold(self, tmp_path, value):
        path = made(tmp_path, saved({"w": torch.ones(1), "odd": value}))
        message, error = refusal(path, choice=Choice(extras=True))
        assert "odd" in message
        assert "--without odd" in error.hint

    def test_few_bytes_that_make_a_document_without_end(self, tmp_path):
        value = [1]
        for _ in range(60):
            value = [value, value]
        refusal(made(tmp_path, saved({"w": torch.ones(1), "odd": value})), OverBudgetError, Choice(extras=True))

    def test_keys_and_names_that_are_not_there(self, tmp_path):
        path = made(tmp_path, saved({"w": torch.ones(1)}))
        assert "'model'" in refusal(path, choice=Choice(keys=("model",)))[0]
        assert "no such entry" in refusal(path, choice=Choice(without=frozenset({"x"})))[0]
        assert "no dict" in refusal(path, choice=Choice(keys=("w",)))[0]

    @pytest.mark.parametrize("value", [torch.ones(1), [torch.ones(1)], 3, {}, OrderedDict()])
    def test_a_checkpoint_without_tensors_by_name(self, tmp_path, value):
        refusal(made(tmp_path, saved(value)))


class TestAdvice:
    """The hint of the first refusal holds every option that is needed, so that one more attempt is enough."""

    @pytest.fixture
    def path(self, tmp_path):
        optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}
        content = {"epoch": 3, "model": {"w": torch.ones(2)}, "ema": {"w": torch.ones(2)}, "optimizer": optimizer}
        return made(tmp_path, saved(content), "last.pt")

    @pytest.mark.parametrize("choice", [PLAIN, Choice(extras=True)])
    def test_a_training_checkpoint_is_told_all_at_once(self, path, choice):
        hint = refusal(path, choice=choice)[1].hint
        assert "--key model (or ema)" in hint
        assert "with --without ema --without optimizer" in hint
        assert ("--extras" in hint) is not choice.extras

    def test_what_the_hint_names_is_enough(self, path):
        choice = Choice(keys=("model",), without=frozenset({"ema", "optimizer"}), extras=True)
        assert convert(path, None, choice).tensors == 1

    def test_tensors_are_never_advised_to_be_left_out_in_favour_of_nothing(self, tmp_path):
        path = made(tmp_path, saved({"model": {"w": torch.ones(2)}, "epoch": 3}))
        assert "--without" not in refusal(path, choice=Choice(extras=True))[1].hint

    def test_extras_are_not_advised_for_what_they_cannot_keep(self, path):
        choice = Choice(keys=("model",), without=frozenset({"ema", "epoch"}))
        assert "--extras" not in refusal(path, choice=choice)[1].hint

    def test_a_key_that_no_option_can_name(self, tmp_path):
        assert "names of text" in refusal(made(tmp_path, saved({1: 2, "w": torch.ones(1)})))[1].hint

    def test_a_hundred_entries_that_share_one_endless_value(self, tmp_path):
        value = [1]
        for _ in range(60):
            value = [value, value]
        path = made(tmp_path, saved({"w": torch.ones(1)} | {f"odd{i}": value for i in range(100)}))
        assert "and 92 more" in refusal(path)[1].hint

    def test_a_safetensors_file_is_not_told_to_write_another_one(self, tmp_path):
        path = made(tmp_path, save({"w": torch.ones(1)}), "model.safetensors")
        assert "needs no conversion" in refusal(path, UsageError)[1].hint


class TestRefusedIndexes:
    def test_a_shard_that_is_not_there_is_named_with_its_index(self, tmp_path):
        made(tmp_path, saved({"a": torch.ones(1)}), "m-1.bin")
        message = self.refusal(self.index(tmp_path, {"a": "m-1.bin", "b": "m-2.bin"}))
        assert "m-2.bin: does not exist, and pytorch_model.bin.index.json names it" in message

    def index(self, folder, weights, name="pytorch_model.bin.index.json"):
        return made(folder, json.dumps({"metadata": {}, "weight_map": weights}).encode(), name)

    def refusal(self, path, **options):
        before = sorted(os.listdir(path.parent))
        with pytest.raises(WeighlockError) as caught:
            convert_shards(path, None, PLAIN, **options)
        assert sorted(os.listdir(path.parent)) == before
        return str(caught.value)

    @pytest.mark.parametrize(
        "shard", ["../a.bin", "/etc/passwd", "..", ".", "", "x/a.bin", "..\\a.bin", "c:a.bin", "a\0.bin", "a\n.bin", 3]
    )
    def test_a_way_out_of_the_folder(self, tmp_path, shard):
        folder = tmp_path / "model"
        folder.mkdir()
        made(tmp_path, saved({"w": torch.ones(1)}), "a.bin")
        self.refusal(self.index(folder, {"w": shard}))
        assert os.listdir(tmp_path) == ["a.bin", "model"] or sorted(os.listdir(tmp_path)) == ["a.bin", "model"]

    @pytest.mark.parametrize(
        "data",
        [b"", b"[]", b"{", b"{}", b'{"weight_map": {}}', b'{"weight_map": []}', b"[" * 100_000,
         b'{"weight_map": {"w": "a.bin", "w": "b.bin"}}', b'{"weight_map": {"w": "a.safetensors"}}', b"\xff"],
    )  # fmt: skip
    def test_an_index_that_is_none(self, tmp_path, data):
        self.refusal(made(tmp_path, data, "x.bin.index.json"))

    def test_a_shard_that_holds_something_else(self, tmp_path):
        made(tmp_path, saved({"a": torch.ones(1), "b": torch.ones(1)}), "pytorch_model-1.bin")
        assert "does not place" in self.refusal(self.index(tmp_path, {"a": "pytorch_model-1.bin"}))
        weights = dict.fromkeys(["a", "b", "c"], "pytorch_model-1.bin")
        assert "missing" in self.refusal(self.index(tmp_path, weights))

    def test_a_bad_shard_behind_a_good_one(self, tmp_path):
        made(tmp_path, saved({"a": torch.ones(1)}), "m-1.bin")
        made(tmp_path, zipped({"b": Called(os.system, "true")}), "m-2.bin")
        assert "refused" in self.refusal(self.index(tmp_path, {"a": "m-1.bin", "b": "m-2.bin"}))

    def test_two_shards_of_one_name(self, tmp_path):
        for name in ("m.bin", "m.pt"):
            made(tmp_path, saved({name: torch.ones(1)}), name)
        assert "one name" in self.refusal(self.index(tmp_path, {"m.bin": "m.bin", "m.pt": "m.pt"}))

    def test_a_file_at_the_place_of_the_last_output(self, tmp_path):
        made(tmp_path, saved({"a": torch.ones(1)}), "m-1.bin")
        made(tmp_path, saved({"b": torch.ones(1)}), "m-2.bin")
        index = self.index(tmp_path, {"a": "m-1.bin", "b": "m-2.bin"})
        made(tmp_path, b"", "m-2.safetensors")
        assert "exists" in self.refusal(index)

    def test_what_was_published_is_taken_back(self, tmp_path):
        made(tmp_path, saved({"a": torch.ones(1)}), "m-1.bin")
        made(tmp_path, saved({"b": torch.ones(1)}), "m-2.bin")
        index = self.index(tmp_path, {"a": "m-1.bin", "b": "m-2.bin"})

        def appear(_size):
            (tmp_path / "m-2.safetensors").write_bytes(b"mine")

        with pytest.raises(UsageError):
            convert_shards(index, None, PLAIN, tick=appear)
        assert (tmp_path / "m-2.safetensors").read_bytes() == b"mine"
        assert not (tmp_path / "m-1.safetensors").exists()
        assert not [name for name in os.listdir(tmp_path) if name.endswith(".new")]

    def test_no_folder(self, tmp_path):
        with pytest.raises(UsageError):
            convert_shards(self.index(tmp_path, {"a": "m"}), tmp_path / "x", PLAIN)


class TestBits:
    @pytest.mark.parametrize("save", [saved, legacy])
    def test_every_dtype_and_every_way_to_lie_in_memory(self, tmp_path, save):
        value = {}
        # torch writes the newer ones into its legacy layout, and cannot load them from there.
        known = torch.storage._storage_type_to_dtype_map().values() if save is legacy else DTYPES
        for dtype in [dtype for dtype in DTYPES if dtype in known]:
            memory = torch.randint(0, 2 if dtype is torch.bool else 256, (960,), dtype=torch.uint8).view(dtype)
            word = str(dtype)
            half = memory.reshape(-1, 12)
            value |= {
                word: memory.clone(),
                f"{word} view": memory[5:50],
                f"{word} transposed": half.t(),
                f"{word} stepped": half[::2, 1::3],
                f"{word} expanded": memory[:1].expand(3, 7),
                f"{word} scalar": memory[3],
                f"{word} empty": memory[:0].reshape(0, 4),
                f"{word} permuted": memory[:120].reshape(2, 3, 4, 5).permute(3, 1, 0, 2),
            }
        convolution = torch.nn.Conv2d(4, 8, 3).to(memory_format=torch.channels_last)
        value |= {"channels last": convolution.weight, "parameter": torch.nn.Parameter(torch.ones(3))}
        path = made(tmp_path, save(value))
        converted = convert(path, None, PLAIN)
        same(load_file(converted.path), torch.load(path, weights_only=True))
        assert converted.sha256 == _sha256(converted.path)
        assert converted.size == os.path.getsize(converted.path)
        with safetensors.safe_open(converted.path, "pt") as file:
            assert file.metadata() == {"format": "pt"}

    @pytest.mark.parametrize("save", [saved, legacy])
    def test_tied_tensors(self, tmp_path, save):
        base = torch.randn(4, 6)
        value = {"z": base, "b": base.view(4, 6), "part": base[1:], "turned": base.t(), "copy": base.clone(),
                 "p": torch.nn.Parameter(base), "empty": torch.ones(0), "void": torch.ones(0)}  # fmt: skip
        path = made(tmp_path, save(value))
        converted = convert(path, None, PLAIN)
        loaded = load_file(converted.path)
        assert converted.tied == {"p": "b", "z": "b"}
        with safetensors.safe_open(converted.path, "pt") as file:
            assert file.metadata() == {"format": "pt", "p": "b", "z": "b"}
        same(loaded | {name: loaded[kept] for name, kept in converted.tied.items()}, torch.load(path))
        untied = convert(path, tmp_path / "untied.safetensors", Choice(untie=True))
        assert not untied.tied
        same(load_file(untied.path), torch.load(path))

    def test_a_tied_tensor_whose_name_the_metadata_have_taken(self, tmp_path):
        base = torch.ones(3)
        converted = convert(made(tmp_path, saved({"format": base, "a": base})), None, PLAIN)
        assert not converted.tied
        with safetensors.safe_open(converted.path, "pt") as file:
            assert file.metadata() == {"format": "pt"}
            assert sorted(file.keys()) == ["a", "format"]

    def test_an_nn_module_through_save_model_and_load_model(self, tmp_path):
        class Tied(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = torch.nn.Embedding(7, 5)
                self.norm = torch.nn.BatchNorm1d(5)
                self.head = torch.nn.Linear(5, 7, bias=False)
                self.head.weight = self.embed.weight

        model = Tied()
        converted = convert(made(tmp_path, saved(model.state_dict())), None, PLAIN)
        theirs = tmp_path / "theirs.safetensors"
        safetensors.torch.save_model(model, theirs)
        same(load_file(converted.path), load_file(theirs))
        with safetensors.safe_open(converted.path, "pt") as ours, safetensors.safe_open(theirs, "pt") as other:
            assert ours.metadata() == {**other.metadata(), "format": "pt"}
        safetensors.torch.load_model(Tied(), converted.path)

    def test_names_of_all_scripts(self, tmp_path):
        value = {"": torch.ones(1), "naïve.重み": torch.ones(2), '"quoted"\\': torch.ones(3)}
        same(load_file(convert(made(tmp_path, saved(value)), None, PLAIN).path), value)

    def test_a_nested_checkpoint_and_its_side_data(self, tmp_path):
        value = {
            "model": {"ema": {"w": torch.ones(2), "n": 1}, "step": 7},
            "epoch": 3,
            "hyper": {"lr": 0.1, "betas": (0.9, None), "name": "é"},
            "optimizer": {"state": {0: torch.ones(2)}},
        }
        path = made(tmp_path, saved(value), "last.ckpt")
        choice = Choice(keys=("model", "ema"), without=frozenset({"optimizer"}), extras=True)
        converted = convert(path, None, choice)
        same(load_file(converted.path), {"w": torch.ones(2)})
        assert converted.path == str(tmp_path / "last.safetensors")
        assert converted.left_out == ("optimizer",)
        assert json.loads((tmp_path / "last.extras.json").read_text()) == {
            "model": {"ema": {"n": 1}, "step": 7},
            "epoch": 3,
            "hyper": {"lr": 0.1, "betas": [0.9, None], "name": "é"},
        }

    def test_shards(self, tmp_path):
        shared = torch.ones(3)
        parts = [{"a": torch.randn(3), "b": shared, "c": shared}, {"d": torch.randn(2, 2).t()}]
        weights = {}
        for number, part in enumerate(parts, 1):
            name = f"pytorch_model-{number:05}-of-00002.bin"
            made(tmp_path, saved(part), name)
            weights |= dict.fromkeys(part, name)
        index = TestRefusedIndexes().index(tmp_path, weights)
        (tmp_path / "out").mkdir()
        report = convert_shards(index, tmp_path / "out", PLAIN)
        document = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
        assert document["metadata"] == {"total_size": report.total_size} == {"total_size": 40}
        names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        assert document["weight_map"] == {"a": names[0], "b": names[0], "d": names[1]}
        assert sorted(os.listdir(tmp_path / "out")) == [*names, "model.safetensors.index.json"]
        same(load_file(tmp_path / "out" / names[1]), {"d": parts[1]["d"]})

    def test_a_tensor_larger_than_all_buffers(self, tmp_path, monkeypatch):
        monkeypatch.setattr(outputs, "_BUFFER", 1000)
        value = {"a": torch.randn(5000), "b": torch.randn(70, 80).t(), "c": torch.ones(250)}
        converted = convert(made(tmp_path, saved(value)), None, PLAIN)
        same(load_file(converted.path), value)
        assert converted.sha256 == _sha256(converted.path)

    def test_a_storage_of_another_size_than_its_tensor(self, tmp_path):
        data = zipped({"w": tensor(storage(), 2, (2,), (3,))})
        converted = convert(made(tmp_path, data), None, PLAIN)
        same(load_file(converted.path), torch.load(tmp_path / "model.bin"))

    def test_the_names_of_outputs(self):
        names = {
            "pytorch_model.bin": "model.safetensors",
            "pytorch_model-00001-of-00003.bin": "model-00001-of-00003.safetensors",
            "pytorch_model.fp16.bin": "model.fp16.safetensors",
            "diffusion_pytorch_model.bin": "diffusion_pytorch_model.safetensors",
            "last.ckpt": "last.safetensors",
            "weights": "weights.safetensors",
        }
        assert {name: output_name(name) for name in names} == names

    def test_the_mode_of_the_output_is_that_of_any_new_file(self, tmp_path):
        before = os.umask(0o027)
        try:
            converted = convert(made(tmp_path, saved({"w": torch.ones(1)})), None, PLAIN)
        finally:
            os.umask(before)
        assert os.stat(converted.path).st_mode & 0o777 == 0o640


def _sha256(path):
    import hashlib

    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.e2e
def test_torch_is_not_imported_and_nothing_is_unpickled(tmp_path):
    path = made(tmp_path, saved({"w": torch.ones(3)}))
    script = (
        "import sys, pickle\n"
        "def refuse(event, args):\n"
        "    if event in {'pickle.find_class', 'subprocess.Popen', 'socket.connect'}: raise SystemExit(event)\n"
        "sys.addaudithook(refuse)\n"
        "from weighlock._cli import main\n"
        f"code = main(['convert', {str(path)!r}])\n"
        "assert not {'torch', 'numpy', 'safetensors'} & sys.modules.keys()\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 tensor," in done.stdout
