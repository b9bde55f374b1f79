"""Where a model comes from: for each kind of source what is locked, and what a person can ask for.

What a kind can do (list, download, keep) is said in `weighlock.sources.interface`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """A repository on a Hugging Face Hub.

    Args:
        repo: ``organisation/name`` or ``name``.
        type: ``model``, ``dataset`` or ``space``.
        ref: The branch, tag or commit that was asked for.
        revision: The commit that it was when it was locked, 40 hexadecimal digits.
    """

    repo: str
    type: str = "model"
    ref: str = "main"
    revision: str

    @property
    def origin(self) -> str:
        """What a policy calls it."""
        return self.repo

    @property
    def shown(self) -> str:
        """What a person would lock."""
        return f"hf:{self.repo}@{self.ref}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OciSource:
    """An artifact in a registry of containers.

    Args:
        repository: ``host/path`` or ``host:port/path``.
        ref: The tag that was asked for, or the digest of a manifest, ``sha256:…``.
        revision: The digest of the manifest that it was when it was locked, ``sha256:…``.
    """

    repository: str
    ref: str
    revision: str

    @property
    def origin(self) -> str:
        """What a policy calls it: no repository of a Hub has a colon in its name."""
        return f"oci:{self.repository}"

    @property
    def shown(self) -> str:
        """What a person would lock."""
        return f"{self.origin}{'@' if ':' in self.ref else ':'}{self.ref}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowSource:
    """A registered model of an MLflow server.

    Args:
        name: Of the registered model.
        ref: The alias that was asked for, ``@production``, or a version.
        revision: The version that it was when it was locked, a whole number.
    """

    name: str
    ref: str
    revision: str

    @property
    def origin(self) -> str:
        """What a policy calls it, which is what MLflow calls it."""
        return f"models:/{self.name}"

    @property
    def shown(self) -> str:
        """What a person would lock."""
        return f"{self.origin}{'' if self.ref.startswith('@') else '/'}{self.ref}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSource:
    """A single file behind a URL."""

    url: str

    @property
    def origin(self) -> str:
        """What a policy calls it."""
        return self.url

    @property
    def shown(self) -> str:
        """What a person would lock."""
        return self.url

    def means(self, source: ModelSource) -> bool:
        """Whether a source is what is asked for."""
        return source == self


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSource:
    """A file or a folder on this machine, relative to the folder of the lockfile."""

    path: str

    @property
    def origin(self) -> str:
        """What a policy calls it."""
        return self.path

    @property
    def shown(self) -> str:
        """What a person would lock."""
        return self.path

    def means(self, source: ModelSource) -> bool:
        """Whether a source is what is asked for."""
        return source == self


Revised = HubSource | OciSource | MlflowSource
"""Sources whose refs lead to revisions."""

ModelSource = Revised | UrlSource | PathSource


def revision_of(source: ModelSource | None) -> str | None:
    """Return the commit, manifest or version that is locked, or nothing for a source that has none."""
    return None if source is None or isinstance(source, UrlSource | PathSource) else source.revision


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRequest:
    """A repository of a Hub, at a ref or at whatever is locked or default."""

    repo: str
    type: str = "model"
    ref: str | None = None

    def means(self, source: ModelSource) -> bool:
        """Whether a source is what is asked for, at whatever ref."""
        return isinstance(source, HubSource) and (source.type, source.repo) == (self.type, self.repo)


@dataclass(frozen=True, slots=True, kw_only=True)
class OciRequest:
    """A repository of a registry, at a tag or manifest, or at whatever is locked."""

    repository: str
    ref: str | None = None

    def means(self, source: ModelSource) -> bool:
        """Whether a source is what is asked for, at whatever ref."""
        return isinstance(source, OciSource) and source.repository == self.repository


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowRequest:
    """A registered model of an MLflow server, at an alias or version, or at whatever is locked."""

    name: str
    ref: str | None = None

    def means(self, source: ModelSource) -> bool:
        """Whether a source is what is asked for, at whatever ref."""
        return isinstance(source, MlflowSource) and source.name == self.name


ModelTarget = HubRequest | OciRequest | MlflowRequest | UrlSource | PathSource
"""What can be asked for; URLs and paths have no refs, so asking for one is naming it."""


def chosen(asked: str | None, locked: ModelSource | None, *, upgrade: bool) -> tuple[str | None, str | None]:
    """Decide between the ref that is asked for and the one that is locked.

    Args:
        asked: The ref of a request.
        locked: What is locked of it.
        upgrade: What is locked shall be resolved anew.

    Returns:
        The ref, where there is one, and the revision where it stays.
    """
    if locked is None or isinstance(locked, UrlSource | PathSource):
        return asked, None
    if upgrade or asked not in (None, locked.ref):
        return asked or locked.ref, None
    return locked.ref, locked.revision
