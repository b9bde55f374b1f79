"""The gate of ``weighlock bom``: everything that is known about packages and models, as one bill of materials.

    1. collect: the models of the lockfile, those of paths (inspected now), packages of an environment and of lists;
    2. identify and verify: every file by its digest; documents are read only if they have the digest that is locked;
    3. advisories of the local database, with what the policy decided about them;
    4. the graph: what needs what, and what the whole consists of;
    5. the value, which follows from the inputs and from nothing else.

Nothing is decided here, and no network is used.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import weighlock
from weighlock.bom.names import huggingface
from weighlock.bom.values import UNKNOWN, Bom
from weighlock.errors import UsageError, WeighlockError
from weighlock.gates.bom_advisories import Advised, advised
from weighlock.gates.bom_documents import read_documents
from weighlock.gates.bom_inputs import beside, inspected, listed_packages, subject_of
from weighlock.gates.bom_models import model_parts, ref_of
from weighlock.gates.bom_packages import Package, from_distribution, merged, needs, with_provenance
from weighlock.gates.places import Places
from weighlock.gates.signed_lockfile import SUFFIX
from weighlock.gates.sync import choose
from weighlock.lockfile import HubSource
from weighlock.policy import digest_of_document
from weighlock.signing.oms_bundle import file_name as bundle_name
from weighlock.signing.publishers import Publishers, place
from weighlock.sources.directory import identify
from weighlock.sources.distributions import newest, read_distributions
from weighlock.sources.environment import folders_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from weighlock.bom.values import Properties, Reference
    from weighlock.gates.bom_models import ModelParts
    from weighlock.gates.check_inputs import Inputs
    from weighlock.gates.project import Project
    from weighlock.lockfile import LockedModel
    from weighlock.sources.interface import Progress

_SYSTEM_GAPS = ("data-flow", "data-usage", "inputs", "outputs", "timestamp")
"""No source says what a project does with data, nor when it was released."""

_DOCUMENT_GAPS = ("signature", "security-compliance", "security-contact")
"""A document cannot hold the signature that is made of it, and no source says the others."""

_LAST = 253_402_300_799  # the end of the year 9999, behind which there are no dates
_PHASES = ("pre-build", "build", "operations", "discovery")


@dataclass(frozen=True, slots=True, kw_only=True)
class BomRequest:
    """What is to be described.

    Args:
        locked: Describe models of the lockfile.
        names: Which; all where none is named.
        paths: Files and folders that are inspected now.
        lists: Requirements, lockfiles of packages, and whether the environment is meant.
        files: List every file of an installed package.
        author: Who wants the document.
    """

    locked: bool = False
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    lists: Inputs
    files: bool = False
    author: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inventory:
    """A model with its files, and where these lie."""

    model: LockedModel
    places: Places
    problems: tuple[tuple[str, str], ...] = ()
    complete: bool | None = None
    references: tuple[Reference, ...] = ()
    left_out: tuple[str, ...] = ()
    inspected: bool = False


def describe(
    request: BomRequest,
    project: Project,
    *,
    python: str,
    environ: Mapping[str, str],
    now: datetime,
    progress: Progress,
    places: Places | None = None,
) -> Bom:
    """Make a bill of materials.

    Args:
        request: Of what.
        project: Its lockfile and its policy.
        python: The interpreter of the environment, where that is meant.
        environ: The variables of the user.
        now: The time, with a time zone, for what a policy decided until some day. It is not in the document.
        progress: Is told what is hashed, and what a person has to know.
        places: Where locked models lie; by default where `verify` looks.

    Raises:
        WeighlockError: Something that was named cannot be read.
    """
    run = _Run(request=request, project=project, python=python, environ=environ, now=now, progress=progress)
    # 1 and 2. Models, packages.
    run.add_models(places or Places(folder=project.folder))
    run.add_environment()
    run.add_lists()
    if not run.models and not run.packages:
        hint = "name a model, a folder, --env, -r FILE or --lockfile FILE"
        raise UsageError("there is nothing to describe", hint=hint)
    packages = merged(run.packages)
    # 3. Advisories.
    advice = advised(packages, project.policy.install, environ, now) if packages else Advised(known=True)
    if advice.problem:
        progress.say(f"the document has no advisories: {advice.problem}")
    # 4 and 5. The graph, and all of it.
    return run.assembled(packages, advice)


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run of the gate, and what it collected so far."""

    request: BomRequest
    project: Project
    python: str
    environ: Mapping[str, str]
    now: datetime
    progress: Progress
    models: list[ModelParts] = field(default_factory=list)
    packages: list[Package] = field(default_factory=list)
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    properties: list[tuple[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    phases: set[str] = field(default_factory=set)

    def add_models(self, places: Places) -> None:
        """Add the models of the lockfile and those of paths."""
        found = [*self._locked(places), *self._inspected()]
        known: dict[str, str] = {}
        for one in found:
            if ref_of(one.model) in known:
                raise UsageError("is described twice", where=one.model.name, hint="name it once")
            known[ref_of(one.model)] = ref_of(one.model)
        for one in found:
            source = one.model.source
            if isinstance(source, HubSource):
                known[huggingface(source.repo, kind=source.type)] = ref_of(one.model)
        for one in found:
            documents = read_documents(one.model.files, partial(one.places.file, one.model))
            parts = model_parts(
                one.model,
                documents,
                unreadable=one.problems,
                complete=one.complete,
                known=known,
                references=one.references,
                claimed=one.inspected and isinstance(one.model.source, HubSource),
                left_out=one.left_out,
            )
            self.models.append(parts)

    def _locked(self, places: Places) -> list[_Inventory]:
        if not self.request.locked:
            return []
        lockfile = self.project.read(required=True)
        digest = self._digest_of(str(self.project.lock))
        if lockfile.digest != f"sha256:{digest}":
            raise WeighlockError("changed while it was read", where=str(self.project.lock), hint="run it again")
        self.properties.append(("lockfile:sha256", digest))
        self.phases.add("build")
        return [
            _Inventory(model=model, places=places, references=beside(self.project.folder, bundle_name(model.name)))
            for model in choose(lockfile, self.request.names)
        ]

    def _inspected(self) -> list[_Inventory]:
        found = []
        names = [os.path.basename(os.path.abspath(path)) for path in self.request.paths]
        for path, name in zip(self.request.paths, names, strict=True):
            one = inspected(path, name if names.count(name) == 1 else path, self.progress)
            complete = not one.problems and not one.left_out
            found.append(
                _Inventory(
                    model=one.model,
                    places=one.places,
                    problems=one.problems,
                    complete=complete,
                    left_out=one.left_out,
                    inspected=True,
                )
            )
            self.times.append(one.newest)
            self.phases.add("discovery")
        return found

    def add_environment(self) -> None:
        """Add what is installed."""
        if not self.request.lists.environment:
            return
        _, folders = folders_of(self.python)
        distributions = read_distributions(folders)
        publishers = Publishers(place(self.environ))
        found = [with_provenance(from_distribution(one, files=self.request.files), publishers) for one in distributions]
        refs = {one.name: one.component.ref for one in found}
        names = (part for folder in folders for part in folder.split(os.sep))
        version = next((name.removeprefix("python") for name in names if name.startswith("python3.")), None)
        for name, others in needs(distributions, version).items():
            self.needs[refs[name]] = tuple(refs[other] for other in others)
        self.packages += found
        self.phases.add("operations")
        if (time := newest(folders)) is not None:
            self.times.append(time)

    def add_lists(self) -> None:
        """Add what requirements files and lockfiles of packages list."""
        lists = self.request.lists
        paths = [path for group in lists.requirements for path in group] + [*lists.pylocks, *lists.uv_locks]
        if not paths:
            return
        policy = self.project.policy.install
        self.packages += listed_packages(lists, python=self.python, environ=self.environ, policy=policy, now=self.now)
        self.properties += [("input", f"{path} sha256:{self._digest_of(path)}") for path in paths]
        self.phases.add("pre-build")

    def _digest_of(self, path: str) -> str:
        """Return the digest of an input, and remember when it was made.

        Raises:
            SourceError: It cannot be read.
        """
        fetched = identify(Path(path))
        self.times.append(fetched.place.stat().st_mtime)
        return fetched.sha256

    def assembled(self, packages: Sequence[Package], advice: Advised) -> Bom:
        """Return all of it as one value."""
        models = {one.component.ref: one for one in self.models}
        datasets = {one.ref: one for parts in models.values() for one in parts.datasets if one.ref not in models}
        components = [parts.component for parts in models.values()] + list(datasets.values())
        components += [one.component for one in packages]
        components.sort(key=lambda one: one.ref)
        graph = {one.ref: self.needs.get(one.ref, ()) for one in components}
        graph |= {ref: parts.needs for ref, parts in models.items()}
        subject = subject_of(self.project, self.request)
        if self.request.locked:
            signature = beside(self.project.folder, f"{self.project.lock.name}{SUFFIX}")
            subject = replace(subject, references=signature)
        gaps = [*_SYSTEM_GAPS, *(["dependencies"] if packages and not self.needs else [])]
        graph[subject.ref] = tops(graph, {one.component.ref for one in packages if one.requested} | set(models))
        wrong = (*(one for parts in models.values() for one in parts.vulnerabilities), *advice.vulnerabilities)
        return Bom(
            subject=replace(subject, properties=(*subject.properties, *((UNKNOWN, gap) for gap in gaps))),
            tool=weighlock.__version__,
            time=_time(self.times, self.environ),
            author=self.request.author,
            phases=tuple(phase for phase in _PHASES if phase in self.phases),
            components=tuple(components),
            dependencies=tuple(graph.items()),
            vulnerabilities=tuple(sorted(wrong, key=lambda one: one.ref)),
            properties=self._document(advice, rated=bool(wrong), software=bool(packages)),
        )

    def _document(self, advice: Advised, *, rated: bool, software: bool) -> Properties:
        told = [
            *self.properties,
            ("policy:sha256", digest_of_document(self.project.policy.to_dict())),
            *([("guard", self._guard())] if self.project.policy_path else []),
            ("generation", "read from digests, metadata and cards; nothing was executed, no server was asked"),
            *([("advisories", advice.state)] if advice.state else []),
        ]
        gaps = [
            *([] if self.request.author else ["author"]),
            *([] if advice.known and advice.state else ["advisories"]),
        ]
        gaps += [] if self.project.policy_path else ["security-controls"]
        cards = [one.component.card for one in self.models if one.component.card]
        gaps += (
            [] if any(name == "weighlock:hardware" for card in cards for name, _ in card.properties) else ["hardware"]
        )
        gaps += [*_DOCUMENT_GAPS, *([] if rated else ["security-metrics"]), *([] if software else ["software"])]
        return (*sorted((f"weighlock:{name}", value) for name, value in told), *((UNKNOWN, gap) for gap in gaps))

    def _guard(self) -> str:
        policy = self.project.policy
        return (
            f"the policy asks for mode {policy.mode}, unlocked files: {policy.unlocked}, verification: {policy.verify}"
        )


def record(project: Project, path: str, text: str) -> None:
    """Record in the ledger that a document was written.

    Args:
        project: Whose policy says which ledger.
        path: Of the document.
        text: Of it.

    Raises:
        LedgerError: It cannot be recorded, and the policy requires that.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    project.decider("bom").record_document(path, f"sha256:{digest}", "written")


def tops(graph: Mapping[str, tuple[str, ...]], requested: set[str]) -> tuple[str, ...]:
    """Return what the whole needs by itself: what was asked for, what nothing else needs, and one of each circle.

    Args:
        graph: What needs what.
        requested: What a person asked for.
    """
    needed = {other for others in graph.values() for other in others}
    found = sorted(requested | (graph.keys() - needed))
    reached: set[str] = set()
    for ref in (*found, *sorted(graph)):
        if ref in reached:
            continue
        if ref not in found:
            found.append(ref)
        waiting = [ref]
        while waiting:
            if (one := waiting.pop()) not in reached:
                reached.add(one)
                waiting += graph.get(one, ())
    return tuple(sorted(found))


def _time(times: Sequence[float], environ: Mapping[str, str]) -> datetime | None:
    """Return when the newest input was made, or what ``SOURCE_DATE_EPOCH`` says.

    Source:
        https://reproducible-builds.org/specs/source-date-epoch/
    """
    stated = environ.get("SOURCE_DATE_EPOCH")
    if stated is None and not times:
        return None
    if stated is not None:
        if not stated.isascii() or not stated.isdigit() or len(stated) > 11:
            raise UsageError("is not a number of seconds since 1970", where="SOURCE_DATE_EPOCH")
        times = [float(stated)]
    return datetime.fromtimestamp(min(max(0, int(max(times))), _LAST), UTC)
