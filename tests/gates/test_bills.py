"""Bills of materials that would have something called clean: what they say in its favour is not believed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.gates.test_ci import HOLE, Asked, Table, messages, page, rules
from weighlock.advisory import Advisory, Severity
from weighlock.errors import WeighlockError
from weighlock.formats.bill import parse
from weighlock.gates.bills import Bill, collect_bill, read_bill
from weighlock.gates.ci import judge
from weighlock.gates.packages import PackageReport
from weighlock.gates.releases import Knowledge
from weighlock.install_policy import InstallPolicy
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SHA, OTHER = "ab" * 32, "cd" * 32


def library(name: str = "demo", version: str = "1.0", **more) -> dict:
    found = {"type": "library", "bom-ref": name, "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
    return {key: value for key, value in {**found, **more}.items() if value is not None}


def file(name: str, digest: str | None = SHA, **more) -> dict:
    hashes = [{"alg": "SHA-256", "content": digest}] if digest else []
    return {"type": "file", "bom-ref": name, "name": name, "hashes": hashes, **more}


def model(name: str, *files: dict, **more) -> dict:
    return {"type": "machine-learning-model", "bom-ref": name, "name": name, "components": list(files), **more}


def lock(*digests: str, path: str = "model.safetensors") -> Lockfile:
    files = tuple(
        LockedFile(path=path if not n else f"{n}-{path}", size=9, sha256=one) for n, one in enumerate(digests)
    )
    return Lockfile(models=(LockedModel(name="org/name", source=PathSource(path="."), files=files),))


def report(
    *components: dict,
    advisories: Table | None = None,
    ask: Asked | None = None,
    policy: InstallPolicy | None = None,
    lockfile: Lockfile | None = None,
    **more,
) -> PackageReport:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(components), **more}
    bill = Bill(path="bom.json", inventory=parse(json.dumps(document).encode()))
    table, policy = advisories or Table(), policy or InstallPolicy()
    collected = collect_bill(bill, table, lockfile, policy, NOW)
    return judge(collected, Knowledge(advisories=table, ask=ask or pages(), now=NOW), policy)


def pages() -> Asked:
    return Asked(page("demo", "1.0", "1.1"), page("other", "1.0"))


def why(told: PackageReport) -> str:
    return "; ".join(f"{reason.rule}: {reason.message}" for item in told.judged for reason in item.verdict.reasons)


def notes(told: PackageReport) -> str:
    return "; ".join(finding.message for item in told.judged for finding in item.findings)


def test_a_package_of_a_bill_is_judged_like_the_exact_pin_of_a_requirements_file():
    told = report(library())
    assert told.allowed, messages(told)
    assert told.packages[0].release.artifact.filename == "demo-1.0-py3-none-any.whl"
    told = report(library(), advisories=Table({("demo", "1.0"): (HOLE,)}))
    assert rules(told) == {"demo==1.0": ["advisory"]}
    assert (told.suggestions[0].upgrade, told.suggestions[0].line) == ("1.1", None)


@pytest.mark.parametrize(
    ("component", "reason"),
    [
        (library(purl="pkg:npm/demo@1.0"), "package of npm"),
        (library(purl="pkg:deb/debian/demo@1.0"), "package of deb"),
        (library(purl=None), "no package URL"),
        (library(purl=""), "no package URL"),
        (library(type="firmware", purl=None), "no package URL"),
        (library(type="application", purl=None), "no package URL"),
        (library(purl="pkg:pypi/demo", version=None), "no version"),
        (library(purl="pypi/demo@1.0"), "does not begin with pkg:"),
        (library(purl="pkg:pypi/org/demo@1.0"), "namespace"),
        (library(purl="pkg:pypi/demo@1.0", version="1.1"), "which of them is there"),
        (library(purl="pkg:pypi/demo@1.0", name="other"), "which of them is there"),
        (
            library(purl="pkg:pypi/demo@1.0?repository_url=https://pypi.corp.example/simple"),
            "does not say that this index",
        ),
        (library(purl="pkg:pypi/demo@1.0?repository_url=http://pypi.org/simple"), "does not say that this index"),
        (
            library(purl="pkg:pypi/demo@1.0?repository_url=https://pypi.org.evil.example"),
            "does not say that this index",
        ),
        (
            library(purl="pkg:pypi/demo@1.0?download_url=https://evil.example/demo-1.0-py3-none-any.whl"),
            "comes from a URL",
        ),
        (library(purl="pkg:pypi/demo@1.0?vcs_url=git%2Bhttps://evil.example/demo"), "version control"),
        (library(version="9.9"), "no configured index lists this version"),
        (library("nowhere"), "no configured index lists this version"),
    ],
)
def test_what_cannot_be_judged_is_refused_and_never_left_out(component, reason):
    told = report(library("other"), component)
    refused = [item for item in told.packages if not item.verdict.allowed]
    assert len(told.packages) == 2
    assert len(refused) == 1
    assert reason in why(told)


def test_a_type_that_is_no_package_hides_no_package_url():
    for word in ("file", "operating-system", "device", "data", "cryptographic-asset", "platform"):
        told = report(library("other"), library(type=word), advisories=Table({("demo", "1.0"): (HOLE,)}))
        assert rules(told)["demo==1.0"] == ["advisory"], word


def test_packages_of_other_registries_are_accepted_by_name_and_on_purpose():
    accept = [{"package": "deb:*", "check": "unverifiable", "reason": "the distribution watches them"}]
    policy = InstallPolicy.from_dict({"accept": accept})
    told = report(library(), library("bash", purl="pkg:deb/debian/bash@5"), policy=policy)
    assert told.allowed, why(told)
    told = report(library(), library("bash", purl="pkg:apk/bash@5"), policy=policy)
    assert not told.allowed


def test_a_name_of_another_registry_is_no_name_of_pypi():
    policy = InstallPolicy.from_dict({"accept": [{"package": "bash", "check": "unverifiable", "reason": "ours"}]})
    for component in (library("bash", purl="pkg:deb/bash@5"), library("bash", purl=None)):
        assert not report(library(), component, policy=policy).allowed


def test_digests_of_the_files_that_were_installed_have_to_be_those_of_an_index():
    def with_digest(value: str) -> dict:
        distribution = {"type": "distribution", "url": "x", "hashes": [{"alg": "SHA-256", "content": value}]}
        return library(externalReferences=[distribution])

    assert report(with_digest(SHA)).allowed
    told = report(with_digest(OTHER))
    assert "digest that is required" in why(told)


def test_the_project_that_a_bill_is_about_is_not_looked_for_on_an_index():
    metadata = {"component": library("demo", "latest", type="application")}
    assert report(library("other"), metadata=metadata).allowed
    metadata = {"component": library("demo", "1.0", type="application")}
    assert not report(library("other"), metadata=metadata, advisories=Table({("demo", "1.0"): (HOLE,)})).allowed


def test_what_only_holds_the_parts_is_told_and_not_refused():
    for purl in ("pkg:oci/image@sha256:ab", "nonsense", None):
        told = report(library(), metadata={"component": library("app", type="container", purl=purl)})
        assert told.allowed, why(told)
        assert "is about app, of which only the parts" in told.warnings[0]


def vulnerability(state: str | None, *, ref: str = "demo", severity: str = "high", id: str = "CVE-2026-9") -> dict:  # noqa: A002 - the key of the format
    found = {"id": id, "ratings": [{"severity": severity}], "affects": [{"ref": ref}]}
    return {**found, "analysis": {"state": state, "detail": "we looked"}} if state else found


@pytest.mark.parametrize("state", ["not_affected", "false_positive", "resolved", "resolved_with_pedigree"])
def test_that_something_is_not_affected_is_shown_and_not_believed(state):
    known = Advisory(id="PYSEC-2026-1", aliases=("CVE-2026-9",), severity=Severity.HIGH)
    table = Table({("demo", "1.0"): (known,)})
    told = report(library(), vulnerabilities=[vulnerability(state)], advisories=table)
    assert rules(told) == {"demo==1.0": ["advisory"]}
    assert "not believed" in notes(told)
    told = report(library(), vulnerabilities=[vulnerability(state)])
    assert told.allowed
    assert "we looked" in notes(told)


@pytest.mark.parametrize("state", [None, "exploitable", "in_triage", "a_word_that_nobody_knows"])
def test_what_a_bill_says_against_a_package_counts(state):
    told = report(library(), vulnerabilities=[vulnerability(state)])
    assert rules(told) == {"demo==1.0": ["advisory"]}
    assert "says the bill of materials" in messages(told)
    assert report(library(), vulnerabilities=[vulnerability(state, severity="low")]).allowed
    assert not report(library(), vulnerabilities=[vulnerability(state, severity="CRITICAL")]).allowed
    assert not report(library(), vulnerabilities=[vulnerability(state, severity="")]).allowed


def test_what_advisories_have_is_not_said_twice():
    known = Advisory(id="PYSEC-2026-1", aliases=("CVE-2026-9",), severity=Severity.HIGH)
    told = report(library(), vulnerabilities=[vulnerability(None)], advisories=Table({("demo", "1.0"): (known,)}))
    assert len(told.packages[0].verdict.reasons) == 1


def test_of_two_words_about_one_vulnerability_the_worse_one_counts():
    both = [vulnerability("exploitable"), vulnerability("not_affected")]
    assert not report(library(), vulnerabilities=both).allowed
    assert not report(library(), vulnerabilities=both[::-1]).allowed


def test_a_vulnerability_of_nothing_that_is_listed_is_told():
    told = report(
        library(), vulnerabilities=[vulnerability(None, ref="gone"), vulnerability(None, ref="urn:cdx:1/1#demo")]
    )
    assert "names vulnerabilities of nothing that it lists: CVE-2026-9" in " ".join(told.warnings)
    assert not told.allowed  # the second one is about the package


def test_a_model_without_a_lockfile_is_not_clean():
    told = report(model("org/name", file("model.safetensors")))
    assert "unverifiable: there is no models.lock" in why(told)


def test_a_model_is_compared_with_the_lockfile_by_its_digests():
    good = model("org/name", file("model.safetensors", SHA))
    assert report(good, lockfile=lock(SHA)).allowed
    told = report(model("org/name", file("model.safetensors", OTHER)), lockfile=lock(SHA))
    assert "changed-file" in why(told)
    told = report(model("org/name", file("stranger.bin", OTHER)), lockfile=lock(SHA))
    assert "not-in-lock" in why(told)
    told = report(model("org/name", file("model.safetensors", SHA), file("evil.py", OTHER)), lockfile=lock(SHA))
    assert "not-in-lock" in why(told)


@pytest.mark.parametrize(
    "component",
    [
        model("org/name"),
        model("org/name", file("model.safetensors", None)),
        model("org/name", hashes=[{"alg": "SHA-1", "content": "ab" * 20}]),
        model("org/name", model("inner", file("x", None))),
        file("weights.pkl", None),
        file("weights.PT", OTHER),
        file("a/weights.gguf", OTHER, type="data"),
        library(purl="pkg:huggingface/org/name@abc"),
        model("org/name", hashes=[{"alg": "SHA-256", "content": SHA}, {"alg": "SHA-256", "content": OTHER}]),
    ],
)
def test_a_model_that_no_digest_of_the_lockfile_identifies_is_refused(component):
    told = report(library(), component, lockfile=lock(SHA))
    assert not told.allowed
    assert [item for item in told.files if not item.verdict.allowed]


def test_a_dataset_that_a_card_names_is_told_and_one_with_a_digest_is_compared():
    dataset = library("org/data", type="data", purl="pkg:huggingface/datasets/org/data", version=None)
    told = report(library(), dataset)
    assert told.allowed, why(told)
    assert "1 data" in told.warnings[0]
    dataset["hashes"] = [{"alg": "SHA-256", "content": OTHER}]
    assert not report(library(), dataset, lockfile=lock(SHA)).allowed
    assert report(library(), dataset, lockfile=lock(OTHER)).allowed


def test_nothing_in_a_model_goes_without_a_digest():
    told = report(model("org/name", file("a", SHA), file("modeling.py", None)), lockfile=lock(SHA))
    assert "no SHA-256 digest" in why(told)
    own = {"hashes": [{"alg": "SHA-256", "content": OTHER}]}
    assert "not-in-lock" in why(report(model("org/name", file("a", SHA), **own), lockfile=lock(SHA)))
    packaged = library(hashes=[{"alg": "SHA-256", "content": OTHER}])
    assert report(model("org/name", file("a", SHA), packaged), lockfile=lock(SHA)).allowed


def test_a_digest_of_the_lockfile_admits_no_file_beside_it():
    components = [model("org/name", file("a", SHA), file("b", OTHER)), file("c.pkl", OTHER)]
    told = report(*components, lockfile=lock(SHA))
    assert len([item for item in told.files if not item.verdict.allowed]) == 2


def test_unsafe_formats_and_imports_are_shown():
    properties = [{"name": "weighlock:imports", "value": "os.system"}, {"name": "colour", "value": "blue"}]
    told = report(model("org/name", file("pytorch_model.bin", SHA, properties=properties)), lockfile=lock(SHA))
    assert told.allowed
    assert "os.system" in notes(told)
    assert "can execute code" in notes(told)
    assert "blue" not in notes(told)


def test_what_is_neither_package_nor_model_is_counted_and_told():
    others = [{"type": "operating-system", "name": "debian"}, file("README.md"), {"type": "data", "name": "squad"}]
    told = report(library(), *others, services=[{"name": "api"}])
    assert told.allowed
    (warning,) = told.warnings
    for words in ("1 operating-system", "1 file", "1 data", "1 services", "none of it was judged"):
        assert words in warning


def test_a_bill_that_says_it_is_not_complete_is_told():
    told = report(library(), compositions=[{"aggregate": "incomplete"}])
    assert "not complete" in " ".join(told.warnings)


@pytest.mark.parametrize(
    "components",
    [[], [{"type": "operating-system", "name": "debian"}], [file("README.md")]],
)
def test_a_bill_in_which_nothing_is_judged_is_not_clean(tmp_path: Path, components):
    place = tmp_path / "bom.json"
    place.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}))
    with pytest.raises(WeighlockError, match="nothing that could be judged"):
        read_bill(str(place))


def test_an_unreadable_bill_is_told_with_its_path(tmp_path: Path):
    with pytest.raises(WeighlockError, match="cannot be read"):
        read_bill(str(tmp_path / "missing.json"))
    with pytest.raises(WeighlockError, match="cannot be read"):
        read_bill(str(tmp_path))
    place = tmp_path / "bom.json"
    place.write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}]}')
    with pytest.raises(WeighlockError) as caught:
        read_bill(str(place))
    assert caught.value.where == f"{place}, components[0].type"
    assert caught.value.exit_code == 2


def test_young_releases_and_yanked_ones_are_found_as_in_requirements():
    asked = Asked(page("demo", "1.0", uploaded=NOW - timedelta(hours=1)))
    assert "release-age" in why(report(library(), ask=asked))
    assert "yanked" in why(report(library(), ask=Asked(page("demo", "1.0", yanked="broken"))))


def test_one_package_that_was_found_twice_is_judged_once():
    assert len(report(library(), library(**{"bom-ref": "again"})).packages) == 1


def test_vex_of_spdx_3_is_shown_and_not_believed():
    context = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
    package = {
        "type": "software_Package",
        "spdxId": "urn:p",
        "name": "demo",
        "software_packageVersion": "1.0",
        "software_packageUrl": "pkg:pypi/demo@1.0",
    }
    hole = {"type": "security_Vulnerability", "spdxId": "urn:v", "name": "CVE-2026-9"}
    has = {"type": "Relationship", "relationshipType": "hasAssociatedVulnerability", "from": "urn:p", "to": ["urn:v"]}
    clear = {"type": "security_VexNotAffectedVulnAssessmentRelationship", "from": "urn:v", "to": ["urn:p"]}
    clear["security_impactStatement"] = "not reachable"
    info = {"type": "CreationInfo", "@id": "_:i", "specVersion": "3.0.1"}
    for graph, allowed in (([package, hole, has], False), ([package, hole, has, clear], True)):
        bill = Bill(path="b", inventory=parse(json.dumps({"@context": context, "@graph": [info, *graph]}).encode()))
        collected = collect_bill(bill, Table(), None, InstallPolicy(), NOW)
        told = judge(collected, Knowledge(advisories=Table(), ask=pages(), now=NOW), InstallPolicy())
        assert told.allowed == allowed
        assert ("not reachable" in notes(told)) == allowed


def test_things_that_lie_in_each_other_for_ever_come_to_an_end():
    number = 20_000
    packages = [{"name": f"f{i}", "SPDXID": f"S{i}", "primaryPackagePurpose": "FILE"} for i in range(number)]
    inside = [
        {"spdxElementId": f"S{i}", "relatedSpdxElement": f"S{(i + 1) % number}", "relationshipType": "CONTAINS"}
        for i in range(number)
    ]
    document = {"spdxVersion": "SPDX-2.3", "packages": packages, "relationships": inside}
    bill = Bill(path="b", inventory=parse(json.dumps(document).encode()))
    assert not collect_bill(bill, Table(), None, InstallPolicy(), NOW).files


def test_a_bill_writes_no_policy_that_a_person_copies():
    evil = '1", check = "index-ownership" }, { package = "*'
    told = report(
        library("x", purl=None, version=evil),
        library(f"x{evil}", purl=None),
        library("y", purl="pkg:npm/*%22%20x@%22*%22"),
        library("demo", version=None, purl="pkg:pypi/demo@1.0%22%2C%20check"),
        library("other", vulnerable=True),
        vulnerabilities=[vulnerability(None, ref="other", id=evil)],
    )
    assert len([item for item in told.packages if not item.verdict.allowed]) == 5
    for item in told.packages:
        for reason in item.verdict.reasons:
            line = reason.remedy or ""
            assert line.count('"') in {0, 6, 8}, line
            assert "*" not in line
