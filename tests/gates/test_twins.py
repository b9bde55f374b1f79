"""Checkpoints beside safetensors files of their name: what is proved, what is refused, what is neither."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from weighlock.errors import AdmissionError, SourceError
from weighlock.gates import twins
from weighlock.gates.approve import Acceptance, approve
from weighlock.gates.lock import LockReport
from weighlock.lockfile import LockedFile

Tensors = dict[str, torch.Tensor]


def tensors() -> Tensors:
    torch.manual_seed(0)
    return {"embed.weight": torch.randn(16, 8), "layer.bias": torch.randn(8), "steps": torch.tensor(3)}


def flipped(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy in which the last bit of the last byte is another."""
    raw = tensor.clone().flatten().view(torch.uint8)
    raw[-1] ^= 1
    return raw.view(tensor.dtype).reshape(tensor.shape)


class Repository:
    """A folder with a model, and the project that locks it."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.folder: Path = bench.project.folder / "m"
        self.folder.mkdir()

    def pickle(self, content: Any, name: str = "pytorch_model.bin", **options: Any) -> None:
        torch.save(content, self.folder / name, **options)

    def twin(self, content: Tensors, name: str = "model.safetensors", **metadata: str) -> None:
        save_file({key: value.contiguous().clone() for key, value in content.items()}, self.folder / name, metadata)

    def index(self, names: dict[str, str], name: str = "model.safetensors.index.json") -> None:
        (self.folder / name).write_text(json.dumps({"metadata": {}, "weight_map": names}))

    def lock(self, **request: Any) -> LockReport:
        report: LockReport = self.bench.lock("./m", all_formats=True, **request)
        return report

    def file(self, path: str = "pytorch_model.bin") -> LockedFile:
        file: LockedFile = self.bench.file(path, "./m")
        return file

    def refused(self) -> AdmissionError:
        with pytest.raises(AdmissionError) as caught:
            self.lock()
        assert not self.bench.project.lock.exists()
        return caught.value


@pytest.fixture
def repository(bench: Any) -> Repository:
    return Repository(bench)


def unproved(report: LockReport) -> str:
    (proof,) = report.proofs
    assert not proof.comparison.proved
    assert {file.locked.equivalent_to for file in report.judged} == {()}
    return proof.comparison.summary


# The attack


@pytest.mark.parametrize("name", ["embed.weight", "layer.bias", "steps"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_hijacked_conversion_that_changed_one_bit_is_refused(repository, name, zipped):
    repository.pickle(tensors(), _use_new_zipfile_serialization=zipped)
    repository.twin({**tensors(), name: flipped(tensors()[name])})
    error = repository.refused()
    assert f"model.safetensors is refused: tensor {name} has other bytes than in pytorch_model.bin" in error.message
    assert "`--exclude model.safetensors` or `--exclude pytorch_model.bin`" in error.hint
    assert "--unsafe --reason TEXT" in error.hint


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (torch.tensor([0.0]), torch.tensor([-0.0])),
        (torch.tensor([math.nan]), flipped(torch.tensor([math.nan]))),
        (torch.tensor([True]), torch.tensor([False])),
        (torch.zeros(2, 3), torch.zeros(3, 2)),
        (torch.zeros(3), torch.zeros(4)),
        (torch.tensor(1.0), torch.tensor([1.0])),
        (torch.arange(6.0).reshape(2, 3).T, torch.arange(6.0).reshape(3, 2)),
        (torch.arange(6.0)[3:], torch.arange(6.0)[:3]),
        (torch.zeros(1).expand(5), torch.tensor([0.0, 0, 0, 0, 1])),
    ],
)
def test_a_tensor_that_only_looks_the_same_is_refused(repository, mine, theirs):
    repository.pickle({"w": mine})
    repository.twin({"w": theirs})
    assert "tensor w has" in repository.refused().message


def test_honest_differences_do_not_hide_an_exchanged_tensor(repository):
    repository.pickle({**tensors(), "position_ids": torch.arange(4)})
    repository.twin({**tensors(), "layer.bias": flipped(tensors()["layer.bias"]), "extra": torch.zeros(1)})
    assert "tensor layer.bias has other bytes" in repository.refused().message


def test_an_exchanged_tensor_in_one_of_many_shards_is_refused_with_the_name_of_its_file(repository):
    whole = tensors()
    repository.pickle(whole)
    repository.twin({"embed.weight": whole["embed.weight"]}, "model-00001-of-00002.safetensors")
    rest = {"layer.bias": flipped(whole["layer.bias"]), "steps": whole["steps"]}
    repository.twin(rest, "model-00002-of-00002.safetensors")
    repository.index({name: f"model-0000{1 + (name in rest)}-of-00002.safetensors" for name in whole})
    assert "model-00002-of-00002.safetensors is refused: tensor layer.bias" in repository.refused().message


def test_one_of_the_two_is_left_out_on_purpose(repository):
    repository.pickle(tensors())
    repository.twin({**tensors(), "steps": torch.tensor(4)})
    for path in ("model.safetensors", "pytorch_model.bin"):
        (locked,) = repository.lock(exclude=(path,)).judged
        assert locked.locked.path != path
        assert locked.locked.equivalent_to == ()


def test_a_twin_that_a_person_accepted_is_locked_and_serves_nothing(repository, bench):
    repository.pickle(tensors())
    repository.twin({**tensors(), "steps": torch.tensor(4)})
    acceptance = Acceptance(unsafe=True, reason="trained further")
    approve("./m/model.safetensors", acceptance, bench.project, bench.options, confirm=lambda _: True)
    assert "steps with other bytes" in unproved(repository.lock())
    assert repository.file("model.safetensors").reason == "trained further"
    assert bench.statuses(deep=True)["./m:pytorch_model.bin"] == "good"


def test_a_pickle_that_runs_code_is_refused_for_that_and_not_read_for_tensors(repository, payload):
    (repository.folder / "pytorch_model.bin").write_bytes(payload)
    repository.twin(tensors())
    assert "pytorch_model.bin is refused" in repository.refused().message


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_file_that_is_exchanged_between_its_digest_and_the_comparison_is_refused(repository, name, monkeypatch):
    repository.pickle(tensors())
    repository.twin(tensors())
    prove = twins.prove

    def late(*arguments: Any) -> Any:
        place = repository.folder / name
        place.write_bytes(place.read_bytes())
        return prove(*arguments)

    monkeypatch.setattr(twins, "prove", late)
    with pytest.raises(SourceError, match="changed after it was hashed"):
        repository.lock()
    assert not repository.bench.project.lock.exists()


def test_a_proof_is_taken_back_when_the_twin_becomes_another_file(repository):
    repository.pickle(tensors())
    repository.twin(tensors())
    repository.lock()
    repository.twin({**tensors(), "steps": torch.tensor(4)})
    repository.lock(include=("model.safetensors",), keep=True)
    assert repository.file().equivalent_to == ()


def test_a_proof_written_by_hand_does_not_survive_a_deep_verification(repository, bench):
    repository.pickle(tensors())
    repository.twin({**tensors(), "steps": torch.tensor(4)}, "other.safetensors")
    repository.lock()
    text = bench.project.lock.read_text()
    bench.project.lock.write_text(
        text.replace('outcome = "data-only"\n', 'outcome = "data-only"\nequivalent-to = ["other.safetensors"]\n')
    )
    assert bench.statuses()["./m:pytorch_model.bin"] == "good"
    (found,) = (file for file in bench.verify(deep=True).files if file.status == "judged-anew")
    assert "locked as equivalent to other.safetensors, today: steps with other bytes" in found.message


# What honest repositories have


def test_what_differs_in_honest_repositories_is_said_and_not_refused(repository):
    whole = tensors()
    repository.pickle({**whole, "position_ids": torch.arange(4), "cls.bias": torch.zeros(2)})
    repository.twin({**whole, "layer.bias": whole["layer.bias"].half(), "more": torch.zeros(1)})
    report = repository.lock()
    summary = unproved(report)
    assert "layer.bias with another data type" in summary
    assert "position_ids and 1 more in the checkpoint only" in summary or "cls.bias and 1 more" in summary
    assert "more in safetensors only" in summary
    ((finding,),) = [proof.findings for proof in report.proofs]
    assert (finding.check, str(finding.severity), str(finding.outcome)) == ("twin-differs", "medium", "data-only")


@pytest.mark.parametrize(
    ("pickle", "twin"),
    [
        ("pytorch_model.bin", "model.fp16.safetensors"),
        ("pytorch_model.bin", "other/model.safetensors"),
        ("optimizer.pt", "model.safetensors"),
        ("pytorch_model_ema.bin", "model_ema.safetensors"),
    ],
)
def test_a_file_of_another_name_is_no_twin(repository, pickle, twin):
    (repository.folder / "other").mkdir()
    repository.pickle(tensors(), pickle)
    repository.twin({"steps": torch.tensor(4)}, twin)
    assert repository.lock().proofs == ()


@pytest.mark.parametrize(
    ("pickle", "twin"),
    [
        ("pytorch_model.bin", "model.safetensors"),
        ("pytorch_model.fp16.bin", "model.fp16.safetensors"),
        ("unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.safetensors"),
        ("pytorch_model.bin", "pytorch_model.safetensors"),
        ("sd.ckpt", "sd.safetensors"),
        ("net.pth", "net.safetensors"),
        ("model.pt", "model.safetensors"),
    ],
)
def test_the_same_tensors_are_proved(repository, bench, pickle, twin):
    (repository.folder / "unet").mkdir()
    repository.pickle(tensors(), pickle)
    repository.twin(tensors(), twin)
    repository.lock()
    assert repository.file(pickle).equivalent_to == (twin,)
    assert set(bench.statuses(deep=True).values()) == {"good"}


def test_every_data_type_and_every_arrangement_of_memory_is_proved(repository):
    base = torch.arange(24.0)
    content = {
        "transposed": base.reshape(4, 6).T, "offset": base[5:9], "strided": base[::3], "expanded": base[:1].expand(7),
        "empty": torch.empty(0, 3), "scalar": torch.tensor(2.5), "nan": torch.tensor([math.nan, -0.0]),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }  # fmt: skip
    kinds = "bfloat16 float16 float64 float8_e4m3fn float8_e5m2 int8 int16 int32 int64 uint8 uint16 bool complex64"
    content |= {kind: torch.ones(3).to(getattr(torch, kind)) for kind in kinds.split()}
    repository.pickle(content)
    repository.twin({name: tensor.detach() for name, tensor in content.items()})
    repository.lock()
    assert repository.file().equivalent_to == ("model.safetensors",)


def test_a_module_state_with_its_metadata_is_proved(repository):
    state = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).state_dict()
    assert type(state) is OrderedDict
    repository.pickle(state)
    repository.twin(dict(state))
    repository.lock()
    assert repository.file().equivalent_to == ("model.safetensors",)


def test_a_tied_name_may_be_missing_where_the_same_view_is_there(repository):
    whole = tensors()
    repository.pickle({**whole, "head.weight": whole["embed.weight"], "tail.weight": whole["embed.weight"].view(16, 8)})
    repository.twin(whole, **{"head.weight": "embed.weight", "format": "pt"})
    repository.lock()
    assert repository.file().equivalent_to == ("model.safetensors",)


@pytest.mark.parametrize(
    ("head", "metadata"),
    [
        (lambda weight: weight.clone(), {}),  # equal, but memory of its own
        (lambda weight: weight[:8], {}),  # a part
        (lambda weight: weight.T, {}),
        (lambda weight: weight, {"head.weight": "layer.bias"}),  # the twin says something else
    ],
)
def test_a_missing_name_that_is_not_the_same_view_is_not_proved(repository, head, metadata):
    repository.pickle(_tied(head))
    repository.twin(tensors(), **metadata)
    assert "head.weight in the checkpoint only" in unproved(repository.lock())


def _tied(head: Any) -> Tensors:
    whole = tensors()
    return {**whole, "head.weight": head(whole["embed.weight"])}


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": tensors(), "epoch": 3},
        {**tensors(), "epoch": 3},
        [tensors()["steps"]],
        tensors()["steps"],
        {},
    ],
)
def test_what_is_not_a_mapping_of_tensors_is_not_proved_and_not_refused(repository, content):
    repository.pickle(content)
    repository.twin({"other": torch.zeros(1)})
    unproved(repository.lock())


def test_shards_that_are_cut_in_other_places_are_proved_each_with_the_files_that_hold_its_tensors(repository, bench):
    whole = tensors()
    repository.pickle(
        {name: whole[name] for name in ("embed.weight", "layer.bias")}, "pytorch_model-00001-of-00002.bin"
    )
    repository.pickle({"steps": whole["steps"]}, "pytorch_model-00002-of-00002.bin")
    repository.twin({"embed.weight": whole["embed.weight"]}, "model-00001-of-00002.safetensors")
    rest = {name: whole[name] for name in ("layer.bias", "steps")}
    repository.twin(rest, "model-00002-of-00002.safetensors")
    repository.index({name: f"model-0000{1 + (name in rest)}-of-00002.safetensors" for name in whole})
    repository.lock()
    both = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    assert repository.file("pytorch_model-00001-of-00002.bin").equivalent_to == both
    assert repository.file("pytorch_model-00002-of-00002.bin").equivalent_to == both[1:]
    assert set(bench.statuses(deep=True).values()) == {"good"}


def test_a_tensor_that_no_shard_of_the_checkpoint_has_ends_the_proof(repository):
    whole = tensors()
    repository.pickle({"embed.weight": whole["embed.weight"]}, "pytorch_model-00001-of-00002.bin")
    repository.pickle({"steps": whole["steps"]}, "pytorch_model-00002-of-00002.bin")
    repository.twin(whole)
    report = repository.lock()
    assert [proof.comparison.proved for proof in report.proofs] == [False, False]
    assert report.proofs[0].comparison.summary == "layer.bias in safetensors only"


@pytest.mark.parametrize(
    "index",
    ['{"weight_map": {"a": "../x/model.safetensors"}}', '{"weight_map": ["a"]}', "[1]", "{", '{"weight_map": {"a": 1}}',
     "[" * 100_000, "\xff"],
)  # fmt: skip
def test_an_index_that_no_loader_could_use_names_no_twin(tmp_path, index):
    place = tmp_path / "model.safetensors.index.json"
    place.write_text(index, encoding="latin-1")
    paths = ("pytorch_model.bin", "model-00001-of-00001.safetensors", "model.safetensors.index.json")
    assert twins.families(paths, {"model.safetensors.index.json": place}) == ()


def test_two_shards_with_a_tensor_of_the_same_name_prove_nothing(repository):
    repository.pickle(tensors())
    for number in (1, 2):
        repository.twin(tensors(), f"model-0000{number}-of-00002.safetensors")
    repository.index({"steps": "model-00001-of-00002.safetensors", "embed.weight": "model-00002-of-00002.safetensors"})
    assert "have a tensor of the same name" in unproved(repository.lock())


def test_the_command_says_what_was_proved(repository, bench):
    repository.pickle(tensors())
    repository.twin(tensors())
    done = bench.run("lock", "./m", "--all-formats")
    assert "proved    ./m:pytorch_model.bin and model.safetensors hold the same tensors, bit by bit\n" in done.stdout
    document = json.loads(bench.run("lock", "./m", "--all-formats", "--format", "json").stdout)
    assert document["twins"] == [
        {"model": "./m", "path": "pytorch_model.bin", "twin": ["model.safetensors"], "proved": True, "why": None,
         "findings": []}
    ]  # fmt: skip
