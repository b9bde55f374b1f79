"""The rules of a valid lockfile: everything that is not expected is refused, with the path of the key.

Source:
    ``docs/formats/models-lock.md``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from weighlock.errors import LockfileError
from weighlock.lockfile import (
    LOCK_VERSION,
    Chunks,
    HubSource,
    LockedFile,
    LockedModel,
    Lockfile,
    ModelSource,
    PathSource,
    UrlSource,
)
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OUTCOMES = frozenset({"not-a-model", "data-only", "needs-approval", "unverifiable", "refused"})

_TOP = frozenset({"lock-version", "created-by", "models"})
_MODEL = frozenset({"name", "source", "license", "remote-code", "files"})
_FILE = frozenset(
    {
        *("path", "size", "sha256", "format", "outcome", "imports", "needs"),
        *("approved", "unsafe", "reason", "equivalent-to", "chunks"),
    }
)
_HUB = frozenset({"hf", "ref", "revision", "type"})
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\Z", re.ASCII)
_FORMAT = re.compile(r"[a-z0-9][a-z0-9.+_-]*\Z")
_REPO = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)?\Z")
_DRIVE = re.compile(r"[A-Za-z]:")


def read_lockfile(document: Mapping[str, Any]) -> Lockfile:
    """Make a `Lockfile` from a TOML document.

    Raises:
        LockfileError: A key is unknown, missing or broken; `where` is its path.
    """
    _check_version(document)
    _check_keys(document, _TOP, "")
    tables = _tables(document.get("models", []), "models")
    models = tuple(_model(table, f"models[{index}]") for index, table in enumerate(tables))
    _check_unique([model.name for model in models], "models", "name")
    _check_unique([_identity(model.source) for model in models], "models", "source")
    return Lockfile(models=models, created_by=_text(document, "created-by", ""))


def check_path(path: str, where: str) -> str:
    """Return `path` if it stays inside the folder of its model on every system.

    Raises:
        LockfileError: It is absolute, climbs out, or holds characters that would mislead a reader.
    """
    if not is_printable(path):
        raise LockfileError("holds characters that cannot be shown", where=where)
    if "\\" in path or _DRIVE.match(path) or path.startswith("/"):
        raise LockfileError("is not a relative path with forward slashes", where=where)
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise LockfileError("leaves the folder of its model", where=where)
    return path


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


def _check_version(document: Mapping[str, Any]) -> None:
    version = _text(document, "lock-version", "")
    if version == LOCK_VERSION:
        return
    if not _VERSION.match(version):
        raise LockfileError(f"is not a version, expected {LOCK_VERSION!r}", where="lock-version")
    raise LockfileError(
        f"version {version} is not known to this weighlock, which reads {LOCK_VERSION}",
        where="lock-version",
        hint="upgrade weighlock, or restore the version of the lockfile that this one wrote",
    )


def _model(table: Mapping[str, Any], where: str) -> LockedModel:
    _check_keys(table, _MODEL, where)
    tables = _tables(_required(table, "files", where), f"{where}.files")
    if not tables:
        raise LockfileError("is empty; a model has at least one file", where=f"{where}.files")
    files = tuple(_file(file, f"{where}.files[{index}]") for index, file in enumerate(tables))
    _check_paths([file.path for file in files], f"{where}.files")
    _check_twins(files, f"{where}.files")
    return LockedModel(
        name=_name(table, "name", where),
        source=_source(_required(table, "source", where), f"{where}.source"),
        license=_name(table, "license", where) if "license" in table else None,
        remote_code=_flag(table, "remote-code", where),
        files=files,
    )


def _source(table: object, where: str) -> ModelSource:
    if not isinstance(table, dict):
        raise LockfileError(f"is {_type(table)}, expected a table", where=where)
    kinds = sorted({"hf", "url", "path"} & set(table))
    if len(kinds) != 1:
        raise LockfileError("needs exactly one of hf, url and path", where=where)
    if kinds == ["hf"]:
        return _hub_source(table, where)
    _check_keys(table, frozenset(kinds), where)
    value = _name(table, kinds[0], where)
    if kinds == ["path"]:
        return PathSource(path=value)
    return UrlSource(url=_url(value, f"{where}.url"))


def _hub_source(table: Mapping[str, Any], where: str) -> HubSource:
    _check_keys(table, _HUB, where)
    kind = table.get("type", "model")
    if kind not in ("model", "dataset", "space"):
        raise LockfileError("is none of model, dataset and space", where=f"{where}.type")
    revision = _text(table, "revision", where)
    if not _COMMIT.match(revision):
        raise LockfileError("is not a commit of 40 lower-case hexadecimal digits", where=f"{where}.revision")
    return HubSource(
        repo=check_repo(_name(table, "hf", where), f"{where}.hf"),
        type=kind,
        ref=_name(table, "ref", where),
        revision=revision,
    )


def _url(url: str, where: str) -> str:
    scheme, separator, rest = url.partition("://")
    host = rest.partition("/")[0]
    if not separator or scheme not in ("https", "http") or not host or " " in url:
        raise LockfileError("is not an http or https URL", where=where)
    if "@" in host:
        raise LockfileError("holds credentials", where=where, hint="remove them; a lockfile is read by everybody")
    return url


def _file(table: Mapping[str, Any], where: str) -> LockedFile:
    _check_keys(table, _FILE, where)
    size = _count(table, "size", where)
    file = LockedFile(
        path=check_path(_text(table, "path", where), f"{where}.path"),
        size=size,
        sha256=_digest(_required(table, "sha256", where), f"{where}.sha256"),
        format=_matching(table, "format", _FORMAT, where),
        outcome=_outcome(table, where),
        imports=_names(table, "imports", where),
        needs=_names(table, "needs", where),
        approved=_names(table, "approved", where),
        unsafe=_flag(table, "unsafe", where),
        reason=_name(table, "reason", where) if "reason" in table else None,
        chunks=_chunks(table["chunks"], size, f"{where}.chunks") if "chunks" in table else None,
        equivalent_to=_names(table, "equivalent-to", where),
    )
    if file.unsafe and file.reason is None:
        raise LockfileError("needs a reason beside it", where=f"{where}.unsafe", hint='add reason = "…"')
    if not set(file.needs) <= set(file.imports):
        raise LockfileError("names something that imports does not", where=f"{where}.needs")
    return file


def _chunks(table: object, size: int, where: str) -> Chunks:
    if not isinstance(table, dict):
        raise LockfileError(f"is {_type(table)}, expected a table", where=where)
    _check_keys(table, frozenset({"size", "sha256"}), where)
    part = _count(table, "size", where)
    digests = _required(table, "sha256", where)
    if part == 0 or not isinstance(digests, list):
        raise LockfileError("is not a size above zero with a list of digests", where=where)
    if len(digests) != -(-size // part):
        raise LockfileError(f"has {len(digests)} digests for {-(-size // part)} parts", where=f"{where}.sha256")
    checked = tuple(_digest(digest, f"{where}.sha256[{index}]") for index, digest in enumerate(digests))
    return Chunks(size=part, sha256=checked)


def _check_keys(table: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise LockfileError("is not a key of a lockfile", where=_join(where, key))


def _check_unique(values: Sequence[str], where: str, key: str) -> None:
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        if value in seen:
            raise LockfileError(f"is the same as {where}[{seen[value]}].{key}", where=f"{where}[{index}].{key}")
        seen[value] = index


def _check_paths(paths: Sequence[str], where: str) -> None:
    _check_unique(paths, where, "path")
    known = set(paths)
    for index, path in enumerate(paths):
        parents = path.split("/")[:-1]
        if any("/".join(parents[: end + 1]) in known for end in range(len(parents))):
            raise LockfileError("lies below a path that is itself a file", where=f"{where}[{index}].path")


def _check_twins(files: Sequence[LockedFile], where: str) -> None:
    """Demand that what a file is said to be equivalent to is a safetensors file of the same model."""
    formats = {file.path: file.format for file in files}
    for index, file in enumerate(files):
        for position, path in enumerate(file.equivalent_to):
            key = f"{where}[{index}].equivalent-to[{position}]"
            if path not in formats:
                raise LockfileError("is not a file of the model", where=key)
            if path == file.path or formats[path] != "safetensors":
                raise LockfileError("is not another file in the format safetensors", where=key)


def _identity(source: ModelSource) -> str:
    match source:
        case HubSource():
            return f"{source.type}:{source.repo}"
        case UrlSource():
            return source.url
        case PathSource():
            return f"path:{source.path}"


def _required(table: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in table:
        raise LockfileError("is missing", where=_join(where, key))
    return table[key]


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = _required(table, key, where)
    if not isinstance(value, str):
        raise LockfileError(f"is {_type(value)}, expected a string", where=_join(where, key))
    return value


def _name(table: Mapping[str, Any], key: str, where: str) -> str:
    value = _text(table, key, where)
    if not value or not is_printable(value):
        raise LockfileError("is empty or holds control characters", where=_join(where, key))
    return value


def _names(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = table.get(key, [])
    if not isinstance(values, list):
        raise LockfileError(f"is {_type(values)}, expected a list of strings", where=_join(where, key))
    for index, value in enumerate(values):
        if not isinstance(value, str) or not value or not is_printable(value):
            raise LockfileError("is not a name that can be shown", where=f"{_join(where, key)}[{index}]")
    if len(set(values)) != len(values):
        raise LockfileError("names something twice", where=_join(where, key))
    return tuple(values)


def _outcome(table: Mapping[str, Any], where: str) -> str | None:
    outcome = table.get("outcome")
    if outcome is not None and outcome not in OUTCOMES:
        raise LockfileError(f"is none of {', '.join(sorted(OUTCOMES))}", where=f"{where}.outcome")
    return outcome


def _matching(table: Mapping[str, Any], key: str, pattern: re.Pattern[str], where: str) -> str | None:
    if key not in table:
        return None
    value = _text(table, key, where)
    if not pattern.match(value):
        raise LockfileError("is not a short lower-case name", where=_join(where, key))
    return value


def _digest(value: object, where: str) -> str:
    if not isinstance(value, str) or not _SHA256.match(value):
        raise LockfileError("is not a SHA-256 digest of 64 lower-case hexadecimal digits", where=where)
    return value


def _count(table: Mapping[str, Any], key: str, where: str) -> int:
    value = _required(table, key, where)
    if not isinstance(value, int) or isinstance(value, bool):
        raise LockfileError(f"is {_type(value)}, expected a whole number", where=_join(where, key))
    if value < 0:
        raise LockfileError("is negative", where=_join(where, key))
    return value


def _flag(table: Mapping[str, Any], key: str, where: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise LockfileError(f"is {_type(value)}, expected true or false", where=_join(where, key))
    return value


def _tables(value: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise LockfileError(f"is {_type(value)}, expected tables", where=where)
    for index, table in enumerate(value):
        if not isinstance(table, dict):
            raise LockfileError(f"is {_type(table)}, expected a table", where=f"{where}[{index}]")
    return value


def _join(where: str, key: str) -> str:
    shown = key if is_printable(key) else ascii(key)
    return f"{where}.{shown}" if where else shown


def _type(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a float", str: "a string", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")
