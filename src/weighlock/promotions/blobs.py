"""Where the bytes of promoted versions lie: each file once, under its digest, on this disk or on shared storage.

A place is never believed: bytes are hashed while they are written, and again whenever they are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from weighlock.errors import DigestMismatchError, SourceError, UnsupportedError
from weighlock.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_AT_ONCE = 1 << 20
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


class Blobs(Protocol):
    """A place for bytes.

    Attributes:
        place: Where it is, for people.
    """

    place: str

    def put(self, sha256: str, source: BinaryIO) -> None:
        """Keep bytes, all or nothing; where they are already, they are read again.

        Raises:
            DigestMismatchError: They have another digest.
            SourceError: They cannot be kept.
        """

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield bytes, and raise in the end if they are others: nothing of them may be used before.

        Raises:
            DigestMismatchError: They are not what was put there.
            SourceError: They are not there, or cannot be read.
        """


def verify(blobs: Blobs, sha256: str) -> int:
    """Read bytes to their end, and return how many there are.

    Raises:
        DigestMismatchError: They are not what was put there.
        SourceError: They are not there, or cannot be read.
    """
    return sum(map(len, blobs.read(sha256)))


class FolderBlobs:
    """Bytes in a folder that is this user's alone.

    Args:
        folder: Made where it is not there.
    """

    def __init__(self, folder: str) -> None:
        self.place = folder
        self._folder = Path(folder)

    def put(self, sha256: str, source: BinaryIO) -> None:
        """Keep bytes, see `Blobs.put`."""
        target = self._path(sha256)
        if target.exists() and _is_intact(self, sha256):
            return
        incoming = self._folder / "incoming"
        try:
            for folder in (self._folder, incoming, target.parent.parent, target.parent):
                folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            name = incoming / secrets.token_hex(16)
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_FILE)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    _copy(source, file, sha256)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            raise SourceError(f"cannot be kept: {error.strerror or error}", where=str(target)) from error
        sync_folder(target.parent)

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield bytes, see `Blobs.read`."""
        from weighlock.sources.directory import open_regular

        with os.fdopen(open_regular(self._path(sha256)), "rb") as file:
            yield from _verified(file, sha256, f"{self.place}: sha256:{sha256}")

    def _path(self, sha256: str) -> Path:
        return self._folder / "sha256" / sha256[:2] / sha256


class SharedBlobs:
    """Bytes on shared storage, by fsspec: a bucket, a share, or whatever else it has a name for.

    Args:
        url: Such as ``s3://bucket/models``; who may read and write there is for the storage to say.

    Raises:
        UnsupportedError: fsspec, or what it needs for this kind of storage, is not installed.
    """

    def __init__(self, url: str) -> None:
        self.place = url
        try:
            import fsspec

            system, path = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            hint = "pip install 'weighlock[fsspec]', and what fsspec needs for it, such as s3fs"
            raise UnsupportedError(f"storage of this kind cannot be reached: {error}", where=url, hint=hint) from error
        self._system: Any = system
        self._root = str(path).rstrip("/")

    def put(self, sha256: str, source: BinaryIO) -> None:
        """Keep bytes, see `Blobs.put`."""
        target = self._path(sha256)
        incoming = f"{self._root}/incoming/{secrets.token_hex(16)}"
        with self._errors(target):
            if self._system.exists(target) and _is_intact(self, sha256):
                return
            for path in (incoming, target):
                self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                with self._system.open(incoming, "wb") as file:
                    _copy(source, file, sha256)
                self._system.mv(incoming, target)
            except BaseException:
                with contextlib.suppress(Exception):
                    self._system.rm(incoming)
                raise

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield bytes, see `Blobs.read`."""
        path = self._path(sha256)
        with self._errors(path), self._system.open(path, "rb") as file:
            yield from _verified(file, sha256, f"{self.place}: sha256:{sha256}")

    def _path(self, sha256: str) -> str:
        return f"{self._root}/sha256/{sha256[:2]}/{sha256}"

    @contextlib.contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """Turn what storage refuses into one clear line; its libraries raise whatever they like."""
        try:
            yield
        except (DigestMismatchError, SourceError, GeneratorExit):
            raise
        except FileNotFoundError as error:
            raise SourceError("is not there", where=path) from error
        except Exception as error:
            raise SourceError(f"the storage refused: {type(error).__name__}: {error}", where=path) from error


def _is_intact(blobs: Blobs, sha256: str) -> bool:
    try:
        verify(blobs, sha256)
    except (DigestMismatchError, SourceError):
        return False
    return True


def _copy(source: BinaryIO, file: BinaryIO, sha256: str) -> None:
    file.writelines(_verified(source, sha256, f"sha256:{sha256}"))


def _verified(source: BinaryIO, sha256: str, where: str) -> Iterator[bytes]:
    hasher = hashlib.sha256()
    while part := source.read(_AT_ONCE):
        hasher.update(part)
        yield part
    if hasher.hexdigest() != sha256:
        raise DigestMismatchError(f"has sha256:{hasher.hexdigest()} now: its bytes were changed", where=where)
