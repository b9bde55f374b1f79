"""What a new lockfile says that the old one did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.finding import listing
from weighlock.model_source import revision_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from weighlock.files import Comments
    from weighlock.lockfile import LockedFile, LockedModel, Lockfile

_MARK = "# changed: "
_MOST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """What changed in one model.

    Args:
        name: Of the model.
        kind: ``added``, ``removed``, ``changed`` or ``unchanged``.
        revision: Commits before and after, where it moved.
        added: Paths.
        removed: Paths.
        changed: Paths whose digest or size is another.
        imports: Names that some file imports now and none did before.
        remote_code: Its own code may run now, and could not before.
        code: Its Python files that may run now, and could not before, or not with these bytes.
    """

    name: str
    kind: str
    revision: tuple[str, str] | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    remote_code: bool = False
    code: tuple[str, ...] = ()


def compare(old: Lockfile, new: Lockfile, names: Sequence[str]) -> tuple[ModelChange, ...]:
    """Compare two lockfiles, model by model.

    Args:
        old: Before.
        new: After.
        names: Of the models that were asked for; the others are listed only if they changed.
    """
    every = sorted({model.name for lockfile in (old, new) for model in lockfile.models})
    changes = [_compare_model(name, old.by_name(name), new.by_name(name)) for name in every]
    return tuple(change for change in changes if change.kind != "unchanged" or change.name in names)


def comments(changes: Sequence[ModelChange], kept: Comments) -> Comments:
    """Return the comment above each model that changed: what people wrote there, and one line that says what changed.

    The line stays until the model changes again, so locking twice gives the same file.

    Args:
        changes: What changed.
        kept: The comments of the old lockfile.
    """
    result: Comments = {}
    for change in changes:
        if change.kind != "changed":
            continue
        own = tuple(line for line in kept.get((change.name, None), ()) if not line.startswith(_MARK))
        result[change.name, None] = (*own, _MARK + describe(change))
    return result


def describe(change: ModelChange) -> str:
    """Say what changed in a model, in one line without commits' full names."""
    parts = []
    if change.revision:
        before, after = (revision.removeprefix("sha256:")[:7] for revision in change.revision)
        parts.append(f"revision {before} to {after}")
    for word in ("added", "removed", "changed"):
        paths = getattr(change, word)
        if paths:
            parts.append(f"{word} {listing(paths, _MOST)}")
    if change.imports:
        parts.append(f"new imports {listing(change.imports, _MOST)}")
    if change.remote_code:
        parts.append("its own code may run")
    return "; ".join(parts) or change.kind


def _compare_model(name: str, old: LockedModel | None, new: LockedModel | None) -> ModelChange:
    before = {file.path: file for file in old.files} if old else {}
    after = {file.path: file for file in new.files} if new else {}
    changed = tuple(
        path for path in sorted(before.keys() & after.keys()) if _bytes(before[path]) != _bytes(after[path])
    )
    added, removed = tuple(sorted(after.keys() - before.keys())), tuple(sorted(before.keys() - after.keys()))
    revision = _revisions(old, new)
    remote_code = new is not None and new.remote_code and not (old is not None and old.remote_code)
    if old is None or new is None:
        kind = "added" if old is None else "removed"
    else:
        kind = "changed" if added or removed or changed or revision or remote_code else "unchanged"
    return ModelChange(
        name=name,
        kind=kind,
        revision=revision,
        added=added,
        removed=removed,
        changed=changed,
        imports=tuple(sorted(_imports(after.values()) - _imports(before.values()))),
        remote_code=remote_code,
        code=_code(new, None if remote_code else old),
    )


def _revisions(old: LockedModel | None, new: LockedModel | None) -> tuple[str, str] | None:
    before, after = revision_of(old.source if old else None), revision_of(new.source if new else None)
    return (before, after) if before and after and before != after else None


def _code(new: LockedModel | None, old: LockedModel | None) -> tuple[str, ...]:
    """Return the Python files of a model that may run and did not run with these bytes before."""
    if new is None or not new.remote_code:
        return ()
    before = {file.path: _bytes(file) for file in old.files} if old else {}
    files = (file for file in new.files if file.path.endswith(".py") and before.get(file.path) != _bytes(file))
    return tuple(sorted(file.path for file in files))


def _bytes(file: LockedFile) -> tuple[str, int]:
    return file.sha256, file.size


def _imports(files: Iterable[LockedFile]) -> set[str]:
    return {name for file in files for name in file.imports}
