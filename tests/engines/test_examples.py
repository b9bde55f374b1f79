"""The example policies: what they admit, and that they admit nothing where one piece of evidence is missing."""

from __future__ import annotations

import copy
from importlib.resources import files

import pytest

from tests.engines.asked import DOCUMENT, QUERY, question
from weighlock._cli import main
from weighlock.engines.rego import Rego

pytest.importorskip("regopy", reason="regopy is not installed")

PACKAGE = {
    "kind": "package",
    "name": "requests",
    "version": "2.32.0",
    "filename": "requests-2.32.0-py3-none-any.whl",
    "size": 5,
    "digest": "sha256:" + "1" * 64,
}


def finding(**change):
    plain = {"check": "advisory", "severity": "low", "outcome": "data-only", "message": "m", "imports": []}
    return plain | {"advisory": None} | change


@pytest.fixture(scope="module", params=["model", "package"])
def example(request):
    engine = Rego(str(files("weighlock.engines") / "examples" / f"{request.param}.rego"), QUERY, 20)
    yield request.param, engine
    engine.close()


MODEL_CHANGES = [
    {"evidence": []},
    {"evidence": [{"kind": "approval", "imports": [], "unsafe": True}]},
    {"artifact": {"digest": None}},
    {"artifact": {"format": "pickle"}},
    {"artifact": {"format": None}},
    {"artifact": {"format": None, "name": "org/name:config.json"}},
    {"artifact": {"format": None, "outcome": "not-a-model", "name": "org/name:modeling.py"}},
    {"artifact": {"format": None, "outcome": "not-a-model", "name": "org/name:native.so"}},
    {"artifact": {"outcome": "needs-approval"}},
    {"artifact": {"outcome": "unverifiable"}},
    {"artifact": {"outcome": "refused"}},
    {"artifact": PACKAGE},
    {"findings": [finding(severity="critical")]},
    {"findings": [finding(severity="unknown")]},
    {"findings": [finding(), finding(severity="medium")]},
]
PACKAGE_CHANGES = [
    {"artifact": {"digest": None}},
    {"artifact": {"filename": "requests-2.32.0.tar.gz"}},
    {"findings": [finding(advisory=["PYSEC-1"], severity="high")]},
    {"findings": [finding(advisory=["PYSEC-1"], severity="critical")]},
    {"findings": [finding(advisory=["PYSEC-1"], severity="unknown")]},
    {"findings": [finding(outcome="unverifiable")]},
    {"findings": [finding(), finding(outcome="refused")]},
    {"artifact": DOCUMENT["artifact"]},
]


def changed(kind, change):
    document = copy.deepcopy(DOCUMENT)
    if kind == "package":
        document |= {"artifact": PACKAGE, "evidence": []}
    artifact = document["artifact"] | change.get("artifact", {})
    return question(**(document | change | {"artifact": artifact}))


def test_it_admits_what_it_is_for(example):
    kind, engine = example
    answer = engine.evaluate(changed(kind, {"findings": [finding()]}))
    assert answer.allow, answer
    assert engine.evaluate(changed(kind, {})).allow


def test_it_refuses_what_lacks_one_thing(example):
    kind, engine = example
    for change in MODEL_CHANGES if kind == "model" else PACKAGE_CHANGES:
        answer = engine.evaluate(changed(kind, change))
        assert not answer.allow, change
        assert answer.reasons


def test_the_model_example_locks_a_model_with_its_card_and_refuses_a_pickle_in_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_LEDGER", str(tmp_path / "ledger"))
    example = files("weighlock.engines") / "examples" / "model.rego"
    (tmp_path / "weighlock.toml").write_text("[[evidence.engines]]\nrego = 'model.rego'\ntimeout = '20 seconds'\n")
    (tmp_path / "model.rego").write_text(example.read_text(encoding="utf-8"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "README.md").write_text("# A model\n")
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    assert main(["lock", "./model"]) == 0, capsys.readouterr().err
    for name in ("README.md", "config.json", "model.safetensors"):  # as the lock saw it, so does the load
        assert main(["policy", "explain", f"model/{name}"]) == 0, capsys.readouterr().out
    (tmp_path / "models.lock").unlink()
    (tmp_path / "model" / "plain.pkl").write_bytes(b"]q\0.")
    assert main(["lock", "./model"]) == 1
    told = capsys.readouterr().err
    assert "plain.pkl is denied by rego: format was not shown for ./model:plain.pkl" in told
    assert "--unsafe" not in told  # no approval changes what an engine denies


PROMOTION = {
    "kind": "promotion",
    "name": "weighlock:net#production",
    "digest": "sha256:" + "1" * 64,
    "registry": "weighlock",
    "model": "net",
    "stage": "production",
    "previous": None,
    "requirements": "sha256:" + "2" * 64,
    "files": [{"path": "model.safetensors", "sha256": "3" * 64}],
    "signers": ["alice"],
    "approvers": ["bob"],
}
SHOWN = [{"kind": kind, "inputs": []} for kind in ("lock", "scan", "quarantine", "bom", "audit")]


def test_the_promotion_example_admits_what_it_is_for_and_nothing_less():
    engine = Rego(str(files("weighlock.engines") / "examples" / "promotion.rego"), QUERY, 20)

    def allows(evidence=SHOWN, **change):
        return engine.evaluate(
            question(**(DOCUMENT | {"gate": "promotion", "artifact": PROMOTION | change, "evidence": list(evidence)}))
        ).allow

    assert allows()
    assert allows(SHOWN[:3], stage="staging", approvers=[])
    for change in ({"approvers": []}, {"approvers": ["alice"]}, {"files": []}, {"digest": None}, {"kind": "model"}):
        assert not allows(**change), change
    for missing in range(len(SHOWN)):
        assert not allows(SHOWN[:missing] + SHOWN[missing + 1 :])
    artifact = {key: value for key, value in PROMOTION.items() if key != "approvers"}
    assert not engine.evaluate(question(**(DOCUMENT | {"artifact": artifact, "evidence": SHOWN}))).allow
    engine.close()
