"""The schema in the documentation, and the check before a question is asked, agree."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest

from tests.engines.asked import DOCUMENT
from weighlock.engines.asking import question_bytes
from weighlock.errors import EngineError

ROOT = Path(__file__).parent.parent.parent
BLOCKS = re.findall(
    r"^```json\n(.*?)^```",
    (ROOT / "docs/formats/policy-input.md").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)
SCHEMA = json.loads(BLOCKS[-1])


def validator():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def without(*path):
    document = copy.deepcopy(DOCUMENT)
    place = document
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return document


def test_the_examples_of_the_documentation_are_questions():
    package, model, promotion = (json.loads(block) for block in BLOCKS[:3])
    for document in (package, DOCUMENT, DOCUMENT | {"artifact": model}, DOCUMENT | {"artifact": promotion}):
        validator().validate(document)
        assert question_bytes(document)


@pytest.mark.parametrize(
    "document",
    [
        *[without(key) for key in DOCUMENT],
        *[without("artifact", key) for key in ("kind", "name", "outcome")],
        DOCUMENT | {"version": 2},
        DOCUMENT | {"gate": "LOAD"},
        DOCUMENT | {"time": "2026-11-25 12:00"},
        DOCUMENT | {"epoch": 1.5},
        DOCUMENT | {"epoch": "1"},
        DOCUMENT | {"findings": {}},
        DOCUMENT | {"findings": [None]},
        DOCUMENT | {"findings": [{"check": "a", "severity": "High", "outcome": "refused", "message": ""}]},
        DOCUMENT | {"findings": [{"check": "a", "severity": "high", "outcome": "REFUSED", "message": ""}]},
        DOCUMENT | {"evidence": [{}]},
        DOCUMENT | {"policy": {}},
        DOCUMENT | {"artifact": DOCUMENT["artifact"] | {"digest": "sha256:" + "A" * 64}},
        DOCUMENT | {"artifact": DOCUMENT["artifact"] | {"kind": "Model"}},
        DOCUMENT | {"artifact": DOCUMENT["artifact"] | {"name": ""}},
    ],
)
def test_what_the_schema_refuses_is_not_asked(document):
    assert not validator().is_valid(document)
    with pytest.raises(EngineError):
        question_bytes(document)


def test_a_question_of_many_megabytes_is_not_asked():
    with pytest.raises(EngineError, match="larger"):
        question_bytes(DOCUMENT | {"policy": {"a": "x" * (9 << 20)}})


def test_a_name_that_is_no_text_is_not_asked():
    about = DOCUMENT["artifact"] | {"name": "\udcff"}
    with pytest.raises(EngineError, match="JSON"):
        question_bytes(DOCUMENT | {"artifact": about})
