"""Bills of materials that lie, contradict themselves or are no bills: nothing of them is taken for read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError, WeighlockError
from weighlock.formats import inventory
from weighlock.formats.bill import parse

BILLS = Path(__file__).parents[1] / "vectors" / "_bills"
SHA = "ab" * 32


def cyclonedx(*components, **more) -> bytes:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": list(components), **more}
    return json.dumps(document).encode()


def library(name: str = "demo", **more) -> dict:
    return {"type": "library", "name": name, "version": "1.0", "purl": f"pkg:pypi/{name}@1.0", **more}


def spdx(*packages, **more) -> bytes:
    return json.dumps({"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "packages": packages, **more}).encode()


def spdx3(*elements, context="https://spdx.org/rdf/3.0.1/spdx-context.jsonld", version="3.0.1") -> bytes:
    info = {"type": "CreationInfo", "@id": "_:i", "specVersion": version}
    return json.dumps({"@context": context, "@graph": [info, *elements]}).encode()


def package3(**more) -> dict:
    return {"type": "software_Package", "spdxId": "urn:x", "name": "demo", "software_packageVersion": "1.0", **more}


@pytest.mark.parametrize("name", sorted(path.name for path in BILLS.glob("*") if path.suffix != ".md"))
def test_what_generators_write_is_read_whole(name):
    found = parse((BILLS / name).read_bytes())
    pins = {(purl.name, purl.version) for one in found.components for purl in one.purls}
    assert {("click", "8.1.7"), ("idna", "3.3")} <= pins
    assert not [one.problem for one in found.components if one.problem]
    described = [one.name for one in found.components if one.subject]
    assert len(described) == (0 if name.startswith("cyclonedx-py") else 1)


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"[]", None),
        (b"{}", None),
        (b"\xff\xfe", None),
        (b'{"bomFormat": "CycloneDX", "spdxVersion": "SPDX-2.3"}', None),
        (b'{"bomFormat": "cyclonedx", "specVersion": "1.6"}', "bomFormat"),
        (b'{"bomFormat": "CycloneDX"}', "specVersion"),
        (b'{"bomFormat": "CycloneDX", "specVersion": "2.0"}', "specVersion"),
        (b'{"bomFormat": "CycloneDX", "specVersion": "1.1"}', "specVersion"),
        (b'{"bomFormat": "CycloneDX", "specVersion": 1.6}', "specVersion"),
        (b'{"spdxVersion": "SPDX-2.1"}', "spdxVersion"),
        (b'{"spdxVersion": "SPDX-3.0"}', "spdxVersion"),
    ],
)
def test_a_document_of_an_unknown_form_or_version_is_not_read(data, where):
    with pytest.raises(FormatError) as caught:
        parse(data)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("components", "where"),
    [
        ("none", "components"),
        ({}, "components"),
        ([None], "components[0]"),
        ([{"name": "x"}], "components[0].type"),
        ([{"type": "library"}], "components[0].name"),
        ([{"type": "spell", "name": "x"}], "components[0].type"),
        ([library(version=1.0)], "components[0].version"),
        ([library(purl=["pkg:pypi/x@1"])], "components[0].purl"),
        ([library(), library(components=[{"type": "library"}])], "components[1].components[0].name"),
        ([library(hashes=[{"alg": "SHA-256", "content": "zz"}])], "components[0].hashes[0].content"),
        ([library(hashes={"SHA-256": SHA})], "components[0].hashes"),
        ([library(properties=[{"name": 1}])], "components[0].properties[0].name"),
    ],
)
def test_a_wrong_type_is_told_with_its_path_and_nothing_is_skipped(components, where):
    with pytest.raises(FormatError) as caught:
        parse(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}).encode())
    assert caught.value.where == where


def test_a_member_that_is_there_twice_hides_nothing():
    text = cyclonedx(library("evil")).replace(b'"components":', b'"components": [], "components":')
    with pytest.raises(FormatError) as caught:
        parse(text)
    assert caught.value.where == "components"
    text = cyclonedx(library("evil")).replace(b'"purl":', b'"purl": "pkg:pypi/good@1", "purl":')
    with pytest.raises(FormatError) as caught:
        parse(text)
    assert caught.value.where == "components[0].purl"


def test_components_inside_of_components_are_listed():
    found = parse(cyclonedx(library("outer", components=[library("inner", components=[library("innermost")])])))
    assert [one.name for one in found.components] == ["outer", "inner", "innermost"]
    assert found.components[2].parent == "components[0].components[0]"
    metadata = {"component": {"type": "application", "name": "app", "components": [library("hidden")]}}
    found = parse(cyclonedx(metadata=metadata))
    assert [(one.name, one.subject) for one in found.components] == [("app", True), ("hidden", False)]


def test_nesting_and_numbers_are_bounded(monkeypatch):
    deep = library()
    for _ in range(100):
        deep = library(components=[deep])
    with pytest.raises(OverBudgetError):
        parse(cyclonedx(deep))
    with pytest.raises(OverBudgetError):
        parse(b'{"bomFormat":' + b"[" * 100_000)
    monkeypatch.setattr(inventory, "MOST_COMPONENTS", 10)
    with pytest.raises(OverBudgetError):
        parse(cyclonedx(*[library()] * 11))


@pytest.mark.parametrize(
    "data",
    [
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><bom xmlns="http://cyclonedx.org/schema/bom/1.6"/>',
        b"\xef\xbb\xbf  <bom/>",
        b"---\nspdxVersion: SPDX-2.3\n",
        b"spdxVersion: SPDX-2.3\n",
    ],
)
def test_forms_that_are_not_read_are_named(data):
    with pytest.raises(UnsupportedError, match="read as JSON") as caught:
        parse(data)
    assert caught.value.hint


def test_a_package_url_that_cannot_be_read_is_a_problem_and_no_absence():
    (found,) = parse(cyclonedx(library(purl="pkg:pypi/evil%2F..@1.0"))).components
    assert not found.purls
    assert "slash" in (found.problem or "")
    refs = [{"referenceType": "purl", "referenceLocator": locator} for locator in ("pkg:pypi/a@1", "pkg:/")]
    (found,) = parse(spdx({"name": "a", "externalRefs": refs})).components
    assert [one.name for one in found.purls] == ["a"]
    assert found.problem


def test_every_package_url_of_a_package_counts():
    refs = [{"referenceType": "purl", "referenceLocator": f"pkg:pypi/{name}@1"} for name in "ab"]
    (found,) = parse(spdx({"name": "a", "externalRefs": refs})).components
    assert [one.name for one in found.purls] == ["a", "b"]
    more = [{"type": "ExternalIdentifier", "externalIdentifierType": "packageUrl", "identifier": "pkg:pypi/b@1"}]
    (found,) = parse(spdx3(package3(software_packageUrl="pkg:pypi/a@1", externalIdentifier=more))).components
    assert [one.name for one in found.purls] == ["a", "b"]


def test_no_assertion_is_no_version():
    (found,) = parse(spdx({"name": "a", "versionInfo": "NOASSERTION"})).components
    assert found.version is None


def test_a_document_that_describes_each_of_its_packages_has_no_subject():
    packages = [{"name": name, "SPDXID": f"SPDXRef-{name}"} for name in "ab"]
    found = parse(spdx(*packages, documentDescribes=["SPDXRef-a", "SPDXRef-b"]))
    assert not [one for one in found.components if one.subject]
    roots = {"type": "SpdxDocument", "spdxId": "urn:d", "rootElement": ["urn:a", "urn:b"]}
    found = parse(spdx3(roots, package3(spdxId="urn:a"), package3(spdxId="urn:b")))
    assert not [one for one in found.components if one.subject]


@pytest.mark.parametrize(
    "data",
    [
        spdx3(package3(), context={"Hidden": "https://spdx.org/rdf/3.0.1/terms/Software/Package"}),
        spdx3(package3(), context=["https://spdx.org/rdf/3.0.1/spdx-context.jsonld", {"x": "type"}]),
        spdx3(package3(), context="https://evil.example/spdx-context.jsonld"),
        spdx3(package3(), version="3.1.0"),
        spdx3(package3(type="https://spdx.org/rdf/3.0.1/terms/Software/Package")),
        spdx3(package3(type="software_Thing")),
        spdx3({**package3(type="Relationship"), "@type": "software_Package"}),
        spdx3(package3(type=["software_Package"])),
        spdx3({**package3(), "https://spdx.org/rdf/3.0.1/terms/Core/name": "other"}),
        spdx3(package3(verifiedUsing=["_:nowhere"])),
        spdx3(package3(verifiedUsing=[{"type": "Hash", "algorithm": "sha256", "hashValue": "1234"}])),
        json.dumps({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [package3()]}).encode(),
    ],
)
def test_json_ld_that_says_things_in_other_words_is_not_read(data):
    with pytest.raises(FormatError):
        parse(data)


def test_elements_inside_of_elements_are_listed():
    relation = {"type": "Relationship", "relationshipType": "contains", "from": package3(name="inner"), "to": []}
    found = parse(spdx3(package3(spdxId="urn:outer", name="outer"), relation))
    assert {one.name for one in found.components} == {"outer", "inner"}


def test_digests_that_stand_elsewhere_in_the_graph_are_found():
    digest = {"type": "Hash", "@id": "_:h", "algorithm": "sha256", "hashValue": SHA.upper()}
    (found,) = parse(spdx3(digest, package3(verifiedUsing=["_:h"]))).components
    assert found.sha256 == (SHA,)


def test_no_element_of_spdx_3_hides_beside_the_graph_or_behind_a_missing_type():
    document = json.loads(spdx3())
    hidden = parse(json.dumps(document | {"element": [package3(name="evil")]}).encode())
    assert [one.name for one in hidden.components] == ["evil"]
    with pytest.raises(FormatError, match="beside its graph"):
        parse(json.dumps(document | package3(name="evil")).encode())
    with pytest.raises(FormatError, match="no type"):
        parse(spdx3({key: value for key, value in package3().items() if key != "type"}))


def test_a_text_of_a_million_lines_is_read_in_the_time_that_its_size_takes():
    hostile = b"SPDXVersion: SPDX-2.3\nPackageName: a\nPackageComment: <text>" + b"\n" * 1_000_000 + b"</text>\n"
    assert [one.name for one in parse(hostile + b"PackageName: evil\n").components] == ["a", "evil"]


def test_what_only_the_graph_of_dependencies_names_is_told():
    listed = library(**{"bom-ref": "a"}, components=[library("inner", **{"bom-ref": "b"})])
    graph = [{"ref": "a", "dependsOn": ["b", "s", "pkg:pypi/evil@1"]}, {"ref": "pkg:pypi/evil@1", "dependsOn": ["a"]}]
    more = {"services": [{"name": "s", "bom-ref": "s"}]}
    found = parse(cyclonedx(listed, dependencies=graph, **more))
    assert ("dependencies that it does not list", 1) in found.beside
    assert not parse(cyclonedx(listed, dependencies=[{"ref": "a", "dependsOn": ["b"]}])).beside
    with pytest.raises(FormatError):
        parse(cyclonedx(listed, dependencies=[{"ref": ["a"]}]))


def test_services_builds_and_incompleteness_are_told():
    more = {
        "services": [{"name": "s"}],
        "formulation": [{"components": [library()]}],
        "compositions": [{"aggregate": "incomplete_first_party_only"}],
    }
    found = parse(cyclonedx(library(), **more))
    assert found.beside == (("services", 1), ("components of a build", 1))
    assert found.incomplete


def test_parts_that_another_document_has_are_told():
    elsewhere = [{"type": "bom", "url": "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1"}]
    found = parse(cyclonedx(library(externalReferences=elsewhere), externalReferences=elsewhere))
    assert found.beside == (("other documents that it refers to", 2),)


def test_hostile_bytes_are_refused_with_an_error_of_ours():
    whole = cyclonedx(library(), vulnerabilities=[{"id": "CVE-1", "affects": [{"ref": "x"}]}])
    for cut in range(0, len(whole) - 1, 7):
        with pytest.raises(WeighlockError):
            parse(whole[:cut])


TAGS = """# a comment
SPDXVersion: SPDX-2.3
SPDXID: SPDXRef-DOCUMENT
Creator: Tool: syft-1.18.1
PackageName: demo
SPDXID: SPDXRef-a
PackageVersion: 1.0
PackageComment: <text>a text
PackageName: not-a-package
</text>
PackageChecksum: SHA256: {sha}
ExternalRef: PACKAGE-MANAGER purl pkg:pypi/demo@1.0
FileName: ./model.pkl
SPDXID: SPDXRef-b
FileChecksum: SHA256: {sha}
Relationship: SPDXRef-a CONTAINS SPDXRef-b
"""


def test_tags_and_values_are_read_as_the_json_of_the_same_document():
    found = parse(TAGS.format(sha=SHA).encode())
    assert [(one.name, one.version, one.sha256) for one in found.components] == [
        ("demo", "1.0", (SHA,)),
        ("./model.pkl", None, (SHA,)),
    ]
    assert [purl.name for purl in found.components[0].purls] == ["demo"]
    assert found.components[1].parent == "packages[0]"
    of_json, of_tags = (
        {(one.name, one.version, tuple(purl.title for purl in one.purls), one.sha256, one.subject) for one in found}
        for found in (parse((BILLS / name).read_bytes()).components for name in ("syft.spdx.json", "syft.spdx"))
    )
    assert of_json == of_tags


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (("PackageVersion: 1.0", "PackageVersion: 1.0\nPackageVersion: 2.0"), "line 8"),
        (("SPDXID: SPDXRef-a", "SPDXID: SPDXRef-a\nSPDXID: SPDXRef-c"), "line 7"),
        (("</text>", ""), "line 8"),
        (("PackageVersion: 1.0", "no tag"), "line 7"),
        (("PACKAGE-MANAGER purl pkg:pypi/demo@1.0", "purl"), "line 12"),
        (("CONTAINS SPDXRef-b", "CONTAINS"), "line 16"),
        (("SHA256: {sha}", "SHA256: 12"), "packages[0].checksums[0].checksumValue"),
        (("SPDX-2.3", "SPDX-2.9"), "spdxVersion"),
        (("SPDXVersion: SPDX-2.3", "SPDXVersion: SPDX-2.3\nSPDXVersion: SPDX-2.2"), "line 3"),
    ],
)
def test_tags_that_can_be_read_in_two_ways_are_not_read(change, where):
    with pytest.raises(FormatError) as caught:
        parse(TAGS.replace(*change).format(sha=SHA).encode())
    assert caught.value.where == where


@pytest.mark.parametrize(
    "change",
    [
        ("</text>", "</text> </text>"),
        ("# a comment", "# a comment\u2028A: <text>"),
        ("# a comment", "# a comment\x0bA: <text>"),
        ("PackageVersion: 1.0", "PackageVersion: 1.0\nPackageComment: a <text> b"),
    ],
)
def test_a_text_hides_no_package(change):
    text = TAGS.format(sha=SHA).replace(*change)
    assert [one.name for one in parse(text.encode()).components] == ["demo", "./model.pkl"]


def test_a_line_that_ends_for_some_readers_only_is_not_read():
    with pytest.raises(FormatError, match="carriage return"):
        parse(TAGS.format(sha=SHA).replace("# a comment", "# a comment\rA: <text>").encode())
    assert parse(TAGS.format(sha=SHA).replace("\n", "\r\n").encode()).components


def test_a_list_of_the_one_context_is_that_context():
    alone = ["https://spdx.org/rdf/3.0.1/spdx-context.jsonld"]
    assert [one.name for one in parse(spdx3(package3(), context=alone)).components] == ["demo"]
    with pytest.raises(FormatError):
        parse(spdx3(package3(), context=[]))
