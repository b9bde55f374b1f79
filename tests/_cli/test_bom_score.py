"""`weighlock bom --score` as a person runs it; and our own documents say of everything that they know it or do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weighlock._cli import main

CARD = """---
license: apache-2.0
pipeline_tag: text-classification
base_model: org/base
datasets: [org/data]
---
# A model

Tells good reviews from bad ones.
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_ADVISORIES", str(tmp_path / "none.sqlite"))
    (tmp_path / "model").mkdir()
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    data = len(header).to_bytes(8, "little") + header + bytes(4)
    (tmp_path / "model" / "model.safetensors").write_bytes(data)
    return tmp_path


def scored(capsys, document: str = "bom.json") -> list[dict]:
    assert main(["bom", "--score", document, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)["lists"]


def test_our_own_documents_fill_or_honestly_mark_every_element_of_the_g7(folder: Path, capsys):
    (folder / "model" / "README.md").write_text(CARD)
    assert main(["bom", "model", "--output", "bom.json"]) == 0
    capsys.readouterr()
    g7, eleven, twelve = scored(capsys)
    assert [answer["id"] for answer in g7["answers"] if answer["status"] == "missing"] == []
    assert g7["filled"] >= 22
    assert (eleven["missing"], twelve["missing"]) == (0, 0)


def test_of_a_bare_model_our_documents_say_what_is_not_known(folder: Path, capsys):
    assert main(["bom", "model", "--output", "bom.json"]) == 0
    capsys.readouterr()
    g7, _, _ = scored(capsys)
    assert g7["filled"] + g7["marked-unknown"] >= 45
    assert g7["marked-unknown"] > g7["filled"]
    unknown = {answer["id"] for answer in g7["answers"] if answer["status"] == "marked unknown"}
    assert {"model-license", "model-producer", "dataset-license", "vulnerability-referencing"} <= unknown


def test_a_score_is_told_to_people_and_to_builds(folder: Path, capsys):
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}
    (folder / "bom.json").write_text(json.dumps(document))
    assert main(["bom", "--score", "bom.json"]) == 0
    out = capsys.readouterr().out
    assert "bom.json: G7" in out.splitlines()[-1]
    assert "there is no model" in out
    assert main(["bom", "--score", "bom.json", "--format", "markdown"]) == 0
    assert "| **missing** |" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "<bom/>", '{"bomFormat": "CycloneDX", "specVersion": "9"}', '{"bomFormat": 1, "bomFormat": 2}'],
)
def test_what_is_no_bill_of_materials_has_no_score(folder: Path, capsys, text):
    (folder / "bom.json").write_text(text)
    assert main(["bom", "--score", "bom.json"]) == 2
    assert capsys.readouterr().out == ""
    assert main(["bom", "--score", "missing.json"]) == 2


def test_a_form_of_a_score_without_a_document_is_a_mistake(folder: Path, capsys):
    assert main(["bom", "model", "--format", "markdown"]) == 2
    assert "--score FILE" in capsys.readouterr().err
