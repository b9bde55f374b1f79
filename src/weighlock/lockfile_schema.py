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
    LockedFile,
    LockedModel,
    Lockfile,
)
from weighlock.lockfile_keys import (
    check_keys,
    count,
    digest,
    flag,
    matching,
    name,
    names,
    required,
    tables,
    text,
    type_of,
)
from weighlock.model_source_schema import identity, read_source
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
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\Z", re.ASCII)
_FORMAT = re.compile(r"[a-z0-9][a-z0-9.+_-]*\Z")
_DRIVE = re.compile(r"[A-Za-z]:")


def read_lockfile(document: Mapping[str, Any]) -> Lockfile:
    """Make a `Lockfile` from a TOML document.

    Raises:
        LockfileError: A key is unknown, missing or broken; `where` is its path.
    """
    _check_version(document)
    check_keys(document, _TOP, "")
    rows = tables(document.get("models", []), "models")
    models = tuple(_model(row, f"models[{index}]") for index, row in enumerate(rows))
    _check_unique([model.name for model in models], "models", "name")
    _check_unique([identity(model.source) for model in models], "models", "source")
    return Lockfile(models=models, created_by=text(document, "created-by", ""))


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


def _check_version(document: Mapping[str, Any]) -> None:
    version = text(document, "lock-version", "")
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
    check_keys(table, _MODEL, where)
    rows = tables(required(table, "files", where), f"{where}.files")
    if not rows:
        raise LockfileError("is empty; a model has at least one file", where=f"{where}.files")
    files = tuple(_file(file, f"{where}.files[{index}]") for index, file in enumerate(rows))
    _check_paths([file.path for file in files], f"{where}.files")
    _check_twins(files, f"{where}.files")
    return LockedModel(
        name=name(table, "name", where),
        source=read_source(required(table, "source", where), f"{where}.source"),
        license=name(table, "license", where) if "license" in table else None,
        remote_code=flag(table, "remote-code", where),
        files=files,
    )


def _file(table: Mapping[str, Any], where: str) -> LockedFile:
    check_keys(table, _FILE, where)
    size = count(table, "size", where)
    file = LockedFile(
        path=check_path(text(table, "path", where), f"{where}.path"),
        size=size,
        sha256=digest(required(table, "sha256", where), f"{where}.sha256"),
        format=matching(table, "format", _FORMAT, where),
        outcome=_outcome(table, where),
        imports=names(table, "imports", where),
        needs=names(table, "needs", where),
        approved=names(table, "approved", where),
        unsafe=flag(table, "unsafe", where),
        reason=name(table, "reason", where) if "reason" in table else None,
        chunks=_chunks(table["chunks"], size, f"{where}.chunks") if "chunks" in table else None,
        equivalent_to=names(table, "equivalent-to", where),
    )
    if file.unsafe and file.reason is None:
        raise LockfileError("needs a reason beside it", where=f"{where}.unsafe", hint='add reason = "…"')
    if not set(file.needs) <= set(file.imports):
        raise LockfileError("names something that imports does not", where=f"{where}.needs")
    return file


def _chunks(table: object, size: int, where: str) -> Chunks:
    if not isinstance(table, dict):
        raise LockfileError(f"is {type_of(table)}, expected a table", where=where)
    check_keys(table, frozenset({"size", "sha256"}), where)
    part = count(table, "size", where)
    digests = required(table, "sha256", where)
    if part == 0 or not isinstance(digests, list):
        raise LockfileError("is not a size above zero with a list of digests", where=where)
    if len(digests) != -(-size // part):
        raise LockfileError(f"has {len(digests)} digests for {-(-size // part)} parts", where=f"{where}.sha256")
    checked = tuple(digest(item, f"{where}.sha256[{index}]") for index, item in enumerate(digests))
    return Chunks(size=part, sha256=checked)


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


def _outcome(table: Mapping[str, Any], where: str) -> str | None:
    outcome = table.get("outcome")
    if outcome is not None and outcome not in OUTCOMES:
        raise LockfileError(f"is none of {', '.join(sorted(OUTCOMES))}", where=f"{where}.outcome")
    return outcome
