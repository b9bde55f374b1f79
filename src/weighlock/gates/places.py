"""Where the files of a locked model lie on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.lockfile import HubSource, PathSource, UrlSource
from weighlock.sources.hub_cache import HubCache
from weighlock.sources.url import TorchHubCache

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.lockfile import LockedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders in which models are looked for.

    Args:
        folder: Of the lockfile.
        cache: Of huggingface_hub.
        checkpoints: Of torch.hub.
        local: Where all files lie instead, as after ``sync --local-dir``.
    """

    folder: Path
    cache: HubCache = field(default_factory=HubCache)
    checkpoints: TorchHubCache = field(default_factory=TorchHubCache)
    local: Path | None = None

    def root(self, model: LockedModel) -> Path:
        """Return the folder of a model, or the file if it is a single local one."""
        match model.source:
            case PathSource(path=path):
                return self.folder / path
            case _ if self.local is not None:
                return self.local
            case HubSource() as source:
                return self.cache.snapshot(source)
            case UrlSource():
                return self.checkpoints.root

    def file(self, model: LockedModel, path: str) -> Path:
        """Return the place of one file."""
        root = self.root(model)
        if isinstance(model.source, PathSource) and not root.is_dir():
            return root
        return root / path

    def quarantine(self, model: LockedModel) -> Path:
        """Return where downloads for a model wait."""
        if self.local is not None:
            return self.local / ".weighlock-quarantine"
        return self.cache.quarantine if isinstance(model.source, HubSource) else self.checkpoints.quarantine
