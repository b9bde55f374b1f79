"""What a quarantine of a subject will deny, and what it will stop, before anything is done.

1. Identify: what the subject means, and every digest that is known of it, by the same search as ``weighlock where``.
2. What the search could not look at is said; a digest, a package and the name of a model are denied in any case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import UsageError, WeighlockError
from weighlock.gates.where import Question, answer
from weighlock.incidents.reach import ADVISORY, BASE_MODEL, DIGEST, MODEL, PACKAGE, SIGNER, Gap, Reach
from weighlock.quarantine import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.gates.project import Project
    from weighlock.incidents.reach import Meaning

_DIGEST = re.compile(r"(?:(?i:sha256):)?([0-9a-fA-F]{64})\Z")
_TOGETHER = frozenset({MODEL, BASE_MODEL})
"""A name may be both, and means the same model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be denied, and what is known about where that is.

    Args:
        subject: What a person named.
        digests: Of every file, ``sha256:…``.
        models: Names of models.
        packages: ``name==version``, or ``name``.
        signers: Names of signers and digests of their keys.
        reach: Where it is.
    """

    subject: Subject
    digests: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    reach: Reach = field(default_factory=lambda: Reach(subject=""))

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where it was loaded or installed."""
        return tuple(sorted({one.host for one in self.reach.accesses if one.verdict == "ALLOW" and not one.derived}))

    @property
    def locked_models(self) -> tuple[str, ...]:
        """Names of locked models that cannot be loaded any more, as far as they are known."""
        return tuple(sorted({one.model for one in self.reach.locked}))


def plan(question: Question, project: Project, progress: Callable[[int, int], None]) -> Plan:
    """Return what a quarantine of a subject denies and stops.

    Args:
        question: What is asked about; `Question.meaning` says what the subject is, where that is not clear.
        project: Its policy knows the keys of signers.
        progress: See `weighlock.gates.where.answer`.

    Raises:
        UsageError: It can mean nothing, or several things; or nothing is known that could be denied.
    """
    try:
        found = answer(question, progress)
    except UsageError:
        raise
    except WeighlockError as error:
        gap = Gap(place=error.where or "the ledger", why=error.message, remedy=error.hint or "")
        found = Reach(subject=question.subject, gaps=(gap,))
    subject = _subject(question, found)
    if subject.kind == DIGEST:
        return Plan(subject=subject, digests=(subject.value, *_others(found, subject.value)), reach=found)
    made = Plan(
        subject=subject,
        digests=found.digests,
        models=_models(subject, found),
        packages=_packages(subject, found),
        signers=_signers(subject, project),
        reach=found,
    )
    if not (made.digests or made.models or made.packages or made.signers):
        raise UsageError(f"would deny nothing: {_why_nothing(found)}", where=subject.value[:200], hint=_next(found))
    return made


def _why_nothing(found: Reach) -> str:
    if found.gaps:
        return "; ".join(f"{one.place}: {one.why}" for one in found.gaps[:3])
    return "nothing that is installed or listed is known to be what it is about"


def _next(found: Reach) -> str:
    return next((one.remedy for one in found.gaps if one.remedy), "name the packages: package==version")


def _subject(question: Question, found: Reach) -> Subject:
    """Return the one thing that is meant.

    Raises:
        UsageError: It is not clear what that is.
    """
    text = question.subject
    known = {one.kind: one for one in reversed(found.meanings) if one.known}
    if question.meaning:
        return _as(question.meaning, text, known.get(question.meaning))
    if match := _DIGEST.match(text):
        return Subject(kind=DIGEST, value=f"sha256:{match[1].lower()}")
    if DIGEST in known:  # a file that is there, or the beginning of one digest: nothing is more exact
        return _as(DIGEST, text, known[DIGEST])
    kinds = list(known)[::-1]
    if len(kinds) > 1 and not set(kinds) <= _TOGETHER:
        said = ", ".join(kinds)
        raise UsageError(f"can be several things: {said}", where=text[:200], hint=f"say which: --as {kinds[0]}")
    if kinds:
        return _as(kinds[0], text, known[kinds[0]])
    for kind, is_likely in ((PACKAGE, "==" in text), (MODEL, "/" in text)):
        if is_likely:
            return Subject(kind=kind, value=text)
    raise UsageError("is known nowhere", where=text[:200], hint="say what it is: --as model, package, signer, …")


def _as(kind: str, text: str, meaning: Meaning | None) -> Subject:
    if kind != DIGEST:
        # A folder stands for the model that a lockfile calls otherwise.
        return Subject(kind=kind, value=meaning.name if meaning is not None and kind == MODEL else text)
    value = meaning.name if meaning is not None else text
    match = _DIGEST.match(value)
    if match is None:
        raise UsageError("is no SHA-256 digest that is known", where=text[:200], hint="give all 64 digits, or a file")
    return Subject(kind=DIGEST, value=f"sha256:{match[1].lower()}")


def _others(found: Reach, value: str) -> tuple[str, ...]:
    return tuple(one for one in found.digests if one != value)


def _models(subject: Subject, found: Reach) -> tuple[str, ...]:
    if subject.kind not in _TOGETHER:
        return ()
    # Lockfiles may call it otherwise than it was named; what they list was found as this model.
    locked = {one.model for one in found.locked} if subject.kind == MODEL else set()
    return tuple(sorted({subject.value, *locked}))


def _packages(subject: Subject, found: Reach) -> tuple[str, ...]:
    if subject.kind == PACKAGE:
        return (subject.value,)
    if subject.kind != ADVISORY:
        return ()
    pins = {f"{one.name}=={one.version}" for one in found.installed if one.version}
    pins |= {f"{one.name}=={one.version}" for one in found.listed if one.version and one.kind == "library"}
    return tuple(sorted(pins))


def _signers(subject: Subject, project: Project) -> tuple[str, ...]:
    """Return the name of a signer, and the key that the policy has for it, which another name would not change."""
    if subject.kind != SIGNER:
        return ()
    from weighlock.gates.signed_lockfile import trust_of
    from weighlock.signing.trust import names_of

    if not project.policy.evidence.signers:
        return (subject.value,)
    wanted = subject.value.strip().casefold()
    trusted = trust_of(project.policy.evidence, project.policy_path).signers
    meant = [
        one for one in trusted if wanted in {one.name.strip().casefold(), *(name.casefold() for name in names_of(one))}
    ]
    return tuple(dict.fromkeys((subject.value, *(name for one in meant for name in names_of(one)))))
