"""What the load gate hands to a loader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighlock.lockfile import Located
    from weighlock.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What an admitted load may do.

    Args:
        digest: Of the judged bytes, where it was computed.
        imports: The only names (``module.name``) that its unpicklers may import; ``None`` for every data-only name.
        approved: The names among them that need not be data-only.
        anything: The load is not restricted, because a person accepted it so, or because the gate only warns.
        models: Those that list a file with these bytes and name safetensors files that hold the same tensors.
        located: Every lock entry for these bytes.
        own: This project saved these bytes.
        verdict: The policy's answer; ``None`` where nothing was decided, because the gate is off.
        denied: Digest of bytes that a gate which only warns lets through, where it was computed.
    """

    digest: str | None = None
    imports: frozenset[str] | None = None
    approved: frozenset[str] = frozenset()
    anything: bool = False
    models: tuple[Located, ...] = ()
    located: tuple[Located, ...] = ()
    own: bool = False
    verdict: Verdict | None = None
    denied: str | None = None
