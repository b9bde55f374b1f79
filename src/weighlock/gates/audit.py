"""The gate of ``weighlock audit``: everything that is known about one model, and what is still to be answered.

1. collect: the model in the lockfile, its files and what lies beside them; what people answered;
2. identify: every file is hashed;
3. inspect: those very bytes, under every loader that would take them;
4. verify: files against the lockfile, signatures, the bill of materials, the proof of the ledger, evidence of answers;
5. decide: every question is answered or stays open (`weighlock.audit.verdict`).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.audit.facts import Facts
from weighlock.audit.record import Record, parse
from weighlock.audit.verdict import conclude
from weighlock.errors import RecordError, SourceError, UsageError
from weighlock.files import read_regular
from weighlock.gates import audited_bom, audited_card
from weighlock.gates.audited_files import Seen, see_locked, see_unlocked
from weighlock.gates.audited_ledger import proof_of
from weighlock.gates.audited_signatures import signatures_of
from weighlock.lockfile import PathSource
from weighlock.sources.directory import identify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from weighlock.audit.facts import Packages
    from weighlock.audit.record import Answered
    from weighlock.audit.verdict import Audit
    from weighlock.gates.places import Places
    from weighlock.gates.project import Project
    from weighlock.lockfile import LockedModel, Lockfile
    from weighlock.sources.interface import Progress

RECORD = "audit.toml"
"""The record of answers, beside the lockfile."""

_LARGEST_RECORD = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be audited.

    Args:
        target: Name of a locked model, or the path of a file or a folder.
        record: The record of answers that a person named; by default `RECORD` beside the lockfile, if it is there.
        bom: The bill of materials; by default the one beside the lockfile, if it is there.
        packages: That the model runs with, where they were judged.
        environ: The variables of the user.
        now: The time, with a time zone.
    """

    target: str
    record: Path | None = None
    bom: Path | None = None
    packages: Packages | None = None
    environ: Mapping[str, str]
    now: datetime


def audit(request: Request, project: Project, places: Places, progress: Progress) -> Audit:
    """Audit one model.

    Args:
        request: What, and with what.
        project: Its lockfile and its policy.
        places: Where models lie on this machine.
        progress: Is told what is hashed.

    Raises:
        UsageError: There is no such model.
        RecordError: The record of answers cannot be read or says something that is not known.
        LockfileError: The lockfile is broken.
        LedgerError: The verdict cannot be recorded, and the policy requires that.
    """
    # 1. Collect
    lockfile = project.unsafe_read()  # that it is not signed as the policy requires is a part of the answer
    model = _locked_model(request.target, lockfile, places)
    record, digest = _record(request.record, project.folder)
    # 2. Identify and 3. inspect
    if model is not None:
        name, seen = model.name, see_locked(model, lockfile, project, places, progress)
    else:
        name, seen = request.target, see_unlocked(Path(request.target), request.target, project, progress)
    # 4. Verify
    facts = _facts(name, model, seen, request, project)
    facts = replace(facts, lock=lockfile.digest if model is not None else None, licenses=record.licenses)
    facts = audited_card.with_card(facts, lockfile, lambda path: _place_of(path, model, request.target, places))
    if model is not None:
        signed = signatures_of(model, lockfile, project, request.now)
        facts = replace(facts, signatures=signed.signatures, refused=(signed.problem,) if signed.problem else ())
    proved = proof_of(facts.lock, project, request.environ)
    facts = replace(facts, ledger=proved.proof, ledger_problem=proved.problem, ledger_forged=proved.forged)
    facts = replace(facts, bom=audited_bom.bom_of(facts, request.bom, project.folder))
    stale = _stale(record, facts, project.folder)
    # 5. Decide
    concluded = conclude(facts, record, digest=digest, stale=stale)
    concluded = replace(concluded, notes=(*concluded.notes, *_notes(seen)))
    _record_verdict(concluded, project)
    return concluded


def _record_verdict(concluded: Audit, project: Project) -> None:
    """Record the verdict with the digests of what it rests on."""
    facts = concluded.facts
    evidence = (facts.lock, concluded.record, facts.bom.digest if facts.bom else None)
    project.decider("audit").record(
        facts.model,
        concluded.verdict,
        digest=Digest.sha256(facts.digest.removeprefix("sha256:")),
        size=sum(file.size for file in facts.files),
        evidence=tuple(digest for digest in evidence if digest),
    )


def record_report(project: Project, path: str, text: str) -> None:
    """Record a report that was written, so that another one in its place is found.

    Raises:
        LedgerError: It cannot be recorded, and the policy requires that.
    """
    project.decider("audit").record_document(path, _sha256(text.encode()), "written")


def _locked_model(target: str, lockfile: Lockfile, places: Places) -> LockedModel | None:
    """Return the locked model of a name, or the one whose place on this machine a path is."""
    named = lockfile.by_name(target) or lockfile.by_name(f"./{target}") or lockfile.by_repo("model", target)
    if named is not None:
        return named
    for model in lockfile.models:
        root = places.root(model)
        if isinstance(model.source, PathSource) and root.exists() and os.path.exists(target) and root.samefile(target):
            return model
    if not os.path.exists(target):
        raise UsageError(
            "is neither a locked model nor a path", where=target, hint=f"weighlock lock {target} locks it first"
        )
    return None


def _place_of(path: str, model: LockedModel | None, target: str, places: Places) -> Path:
    if model is not None:
        return places.file(model, path)
    place = Path(target)
    return place / path if place.is_dir() else place


def _facts(name: str, model: LockedModel | None, seen: Seen, request: Request, project: Project) -> Facts:
    return Facts(
        model=name,
        now=request.now,
        source=model.source if model else None,
        license=model.license if model else None,
        remote_code=model.remote_code if model else False,
        policy=project.policy.stamp.policy,
        files=seen.files,
        packages=request.packages,
        unlisted=seen.problems,
    )


def _record(named: Path | None, folder: Path) -> tuple[Record, str | None]:
    path = named or folder / RECORD
    if named is None and not os.path.lexists(path):
        return Record(), None
    try:
        data = read_regular(path, _LARGEST_RECORD + 1)
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror}", where=str(path), hint=_WRITE) from error
    if len(data) > _LARGEST_RECORD:
        raise RecordError(f"is larger than {_LARGEST_RECORD} bytes", where=str(path))
    try:
        return parse(data.decode("utf-8")), _sha256(data)
    except UnicodeDecodeError as error:
        raise RecordError("is not UTF-8", where=str(path)) from error
    except RecordError as error:
        error.where = f"{path}, {error.where}" if error.where else str(path)
        raise


_WRITE = "`weighlock audit MODEL --init` writes one with the open questions"


def _stale(record: Record, facts: Facts, folder: Path) -> dict[str, str]:
    """Say whose evidence is not there any more, or has other bytes."""
    said = record.of(facts.model)
    if said is None:
        return {}
    problems = ((answer.item, _problem(answer, folder)) for answer in said.answers)
    return {item: problem for item, problem in problems if problem is not None}


def _problem(answer: Answered, folder: Path) -> str | None:
    if answer.place is None or answer.is_remote:
        return None
    try:
        found = identify(folder / answer.place).sha256
    except SourceError as error:
        return f"{answer.place} {error.message}"
    if found != answer.sha256:
        return f"{answer.place} has sha256 {found}, the answer was given about {answer.sha256}"
    return None


def _notes(seen: Seen) -> list[str]:
    if not seen.beside:
        return []
    return [f"beside it lie files that the load gate refuses: {', '.join(seen.beside[:12])}"]


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
