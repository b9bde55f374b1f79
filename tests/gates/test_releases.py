"""What is said about releases: who is asked, and what must not be lost or mixed up on the way."""

from datetime import UTC, datetime

import pytest

from tests import osv
from weighlock.advisories.database import Database
from weighlock.artifact import Digest, PackageFile
from weighlock.errors import SourceError
from weighlock.finding import Outcome
from weighlock.gates.releases import Knowledge, learn
from weighlock.install_policy import InstallPolicy
from weighlock.release import IndexFile, ProjectPage, Provenance, Release

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PUBLIC, PRIVATE = "https://public.example/simple", "https://private.example/simple"


def release(name="gantry", version="2.0", sha256="1" * 64, direct=None, index=PUBLIC):
    filename = f"{name}-{version}-py3-none-any.whl"
    artifact = PackageFile(
        name=name, version=version, filename=filename, digest=Digest.sha256(sha256), url=f"{index}/files/{filename}"
    )
    return Release(artifact=artifact, direct=direct, requested=True)


def page(index, *files, name="gantry"):
    return ProjectPage(index=index, name=name, files=files)


def listed(version="2.0", sha256="1" * 64, index=PUBLIC, **fields):
    filename = f"gantry-{version}-py3-none-any.whl"
    return IndexFile(filename=filename, url=f"{index}/files/{filename}", sha256=sha256, **fields)


@pytest.fixture
def one(tmp_path):
    def learned(said, *records, **fields):
        with Database(osv.database(tmp_path, *records, now=NOW)) as database:
            knowledge = Knowledge(**{"advisories": database, "now": NOW, **fields})
            return learn([said], knowledge, InstallPolicy())[0]

    return learned


def checks(found):
    return {finding.check for finding in found if finding.outcome > Outcome.DATA_ONLY}


def test_every_name_is_asked_for_once_and_at_every_index(tmp_path):
    asked = []

    def ask(names):
        asked.append(list(names))
        return {name: (page(PUBLIC, name=name), page(PRIVATE, name=name)) for name in names}

    said = [release(), release("other"), release()]
    with Database(osv.database(tmp_path, now=NOW)) as database:
        learned = learn(said, Knowledge(advisories=database, ask=ask, now=NOW), InstallPolicy())
    assert asked == [["gantry", "other"]]
    assert all(described.asked and len(described.pages) == 2 for described, _ in learned)


def test_nobody_is_asked_about_what_was_named_by_a_url(one):
    described, _ = one(release(direct="url"), ask=lambda names: pytest.fail(f"asked about {names}"))
    assert not described.asked


def test_the_page_that_serves_the_file_is_the_one_with_its_url(one):
    pages = (page(PRIVATE, listed(index=PRIVATE)), page(PUBLIC, listed()))
    described, _ = one(release(), ask=lambda names: {"gantry": pages})
    assert described.served_by.index == PUBLIC
    assert described.listed.url == described.artifact.url


def test_a_page_with_the_same_name_and_other_bytes_does_not_serve_the_file(one):
    described, found = one(
        release(), ask=lambda names: {"gantry": (page(PRIVATE, listed(sha256="2" * 64, index=PRIVATE)),)}
    )
    assert described.served_by is None
    assert "changed-listing" in checks(found)


def test_an_index_that_exchanges_a_file_between_two_requests_is_found(one):
    _, found = one(release(), ask=lambda names: {"gantry": (page(PUBLIC, listed(sha256="2" * 64)),)})
    assert "changed-listing" in checks(found)


def test_an_index_that_cannot_be_asked_ends_it(one):
    def ask(names):
        raise SourceError("cannot be reached", where=PUBLIC)

    with pytest.raises(SourceError):
        one(release(), ask=ask)


def test_the_publisher_is_asked_for_the_listed_file(one):
    def provenance(described):
        assert described.listed is not None
        return Provenance(known=True)

    described, _ = one(release(), ask=lambda names: {"gantry": (page(PUBLIC, listed()),)}, provenance=provenance)
    assert described.provenance.known


def young(**fields):
    return {"ask": lambda names: {"gantry": (page(PUBLIC, listed(uploaded=NOW)),)}, **fields}


def test_an_advisory_becomes_a_finding_of_its_release(one):
    _, found = one(release(), osv.record("PYSEC-2026-1"))
    assert [finding.advisory.id for finding in found if finding.advisory] == ["PYSEC-2026-1"]


def test_a_young_release_that_fixes_what_is_installed_may_pass(one):
    _, found = one(release(), osv.record("PYSEC-2026-1", fixed="2.0"), **young(installed={"gantry": "1.0"}))
    assert "release-age" not in checks(found)


@pytest.mark.parametrize(
    ("installed", "record"),
    [
        ("1.0", osv.record("PYSEC-2026-1", fixed="3.0")),
        ("1.0", osv.record("PYSEC-2026-1", "another", fixed="2.0")),
        ("1.0", osv.record("PYSEC-2026-1", fixed="1.5")),
        ("2.0", osv.record("PYSEC-2026-1", fixed="2.0")),
        (None, osv.record("PYSEC-2026-1", fixed="2.0")),
    ],
    ids=["not-fixed", "another-project", "fixed-before", "the-same-version", "not-installed"],
)
def test_a_young_release_is_no_security_fix_for_the_asking(one, installed, record):
    _, found = one(release(), record, **young(installed={"gantry": installed} if installed else {}))
    assert "release-age" in checks(found)
