"""Quarantine lists: what was found to be bad, what was released again, and in which order.

Values. A list is only ever continued; how it is signed is in `weighlock.signing.quarantine_statement`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

KINDS = ("digest", "model", "base-model", "package", "advisory", "signer")
"""What a person may put into quarantine."""

_RUNS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a person named.

    Args:
        kind: One of `KINDS`.
        value: Its name, or its digest.
    """

    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Something is put into quarantine.

    Args:
        id: No other event of the list has it.
        time: When.
        subject: What a person named.
        digests: Of every file that is denied, ``sha256:…``.
        models: Names of models; all their files are denied.
        packages: Distributions, ``name==version``, or ``name`` for every version.
        signers: Names of signers, or ``key sha256:…``; what only they signed is not signed.
        reason: Why, in that person's words.
        by: Who it was, ``user@host``.
        expires: From then on it denies nothing; ``None`` is never.
    """

    id: str
    time: datetime
    subject: Subject
    digests: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    reason: str
    by: str
    expires: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Say whether it denies nothing any more."""
        return self.expires is not None and now >= self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A denial is taken back.

    Args:
        id: No other event of the list has it.
        of: The id of the denial.
        time: When.
        reason: Why, in that person's words.
        by: Who it was, ``user@host``.
    """

    id: str
    of: str
    time: datetime
    reason: str
    by: str


Event = Denial | Release


@dataclass(frozen=True, kw_only=True)
class QuarantineList:
    """The whole history of one list.

    Args:
        id: Random, so that no two lists are taken for each other.
        issued: When it was signed; events need not have come since.
        events: In their order.
    """

    id: str
    issued: datetime
    events: tuple[Event, ...] = field(default=())

    @cached_property
    def released(self) -> frozenset[str]:
        """The ids of denials that were taken back."""
        return frozenset(event.of for event in self.events if isinstance(event, Release))

    @cached_property
    def in_force(self) -> tuple[Denial, ...]:
        """The denials that were not taken back; those that are over among them."""
        return tuple(event for event in self.events if isinstance(event, Denial) and event.id not in self.released)

    def denial(self, wanted: str) -> Denial | None:
        """Return the denial of an id."""
        return next((one for one in self.events if isinstance(one, Denial) and one.id == wanted), None)


def folded_model(name: str) -> str:
    """Return a name of a model as it is compared: hubs do not tell capital letters apart, nor people accents."""
    text = name.strip()
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).casefold()


def folded_signer(name: str) -> str:
    """Return a name of a signer as it is compared."""
    return name.strip().casefold()


def folded_package(text: str) -> tuple[str, str]:
    """Return the canonical name of a distribution, and its version; empty where it is about every one.

    Source:
        PEP 503, "Normalized Names".
    """
    name, _, version = text.partition("==")
    return _RUNS.sub("-", name.strip()).lower(), version.strip()
