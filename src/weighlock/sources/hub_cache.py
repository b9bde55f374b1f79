"""The Hugging Face cache, in huggingface_hub's own layout: ``blobs``, ``snapshots`` and ``refs`` of each repository.

What is published here is found by ``from_pretrained`` without a network. Nothing that already lies here is
believed: who asks for a file has to hash it.

Source:
    "Understand caching", huggingface_hub's documentation.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import SourceError, WeighlockError
from weighlock.files import sync_folder, unfinished_file_errors, write_atomically

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
        repository = self._repository(source)
        pointer = self.folder(source) / path
        with unfinished_file_errors(pointer):
            blob = repository / "blobs" / _blob_name(fetched)
            for folder in (blob.parent, pointer.parent):
                _make_inside(folder, self.root)
            _publish_mode(fetched.place, blob.parent)
            os.replace(fetched.place, blob)
            _point(pointer, blob)
            sync_folder(blob.parent)
            sync_folder(pointer.parent)
        return pointer

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
            _make_inside(ref.parent, self.root)
            if not ref.is_file() or ref.read_text(encoding="utf-8", errors="replace") != source.revision:
                write_atomically(ref, source.revision.encode())

    def _repository(self, source: HubSource) -> Path:
        return self.root / "--".join((f"{source.type}s", *source.repo.split("/")))


def publish_to_folder(root: Path, path: str, fetched: Fetched) -> Path:
    """Move a file out of the quarantine into a plain folder.

    Raises:
        WeighlockError: The file system refuses, or a link leads out of the folder.
    """
    target = root / path
    with unfinished_file_errors(target):
        _make_inside(target.parent, root)
        _publish_mode(fetched.place, target.parent)
        os.replace(fetched.place, target)
        sync_folder(target.parent)
    return target


def _blob_name(fetched: Fetched) -> str:
    """Return the name that huggingface_hub gives a blob: the git id of small files, else the SHA-256."""
    return fetched.git_id or fetched.sha256


def _make_inside(folder: Path, root: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not folder.resolve().is_relative_to(root.resolve()):
        raise SourceError(f"a link leads out of {root}", where=str(folder), hint="remove the link")


def _publish_mode(place: Path, folder: Path) -> None:
    """Give a quarantined file (0600) the mode that new files have in its new folder."""
    probe = folder / f".weighlock-{secrets.token_hex(4)}"
    descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    try:
        place.chmod(os.fstat(descriptor).st_mode & 0o666)
    finally:
        os.close(descriptor)
        probe.unlink()


def _point(pointer: Path, blob: Path) -> None:
    """Replace the pointer of a snapshot by one to this blob, all or nothing."""
    temporary = pointer.with_name(f".{pointer.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        os.replace(blob, pointer)  # No symbolic links here: huggingface_hub moves the blob, too.
        return
    os.replace(temporary, pointer)
