"""What configurations refer to, as the libraries read them."""

from __future__ import annotations

import json

import pytest

from weighlock.formats import json_text
from weighlock.formats.model_config import CodeReferences, references
from weighlock.formats.source import Budget, BytesSource
from weighlock.inspector import inspect


def parse(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return references(json_text.parse(BytesSource(data), Budget()))


def test_code_of_another_repository_is_told_from_the_models_own():
    found = parse({"auto_map": {"AutoConfig": "conf.C", "AutoTokenizer": ["a/b--tok.T", None], "x": "c--m.M"}})
    assert found == CodeReferences(own=("conf.C",), repositories=("a/b", "c"))


def test_every_value_of_a_repeated_key_counts():
    assert parse(b'{"auto_map": {"A": "a/b--m.C"}, "auto_map": {"A": "c/d--m.C"}}').repositories == ("a/b", "c/d")


@pytest.mark.parametrize("value", [None, 3, "text", [], ["auto_map"], {"auto_map": 3}, {"auto_map": [[["a"]]]}])
def test_odd_shapes_are_read_without_an_error(value):
    assert parse({"inner": value}).repositories == ()
    assert parse([value]).repositories == ()


def test_a_classs_name_in_an_adapter_is_not_its_library():
    found = parse({"peft_type": "LORA", "auto_mapping": {"base_model_class": "BertModel", "parent_library": "evil"}})
    assert found.packages == ("evil",)


def test_a_base_model_at_a_revision_does_not_float():
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "org/base", "revision": "c0ffee"}
    assert parse(adapter) == CodeReferences()
    assert parse(adapter | {"revision": None}).bases == ("org/base",)


def test_a_configuration_stays_data():
    inspection = inspect(BytesSource(b'{"auto_map": {"AutoModel": "a/b--m.M"}}'))
    assert str(inspection.outcome) == "data-only"
    assert [finding.severity for finding in inspection.findings] == ["high"]
    assert inspection.needs == ()


def test_an_ordinary_source_tree_raises_no_alarm():
    for data in (b"import os\nos.system('x')\n", b'{"name": "a", "scripts": {"test": "x"}}', b"[1, 2]", b"{% raw %}"):
        assert inspect(BytesSource(data)).findings == ()
