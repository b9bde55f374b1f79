"""Pickled checkpoints and their safetensors twins: which files belong together, and whether they hold the same.

A twin is found by the name that loaders and conversions give it: ``pytorch_model.bin`` and ``model.safetensors``,
otherwise the same name with another ending; in the same folder, sharded or not. A file of another variant, such as
``model.fp16.safetensors``, is no twin.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock import checks
from weighlock.errors import FormatError, OverBudgetError, SourceError, UnsupportedError
from weighlock.finding import Outcome
from weighlock.formats.source import FileSource
from weighlock.formats.torch_checkpoint import flat_tensors, read_checkpoint
from weighlock.formats.twin import OTHER_CONTENT, Comparison, Kind, compare, read_twin
from weighlock.inspector.spool import default_budget
from weighlock.sources.directory import opened, stamp_of
from weighlock.sources.interface import Silence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from weighlock.finding import Finding, Inspection
    from weighlock.formats.source import RandomAccess
    from weighlock.formats.torch_checkpoint import TensorView
    from weighlock.lockfile import LockedFile
    from weighlock.sources.interface import Fetched, Progress

_PICKLED = (".bin", ".pt", ".pth", ".ckpt")
_SHARD = re.compile(r"-\d{5}-of-\d{5}\Z")
_INDEX = ".safetensors.index"
_LARGEST_INDEX = 64 << 20
"""Bytes; a line of an index has about 100 of them, and no model has half a million tensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The files of one set of weights.

    Args:
        checkpoints: Paths of the pickled checkpoint, or of its shards.
        twin: Paths of the safetensors file that should hold the same, or of its shards.
    """

    checkpoints: tuple[str, ...]
    twin: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A file that takes part in a comparison.

    Args:
        place: Where it lies.
        stamp: As it was when it was hashed; ``None`` for one that nobody else can change.
        outcome: What its inspection came to.
    """

    place: Path
    stamp: tuple[int, ...] | None = None
    outcome: Outcome = Outcome.DATA_ONLY


def families(paths: Collection[str], places: Mapping[str, Path]) -> tuple[Family, ...]:
    """Find the checkpoints of one model that have a twin in it.

    Args:
        paths: All files of the model.
        places: Where they lie, to read the index of a sharded twin.
    """
    groups: dict[tuple[str, str, str], list[str]] = {}
    for path in sorted(paths):
        folder, _, name = path.rpartition("/")
        stem, dot, ending = name.rpartition(".")
        if f"{dot}{ending}" in _PICKLED:
            groups.setdefault((folder, _SHARD.sub("", stem), ending), []).append(path)
    found = ((tuple(group), _twin(folder, stem, paths, places)) for (folder, stem, _), group in groups.items())
    return tuple(Family(checkpoints=group, twin=twin) for group, twin in found if twin)


def prove(family: Family, parties: Mapping[str, Party], progress: Progress) -> tuple[Comparison, ...]:
    """Compare the checkpoints of a family with its twin; nothing of them is executed.

    Args:
        family: What to compare.
        parties: Its files by path.
        progress: Is told how much was compared.

    Raises:
        SourceError: A file cannot be read.
    """
    with ExitStack() as stack:
        files = {path: stack.enter_context(_opened(parties[path], None)) for path in family.checkpoints}
        files |= {path: stack.enter_context(_opened(parties[path], progress)) for path in family.twin}
        return tuple(_compare_all(family, parties, files))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A comparison, and the model that both files belong to.

    Args:
        model: Its name.
        comparison: What it came to.
        blamed: Path of the file that findings are about: the one with other content, else the first of the twin.
        findings: What the checks say.
    """

    model: str
    comparison: Comparison
    blamed: str
    findings: tuple[Finding, ...]


class Proofs:
    """All comparisons that were made while models were locked."""

    def __init__(self, proofs: Iterable[Proof]) -> None:
        self.all = tuple(proofs)

    def equivalent_to(self, model: str, path: str) -> tuple[str, ...]:
        """Return the safetensors files that were proved to hold the tensors of a checkpoint."""
        mine = (proof.comparison for proof in self.all if proof.model == model)
        return next((one.holders for one in mine if one.checkpoint == path and one.proved), ())

    def rivals(self, model: str, path: str) -> tuple[str, ...]:
        """Return the checkpoints of which a safetensors file has other content."""
        return tuple(proof.comparison.checkpoint for proof in self._against(model, path) if _is_refused(proof))

    def judged(self, model: str, path: str, inspection: Inspection) -> Inspection:
        """Add what the comparisons say about a file to what its inspection says."""
        found = tuple(finding for proof in self._against(model, path) for finding in proof.findings)
        outcome = max((inspection.outcome, *(finding.outcome for finding in found)))
        return replace(inspection, outcome=outcome, findings=(*inspection.findings, *found)) if found else inspection

    def _against(self, model: str, path: str) -> Iterator[Proof]:
        return (proof for proof in self.all if proof.model == model and proof.blamed == path)


def prove_model(model: str, parties: Mapping[str, Party], progress: Progress) -> Iterator[Proof]:
    """Compare every checkpoint of a model with its twin, if it has one.

    Args:
        model: Its name.
        parties: Its files by path.
        progress: Is told how much was compared.

    Raises:
        SourceError: A file cannot be read, or changed after it was hashed.
    """
    places = {path: party.place for path, party in parties.items()}
    for family in families(parties.keys(), places):
        for comparison in prove(family, parties, progress):
            others = (one.file for one in comparison.differences if one.file and one.kind in OTHER_CONTENT)
            yield Proof(
                model=model,
                comparison=comparison,
                blamed=next(others, comparison.twin[0]),
                findings=tuple(checks.run(comparison)),
            )


def _is_refused(proof: Proof) -> bool:
    return any(finding.outcome is Outcome.REFUSED for finding in proof.findings)


def prove_again(path: str, fetched: Fetched, twin: Mapping[str, Path]) -> str | None:
    """Compare a locked checkpoint with its twin once more and say why it is not proved any more.

    Args:
        path: Of the checkpoint in its model.
        fetched: Where it lies.
        twin: Where the files lie that the lockfile calls its equal, by path.

    Raises:
        SourceError: A file cannot be read.
    """
    if not twin or not all(place.exists() for place in twin.values()):
        return None  # what is missing is found missing by itself
    parties = {name: Party(place=place) for name, place in twin.items()}
    parties[path] = Party(place=fetched.place, stamp=fetched.stamp)
    (comparison,) = prove(Family(checkpoints=(path,), twin=tuple(twin)), parties, Silence())
    # What the twin holds beyond may be the tensors of other shards.
    differences = tuple(one for one in comparison.differences if one.kind is not Kind.ADDITIONAL)
    comparison = replace(comparison, differences=differences)
    return None if comparison.proved else f"was locked as equivalent to {', '.join(twin)}, today: {comparison.summary}"


def with_kept(files: Mapping[str, LockedFile], before: Iterable[LockedFile]) -> dict[str, LockedFile]:
    """Add the files of a model that are not locked anew, but take back the proofs of those whose twin is another now.

    Args:
        files: Those that are locked anew, by path.
        before: Those that were locked before.
    """
    kept = {file.path: file for file in before}
    merged = {**kept, **files}

    def has_its_twin(file: LockedFile) -> bool:
        return all(path in kept and merged[path].sha256 == kept[path].sha256 for path in file.equivalent_to)

    for path, file in kept.items():
        if path not in files and not has_its_twin(file):
            merged[path] = replace(file, equivalent_to=())
    return merged


def _compare_all(
    family: Family, parties: Mapping[str, Party], files: Mapping[str, RandomAccess]
) -> Iterator[Comparison]:
    def obstacle(path: str, why: str) -> Comparison:
        return Comparison(checkpoint=path, twin=family.twin, obstacle=why)

    try:
        twin = read_twin({path: files[path] for path in family.twin})
    except FormatError as error:
        yield from (obstacle(path, error.message) for path in family.checkpoints)
        return
    read = {path: _views(files[path], parties[path]) for path in family.checkpoints}
    names = {path: frozenset(views) if not isinstance(views, str) else frozenset() for path, views in read.items()}
    for path, views in read.items():
        if isinstance(views, str):
            yield obstacle(path, views)
            continue
        others = frozenset().union(*(names[other] for other in read if other != path))
        try:
            yield compare(path, files[path], views, twin, others)
        except FormatError as error:
            yield obstacle(path, error.message)


def _views(source: RandomAccess, party: Party) -> Mapping[str, TensorView] | str:
    """Return the tensors of a checkpoint by name, or why nothing can be said about them."""
    if party.outcome is not Outcome.DATA_ONLY:
        return f"its outcome is {party.outcome}"
    try:
        views = flat_tensors(read_checkpoint(source, default_budget(source.size)))
    except (FormatError, OverBudgetError, UnsupportedError) as error:
        return error.message
    return "it is not a flat mapping of names to tensors" if views is None else views


@contextmanager
def _opened(party: Party, progress: Progress | None) -> Iterator[RandomAccess]:
    """Open a file, and refuse it where it is not, or does not stay, the one that was hashed."""
    with opened(party.place) as (descriptor, size):
        stamp = party.stamp or stamp_of(descriptor)
        if stamp_of(descriptor) != stamp:
            raise SourceError("changed after it was hashed", where=str(party.place), hint="run it again")
        if progress is not None:
            progress.expect(size)
        yield FileSource(descriptor, size) if progress is None else _Told(descriptor, size, progress)
        if stamp_of(descriptor) != stamp:
            raise SourceError("changed while it was compared", where=str(party.place), hint="run it again")


def _twin(folder: str, stem: str, paths: Collection[str], places: Mapping[str, Path]) -> tuple[str, ...]:
    prefix = f"{folder}/" if folder else ""
    renamed = re.sub(r"\Apytorch_model\b", "model", stem)
    for name in dict.fromkeys((renamed, stem)):
        if f"{prefix}{name}.safetensors" in paths:
            return (f"{prefix}{name}.safetensors",)
        base, dot, variant = name.partition(".")
        index = f"{prefix}{base}{_INDEX}{dot}{variant}.json"
        if index in paths:
            return tuple(path for path in _shards(places[index], prefix) if path in paths)
    return ()


def _shards(index: Path, prefix: str) -> Iterator[str]:
    """Yield the files that an index names. One that is broken names none, as for the loaders, which read it too."""
    with opened(index) as (descriptor, size):
        text = FileSource(descriptor, size).read_at(0, min(size, _LARGEST_INDEX))
    try:
        names = json.loads(text)["weight_map"].values()
        yield from sorted({f"{prefix}{name}" for name in names if isinstance(name, str)})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return


class _Told(FileSource):
    """An open file whose reader is told to a person who waits."""

    def __init__(self, descriptor: int, size: int, progress: Progress) -> None:
        super().__init__(descriptor, size)
        self._progress = progress

    def read_at(self, offset: int, size: int) -> bytes:
        data = super().read_at(offset, size)
        self._progress.advance(len(data))
        return data
