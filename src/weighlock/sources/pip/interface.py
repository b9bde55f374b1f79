"""What goes between the parts that call pip and the install gate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.release import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from weighlock.artifact import PackageFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A requirement or a constraint that a wheel can satisfy, in the one spelling that pip gets to read.

    Args:
        line: For a requirements file, made from the parsed requirement and never a copy of what was read.
        origin: Where it was written.
        name: Canonical name of the project.
        url: Of a wheel, with credentials, where it names one.
    """

    line: str = field(repr=False)
    origin: Origin
    name: str
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build(Origin):
    """A requirement that nothing but a build can satisfy. Its ``text`` is what the user wrote, without credentials.

    Args:
        kind: ``vcs``, ``folder``, ``sdist`` or ``url`` (of a file that is no wheel).
        location: An absolute path or a URL, with credentials.
        name: Canonical name of the project, where the requirement says it.
        extras: That were asked for.
        editable: It was given with ``-e``.
        constraint: It stands among the constraints.
        marker: When it is wanted at all.
    """

    kind: str
    location: str = field(repr=False)
    name: str | None = None
    extras: tuple[str, ...] = ()
    editable: bool = False
    constraint: bool = False
    marker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How indexes are to be reached, as the user's pip would.

    Args:
        cert: A file or folder of certificates to trust instead of the system's.
        client_cert: A file with a key and a certificate of our own.
        proxy: For every request, instead of what the environment says.
        trusted_hosts: ``host`` or ``host:port`` whose certificates are not looked at, and that may be asked over HTTP.
        timeout: Seconds of silence, as written.
    """

    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = field(default=None, repr=False)
    trusted_hosts: tuple[str, ...] = ()
    timeout: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipRequest:
    """What the user asked of pip, taken apart: every argument has gone into exactly one of these, or was refused.

    Args:
        python: The interpreter of the environment that is installed into.
        requirements: All of them, from everywhere, that a wheel can satisfy.
        constraints: The same.
        builds: Requirements that nothing but a build can satisfy: an sdist, a folder, an editable, a version control
            URL. pip never hears of these.
        links: URLs of wheels that lockfiles list, each with its digest as a fragment.
        resolving: Options for ``pip install --dry-run`` that select packages, such as ``--pre`` and ``--upgrade``; no
            requirements, files or indexes.
        fetching: Options about indexes and the network, with credentials, for everything that asks an index.
        installing: Options that say how the judged wheels are installed: ``--target``, ``--user``, ``--prefix``,
            ``--root``, ``--no-compile``, ``--force-reinstall``, ``--upgrade`` and the like. All paths are absolute.
        environ: The environment variables for pip, without one that pip or Python would take as a setting.
        indexes: Every index that pip would ask, in its order, with credentials as the user wrote them.
        find_links: Folders and pages of links that pip would look into.
        network: The same as in `fetching`, for who asks the indexes without pip.
        origins: Where the user wrote each requirement, by canonical name.
        quiet: How often ``-q`` was given.
        dry_run: Nothing is to be installed.
        report: The file for pip's report.
    """

    python: str
    requirements: tuple[Wanted, ...] = ()
    constraints: tuple[Wanted, ...] = ()
    builds: tuple[Build, ...] = ()
    links: tuple[str, ...] = field(default=(), repr=False)
    resolving: tuple[str, ...] = ()
    fetching: tuple[str, ...] = field(default=(), repr=False)
    installing: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    indexes: tuple[str, ...] = field(default=(), repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    network: Network = Network()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    quiet: int = 0
    dry_run: bool = False
    report: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A package that pip chose.

    Args:
        artifact: The file; its digest is the one that pip would demand, where the index gives one.
        url: Where pip would fetch it, with credentials.
        requested: A person asked for it.
        extras: That were asked for.
        direct: ``url``, ``file`` or ``vcs`` where it was named by a URL or a path, else `None`.
        direct_url: What plain pip would write to ``direct_url.json``, or `None`.
        yanked: pip says so.
        metadata: Core metadata as in pip's report.
    """

    artifact: PackageFile
    url: str = field(repr=False)
    requested: bool = False
    extras: tuple[str, ...] = ()
    direct: str | None = None
    direct_url: Mapping[str, object] | None = None
    yanked: bool = False
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What pip would install, all of it.

    Args:
        packages: Only what would change in the environment.
        markers: The environment markers (PEP 508) of the target.
        report: pip's own report, for ``--report``.
    """

    packages: tuple[Resolved, ...]
    markers: Mapping[str, str]
    report: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWheel:
    """A wheel in quarantine that the policy admitted: its bytes, and what pip has to record about it.

    Args:
        path: In the quarantine.
        artifact: With the digest of the judged bytes.
        requested: A person asked for it, so it gets ``REQUESTED``.
        extras: That were asked for.
        direct_url: For ``direct_url.json``.
    """

    path: Path
    artifact: PackageFile
    requested: bool = False
    extras: tuple[str, ...] = ()
    direct_url: Mapping[str, object] | None = None
