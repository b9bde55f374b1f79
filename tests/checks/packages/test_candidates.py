"""What is said about a release: what refuses it, what asks a person, what is told, and what nobody could find out."""

import json
import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.vectors.candidates import NOW, candidate_from
from tests.vectors.releases import candidate, page
from weighlock.artifact import Digest, PackageFile
from weighlock.checks import PACKAGES, run
from weighlock.checks.packages import _popular, look_alike_name, release_age, wrong_tool_name
from weighlock.checks.packages._likeness import likeness
from weighlock.checks.packages._spdx import is_admitted, stated
from weighlock.finding import Finding, Outcome
from weighlock.install_policy import InstallPolicy
from weighlock.release import Candidate, Release, Surroundings

VECTORS = Path(__file__).parents[2] / "vectors"
INFORMS, ASKS, UNKNOWN, REFUSES = Outcome.DATA_ONLY, Outcome.NEEDS_APPROVAL, Outcome.UNVERIFIABLE, Outcome.REFUSED


def _findings(check: str, found: Candidate) -> list[Finding]:
    return [finding for finding in run(found, PACKAGES) if finding.check == check]


def _read(tmp_path: Path, data: bytes) -> Candidate:
    path = tmp_path / "candidate.json"
    path.write_bytes(data)
    return candidate_from(path)


def _named(name: str) -> Candidate:
    release = Release(artifact=PackageFile(name=name, version="1.0", filename=f"{name}-1.0-py3-none-any.whl"))
    return Candidate(release=release, surroundings=Surroundings(now=NOW, min_age=timedelta(days=3)))


@pytest.mark.parametrize(
    ("vector", "outcome"),
    [
        ("yanked/by-the-index", REFUSES),
        ("yanked/without-a-reason", REFUSES),
        ("yanked/by-the-installer", REFUSES),
        ("yanked/by-another-index", REFUSES),
        ("release-age/six-hours", REFUSES),
        ("release-age/from-the-future", REFUSES),
        ("release-age/not-said", UNKNOWN),
        ("release-age/not-listed", UNKNOWN),
        ("release-age/fixes-an-advisory", INFORMS),
        ("release-age/folder", INFORMS),
        ("index-ownership/two-indexes", REFUSES),
        ("index-ownership/owner-is-another", REFUSES),
        ("index-ownership/owner-has-none", REFUSES),
        ("index-ownership/owner-of-another-spelling", REFUSES),
        ("index-ownership/follows-somebody-else", REFUSES),
        ("index-ownership/nobody-asked", UNKNOWN),
        ("index-ownership/nobody-lists-it", UNKNOWN),
        ("index-ownership/same-file", INFORMS),
        ("direct-url/url", ASKS),
        ("direct-url/vcs", ASKS),
        ("direct-url/file-of-a-dependency", ASKS),
        ("direct-url/own-file", INFORMS),
        ("look-alike-name/reqeusts", ASKS),
        ("look-alike-name/not-listed", ASKS),
        ("look-alike-name/installed", ASKS),
        ("look-alike-name/many-and-old", INFORMS),
        ("wrong-tool-name/requirements-txt", ASKS),
        ("wrong-tool-name/cv2", ASKS),
        ("wrong-tool-name/json", ASKS),
        ("wrong-tool-name/sklearn", INFORMS),
        ("project-status/quarantined", REFUSES),
        ("project-status/by-another-index", REFUSES),
        ("project-status/archived", INFORMS),
        ("project-status/sold", INFORMS),
        ("provenance/no-longer-attested", REFUSES),
        ("provenance/does-not-verify", REFUSES),
        ("provenance/other-repository", ASKS),
        ("provenance/other-workflow", ASKS),
        ("provenance/index-fell-silent", UNKNOWN),
        ("provenance/could-not-verify", UNKNOWN),
        ("provenance/not-verified", INFORMS),
        ("license/expression", REFUSES),
        ("license/and", REFUSES),
        ("license/classifier", REFUSES),
        ("license/broken", ASKS),
        ("license/nothing", ASKS),
        ("license/text", ASKS),
        ("license/classifier-nobody-knows", ASKS),
    ],
)
def test_what_a_finding_comes_to(vector: str, outcome: Outcome):
    check, name = vector.split("/")
    found = _findings(check, candidate_from(VECTORS / check / "bad" / f"{name}.json"))
    assert [finding.outcome for finding in found] == [outcome]


def test_an_upload_in_the_future_is_not_excused_by_an_advisory_that_it_fixes(tmp_path: Path):
    data = candidate(page(uploaded="2026-11-26T00:00:00+00:00"), around={"fixes_installed": True})
    assert [finding.outcome for finding in _findings("release-age", _read(tmp_path, data))] == [REFUSES]


def test_the_hour_before_it_is_old_enough_it_is_not(tmp_path: Path):
    data = candidate(page(uploaded="2026-11-22T12:00:01+00:00"))
    found = list(release_age.run(_read(tmp_path, data)))
    assert [finding.message for finding in found] == ["it was uploaded 2 days ago, and the policy asks for 3 days"]


def test_torchtriton_the_public_index_serves_a_name_of_the_nightly_index(tmp_path: Path):
    nightly, public = "https://download.example/nightly", "https://index.example/simple"
    data = candidate(page(public, "torchtriton"), page(nightly, "torchtriton", sha256="2" * 64), name="torchtriton")
    found = _findings("index-ownership", _read(tmp_path, data))
    assert found[0].outcome is REFUSES
    assert nightly in found[0].message
    assert public in found[0].message


def test_the_line_that_approves_a_shared_name_says_whose_it_is(tmp_path: Path):
    shared = _read(tmp_path, candidate(page(), page("https://private.example/simple", sha256="b" * 64)))
    verdict = InstallPolicy().decide(shared.release.artifact, _findings("index-ownership", shared), NOW)
    line = verdict.reasons[0].remedy
    assert line is not None
    policy = InstallPolicy.from_dict(tomllib.loads(line.replace("] ", "]\n", 1))["tool"]["weighlock"]["install"])
    settled = replace(shared, surroundings=replace(shared.surroundings, owners=policy.indexes))
    assert _findings("index-ownership", settled) == []


def test_a_second_index_that_lists_the_digest_under_another_name_owns_nothing(tmp_path: Path):
    other = page("https://private.example/simple", filename="tool-0.9-py3-none-any.whl")
    found = _findings("index-ownership", _read(tmp_path, candidate(page(), other)))
    assert [finding.outcome for finding in found] == [REFUSES]


def test_an_index_without_digests_is_not_taken_for_one_with_the_same_file(tmp_path: Path):
    data = candidate(page(sha256=None), page("https://private.example/simple", sha256=None))
    assert [finding.outcome for finding in _findings("index-ownership", _read(tmp_path, data))] == [REFUSES]


def test_the_digest_of_the_installer_counts_more_than_that_of_the_page(tmp_path: Path):
    both = _read(tmp_path, candidate(page(), page("https://private.example/simple")))
    artifact = replace(both.release.artifact, digest=Digest.sha256("3" * 64))
    found = _findings("index-ownership", replace(both, release=replace(both.release, artifact=artifact)))
    assert [finding.outcome for finding in found] == [REFUSES]


def test_the_same_index_twice_is_one(tmp_path: Path):
    data = candidate(page(), page("https://index.example/simple/"))
    assert _findings("index-ownership", _read(tmp_path, data)) == []


def test_a_public_name_beside_a_folder_of_wheels_is_refused_and_the_folder_is_not(tmp_path: Path):
    folder, public = page("file:///srv/wheels", sha256=None), page(sha256="2" * 64)
    outcomes = [
        [finding.outcome for finding in _findings("index-ownership", _read(tmp_path, candidate(*pages)))]
        for pages in ((public, folder), (folder, public))
    ]
    assert outcomes == [[REFUSES], [INFORMS]]


def test_a_page_of_links_on_this_machine_that_leads_to_a_server_is_no_folder(tmp_path: Path):
    away = "https://elsewhere.example/tool-1.0-py3-none-any.whl"
    links, public = page("file:///repository/links.html", url=away, sha256=None, uploaded=None), page(sha256="2" * 64)
    found = _read(tmp_path, candidate(links, public))
    assert [finding.outcome for finding in _findings("index-ownership", found)] == [REFUSES]
    assert [finding.outcome for finding in _findings("release-age", found)] == [UNKNOWN]


def test_the_first_pattern_of_the_policy_that_fits_names_the_owner(tmp_path: Path):
    own = "https://private.example/simple"
    owners = {"corp-*": own, "*": "https://index.example/simple"}
    data = candidate(page(name="corp-tool"), page(own, "corp-tool", sha256="2" * 64), name="corp-tool")
    body = json.loads(data)
    body["surroundings"] = {"owners": owners}
    assert _findings("index-ownership", _read(tmp_path, json.dumps(body).encode()))[0].outcome is REFUSES


def test_no_name_that_many_people_use_looks_like_another():
    assert len(_popular.known()) > 14_000
    assert len(_popular.targets()) == 2000
    assert [name for name in _popular.known() if list(look_alike_name.run(_named(name)))] == []


@pytest.mark.parametrize(
    "name", ["request", "padnas", "tensorfl0w", "py-torch", "python-requests", "colourama", "numpy1s"]
)
def test_typosquats_look_alike(name: str):
    found = [target for target in _popular.targets() if likeness(name, target)]
    assert bool(found) is (name != "numpy1s")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("rich", "rish"),
        ("torch", "torchaudio"),
        ("nvidia-cublas-cu12", "nvidia-cublas-cu13"),
        ("httpx2", "httpx"),
        ("a" * 100_000, "requests"),
        ("requests", "requests"),
        ("flask-login", "flask-cors"),
        ("sentence-transformers", "transformers"),
    ],
)
def test_honest_names_do_not_look_alike(name: str, other: str):
    assert likeness(name, other) is None


def test_a_squatter_that_uploads_many_releases_at_once_is_still_young(tmp_path: Path):
    data = candidate(page(name="requestz", versions=30, uploaded="2026-11-20T00:00:00+00:00"), name="requestz")
    body = json.loads(data)
    for file in body["release"]["pages"][0]["files"]:
        file["uploaded"] = "2026-11-20T00:00:00+00:00"
    assert _findings("look-alike-name", _read(tmp_path, json.dumps(body).encode()))[0].outcome is ASKS


def test_one_old_release_of_many_files_is_rarely_released(tmp_path: Path):
    body = json.loads(candidate(page(name="requestz"), name="requestz"))
    first = body["release"]["pages"][0]["files"][0]
    names = [first["filename"].replace("py3", f"cp3{number}") for number in range(9)]
    body["release"]["pages"][0]["files"] += [{**first, "filename": name} for name in names]
    assert _findings("look-alike-name", _read(tmp_path, json.dumps(body).encode()))[0].outcome is ASKS


def test_names_of_popular_projects_are_no_mistakes():
    wrong = {finding.outcome for name in _popular.known() for finding in wrong_tool_name.run(_asked_for(name))}
    assert wrong == {INFORMS}


def _asked_for(name: str) -> Candidate:
    named = _named(name)
    return replace(named, release=replace(named.release, requested=True))


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "MIT OR",
        "OR MIT",
        "MIT MIT",
        "(MIT",
        "MIT)",
        "MIT WITH",
        "MIT & ISC",
        "MIT\x1b[31m",
        "(" * 40 + "MIT" + ")" * 40,
        "MIT OR " * 1000 + "MIT",
        "()",
    ],
)
def test_what_is_no_expression_admits_nothing(expression: str):
    assert is_admitted(expression, ["MIT"]) is None


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("MIT AND GPL-3.0-only OR ISC", False),
        ("MIT OR GPL-3.0-only AND ISC", True),
        ("GPL-3.0-only AND (MIT OR ISC)", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("mit", True),
        ("LicenseRef-Mine", False),
    ],
)
def test_an_expression_is_admitted_as_spdx_reads_it(expression: str, verdict: bool):  # noqa: FBT001 - a parameter
    assert is_admitted(expression, ["MIT"]) is verdict


def test_of_several_classifiers_all_have_to_be_admitted():
    both = [
        "License :: OSI Approved :: MIT License",
        "License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
    ]
    assert stated({"classifier": both}) == ("MIT", "GPL-3.0-only")
    assert stated({"classifier": [*both, "License :: Freeware"]}) is None
    assert stated({"classifier": 3, "license": ["MIT"], "license_expression": {}}) is None
