"""The gate of ``weighlock lock``: nothing is written that was not fetched, hashed and judged.

For all models that are asked for, together:
    1. collect: the source lists its files at one commit, and those to be locked are selected;
    2. identify: each file is hashed where it lies, or downloaded into quarantine and hashed on the way;
    3. inspect: each file is inspected under every loader;
    4. verify: what people approved for the same bytes is carried over, and each pickled checkpoint is compared with its
       safetensors twin;
    5. decide: the policy judges each file as the load gate will judge it;
    6. enforce: if no file is refused, files are published to the caches and the lockfile is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from shlex import quote
from typing import TYPE_CHECKING

from weighlock.errors import AdmissionError, DigestMismatchError, UsageError
from weighlock.files import update_lockfile
from weighlock.gates import changes
from weighlock.gates.clients import Clients
from weighlock.gates.collect import Brought, Collector, Errand
from weighlock.gates.judge import JudgedFile, inspect_file, judge, locked_file, with_approvals
from weighlock.gates.places import Places
from weighlock.gates.quarantined import RULE
from weighlock.gates.request import ModelRequest, find
from weighlock.gates.selection import Selection, select
from weighlock.gates.twins import Party, Proof, Proofs, prove_model, with_kept
from weighlock.lockfile import LockedModel, Lockfile
from weighlock.model_source import MlflowSource, PathSource, UrlSource, revision_of
from weighlock.sources.directory import list_directory
from weighlock.sources.hub_cache import HubCache
from weighlock.sources.interface import Silence
from weighlock.sources.transport import Transport
from weighlock.sources.url import TorchHubCache

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from weighlock.finding import Inspection
    from weighlock.gates.project import Project
    from weighlock.lockfile import LockedFile
    from weighlock.sources.interface import Listing, Offer, Progress

EVERYTHING = "*"
"""In `LockOptions.upgrade`: all models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOptions:
    """How to lock.

    Args:
        upgrade: Names of models whose refs are resolved anew; the others stay at their commits.
        all_formats: Do not prefer safetensors.
        offline: Ask no server; only files of this machine can be locked.
        allow_http: URLs of other machines without encryption are acceptable.
        cache: Where Hub files are published.
        checkpoints: Where URL files are published.
    """

    upgrade: frozenset[str] = frozenset()
    all_formats: bool = False
    offline: bool = False
    allow_http: bool = False
    cache: HubCache = field(default_factory=HubCache)
    checkpoints: TorchHubCache = field(default_factory=TorchHubCache)

    def places(self, folder: Path) -> Places:
        """Return where the files of models belong.

        Args:
            folder: Of the lockfile.
        """
        return Places(folder=folder, cache=self.cache, checkpoints=self.checkpoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockReport:
    """What was locked.

    Args:
        lockfile: The new one.
        written: Whether the file on disk changed.
        changes: Compared to the old one.
        judged: Every file that was locked.
        left_out: Selections that left files out, by model.
        proofs: Checkpoints that were compared with their safetensors twins.
    """

    lockfile: Lockfile
    written: bool
    changes: tuple[changes.ModelChange, ...]
    judged: tuple[JudgedFile, ...]
    left_out: tuple[tuple[str, Selection], ...] = ()
    proofs: tuple[Proof, ...] = ()

    @property
    def waiting(self) -> tuple[JudgedFile, ...]:
        """The files that need an approval before they can be loaded."""
        return tuple(item for item in self.judged if not item.verdict.allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """One model on its way into the lockfile."""

    request: ModelRequest
    old: LockedModel | None
    listing: Listing
    selection: Selection
    errands: tuple[Errand, ...]

    @property
    def name(self) -> str:
        return self.old.name if self.old else self.request.name


def lock(
    requests: Sequence[ModelRequest],
    project: Project,
    options: LockOptions,
    progress: Progress | None = None,
    transport: Transport | None = None,
) -> LockReport:
    """Lock models.

    Args:
        requests: What to lock, or to lock again.
        project: Its lockfile is read, and written if every file may be.
        options: How.
        progress: Is told what happens.
        transport: For downloads.

    Raises:
        AdmissionError: A file is refused; the lockfile was not changed.
        WeighlockError: A source, the disk or the old lockfile is at fault; the lockfile was not changed.
    """
    old = project.unsafe_read()
    transport = transport or Transport(allow_http=options.allow_http)
    # 1. Collect
    clients = Clients(transport=transport, progress=progress, allow_http=options.allow_http)
    planner = _Planner(old, project, options, clients)
    plans = [planner.plan(request) for request in requests]
    _refuse_same_names(plans)
    with Collector(transport, progress or Silence(), offline=options.offline) as collector:
        # 2. Identify
        brought = collector.bring([errand for plan in plans for errand in plan.errands])
        _say_replaced(brought, collector.progress)
        # 3. Inspect
        inspections = collector.map(lambda item: inspect_file(item.fetched, item.errand.offer.path), brought)
        # 4. Verify
        proofs = _prove(brought, inspections, collector)
        accepted = {(plan.name, path): reason for plan in plans for path, reason in plan.request.unsafe}
        entries = [_entry(*pair, old, accepted, proofs) for pair in zip(brought, inspections, strict=True)]
        # 5. Decide
        decider = project.decider("lock")
        judged = [
            judge(
                item.errand.model,
                entry,
                proofs.judged(item.errand.model, entry.path, inspection),
                decider,
                project.profile_names,
            )
            for item, entry, inspection in zip(brought, entries, inspections, strict=True)
        ]
        # 6. Enforce
        _refuse(plans, judged, brought, collector, proofs)
        for plan in plans:
            _publish(plan, [item for item in brought if item.errand.model == plan.name], options.places(project.folder))
    return _write(project, plans, judged, proofs)


class _Planner:
    def __init__(self, old: Lockfile, project: Project, options: LockOptions, clients: Clients) -> None:
        self._old = old
        self._project = project
        self._options = options
        self._clients = clients
        self._places = options.places(project.folder)

    def plan(self, request: ModelRequest) -> _Plan:
        old = find(self._old, request)
        listing = self._list(request, old)
        # MLflow hands out a version as a whole, so that none of its files may be left to chance.
        all_formats = self._options.all_formats or isinstance(listing.source, MlflowSource)
        selection = select(listing.files, request.include, request.exclude, all_formats=all_formats)
        name = old.name if old else request.name
        errands = tuple(self._errand(name, listing, offer) for offer in selection.files)
        return _Plan(request=request, old=old, listing=listing, selection=selection, errands=errands)

    def _list(self, request: ModelRequest, old: LockedModel | None) -> Listing:
        target = request.target
        if isinstance(target, PathSource):
            return list_directory(self._project.folder / target.path, target.path)
        if self._options.offline and not isinstance(target, UrlSource):
            raise UsageError("cannot be locked offline", where=request.name, hint="run it again without --offline")
        upgrade = old is not None and bool(self._options.upgrade & {EVERYTHING, old.name})
        return self._clients.of(target).list(target, old, upgrade=upgrade)

    def _errand(self, name: str, listing: Listing, offer: Offer) -> Errand:
        source = listing.source
        if isinstance(source, PathSource):
            return Errand(model=name, offer=offer, place=offer.local)
        store = self._places.store(source)
        return Errand(
            model=name,
            offer=offer,
            place=store.folder(source) / offer.path,
            client=self._clients.of(source),
            source=source,
            quarantine=store.quarantine,
        )


def _prove(brought: Sequence[Brought], inspections: Sequence[Inspection], collector: Collector) -> Proofs:
    models: dict[str, dict[str, Party]] = {}
    for item, inspection in zip(brought, inspections, strict=True):
        party = Party(place=item.fetched.place, stamp=item.fetched.stamp, outcome=inspection.outcome)
        models.setdefault(item.errand.model, {})[item.errand.offer.path] = party
    proofs = collector.map(lambda model: tuple(prove_model(model, models[model], collector.progress)), list(models))
    return Proofs(proof for found in proofs for proof in found)


def _entry(
    item: Brought, inspection: Inspection, old: Lockfile, accepted: Mapping[tuple[str, str], str], proofs: Proofs
) -> LockedFile:
    """Make the entry of a file, with what people approved for its bytes, or accept now for its path."""
    entry = locked_file(item.errand.offer.path, item.fetched, inspection)
    entry = replace(entry, equivalent_to=proofs.equivalent_to(item.errand.model, entry.path))
    entry = with_approvals(entry, old.by_digest(entry.sha256))
    reason = accepted.get((item.errand.model, entry.path))
    return entry if reason is None else replace(entry, unsafe=True, reason=reason)


def _refuse_same_names(plans: Sequence[_Plan]) -> None:
    seen: set[str] = set()
    for plan in plans:
        if plan.name in seen:
            raise UsageError("is asked for twice", where=plan.name)
        seen.add(plan.name)


def _say_replaced(brought: Sequence[Brought], progress: Progress) -> None:
    for item in brought:
        if item.replaces and item.errand.place is not None:
            progress.say(f"{item.errand.place} has other bytes and will be replaced")


def _refuse(
    plans: Sequence[_Plan],
    judged: Sequence[JudgedFile],
    brought: Sequence[Brought],
    collector: Collector,
    proofs: Proofs,
) -> None:
    for plan in plans:
        _refuse_rewritten(plan, judged)
    refused = [(item, origin) for item, origin in zip(judged, brought, strict=True) if not item.writable]
    for _, origin in refused:
        collector.discard(origin)
    if refused:
        texts = [
            f"{item.model}: {item.locked.path} is {_denier(item) or item.inspection.outcome}: "
            f"{item.verdict.reasons[0].message}"
            for item, _ in refused
        ]
        plan = next(plan for plan in plans if plan.name == refused[0][0].model)
        raise AdmissionError("; ".join(texts), hint=_remedy(plan, refused[0][0], proofs))


def _refuse_rewritten(plan: _Plan, judged: Sequence[JudgedFile]) -> None:
    """Refuse other bytes under the same revision: it does not change, so somebody changed them."""
    source = plan.listing.source
    if plan.old is None or revision_of(source) is None or plan.old.source != source:
        return
    before = {file.path: file.sha256 for file in plan.old.files}
    for item in judged:
        if item.model == plan.name and before.get(item.locked.path, item.locked.sha256) != item.locked.sha256:
            raise DigestMismatchError(
                f"{source.shown} has sha256 {item.locked.sha256} at {revision_of(source)}, "
                f"the lockfile says {before[item.locked.path]}",
                where=f"{plan.name}: {item.locked.path}",
                hint="the repository's history was rewritten or the server is not the one it was; "
                "the lockfile was not changed",
            )


def _denier(item: JudgedFile) -> str | None:
    """Say that a further engine denied it, which no approval changes; ``None`` where the built-in policy did."""
    rule = item.verdict.reasons[0].rule
    return f"denied by {rule}" if rule in {stamp.engine for stamp in item.verdict.engines[1:]} else None


def _remedy(plan: _Plan, item: JudgedFile, proofs: Proofs) -> str:
    leave_out = f"leave it out with `--exclude {quote(item.locked.path)}`"
    for rival in proofs.rivals(item.model, item.locked.path):
        leave_out = (
            "find out which of the two is the original, and leave the other one out with "
            f"`--exclude {quote(item.locked.path)}` or `--exclude {quote(rival)}`"
        )
    if plan.old is not None:
        return f"{leave_out}, or stay with what is locked; the lockfile was not changed"
    if _denier(item) or item.verdict.reasons[0].rule == RULE:
        remedy = item.verdict.reasons[0].remedy or "change what denies it"
        return f"{leave_out}, or {remedy}; the lockfile was not changed"
    subject = f"{item.model}:{item.locked.path}"
    if isinstance(plan.listing.source, PathSource):
        place = next(errand.place for errand in plan.errands if errand.offer.path == item.locked.path)
        subject = str(place)
    return (
        f"{leave_out}, or accept it whatever it does with "
        f"`weighlock approve {quote(subject)} --unsafe --reason TEXT`; the lockfile was not changed"
    )


def _merge(old: Lockfile, plans: Sequence[_Plan], judged: Sequence[JudgedFile]) -> Lockfile:
    models = {model.name: model for model in old.models}
    for plan in plans:
        files = {item.locked.path: item.locked for item in judged if item.model == plan.name}
        before = models.get(plan.name)
        if before is not None and plan.request.keep and before.source == plan.listing.source:
            files = with_kept(files, before.files)
        models[plan.name] = LockedModel(
            name=plan.name,
            source=plan.listing.source,
            license=plan.listing.license,
            remote_code=plan.request.remote_code or (plan.old is not None and plan.old.remote_code),
            files=tuple(files[path] for path in sorted(files)),
        )
    return Lockfile(models=tuple(models[name] for name in sorted(models)))


def _publish(plan: _Plan, brought: Sequence[Brought], places: Places) -> None:
    source = plan.listing.source
    if isinstance(source, PathSource):
        return
    store = places.store(source)
    for item in brought:
        if item.fetched.quarantined:
            store.publish(source, item.errand.offer.path, item.fetched)
    store.finish(source)


def _write(project: Project, plans: Sequence[_Plan], judged: Sequence[JudgedFile], proofs: Proofs) -> LockReport:
    names = [plan.name for plan in plans]
    update = update_lockfile(
        project.lock,
        lambda now: _merge(now, plans, judged),
        lambda old, new, kept: changes.comments(changes.compare(old, new, names), kept),
    )
    project.record_lockfile("lock", update.new)
    left_out = tuple(
        (plan.name, plan.selection)
        for plan in plans
        if plan.selection.covered or plan.selection.other or plan.selection.excluded
    )
    return LockReport(
        lockfile=update.new,
        written=update.written,
        changes=changes.compare(update.old, update.new, names),
        judged=tuple(judged),
        left_out=left_out,
        proofs=proofs.all,
    )
