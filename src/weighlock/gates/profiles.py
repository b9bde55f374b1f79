"""The exact names that profiles approve; only who names a profile pays for the allowlist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def known_profiles() -> tuple[str, ...]:
    """Return the names of all profiles."""
    from weighlock.allowlist import PROFILES

    return PROFILES


def require_profiles(profiles: Sequence[str]) -> None:
    """Check names that a person typed.

    Raises:
        UsageError: There is no profile of one of these names.
    """
    for name in profiles:
        if name not in known_profiles():
            raise UsageError(f"there is no profile {name!r}", hint=f"choose from {', '.join(known_profiles())}")


def names_of(profiles: Sequence[str]) -> frozenset[str]:
    """Return every name that some profiles approve, ``module.name``."""
    if not profiles:
        return frozenset()
    from weighlock.allowlist import profile

    return frozenset().union(*map(profile, profiles))
