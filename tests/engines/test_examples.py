"""The example policies: what they admit, and that they admit nothing where one piece of evidence is missing."""

from __future__ import annotations

import copy
from importlib.resources import files

import pytest

from tests.engines.asked import DOCUMENT, QUERY, question
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
