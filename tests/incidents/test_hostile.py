"""Names, bills and lockfiles of an attacker: they are found by what they are, and change no answer but their own."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import pytest

from tests.incidents.world import digest, locked
from tests.output.audit.samples import ATTACKS
from weighlock.errors import UsageError
from weighlock.output.where import html, text
from weighlock.output.where import json as as_json


def component(name: str, **more: object) -> dict[str, object]:
    """Return a model of a bill."""
    return {"type": "machine-learning-model", "name": name, "bom-ref": name} | more


def made_from(*names: str) -> dict[str, object]:
    """Return a pedigree."""
    return {"pedigree": {"ancestors": [{"type": "machine-learning-model", "name": name} for name in names]}}


@pytest.mark.parametrize("subject", ["", "\0", "x" * 5000, "a\0b"])
def test_what_is_no_name_is_an_error(world, subject):
    with pytest.raises(UsageError):
        world.where(subject)


@pytest.mark.parametrize("name", [name for name in ATTACKS if 0 < len(name) < 4000 and "\0" not in name])
def test_hostile_names_are_found_and_shown_inertly(world, name):
    world.record(world.entry("w", subject=name, actor=f"{name[:50]}@{name[:50]}", loader=name[:100]))
    world.bill({"components": [component("org/child", **made_from(name))]})
    found = world.where(digest("w"))
    assert [one.count for one in found.accesses] == [1]
    assert [one.name for one in world.where(name.encode("utf-8", "backslashreplace").decode()).derived] == ["org/child"]
    assert all(line.isprintable() for line in text.render(found).splitlines())
    json.loads(as_json.render(found))
    assert "<script>document" not in html.render(found)


@pytest.mark.parametrize("subject", ["%", "_", "org/%", "' OR 1=1 --", "CVE-2026-0001' OR 'a'='a", "*", "org/\\"])
def test_names_are_no_patterns_and_no_statements(world, subject):
    world.lock(locked("org/base", "base:w"))
    world.record(world.entry("base:w"))
    assert not world.where(subject).found


def test_a_name_that_looks_like_a_key_of_the_index_finds_nothing(world):
    world.lock(locked("org/base", "base:w"))
    for subject in ("model:org/base", "part:org/base", "package:numpy"):
        assert not world.where(subject).found


def test_a_bill_in_a_circle_of_parts_is_read(world):
    document = {
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x", "dataLicense": "CC0-1.0",
        "packages": [
            {"SPDXID": f"SPDXRef-{name}", "name": name, "downloadLocation": "NONE",
             "checksums": [{"algorithm": "SHA256", "checksumValue": digest(name)}]} for name in "ab"
        ],
        "relationships": [
            {"spdxElementId": "SPDXRef-a", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-b"},
            {"spdxElementId": "SPDXRef-b", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-a"},
            {"spdxElementId": "SPDXRef-b", "relationshipType": "DESCENDANT_OF", "relatedSpdxElement": "SPDXRef-a"},
        ],
    }  # fmt: skip
    (world.project / "x.spdx.json").write_text(json.dumps(document))
    for name in "ab":
        assert [one.name for one in world.where(digest(name)).listed] == [name]


def test_a_bill_in_spdx_3_says_what_was_made_from_what(world):
    def model(name: str) -> dict[str, object]:
        return {"type": "ai_AIPackage", "spdxId": f"urn:{name}", "creationInfo": "_:c", "name": name}

    graph = [
        {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1"}, model("org/child"), model("org/base"),
        {"type": "Relationship", "spdxId": "urn:r", "relationshipType": "ancestorOf", "from": "urn:org/base",
         "to": ["urn:org/child"]},
    ]  # fmt: skip
    document = {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph}
    (world.project / "x.spdx.json").write_text(json.dumps(document))
    assert [one.name for one in world.where("org/base").derived] == ["org/child"]


def test_a_long_chain_and_a_wide_one_are_followed_in_time(world):
    chain = [component(f"org/m{n}", **made_from(f"org/m{n - 1}")) for n in range(1, 400)]
    wide = [component(f"org/w{n}", **made_from("org/m0")) for n in range(5000)]
    circle = [component("org/m0", **made_from("org/m399", "org/m0"))]
    world.bill({"components": [*chain, *wide, *circle]})
    began = time.monotonic()
    found = world.where("org/m0")
    assert len(found.derived) == 5399
    assert max(one.steps for one in found.derived) == 399
    assert time.monotonic() - began < 20


def test_one_broken_bill_hides_nothing_of_the_others(world):
    world.bill({"components": [component("org/base", hashes=[{"alg": "SHA-256", "content": digest("w")}])]})
    world.bill({"components": [{"type": "machine-learning-model"}]}, "broken.cdx.json")
    (world.project / "deep.cdx.json").write_text('{"bomFormat":' + "[" * 100_000)
    os.mkfifo(world.project / "pipe.cdx.json")
    (world.project / "nowhere.cdx.json").symlink_to("/nowhere/at/all")
    found = world.where(digest("w"))
    assert [one.name for one in found.listed] == ["org/base"]
    names = {os.path.basename(gap.place) for gap in found.gaps}
    assert names == {"broken.cdx.json", "deep.cdx.json", "pipe.cdx.json", "nowhere.cdx.json"}


def test_what_a_bill_says_in_favour_hides_nothing(world):
    cleared = {"state": "not_affected"}
    parts = [{"type": "library", "name": "numpy", "version": "1.0", "bom-ref": "n"}]
    said = [{"id": "CVE-2026-0001", "affects": [{"ref": "n"}], "analysis": cleared}]
    world.bill({"components": parts, "vulnerabilities": said})
    assert [one.name for one in world.where("CVE-2026-0001").listed] == ["numpy"]


def test_an_entry_in_the_name_of_another_counts_for_what_it_says(world):
    """Who may append to the ledger may write any actor; the numbers of the entries lead to what was written."""
    forged = replace(world.entry("w"), actor='"; DROP TABLE access; --@h')
    world.record(forged, world.entry("w"))
    assert {one.actor for one in world.where(digest("w")).accesses} == {forged.actor, "ann@train-1"}


def test_a_device_or_a_folder_is_no_subject(world):
    assert not world.where("/dev/null").found
    with pytest.raises(UsageError, match="a folder that no lockfile lists"):
        world.where("/")
