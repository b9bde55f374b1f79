"""The gate of ``weighlock lock --check``: does the lockfile say what the policy asks for?

Offline, the policy is compared with the lockfile: every model is there, from the right source and ref, and no
locked file is excluded by a pattern; of a local folder, also the files that would be selected are those that are
locked. With the Hub at hand, also: no ref has moved, and the files that would be
selected at the locked commit are those that are locked. Digests on this disk are the business of ``verify``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.gates.request import HubRequest, ModelRequest, find
from weighlock.gates.selection import matches, select
from weighlock.lockfile import HubSource, PathSource
from weighlock.sources.directory import list_directory
from weighlock.sources.hub import Hub

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from weighlock.lockfile import LockedModel, Lockfile
    from weighlock.sources.interface import Offer


def check(
    requests: Sequence[ModelRequest],
    lockfile: Lockfile,
    folder: Path,
    *,
    offline: bool = False,
    all_formats: bool = False,
) -> tuple[str, ...]:
    """Return what is stale, one sentence for each difference.

    Args:
        requests: What the policy, or the command line, asks for.
        lockfile: What is locked.
        folder: Of the lockfile, to which paths are relative.
        offline: Ask no Hub.
        all_formats: As the lockfile was made.

    Raises:
        SourceError: The Hub cannot be reached.
    """
    hub = None if offline else Hub()
    return tuple(
        line for request in requests for line in _differences(request, lockfile, folder, hub, all_formats=all_formats)
    )


def _differences(
    request: ModelRequest, lockfile: Lockfile, folder: Path, hub: Hub | None, *, all_formats: bool
) -> Iterator[str]:
    model = find(lockfile, request)
    if model is None:
        yield f"{request.name} is not in the lockfile"
        return
    for file in model.files:
        outside = request.include and not matches(file.path, request.include)
        if outside or matches(file.path, request.exclude):
            yield f"{model.name}: {file.path} is locked, but the patterns leave it out"
    if request.remote_code and not model.remote_code:
        yield f"{model.name}: remote-code is asked for, but not locked"
    if isinstance(model.source, HubSource) and isinstance(request.target, HubRequest):
        ref = request.target.ref or model.source.ref
        if ref != model.source.ref:
            yield f"{model.name}: ref {ref} is asked for, {model.source.ref} is locked"
        elif hub is not None:
            yield from _moved(request, model, model.source, hub, all_formats=all_formats)
    elif isinstance(model.source, PathSource):
        offers = list_directory(folder / model.source.path, model.source.path).files
        yield from _selected(request, model, offers, all_formats=all_formats)


def _moved(
    request: ModelRequest, model: LockedModel, source: HubSource, hub: Hub, *, all_formats: bool
) -> Iterator[str]:
    now = hub.resolve(source.repo, source.type, source.ref)
    if now.revision != source.revision:
        yield f"{model.name}: {source.ref} is now {now.revision[:12]}, {source.revision[:12]} is locked"
    offers = hub.list(source.repo, source.type, source.ref, source.revision).files
    yield from _selected(request, model, offers, all_formats=all_formats)


def _selected(
    request: ModelRequest, model: LockedModel, offers: Sequence[Offer], *, all_formats: bool
) -> Iterator[str]:
    selection = select(offers, request.include, request.exclude, all_formats=all_formats)
    locked = {file.path for file in model.files}
    missing = sorted({offer.path for offer in selection.files} - locked)
    if missing:
        yield f"{model.name}: {', '.join(missing)} would be locked, but is not"
    beyond = sorted(locked.intersection((*selection.covered, *selection.other)))
    if beyond:
        yield f"{model.name}: {', '.join(beyond)} is locked, but `--all-formats` is not given, and would be left out"
