"""Which tags of an MLflow registry say that something is in a stage.

Pipelines pick models by tags such as ``stage=production``, so that whoever may write one promotes. A tag says so when
one of the words of its key is a name of a stage, or one of the words of a short value without blanks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.promotion_policy import folded

if TYPE_CHECKING:
    from weighlock.promotion_policy import PromotionPolicy, Stage

_LONGEST = 64
_BETWEEN = re.compile(r"[\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def stages_said(key: str, value: str | None, policy: PromotionPolicy) -> tuple[Stage, ...]:
    """Return the stages that a tag names.

    Args:
        key: Such as ``stage``, ``deploy.production`` or ``isProduction``.
        value: Prose, paths and addresses say nothing, unless they are a name as a whole.
        policy: With the names.
    """
    words = {*_words(key), folded(value or ""), folded(key)}
    if value is not None and len(value) <= _LONGEST and not re.search(r"[\s/]", value.strip()):
        words |= _words(value)
    return tuple(stage for stage in policy.stages if any(stage.is_called(word) for word in words if word))


def _words(text: str) -> set[str]:
    return {word for part in _HUMP.split(text) for word in _BETWEEN.split(folded(part)) if word} | set(
        _BETWEEN.split(folded(text))
    )
