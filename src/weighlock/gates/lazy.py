"""A locked safetensors file whose bytes are verified when they are read.

1. The chunks that hold the header are verified when the file is opened, and with them which locked file it is.
2. The chunks that hold a tensor are verified before the tensor is handed out, once.
3. A file whose stamps change meanwhile is refused: what was verified may be something else by now.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from weighlock.digest_cache import key_of
from weighlock.digests import chunk_digests
from weighlock.errors import DigestMismatchError, FormatError
from weighlock.formats import safetensors
from weighlock.formats.source import FileSource

if TYPE_CHECKING:
    from weighlock.gates.load import LoadGate
    from weighlock.lockfile import Chunks

_LENGTH = 8
"""Bytes in front of a safetensors header that say how long it is."""


class LazyFile:
    """An open file that is one of the lockfile, as far as its bytes were looked at.

    Args:
        descriptor: Of the file; it stays open until `close`.
        label: Its name, for messages.
        loader: Who reads it.
        chunks: What its bytes have to be.
        gate: Refuses.
    """

    def __init__(self, descriptor: int, label: str, loader: str, chunks: Chunks, gate: LoadGate) -> None:
        self.descriptor = os.dup(descriptor)
        self._key = key_of(os.fstat(descriptor))
        self._size = self._key[2]
        self.label = label
        self._loader = loader
        self._chunks = chunks
        self._gate = gate
        self._good: set[int] = set()
        self._places: dict[str, tuple[int, int]] = {}

    def is_locked(self) -> bool:
        """Say whether the bytes up to the end of the header are the locked ones, and learn where the tensors are."""
        if self._differing(0, _LENGTH):
            return False
        length = int.from_bytes(os.pread(self.descriptor, _LENGTH, 0), "little")
        if length > self._size or self._differing(0, _LENGTH + length):
            return False
        try:
            header = safetensors.parse(FileSource(self.descriptor, self._size))
        except FormatError:
            return False
        start = header.data_offset
        self._places = {tensor.name: (start + tensor.start, start + tensor.end) for tensor in header.tensors}
        return True

    def verify(self, name: str | None = None) -> None:
        """Verify the bytes of a tensor, or of the whole file.

        Args:
            name: Of the tensor; one that is not in the header has no bytes, and the library says so.

        Raises:
            LoadRefused: They are not the locked ones, or the file was changed.
        """
        place = (0, self._size) if name is None else self._places.get(name)
        if place is not None and self._differing(*place):
            what = "the file does" if name is None else f"the bytes of {name} do"
            self._refuse(f"{what} not have the locked digest")
        self.require_unchanged()

    def require_unchanged(self) -> None:
        """Check that the file is still the one that was verified.

        Raises:
            LoadRefused: It was changed.
        """
        if key_of(os.fstat(self.descriptor)) != self._key:
            self._refuse("the file was changed while it was being loaded")

    def close(self) -> None:
        """Let go of the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _differing(self, start: int, end: int) -> bool:
        """Say whether a chunk that holds bytes of a range is not the locked one."""
        if start == end:
            return False
        size = self._chunks.size
        numbers = [number for number in range(start // size, -(-end // size)) if number not in self._good]
        try:
            digests = chunk_digests(self.descriptor, self._size, size, chunks=numbers)
        except DigestMismatchError:
            return True
        if any(self._chunks.sha256[number] != digest for number, digest in zip(numbers, digests, strict=True)):
            return True
        self._good.update(numbers)
        return False

    def _refuse(self, why: str) -> None:
        self._gate.refuse_always(self.label, self._loader, [("changed", why)])


def open_lazily(gate: LoadGate, descriptor: int, label: str, loader: str) -> LazyFile | None:
    """Admit a file by its header, if the policy and the lockfile allow that.

    Args:
        gate: The gate of this process.
        descriptor: An open regular file, which stays the caller's.
        label: Its name, for messages.
        loader: Who reads it.

    Returns:
        The file, or ``None`` where it has to be judged as a whole: it is not in the lockfile, has no chunk digests
        there, or is no safetensors file; something is in quarantine, and no signature vouches for its digest; or
        several locked files begin alike, as a model and what was trained from it may do, and only the rest tells
        which one it is.

    Raises:
        LoadRefused: It is in the lockfile and may not be loaded.
    """
    if gate.policy.verify != "lazy" or gate.mode != "enforce" or gate.lockfile is None:
        return None
    if not gate.chunks_suffice():
        return None
    candidates = gate.lockfile.of_size(os.fstat(descriptor).st_size)
    known = {file.chunks for _, file in candidates if file.chunks and file.format == "safetensors"}
    with ExitStack() as stack:
        files = {chunks: LazyFile(descriptor, label, loader, chunks, gate) for chunks in known}
        for file in files.values():
            stack.callback(file.close)
        possible = [chunks for chunks, file in files.items() if file.is_locked()]
        if len(possible) != 1:
            return None
        gate.admit_locked(tuple(one for one in candidates if one[1].chunks == possible[0]), label, loader)
        stack.pop_all()
        for chunks in known.difference(possible):
            files[chunks].close()
        return files[possible[0]]
