"""Where the models of registries lie on this machine: by content, and by name.

``blobs/SHA256`` holds the bytes, ``REPOSITORY/snapshots/MANIFEST/PATH`` leads to them. Nothing that lies here is
believed: who asks for a file has to hash it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from weighlock.digest_cache import cache_folder
from weighlock.errors import SourceError
from weighlock.sources.publish import publish_blob

if TYPE_CHECKING:
    from weighlock.model_source import OciSource
    from weighlock.sources.interface import Fetched

_LONGEST_NAME = 150  # characters; file systems take 255, and what is quoted is three times as long


class OciCache:
    """A cache folder.

    Args:
        root: By default the folder ``oci`` in weighlock's cache.
    """

    apart = True

    def __init__(self, root: Path | None = None) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        """The folder.

        Raises:
            SourceError: There is no place for it.
        """
        if self._root is not None:
            return self._root.expanduser().absolute()
        folder = cache_folder(os.environ)
        if folder is None:
            raise SourceError("there is no place for a cache of models", hint="set WEIGHLOCK_CACHE to a folder")
        return Path(folder) / "oci"

    @property
    def quarantine(self) -> Path:
        """Where downloads wait."""
        return self.root / ".weighlock-quarantine"

    def folder(self, source: OciSource) -> Path:
        """Return the folder of a revision, which need not exist."""
        return self.root / _quoted(source.repository) / "snapshots" / source.revision.removeprefix("sha256:")

    def publish(self, source: OciSource, path: str, fetched: Fetched) -> Path:
        """Move a file out of the quarantine to its place.

        Raises:
            WeighlockError: The file system refuses; then nothing was published.
        """
        blob = self.root / "blobs" / fetched.sha256
        return publish_blob(self.root, blob, self.folder(source) / path, fetched)

    def finish(self, source: OciSource) -> None:
        """Do nothing: a tag is for the lockfile to resolve."""


def _quoted(name: str) -> str:
    """Return a repository, which is in lower case, as the name of one folder."""
    text = quote(name, safe="").lower()
    if len(text) <= _LONGEST_NAME:
        return text
    return f"{text[: _LONGEST_NAME - 65]}-{hashlib.sha256(name.encode()).hexdigest()}"
