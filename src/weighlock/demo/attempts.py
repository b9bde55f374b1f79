"""What the demonstration tries, what should come of it with and without weighlock, and how that is recognised."""

from __future__ import annotations

import enum
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.demo.models import marker

if TYPE_CHECKING:
    from weighlock.demo.stage import Ended

_REFUSED = "weighlock refused "


class Outcome(enum.StrEnum):
    """What came of trying to load a model, or to install a package."""

    LOADED = "loaded"
    INSTALLED = "installed"
    CHANGED = "loaded CHANGED weights"
    PAYLOAD = "its PAYLOAD RAN"
    REFUSED = "refused"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One line of the table.

    Args:
        title: What is tried, for the table.
        name: The model.
        unguarded: What should come of it without weighlock.
        guarded: What should come of it with weighlock.
    """

    title: str
    name: str
    unguarded: Outcome
    guarded: Outcome


_L, _C, _P, _R = Outcome.LOADED, Outcome.CHANGED, Outcome.PAYLOAD, Outcome.REFUSED

SAFETENSORS = Attempt(title="safetensors, locked", name="encoder", unguarded=_L, guarded=_L)
PLAIN = Attempt(title="pickle of plain data, locked", name="classic", unguarded=_L, guarded=_L)
MOVED = Attempt(title="main moved to a malicious commit", name="ferry", unguarded=_P, guarded=_L)
MALICIOUS = Attempt(title="malicious pickle", name="free-weights", unguarded=_P, guarded=_R)
INSPECTED = Attempt(title='the same, unlocked = "inspect"', name="free-weights", unguarded=_P, guarded=_R)
UNLOCKED = Attempt(title="model that nobody locked", name="newcomer", unguarded=_L, guarded=_R)
SERVED = Attempt(title="Hub serves other bytes", name="barge", unguarded=_C, guarded=_R)
POISONED = Attempt(title="file changed in the cache", name="punt", unguarded=_C, guarded=_R)
NEEDY = Attempt(title="pickle that needs a class", name="legacy", unguarded=_L, guarded=_R)
APPROVED = Attempt(title="the same, that class approved", name="legacy", unguarded=_L, guarded=_L)

ATTEMPTS = (SAFETENSORS, PLAIN, MOVED, POISONED, SERVED, MALICIOUS, INSPECTED, UNLOCKED, NEEDY, APPROVED)


@dataclass(frozen=True, slots=True)
class Observer:
    """Recognises what came of a load.

    Args:
        targets: What `load.py` calls each model.
        fingerprints: Of the weights that each model's author published.
    """

    targets: dict[str, str]
    fingerprints: dict[str, str]

    def observe(self, name: str, folder: str, ended: Ended) -> Outcome:
        """Say what came of loading one model.

        Args:
            name: The model.
            folder: The current folder of the program, in which a payload leaves its mark.
            ended: What the program said.
        """
        if os.path.lexists(os.path.join(folder, marker(name))):
            return Outcome.PAYLOAD
        match = re.search(rf"^loaded {re.escape(self.targets[name])}: .* fingerprint (\w+)$", ended.out, re.MULTILINE)
        if match:
            return Outcome.LOADED if match[1] == self.fingerprints[name] else Outcome.CHANGED
        refusal = refusal_of(ended.err)
        return Outcome.REFUSED if ended.code and refusal and name in refusal else Outcome.FAILED


def refusal_of(err: str) -> str | None:
    """Return the refusal at the end of what a program wrote to standard error, without the traceback before it."""
    start = err.rfind(_REFUSED)
    return err[start:].rstrip() if start >= 0 else None
