"""Where the files of a locked model lie on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import UsageError
from weighlock.model_source import HubSource, MlflowSource, OciSource, PathSource, UrlSource
from weighlock.sources.hub_cache import HubCache
from weighlock.sources.mlflow import MlflowFolder
from weighlock.sources.oci.cache import OciCache
from weighlock.sources.publish import publish_to_folder
from weighlock.sources.url import TorchHubCache

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.lockfile import LockedModel
    from weighlock.model_source import ModelSource
    from weighlock.sources.interface import Fetched, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders in which models are looked for.

    Args:
        folder: Of the lockfile.
        cache: Of huggingface_hub.
        checkpoints: Of torch.hub.
        versions: Of registered models of MLflow.
        artifacts: Of registries of containers.
        local: Where all files lie instead, as after ``sync --local-dir``.
    """

    folder: Path
    cache: HubCache = field(default_factory=HubCache)
    checkpoints: TorchHubCache = field(default_factory=TorchHubCache)
    versions: MlflowFolder = field(default_factory=MlflowFolder)
    artifacts: OciCache = field(default_factory=OciCache)
    local: Path | None = None

    def root(self, model: LockedModel) -> Path:
        """Return the folder of a model, or the file if it is a single local one."""
        if isinstance(model.source, PathSource):
            return self.folder / model.source.path
        return self.local or self.store(model.source).folder(model.source)

    def file(self, model: LockedModel, path: str) -> Path:
        """Return the place of one file."""
        root = self.root(model)
        if isinstance(model.source, PathSource) and not root.is_dir():
            return root
        return root / path

    def store(self, source: ModelSource) -> Store:
        """Return what keeps the files of a source.

        Raises:
            UsageError: Nothing does: it is a path.
        """
        match source:
            case HubSource():
                return self.cache
            case UrlSource():
                return self.checkpoints
            case OciSource():
                return self.artifacts
            case MlflowSource():
                return self.versions
            case PathSource():
                raise UsageError("is where it is, and is not kept elsewhere", where=source.shown)

    def quarantine(self, model: LockedModel) -> Path:
        """Return where downloads for a model wait."""
        return self.local / ".weighlock-quarantine" if self.local else self.store(model.source).quarantine

    def publish(self, model: LockedModel, path: str, fetched: Fetched) -> Path:
        """Move a file out of the quarantine to its place.

        Raises:
            WeighlockError: The file system refuses; then nothing was published.
        """
        if self.local:
            return publish_to_folder(self.local, path, fetched)
        return self.store(model.source).publish(model.source, path, fetched)

    def finish(self, model: LockedModel) -> None:
        """Do what is to be done when all files of a model are there."""
        if not self.local and not isinstance(model.source, PathSource):
            self.store(model.source).finish(model.source)

    def is_apart(self, model: LockedModel) -> bool:
        """Whether what lies beside the files of a model belongs to it."""
        return bool(self.local) or isinstance(model.source, PathSource) or self.store(model.source).apart

    def is_shared(self, model: LockedModel) -> bool:
        """Whether other projects put files into the folder of a model."""
        return not self.local and not isinstance(model.source, PathSource)
