"""Evidence: what was verified about an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighlock.artifact import Digest


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Somebody whose signature counts signed a statement about the artifact.

    Args:
        signer: The name that the policy gives them.
        identity: What was verified of them: ``key sha256:…``, or the identity in a certificate.
        bundle: Digest of the bundle.
    """

    signer: str
    identity: str
    bundle: Digest


Evidence = LockEntry | Approval | OwnSave | Signature
