"""The proof that the ledger has an entry about the lockfile of an audited model.

Only what is sealed can be proved, and nothing is sealed for the sake of an audit: `weighlock ledger` does that. The
entries of earlier audits count for nothing here, since each would answer the next one.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from weighlock.audit.facts import LedgerProof
from weighlock.entry import Entry
from weighlock.errors import FormatError, LedgerError, TamperedError
from weighlock.gates.recording import ledger_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from weighlock.gates.project import Project
    from weighlock.ledger.verifier import Checkpoint, Key

_AT_ONCE = 4096
_MOST = 1_000_000
"""Entries that are looked through, the newest first."""

_OWN = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What came of the ledger.

    Args:
        proof: Of the newest entry, if there is one.
        problem: Why there is none.
        forged: What is there does not verify.
    """

    proof: LedgerProof | None = None
    problem: str | None = None
    forged: bool = False


class Sealed(Protocol):
    """The part of a ledger that is read here."""

    def published(self) -> bytes | None:
        """Return the published checkpoint."""

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield entries."""

    def inclusion(self, index: int, size: int) -> Sequence[bytes]:
        """Return the proof of inclusion."""


def proof_of(lock: str | None, project: Project, environ: Mapping[str, str]) -> Proved:
    """Look for the newest sealed entry about a lockfile, and prove it.

    Args:
        lock: Digest of the lockfile, ``sha256:…``.
        project: Its policy says where the ledger is.
        environ: The variables of the user.
    """
    from weighlock.ledger.keys import key_of
    from weighlock.ledger.store import FileLedger

    beside = os.path.dirname(os.path.abspath(project.policy_path)) if project.policy_path else None
    folder = ledger_folder(environ, project.policy.evidence.ledger, beside)
    if folder is None or lock is None:
        return Proved(problem="there is no lockfile, or no place for a ledger")
    try:
        key = key_of(folder, environ)
        if not key.exists():
            return Proved(problem="nothing was sealed in the ledger yet, so that nothing can be proved")
        return prove(FileLedger(folder, key), key.read().public, lock)
    except TamperedError as error:
        return Proved(problem=str(error), forged=True)
    except LedgerError as error:
        return Proved(problem=str(error))


def prove(ledger: Sealed, key: Key, lock: str) -> Proved:
    """Return the newest sealed entry about a lockfile, with a proof that was verified.

    Args:
        ledger: Where it is looked for.
        key: Of the ledger, whose checkpoint it has to be.
        lock: Digest of the lockfile.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    from weighlock.ledger.verifier import VerificationError, leaf_hash, verify_checkpoint, verify_inclusion

    note = ledger.published()
    if note is None:
        return Proved(problem="nothing was sealed in the ledger yet, so that nothing can be proved")
    try:
        checkpoint = verify_checkpoint(note, key)
        found = _newest(ledger, checkpoint.size, lock)
        if found is None:
            return Proved(problem="no sealed entry of the ledger is about this lockfile")
        index, data, _ = found
        hashes = ledger.inclusion(index, checkpoint.size)
        verify_inclusion(leaf_hash(data), index, checkpoint.size, hashes, checkpoint.root)
    except (VerificationError, FormatError) as error:
        return Proved(problem=f"the ledger does not verify: {error}", forged=True)
    return Proved(proof=_proof(found, hashes, checkpoint, note))


def _newest(ledger: Sealed, size: int, lock: str) -> tuple[int, bytes, Entry] | None:
    wanted = lock.encode()
    for stop in range(size, max(0, size - _MOST), -_AT_ONCE):
        start = max(0, stop - _AT_ONCE)
        rows = list(ledger.read(start, stop))
        for number in range(len(rows) - 1, -1, -1):
            if wanted not in rows[number]:
                continue
            entry = Entry.from_bytes(rows[number])
            if str(entry.digest) == lock and entry.gate != _OWN:
                return start + number, rows[number], entry
    return None


def _proof(
    found: tuple[int, bytes, Entry], hashes: Sequence[bytes], checkpoint: Checkpoint, note: bytes
) -> LedgerProof:
    index, data, entry = found
    return LedgerProof(
        index=index,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        checkpoint=note.decode("utf-8", "replace"),
        hashes=tuple(one.hex() for one in hashes),
        entry=f"sha256:{hashlib.sha256(data).hexdigest()}",
        time=entry.time.isoformat(timespec="seconds"),
        gate=entry.gate,
        verdict=str(entry.verdict),
    )
