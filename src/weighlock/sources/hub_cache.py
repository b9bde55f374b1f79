"""The Hugging Face cache, in huggingface_hub's own layout: ``blobs``, ``snapshots`` and ``refs`` of each repository.

What is published here is found by ``from_pretrained`` without a network. Nothing that already lies here is
believed: who asks for a file has to hash it.

Source:
    "Understand caching", huggingface_hub's documentation.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import SourceError, WeighlockError
from weighlock.files import write_atomically
from weighlock.sources.publish import make_inside, publish_blob

if TYPE_CHECKING:
    from weighlock.model_source import HubSource
    from weighlock.sources.interface import Fetched


class HubCache:
    """A cache folder.

    Args:
        root: By default the one that huggingface_hub uses (``HF_HUB_CACHE``, ``HF_HOME``).
    """

    apart = True

    def __init__(self, root: Path | None = None) -> None:
        if root is None:
            from huggingface_hub import constants

            root = Path(constants.HF_HUB_CACHE)
        self.root = root.expanduser().absolute()

    @property
    def quarantine(self) -> Path:
        """Where downloads wait: below ``.locks``, which every tool that lists the cache passes over."""
        return self.root / ".locks" / "weighlock-quarantine"

    def folder(self, source: HubSource) -> Path:
        """Return the folder of a commit, which need not exist."""
        return self._repository(source) / "snapshots" / source.revision

    def publish(self, source: HubSource, path: str, fetched: Fetched) -> Path:
        """Move a file out of the quarantine to where huggingface_hub looks for it.

        Args:
            source: Repository and commit.
            path: Of the file in the repository.
            fetched: A judged file in the quarantine of this cache.

        Returns:
            The path in the snapshot.

        Raises:
            WeighlockError: The file system refuses; then nothing was published.
        """
        blob = self._repository(source) / "blobs" / _blob_name(fetched)
        return publish_blob(self.root, blob, self.folder(source) / path, fetched)

    def finish(self, source: HubSource) -> None:
        """Let the ref lead to the locked commit, as huggingface_hub does after each download.

        A cache that cannot be written, such as a read-only mount, keeps its refs: under the guard they do not matter.

        Raises:
            SourceError: The ref would lead out of its folder.
        """
        if source.ref == source.revision:
            return
        ref = self._repository(source) / "refs" / source.ref
        if ".." in Path(source.ref).parts or Path(source.ref).is_absolute():
            raise SourceError("is not a ref", where=f"{source.repo}@{source.ref}")
        with contextlib.suppress(OSError, WeighlockError):
            make_inside(ref.parent, self.root)
            if not ref.is_file() or ref.read_text(encoding="utf-8", errors="replace") != source.revision:
                write_atomically(ref, source.revision.encode())

    def _repository(self, source: HubSource) -> Path:
        return self.root / "--".join((f"{source.type}s", *source.repo.split("/")))


def _blob_name(fetched: Fetched) -> str:
    """Return the name that huggingface_hub gives a blob: the git id of small files, else the SHA-256."""
    return fetched.git_id or fetched.sha256
