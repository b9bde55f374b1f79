"""Which model a person asks for: ``org/name@ref``, ``hf:datasets/org/name``, ``oci:host/path:tag``, a URL or a path."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import LockfileError, UsageError
from weighlock.model_source import (
    HubRequest,
    HubSource,
    MlflowRequest,
    MlflowSource,
    OciRequest,
    OciSource,
    PathSource,
    UrlSource,
)
from weighlock.model_source_schema import (
    check_registered,
    check_repo,
    check_repository,
    check_tag,
    check_version_ref,
)
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from weighlock.lockfile import LockedModel, Lockfile
    from weighlock.model_source import ModelSource, ModelTarget
    from weighlock.policy import ModelIntent

_TYPES = {"models": "model", "datasets": "dataset", "spaces": "space"}
_MLFLOW = "models:"
_PATHS = ("./", "../", "/", "~", ".\\", "..\\")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A model that is to be locked.

    Args:
        name: In the lockfile.
        target: Where it comes from.
        include: File patterns; empty means all.
        exclude: File patterns that are left out.
        remote_code: Its Python files may be executed.
        unsafe: Why a person accepts files whatever they do, by path.
        keep: Files that are locked and not asked for stay.
    """

    name: str
    target: ModelTarget
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    remote_code: bool = False
    unsafe: tuple[tuple[str, str], ...] = ()
    keep: bool = False


def parse_request(text: str, folder: Path, *, type: str = "model", ref: str | None = None) -> ModelRequest:  # noqa: A002
    """Understand what a person wrote.

    Args:
        text: A repository of a Hub or of a registry, a registered model of MLflow, a URL or a path.
        folder: The folder of the lockfile, to which paths will be relative.
        type: Of the repository, where `text` does not say it.
        ref: Of the repository, where `text` does not say it.

    Raises:
        UsageError: It is none of these, or two of them.
    """
    if not text or not is_printable(text):
        raise UsageError("is not the name of a model", where=ascii(text))
    is_url, is_path = text.startswith(("https://", "http://")), text.startswith(_PATHS) or text in (".", "..")
    if text.startswith(_MLFLOW):
        return _mlflow_request(text.removeprefix(_MLFLOW).lstrip("/"), text, ref)
    if ref and (is_url or is_path):
        raise UsageError(f"is a {'URL' if is_url else 'path'}, which has no ref", where=text, hint="leave the ref out")
    if is_url:
        return ModelRequest(name=text, target=UrlSource(url=text))
    if is_path:
        return _path_request(text, folder)
    if text.startswith("oci:"):
        return _oci_request(text, ref)
    explicit = text.startswith("hf:")
    if not explicit and Path(text.partition("@")[0]).exists():
        raise UsageError(
            "is a path here and could be a repository", where=text, hint=f"write ./{text} or hf:{text} to say which"
        )
    return _hub_request(text.removeprefix("hf:").removeprefix("//"), type, ref)


def intent_request(intent: ModelIntent, folder: Path) -> ModelRequest:
    """Turn an entry of ``[tool.weighlock.models]`` into a request."""
    request = parse_request(intent.name, folder, type=intent.type, ref=intent.ref)
    return replace(request, include=intent.include, exclude=intent.exclude, remote_code=intent.remote_code)


def locked_request(model: LockedModel) -> ModelRequest:
    """Turn a locked model into the request that would lock it again."""
    return ModelRequest(name=model.name, target=_target_of(model.source))


def find(lockfile: Lockfile, request: ModelRequest) -> LockedModel | None:
    """Return the locked model that a request is about, whatever its name."""
    return next((model for model in lockfile.models if request.target.means(model.source)), None)


def _target_of(source: ModelSource) -> ModelTarget:
    match source:
        case HubSource(repo=repo, type=kind, ref=ref):
            return HubRequest(repo=repo, type=kind, ref=ref)
        case OciSource(repository=repository, ref=ref):
            return OciRequest(repository=repository, ref=ref)
        case MlflowSource(name=name, ref=ref):
            return MlflowRequest(name=name, ref=ref)
        case UrlSource() | PathSource():
            return source


def _hub_request(text: str, type: str, ref: str | None) -> ModelRequest:  # noqa: A002 - the Hub's own word
    repo, separator, given = text.partition("@")
    prefix, _, rest = repo.partition("/")
    if prefix in _TYPES and rest:
        repo, type = rest, _TYPES[prefix]  # noqa: A001 - the Hub's own word
    try:
        check_repo(repo, text)
    except LockfileError as error:
        raise UsageError(error.message, where=error.where, hint="write org/name, a URL, or ./a/path") from error
    if separator and not given:
        raise UsageError("names no ref after @", where=text)
    name = repo if type == "model" else f"{type}s/{repo}"
    return ModelRequest(name=name, target=HubRequest(repo=repo, type=type, ref=given or ref))


def _mlflow_request(rest: str, text: str, ref: str | None) -> ModelRequest:
    """Understand what MLflow understands; stages are told apart by case nowhere in MLflow, and everywhere here."""
    name, slash, given = rest.partition("/")
    if not slash and "@" in name:
        name, _, alias = name.rpartition("@")
        given = f"@{alias}"
    if given.isalpha():
        given = given.lower() if given.lower() == "latest" else given.capitalize()
    given = given.lstrip("0") or given
    try:
        check_registered(name, text)
        if given or ref:
            check_version_ref(given or ref or "", text)
    except LockfileError as error:
        hint = "write models:/NAME@ALIAS or models:/NAME/VERSION"
        raise UsageError(error.message, where=error.where, hint=hint) from error
    return ModelRequest(name=f"models:/{name}", target=MlflowRequest(name=name, ref=given or ref))


def _oci_request(text: str, ref: str | None) -> ModelRequest:
    """Understand ``oci:host/path:tag`` and ``oci:host/path@sha256:…``."""
    rest = text.removeprefix("oci:").removeprefix("//")
    repository, separator, given = rest.partition("@")
    if not separator and ":" in rest.rpartition("/")[2]:
        repository, separator, given = rest.rpartition(":")
    if separator and not given:
        raise UsageError("names no tag", where=text)
    if given and ref and given != ref:
        raise UsageError(f"names {given}, and --ref names {ref}", where=text, hint="leave one of them out")
    if separator and "@" in rest and ":" in repository.rpartition("/")[2]:
        raise UsageError("names a tag and a digest", where=text, hint="write one of them; a digest says more")
    try:
        check_repository(repository, text)
        chosen = given or ref
        if chosen:
            check_tag(chosen, text)
    except LockfileError as error:
        hint = "write oci:HOST/REPOSITORY:TAG or oci:HOST/REPOSITORY@sha256:…"
        raise UsageError(error.message, where=error.where, hint=hint) from error
    return ModelRequest(name=f"oci:{repository}", target=OciRequest(repository=repository, ref=chosen or None))


def _path_request(text: str, folder: Path) -> ModelRequest:
    relative = path_name(text, folder)
    return ModelRequest(name=relative, target=PathSource(path=relative))


def path_name(text: str, folder: Path) -> str:
    """Return what a lockfile calls the model at a path.

    Args:
        text: The path, as a person wrote it where they stand.
        folder: Of the lockfile.
    """
    place = Path(os.path.expanduser(text))  # Path.expanduser would forget the ./ before a tilde
    relative = Path(os.path.relpath(place.absolute(), folder.absolute())).as_posix()
    if not relative.startswith("../"):
        relative = f"./{relative}" if relative != "." else "."
    return relative
