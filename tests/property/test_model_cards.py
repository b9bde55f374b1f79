"""Cards and YAML of any bytes: they are read or refused, and what is written of them is inert."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighlock.bom import Bom, Component, License, ModelCard, Reference, to_cyclonedx
from weighlock.bom.names import below, reference
from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import model_card, yaml_text

_TEXT = st.text(st.characters(codec=None), max_size=40)


@given(st.one_of(st.binary(max_size=300), st.text("-:[]{}#&*!|>'\"%@`,?\n\t aé\\\x00", max_size=200).map(str.encode)))
@settings(max_examples=300)
def test_any_bytes_are_yaml_or_a_known_error(data: bytes):
    with suppress(FormatError, OverBudgetError):
        yaml_text.parse(data)


@given(st.binary(max_size=300), st.text("-#<>!`~ \n*[]abc", max_size=200))
@settings(max_examples=200)
def test_any_bytes_are_a_card_or_a_known_error(front: bytes, text: str):
    try:
        found = model_card.parse(b"---\n" + front + b"\n---\n" + text.encode())
    except (FormatError, OverBudgetError):
        return
    assert all(isinstance(value, str) for value in (*found.texts.values(), *found.sections.values()))


@given(st.lists(_TEXT, min_size=8, max_size=8))
@settings(max_examples=100)
def test_any_texts_become_a_document_that_no_reader_obeys(texts: list[str]):
    name, version, licence, task, url, key, value, tag = texts
    component = Component(
        kind="machine-learning-model",
        ref=reference("model", name),
        name=name,
        version=version,
        licenses=(License(name=licence or "x"),),
        card=ModelCard(task=task, limitations=(value,)),
        references=(Reference(kind="other", url=f"https://{url}"),),
        properties=((key, value),),
        tags=(tag,),
    )
    subject = Component(kind="application", ref="system#s", name="s")
    text = json.dumps(to_cyclonedx(Bom(subject=subject, tool="1", components=(component,))), ensure_ascii=False)
    assert all(char.isprintable() for char in text)
    text.encode()


@given(_TEXT, _TEXT)
@settings(max_examples=200)
def test_references_are_as_different_as_names(one: str, other: str):
    assert (reference("a", one) == reference("a", other)) is (one == other)
    assert (below("x#y", one) == below("x#y", other)) is (one == other)


@pytest.mark.parametrize("number", range(3))
def test_parts_are_not_glued_together(number: int):
    parts = [("a", "b#c"), ("a#b", "c"), ("a", "b", "c")]
    assert len({below("m", *item) for item in parts}) == len(parts), number
