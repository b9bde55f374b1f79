"""Evidence: what was verified about an artifact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEntry:
    """The artifact's digest is in the lockfile.

    Args:
        model: Name of the locked model.
        path: Path of the file in that model.
    """

    model: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person approved exact names for exactly these bytes.

    Args:
        imports: The names, ``module.name``.
        unsafe: The person accepted a refused file, whatever it does.
    """

    imports: frozenset[str] = frozenset()
    unsafe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSave:
    """A guarded program of this user, in this project, serialised exactly these bytes with a save function."""


Evidence = LockEntry | Approval | OwnSave
