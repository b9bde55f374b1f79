"""Artifacts of an MLflow server that cannot be changed any more once they were promoted.

``mlflow server --artifacts-destination weighlock+file:///srv/artifacts``. MLflow itself lets whoever may edit an
experiment overwrite and delete its artifacts, those of versions in production included. Clients verify what they load,
so that such bytes are refused; here they do not come about.

What is asked is the registry store of the same server, before each write, and again when an upload has come to its end:
who uploads slowly would else begin before a promotion and end after it. Who can write to the folder itself is not held
back.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable
    from typing import BinaryIO

_SCHEME = "weighlock+"
_PROXIED = "mlflow-artifacts:/"


class SealedArtifacts(LocalArtifactRepository):  # type: ignore[misc] # as for the store
    """A folder of artifacts.

    Args:
        artifact_uri: ``weighlock+file:…``.
        tracking_uri: For MLflow.
        registry_uri: For MLflow.
    """

    def __init__(self, artifact_uri: str, tracking_uri: Any = None, registry_uri: Any = None) -> None:
        if not hasattr(LocalArtifactRepository, "_publish_staged_artifact"):
            raise MlflowException("weighlock+file: does not know how this MLflow writes artifacts", INVALID_STATE)
        super().__init__(artifact_uri.removeprefix(_SCHEME), tracking_uri, registry_uri)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Copy one file, if it is no promoted one."""
        _require_open(artifact_path, posixpath.basename(local_file))
        super().log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Copy a folder, if nothing below it was promoted."""
        _require_open(artifact_path, "", whole=True)
        super().log_artifacts(local_dir, artifact_path)

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Write one file, if it is no promoted one."""
        _require_open(artifact_path, artifact_file_name)
        super().log_artifact_from_stream(stream, artifact_file_name, artifact_path)

    async def log_artifact_from_async_stream(
        self, chunks: AsyncIterable[bytes], artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Write one file, if it is no promoted one."""
        _require_open(artifact_path, artifact_file_name)
        await super().log_artifact_from_async_stream(chunks, artifact_file_name, artifact_path)

    def _publish_staged_artifact(
        self, temp_file_path: str, destination_file_path: str, finalize_temp_path: Callable[[str], None] | None = None
    ) -> None:
        """Put an uploaded file in its place, if what is there was not promoted meanwhile."""
        folder, name = os.path.split(os.path.relpath(destination_file_path, self.artifact_dir))
        _require_open(folder.replace(os.sep, "/"), name)
        super()._publish_staged_artifact(temp_file_path, destination_file_path, finalize_temp_path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file or a folder, if nothing below it was promoted."""
        _require_open(artifact_path, "", whole=True)
        super().delete_artifacts(artifact_path)


def _require_open(folder: str | None, name: str, *, whole: bool = False) -> None:
    """Refuse to change what was promoted.

    Args:
        folder: Relative to all artifacts; MLflow has looked that it stays below them.
        name: Of a file in it.
        whole: Everything below is changed as well.
    """
    from mlflow.server.handlers import _get_model_registry_store

    from weighlock.registry.mlflow.store import GuardedStore

    path = posixpath.normpath(posixpath.join("/", folder or "", name)).strip("/")
    store = _get_model_registry_store()
    if not isinstance(store, GuardedStore):
        raise MlflowException("weighlock+file: needs the registry store weighlock+…", INVALID_STATE)
    above = [path[:end] for end, letter in enumerate(path) if letter == "/"]
    store.require_open([f"{_PROXIED}{one}" for one in (*above, path)], f"{_PROXIED}{path}" if whole else None)
