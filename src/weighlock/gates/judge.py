"""Judging one file for the lockfile: its inspection, the entry that it gets, and the policy's verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock.artifact import Digest, ModelFile
from weighlock.digests import CHUNK
from weighlock.errors import FormatError, OverBudgetError
from weighlock.evidence import Approval, LockEntry
from weighlock.finding import Inspection, Outcome, unverifiable
from weighlock.formats.source import FileSource
from weighlock.inspector import inspect
from weighlock.lockfile import Chunks, LockedFile
from weighlock.sources.directory import opened, stamp_of
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighlock.evidence import Evidence
    from weighlock.gates.deciding import Decider
    from weighlock.lockfile import Located
    from weighlock.sources.interface import Fetched
    from weighlock.verdict import Verdict

_HOLD_NO_PICKLES = frozenset({None, "safetensors"})
"""Formats for which an outcome says nothing that the format does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedFile:
    """A file with all that is known about it.

    Args:
        model: Name of its model.
        locked: Its entry in the lockfile.
        inspection: What was seen in it.
        verdict: The policy's answer, as the load gate will give it with that entry.
    """

    model: str
    locked: LockedFile
    inspection: Inspection
    verdict: Verdict

    @property
    def writable(self) -> bool:
        """Whether the entry may stand in a lockfile; a file that waits for its approval may."""
        return self.verdict.allowed or self.inspection.outcome is Outcome.NEEDS_APPROVAL


def inspect_file(fetched: Fetched, name: str) -> Inspection:
    """Inspect a file on this disk.

    Args:
        fetched: The file; if it was exchanged since it was hashed, it is unverifiable.
        name: Its path in its model, which a cache may not know it by.

    Raises:
        SourceError: It cannot be read.
    """
    with opened(fetched.place) as (descriptor, size):
        before = stamp_of(descriptor)
        try:
            inspection = inspect(FileSource(descriptor, size), name=name)
        except (FormatError, OverBudgetError) as error:
            return unverifiable(error.message)
        # The bytes of a quarantine are ours alone; those of a cache or folder may change under our hands.
        if fetched.stamp is not None and (before != fetched.stamp or stamp_of(descriptor) != fetched.stamp):
            return unverifiable("the file changed while it was judged")
    return inspection


def locked_file(path: str, fetched: Fetched, inspection: Inspection) -> LockedFile:
    """Make the entry of a file that nobody approved yet."""
    told = inspection.format not in _HOLD_NO_PICKLES and inspection.outcome is not Outcome.NOT_A_MODEL
    told = told or inspection.outcome > Outcome.DATA_ONLY
    return LockedFile(
        path=path,
        size=fetched.size,
        sha256=fetched.sha256,
        format=inspection.format,
        outcome=str(inspection.outcome) if told else None,
        imports=shown_names(inspection.imports),
        needs=shown_names(inspection.needs),
        chunks=Chunks(size=CHUNK, sha256=fetched.chunks) if fetched.chunks else None,
    )


def with_approvals(file: LockedFile, earlier: Iterable[Located]) -> LockedFile:
    """Add what people approved for these very bytes, wherever in the lockfile they stand."""
    for _, old in earlier:
        approved = tuple(sorted({*file.approved, *old.approved}))
        file = replace(file, approved=approved, unsafe=file.unsafe or old.unsafe, reason=file.reason or old.reason)
    return file


def judge(
    model: str, locked: LockedFile, inspection: Inspection, decider: Decider, profile_names: frozenset[str]
) -> JudgedFile:
    """Decide about a file as if its entry stood in the lockfile, and record it."""
    artifact = ModelFile(
        path=f"{model}:{locked.path}", size=locked.size, digest=Digest.sha256(locked.sha256), format=locked.format
    )
    evidence: list[Evidence] = [LockEntry(model=model, path=locked.path)]
    if locked.approved or locked.unsafe:
        evidence.append(Approval(imports=frozenset(locked.approved), unsafe=locked.unsafe))
    verdict = decider.decide(artifact, inspection, evidence, profile_names=profile_names)
    decider.record(artifact.path, verdict, digest=artifact.digest, size=artifact.size)
    return JudgedFile(model=model, locked=locked, inspection=inspection, verdict=verdict)


def shown_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names as they stand in a lockfile: one that cannot be shown is escaped, and so approves nothing."""
    shown = {name if name and is_printable(name) else ascii(name) for name in names}
    return tuple(sorted(shown))
