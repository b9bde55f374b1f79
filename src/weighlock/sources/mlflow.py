"""Registered models of an MLflow server: which version a ref is, its artifacts, and where they are kept here.

MLflow knows no digests, and who may write to its artifacts can overwrite those of a version that was registered long
ago. So a version says which artifacts to ask for, and only the digests in the lockfile say what they must be.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from weighlock.digest_cache import cache_folder
from weighlock.errors import UsageError
from weighlock.model_source import MlflowRequest, MlflowSource, chosen
from weighlock.sources.download import Wanted, fetch
from weighlock.sources.interface import Listing
from weighlock.sources.mlflow_server import MlflowServer, find_settings
from weighlock.sources.publish import publish_to_folder
from weighlock.sources.transport import Transport

if TYPE_CHECKING:
    from weighlock.lockfile import LockedModel
    from weighlock.sources.interface import Fetched, Offer, Progress
    from weighlock.sources.quarantine import Quarantine


class MlflowRegistry:
    """The MLflow server that this environment names.

    Args:
        allow_http: Other machines may be asked without encryption.
    """

    def __init__(self, *, allow_http: bool = False) -> None:
        self._transport = Transport(allow_http=allow_http)
        self._roots: dict[tuple[str, str], str] = {}

    def list(self, request: MlflowRequest, old: LockedModel | None, *, upgrade: bool) -> Listing:
        """List the artifacts of the locked version, or of what its ref is now."""
        ref, revision = chosen(request.ref, old.source if old else None, upgrade=upgrade)
        ref = ref or "latest"
        source = MlflowSource(
            name=request.name, ref=ref, revision=revision or self._server.version_of(request.name, ref)
        )
        where = f"{source.origin}/{source.revision}"
        return Listing(source=source, files=self._server.list(self._root(source), where))

    def now(self, source: MlflowSource) -> MlflowSource:
        """Find the version that the ref of a source is now."""
        revision = self._server.version_of(source.name, source.ref)
        return MlflowSource(name=source.name, ref=source.ref, revision=revision)

    def fetch(
        self, source: MlflowSource, offer: Offer, quarantine: Quarantine, transport: Transport, progress: Progress
    ) -> Fetched:
        """Download one artifact of a version."""
        url = self._server.url_of(self._root(source), offer.path)
        wanted = Wanted(
            label=f"{source.origin}/{source.revision}: {offer.path}",
            url=url,
            headers=self._server.settings.headers,
            identity=f"{url} {offer.sha256}",
            size=offer.size,
            sha256=offer.sha256,
            announced=offer.announced or "the MLflow server",
        )
        return fetch(wanted, quarantine, transport, progress)

    @cached_property
    def _server(self) -> MlflowServer:
        return MlflowServer(find_settings(os.environ), self._transport)

    def _root(self, source: MlflowSource) -> str:
        key = (source.name, source.revision)
        if key not in self._roots:
            self._roots[key] = self._server.root_of(*key)
        return self._roots[key]


class MlflowFolder:
    """Where synced versions lie: MLflow itself keeps no cache.

    Args:
        root: By default the folder ``mlflow`` in weighlock's cache.
    """

    apart = True

    def __init__(self, root: Path | None = None) -> None:
        self._root = root

    @property
    def quarantine(self) -> Path:
        """Where downloads wait."""
        return self._place / ".weighlock-quarantine"

    def folder(self, source: MlflowSource) -> Path:
        """Return the folder of a version."""
        name = quote(source.name, safe=" ")
        return self._place / (f"%2E{name[1:]}" if name.startswith(".") else name) / source.revision

    def publish(self, source: MlflowSource, path: str, fetched: Fetched) -> Path:
        """Move a file out of the quarantine to the folder of its version."""
        return publish_to_folder(self.folder(source), path, fetched)

    def finish(self, source: MlflowSource) -> None:
        """Do nothing: an alias is MLflow's, and the lockfile says what it was."""

    @cached_property
    def _place(self) -> Path:
        folder = str(self._root) if self._root else cache_folder(os.environ)
        if folder is None:
            raise UsageError("is needed to keep models in, and neither is HOME set", where="WEIGHLOCK_CACHE")
        return Path(folder).absolute() if self._root else Path(folder) / "mlflow"
