"""The files of a model version, hashed by the server from where its clients would get them.

1. Find the place: the artifacts that the server itself serves, or a store that it reaches; never an address that
   answers whoever asks, since it may answer the server in another way than its clients.
2. List everything below it, within bounds.
3. Hash each file: where it lies, or from a copy of the server's own.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from weighlock.digests import digest_of
from weighlock.errors import DigestMismatchError, FormatError, OverBudgetError, SourceError
from weighlock.lockfile_schema import check_path

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FILES = 10_000
MOST_BYTES = 1 << 40
_DEEPEST = 50
_STORES = frozenset(("", "file", "s3", "r2", "b2", "gs", "wasbs", "abfss", "hdfs", "viewfs", "dbfs"))
"""Schemes of stores that answer everybody alike."""


def files_of(uri: str) -> dict[str, str]:
    """Return the SHA-256 of each file below an address, by its path there.

    Args:
        uri: What MLflow tells its clients to download.

    Raises:
        SourceError: It cannot be read, or is at an address that may answer the server alone.
        OverBudgetError: There are absurdly many files.
    """
    try:
        repository, root = _repository(uri)
        return {_relative(path, root): _digest(repository, path) for path, _ in _listed(repository, root)}
    except (MlflowException, OSError, DigestMismatchError) as error:
        raise SourceError(f"the artifacts cannot be read: {error}"[:500], where=uri[:200]) from error


def stamps_of(uri: str) -> dict[str, tuple[int, ...]]:
    """Return what tells that a file below an address was changed meanwhile, by its path there.

    A store that the server reaches over a network says no more of a file than its size.

    Raises:
        SourceError: It cannot be read, or is at an address that may answer the server alone.
        OverBudgetError: There are absurdly many files.
    """
    try:
        repository, root = _repository(uri)
        return {path: _stamp(repository, path, size) for path, size in _listed(repository, root)}
    except (MlflowException, OSError) as error:
        raise SourceError(f"the artifacts cannot be read: {error}"[:500], where=uri[:200]) from error


def _repository(uri: str) -> tuple[Any, str]:
    """Return what reads the artifacts of an address, and the path of the artifacts in it."""
    parts = urlsplit(uri)
    if parts.scheme == "mlflow-artifacts" and not parts.netloc and _serves():
        from mlflow.server import handlers

        path = parts.path.removeprefix("/")
        # One spelling for each folder, by which `sealed` finds it again.
        if uri != f"mlflow-artifacts:/{path}" or posixpath.normpath(path) != path or set(path) & {"%", "\\"}:
            raise SourceError("is no folder among the artifacts of this server, as MLflow writes it", where=uri[:200])
        return handlers._get_artifact_repo_mlflow_artifacts(), path  # noqa: SLF001 - as MLflow's own handlers do
    if parts.scheme.lower() not in _STORES:
        hint = "register the model from the artifacts of this server, as `mlflow.register_model` does"
        raise SourceError("is at an address that could answer others differently", where=uri[:200], hint=hint)
    return get_artifact_repository(uri), ""


def _serves() -> bool:
    return os.environ.get("_MLFLOW_SERVER_SERVE_ARTIFACTS") == "true"


def _listed(repository: Any, root: str) -> Iterator[tuple[str, int]]:
    """Yield the path and the size of each file, in bounds."""
    waiting, count, total = [(root, 0)], 0, 0
    while waiting:
        folder, depth = waiting.pop()
        for info in repository.list_artifacts(folder or None):
            count, total = count + 1, total + (info.file_size or 0)
            if count > MOST_FILES or total > MOST_BYTES or depth >= _DEEPEST:
                raise OverBudgetError(f"holds more than {MOST_FILES} files, or more than anybody loads", where=root)
            if not _is_below(info.path, folder):
                raise SourceError("lists a file that is not in it", where=str(info.path)[:200])
            if info.is_dir:
                waiting.append((info.path, depth + 1))
            else:
                yield info.path, info.file_size or 0


def _is_below(path: str, folder: str) -> bool:
    return posixpath.dirname(path) == folder and posixpath.normpath(path) == path


def _relative(path: str, root: str) -> str:
    relative = path[len(root) :].lstrip("/")
    try:
        check_path(relative, "path")
    except FormatError as error:
        raise SourceError(str(error), where=path[:200]) from None
    return relative


def _digest(repository: Any, path: str) -> str:
    local = repository.get_local_path(path)
    if local is not None:
        if os.path.realpath(local) != os.path.join(os.path.realpath(repository.artifact_dir), path):
            raise SourceError("is a link, or lies behind one", where=path[:200])
        return digest_of(local)[0].value
    with tempfile.TemporaryDirectory(prefix="weighlock-") as folder:
        place = os.path.join(folder, "file")
        repository._download_file(path, place)  # noqa: SLF001 - the one method that every repository has
        return digest_of(place)[0].value


def _stamp(repository: Any, path: str, size: int) -> tuple[int, ...]:
    local = repository.get_local_path(path)
    if local is None:
        return (size,)
    status = os.lstat(local)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
