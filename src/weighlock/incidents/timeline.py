"""What the ledger knows about a subject, in the order of time: values of the report about an incident.

Times are what the recording processes said they were; numbers are where an entry stands under the tree, and those are
proved.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from weighlock.incidents.reach import is_use

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from weighlock.incidents.entries import Circumstance
    from weighlock.incidents.reach import Gap, Reach

LOCKED, SIGNED, PROMOTED, ROLLED_BACK = "locked", "signed", "promoted", "rolled back"
QUARANTINED, RELEASED, REFUSED, LET_THROUGH = "quarantined", "released", "refused", "let through"
LOADED, INSTALLED, SERVED, JUDGED = "loaded", "installed", "served", "judged"

_USES = {"load": LOADED, "install": INSTALLED, "mlflow": SERVED, "oci": SERVED}
_DEEDS = {"lock": LOCKED, "sign": SIGNED, "promotion": PROMOTED, "rollback": ROLLED_BACK}
_CHANGES = {"quarantined": QUARANTINED, "released": RELEASED}

DEEDS = frozenset({PROMOTED, ROLLED_BACK, QUARANTINED, RELEASED})
"""Actions of people that change what may be used: accesses before and after one are told apart."""


@lru_cache(maxsize=1 << 16)
def action_of(circumstance: Circumstance) -> str:
    """Return what happened, in one of the words above."""
    allowed, gate = circumstance.verdict == "ALLOW", circumstance.gate
    if gate == "quarantine" and allowed:
        return next((_CHANGES[rule] for rule in circumstance.rules.split("\n") if rule in _CHANGES), JUDGED)
    if not allowed:
        return LET_THROUGH if is_use(gate, "DENY", enforced=circumstance.enforced) else REFUSED
    return _DEEDS.get(gate) or _USES.get(gate, JUDGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where an entry stands.

    Args:
        number: Of the entry in the ledger.
        time: That it has.
    """

    number: int
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Entries that say the same, between two deeds of people.

    Args:
        action: What happened.
        gate: Who decided.
        actor: Whose process it was, ``user@host``.
        loader: The program's function that wanted it; empty where none did.
        rules: That the verdict rests on.
        count: How many entries there are.
        first: The earliest.
        last: The latest.
        names: What the artifacts were called, some of them.
        digests: Of the artifacts, some of them.
        rests: They name the subject as evidence, and are about something else.
    """

    action: str
    gate: str
    actor: str
    loader: str
    rules: tuple[str, ...]
    count: int
    first: Mark
    last: Mark
    names: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    rests: bool = False

    @property
    def host(self) -> str:
        """Where it was."""
        return self.actor.rpartition("@")[2]

    @property
    def user(self) -> str:
        """Who it was."""
        return self.actor.rpartition("@")[0] or self.actor

    @property
    def is_use(self) -> bool:
        """Whether something was used, and nothing stopped that."""
        return self.action in {LOADED, INSTALLED, SERVED, LET_THROUGH} and not self.rests


def count_uses(steps: Iterable[Step]) -> int:
    """Return how often something was used; a load that only warned has an entry for each thing that was wrong."""
    warned: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}
    count = 0
    for one in steps:
        if one.action == LET_THROUGH and not one.rests:
            rules = warned.setdefault((one.gate, one.actor, one.loader), {})
            rules[one.rules] = rules.get(one.rules, 0) + one.count
        elif one.is_use:
            count += one.count
    return count + sum(max(rules.values()) for rules in warned.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A denial of the quarantine list that is about the subject.

    Args:
        id: Of the denial.
        time: When.
        reason: Why, in that person's words.
        by: Who it was.
        released: When it was taken back.
        expires: When it ends by itself.
    """

    id: str
    time: datetime
    reason: str
    by: str
    released: datetime | None = None
    expires: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it denies anything at that time."""
        ends = [one for one in (self.released, self.expires) if one is not None]
        return self.time <= now and not any(one <= now for one in ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long it took; `None` where that did not happen, or is not known.

    Args:
        first_use: When it was first used.
        detected: When a gate first refused it, or a person denied it.
        quarantined: When a person denied it.
        refused: When it was first refused after that.
        rolled_back: When an earlier version was first brought back after that.
        to_detect: From the first use.
        to_quarantine: From the detection.
        to_refuse: From the quarantine.
        to_roll_back: From the quarantine.
        after: How often it was used while it was in quarantine.
        unseen: Hosts that used it before, and of which no entry at all came since.
    """

    first_use: datetime | None = None
    detected: datetime | None = None
    quarantined: datetime | None = None
    refused: datetime | None = None
    rolled_back: datetime | None = None
    to_detect: timedelta | None = None
    to_quarantine: timedelta | None = None
    to_refuse: timedelta | None = None
    to_roll_back: timedelta | None = None
    after: int = 0
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A portable proof of an entry.

    Args:
        number: Of the entry.
        why: What is proved, for people.
        document: As `weighlock ledger prove` writes it.
    """

    number: int
    why: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """What the report rests on.

    Args:
        place: Of the ledger.
        entries: How many there are.
        sealed: How many of them the checkpoint is about.
        missing: Records of processes that never came.
        checkpoint: The signed note; empty where nothing is sealed.
        key: The key of the ledger, as the separate verifier takes it.
        problem: Why it could not be verified; empty where it was.
    """

    place: str
    entries: int = 0
    sealed: int = 0
    missing: int = 0
    checkpoint: str = ""
    key: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Everything that the ledger knows about a subject, and how far anybody can rely on it.

    Args:
        subject: As it was named.
        now: When it was asked.
        since: Entries before that were left out.
        until: Entries from then on were left out.
        reach: Where it is, and what it means.
        steps: What happened, the earliest first.
        denials: Of the quarantine list, the earliest first.
        times: How long it took.
        proofs: Of the entries that matter most.
        ledger: That it rests on.
        gaps: What is not known, and why.
        notes: What else a person should know, in sentences.
    """

    subject: str
    now: datetime
    since: datetime | None
    until: datetime | None
    reach: Reach
    steps: tuple[Step, ...]
    denials: tuple[Denied, ...]
    times: Times
    proofs: tuple[Proof, ...]
    ledger: Vouched
    gaps: tuple[Gap, ...]
    notes: tuple[str, ...] = ()

    @property
    def entries(self) -> int:
        """How many entries of the ledger the steps are made of."""
        return sum(one.count for one in self.steps)
