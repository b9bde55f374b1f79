"""Meanings that take more than the index: advisories, which the database knows, and signers, whom the policy knows."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.advisories.database import Database, place
from weighlock.errors import AdvisoryError, WeighlockError
from weighlock.gates.signatures import signatures_of, verify_document
from weighlock.gates.signed_lockfile import trust_of
from weighlock.gates.where_documents import BILL, LOCKFILE, PROMOTIONS
from weighlock.incidents import names
from weighlock.incidents.reach import READ, UNREADABLE, Gap, Looked

if TYPE_CHECKING:
    from datetime import datetime

    from weighlock.advisories.interface import AdvisorySource
    from weighlock.gates.project import Project
    from weighlock.gates.where import Question
    from weighlock.gates.where_collect import Collected
    from weighlock.gates.where_subject import Sense
    from weighlock.incidents.search import Hit, Search
    from weighlock.policy import Policy

_UPDATE = "weighlock advisories update"


def advised(
    sense: Sense, search: Search, collected: Collected, policy: Policy, question: Question
) -> tuple[Sense, list[Hit]]:
    """Return what an advisory is about, by the local database: what is installed or listed, and entries of the ledger.

    Args:
        sense: The advisory.
        search: Of the index.
        collected: Is told how fresh the database is, or that it is missing.
        policy: Says how old it may be.
        question: What is asked.
    """
    path = place(question.environ)
    try:
        with Database(path) as database:
            status = database.status
            problem = status.problem(question.now, policy.install.advisory_max_age)
            looked = Looked(
                kind="advisories", place=str(path), told=problem or f"{status.records} records", fresh=status.as_of
            )
            collected.looked.append(replace(looked, state=UNREADABLE if problem else READ))
            if problem:
                collected.gaps.append(Gap(place=str(path), why=problem, remedy=_UPDATE))
            packages = database.packages_of(sense.name)
            hits = [one for one in search.items(search.words(map(names.package, packages))) if one.version]
            subjects = {
                word: search.text(word) for name in packages for word in search.called(search.subjects(name, ("==",)))
            }
            pins = [(one.name, one.version) for one in hits]
            pins += [(name, version) for name, _, version in (text.partition("==") for text in subjects.values())]
            meant = _meant(database, pins, sense.name)
    except AdvisoryError as error:
        collected.looked.append(Looked(kind="advisories", place=str(path), state=UNREADABLE, told=error.message))
        collected.gaps.append(Gap(place=str(path), why=error.message, remedy=_UPDATE))
        return sense, []
    named = frozenset(word for word, is_meant in zip(subjects, meant[len(hits) :], strict=True) if is_meant)
    return replace(sense, subjects=named), [one for one, is_meant in zip(hits, meant, strict=False) if is_meant]


def _meant(database: AdvisorySource, pins: list[tuple[str, str]], name: str) -> list[bool]:
    wanted = name.casefold()
    found = database.query(pins) if pins else ()
    return [any(wanted == one.casefold() for advisory in some for one in advisory.names) for some in found]


def signed_by(
    sense: Sense, search: Search, collected: Collected, project: Project, now: datetime
) -> tuple[Sense, list[Hit]]:
    """Return everything in the documents that a signer signed, and the digests of these documents.

    Args:
        sense: The signer.
        search: Of the index.
        collected: The documents; is told what could not be verified.
        project: Its policy has the keys.
        now: The time.
    """
    wanted, numbers, digests = names.signer(sense.name), [], set[bytes]()
    try:
        trust = trust_of(project.policy.evidence, project.policy_path)
    except WeighlockError as error:
        collected.gaps.append(Gap(place=error.where or "the policy", why=error.message, remedy=error.hint or ""))
        return sense, []
    for one in collected.sources:
        if one.kind == PROMOTIONS and search.of_source([one.id], "promoted"):
            why = "who signed the summaries and approvals in it is not looked at"
            collected.gaps.append(Gap(place=one.place, why=why, remedy="weighlock ledger search --gate promotion"))
        if one.kind not in {LOCKFILE, BILL} or one.problem or not signatures_of(Path(one.place)):
            continue
        try:
            report = verify_document(Path(one.place), trust, now=now)
        except (WeighlockError, OSError) as error:
            collected.gaps.append(Gap(place=one.place, why=f"its signatures cannot be verified: {error}"))
            continue
        counted = [verified for _, verified in report.tally.counted]
        if any(wanted in {names.signer(each.signer), names.signer(each.identity)} for each in counted):
            numbers.append(one.id)
            digests |= {one.digest, *(bytes.fromhex(each.bundle.value) for each in counted)}
        for other in report.tally.not_counted:
            if other.undecided:
                collected.gaps.append(Gap(place=os.path.join(os.path.dirname(one.place), other.bundle), why=other.why))
    hits = [one for kind in ("model", "component") for one in search.of_source(numbers, kind)]
    return replace(sense, words=frozenset(search.words(digests))), hits
