"""SPDX 3.0.1 out of the same value as CycloneDX: valid by the model of SPDX itself, the same every time, and inert."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from weighlock._cli import main
from weighlock.advisory import Severity
from weighlock.artifact import Digest
from weighlock.bom import Analysis, Bom, Component, License, Metric, ModelCard, Reference, Vulnerability
from weighlock.bom.completeness import Status, score
from weighlock.bom.spdx import to_spdx
from weighlock.bom.values import APPLICATION, DATASET, FILE, MODEL, PACKAGE
from weighlock.formats.bill import parse

SHA = "ab" * 32
EVIL = "\x1b[2J\u202e</script>\ud800\n" + "x" * 20_000


def bom(**more) -> Bom:
    weights = Component(kind=FILE, ref="m#w.safetensors", name="w.safetensors", digests=(Digest.sha256(SHA),))
    card = ModelCard(
        task="text-classification",
        family="bert",
        architecture="BertForSequenceClassification",
        datasets=("data",),
        inputs=("text",),
        outputs=("label",),
        metrics=(Metric(kind="accuracy", value="0.9", slice="test"), Metric(kind="f1", value="0.8")),
        uses=("reviews",),
        limitations=("English only",),
        properties=(("weighlock:training", "three epochs"), ("weighlock:parameters", "16")),
    )
    model = Component(
        kind=MODEL,
        ref="pkg:huggingface/org/m@abc",
        name="org/m",
        version="abc",
        purl="pkg:huggingface/org/m@abc",
        producer="org",
        licenses=(License(expression="Apache-2.0"), License(name="My own licence")),
        card=card,
        ancestors=(Component(kind=MODEL, ref="m#base", name="org/base", purl="pkg:huggingface/org/base"),),
        lineage="finetune",
        references=(Reference(kind="model-card", url="https://example.org/card"),),
        properties=(("weighlock:source", "hf:org/m@main"), ("weighlock:unknown", "timestamp")),
        components=(weights,),
    )
    dataset = Component(kind=DATASET, ref="data", name="org/data", purl="pkg:huggingface/datasets/org/data")
    package = Component(kind=PACKAGE, ref="pkg:pypi/demo@1.0", name="demo", version="1.0", purl="pkg:pypi/demo@1.0")
    values = {
        "subject": Component(kind=APPLICATION, ref="system", name="system"),
        "tool": "0.1.0",
        "time": datetime(2026, 11, 25, tzinfo=UTC),
        "phases": ("build", "discovery"),
        "components": (dataset, model, package),
        "dependencies": (("system", (model.ref, package.ref)), (model.ref, ("data",))),
        "properties": (("weighlock:generation", "read"), ("weighlock:unknown", "signature")),
    }
    return Bom(**{**values, **more})


def vulnerability(state: str, **more) -> Vulnerability:
    return Vulnerability(
        ref=f"v-{state}",
        id=f"PYSEC-2026-{len(state)}",
        source="osv",
        component="pkg:pypi/demo@1.0",
        analysis=Analysis(state=state, **more),
        aliases=("CVE-2026-1",),
        severity=Severity.HIGH,
        description="a hole",
        url="https://osv.dev/x",
    )


def validated(document: dict) -> dict:
    """Read and write a document with the model of SPDX, which checks classes, names, numbers and values."""
    from spdx_python_model import v3_0_1 as spdx

    elements = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().read(io.BytesIO(json.dumps(document).encode()), elements)
    assert not elements.missing_ids
    out = io.BytesIO()
    spdx.JSONLDSerializer().write(elements, out)
    written = json.loads(out.getvalue())
    assert len(written["@graph"]) == len(document["@graph"])
    return written


def by_type(document: dict, kind: str) -> list[dict]:
    return [one for one in document["@graph"] if one["type"] == kind]


def test_the_model_of_spdx_finds_no_fault():
    states = ("not_affected", "exploitable", "in_triage", "resolved", "false_positive")
    document = to_spdx(bom(vulnerabilities=tuple(vulnerability(state) for state in states)))
    validated(document)
    assert len(by_type(document, "security_Vulnerability")) == len({len(state) for state in states})


def test_the_validator_would_find_a_fault():
    document = to_spdx(bom())
    by_type(document, "ai_AIPackage")[0]["ai_autonomyType"] = "perhaps"
    with pytest.raises((ValueError, TypeError, KeyError)):
        validated(document)


def test_the_key_fields_come_back():
    written = validated(to_spdx(bom()))
    (model,) = [one for one in by_type(written, "ai_AIPackage") if one["name"] == "org/m"]
    assert model["software_packageUrl"] == "pkg:huggingface/org/m@abc"
    assert model["ai_domain"] == ["text-classification"]
    assert model["ai_typeOfModel"] == ["BertForSequenceClassification", "bert"]
    assert {(one["key"], one["value"]) for one in model["ai_metric"]} == {("accuracy (test)", "0.9"), ("f1", "0.8")}
    assert "three epochs" in model["ai_informationAboutTraining"]
    assert "English only" in model["ai_limitation"]
    licences = {
        one["simplelicensing_licenseExpression"] for one in by_type(written, "simplelicensing_LicenseExpression")
    }
    assert licences == {"Apache-2.0", "LicenseRef-weighlock-My-own-licence"}
    (words,) = by_type(written, "simplelicensing_SimpleLicensingText")
    assert words["simplelicensing_licenseText"] == "My own licence"
    kinds = {one["relationshipType"] for one in by_type(written, "Relationship")}
    assert {"contains", "dependsOn", "trainedOn", "descendantOf", "hasDeclaredLicense"} <= kinds


def test_our_own_reader_finds_what_it_finds_in_cyclonedx():
    from weighlock.bom import to_cyclonedx

    def seen(document: dict) -> set[tuple]:
        return {
            (one.kind, one.name, one.version, one.sha256, one.subject)
            for one in parse(json.dumps(document).encode()).components
            if not one.ancestor
        }

    assert seen(to_spdx(bom())) == seen(to_cyclonedx(bom()))
    inside = [one for one in parse(json.dumps(to_spdx(bom())).encode()).components if one.parent]
    assert [one.name for one in inside] == ["w.safetensors"]


def test_the_same_value_gives_the_same_document_and_another_one_other_names():
    assert json.dumps(to_spdx(bom())) == json.dumps(to_spdx(bom()))
    names = {one.get("spdxId") for one in to_spdx(bom())["@graph"]}
    others = {one.get("spdxId") for one in to_spdx(bom(tool="0.2.0"))["@graph"]}
    assert names & others <= {None}


def test_names_are_unique_whatever_a_reference_holds():
    odd = ("a", "a/b", "a%2Fb", "a b", "a#b", "ä", "\ud800", "a" * 600, "a" * 20_000, "a" * 20_001, "")
    parts = tuple(Component(kind=PACKAGE, ref=ref, name="x") for ref in odd)
    document = to_spdx(bom(components=parts, dependencies=()))
    names = [one["spdxId"] for one in document["@graph"] if "spdxId" in one]
    assert len(names) == len(set(names))
    assert max(map(len, names)) < 1100
    validated(document)


def test_hostile_text_is_inert_and_valid():
    card = ModelCard(
        task=EVIL, limitations=(EVIL,), metrics=(Metric(kind=EVIL, value=EVIL),), properties=((EVIL, EVIL),)
    )
    model = Component(
        kind=MODEL,
        ref="m",
        name=EVIL,
        version=EVIL,
        description=EVIL,
        producer=EVIL,
        licenses=(License(name=EVIL),),
        card=card,
        references=(Reference(kind="model-card", url="javascript:alert(1)"), Reference(kind="x", url="https://a b")),
        properties=((EVIL, EVIL), ("weighlock:unknown", EVIL)),
    )
    document = to_spdx(bom(components=(model,), dependencies=()))
    validated(document)
    text = json.dumps(document, ensure_ascii=False)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "https://a b" not in text
    text.encode("utf-8")


def test_what_is_not_known_is_marked_and_a_missing_time_is_no_time():
    document = to_spdx(bom(time=None))
    found = {answer.element.id: answer.status for answer in score(document)[0].answers}
    assert found["sbom-timestamp"] is Status.UNKNOWN
    assert found["sbom-author-signature"] is Status.UNKNOWN
    assert found["model-timestamp"] is Status.UNKNOWN
    assert found["model-license"] is Status.FILLED


def test_vex_is_written_as_it_was_decided():
    about = vulnerability("not_affected", justification="code_not_reachable", detail="never called")
    document = validated(to_spdx(bom(vulnerabilities=(about, vulnerability("exploitable")))))
    (clear,) = by_type(document, "security_VexNotAffectedVulnAssessmentRelationship")
    assert clear["security_justificationType"] == "vulnerableCodeNotInExecutePath"
    assert clear["security_impactStatement"] == "never called"
    assert by_type(document, "security_VexAffectedVulnAssessmentRelationship")
    states = {one.state for one in parse(json.dumps(document).encode()).assertions}
    assert states == {"not_affected", "exploitable", ""}


def test_the_command_writes_both_forms_of_one_thing(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_ADVISORIES", str(tmp_path / "none.sqlite"))
    (tmp_path / "model").mkdir()
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (tmp_path / "model" / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    (tmp_path / "model" / "README.md").write_text(
        "---\nlicense: mit\ndatasets: [org/d]\nbase_model: org/b\n---\n# M\n\nIt is.\n"
    )
    assert main(["bom", "model", "--format", "spdx", "--output", "m.spdx.json"]) == 0
    assert main(["bom", "model", "--output", "m.cdx.json"]) == 0
    capsys.readouterr()
    spdx, cyclonedx = (
        json.loads((tmp_path / name).read_text(encoding="utf-8")) for name in ("m.spdx.json", "m.cdx.json")
    )
    validated(spdx)
    assert by_type(spdx, "SpdxDocument")[0]["spdxId"].startswith(cyclonedx["serialNumber"])
    one, other = (score(document)[0] for document in (spdx, cyclonedx))
    assert one.honest == other.honest == 50
    assert abs(one.count(Status.FILLED) - other.count(Status.FILLED)) <= 2
