"""Releases: what indexes and metadata say about a version of a package, before one byte of its files is fetched.

Source:
    PEP 503, 691, 700, 658, 708, 740, 792 (the simple repository API); the core metadata specification.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from weighlock.advisory import Advisory
    from weighlock.artifact import PackageFile


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """A file as a page of an index lists it. What the index does not say is `None`: not known, never "no".

    Args:
        filename: As listed.
        url: Absolute, without credentials.
        sha256: 64 hexadecimal digits.
        size: Bytes.
        uploaded: When, with a time zone.
        yanked: The reason, which may be empty; `None` for a file that is not yanked.
        requires_python: A version specifier.
        metadata_url: Where its core metadata lies (PEP 658).
        metadata_sha256: Of those bytes.
        provenance_url: Where its attestations lie (PEP 740).
    """

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
    uploaded: datetime | None = None
    yanked: str | None = None
    requires_python: str | None = None
    metadata_url: str | None = None
    metadata_sha256: str | None = None
    provenance_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """What one index says about a project.

    Args:
        index: URL of the index, without credentials.
        name: Canonical name of the project.
        files: In the order of the page.
        status: ``active``, ``archived``, ``quarantined``, ``deprecated``, or `None` where the index does not say.
        status_reason: Why, in the words of the project or the index.
        tracks: Other indexes that this page says it follows (PEP 708).
    """

    index: str
    name: str
    files: tuple[IndexFile, ...] = ()
    status: str | None = None
    status_reason: str | None = None
    tracks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Who an attestation says published a file.

    Args:
        kind: Such as ``GitHub``, ``GitLab``, ``Google``.
        repository: Such as ``org/name``; for kinds without one, what identifies the publisher.
        workflow: The file that ran, where there is one.
        environment: Of the deployment, where there is one.
    """

    kind: str
    repository: str
    workflow: str | None = None
    environment: str | None = None

    def __str__(self) -> str:
        where = f" by {self.workflow}" if self.workflow else ""
        return f"{self.kind}:{self.repository}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is known about who published a release.

    Args:
        publisher: From its attestations, or `None` where it has none.
        verified: The signatures were verified for exactly the digest of the file.
        known: The index could be asked; otherwise nothing follows from an absence.
        problem: Why attestations that are there could not be verified.
        broken: They were looked at and do not verify; without it, nobody could look.
        remembered: The publisher of the earlier release that was admitted on this machine, verified then.
        remembered_version: That release.
    """

    publisher: Publisher | None = None
    verified: bool = False
    known: bool = False
    problem: str | None = None
    broken: bool = False
    remembered: Publisher | None = None
    remembered_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a person wrote a requirement.

    Args:
        path: The file, or `None` for the command line.
        line: From 1.
        text: The requirement as written.
    """

    path: str | None = None
    line: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One file that an installer chose, with everything that was said about it.

    Args:
        artifact: The file.
        requested: A person asked for it; otherwise something that it comes with did.
        extras: That were asked for.
        direct: It was named by a URL or a path and not by a name and a version: ``url``, ``file`` or ``vcs``.
        origin: Where a person asked for it.
        served_by: The page that lists exactly this file; `None` where none does or no index was asked.
        pages: What every configured index says about the project.
        asked: Every configured index was asked and answered, with a page or with "no such project".
        metadata: Core metadata as in pip's report: keys in lower case with ``_``, lists where a field repeats.
        yanked: The installer says so.
        provenance: Who published it.
    """

    artifact: PackageFile
    requested: bool = False
    extras: tuple[str, ...] = ()
    direct: str | None = None
    origin: Origin | None = None
    served_by: ProjectPage | None = None
    pages: tuple[ProjectPage, ...] = ()
    asked: bool = False
    metadata: Mapping[str, object] = field(default_factory=dict)
    yanked: bool = False
    provenance: Provenance | None = None

    @property
    def listed(self) -> IndexFile | None:
        """The file's own entry on the page that serves it."""
        if self.served_by is None:
            return None
        return next((file for file in self.served_by.files if file.filename == self.artifact.filename), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What facts about a release are measured against.

    Args:
        now: The time, with a time zone.
        min_age: A younger release is a finding.
        licenses: Identifiers that the policy lists; empty says nothing about licences.
        owners: Which index (URL) owns which names (patterns as of `fnmatch`), in the order of the policy.
        installed: Version of every installed distribution, by canonical name.
        fixes_installed: This release fixes an advisory that the installed version has.
    """

    now: datetime
    min_age: timedelta
    licenses: tuple[str, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    installed: Mapping[str, str] = field(default_factory=dict)
    fixes_installed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A release in its surroundings: what the checks of metadata read."""

    release: Release
    surroundings: Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisedRelease:
    """A release and what was published about it: what the checks of advisories read.

    Args:
        artifact: The file, or what is installed.
        advisories: Those that apply to exactly this version, each once, whatever it is called.
        problem: Why there may be more, such as the age of the database, in one sentence without a full stop.
        unconfirmed: Names of those that a second source, which was asked as well, does not have.
    """

    artifact: PackageFile
    advisories: tuple[Advisory, ...] = ()
    problem: str | None = None
    unconfirmed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildNeeded:
    """A requirement that only a build can satisfy.

    Args:
        kind: ``vcs``, ``folder``, ``sdist`` or ``url`` (of a file that is no wheel).
        editable: It was given with ``-e``.
    """

    kind: str
    editable: bool = False
