"""What the load gate knows about bytes that it does not admit: questions of loaders, of served files, of messages."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from weighlock.digests import sha256_file
from weighlock.errors import DigestMismatchError
from weighlock.finding import Outcome
from weighlock.gates.admission import Admission
from weighlock.gates.opened_file import OpenedFile
from weighlock.gates.refusing import Refusing
from weighlock.policy import path_argument

if TYPE_CHECKING:
    from weighlock.digest_cache import DigestCache
    from weighlock.gates.load_decisions import LoadDecisions
    from weighlock.gates.load_quarantine import LoadQuarantine
    from weighlock.lockfile import LockedFile, Lockfile

LARGEST_DIGEST_FOR_A_MESSAGE = 1 << 30
"""Bytes; naming the digest of an unlocked file in its refusal should not take longer than a second or two."""


class Recognising(Refusing):
    """A gate that knows bytes by the lockfile.

    Args:
        mode: ``enforce``, ``warn`` or ``off``.
        decisions: Record.
        lockfile: What is expected.
        cache: Digests of files that were hashed before.
        quarantine: Says what is denied now.
    """

    def __init__(
        self,
        mode: str,
        decisions: LoadDecisions,
        lockfile: Lockfile | None,
        cache: DigestCache,
        quarantine: LoadQuarantine | None = None,
    ) -> None:
        super().__init__(mode, decisions, quarantine)
        self.lockfile = lockfile
        self._cache = cache

    def inspect(self, pickle: bytes | int) -> Admission:
        """Return what a pickle that is no artifact of its own may import.

        Args:
            pickle: Bytes in memory, or the descriptor of a file that belongs to a message between processes.

        Returns:
            Its names, where it holds only data; no names where it does not.
        """
        from weighlock.formats.source import BytesSource, FileSource
        from weighlock.inspector import inspect

        source = BytesSource(pickle) if isinstance(pickle, bytes) else FileSource(pickle, os.fstat(pickle).st_size)
        inspection = inspect(source)
        only_data = inspection.outcome is Outcome.DATA_ONLY
        return Admission(imports=frozenset(inspection.imports if only_data else ()))

    def knows_bytes(self, data: bytes | memoryview) -> bool:
        """Say whether bytes in memory are those of a locked file."""
        if self.lockfile is None or not self.lockfile.of_size(len(data)):
            return False
        return bool(self.lockfile.by_digest(hashlib.sha256(data).hexdigest()))

    def holds(self, descriptor: int, locked: LockedFile) -> bool:
        """Say whether an open file has exactly the bytes of one locked file."""
        file = OpenedFile(descriptor, locked.path, "", self._cache)
        if file.size != locked.size:
            return False
        try:
            same = file.has_chunks(locked.chunks) if locked.chunks else file.sha256() == locked.sha256
            if same and locked.chunks and not self.chunks_suffice():
                same = file.sha256() == locked.sha256
        except DigestMismatchError:
            return False
        return same and file.is_unchanged()

    def chunks_suffice(self) -> bool:
        """Say whether the digests of its parts tell which file it is.

        Which digest belongs to them says the lockfile alone: who edits it could give a denied file another one. Where
        anything is denied, a signature has to vouch for that, or the whole file is hashed.
        """
        if self.lockfile is not None and self.lockfile.signed_by:
            return True
        return self._quarantine is None or not self._quarantine.denies_anything()

    @staticmethod
    def approval(label: str) -> str:
        """Return the command that approves the names of a file."""
        return f"weighlock approve {path_argument(label)}"

    @staticmethod
    def locking(label: str) -> str:
        """Return the command that puts a file into the lockfile."""
        return f"weighlock lock {path_argument(label)}"

    def digest_for_message(self, descriptor: int) -> str | None:
        """Return the digest of an open file that is about to be refused, unless it would take long."""
        size = os.fstat(descriptor).st_size
        try:
            return sha256_file(descriptor, size) if size <= LARGEST_DIGEST_FOR_A_MESSAGE else None
        except DigestMismatchError:
            return None

    def has_digest(self, descriptor: int, sha256: str | None) -> bool:
        """Say whether an open file still has a digest, by reading it again."""
        return sha256 is not None and sha256_file(descriptor, os.fstat(descriptor).st_size) == sha256
