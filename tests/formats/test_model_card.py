"""Model cards: what they say, what templates leave in them, and what is put there to break a reader."""

from __future__ import annotations

import pytest
from huggingface_hub import DatasetCard, DatasetCardData, ModelCard
from huggingface_hub import ModelCardData as CardData

from tests.bom.folders import CARD
from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import model_card
from weighlock.formats.model_card import Result


def card(front: str, text: str = ""):
    return model_card.parse(f"---\n{front}\n---\n{text}".encode())


def test_a_card_says_what_its_front_matter_and_its_sections_say():
    found = model_card.parse(CARD.encode())
    assert found.text("pipeline_tag") == "text-classification"
    assert found.all("license") == ("apache-2.0",)
    assert found.all("datasets") == ("stanfordnlp/imdb", "glue")
    assert found.results == (
        Result(metric="accuracy", value="0.93", dataset="IMDb (test)"),
        Result(metric="F1", value="0.91", dataset="IMDb (test)"),
    )
    assert ("emissions", "12.5") in found.emissions
    assert found.sections["limitations"] == "No irony."
    assert found.sections["out-of-scope"] == "Medical text."
    assert found.sections["uses"].startswith("Reviews of films")


def test_what_a_template_left_there_is_nothing():
    assert "environment" not in model_card.parse(CARD.encode()).sections
    text = "## Limitations\n\n<!-- This section is meant to convey\nlimitations -->\n\n[More Information Needed]\n"
    assert card("a: b", text).sections == {}


@pytest.mark.parametrize("kind", [ModelCard, DatasetCard])
def test_a_template_of_the_hub_that_nobody_filled_in_says_nothing(kind):
    data = CardData(license="mit") if kind is ModelCard else DatasetCardData(license="mit")
    found = model_card.parse(str(kind.from_template(data)).encode())
    assert found.all("license") == ("mit",)
    assert (found.sections, found.developer) == ({}, None)


def test_a_template_of_the_hub_that_was_filled_in_says_what_was_filled_in():
    words = {
        "developers": "A Team",
        "direct_use": "Reviews.",
        "bias_risks_limitations": "No irony.",
        "hardware_type": "T4",
    }
    data = CardData(license="mit")
    found = model_card.parse(str(ModelCard.from_template(data, model_description="It reads.", **words)).encode())
    assert found.developer == "A Team"
    assert found.sections["description"].startswith("It reads.")
    assert (found.sections["uses"], found.sections["risks"]) == ("Reviews.", "No irony.")
    assert found.sections["limitations"] == "No irony."
    assert "T4" in found.sections["hardware"]


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Uses", {"uses"}),
        ("Intended uses & limitations", {"uses", "limitations"}),
        ("Bias, Risks, and Limitations", {"risks", "limitations"}),
        ("Ethical considerations", {"risks"}),
        ("Causes of failure", set()),
        ("How to use", set()),
        ("Evaluation dataset", {"evaluation"}),
        ("Training Data", {"training-data"}),
        ("Misuse and Out-of-scope Use", {"out-of-scope"}),
    ],
)
def test_a_section_is_known_by_the_words_of_its_heading(heading: str, names: set[str]):
    found = model_card.parse(f"# A\n\n# B\n\n## {heading}\nText.\n".encode())
    assert set(found.sections) == names


@pytest.mark.parametrize(
    ("front", "why"),
    [
        ("a: [", "not YAML"),
        ("a: &a b\nc: *a", "aliases"),
        ("- a\n- b", "not a table"),
        ("a: \x1b[31m", "not YAML"),
        ("a: " + "[" * 5000, "deep|not YAML"),
        ("a: " + "x" * (3 << 20), "larger"),
    ],
)
def test_a_broken_front_matter_is_named_and_the_text_still_counts(front: str, why: str):
    found = card(front, "## Limitations\nMany.\n")
    assert found.problem
    assert __import__("re").search(why, found.problem)
    assert found.sections == {"limitations": "Many."}
    assert not found.texts


def test_a_card_without_front_matter_has_no_problem():
    found = model_card.parse(b"# A model\n\n## Limitations\nMany.\n")
    assert found.problem is None
    assert found.sections == {"limitations": "Many."}


def test_a_front_matter_without_an_end_is_text():
    assert model_card.parse(b"---\nlicense: mit\n").texts == {}


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"---\nlicense: \xc3\x28\n---\n"])
def test_a_card_that_is_not_utf8_is_refused(data: bytes):
    with pytest.raises(FormatError, match="UTF-8"):
        model_card.parse(data)


def test_a_card_that_is_too_large_is_refused():
    with pytest.raises(OverBudgetError):
        model_card.parse(b"x" * (model_card.LARGEST + 1))
    with pytest.raises(OverBudgetError):
        model_card.parse(b"\n" * 300_000)


def test_a_licence_that_stands_there_twice_is_said():
    found = card("license: mit\nlicense: proprietary")
    assert found.repeated == ("license",)


def test_a_heading_in_a_code_block_is_none():
    found = card("a: b", "## Limitations\nOne.\n```\n## Intended uses\n```\nTwo.\n")
    assert list(found.sections) == ["limitations"]
    assert "Two." in found.sections["limitations"]


def test_thousands_of_results_are_cut_and_said():
    metric = "{type: accuracy, value: 1}"
    front = f"model-index:\n- name: a\n  results:\n  - metrics: [{', '.join([metric] * 600)}]\n"
    found = card(front)
    assert len(found.results) == model_card.MOST_RESULTS
    assert found.dropped == ("100 results",)


@pytest.mark.parametrize(
    "front",
    [
        "model-index: 5",
        "model-index: [5, {results: 1}, {results: [1, {metrics: 2}, {metrics: [3, {type: {a: b}, value: []}]}]}]",
        "model-index: {results: {metrics: {type: a}}}",
        "datasets: {a: b}",
        "license: [[a], {b: c}, ~]",
        "co2_eq_emissions: [1, 2]",
        "pipeline_tag: {a: b}",
    ],
)
def test_values_of_odd_types_say_nothing(front: str):
    found = card(front)
    assert found.problem is None
    assert not found.results
    assert not found.all("license")


def test_a_long_section_is_cut():
    found = card("a: b", "## Limitations\n" + "word " * 100_000)
    assert len(found.sections["limitations"]) < 5000


def test_comments_that_never_end_take_no_time():
    found = card("a: b", "## Limitations\n" + "<!-- " * 200_000)
    assert found.sections == {}
