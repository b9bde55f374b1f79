"""A class of the project's own, which its checkpoints hold."""

from __future__ import annotations


class Settings:
    """How a model was trained."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
