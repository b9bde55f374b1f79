"""Bringing files together for the gates of the lockfile: what lies here is hashed, what is missing is downloaded.

Everything runs in threads, because hashing, reading and waiting for a server release the interpreter lock.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from weighlock.digests import cores
from weighlock.errors import DigestMismatchError, SourceError
from weighlock.sources.directory import identify
from weighlock.sources.quarantine import Quarantine, discard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path
    from types import TracebackType

    from weighlock.model_source import ModelSource
    from weighlock.sources.interface import Client, Fetched, Offer, Progress
    from weighlock.sources.transport import Transport

_DOWNLOADS = 8
"""Downloads at once; more do not fill a line better and are unkind to a server."""

_OWN = "no server has a file of your own; restore it, or lock it again if you changed it on purpose"

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A file that a gate needs.

    Args:
        model: Name of its model.
        offer: What is known about it.
        place: Where it may lie already.
        client: Downloads it, if that may be.
        source: Of its model, for the client.
        quarantine: Where downloads for its destination wait.
    """

    model: str
    offer: Offer
    place: Path | None = None
    client: Client | None = None
    source: ModelSource | None = None
    quarantine: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What became of an errand.

    Args:
        errand: What was needed.
        fetched: The file.
        replaces: A file with other bytes lies in its place.
    """

    errand: Errand
    fetched: Fetched
    replaces: bool = False


class Collector:
    """Brings files; a context manager that holds the quarantines until the files are published.

    Args:
        transport: For downloads.
        progress: Is told what happens.
        offline: Refuse to download.
    """

    def __init__(self, transport: Transport, progress: Progress, *, offline: bool = False) -> None:
        self.progress = StoppableProgress(progress)
        self._transport = transport
        self._offline = offline
        self._stack = contextlib.ExitStack()
        self._quarantines: dict[Path, Quarantine] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def bring(self, errands: Sequence[Errand]) -> list[Brought]:
        """Find or download every file.

        Raises:
            SourceError: A file cannot be had.
            DigestMismatchError: A source delivers other bytes than were announced.
        """
        present = self.map(self._look, errands)
        missing = [errand for errand, brought in zip(errands, present, strict=True) if not _is_good(brought)]
        if not missing:
            return [brought for brought in present if brought is not None]
        # Another process may have brought them while this one waited for its quarantine.
        self._enter(missing, replaced={id(found.errand) for found in present if found is not None})
        second = dict(zip(map(id, missing), self.map(self._look, missing), strict=True))
        to_download = [errand for errand in missing if not _is_good(second[id(errand)])]
        self._require_room(to_download)
        downloads = self.map(self._download, to_download, workers=_DOWNLOADS)
        downloaded = dict(zip(map(id, to_download), downloads, strict=True))
        result = []
        for errand, first in zip(errands, present, strict=True):
            found = second.get(id(errand), first)
            if id(errand) in downloaded:
                fetched = downloaded[id(errand)]
                other = found is not None and found.fetched.sha256 != fetched.sha256
                found = Brought(errand=errand, fetched=fetched, replaces=other)
            if found is not None:
                result.append(found)
        return result

    def map(self, work: Callable[[_T], _R], items: Sequence[_T], workers: int | None = None) -> list[_R]:
        """Do work for every item in threads; the first error, or Ctrl-C, ends all of it."""
        pool = ThreadPoolExecutor(workers or cores(), thread_name_prefix="weighlock")
        try:
            futures = [pool.submit(work, item) for item in items]
            for future in as_completed(futures):
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            self._transport.stop()
            self.progress.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def discard(self, brought: Brought) -> None:
        """Remove a file that was refused from the quarantine."""
        if brought.fetched.quarantined:
            discard(brought.fetched.place)

    def _look(self, errand: Errand) -> Brought | None:
        """Hash what lies in a file's place, if anything does."""
        if errand.place is None or not errand.place.exists():
            return None
        self.progress.expect(errand.place.stat().st_size)
        fetched = identify(errand.place, git=errand.offer.git_id is not None, tick=self.progress.advance)
        return Brought(errand=errand, fetched=fetched, replaces=not is_announced(errand.offer, fetched))

    def _enter(self, errands: Sequence[Errand], replaced: Collection[int]) -> None:
        for errand in errands:
            where = f"{errand.model}: {errand.offer.path}"
            if errand.client is None or errand.quarantine is None:
                if id(errand) in replaced:
                    raise DigestMismatchError("has other bytes than the lockfile expects", where=where, hint=_OWN)
                raise SourceError("is not there", where=where, hint=_OWN)
            if self._offline:
                raise SourceError(
                    "is not in the cache, and --offline or HF_HUB_OFFLINE forbids to download it", where=where
                )
            if errand.quarantine not in self._quarantines:
                quarantine = Quarantine(errand.quarantine, self.progress)
                self._quarantines[errand.quarantine] = self._stack.enter_context(quarantine)

    def _require_room(self, errands: Sequence[Errand]) -> None:
        for folder, quarantine in self._quarantines.items():
            sizes = [errand.offer.size or 0 for errand in errands if errand.quarantine == folder]
            waiting = sum(part.stat().st_size for part in quarantine.folder.glob("*.part"))
            quarantine.require_room(max(0, sum(sizes) - waiting))
        self.progress.expect(sum(errand.offer.size or 0 for errand in errands))

    def _download(self, errand: Errand) -> Fetched:
        if errand.client is None or errand.quarantine is None:
            raise SourceError("cannot be downloaded", where=errand.offer.path)
        quarantine = self._quarantines[errand.quarantine]
        return errand.client.fetch(errand.source, errand.offer, quarantine, self._transport, self.progress)


def is_announced(offer: Offer, fetched: Fetched) -> bool:
    """Whether a file on this disk is the one that was announced; where nothing was, only a local file is."""
    if offer.local is not None:
        return True
    if offer.sha256 is not None:
        return fetched.sha256 == offer.sha256
    return offer.git_id is not None and fetched.git_id == offer.git_id


def _is_good(brought: Brought | None) -> bool:
    return brought is not None and not brought.replaces


class StoppableProgress:
    """Progress that ends the thread which reports it, once the others have been stopped."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let the next report of every thread raise."""
        self._stopped.set()

    def expect(self, size: int) -> None:
        """Pass it on."""
        self._inner.expect(size)

    def advance(self, size: int) -> None:
        """Pass it on.

        Raises:
            SourceError: Another thread failed, and its error is what a person will see.
        """
        if self._stopped.is_set():
            raise SourceError("stopped")
        self._inner.advance(size)

    def say(self, line: str) -> None:
        """Pass it on."""
        self._inner.say(line)
