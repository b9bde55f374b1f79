"""What a stage requires, each with what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import ForgedError, WeighlockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.promotion import Input

OK, MISSING, FAILS = "ok", "missing", "fails"
"""What can come of it. What could not be looked at fails, too."""

VERIFIER, REGISTRY, AFTER, QUARANTINE, ENGINES = "verifier", "registry", "after", "quarantine", "engines"
"""Kinds besides those of `weighlock.promotion_policy.EVIDENCE`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One thing that a promotion takes.

    Args:
        kind: Which.
        status: One of the words above.
        text: What was found, in one sentence without a full stop.
        where: Of what was looked at, for people.
        hint: The one step that supplies it.
        inputs: The documents that it rests on.
        people: Names of the signers who counted.
        identities: What was verified of them, such as ``key sha256:…``.
        kept: The bytes of a document that a rollback looks at again.
    """

    kind: str
    status: str
    text: str
    where: str = ""
    hint: str | None = None
    inputs: tuple[Input, ...] = ()
    people: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    kept: bytes = field(default=b"", repr=False)

    @property
    def met(self) -> bool:
        """Whether it is met."""
        return self.status == OK


def guarded(kind: str, look: Callable[[], Requirement], *, where: str = "") -> Requirement:
    """Return what came of a look; whatever goes wrong in it, the requirement is not met."""
    try:
        return look()
    except ForgedError as error:
        return Requirement(kind=kind, status=FAILS, text=error.message, where=error.where or where, hint=error.hint)
    except WeighlockError as error:
        said = error.message if error.exit_code == 1 else f"it could not be looked at: {error.message}"
        return Requirement(kind=kind, status=FAILS, text=said, where=error.where or where, hint=error.hint)
    except OSError as error:
        said = f"it cannot be read: {error.strerror or error}"
        return Requirement(kind=kind, status=FAILS, text=said, where=str(error.filename or where))
