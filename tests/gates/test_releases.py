"""What is said about releases: who is asked, and what must not be lost or mixed up on the way."""

from datetime import UTC, datetime

import pytest

from weighlock.artifact import Digest, PackageFile
from weighlock.errors import SourceError
from weighlock.gates.releases import Knowledge, learn
from weighlock.install_policy import InstallPolicy
from weighlock.release import IndexFile, ProjectPage, Provenance, Release

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PUBLIC, PRIVATE = "https://public.example/simple", "https://private.example/simple"


class Database:
    """Advisories by name and version."""

    def __init__(self, **known):
        self.known = known
        self.asked = []

    def query(self, packages):
        self.asked += packages
        return [self.known.get(name, {}).get(version, ()) for name, version in packages]


def release(name="tool", version="2.0", sha256="1" * 64, direct=None, index=PUBLIC):
    filename = f"{name}-{version}-py3-none-any.whl"
    artifact = PackageFile(
        name=name, version=version, filename=filename, digest=Digest.sha256(sha256), url=f"{index}/files/{filename}"
    )
    return Release(artifact=artifact, direct=direct, requested=True)


def page(index, *files, name="tool"):
    return ProjectPage(index=index, name=name, files=files)


def listed(version="2.0", sha256="1" * 64, index=PUBLIC, **fields):
    filename = f"tool-{version}-py3-none-any.whl"
    return IndexFile(filename=filename, url=f"{index}/files/{filename}", sha256=sha256, **fields)


def one(said, **fields):
    knowledge = Knowledge(**{"advisories": Database(), "now": NOW, **fields})
    return learn([said], knowledge, InstallPolicy())[0]


def checks(found):
    return {finding.check for finding in found}


def test_every_name_is_asked_for_once_and_at_every_index():
    asked = []

    def ask(names):
        asked.append(list(names))
        return {name: (page(PUBLIC, name=name), page(PRIVATE, name=name)) for name in names}

    said = [release(), release("other"), release()]
    learned = learn(said, Knowledge(advisories=Database(), ask=ask, now=NOW), InstallPolicy())
    assert asked == [["other", "tool"]]
    assert all(described.asked and len(described.pages) == 2 for described, _ in learned)


def test_nobody_is_asked_about_what_was_named_by_a_url():
    described, _ = one(release(direct="url"), ask=lambda names: pytest.fail(f"asked about {names}"))
    assert not described.asked


def test_the_page_that_serves_the_file_is_the_one_with_its_url():
    pages = (page(PRIVATE, listed(index=PRIVATE)), page(PUBLIC, listed()))
    described, _ = one(release(), ask=lambda names: {"tool": pages})
    assert described.served_by.index == PUBLIC
    assert described.listed.url == described.artifact.url


def test_a_page_with_the_same_name_and_other_bytes_does_not_serve_the_file():
    described, found = one(
        release(), ask=lambda names: {"tool": (page(PRIVATE, listed(sha256="2" * 64, index=PRIVATE)),)}
    )
    assert described.served_by is None
    assert "changed-listing" in checks(found)


def test_an_index_that_exchanges_a_file_between_two_requests_is_found():
    _, found = one(release(), ask=lambda names: {"tool": (page(PUBLIC, listed(sha256="2" * 64)),)})
    assert "changed-listing" in checks(found)


def test_an_index_that_cannot_be_asked_ends_it():
    def ask(names):
        raise SourceError("cannot be reached", where=PUBLIC)

    with pytest.raises(SourceError):
        one(release(), ask=ask)


def test_the_publisher_is_asked_for_the_listed_file():
    def provenance(described):
        assert described.listed is not None
        return Provenance(known=True)

    described, _ = one(release(), ask=lambda names: {"tool": (page(PUBLIC, listed()),)}, provenance=provenance)
    assert described.provenance.known
