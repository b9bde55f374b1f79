"""Intents: what a promotion or rollback is about to do, on the disk, so that a process that dies leaves old or new.

The move in the registry is the point: before it nothing has changed, and what was recorded is taken back by an entry
of its own; after it, what belongs to the move is done by whoever comes next.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighlock.errors import UsageError, WeighlockError
from weighlock.files import exclusive, read_regular, sync_folder, update_lockfile, write_atomically
from weighlock.gates import changes
from weighlock.gates.promotion.registries import open_registry
from weighlock.lockfile import Lockfile, parse
from weighlock.own_saves import state_folder
from weighlock.promotion import Resource
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from weighlock.files import Comments
    from weighlock.gates.project import Project

_VERSION = 1
_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One move that is about to happen.

    Args:
        gate: ``promotion`` or ``rollback``.
        resource: Which name moves.
        digest: Of the verification summary by which it moves.
        entry: The lockfile with the one entry that the project's takes over with the move; empty where it takes none.
        place: Of the registry; another one does not know whether the name moved.
    """

    gate: str
    resource: Resource
    digest: str
    entry: str = ""
    place: str = ""

    def to_bytes(self) -> bytes:
        """Return what lies on the disk."""
        return json.dumps({"version": _VERSION, **asdict(self)}).encode()


@contextlib.contextmanager
def alone(project: Project, environ: Mapping[str, str]) -> Iterator[Path]:
    """Hold the intents of a project, after what another run left undone was settled, and give the place for one.

    Raises:
        WeighlockError: Something is left undone, and cannot be settled now.
    """
    place = _place(project, environ)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive(place):
        _settle(place, project, environ)
        yield place


def recover(project: Project, environ: Mapping[str, str]) -> None:
    """Settle what another run left undone.

    Raises:
        WeighlockError: It cannot be settled now, such as where the registry cannot be reached.
    """
    if os.path.lexists(_place(project, environ)):
        with alone(project, environ):
            pass


def finish(place: Path, intent: Intent, project: Project) -> None:
    """Do what belongs to a move that happened, and forget the intent.

    Raises:
        WeighlockError: The lockfile cannot be written.
    """
    if intent.entry:
        (wanted,) = parse(intent.entry).models

        def change(lockfile: Lockfile) -> Lockfile:
            others = tuple(model for model in lockfile.models if model.name != wanted.name)
            position = next((i for i, one in enumerate(lockfile.models) if one.name == wanted.name), len(others))
            return replace(lockfile, models=(*others[:position], wanted, *others[position:]))

        def comment(old: Lockfile, new: Lockfile, kept: Comments) -> Comments:
            return changes.comments(changes.compare(old, new, [wanted.name]), kept)

        updated = update_lockfile(project.lock, change, comment)
        if updated.written:
            project.record_lockfile(intent.gate, updated.new)
    forget(place)


def forget(place: Path) -> None:
    """Remove an intent."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place)
    sync_folder(place.parent)


def remember(place: Path, intent: Intent) -> None:
    """Write an intent.

    Raises:
        WeighlockError: It cannot be written.
    """
    write_atomically(place, intent.to_bytes(), mode=0o600)


def _settle(place: Path, project: Project, environ: Mapping[str, str]) -> None:
    if not os.path.lexists(place):
        return
    intent = _read(place)
    registry = open_registry(intent.resource.registry, project, environ)
    if intent.place and os.path.realpath(intent.place) != os.path.realpath(registry.place):
        said = f"something was left undone in {intent.place}, and {registry.place} is another registry"
        hint = "settle it under the policy and the environment of then: run the same command again with them"
        raise WeighlockError(said, where=str(place), hint=hint)
    history = registry.history(intent.resource)
    if history and history[0].digest == intent.digest:
        _record(intent, project, "completed", Decision.ALLOW)
        finish(place, intent, project)
        return
    if not any(one.digest == intent.digest for one in history):
        _record(intent, project, "abandoned", Decision.DENY)
    # What was moved and moved again since is no business of this project any more.
    forget(place)


def _record(intent: Intent, project: Project, rule: str, decision: Decision) -> None:
    from weighlock.artifact import Digest

    message = (
        "it had moved when its process ended" if decision is Decision.ALLOW else "its process ended before it moved"
    )
    project.decider(intent.gate).record(
        intent.resource.uri,
        Verdict(decision=decision, reasons=(Reason(rule=rule, message=message),)),
        kind="promotion",
        digest=Digest.sha256(intent.digest.removeprefix("sha256:")),
    )


def _read(place: Path) -> Intent:
    try:
        said: dict[str, Any] = json.loads(read_regular(place, _LARGEST))
        version = said.pop("version")
        intent = Intent(**{**said, "resource": Resource(**said["resource"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "look at what is in force with `weighlock promote MODEL --to STAGE --dry-run`, then remove the file"
        raise WeighlockError(f"what was left undone cannot be read: {error}", where=str(place), hint=hint) from error
    if version != _VERSION:
        raise WeighlockError("was left undone by another version of weighlock", where=str(place), hint="use that one")
    return intent


def _place(project: Project, environ: Mapping[str, str]) -> Path:
    state = state_folder(environ)
    if state is None:
        hint = "set WEIGHLOCK_STATE to a folder that is yours alone"
        raise UsageError("nothing says where it is remembered what a promotion is about to do", hint=hint)
    name = hashlib.sha256(os.fsencode(os.path.realpath(project.lock))).hexdigest()[:16]
    return Path(state) / "promotions" / name / "intent.json"
