"""One set of questions, which all engines answer alike: the built-in policy, Rego embedded, and an OPA server."""

from __future__ import annotations

from importlib.resources import files

import pytest

from tests.engines.asked import DOCUMENT, QUERY, cases, question
from tests.engines.loopback_opa import opa
from weighlock.engines.builtin import Builtin
from weighlock.engines.opa import Opa
from weighlock.engines.rego import Rego
from weighlock.policy import Policy

pytest.importorskip("regopy", reason="regopy is not installed")

RULES = files("weighlock.engines") / "examples" / "builtin_model.rego"


@pytest.fixture(scope="module")
def engines():
    rego = Rego(str(RULES), QUERY, 20)
    with opa({"builtin_model.rego": RULES.read_text(encoding="utf-8")}) as (url, _):
        yield rego, Opa(url, QUERY, 20, environ={})
    rego.close()


@pytest.mark.parametrize("case", cases("questions"), ids=lambda case: case["name"])
def test_all_engines_answer_alike(case, engines):
    asked = question(**case["change"])
    policy = case["change"].get("policy", DOCUMENT["policy"])
    for engine in (Builtin(Policy.from_dict(policy)), *engines):
        answer = engine.evaluate(asked)
        assert answer.allow is case["allow"], (engine.name, answer)
        assert sorted({reason.partition(":")[0] for reason in answer.reasons} - {"not shown"}) == sorted(
            case["rules"]
        ), (engine.name, answer)
        assert answer.stamp.engine == engine.name


def test_the_set_refuses_more_than_it_admits():
    allowed = [case["allow"] for case in cases("questions")]
    assert allowed.count(False) > allowed.count(True) >= 5
