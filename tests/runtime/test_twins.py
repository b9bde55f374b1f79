"""Checkpoints that are served from their safetensors twins: the same result, and nothing is unpickled."""

from __future__ import annotations

import io
import json
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import load as early_load

import weighlock.runtime
from tests.descriptors import open_files
from weighlock.errors import LoadRefused
from weighlock.gates.convert import Choice, convert
from weighlock.gates.lock import LockOptions, lock
from weighlock.gates.project import Project
from weighlock.gates.request import parse_request
from weighlock.policy import Policy

KINDS = "bfloat16 float16 float64 float8_e4m3fn float8_e5m2 int8 int16 int32 int64 uint8 uint16 bool complex64".split()

OLD_KINDS = [kind for kind in KINDS if "8_" not in kind and kind != "uint16"]  # torch itself cannot load the others


def arranged(kinds: list[str] = KINDS) -> Any:
    """Return tensors in every arrangement of memory."""
    torch.manual_seed(0)
    base, whole = torch.randn(24), torch.randn(6, 4)
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    content = network.state_dict()
    content |= {
        "z.first": torch.randn(5), "transposed": whole.T, "whole": whole, "window": base[5:20].view(3, 5),
        "overlap": base[10:22], "strided": torch.randn(30)[::3], "expanded": torch.randn(3, 1).expand(3, 4),
        "empty": torch.empty(0, 3), "scalar": torch.tensor(2.5), "tied": content["0.weight"],
        "viewed": content["0.weight"].view(2, 3), "parameter": torch.nn.Parameter(torch.ones(2)),
        "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "grad": torch.ones(3, requires_grad=True), "odd": torch.ones(3, dtype=torch.uint8),
    }  # fmt: skip
    return content | {kind: torch.ones(3).to(getattr(torch, kind)) for kind in kinds}


def shape_of(loaded: Any) -> list[Any]:
    """Return all that a program can see of a mapping of tensors."""
    memories: dict[int, int] = {}
    objects: dict[int, int] = {}
    seen: list[Any] = [type(loaded), getattr(loaded, "_metadata", None)]
    for name, tensor in loaded.items():
        storage = tensor.untyped_storage()
        memory = memories.setdefault(storage._cdata, len(memories))
        same = objects.setdefault(id(tensor), len(objects))
        raw = tensor.detach().contiguous().cpu().flatten().view(torch.uint8).tolist() if not tensor.is_meta else None
        seen.append(
            (
                name, type(tensor), tensor.dtype, tensor.shape, tensor.stride(), tensor.storage_offset(), tensor.device,
                tensor.requires_grad, tensor.is_leaf, storage.nbytes(), memory, same, raw,
            )
        )  # fmt: skip
    return seen


class Twins:
    """A locked folder with a checkpoint and its twin; knows whether torch was asked to load."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.pickle = folder / "m" / "pytorch_model.bin"
        self.twin = folder / "m" / "model.safetensors"
        self.unpickled: list[str] = []
        self.pickle.parent.mkdir()
        for name in ("_load", "_legacy_load"):
            monkeypatch.setattr(torch.serialization, name, self._counting(name))

    def _counting(self, name: str) -> Any:
        original = getattr(torch.serialization, name)

        def load(*args: Any, **kwargs: Any) -> Any:
            self.unpickled.append(name)
            return original(*args, **kwargs)

        return load

    def save(self, content: Any, **options: Any) -> Any:
        """Write both files; what shares memory is left out of the twin but for its first name."""
        torch.save(content, self.pickle, **options)
        kept, seen = {}, set()
        for name, tensor in content.items():
            view = (tensor.untyped_storage()._cdata, tensor.shape, tensor.stride(), tensor.storage_offset())
            if view not in seen or not tensor.numel():
                kept[name] = tensor.detach().clone(memory_format=torch.contiguous_format)
            seen.add(view)
        save_file(kept, self.twin, {"format": "pt"})
        return content

    def guard(self, mode: str = "enforce", policy: str = "") -> None:
        project = Project(policy=Policy(), lock=self.folder / "models.lock")
        report = lock([parse_request("./m", self.folder)], project, LockOptions(all_formats=True))
        (proof,) = report.proofs
        assert proof.comparison.proved, proof.comparison.summary
        self.unpickled.clear()
        place = self.folder / "weighlock.toml"
        place.write_text(policy)
        weighlock.runtime.install(mode=mode, lock=str(project.lock), policy=str(place))

    def load(self, *args: Any, **kwargs: Any) -> Any:
        """Load the checkpoint and demand that nothing was unpickled."""
        self.unpickled.clear()
        loaded = torch.load(self.pickle, *args, **kwargs)
        assert self.unpickled == []
        return loaded

    def refused(self) -> str:
        self.unpickled.clear()
        with pytest.raises(LoadRefused) as caught:
            torch.load(self.pickle)
        assert self.unpickled == []
        return str(caught.value)


@pytest.fixture
def pair(bench, monkeypatch):
    return Twins(bench.folder, monkeypatch)


@pytest.fixture
def served(pair):
    pair.save({"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)})
    pair.guard()
    return pair


# The same result


@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_served_is_what_torch_would_have_loaded(pair, zipped):
    pair.save(arranged(KINDS if zipped else OLD_KINDS), _use_new_zipfile_serialization=zipped)
    asked = [{}, {"weights_only": True}, {"weights_only": False}, {"map_location": "cpu"}, {"mmap": False}]
    expected = [shape_of(torch.load(pair.pickle, **one)) for one in asked]
    assert len(pair.unpickled) == len(asked)
    pair.guard()
    assert [shape_of(pair.load(**one)) for one in asked] == expected


def test_what_is_mapped_is_what_torch_would_have_mapped(pair):
    pair.save(arranged())
    expected = shape_of(torch.load(pair.pickle, mmap=True))
    pair.guard()
    assert shape_of(pair.load(mmap=True)) == expected


@pytest.mark.parametrize(
    "location",
    [
        "meta", torch.device("meta"), torch.device("cpu"), {"cpu": "meta"}, {"cuda:0": "cpu"},
        lambda storage, place: storage, lambda storage, place: None,
        lambda storage, place: torch.UntypedStorage(storage.nbytes(), device="meta"),
    ],
)  # fmt: skip
def test_every_map_location_has_its_meaning(pair, location):
    pair.save(arranged())
    expected = shape_of(torch.load(pair.pickle, location))
    pair.guard()
    assert shape_of(pair.load(location)) == expected
    assert shape_of(pair.load(map_location=location)) == expected


@pytest.mark.parametrize("mmap", [False, True])
def test_bytes_that_mean_nothing_to_their_type_are_not_tidied_up(pair, mmap):
    bools = torch.arange(12, dtype=torch.uint8).view(torch.bool)
    halves = torch.tensor([0x7C01, 0x7E01, 0x0001, 0x7DFF], dtype=torch.int16).repeat(3)
    singles = torch.tensor([0x7F800001, 0x7FC00001, 0x7FBFFFFF, 1], dtype=torch.int32).view(torch.float32).repeat(3)
    numbers = {"b": bools, "h": halves.view(torch.float16), "e": halves.view(torch.bfloat16).clone(), "s": singles}
    content = {f"{name}-{way}": arranged for name, whole in numbers.items() for way, arranged in _ways(whole)}
    torch.save(content, pair.pickle)
    convert(pair.pickle, pair.twin, Choice())
    expected = shape_of(torch.load(pair.pickle, mmap=mmap))
    pair.guard()
    assert shape_of(pair.load(mmap=mmap)) == expected


def _ways(whole: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    return [("whole", whole), ("turned", whole.view(3, 4).T), ("strided", whole[1::3]), ("first", whole[:1].expand(2))]


def test_a_function_for_the_location_sees_the_device_of_the_checkpoint_and_the_bytes(served):
    seen = []
    served.load(map_location=lambda storage, place: seen.append((place, bytes(storage.tolist()))))
    assert [place for place, _ in seen] == ["cpu", "cpu"]
    assert seen[1][1] == torch.ones(2).view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize(
    "load",
    [
        lambda path: torch.load(path),
        lambda path: torch.load(str(path)),
        lambda path: torch.load(f=path, map_location="cpu"),
        lambda path: torch.load(path, "cpu", pickle, weights_only=False),
        lambda path: torch.load(path, None, None, weights_only=True, mmap=None),
        lambda path: early_load(path),
        lambda path: torch.load(os.path.relpath(path)),
    ],
)
def test_every_signature_is_served(served, load):
    assert torch.equal(load(served.pickle)["w"], torch.arange(6.0).reshape(2, 3))
    assert served.unpickled == []


@pytest.mark.parametrize("buffering", [0, -1])
def test_an_open_file_is_served_and_stands_at_its_end(served, buffering):
    with open(served.pickle, "rb", buffering=buffering) as file:
        assert list(torch.load(file)) == ["w", "b"]
        assert served.unpickled == []
        assert file.tell() == served.pickle.stat().st_size


@pytest.mark.parametrize("mmap", [True, False])
def test_what_is_written_to_a_tensor_is_not_written_to_the_file(served, mmap):
    before = served.twin.read_bytes()
    loaded = served.load(mmap=mmap)
    loaded["w"].fill_(7)
    assert loaded["w"].sum() == 42
    assert served.twin.read_bytes() == before
    assert torch.equal(served.load(mmap=mmap)["w"], torch.arange(6.0).reshape(2, 3))


def test_a_loaded_tensor_is_nobody_elses_and_saves_by_itself(served, tmp_path):
    loaded = served.load()
    save_file(loaded, served.twin)  # in place, as `save_pretrained` into the same folder
    assert torch.equal(loaded["w"], torch.arange(6.0).reshape(2, 3))
    torch.save(loaded["b"], tmp_path / "b.bin")
    assert (tmp_path / "b.bin").stat().st_size < 2000


def test_many_large_tensors_are_read_by_threads_in_order(pair, monkeypatch):
    from weighlock.runtime import _twins

    monkeypatch.setattr(_twins, "_SMALL", 0)
    monkeypatch.setattr(_twins, "_AHEAD", 4096)
    monkeypatch.setattr(_twins, "_MOST_AT_ONCE", 1000)
    content = pair.save({f"t{number}": torch.full((100 * number,), float(number)) for number in range(50)})
    pair.guard()
    loaded = pair.load()
    assert list(loaded) == list(content)
    assert all(torch.equal(loaded[name], content[name]) for name in content)


def test_a_default_device_of_the_caller_changes_nothing(served):
    with torch.device("meta"):
        assert served.load()["w"].device.type == "cpu"


# What is not the locked bytes


def test_a_tampered_twin_is_refused(served):
    data = bytearray(served.twin.read_bytes())
    data[-1] ^= 1
    served.twin.write_bytes(data)
    text = served.refused()
    assert f"it is served from {served.twin}, which is not the locked file (rule: twin-changed)" in text


def test_a_tampered_checkpoint_is_refused_though_its_twin_is_the_locked_one(served):
    data = bytearray(served.pickle.read_bytes())
    data[len(data) // 2] ^= 1
    served.pickle.write_bytes(data)
    assert "not-in-lock" in served.refused()


@pytest.mark.parametrize("exchange", ["folder", "pipe", "shorter", "longer", "empty", "another-model"])
def test_a_twin_that_became_something_else_is_refused(served, exchange):
    data = served.twin.read_bytes()
    served.twin.unlink()
    match exchange:
        case "folder":
            served.twin.mkdir()
        case "pipe":
            os.mkfifo(served.twin)
        case "shorter":
            served.twin.write_bytes(data[:-1])
        case "longer":
            served.twin.write_bytes(data + b"\0")
        case "empty":
            served.twin.touch()
        case _:
            save_file({"w": torch.zeros(2, 3), "b": torch.zeros(2)}, served.twin)
    assert "rule: twin-changed" in served.refused()


def test_a_twin_that_changes_while_it_is_read_is_refused(served, monkeypatch):
    from weighlock.runtime import _twins

    read_into = _twins._read_into

    def late(file: Any, target: memoryview, offset: int) -> None:
        read_into(file, target, offset)
        served.twin.write_bytes(served.twin.read_bytes()[::-1])

    monkeypatch.setattr(_twins, "_read_into", late)
    assert "changed while it was being loaded" in served.refused()


def test_a_twin_that_becomes_shorter_while_it_is_read_is_refused(served, monkeypatch):
    from weighlock.runtime import _twins

    read_into = _twins._read_into

    def late(file: Any, target: memoryview, offset: int) -> None:
        os.truncate(served.twin, 10)
        read_into(file, target, offset)

    monkeypatch.setattr(_twins, "_read_into", late)
    assert "model.safetensors" in served.refused()


def test_a_missing_twin_leaves_the_locked_checkpoint_to_torch(served):
    served.twin.unlink()
    assert list(torch.load(served.pickle)) == ["w", "b"]
    assert served.unpickled == ["_load"]


def test_a_copy_elsewhere_is_loaded_by_torch_and_never_from_a_twin_of_another_folder(served, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    os.link(served.pickle, elsewhere / "w.bin")
    assert list(torch.load(elsewhere / "w.bin")) == ["w", "b"]
    assert served.unpickled == ["_load"]


def test_a_name_that_leads_to_another_file_by_now_tells_no_folder(served, tmp_path):
    with open(served.pickle, "rb") as file:
        served.pickle.rename(tmp_path / "moved.bin")
        served.twin.write_bytes(b"something else")
        assert list(torch.load(file)) == ["w", "b"]
    assert served.unpickled == ["_load"]


@pytest.mark.parametrize(
    ("options", "how"),
    [
        ({"encoding": "utf-8", "weights_only": False}, "_load"),
        (
            {"pickle_module": SimpleNamespace(Unpickler=pickle.Unpickler, __name__="own"), "weights_only": False},
            "_load",
        ),
    ],
)
def test_what_only_torch_can_do_is_left_to_torch(served, options, how):
    assert list(torch.load(served.pickle, **options)) == ["w", "b"]
    assert served.unpickled == [how]


def test_bytes_in_memory_have_no_twin(served):
    assert list(torch.load(io.BytesIO(served.pickle.read_bytes()))) == ["w", "b"]
    assert served.unpickled == ["_load"]


def test_errors_of_torch_stay_those_of_torch(served):
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        torch.load(served.pickle, pickle_module=pickle, weights_only=True)
    with pytest.raises(ValueError, match="must be a file path"), open(served.pickle, "rb") as file:
        torch.load(file, mmap=True)
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(served.pickle, map_location="cuda")
    with pytest.raises(TypeError, match="positional"):
        torch.load(served.pickle, None, None, None)


def test_a_legacy_checkpoint_is_not_mapped(pair):
    pair.save({"w": torch.ones(2)}, _use_new_zipfile_serialization=False)
    pair.guard()
    with pytest.raises(RuntimeError, match="mmap can only be used"):
        torch.load(pair.pickle, mmap=True)


def test_warn_says_that_the_twin_is_another_one_and_loads_the_checkpoint(pair, capsys):
    pair.save({"w": torch.ones(2)})
    pair.guard("warn")
    pair.twin.write_bytes(b"something else")
    assert list(torch.load(pair.pickle)) == ["w"]
    assert pair.unpickled == ["_load"]
    assert "twin-changed" in capsys.readouterr().err


def test_sealed_copies_of_both_files_are_what_is_judged_and_served(pair, tmp_path):
    pair.save({"w": torch.arange(3.0)})
    pair.guard(policy='verify = "sealed"\n')
    mapped = pair.load(mmap=True)
    pair.twin.write_bytes(b"something else")
    assert torch.equal(mapped["w"], torch.arange(3.0))
    assert "rule: twin-changed" in pair.refused()


def test_no_descriptor_is_left_open(served):
    for _ in range(3):
        served.load()
        served.load(mmap=True)
    before = open_files()
    served.load()
    served.load(mmap=True)
    assert open_files() == before
    served.twin.write_bytes(b"something else")
    served.refused()
    assert open_files() == before


def test_shards_are_served_and_one_exchanged_shard_is_refused_without_leaving_the_others_open(pair):
    parts = {"a": torch.ones(3), "b": torch.zeros(4)}
    torch.save(parts, pair.pickle)
    names = {name: f"model-0000{number}-of-00002.safetensors" for number, name in enumerate(parts, 1)}
    for name, file in names.items():
        save_file({name: parts[name]}, pair.twin.with_name(file))
    index = pair.twin.with_name("model.safetensors.index.json")
    index.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    pair.guard()
    assert torch.equal(pair.load()["b"], torch.zeros(4))
    pair.load(mmap=True)
    before = open_files()
    save_file({"b": torch.ones(4)}, pair.twin.with_name(names["b"]))
    assert names["b"] in pair.refused()
    assert open_files() == before


def test_many_threads_are_served_at_once(served):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda _: served.load()["w"].sum().item(), range(32)))
    assert loaded == [15.0] * 32


def test_an_ordered_mapping_keeps_its_order_and_what_modules_remember(pair):
    state = torch.nn.BatchNorm1d(2).state_dict()
    pair.save(state)
    pair.guard()
    loaded = pair.load()
    assert type(loaded) is OrderedDict
    assert loaded._metadata == state._metadata
    torch.nn.BatchNorm1d(2).load_state_dict(loaded)
