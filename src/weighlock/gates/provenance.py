"""Who published a release: its attestations, fetched and verified, and who published what was admitted before."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import ForgedError, SourceError, UnsupportedError
from weighlock.release import Provenance
from weighlock.signing import pypi_attestations
from weighlock.signing.publishers import Remembered, older

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from weighlock.artifact import PackageFile
    from weighlock.release import IndexFile, ProjectPage, Release
    from weighlock.signing.publishers import Publishers
    from weighlock.sources.index import Index


class ProvenanceReader:
    """Answers who published a release; it may be asked from several threads.

    Args:
        indexes: The configured ones.
        memory: What was admitted before.
    """

    def __init__(self, indexes: Sequence[Index], memory: Publishers) -> None:
        self._indexes = {index.url: index for index in indexes}
        self._memory = memory
        self._one_at_a_time = threading.Lock()

    def __call__(self, release: Release) -> Provenance:
        """Return what is known about the publisher of a release that an index lists.

        Raises:
            SourceError: The memory cannot be read.
        """
        page, listed = release.served_by, release.listed
        if page is None or listed is None:
            return Provenance()
        told = self._looked_up(release.artifact, page, listed)
        before = self._memory.recall(page.index, release.artifact.name)
        if before is None or older(before, listed.uploaded):
            return told
        return replace(told, remembered=before.publisher, remembered_version=before.version)

    def remember(self, admitted: Iterable[Release]) -> None:
        """Remember the publishers of releases that were admitted, where they were verified.

        Raises:
            WeighlockError: The memory cannot be read or written.
        """
        self._memory.remember(row for row in map(_row, admitted) if row is not None)

    def _looked_up(self, artifact: PackageFile, page: ProjectPage, listed: IndexFile) -> Provenance:
        index = self._indexes.get(page.index)
        known = any(file.provenance_url is not None for file in page.files)
        if listed.provenance_url is None or index is None:
            return Provenance(known=known)
        if not pypi_attestations.is_available():  # then nobody is asked for what nobody could read
            return Provenance(known=True, problem="weighlock[sign] is not installed")
        if artifact.digest is None and listed.sha256 is not None:
            artifact = replace(artifact, digest=Digest.sha256(listed.sha256))
        try:
            document = index.provenance(listed) or b""
            with self._one_at_a_time:
                publisher = pypi_attestations.verify(document, artifact)
        except ForgedError as error:
            return Provenance(known=True, broken=True, problem=error.message)
        except (SourceError, UnsupportedError) as error:
            return Provenance(known=True, problem=error.message)
        return Provenance(known=True, verified=True, publisher=publisher)


def _row(release: Release) -> Remembered | None:
    told, listed, page = release.provenance, release.listed, release.served_by
    if told is None or listed is None or page is None or not told.verified or told.publisher is None:
        return None
    return Remembered(
        index=page.index,
        project=release.artifact.name,
        version=release.artifact.version,
        publisher=told.publisher,
        uploaded=listed.uploaded,
    )
