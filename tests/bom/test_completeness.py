"""Scores that would say more than a document says: nothing that says nothing is counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weighlock.bom.completeness import Answer, Status, annex, g7, score
from weighlock.bom.completeness.paths import find, status_of

BILLS = Path(__file__).parents[1] / "vectors" / "_bills"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "g7-sbom-for-ai.ttl"


def model(**more) -> dict:
    return {"type": "machine-learning-model", "name": "m", **more}


def cyclonedx(*components: dict, **more) -> dict:
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(components), **more}


def answers(document: dict) -> dict[str, Answer]:
    return {answer.element.id: answer for card in score(document) for answer in card.answers}


def status(document: dict, element: str) -> Status:
    return answers(document)[element].status


def test_there_are_fifty_elements_in_seven_clusters_each_with_a_hint():
    assert len(g7.ELEMENTS) == len({element.id for element in g7.ELEMENTS}) == 50
    assert len({element.notation for element in g7.ELEMENTS}) == 50
    assert len({element.cluster for element in g7.ELEMENTS}) == 7
    assert all(element.hint and element.groups[0] for element in g7.ELEMENTS)
    assert len({element.id for element in (*annex.XI, *annex.XII)}) == len(annex.XI) + len(annex.XII)


def test_the_elements_are_those_of_the_vocabulary():
    if not SHARED.exists():
        pytest.skip("the vocabulary is not on this machine")
    text = SHARED.read_text(encoding="utf-8")
    for element in g7.ELEMENTS:
        assert f"g7ai:{element.id}\n" in text
        assert f'"{element.notation}"' in text
        assert f'skos:prefLabel "{element.name}"' in text


@pytest.mark.parametrize("value", ["", " ", "\t\n", "-", "?", "TBD", None, [], {}, [""], {"a": ["", None]}])
def test_what_says_nothing_fills_nothing(value):
    assert status_of(value) is Status.MISSING
    assert status(cyclonedx(model(description=value)), "model-description") is Status.MISSING


@pytest.mark.parametrize(
    "value", ["NOASSERTION", "unknown", "Unknown.", "n/a", "N/A", "none", "Not  applicable", "unknown: no database"]
)
def test_what_says_that_it_is_not_known_is_marked_and_not_filled(value):
    assert status_of(value) is Status.UNKNOWN
    assert status(cyclonedx(model(description=value)), "model-description") is Status.UNKNOWN


def test_values_that_are_no_texts_say_something():
    for value in (False, 0, ["", "x"]):
        assert status_of(value) is Status.FILLED


def test_a_mark_fills_nothing_even_where_its_name_has_the_word():
    marked = {"properties": [{"name": "weighlock:unknown:infrastructure-hardware", "value": "A100"}]}
    assert status(cyclonedx(model(**marked)), "infrastructure-hardware") is Status.UNKNOWN
    marked = {"properties": [{"name": "weighlock:unknown", "value": "license"}]}
    assert status(cyclonedx(model(**marked)), "model-license") is Status.UNKNOWN
    assert status(cyclonedx(model(**marked)), "model-version") is Status.MISSING


def test_a_mark_of_one_model_is_no_mark_of_another():
    marked = {"properties": [{"name": "weighlock:unknown", "value": "license"}]}
    assert status(cyclonedx(model(**marked), model()), "model-license") is Status.MISSING
    assert status(cyclonedx(model(**marked), model()), "infrastructure-hardware") is Status.MISSING


def test_a_mark_of_a_model_says_nothing_about_the_document():
    marked = {"properties": [{"name": "weighlock:unknown", "value": "timestamp"}]}
    assert status(cyclonedx(model(**marked)), "sbom-timestamp") is Status.MISSING
    assert status(cyclonedx(model(**marked)), "model-timestamp") is Status.UNKNOWN


def test_of_two_models_the_one_that_says_least_counts():
    document = cyclonedx(model(description="one"), model())
    answer = answers(document)["model-description"]
    assert (answer.status, answer.best, answer.filled, answer.things) == (Status.MISSING, Status.FILLED, 1, 2)


def test_a_document_without_models_fills_nothing_about_models():
    found = answers(cyclonedx({"type": "library", "name": "x"}))
    assert {found[element.id].status for element in g7.ELEMENTS if element.about in {"model", "dataset"}} == {
        Status.MISSING
    }


def test_ancestors_are_no_models_of_the_document():
    document = cyclonedx(model(pedigree={"ancestors": [model(description="of another")]}))
    assert status(document, "model-description") is Status.MISSING


def test_a_field_that_asks_for_two_things_is_not_filled_by_one():
    parameters = {"properties": [{"name": "weighlock:parameters", "value": "16"}]}
    card = {"modelCard": {"modelParameters": {"modelArchitecture": "Bert"}}}
    assert status(cyclonedx(model(**card)), "annex-xi-1-d") is Status.MISSING
    assert status(cyclonedx(model(**parameters)), "annex-xi-1-d") is Status.MISSING
    assert status(cyclonedx(model(**card, **parameters)), "annex-xi-1-d") is Status.FILLED


def test_datasets_that_a_card_describes_itself_are_looked_at():
    inline = {"type": "dataset", "name": "d", "contents": {"url": "https://x"}, "sensitiveData": ["names"]}
    card = {"modelCard": {"modelParameters": {"datasets": [inline]}}}
    found = answers(cyclonedx(model(**card)))
    for element in ("dataset-name", "dataset-identifier", "dataset-sensitivity", "dataset-dependency-relationship"):
        assert found[element].status is Status.FILLED
    assert found["dataset-name"].where == ("components[0].modelCard.modelParameters.datasets[0].name",)


def test_whether_there_are_datasets_at_all_can_be_unknown():
    marked = {"properties": [{"name": "weighlock:unknown", "value": "datasets"}]}
    found = answers(cyclonedx(model(**marked)))
    assert found["dataset-license"].status is Status.UNKNOWN
    assert found["dataset-dependency-relationship"].status is Status.UNKNOWN
    assert answers(cyclonedx(model(**marked), model()))["dataset-license"].status is Status.MISSING


def test_hardware_counts_wherever_a_generator_puts_it():
    told = [{"name": "x:co2HardwareUsed", "value": "1 x A100"}]
    energy = {"modelCard": {"considerations": {"environmentalConsiderations": {"properties": told}}}}
    for more in (energy, {"properties": told}, {"modelCard": {"properties": told}}):
        assert status(cyclonedx(model(**more)), "infrastructure-hardware") is Status.FILLED


def test_names_of_properties_are_found_however_they_are_spelled():
    for name in ("context_length", "x:Context Length", "CONTEXT-LENGTH", "contextWindow"):
        found = cyclonedx(model(properties=[{"name": name, "value": "512"}]))
        assert status(found, "model-input-output-properties") is Status.FILLED


@pytest.mark.parametrize(
    "document",
    [
        {"bomFormat": "CycloneDX", "components": "x", "metadata": [1]},
        cyclonedx({"type": "machine-learning-model", "modelCard": 3, "properties": {"name": 1}, "components": [[]]}),
        cyclonedx(metadata={"component": "x", "authors": [1, {"name": {}}], "tools": 3}),
        {"spdxVersion": "SPDX-2.3", "packages": [None], "creationInfo": [], "relationships": [3]},
        {"@context": 1, "@graph": [1, {"type": ["x"], "relationshipType": []}, {"type": "ai_AIPackage", "spdxId": []}]},
        {},
    ],
)
def test_a_broken_document_is_scored_by_what_it_says(document):
    assert all(len(card.answers) in {50, 13, 11} for card in score(document))


def test_a_document_that_nests_for_ever_is_read_to_a_bound():
    deep: dict = model()
    for _ in range(300):
        deep = model(components=[deep])
    assert answers(cyclonedx(deep))["model-name"].things <= 65


def test_filters_and_lists_of_a_path_lead_where_they_say():
    document = {"a": [{"k": "One", "v": 1}, {"k": "two", "v": 2}, 3], "b": {"c": None}}
    assert list(find(document, "a[k=one].v")) == [("a[0].v", 1)]
    assert list(find(document, "a[k*w].v", "@graph[7]")) == [("@graph[7].a[1].v", 2)]
    assert list(find(document, "a[].v")) == [("a[0].v", 1), ("a[1].v", 2)]
    assert list(find(document, "b.c.d")) == []
    with pytest.raises(ValueError, match="no path"):
        list(find(document, "a..b"))


@pytest.mark.parametrize(
    ("name", "filled"),
    [
        ("cdxgen.cdx.json", 12),
        ("cdxgen.spdx3.json", 9),
        ("cyclonedx-py-environment.cdx.json", 8),
        ("cyclonedx-py-requirements.cdx.json", 8),
        ("syft.cdx.json", 10),
        ("syft.spdx.json", 10),
    ],
)
def test_what_generators_write_is_counted_the_same_every_time(name, filled):
    card = score(json.loads((BILLS / name).read_text(encoding="utf-8")))[0]
    assert card.count(Status.FILLED) == filled
