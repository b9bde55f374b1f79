"""Lock entry and scan: every file is hashed and inspected now, and is what the lockfile says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.audit.facts import GOOD
from weighlock.audit.facts import MISSING as ABSENT
from weighlock.gates.promotion.requirement import FAILS, MISSING, OK, REGISTRY, Requirement
from weighlock.promotion import Input
from weighlock.promotion_policy import LOCK, SCAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.audit.facts import FileFacts
    from weighlock.gates.promotion.case import Case


def locked(case: Case, files: Sequence[FileFacts], unlisted: Sequence[str]) -> Requirement:
    """Return whether the files on this disk are exactly those that are locked.

    Args:
        case: What is promoted.
        files: As they were hashed now.
        unlisted: What could not be listed.
    """
    place = str(case.project.lock)
    wrong = [file for file in files if file.disk != GOOD or not file.locked]
    if wrong or unlisted or {file.path: file.sha256 for file in files} != dict(case.promotable.files):
        one = wrong[0] if wrong else None
        said = f"{one.path} {one.mismatch}" if one else next(iter(unlisted), "other files than are locked were seen")
        absent = bool(wrong) and all(file.disk == ABSENT for file in wrong)
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        hint = "`weighlock sync` brings the locked bytes; `weighlock lock` locks others"
        return Requirement(kind=LOCK, status=MISSING if absent else FAILS, text=said + more, where=place, hint=hint)
    assert case.lockfile.digest is not None  # noqa: S101 - it was read from a file
    digest = Digest.sha256(case.lockfile.digest.removeprefix("sha256:"))
    text = f"all {len(files)} files are as they were locked, hashed now"
    inputs = (Input(kind="lockfile", name=case.project.lock.name, digest=digest),)
    return Requirement(kind=LOCK, status=OK, text=text, where=place, inputs=inputs)


def scanned(case: Case, files: Sequence[FileFacts]) -> Requirement:
    """Return whether the policy admits every file, by what was found in its bytes now."""
    for file in files:
        where = f"{case.model.name}:{file.path}"
        if not file.inspected:
            text = "its bytes were not inspected"
            return Requirement(kind=SCAN, status=FAILS, text=text, where=where, hint="`weighlock sync` brings them")
        if file.denied:
            hint = f"`weighlock approve {where}`, where its names may be imported; else convert it"
            if file.disk != GOOD:
                hint = f"`weighlock lock {case.model.name}` locks the bytes that are here"
            return Requirement(kind=SCAN, status=FAILS, text=file.denied[0], where=where, hint=hint)
    return Requirement(kind=SCAN, status=OK, text=f"all {len(files)} files were inspected and admitted now")


def registered(case: Case, version: str) -> Requirement:
    """Return whether a registry that has the version already has exactly these bytes of it."""
    name = case.promotable.resource.model
    where = f"{case.registry.place}: {name} {version}"
    theirs, ours = case.registry.files(name, version), case.promotable.files
    if dict(theirs) == dict(ours):
        text = "the registry has exactly the locked bytes"
        return Requirement(kind=REGISTRY, status=OK, text=text, where=where)
    path = next(path for path in sorted({*theirs, *ours}) if theirs.get(path) != ours.get(path))
    text = f"{path} is not in the registry as it is locked, or was not locked"
    hint = f"weighlock lock {case.model.name} --all-formats"
    return Requirement(kind=REGISTRY, status=FAILS, text=text, where=where, hint=hint)
