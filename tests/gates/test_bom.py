"""The gate of `weighlock bom`: what is described, and what a hostile model can do to the description."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.bom import folders
from weighlock.bom import to_cyclonedx
from weighlock.gates.bom import BomRequest, describe
from weighlock.gates.check_inputs import Inputs
from weighlock.gates.project import Project
from weighlock.policy import Policy
from weighlock.sources.interface import Silence

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def bom_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*paths, policy=None, **request):
        project = Project(policy=policy or Policy(), lock=tmp_path / "models.lock")
        asked = BomRequest(paths=tuple(map(str, paths)), lists=request.pop("lists", Inputs()), **request)
        environ = {"SOURCE_DATE_EPOCH": "1700000000", "WEIGHLOCK_ADVISORIES": str(tmp_path / "none.sqlite")}
        return describe(asked, project, python="python", environ=environ, now=NOW, progress=Silence())

    return run


def test_a_folder_is_described_with_every_file_and_its_digest(bom_of, tmp_path):
    folders.model(tmp_path / "m")
    (model,) = bom_of("m").every("machine-learning-model")
    assert {file.name for file in model.components} == {
        "README.md", "config.json", "model.safetensors", "state.pkl", "tokenizer_config.json",
    }  # fmt: skip
    assert all(file.digests for file in model.components)
    assert model.card.task == "text-classification"
    assert model.card.architecture == "BertForSequenceClassification"
    assert [metric.value for metric in model.card.metrics] == ["0.93", "0.91"]
    assert model.ancestors[0].purl == "pkg:huggingface/google-bert/bert-base-uncased"
    assert "energy" not in model.every("weighlock:unknown")


def test_the_same_folder_gives_the_same_bytes(bom_of, tmp_path):
    folders.model(tmp_path / "m")
    first, second = (json.dumps(to_cyclonedx(bom_of("m"))) for _ in range(2))
    assert first == second
