"""The rules of a valid ``source`` in a lockfile, kind by kind.

Source:
    ``docs/formats/models-lock.md``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from weighlock.errors import LockfileError
from weighlock.lockfile_keys import check_keys, name, text, type_of
from weighlock.model_source import HubSource, MlflowSource, ModelSource, OciSource, PathSource, UrlSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HUB = frozenset({"hf", "ref", "revision", "type"})
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_REPO = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)?\Z")

_HOST = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?P<host>{_HOST})/(?P<path>{_PART}(?:/{_PART})*)\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_MANIFEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_LONGEST_REPOSITORY = 255
_ALIAS = re.compile(r"@[A-Za-z0-9_-]{1,255}\Z")
_STAGES = ("latest", "None", "Staging", "Production", "Archived")
_MODEL_VERSION = re.compile(r"[1-9][0-9]{0,18}\Z")


def read_source(table: object, where: str) -> ModelSource:
    """Return the source of a model.

    Raises:
        LockfileError: It is none, or of two kinds.
    """
    if not isinstance(table, dict):
        raise LockfileError(f"is {type_of(table)}, expected a table", where=where)
    kinds = [kind for kind in _KINDS if kind in table]
    if len(kinds) != 1:
        *most, last = _KINDS
        raise LockfileError(f"needs exactly one of {', '.join(most)} and {last}", where=where)
    return _KINDS[kinds[0]](table, where)


def identity(source: ModelSource) -> str:
    """Return what two models of a lockfile cannot both come from."""
    match source:
        case HubSource():
            return f"{source.type}:{source.repo}"
        case PathSource():
            return f"path:{source.path}"
        case _:
            return source.origin


def check_repo(repo: str, where: str) -> str:
    """Return `repo` if it is a name that a Hub accepts.

    Raises:
        LockfileError: It is not.

    Source:
        ``huggingface_hub.utils.validate_repo_id``.
    """
    if not _REPO.match(repo) or "--" in repo or ".." in repo or repo.endswith((".git", ".", "-")):
        raise LockfileError("is not the name of a repository", where=where)
    return repo


def check_repository(repository: str, where: str) -> str:
    """Return `repository` if it is a host and a repository in its registry, in the one spelling that all accept.

    Raises:
        LockfileError: It is not.

    Source:
        OCI Distribution Specification 1.1, "Pulling manifests"; no registry is assumed, so the host is not optional.
    """
    found = _REPOSITORY.match(repository) if len(repository) <= _LONGEST_REPOSITORY else None
    host = found["host"] if found else ""
    if "." not in host and ":" not in host and host != "localhost":
        raise LockfileError("is not HOST/REPOSITORY of a registry, in lower case", where=where)
    return repository


def check_tag(ref: str, where: str) -> str:
    """Return `ref` if it is a tag, or the SHA-256 digest of a manifest.

    Raises:
        LockfileError: It is neither.

    Source:
        OCI Distribution Specification 1.1, "Pulling manifests".
    """
    if not _TAG.match(ref) and not _MANIFEST.match(ref):
        raise LockfileError("is neither a tag nor sha256: with 64 lower-case hexadecimal digits", where=where)
    return ref


def check_manifest(digest: str, where: str) -> str:
    """Return `digest` if it can be that of a manifest.

    Raises:
        LockfileError: It is not.
    """
    if not _MANIFEST.match(digest):
        raise LockfileError("is not sha256: with 64 lower-case hexadecimal digits", where=where)
    return digest


def check_registered(model: str, where: str) -> str:
    """Return `model` if it can be the name of a registered model.

    Raises:
        LockfileError: It cannot.

    Source:
        ``mlflow.utils.validation._validate_model_name``.
    """
    if not model.strip() or "/" in model or ":" in model:
        raise LockfileError("is not the name of a registered model", where=where)
    return model


def check_version_ref(ref: str, where: str) -> str:
    """Return `ref` if it leads to versions of a registered model.

    Raises:
        LockfileError: It does not.

    Source:
        ``mlflow.store.artifact.utils.models._parse_model_uri``; aliases are told apart by case.
    """
    if not _ALIAS.match(ref) and not _MODEL_VERSION.match(ref) and ref not in _STAGES:
        message = f"is neither @ with an alias, nor a version, nor one of {', '.join(_STAGES)}"
        raise LockfileError(message, where=where)
    return ref


def _hub_source(table: Mapping[str, Any], where: str) -> HubSource:
    check_keys(table, _HUB, where)
    kind = table.get("type", "model")
    if kind not in ("model", "dataset", "space"):
        raise LockfileError("is none of model, dataset and space", where=f"{where}.type")
    revision = text(table, "revision", where)
    if not _COMMIT.match(revision):
        raise LockfileError("is not a commit of 40 lower-case hexadecimal digits", where=f"{where}.revision")
    return HubSource(
        repo=check_repo(name(table, "hf", where), f"{where}.hf"),
        type=kind,
        ref=name(table, "ref", where),
        revision=revision,
    )


def _oci_source(table: Mapping[str, Any], where: str) -> OciSource:
    check_keys(table, frozenset({"oci", "ref", "revision"}), where)
    source = OciSource(
        repository=check_repository(name(table, "oci", where), f"{where}.oci"),
        ref=check_tag(name(table, "ref", where), f"{where}.ref"),
        revision=check_manifest(text(table, "revision", where), f"{where}.revision"),
    )
    if ":" in source.ref and source.ref != source.revision:
        raise LockfileError("is the digest of another manifest than ref", where=f"{where}.revision")
    return source


def _mlflow_source(table: Mapping[str, Any], where: str) -> MlflowSource:
    check_keys(table, frozenset({"mlflow", "ref", "revision"}), where)
    model = check_registered(name(table, "mlflow", where), f"{where}.mlflow")
    ref = check_version_ref(name(table, "ref", where), f"{where}.ref")
    revision = text(table, "revision", where)
    if not _MODEL_VERSION.match(revision):
        raise LockfileError("is not a version, which is a whole number", where=f"{where}.revision")
    if _MODEL_VERSION.match(ref) and ref != revision:
        raise LockfileError("is another version than ref", where=f"{where}.revision")
    return MlflowSource(name=model, ref=ref, revision=revision)


def _url_source(table: Mapping[str, Any], where: str) -> UrlSource:
    check_keys(table, frozenset({"url"}), where)
    return UrlSource(url=_url(name(table, "url", where), f"{where}.url"))


def _path_source(table: Mapping[str, Any], where: str) -> PathSource:
    check_keys(table, frozenset({"path"}), where)
    return PathSource(path=name(table, "path", where))


def _url(url: str, where: str) -> str:
    scheme, separator, rest = url.partition("://")
    host = rest.partition("/")[0]
    if not separator or scheme not in ("https", "http") or not host or " " in url:
        raise LockfileError("is not an http or https URL", where=where)
    if "@" in host:
        raise LockfileError("holds credentials", where=where, hint="remove them; a lockfile is read by everybody")
    return url


_KINDS: dict[str, Callable[[Mapping[str, Any], str], ModelSource]] = {
    "hf": _hub_source,
    "oci": _oci_source,
    "mlflow": _mlflow_source,
    "url": _url_source,
    "path": _path_source,
}
