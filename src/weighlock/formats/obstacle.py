"""What stood in the way of a reading: a structure like any other, since not knowing is a fact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A reading that could not be finished.

    Args:
        loader: Whose reading of the bytes it was, such as ``"zip"``.
        message: Why, one sentence without a full stop.
    """

    loader: str
    message: str


@dataclass(frozen=True, slots=True)
class BrokenHeader:
    """A safetensors header that breaks a rule of the format.

    Args:
        message: Which, one sentence without a full stop.
    """

    message: str
