"""Policy engines that are asked after the built-in policy: they can add a denial, and never take one back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.engines.interface import Engine
    from weighlock.evidence_policy import EngineChoice


def open_engines(choices: Sequence[EngineChoice], beside: str | None) -> tuple[Engine, ...]:
    """Return the engines of a policy, in its order.

    Args:
        choices: What the policy says.
        beside: The folder that relative paths begin at.

    Raises:
        PolicyError: One of them is not here.
    """
    for choice in choices:
        raise PolicyError(f"there is no engine for {choice.rego or choice.opa} (relative to {beside})")
    return ()
