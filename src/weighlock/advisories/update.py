"""How the local database is filled: from OSV's zip files, over the network or from disk, all or nothing.

1. One update at a time; what a killed one left behind is removed.
2. Every file is fetched, or opened. Where the server says that none has changed, that is all.
3. All records go into a new file.
4. It must be no step back: no origin may be older than it was, or have lost half of its records.
5. The new file takes the place of the old one, which its readers keep until they close it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.advisories.archive import LARGEST, records
from weighlock.advisories.build import Builder
from weighlock.advisories.database import Database
from weighlock.advisories.interface import Origin
from weighlock.errors import AdvisoryError, SourceError
from weighlock.files import read_regular, sync_folder, unfinished_file_errors
from weighlock.sources.transport import NotModifiedError, TransientError
from weighlock.sources.trust import shown_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from weighlock.advisories.interface import Status
    from weighlock.sources.interface import Progress
    from weighlock.sources.transport import Transport

URL = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
"""All of OSV's records about packages of PyPI, reports of malicious packages included."""

_ATTEMPTS = 3
_PATIENCE = 900.0
_SUFFIX = ".new"
_AIRGAPPED = "fetch the file on another host and give it with `weighlock advisories update --from FILE`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What an update came to.

    Args:
        status: Of the database that is there now.
        changed: It is another one than before.
    """

    status: Status
    changed: bool


def urls(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return where updates come from: ``WEIGHLOCK_ADVISORIES_URL`` holds one URL, or several with blanks between."""
    return tuple(environ.get("WEIGHLOCK_ADVISORIES_URL", "").split()) or (URL,)


def from_network(
    path: Path, addresses: Sequence[str], transport: Transport, *, now: datetime, progress: Progress
) -> Update:
    """Replace the database by one that is made of files on servers.

    Args:
        path: Of the database.
        addresses: URLs of zip files.
        transport: Fetches them.
        now: The time, with a time zone.
        progress: Is told what is fetched.

    Raises:
        SourceError: A server cannot be reached or refuses.
        WeighlockError: What it sends is not a database of advisories, or the disk refuses. The old database is there.
    """
    with _alone(path):
        old = _old(path)
        known = {origin.label: origin for origin in old.origins} if old is not None else {}
        if set(known) != {shown_url(url) for url in addresses}:
            known = {}  # it is made of other files, so that all of these are needed
        fetched = [_get(url, known.get(shown_url(url)), transport, now, progress) for url in addresses]
        complete = [one for one in fetched if one is not None]
        if old is not None and not complete:
            return Update(status=old, changed=False)
        if len(complete) < len(fetched):  # the others are needed as well, although they have not changed
            again = [_get(url, None, transport, now, progress) for url in addresses]
            complete = [one for one in again if one is not None]
        return Update(status=_replace(path, complete, old, now), changed=True)


def from_files(path: Path, files: Sequence[str], *, now: datetime) -> Update:
    """Replace the database by one that is made of files on this machine. No server is asked.

    Args:
        path: Of the database.
        files: Paths of zip files.
        now: The time, with a time zone.

    Raises:
        WeighlockError: A file cannot be read or is not a database of advisories, or the disk refuses. The old database
            is there.
    """
    with _alone(path):
        fetched = [(Origin(label=os.path.abspath(name), fetched=now), _read(name)) for name in files]
        return Update(status=_replace(path, fetched, _old(path), now), changed=True)


def _read(name: str) -> bytes:
    try:
        return read_regular(name, LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise AdvisoryError(f"cannot be read: {reason}", where=name, hint="nothing was changed") from None


def _get(
    url: str, known: Origin | None, transport: Transport, now: datetime, progress: Progress
) -> tuple[Origin, bytes] | None:
    """Fetch a file, or return `None` where it is still the one that is known."""
    headers = {}
    if known is not None and known.etag:
        headers["If-None-Match"] = known.etag
    if known is not None and known.last_modified:
        headers["If-Modified-Since"] = known.last_modified
    progress.say(f"asking {shown_url(url)}")
    for attempt in range(_ATTEMPTS):
        try:
            with transport.get(url, headers) as body:
                data = body.read_all(LARGEST, _PATIENCE)
                etag, last_modified = (body.headers.get(name) for name in ("etag", "last-modified"))
                return Origin(label=shown_url(url), fetched=now, etag=etag, last_modified=last_modified), data
        except NotModifiedError:
            if headers:
                return None
            raise
        except SourceError as error:
            if not isinstance(error, TransientError) or attempt == _ATTEMPTS - 1:
                error.hint = _AIRGAPPED
                raise
            transport.wait(0.25 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def _replace(path: Path, fetched: Sequence[tuple[Origin, bytes]], old: Status | None, now: datetime) -> Status:
    builder = Builder(now)
    for origin, data in fetched:
        _require_no_step_back(builder.add(records(data, origin.label), origin), old)
    with unfinished_file_errors(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_SUFFIX, dir=path.parent)
        os.close(descriptor)
    try:
        _write(builder, Path(name))
        with Database(Path(name)) as database:  # what cannot be read again must not be published
            status = replace(database.status, place=str(path))
        with unfinished_file_errors(path):
            os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    sync_folder(path.parent)
    return status


def _write(builder: Builder, path: Path) -> None:
    try:
        builder.write(path)
    except sqlite3.Error as error:
        hint = "nothing was changed; make room and run it again"
        raise AdvisoryError(f"the advisory database cannot be written: {error}", where=str(path), hint=hint) from error
    with unfinished_file_errors(path):
        os.chmod(path, 0o644)
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _require_no_step_back(made: Origin, old: Status | None) -> None:
    """Refuse a file that knows less than the one that came from the same place before.

    Raises:
        AdvisoryError: It is older, or more than half of its records are gone.
    """
    known = next((origin for origin in old.origins if origin.label == made.label), None) if old is not None else None
    if known is None:
        return
    why = None
    if known.newest is not None and (made.newest is None or made.newest < known.newest):
        why = f"its newest record is of {made.newest:%Y-%m-%d}" if made.newest else "none of its records has a time"
        why += f", and that of {known.newest:%Y-%m-%d} is there already"
    elif made.records * 2 < known.records:
        why = f"it has {made.records} records, and there were {known.records}"
    if why is not None:
        hint = "nothing was changed; if that is right, remove the old database, `weighlock advisories status` shows it"
        raise AdvisoryError(f"is a step back: {why}", where=made.label, hint=hint)


def _old(path: Path) -> Status | None:
    """Return what the database that is there was made of, or `None` where there is none that can be read."""
    try:
        with Database(path) as database:
            return database.status
    except AdvisoryError:
        return None


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one update go on at a time, and remove what a killed one left behind."""
    with unfinished_file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path.parent / f".{path.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with unfinished_file_errors(path):
            _lock(descriptor)
            for name in os.listdir(path.parent):
                if name.startswith(f".{path.name}.") and name.endswith(_SUFFIX):
                    os.unlink(path.parent / name)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows, where of two updates at once the last one counts
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
