"""What is signed when a lockfile is signed: its bytes, and every file that it lists.

The subjects are for everybody: whoever has a file of a model finds its digest among them. What the statement is about
is in the predicate alone, since a file of a model may itself be a lockfile, which somebody else made.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from weighlock.errors import ForgedError
from weighlock.signing.statement import Statement, Subject, unique

if TYPE_CHECKING:
    from weighlock.lockfile import Lockfile

PREDICATE = "https://weighlock.dev/lockfile/v1"


def statement_of(data: bytes, lockfile: Lockfile) -> Statement:
    """Return the statement about a lockfile.

    Args:
        data: Its bytes.
        lockfile: What they say.

    Source:
        ``docs/signatures.md``; in-toto Attestation Framework, spec/v1/statement.md.
    """
    digest = sha256(data).hexdigest()
    files = [
        Subject.sha256(f"{model.name}:{file.path}", file.sha256) for model in lockfile.models for file in model.files
    ]
    subjects = unique([Subject.sha256("models.lock", digest), *files])
    return Statement(predicate_type=PREDICATE, subjects=subjects, predicate={"lockfile": {"sha256": digest}})


def require_about(statement: Statement, data: bytes) -> None:
    """Demand that a statement is about exactly these bytes as a lockfile, and not as a file that some model has.

    Raises:
        ForgedError: It is about something else.

    Source:
        ``docs/signatures.md``.
    """
    if statement.predicate_type != PREDICATE:
        raise ForgedError(f"signs no lockfile, but {statement.predicate_type[:80]!r}")
    if statement.predicate.get("lockfile") != {"sha256": sha256(data).hexdigest()}:
        raise ForgedError("signs other bytes: the lockfile was changed since, or the signature is for another one")
