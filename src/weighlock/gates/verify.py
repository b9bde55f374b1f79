"""The gate of ``weighlock verify``: what is on this disk against the lockfile, without a network.

1. collect: every locked file where it belongs, and every file beside it;
2. identify: hash them, on every core;
3. verify: each digest against the lockfile;
4. inspect (``deep``): look at the bytes again with the inspector of today, and compare with what was locked; prove
   again that checkpoints hold the same tensors as their safetensors twins.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.digests import CHUNK
from weighlock.errors import SourceError
from weighlock.executors.spread import spread
from weighlock.finding import Outcome
from weighlock.gates.collect import Collector
from weighlock.gates.judge import inspect_file, locked_file
from weighlock.gates.request import find, intent_request
from weighlock.gates.selection import divide
from weighlock.gates.twins import prove_again
from weighlock.lockfile import Chunks
from weighlock.sources.directory import identify, list_directory
from weighlock.sources.hub import locked_offer
from weighlock.sources.interface import Silence
from weighlock.sources.transport import Transport
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from weighlock.executors.interface import Engine
    from weighlock.gates.deciding import Decider
    from weighlock.gates.places import Places
    from weighlock.gates.request import ModelRequest
    from weighlock.lockfile import LockedFile, LockedModel, Lockfile
    from weighlock.policy import ModelIntent
    from weighlock.sources.interface import Fetched, Progress

GOOD = "good"
MISSING = "missing"
CHANGED = "changed"
EXTRA = "extra"
BESIDE = "beside"
LEFT_OUT = "left-out"
UNREADABLE = "unreadable"
UNSIGNED = "unsigned"
JUDGED_ANEW = "judged-anew"
QUARANTINED = "quarantined"
"""What can be said of a file. `BESIDE` is an unlocked file in the shared Hub cache, which no other project's tools
can be forbidden to put there; the load gate refuses it. `LEFT_OUT` is one that `lock` would leave out again, and that
the load gate refuses likewise. Everywhere else such a file is `EXTRA`, a mismatch. `UNSIGNED` is one of the few that
may lie beside what somebody else signed, see `gates.model_signature`."""

MISMATCHES = frozenset({MISSING, CHANGED, EXTRA, JUDGED_ANEW, QUARANTINED})


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFile:
    """What was found of one file.

    Args:
        path: Of the file, as a person would name it.
        status: One of the words above.
        model: Name of its model, if it is in the lockfile.
        message: What is wrong.
        sha256: Of the bytes that are there, where they could be read.
    """

    path: str
    status: str
    model: str | None = None
    message: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was verified."""

    files: tuple[VerifiedFile, ...]

    @property
    def exit_code(self) -> int:
        """2 if something could not be read, else 1 if something is not as locked, else 0."""
        statuses = {file.status for file in self.files}
        if UNREADABLE in statuses:
            return 2
        return 1 if statuses & MISMATCHES else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    place: Path
    shown: str
    model: LockedModel | None = None
    file: LockedFile | None = None
    unlisted: str = EXTRA
    twin: tuple[tuple[str, Path], ...] = ()


def verify_models(
    models: Sequence[LockedModel],
    lockfile: Lockfile,
    places: Places,
    *,
    intents: Sequence[ModelIntent] = (),
    deep: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Verify locked models where they belong.

    Args:
        models: Of the lockfile.
        lockfile: A file beside a model that another model of it lists is not extra.
        places: Where models lie.
        intents: What the policy asks for; its patterns say which files are left out.
        deep: Inspect again.
        engine: Where files are hashed and inspected; by default in threads of this process.
        progress: Is told what happens.

    Raises:
        UsageError: A name in the policy could be two things.
        WeighlockError: The engine cannot be started or reached.
    """
    requests = [intent_request(intent, places.folder) for intent in intents]
    asked = {model.name: request for request in requests if (model := find(lockfile, request)) is not None}
    subjects: list[_Subject] = []
    problems: list[VerifiedFile] = []
    for model in models:
        subjects += _locked_subjects(model, places)
        try:
            subjects += _other_subjects(model, places, asked.get(model.name))
        except SourceError as error:
            problems.append(VerifiedFile(path=error.where or model.name, status=UNREADABLE, message=error.message))
    report = _verify(subjects, _Examination(lockfile, deep), engine, progress)
    return VerifyReport(files=(*report.files, *problems))


def record(report: VerifyReport, decider: Decider) -> None:
    """Record what was found of every file.

    Raises:
        LedgerError: It cannot be recorded, and the policy requires that.
    """
    for file in report.files:
        denied = file.status in MISMATCHES or file.status == UNREADABLE
        reasons = (Reason(rule=file.status, message=file.message or file.status),)
        verdict = Verdict(decision=Decision.DENY if denied else Decision.ALLOW, reasons=reasons)
        digest = Digest.sha256(file.sha256) if file.sha256 else None
        decider.record(file.path, verdict, digest=digest, enforced=False)


def verify_paths(
    paths: Sequence[Path],
    lockfile: Lockfile,
    *,
    deep: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Verify files and folders, wherever they are: each file that a loader would take must be in the lockfile."""
    subjects = []
    for path in paths:
        root = path.is_dir()
        for offer in list_directory(path, str(path)).files:
            shown = os.path.join(path, offer.path) if root else str(path)
            subjects.append(_Subject(place=offer.local or path, shown=shown))
    return _verify(subjects, _Examination(lockfile, deep), engine, progress)


def _locked_subjects(model: LockedModel, places: Places) -> list[_Subject]:
    return [
        _Subject(
            place=places.file(model, file.path),
            shown=f"{model.name}:{file.path}",
            model=model,
            file=file,
            twin=tuple((path, places.file(model, path).absolute()) for path in file.equivalent_to),
        )
        for file in model.files
    ]


def _other_subjects(model: LockedModel, places: Places, request: ModelRequest | None) -> Iterable[_Subject]:
    root = places.root(model)
    if not root.is_dir() or not places.is_apart(model):
        return
    locked = {file.path for file in model.files}
    shared = places.is_shared(model)
    others = list_directory(root, str(root), locked).files
    everything = (*others, *map(locked_offer, model.files))
    include, exclude = (request.include, request.exclude) if request else ((), ())
    selected = {offer.path for offer in divide(everything, include, exclude).files}
    for offer in others:
        if offer.local is not None:
            unlisted = (BESIDE if shared else EXTRA) if offer.path in selected else LEFT_OUT
            yield _Subject(place=offer.local, shown=f"{model.name}:{offer.path}", unlisted=unlisted)


@dataclass(frozen=True, slots=True)
class _Examination:
    """What is done to each file; it travels to the workers of an engine."""

    lockfile: Lockfile
    deep: bool

    def __call__(self, subject: _Subject, progress: Progress | None = None) -> VerifiedFile | None:
        if not subject.place.exists():
            return _found(subject, MISSING, "is not there")
        try:
            fetched = identify(subject.place, tick=progress.advance if progress else None)
            if subject.file is not None:
                found: VerifiedFile | None = _compare(subject, subject.file, fetched, deep=self.deep)
            else:
                found = _recognise(subject, self.lockfile, fetched, deep=self.deep)
            return replace(found, sha256=fetched.sha256) if found else None
        except SourceError as error:
            return _found(subject, UNREADABLE, error.message)

    def numbered(self, item: tuple[int, _Subject]) -> tuple[int, VerifiedFile | None]:
        """Examine a file, and say which one it was: workers answer in any order."""
        return item[0], self(item[1])


def _verify(
    subjects: Sequence[_Subject], examination: _Examination, engine: Engine | None, progress: Progress | None
) -> VerifyReport:
    progress = progress or Silence()
    sizes = [subject.place.stat().st_size if subject.place.is_file() else 0 for subject in subjects]
    progress.expect(sum(sizes))
    if engine is not None:
        found = _on_engine(subjects, sizes, examination, engine, progress)
    else:
        with Collector(Transport(), progress, offline=True) as collector:
            found = collector.map(lambda subject: examination(subject, collector.progress), subjects)
    return VerifyReport(files=tuple(item for item in found if item is not None))


def _on_engine(
    subjects: Sequence[_Subject],
    sizes: Sequence[int],
    examination: _Examination,
    engine: Engine,
    progress: Progress,
) -> list[VerifiedFile | None]:
    """Examine files elsewhere, under the absolute names that every worker knows them by."""
    found: list[VerifiedFile | None] = [None] * len(subjects)
    items = [(n, replace(subject, place=subject.place.absolute())) for n, subject in enumerate(subjects)]
    for number, answer in spread(examination.numbered, items, engine, _lost):
        found[number] = answer
        progress.advance(sizes[number])
    return found


def _lost(item: tuple[int, _Subject], why: str) -> tuple[int, VerifiedFile | None]:
    return item[0], _found(item[1], UNREADABLE, why)


def _compare(subject: _Subject, file: LockedFile, fetched: Fetched, *, deep: bool) -> VerifiedFile:
    if fetched.sha256 != file.sha256:
        return _found(subject, CHANGED, f"has sha256 {fetched.sha256}, the lockfile says {file.sha256}")
    if fetched.size != file.size:
        return _found(
            subject, CHANGED, f"has the locked digest and {fetched.size} bytes, the lockfile says {file.size}"
        )
    chunks = Chunks(size=CHUNK, sha256=fetched.chunks)
    if file.chunks is not None and file.chunks.size == CHUNK and file.chunks != chunks:
        return _found(subject, CHANGED, "has the locked digest, but the lockfile's chunk digests are others")
    difference = (_judge_anew(file, fetched) or prove_again(file.path, fetched, dict(subject.twin))) if deep else None
    return _found(subject, JUDGED_ANEW if difference else GOOD, difference)


def _recognise(subject: _Subject, lockfile: Lockfile, fetched: Fetched, *, deep: bool) -> VerifiedFile | None:
    """Say what an unlisted file is: known by its digest, no model at all, or one too many."""
    for model, file in lockfile.by_digest(fetched.sha256):
        difference = _judge_anew(file, fetched) if deep else None
        return VerifiedFile(
            path=subject.shown, status=JUDGED_ANEW if difference else GOOD, model=model.name, message=difference
        )
    is_code = subject.place.suffix in (".py", ".so", ".pyd")
    if not is_code and inspect_file(fetched, subject.shown).outcome is Outcome.NOT_A_MODEL:
        return None
    why = "was left out by `weighlock lock`" if subject.unlisted == LEFT_OUT else "is not in the lockfile"
    return _found(subject, subject.unlisted, why)


def _judge_anew(file: LockedFile, fetched: Fetched) -> str | None:
    """Inspect again and say what differs from the lockfile."""
    now = locked_file(file.path, fetched, inspect_file(fetched, file.path))
    for word in ("format", "outcome", "imports", "needs"):
        if getattr(now, word) != getattr(file, word):
            return f"its {word} was locked as {_shown(getattr(file, word))}, today it is {_shown(getattr(now, word))}"
    return None


def _shown(value: str | tuple[str, ...] | None) -> str:
    if not value:
        return "nothing"
    return value if isinstance(value, str) else ", ".join(value)


def _found(subject: _Subject, status: str, message: str | None) -> VerifiedFile:
    return VerifiedFile(
        path=subject.shown, status=status, model=subject.model.name if subject.model else None, message=message
    )
