"""What was made from what, and what needs what, as CycloneDX and both forms of SPDX say it."""

from __future__ import annotations

import pytest

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import bill_relations
from weighlock.formats.bill_relations import ANCESTOR, NEEDS, relations_of


def cyclonedx(**parts):
    return {"bomFormat": "CycloneDX", "specVersion": "1.6"} | parts


def test_ancestors_of_ancestors_are_those_of_the_component():
    older = {"type": "machine-learning-model", "name": "oldest", "group": "org"}
    ancestor = {
        "type": "machine-learning-model", "name": "older", "purl": "pkg:huggingface/org/older@abc",
        "hashes": [{"alg": "SHA-256", "content": "AB" * 32}, {"alg": "MD5", "content": "x"}],
        "pedigree": {"ancestors": [older]},
    }  # fmt: skip
    document = cyclonedx(components=[{"name": "new", "pedigree": {"ancestors": [ancestor]}}])
    first, second = relations_of(document)
    assert (first.kind, first.child, first.name, first.sha256) == (ANCESTOR, "components[0]", "older", ("ab" * 32,))
    assert [purl.name for purl in first.purls] == ["older"]
    assert (second.child, second.name) == ("components[0]", "org/oldest")


def test_parts_and_the_subject_have_ancestors_as_well():
    part = {"name": "part", "bom-ref": "p", "pedigree": {"ancestors": [{"name": "base"}]}}
    about = {"name": "app", "bom-ref": "a", "pedigree": {"ancestors": [{"name": "old-app"}]}}
    document = cyclonedx(metadata={"component": about}, components=[{"name": "outer", "components": [part]}])
    assert [(one.child, one.name) for one in relations_of(document)] == [("a", "old-app"), ("p", "base")]


def test_dependencies_are_read():
    document = cyclonedx(dependencies=[{"ref": "a", "dependsOn": ["b", 5, "c"]}, {"ref": "b"}])
    found = [(one.kind, one.child, one.base) for one in relations_of(document)]
    assert found == [(NEEDS, "a", "b"), (NEEDS, "a", "c")]


@pytest.mark.parametrize(
    ("word", "kind", "turned"),
    [
        ("DESCENDANT_OF", ANCESTOR, False),
        ("ANCESTOR_OF", ANCESTOR, True),
        ("GENERATED_FROM", ANCESTOR, False),
        ("GENERATES", ANCESTOR, True),
        ("DEPENDS_ON", NEEDS, False),
        ("DEPENDENCY_OF", NEEDS, True),
    ],
)
def test_relationships_of_spdx_2_are_read_in_their_direction(word, kind, turned):
    relation = {"spdxElementId": "a", "relationshipType": word, "relatedSpdxElement": "b"}
    (found,) = relations_of(
        {"spdxVersion": "SPDX-2.3", "relationships": [relation, relation | {"relationshipType": "X"}]}
    )
    assert (found.kind, found.child, found.base) == (kind, *(("b", "a") if turned else ("a", "b")))


def test_relationships_of_spdx_3_are_read_in_their_direction():
    graph = [
        {"type": "Relationship", "relationshipType": "descendantOf", "from": "a", "to": ["b", "c"]},
        {"type": "Relationship", "relationshipType": "ancestorOf", "from": "d", "to": "e"},
        {"type": "Relationship", "relationshipType": "dependsOn", "from": "a", "to": [5, "f"]},
        "no object",
    ]
    found = [(one.kind, one.child, one.base) for one in relations_of({"@context": "x", "@graph": graph})]
    assert found == [(ANCESTOR, "a", "b"), (ANCESTOR, "a", "c"), (ANCESTOR, "e", "d"), (NEEDS, "a", "f")]


@pytest.mark.parametrize(
    "document",
    [
        cyclonedx(components=[{"name": "x", "pedigree": []}]),
        cyclonedx(components=[{"name": "x", "pedigree": {"ancestors": {}}}]),
        cyclonedx(dependencies=[{"ref": 5}]),
        {"spdxVersion": "SPDX-2.3", "relationships": [{"relationshipType": []}]},
    ],
)
def test_what_is_broken_is_an_error_and_not_nothing(document):
    with pytest.raises(FormatError):
        relations_of(document)


def test_too_many_relations_are_an_error(monkeypatch):
    monkeypatch.setattr(bill_relations, "_MOST", 10)
    with pytest.raises(OverBudgetError):
        relations_of(cyclonedx(dependencies=[{"ref": "a", "dependsOn": ["b"] * 11}]))
