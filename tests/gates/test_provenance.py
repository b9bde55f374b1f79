"""Who published a release: asked of the index that serves it, and remembered only once it was admitted."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import index_faults
from tests.index_faults import FaultyIndex
from weighlock.artifact import Digest, PackageFile
from weighlock.demo.packages import Package, wheel
from weighlock.gates.provenance import ProvenanceReader
from weighlock.release import Provenance, Publisher, Release
from weighlock.signing import pypi_attestations
from weighlock.signing.publishers import Publishers, Remembered
from weighlock.sources.index import Index

RECORDED = Path(__file__).parents[1] / "signing" / "recorded"
REAL = "pypi_attestations-0.0.19.tar.gz"
TRAIL = Publisher(kind="GitHub", repository="trailofbits/pypi-attestations", workflow="release.yml")
NAME = "pypi-attestations"

needs_library = pytest.mark.skipif(not pypi_attestations.is_available(), reason="weighlock[sign] is not installed")


class Bench:
    """An index that serves one project, and a memory."""

    def __init__(self, server: FaultyIndex, folder: Path) -> None:
        self.server = server
        self.memory = Publishers(folder / "publishers.json")
        self.index = Index(server.url())
        self.reader = ProvenanceReader([self.index], self.memory)

    def real(self, **listed: Any) -> None:
        """List the file whose recorded provenance is real; its bytes are not needed to verify the digest."""
        digest = json.loads((RECORDED / "files.json").read_text())[REAL]
        document = json.loads((RECORDED / f"{REAL}.provenance").read_bytes())
        package = Package(REAL, b"", b"")
        self.server.add(package, **{"sha256": digest, "provenance": document, **listed})

    def release(self, filename: str = REAL, version: str = "0.0.19") -> Release:
        page = self.index.page(NAME)
        artifact = PackageFile(name=NAME, version=version, filename=filename)
        return Release(artifact=artifact, served_by=page, pages=(page,) if page else (), asked=True)

    def told(self, release: Release | None = None) -> Provenance:
        return self.reader(release or self.release())

    def remembered(self, publisher: Publisher = TRAIL, uploaded: datetime | None = None) -> None:
        row = Remembered(index=self.index.url, project=NAME, version="0.0.18", publisher=publisher, uploaded=uploaded)
        self.memory.remember([row])


@pytest.fixture
def bench(package_index: FaultyIndex, tmp_path: Path) -> Bench:
    return Bench(package_index, tmp_path)


@needs_library
def test_a_verified_publisher_is_remembered_once_it_was_admitted(bench: Bench) -> None:
    bench.real()
    told = bench.told()
    assert told == Provenance(publisher=TRAIL, verified=True, known=True)
    assert bench.memory.recall(bench.index.url, NAME) is None
    bench.reader.remember([replace(bench.release(), provenance=told)])
    again = bench.told()
    assert (again.remembered, again.remembered_version) == (TRAIL, "0.0.19")


@needs_library
def test_other_bytes_under_the_attested_name_are_a_forgery(bench: Bench) -> None:
    bench.real()
    release = bench.release()
    changed = replace(release, artifact=replace(release.artifact, digest=Digest.sha256("0" * 64)))
    assert bench.told(changed).broken


def test_a_release_without_attestations_after_one_with_them_is_told_so(bench: Bench) -> None:
    bench.remembered()
    bench.real()
    stolen = bench.server.add(wheel(NAME, "0.0.20"))
    told = bench.told(bench.release(stolen.filename, "0.0.20"))
    assert told == Provenance(known=True, remembered=TRAIL, remembered_version="0.0.18")


def test_an_index_that_has_no_attestations_of_anything_says_nothing(bench: Bench) -> None:
    bench.remembered()
    bench.real(provenance=None)
    assert bench.told() == Provenance(known=False, remembered=TRAIL, remembered_version="0.0.18")


def test_an_older_release_is_not_measured_against_a_newer_one(bench: Bench) -> None:
    bench.remembered(uploaded=datetime(2026, 6, 1, tzinfo=UTC))
    bench.real(provenance=None)
    assert bench.told().remembered is None


@needs_library
@pytest.mark.parametrize("fault", [index_faults.status(404), index_faults.status(503), index_faults.reset_after(10)])
def test_attestations_that_cannot_be_fetched_are_not_absent(fault: index_faults.Fault, bench: Bench) -> None:
    bench.real()
    bench.server.fault("/-/provenance/", fault)
    told = bench.told()
    assert told.problem
    assert not told.verified
    assert not told.broken


@needs_library
def test_a_document_that_is_none_is_a_forgery(bench: Bench) -> None:
    bench.real()
    bench.server.fault("/-/provenance/", index_faults.body(b"<html>"))
    assert bench.told().broken


def test_without_the_extra_nobody_is_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pypi_attestations, "is_available", lambda: False)
    bench.real()
    assert bench.told() == Provenance(known=True, problem="weighlock[sign] is not installed")
    assert not any("provenance" in path for path in bench.server.paths())


def test_what_was_not_verified_is_not_remembered(bench: Bench) -> None:
    bench.real()
    release = bench.release()
    for told in (None, Provenance(publisher=TRAIL), Provenance(verified=True), Provenance(broken=True)):
        bench.reader.remember([replace(release, provenance=told)])
    bench.reader.remember([replace(release, served_by=None, provenance=Provenance(publisher=TRAIL, verified=True))])
    assert bench.memory.recall(bench.index.url, NAME) is None


def test_a_file_that_no_index_lists_has_no_publisher(bench: Bench) -> None:
    bench.real()
    assert bench.told(replace(bench.release(), served_by=None)) == Provenance()
