"""The files of an audited model: each hashed, compared with the lockfile and inspected, in one go."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from weighlock.artifact import Digest, ModelFile
from weighlock.audit.facts import GOOD, MISSING, FileFacts
from weighlock.errors import SourceError
from weighlock.evidence import Approval, LockEntry
from weighlock.finding import Outcome, unverifiable
from weighlock.gates.collect import Collector
from weighlock.gates.judge import inspect_file
from weighlock.gates.request import find, intent_request
from weighlock.gates.selection import divide
from weighlock.gates.verify import BESIDE, CHANGED, EXTRA, LEFT_OUT, UNREADABLE
from weighlock.sources.directory import identify, list_directory
from weighlock.sources.hub import locked_offer
from weighlock.sources.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from weighlock.evidence import Evidence
    from weighlock.finding import Inspection
    from weighlock.gates.deciding import Decider
    from weighlock.gates.places import Places
    from weighlock.gates.project import Project
    from weighlock.lockfile import LockedFile, LockedModel, Lockfile
    from weighlock.sources.interface import Fetched, Offer, Progress

    Tick = Callable[[int], None]

NOT_LOCKED = "not locked"
"""Of a file whose model is in no lockfile."""

_CODE = (".py", ".so", ".pyd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a model.

    Args:
        files: Sorted by path.
        beside: Files in a cache that other programs share, or that ``lock`` leaves out: the load gate refuses them.
        problems: What could not be listed.
    """

    files: tuple[FileFacts, ...]
    beside: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def see_locked(model: LockedModel, lockfile: Lockfile, project: Project, places: Places, progress: Progress) -> Seen:
    """Look at every file of a locked model, and at every file beside it.

    Args:
        model: Of the lockfile.
        lockfile: A file beside the model that it lists anywhere is known.
        project: Its policy decides, and says which files ``lock`` leaves out.
        places: Where models lie.
        progress: Is told what is hashed.
    """
    seeing = _Seeing(name=model.name, project=project, lockfile=lockfile, decider=_rehearsing(project))
    problems: list[str] = []
    others: list[tuple[Offer, str]] = []
    try:
        others += _others(model, lockfile, project, places)
    except SourceError as error:
        problems.append(str(error))
    progress.expect(sum(file.size for file in model.files))
    with Collector(Transport(), progress, offline=True) as collector:
        tick = collector.progress.advance
        locked = collector.map(lambda file: seeing.locked(file, places.file(model, file.path), tick), model.files)
        found = collector.map(lambda item: seeing.other(*item, tick), others)
    extra = [file for file in found if file is not None]
    harmless = {BESIDE, LEFT_OUT}
    return Seen(
        files=_sorted((*locked, *(file for file in extra if file.disk not in harmless))),
        beside=tuple(sorted(f"{file.path} ({file.disk})" for file in extra if file.disk in harmless)),
        problems=tuple(problems),
    )


def see_unlocked(place: Path, name: str, project: Project, progress: Progress) -> Seen:
    """Look at a file or a folder that no lockfile lists."""
    seeing = _Seeing(name=name, project=project, lockfile=None, decider=_rehearsing(project))
    try:
        offers = list_directory(place, name).files
    except SourceError as error:
        return Seen(files=(), problems=(str(error),))
    progress.expect(sum(offer.size or 0 for offer in offers))
    with Collector(Transport(), progress, offline=True) as collector:
        tick = collector.progress.advance
        found = collector.map(lambda offer: seeing.unlocked(offer, place, tick), offers)
    return Seen(files=_sorted(found))


def _others(model: LockedModel, lockfile: Lockfile, project: Project, places: Places) -> Iterator[tuple[Offer, str]]:
    """Yield what lies beside the locked files, with what `weighlock.gates.verify` would call it."""
    root = places.root(model)
    if not root.is_dir() or not places.is_apart(model):
        return
    others = list_directory(root, str(root), {file.path for file in model.files}).files
    requests = [intent_request(intent, places.folder) for intent in project.policy.models]
    request = next((one for one in requests if find(lockfile, one) == model), None)
    include, exclude = (request.include, request.exclude) if request else ((), ())
    selected = divide((*others, *map(locked_offer, model.files)), include, exclude).files
    chosen = {offer.path for offer in selected}
    unlisted = BESIDE if places.is_shared(model) else EXTRA
    for offer in others:
        yield offer, unlisted if offer.path in chosen else LEFT_OUT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seeing:
    """Looks at one file at a time, in several threads.

    Its decisions are those of the load gate, rehearsed: nothing is loaded, and what is recorded is the audit's own
    verdict.
    """

    name: str
    project: Project
    lockfile: Lockfile | None
    decider: Decider
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def locked(self, file: LockedFile, place: Path, tick: Tick) -> FileFacts:
        try:
            if not place.exists():
                return _unseen(file, MISSING, "is not on this machine")
            fetched = identify(place, tick=tick)
            inspection = inspect_file(fetched, file.path)
        except SourceError as error:
            return _unseen(file, UNREADABLE, error.message)
        except OSError as error:
            return _unseen(file, UNREADABLE, f"cannot be read: {error.strerror}")
        same = fetched.sha256 == file.sha256 and fetched.size == file.size
        evidence: list[Evidence] = [LockEntry(model=self.name, path=file.path)] if same else []
        if same and (file.approved or file.unsafe):
            evidence.append(Approval(imports=frozenset(file.approved), unsafe=file.unsafe))
        facts = self._facts(file.path, fetched, inspection, evidence)
        facts = replace(
            facts,
            size=file.size,
            sha256=file.sha256,
            disk=GOOD if same else CHANGED,
            mismatch=None if same else f"has sha256 {fetched.sha256} and {fetched.size} bytes on this machine",
        )
        if not same:
            return facts
        return replace(facts, approved=file.approved, unsafe=file.unsafe, twins=file.equivalent_to)

    def other(self, offer: Offer, unlisted: str, tick: Tick) -> FileFacts | None:
        """Look at a file that the model does not list; one that no loader takes, or that is known, is no matter."""
        facts = self._local(offer, tick)
        if facts is None:
            return None
        known = self.lockfile is not None and self.lockfile.by_digest(facts.sha256)
        is_code = offer.path.lower().endswith(_CODE)
        if known or (facts.outcome is Outcome.NOT_A_MODEL and facts.disk != UNREADABLE and not is_code):
            return None
        if facts.disk == UNREADABLE:
            return facts
        return replace(facts, disk=unlisted, mismatch="is not in the lockfile")

    def unlocked(self, offer: Offer, root: Path, tick: Tick) -> FileFacts:
        facts = self._local(offer, tick)
        if facts is None:
            raise SourceError("is nowhere on this machine", where=f"{root}/{offer.path}")
        return facts

    def _local(self, offer: Offer, tick: Tick) -> FileFacts | None:
        if offer.local is None:
            return None
        try:
            fetched = identify(offer.local, tick=tick)
            inspection = inspect_file(fetched, offer.path)
        except SourceError as error:
            inspection = unverifiable(error.message)
            return FileFacts(
                path=offer.path,
                size=offer.size or 0,
                sha256="0" * 64,
                locked=False,
                disk=UNREADABLE,
                mismatch=error.message,
                outcome=inspection.outcome,
                findings=inspection.findings,
            )
        return replace(self._facts(offer.path, fetched, inspection, ()), locked=False, disk=NOT_LOCKED)

    def _facts(self, path: str, fetched: Fetched, inspection: Inspection, evidence: Sequence[Evidence]) -> FileFacts:
        artifact = ModelFile(
            path=f"{self.name}:{path}",
            size=fetched.size,
            digest=Digest.sha256(fetched.sha256),
            format=inspection.format,
        )
        with self.one_at_a_time:  # engines of the policy answer one question after the other
            verdict = self.decider.decide(artifact, inspection, evidence, profile_names=self.project.profile_names)
        return FileFacts(
            path=path,
            size=fetched.size,
            sha256=fetched.sha256,
            format=inspection.format,
            outcome=inspection.outcome,
            needs=inspection.needs,
            findings=inspection.findings,
            denied=() if verdict.allowed else tuple(f"{one.rule}: {one.message}" for one in verdict.reasons),
        )


def _rehearsing(project: Project) -> Decider:
    return replace(project, recorder=None).decider("load")


def _unseen(file: LockedFile, disk: str, why: str) -> FileFacts:
    """Return what the lockfile alone says about a file."""
    outcomes = {str(outcome): outcome for outcome in Outcome}
    told = outcomes.get(file.outcome or "", Outcome.DATA_ONLY if file.format else Outcome.NOT_A_MODEL)
    return FileFacts(
        path=file.path,
        size=file.size,
        sha256=file.sha256,
        disk=disk,
        mismatch=why,
        inspected=False,
        format=file.format,
        outcome=told,
        needs=file.needs,
        approved=file.approved,
        unsafe=file.unsafe,
        twins=file.equivalent_to,
    )


def _sorted(files: Sequence[FileFacts]) -> tuple[FileFacts, ...]:
    return tuple(sorted(files, key=lambda file: file.path))
