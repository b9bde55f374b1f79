"""Configurations of Keras."""

from __future__ import annotations

import json

import pytest

from tests.corpus.keras_files import code, function, layer, plain_model, sequential
from weighlock.allowlist.keras import examine
from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import keras
from weighlock.formats.source import Budget, BytesSource

PLAIN = plain_model()


def needs(value, **limits: int) -> tuple[str, ...]:
    return examine(keras.parse(keras.decode(json.dumps(value)), Budget(**limits))).names


def test_a_plain_model_needs_nothing():
    assert needs(PLAIN) == ()


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        (layer("MyLayer", "my_package.layers", "my_package>MyLayer"), "keras:my_package>MyLayer"),
        (layer("MyLayer", None, "MyLayer"), "keras:MyLayer"),
        (layer("Dense", None), "keras:Dense"),
        (layer("Dense", "keras.layers", "Other"), "keras:Other"),
        (layer("Dense", "not_keras.layers"), "keras:not_keras.layers.Dense"),
        (layer("Dense", "keras.layers.evil"), "keras:keras.layers.evil.Dense"),
        (layer("Lambda"), "keras:Lambda"),
        (layer("Lambda", "other.module"), "keras:Lambda"),
        (function("builtins", "my_loss"), "keras:builtins.my_loss"),
        (function("builtins", "eval"), "keras:builtins.eval"),
        (function("keras.ops", "map"), "keras:keras.ops.map"),
        (function("keras.ops", "vectorized_map"), "keras:keras.ops.vectorized_map"),
        (function("keras.activations", "relu", "my>relu"), "keras:my>relu"),
        ({"class_name": "TFOpLambda", "config": {"function": "io.read_file"}}, "keras:TFOpLambda"),
        ({"class_name": "deserialize", "config": {}}, "keras:deserialize"),
        ({"class_name": "__typespec__", "spec_name": "S", "module": "m", "config": []}, "keras:m.S"),
        (code(), "keras:Lambda"),
        ({"class_name": "TextVectorization", "config": {"vocabulary": "http://x/y"}}, "keras:file http://x/y"),
    ],
)
@pytest.mark.parametrize("place", ["layer", "argument", "key", "build", "compile"])
def test_an_object_is_found_wherever_it_stands(item, wanted: str, place: str):
    around = {
        "layer": sequential(item),
        "argument": sequential(layer("Dense", kernel_initializer=[{"deep": [item]}])),
        "key": {"no_class": [item]},
        "build": PLAIN | {"build_config": {"input_shape": item}},
        "compile": PLAIN | {"compile_config": {"loss": [None, item]}},
    }
    assert wanted in needs(around[place])


@pytest.mark.parametrize("name", ["relu", "mean_squared_error", "categorical_crossentropy", "linear"])
def test_functions_of_keras_need_nothing(name: str):
    assert needs(function("builtins", name)) == ()
    assert needs(function("builtins", name, "function")) == ()


def test_a_repeated_name_is_odd():
    value = keras.decode('{"class_name": "Dense", "class_name": "Lambda", "config": {}}')
    assert keras.parse(value, Budget()).oddities


@pytest.mark.parametrize(
    "item", [{"class_name": 7, "config": {}}, layer("Dense") | {"module": 7}, layer("Dense") | {"registered_name": []}]
)
def test_what_is_not_a_text_is_odd(item):
    assert keras.parse(keras.decode(json.dumps(sequential(item))), Budget()).oddities


def test_deep_nesting_is_over_budget():
    with pytest.raises(OverBudgetError):
        keras.decode("[" * 200_000 + "]" * 200_000)


def test_broken_json_is_no_configuration():
    with pytest.raises(FormatError):
        keras.decode("{")


def test_many_objects_are_over_budget():
    with pytest.raises(OverBudgetError):
        needs(sequential(*[layer("Dense")] * 100), opcodes=100)


def test_a_huge_configuration_is_over_budget(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keras, "LARGEST", 10)
    with pytest.raises(OverBudgetError):
        keras.read(BytesSource(b"{" * 11))
