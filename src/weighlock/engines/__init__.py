"""Policy engines that are asked after the built-in policy: they can add a denial, and never take one back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from weighlock.engines.interface import Engine
    from weighlock.evidence_policy import EngineChoice


def open_engines(
    choices: Sequence[EngineChoice], beside: str | None, environ: Mapping[str, str] | None = None
) -> tuple[Engine, ...]:
    """Return the engines of a policy, in its order; what they need is started with the first question.

    Args:
        choices: What the policy says.
        beside: The folder that relative paths begin at; ``None`` is the current one.
        environ: Holds the tokens that the policy names; ``None`` is the environment of this process.

    Raises:
        PolicyError: One of them is not here.
    """
    return tuple(_engine(choice, beside, os.environ if environ is None else environ) for choice in choices)


def _engine(choice: EngineChoice, beside: str | None, environ: Mapping[str, str]) -> Engine:
    if choice.opa is not None:
        from weighlock.engines.opa import Opa

        return Opa(choice.opa, choice.query, choice.timeout, token=choice.token, environ=environ)
    from weighlock.engines.rego import Rego

    # Absolute, for a program may change its folder before the first question.
    path = os.path.abspath(os.path.join(beside or "", choice.rego or ""))
    return Rego(path, choice.query, choice.timeout)
