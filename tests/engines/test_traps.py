"""Ways in which a policy, or what is asked of it, could let something through by mistake. Every one is denied."""

from __future__ import annotations

import json

import pytest

from tests.engines.asked import DOCUMENT, QUERY, cases
from tests.engines.loopback_opa import opa
from weighlock.engines.asking import NO_POLICY
from weighlock.engines.interface import Question
from weighlock.engines.opa import Opa
from weighlock.engines.rego import Rego

pytest.importorskip("regopy", reason="regopy is not installed")

TRAPS = cases("traps")


def asked(trap):
    document = dict(trap.get("document", DOCUMENT | trap.get("change", {})))
    artifact = document.get("artifact")
    if isinstance(artifact, dict) and artifact["size"] == "NaN!":
        document["artifact"] = artifact | {"size": float("nan")}
    return Question(document=document)


def written(trap, folder):
    if trap["module"]:
        (folder / "policy.rego").write_text("\n".join(trap["module"]), encoding="utf-8")
    if "data" in trap:
        (folder / "data.json").write_text(json.dumps(trap["data"]), encoding="utf-8")
    for name, text in trap.get("files", {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap["name"])
def test_rego_does_not_fall_into(trap, tmp_path):
    engine = Rego(written(trap, tmp_path), trap.get("query", QUERY), trap.get("timeout", 10), memory=200 << 20)
    answer = engine.evaluate(asked(trap))
    engine.close()
    assert not answer.allow
    assert trap["says"] in " ".join(answer.reasons), answer
    assert answer.stamp.engine == "rego"
    assert answer.stamp.policy.startswith("sha256:")


@pytest.mark.parametrize("trap", [trap for trap in TRAPS if trap.get("only") != "rego"], ids=lambda trap: trap["name"])
def test_opa_does_not_fall_into(trap):
    modules = {"policy.rego": "\n".join(trap["module"])}
    with opa(modules, trap.get("data")) as (url, _):
        engine = Opa(url, trap.get("query", QUERY), trap.get("timeout", 10), environ={})
        answer = engine.evaluate(asked(trap))
    assert not answer.allow
    said = " ".join(answer.reasons)
    assert trap["says"] in said or (trap["says"] == "error" and "answers 500" in said), answer


def test_there_are_enough_of_them_on_each_engine():
    assert len(TRAPS) >= 60
    assert len([trap for trap in TRAPS if trap.get("only") != "rego"]) >= 30
    assert NO_POLICY.startswith("sha256:e3b0c442")
