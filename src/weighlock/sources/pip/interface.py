"""What goes between the parts that call pip and the install gate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from weighlock.artifact import PackageFile
    from weighlock.release import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class PipRequest:
    """What the user asked of pip, taken apart: every argument has gone into exactly one of these, or was refused.

    Args:
        python: The interpreter of the environment that is installed into.
        resolving: Arguments for ``pip install --dry-run`` that select packages: requirements, files, constraints,
            indexes, ``--pre``, ``--upgrade`` and the like, all paths absolute.
        installing: Arguments that say how the judged wheels are installed: ``--target``, ``--user``, ``--prefix``,
            ``--root``, ``--no-compile``, ``--force-reinstall``, ``--upgrade`` and the like.
        environ: The environment variables for resolving, which carry the user's settings of pip.
        indexes: Every index that pip would ask, in its order, with credentials as the user wrote them.
        find_links: Folders and pages of links that pip would look into.
        builds: Requirements that nothing but a build can satisfy, by what the user wrote: each an sdist, a folder, an
            editable or a version control URL.
        origins: Where the user wrote each requirement, by canonical name.
        quiet: How often ``-q`` was given.
    """

    python: str
    resolving: tuple[str, ...] = field(repr=False)
    installing: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    indexes: tuple[str, ...] = field(default=(), repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    builds: tuple[Origin, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    quiet: int = 0


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
        pip_version: Of the pip that resolved.
        markers: The environment markers (PEP 508) of the target.
    """

    packages: tuple[Resolved, ...]
    pip_version: str
    markers: Mapping[str, str]


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
