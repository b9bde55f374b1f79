"""The gate of ``weighlock approve``: a person accepts exact names for exact bytes, and the lockfile remembers both.

1. collect: the file, from a path or from the lockfile;
2. identify: its digest;
3. inspect: what it imports, today;
4. decide: which of the names it needs are accepted; all of them or none;
5. enforce: the person confirms, and the names are written into the lockfile, bound to the digest.
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import AdmissionError, DigestMismatchError, SourceError, UsageError
from weighlock.files import update_lockfile
from weighlock.finding import Outcome
from weighlock.gates.judge import inspect_file, locked_file, shown_names, with_approvals
from weighlock.gates.lock import LockOptions, lock
from weighlock.gates.profiles import names_of, require_profiles
from weighlock.gates.request import parse_request
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.policy import path_argument
from weighlock.sources.directory import identify
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from weighlock.finding import Inspection
    from weighlock.gates.places import Places
    from weighlock.gates.project import Project
    from weighlock.sources.interface import Fetched, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What a person wants to accept.

    Args:
        profiles: Names of profiles; what they and the file have in common is accepted.
        imports: Exact names.
        unsafe: Accept the file whatever it does.
        reason: Why.
    """

    profiles: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    unsafe: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is about to be written, for the person to confirm.

    Args:
        subject: The file as the person named it.
        entry: What the lockfile will say about it.
        inspection: What was seen in it; ``None`` for a file that is not on this machine yet.
        new: The file is not in the lockfile yet.
    """

    subject: str
    entry: LockedFile | None
    inspection: Inspection | None
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What was written.

    Args:
        proposal: As it was confirmed.
        written: Whether the lockfile changed.
    """

    proposal: Proposal
    written: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    name: str
    place: Path
    file: LockedFile | None = None


def approve(
    target: str,
    acceptance: Acceptance,
    project: Project,
    options: LockOptions,
    *,
    confirm: Callable[[Proposal], bool],
    progress: Progress | None = None,
) -> Approved:
    """Record an approval.

    Args:
        target: A path, or ``MODEL:FILE``.
        acceptance: What is accepted.
        project: Its lockfile is changed.
        options: Where files lie, and how to fetch one that a person accepts unseen.
        confirm: Asks the person.
        progress: Is told what happens.

    Raises:
        AdmissionError: The file is refused, or not all that it needs was accepted; nothing was changed.
        UsageError: The target or a name is not known.
    """
    _check(acceptance)
    lockfile = project.unsafe_read()
    # 1. Collect
    subject = _locate(target, lockfile, project, options)
    if subject is None:
        return _approve_unseen(target, acceptance, project, options, lockfile, confirm=confirm, progress=progress)
    # 2. Identify
    fetched = _identify(subject, target)
    # 3. Inspect
    path = subject.file.path if subject.file else subject.place.name
    inspection = inspect_file(fetched, path)
    known = lockfile.by_digest(fetched.sha256)
    entry = with_approvals(locked_file(path, fetched, inspection), known)
    # 4. Decide
    entry = _accept(entry, inspection, acceptance, target)
    proposal = Proposal(subject=target, entry=entry, inspection=inspection, new=not known)
    # 5. Enforce
    if not (entry.approved or entry.unsafe):
        return Approved(proposal=proposal, written=False)
    if not confirm(proposal):
        raise AdmissionError("not approved; nothing was changed", where=target)
    reason = Reason(rule="unsafe" if entry.unsafe else "approved", message="a person approved it")
    verdict = Verdict(decision=Decision.ALLOW, reasons=(reason,))
    project.decider("approve").record(target, verdict, digest=Digest.sha256(entry.sha256), size=entry.size)
    update = update_lockfile(project.lock, lambda now: _write(now, entry, subject))
    project.record_lockfile("approve", update.new)
    return Approved(proposal=proposal, written=update.written)


def _check(acceptance: Acceptance) -> None:
    if acceptance.unsafe and not (acceptance.reason and acceptance.reason.strip()):
        raise UsageError("--unsafe needs a reason", hint="add --reason TEXT; it is written into the lockfile")
    if acceptance.unsafe and (acceptance.imports or acceptance.profiles):
        raise UsageError("--unsafe accepts everything, so --import and --profile have no meaning with it")
    require_profiles(acceptance.profiles)


def _locate(target: str, lockfile: Lockfile, project: Project, options: LockOptions) -> _Subject | None:
    places = options.places(project.folder)
    for model in sorted(lockfile.models, key=lambda model: -len(model.name)):
        if not target.startswith(f"{model.name}:"):
            continue
        path = target.removeprefix(f"{model.name}:")
        file = next((file for file in model.files if file.path == path), None)
        if file is not None:
            return _located(model, file, places)
    place = Path(os.path.expanduser(target))  # Path.expanduser would forget the ./ before a tilde
    if place.is_dir():
        raise UsageError(
            "is a folder; approvals are for single files",
            where=target,
            hint="`weighlock scan` lists the files in it that need one",
        )
    if place.exists():
        return _Subject(name=parse_request(str(place.absolute()), project.folder).name, place=place)
    return None


def _located(model: LockedModel, file: LockedFile, places: Places) -> _Subject:
    place = places.file(model, file.path)
    if not place.exists():
        raise SourceError("is not on this machine", where=f"{model.name}:{file.path}", hint="run `weighlock sync`")
    return _Subject(name=model.name, place=place, file=file)


def _identify(subject: _Subject, target: str) -> Fetched:
    fetched = identify(subject.place)
    if subject.file is not None and fetched.sha256 != subject.file.sha256:
        raise DigestMismatchError(
            f"has sha256 {fetched.sha256}, the lockfile says {subject.file.sha256}",
            where=target,
            hint="`weighlock sync` restores the locked file",
        )
    return fetched


def _approve_unseen(
    target: str,
    acceptance: Acceptance,
    project: Project,
    options: LockOptions,
    lockfile: Lockfile,
    *,
    confirm: Callable[[Proposal], bool],
    progress: Progress | None,
) -> Approved:
    """Lock one refused file of a repository or URL that cannot be locked without its approval."""
    name, separator, path = target.rpartition(":")
    if not separator or not name or path.startswith("//"):
        raise SourceError("there is no such file", where=target, hint="give a path, or MODEL:FILE")
    if not acceptance.unsafe or acceptance.reason is None:
        raise UsageError("is not in the lockfile", where=target, hint=_unlisted(name, lockfile))
    request = replace(
        parse_request(name, project.folder),
        include=(glob.escape(path),),
        unsafe=((path, acceptance.reason.strip()),),
        keep=True,
    )
    proposal = Proposal(subject=target, entry=None, inspection=None, new=True)
    if not confirm(proposal):
        raise AdmissionError("not approved; nothing was changed", where=target)
    report = lock([request], project, options, progress)
    judged = next(item for item in report.judged if item.locked.path == path)
    proposal = replace(proposal, entry=judged.locked, inspection=judged.inspection)
    return Approved(proposal=proposal, written=report.written)


def _unlisted(name: str, lockfile: Lockfile) -> str:
    """Say what to do about a file that the lockfile does not list."""
    model = lockfile.by_name(name) or lockfile.by_name(f"./{name}")
    if model is None:
        subject = path_argument(name) if os.path.exists(name) else quote(name)
        return f"run `weighlock lock {subject}` first"
    most = 8
    files = ", ".join(file.path for file in model.files[:most])
    return f"{model.name} has {files}{' and more' if len(model.files) > most else ''}"


def _accept(entry: LockedFile, inspection: Inspection, acceptance: Acceptance, target: str) -> LockedFile:
    if acceptance.unsafe and acceptance.reason:
        return replace(entry, unsafe=True, reason=acceptance.reason.strip())
    if inspection.outcome in (Outcome.REFUSED, Outcome.UNVERIFIABLE):
        message = next(
            (finding.message for finding in inspection.findings if finding.outcome is inspection.outcome), ""
        )
        raise AdmissionError(
            f"is {inspection.outcome}{': ' if message else ''}{message}; no list of names makes it safe",
            where=target,
            hint="to accept it whatever it does, add `--unsafe --reason TEXT`",
        )
    if inspection.outcome is not Outcome.NEEDS_APPROVAL:
        return entry
    return replace(entry, approved=_names(entry, acceptance, target))


def _names(entry: LockedFile, acceptance: Acceptance, target: str) -> tuple[str, ...]:
    """Return every name that the file needs, if all of them were accepted."""
    needs = frozenset(entry.needs)
    unknown = sorted(set(acceptance.imports) - needs)
    if unknown:
        raise UsageError(f"the file does not need {', '.join(unknown)}", where=target, hint=_needed(entry.needs))
    accepted = set(acceptance.imports) | set(entry.approved)
    accepted |= needs & set(shown_names(names_of(acceptance.profiles)))
    if not acceptance.imports and not acceptance.profiles:
        accepted = set(needs)
    missing = sorted(needs - accepted)
    if missing:
        raise AdmissionError(
            f"also needs {', '.join(missing)}, which was not accepted; nothing was changed",
            where=target,
            hint="add " + " ".join(f"--import {name}" for name in missing),
        )
    return tuple(sorted(accepted & needs))


def _needed(names: Sequence[str]) -> str:
    return f"it needs {', '.join(names)}" if names else "it needs no name"


def _write(lockfile: Lockfile, entry: LockedFile, subject: _Subject) -> Lockfile:
    """Write an approval into every entry with these bytes, or make an entry for a local file."""
    if not lockfile.by_digest(entry.sha256):
        models = {model.name: model for model in lockfile.models}
        source = PathSource(path=subject.name)
        models[subject.name] = LockedModel(name=subject.name, source=source, files=(entry,))
        return Lockfile(models=tuple(models.values()))
    return Lockfile(
        models=tuple(
            replace(model, files=tuple(_approved(file, entry) for file in model.files)) for model in lockfile.models
        )
    )


def _approved(file: LockedFile, entry: LockedFile) -> LockedFile:
    if file.sha256 != entry.sha256:
        return file
    return replace(entry, path=file.path, equivalent_to=file.equivalent_to)
