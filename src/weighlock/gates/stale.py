"""The gate of ``weighlock lock --check``: does the lockfile say what the policy asks for?

Offline, the policy is compared with the lockfile: every model is there, from the right source and ref, and no
locked file is excluded by a pattern; of a local folder, also the files that would be selected are those that are
locked. With the servers at hand, also: no ref has moved, and the files that would be
selected at the locked commit are those that are locked. Digests on this disk are the business of ``verify``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.gates.clients import Clients
from weighlock.gates.request import ModelRequest, find
from weighlock.gates.selection import matches, select
from weighlock.model_source import MlflowSource, PathSource, UrlSource, revision_of
from weighlock.sources.directory import list_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from weighlock.lockfile import LockedModel, Lockfile
    from weighlock.model_source import Revised
    from weighlock.sources.interface import Client, Offer


def check(
    requests: Sequence[ModelRequest],
    lockfile: Lockfile,
    folder: Path,
    *,
    offline: bool = False,
    allow_http: bool = False,
    all_formats: bool = False,
) -> tuple[str, ...]:
    """Return what is stale, one sentence for each difference.

    Args:
        requests: What the policy, or the command line, asks for.
        lockfile: What is locked.
        folder: Of the lockfile, to which paths are relative.
        offline: Ask no server.
        allow_http: Other machines may be asked without encryption.
        all_formats: As the lockfile was made.

    Raises:
        SourceError: A server cannot be reached.
    """
    clients = None if offline else Clients(allow_http=allow_http)
    return tuple(
        line
        for request in requests
        for line in _differences(request, lockfile, folder, clients, all_formats=all_formats)
    )


def _differences(
    request: ModelRequest, lockfile: Lockfile, folder: Path, clients: Clients | None, *, all_formats: bool
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
    target = request.target
    if isinstance(target, PathSource):
        offers = list_directory(folder / target.path, target.path).files
        yield from _selected(request, model, offers, all_formats=all_formats)
    elif not isinstance(target, UrlSource) and not isinstance(model.source, UrlSource | PathSource):
        if target.ref not in (None, model.source.ref):
            yield f"{model.name}: ref {target.ref} is asked for, {model.source.ref} is locked"
        elif clients is not None:
            yield from _moved(request, model, model.source, clients.of(target), all_formats=all_formats)


def _moved(
    request: ModelRequest, model: LockedModel, source: Revised, client: Client, *, all_formats: bool
) -> Iterator[str]:
    locked, now = source.revision, revision_of(client.now(source))
    if now != locked:
        yield f"{model.name}: {source.ref} is now {_short(now)}, {_short(locked)} is locked"
    offers = client.list(request.target, model, upgrade=False).files
    yield from _selected(request, model, offers, all_formats=all_formats or isinstance(source, MlflowSource))


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


def _short(revision: str | None) -> str:
    """Return the beginning of a commit or manifest, or a whole version."""
    return (revision or "gone").removeprefix("sha256:")[:12]
