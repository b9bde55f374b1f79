"""What a subject can mean: a digest, a model, a base model, a package, an advisory, a signer, or several of these."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.version import InvalidVersion, Version

from weighlock.digests import digest_of
from weighlock.errors import DigestMismatchError, UsageError
from weighlock.gates.request import path_name
from weighlock.incidents import names
from weighlock.incidents.reach import ADVISORY, BASE_MODEL, DIGEST, MODEL, PACKAGE, SIGNER
from weighlock.promotion import REGISTRIES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighlock.gates.project import Project
    from weighlock.incidents.search import Search

_HEX = re.compile(r"(?:(?i:sha256):)?([0-9a-fA-F]{8,64})…?\Z")
"""Reports cut digests and say so with an ellipsis, which people copy."""

_SHA256 = "sha256:"
_PACKAGE = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,254}[A-Za-z0-9])?)(?:==([A-Za-z0-9][A-Za-z0-9.!+_-]{0,100}))?\Z"
)
_ENDINGS = (":", "/", "@")
"""What stands behind the name of a model in the names of its files."""

_LONGEST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Sense:
    """One meaning, as it is searched for.

    Args:
        kind: See `weighlock.incidents.reach.MEANINGS`.
        name: As it is shown.
        words: Numbers of the names and digests that stand for it in the index.
        subjects: Numbers of what entries of the ledger call it.
        version: Of a package, where one is asked for.
        known: Something is known about it.
    """

    kind: str
    name: str
    words: frozenset[int] = field(default_factory=frozenset)
    subjects: frozenset[int] = field(default_factory=frozenset)
    version: str = ""
    known: bool = True


def is_version(one: str, other: str) -> bool:
    """Say whether two texts are one version, however it is spelled."""
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def names_of_folder(subject: str, lockfiles: Iterable[str]) -> tuple[str, ...]:
    """Return what lockfiles call a folder that is there, wherever the person who names it stands.

    Args:
        subject: As a person named it, such as ``../net`` or ``net/``.
        lockfiles: Their paths.
    """
    if not subject or len(subject) > _LONGEST or "\0" in subject or not os.path.isdir(subject):
        return ()
    place = Path(os.path.abspath(subject))
    found = dict.fromkeys(path_name(str(place), Path(lockfile).parent) for lockfile in lockfiles)
    return tuple(name for name in found if name != subject)


def senses_of(
    subject: str, search: Search, *, chosen: str | None, signers: frozenset[str], folders: tuple[str, ...] = ()
) -> tuple[Sense, ...]:
    """Return everything that a subject can mean, what nothing is known about included where it is the only way.

    Args:
        subject: As a person named it.
        search: Of the index.
        chosen: The one meaning that is asked for.
        signers: Names and identities of signers that the policy knows, as the index spells them.
        folders: What lockfiles call it, where it is a folder; see `names_of_folder`.

    Raises:
        UsageError: It can mean nothing, or not what is asked for, or is the beginning of several digests.
    """
    if not subject or len(subject) > _LONGEST or "\0" in subject:
        raise UsageError("is nothing that could be looked for", where="SUBJECT", hint="name a digest, a file or a name")
    if subject.casefold().startswith(_SHA256) and _HEX.match(subject) is None:
        raise UsageError("is no digest", where=subject[:200], hint="sha256: takes 8 to 64 digits of 0-9 and a-f")
    found = [
        sense
        for kind in ((chosen,) if chosen else (DIGEST, MODEL, BASE_MODEL, PACKAGE, ADVISORY, SIGNER))
        for sense in _sense(kind, subject, search, signers)
    ]
    if chosen in {None, MODEL}:
        found += [sense for name in folders if (sense := _model(MODEL, name, search)).known]
    known = tuple(sense for sense in found if sense.known)
    if not known and not chosen and os.path.isdir(subject):
        hint = "name a file of it; or a model, with --as model"
        raise UsageError("is a folder that no lockfile lists", where=subject[:200], hint=hint)
    if known or found:
        # Nobody would take a name that nothing knows for an advisory or a signer.
        return known or tuple(sense for sense in found if chosen or sense.kind not in {ADVISORY, SIGNER})
    raise UsageError(f"cannot be a {chosen or 'subject'}", where=subject[:200], hint="leave out --as, or see --help")


def signers_of(project: Project) -> frozenset[str]:
    """Return names and identities of the signers of a policy, as the index spells names of signers."""
    found = [name for one in project.policy.evidence.signers for name in (one.name, one.identity) if name]
    return frozenset(map(names.signer, found))


def _sense(kind: str, subject: str, search: Search, signers: frozenset[str]) -> list[Sense]:
    if kind == DIGEST:
        return _digest(subject, search)
    if kind in {MODEL, BASE_MODEL}:
        return [_model(kind, subject, search)]
    if kind == PACKAGE:
        return _package(subject, search)
    if kind == ADVISORY:
        words = search.words([names.advisory(subject)])
        likely = names.is_advisory(subject)
        return [Sense(kind=kind, name=subject, words=frozenset(words), known=bool(words) or likely)]
    name = names.signer(subject)
    return [Sense(kind=SIGNER, name=subject, known=name in signers)]


def _digest(subject: str, search: Search) -> list[Sense]:
    match = _HEX.match(subject)
    found = []
    if match is not None:
        digits = match[1].lower()
        whole = [bytes.fromhex(digits)] if len(digits) == 64 else search.starting(digits)
        if len(whole) > 1:
            some = ", ".join(one.hex()[: len(digits) + 8] for one in whole)
            raise UsageError(f"begins several digests: {some}, …", where=subject, hint="give more digits")
        known = bool(whole)
        name = f"sha256:{whole[0].hex() if whole else digits}"
        found.append(Sense(kind=DIGEST, name=name, words=frozenset(search.words(whole)), known=known))
    if os.path.isfile(subject) and not os.path.islink(subject):
        try:
            digest, _ = digest_of(subject)
        except (OSError, DigestMismatchError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"cannot be hashed: {why}", where=subject, hint="let this user read it") from None
        words = search.words([bytes.fromhex(digest.value)])
        found.append(Sense(kind=DIGEST, name=str(digest), words=frozenset(words)))
    return found


def _model(kind: str, subject: str, search: Search) -> Sense:
    words = search.words([names.model(subject)])
    if kind == BASE_MODEL:
        return Sense(kind=kind, name=subject, words=frozenset(words), known=bool(search.resting(words, "ancestor")))
    subjects = search.called(search.subjects(subject, _ENDINGS) | _moved(subject, search))
    known = any(one.kind in {"model", "component", "promoted"} for one in search.items(words))
    return Sense(
        kind=kind, name=subject, words=frozenset(words), subjects=frozenset(subjects), known=known or bool(subjects)
    )


def _moved(name: str, search: Search) -> set[int]:
    """Return what entries about promotions call a model, in any registry and stage."""
    model = quote(name, safe="/")
    return {word for registry in REGISTRIES for word in search.subjects(f"{registry}:{model}", ("#",))}


def _package(subject: str, search: Search) -> list[Sense]:
    match = _PACKAGE.match(subject)
    if match is None:
        # Packages of other registries than PyPI are called as in a package URL.
        words = search.words([f"package:{subject.casefold()}"])
        return [Sense(kind=PACKAGE, name=subject, words=frozenset(words), known=bool(words))]
    words = search.words([names.package(match[1])])
    pin = names.package(match[1]).removeprefix("package:")
    subjects = search.called(search.subjects(pin, ("==",)))
    if match[2]:
        subjects = {word for word in subjects if is_version(search.text(word).partition("==")[2], match[2])}
    sense = Sense(
        kind=PACKAGE,
        name=subject,
        words=frozenset(words),
        subjects=frozenset(subjects),
        version=match[2] or "",
        known=bool(search.items(words) or subjects),
    )
    return [sense]
