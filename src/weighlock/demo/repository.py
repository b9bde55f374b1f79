"""Repositories of the loopback Hub: blobs, commits, branches and tags, in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The real Hub stores these suffixes, and every file over 10 MB, as LFS objects (its default .gitattributes).
LFS_LIMIT = 10_000_000
# fmt: off
LFS_SUFFIXES = (
    ".7z", ".arrow", ".bin", ".bz2", ".ckpt", ".ftz", ".gguf", ".gz", ".h5", ".joblib", ".mlmodel", ".model",
    ".msgpack", ".npy", ".npz", ".onnx", ".ot", ".parquet", ".pb", ".pickle", ".pkl", ".pt", ".pth", ".rar",
    ".safetensors", ".tar", ".tflite", ".tgz", ".wasm", ".xz", ".zip", ".zst",
)
# fmt: on


@dataclass(frozen=True)
class Blob:
    """The bytes of one file, with the two names that the Hub gives them.

    Args:
        data: The bytes.
        lfs: Whether the Hub would store them as an LFS object.
    """

    data: bytes
    lfs: bool

    @classmethod
    def of(cls, path: str, data: bytes) -> Blob:
        """Make the blob of a file, as an LFS object where its suffix or its size asks for it."""
        return cls(data, len(data) > LFS_LIMIT or path.lower().endswith(LFS_SUFFIXES))

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)

    @cached_property
    def sha256(self) -> str:
        """The name of an LFS object."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def git_id(self) -> str:
        """The name that git gives to the bytes."""
        return hashlib.sha1(b"blob %d\0" % self.size + self.data, usedforsecurity=False).hexdigest()

    @property
    def etag(self) -> str:
        """The ETag that the Hub sends: SHA-256 of an LFS object, git's name of everything else."""
        return self.sha256 if self.lfs else self.git_id


@dataclass(frozen=True)
class Commit:
    """One state of a repository; it never changes.

    Args:
        sha: Its name, 40 hexadecimal digits.
        files: Every file of that state.
    """

    sha: str
    files: Mapping[str, Blob]


@dataclass
class Repository:
    """A repository, with every commit that it ever had.

    Args:
        type: ``model``, ``dataset`` or ``space``.
        id: ``org/name`` or ``name``.
    """

    type: str
    id: str
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, list[str]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    tampered: dict[str, bytes] = field(default_factory=dict)

    def commit(self, files: Mapping[str, bytes | None], ref: str) -> str:
        """Put a commit on a branch, which is made from ``main`` where it is new.

        Args:
            files: What changes: new bytes by path, or None to remove the file.
            ref: The branch.

        Returns:
            The name of the commit.
        """
        history = self.branches.setdefault(ref, list(self.branches.get("main", ())))
        state = dict(self.commits[history[-1]].files) if history else {}
        for path, data in files.items():
            if data is None:
                del state[path]
            else:
                state[path] = Blob.of(path, data)
        listing = "\n".join(f"{blob.git_id} {path}" for path, blob in sorted(state.items()))
        identity = f"{self.type}\n{self.id}\n{ref}\n{history}\n{listing}".encode()
        sha = hashlib.sha1(identity, usedforsecurity=False).hexdigest()
        self.commits[sha] = Commit(sha, state)
        history.append(sha)
        return sha

    def find(self, revision: str) -> Commit | None:
        """Find the commit that a branch, a tag or a commit's own name means."""
        if revision in self.branches:
            return self.commits[self.branches[revision][-1]]
        return self.commits.get(self.tags.get(revision, revision))

    def served(self, path: str, blob: Blob) -> bytes:
        """Return the bytes that a download gets, which are others than the blob's where the path is tampered with."""
        return self.tampered.get(path, blob.data)
