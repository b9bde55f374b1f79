"""Reach: where a subject is, what was made from it, who loaded it, and how far anybody could look.

All of these are facts with their place. What could not be looked at is one of them: an answer without gaps is the only
one that may say "nowhere".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

DIGEST, MODEL, BASE_MODEL, PACKAGE, ADVISORY, SIGNER = "digest", "model", "base-model", "package", "advisory", "signer"

MEANINGS = (DIGEST, MODEL, BASE_MODEL, PACKAGE, ADVISORY, SIGNER)
"""What a subject can be."""

READ, GONE, ELSEWHERE, UNREADABLE = "read", "gone", "elsewhere", "unreadable"
"""What became of a place that was to be looked at; `GONE` and `ELSEWHERE` are documents that the ledger recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One thing that a subject can mean.

    Args:
        kind: One of `MEANINGS`.
        name: In the spelling that is looked for.
        digests: Of the files that it stands for, ``sha256:…``, as far as they are known.
        known: Something is known of it in this meaning; what nothing is known of was looked for in each.
    """

    kind: str
    name: str
    digests: tuple[str, ...] = ()
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A file of a lockfile.

    Args:
        place: Of the lockfile.
        model: Its name there.
        source: Where the model comes from, in the words of the lockfile.
        path: In the model.
        digest: ``sha256:…``.
        size: Bytes.
        approved: Names that a person approved for these bytes.
    """

    place: str
    model: str
    source: str
    path: str
    digest: str
    size: int
    approved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A component of a bill of materials.

    Args:
        place: Of the bill.
        name: As the bill has it.
        version: The same; empty where there is none.
        kind: What the bill calls it, such as ``library``.
        part: Where in the bill it stands.
        why: How the subject is in it: ``is``, ``contains``, ``ancestor``, ``needs`` or ``advisory``.
        inside: What it lies in, by the name of that.
    """

    place: str
    name: str
    version: str
    kind: str
    part: str
    why: str
    inside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A distribution of an environment.

    Args:
        place: Of the environment.
        name: Canonical.
        version: As it is installed.
        why: ``is``, or the advisory that is about it.
    """

    place: str
    name: str
    version: str
    why: str = "is"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotedVersion:
    """A version of a model that was promoted.

    Args:
        place: Of the registry.
        model: Its name there.
        version: As the registry calls it.
        stage: Such as ``production``.
        digests: Of its files, ``sha256:…``.
        statement: Digest of the statement that allowed it (VSA), ``sha256:…``; empty where there is none.
        time: When.
        in_force: The registry hands it out now; else it did.
        why: ``is``, or ``derived`` where it was made from the subject.
    """

    place: str
    model: str
    version: str
    stage: str
    digests: tuple[str, ...] = ()
    statement: str = ""
    time: datetime | None = None
    in_force: bool = True
    why: str = "is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A model that was made from the subject, or from what was made from it.

    Args:
        name: Of the model.
        base: What it was made from.
        steps: How many steps it is away from the subject.
        place: Who says so: a bill, or a lockfile with the card of the model.
        digests: Of its files, ``sha256:…``, as far as they are known.
    """

    name: str
    base: str
    steps: int
    place: str
    digests: tuple[str, ...] = ()


_JUDGING = frozenset("approve audit bom check lock policy scan sign verify".split())
"""Gates where something is judged and not used."""


def is_use(gate: str, verdict: str, *, enforced: bool) -> bool:
    """Say whether an entry of the ledger is about a use that went on: allowed, or a load that only warned."""
    return gate not in _JUDGING and (verdict == "ALLOW" or (gate == "load" and not enforced))


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Entries of the ledger that say the same but for what, when and which process.

    Args:
        gate: Who decided: ``load``, ``install``, ….
        kind: What it was about: ``model``, ``package`` or ``document``.
        actor: Whose process it was, ``user@host``.
        loader: The function that wanted it; empty where none did.
        verdict: ``ALLOW`` or ``DENY``.
        enforced: A denial stopped it.
        count: How many there are.
        first: The time of the earliest.
        last: The time of the latest.
        after_denial: How many of them let through what had been denied before.
        digests: How many different artifacts.
        names: What the artifacts were called, some of them.
        rests: They rest on the subject as evidence, and are not about it.
        derived: They are about what was made from the subject.
        entries: Numbers of the first and the last entry of each run, the first runs.
    """

    gate: str
    kind: str
    actor: str
    loader: str
    verdict: str
    enforced: bool
    count: int
    first: datetime
    last: datetime
    after_denial: int = 0
    digests: int = 0
    names: tuple[str, ...] = ()
    rests: bool = False
    derived: bool = False
    entries: tuple[tuple[int, int], ...] = ()

    @property
    def is_use(self) -> bool:
        """Whether something was used, and not only judged, and nothing stopped that."""
        return is_use(self.gate, self.verdict, enforced=self.enforced)

    @property
    def user(self) -> str:
        """Who it was."""
        return self.actor.rpartition("@")[0] or self.actor

    @property
    def host(self) -> str:
        """Where it was."""
        return self.actor.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A place that was looked at, or was to be.

    Args:
        kind: ``lockfile``, ``bill``, ``environment``, ``ledger``, ``promotions`` or ``advisories``.
        place: Where it is.
        state: One of `READ`, `GONE`, `ELSEWHERE` and `UNREADABLE`.
        told: What there is to say about it, such as how many entries it has.
        fresh: The time that its contents stand for, where that is known.
    """

    kind: str
    place: str
    state: str = READ
    told: str = ""
    fresh: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that could not be looked at, so that an answer without a hit decides nothing.

    Args:
        place: What.
        why: In one sentence without a full stop.
        remedy: The one next step; empty where there is none.
    """

    place: str
    why: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Everything that is known about where a subject is.

    Args:
        subject: As it was named.
        meanings: What it can mean, as far as something is known about it, else everything that it was looked for as.
        digests: Of all files that it stands for, ``sha256:…``, sorted; with what was made from it, where asked.
        locked: In lockfiles.
        listed: In bills of materials.
        installed: In environments.
        promoted: In registries.
        derived: Models that were made from it.
        accesses: Entries of the ledger.
        looked: What was looked at.
        gaps: What could not be looked at.
        notes: What else a person should know, in sentences.
    """

    subject: str
    meanings: tuple[Meaning, ...] = ()
    digests: tuple[str, ...] = ()
    locked: tuple[Locked, ...] = ()
    listed: tuple[Listed, ...] = ()
    installed: tuple[Installed, ...] = ()
    promoted: tuple[PromotedVersion, ...] = ()
    derived: tuple[Derived, ...] = ()
    accesses: tuple[Access, ...] = ()
    looked: tuple[Looked, ...] = ()
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Say whether it is anywhere, or was."""
        return any((self.locked, self.listed, self.installed, self.promoted, self.derived, self.accesses))
