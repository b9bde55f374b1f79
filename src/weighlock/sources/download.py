"""One download: into the quarantine, hashed while it is written, resumed where it broke off, checked at the end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.digests import StreamHasher
from weighlock.errors import DigestMismatchError, SourceError, WeighlockError
from weighlock.sources.interface import Fetched
from weighlock.sources.quarantine import discard, validator_of
from weighlock.sources.transport import NoSuchRangeError, TransientError
from weighlock.sources.trust import shown_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from weighlock.sources.interface import Progress
    from weighlock.sources.quarantine import Quarantine
    from weighlock.sources.transport import Body, Transport

_BUFFER = 1 << 20
_ATTEMPTS = 4
"""Attempts in a row that bring no new byte."""

LARGEST = 1 << 40
"""Bytes; where nobody says how large a file is, a server must not fill the disk for ever."""

_GIT_LIMIT = 64 << 20
"""Bytes; larger files lie in large-file storage and have no git blob id of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be downloaded and what is known about it beforehand.

    Args:
        label: For messages.
        url: Where it is.
        headers: May hold a token.
        identity: Names the content as far as it is known; the same identity resumes the same unfinished file.
        size: Bytes, where known.
        sha256: The digest that it must have, where known.
        git_id: The git blob id that it must have, where known.
        announced: Who said so: the lockfile or the source.
    """

    label: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    identity: str
    size: int | None = None
    sha256: str | None = None
    git_id: str | None = None
    announced: str = "the lockfile"


def fetch(wanted: Wanted, quarantine: Quarantine, transport: Transport, progress: Progress) -> Fetched:
    """Download a file into the quarantine.

    Returns:
        The file, with the digests of what was written.

    Raises:
        DigestMismatchError: The bytes are not those that were announced.
        SourceError: They cannot be had.
        WeighlockError: The disk is full or refuses.
    """
    part = quarantine.part(wanted.identity)
    resumed = part.exists()
    try:
        return _complete(wanted, part, transport, progress)
    except DigestMismatchError:
        discard(part)
        if not resumed:
            raise
    except SourceError:
        if part.exists() and not part.stat().st_size:
            discard(part)
        raise
    return _complete(wanted, part, transport, progress)


def git_hasher(size: int | None) -> hashlib._Hash | None:
    """Start computing a git blob id, for files of a size that git itself would hold."""
    if size is None or size > _GIT_LIMIT:
        return None
    return hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)


class _Part:
    """The unfinished file and the state of its digests."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        self.path = path
        self.descriptor = os.open(path, flags, 0o600)
        self._wanted = wanted
        status = os.fstat(self.descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            os.close(self.descriptor)
            raise SourceError("is not a file of the quarantine", where=str(path), hint="remove it")
        self.etag = ""
        self.restart()

    def close(self) -> None:
        """Close the file, which stays where it is."""
        os.close(self.descriptor)

    def restart(self) -> None:
        """Forget what the digests are made of; the bytes are written anew from the start."""
        self.hasher = StreamHasher()
        self.git = git_hasher(self._wanted.size)

    def take(self, data: memoryview) -> None:
        """Hash the next bytes."""
        self.hasher.update(data)
        if self.git is not None:
            self.git.update(data)

    def recall(self, progress: Progress) -> None:
        """Hash what an earlier run left behind."""
        buffer = memoryview(bytearray(_BUFFER))
        while count := os.preadv(self.descriptor, [buffer], self.hasher.size):
            self.take(buffer[:count])
            progress.advance(count)

    def write(self, data: memoryview) -> None:
        """Write and hash the next bytes."""
        offset, rest = self.hasher.size, data
        while rest:
            written = os.pwrite(self.descriptor, rest, offset)
            offset, rest = offset + written, rest[written:]
        self.take(data)


def _complete(wanted: Wanted, path: Path, transport: Transport, progress: Progress) -> Fetched:
    try:
        with contextlib.closing(_Part(path, wanted)) as part:
            _fill(part, wanted, transport, progress)
            os.ftruncate(part.descriptor, part.hasher.size)
            os.fsync(part.descriptor)
            return _checked(part, wanted)
    except OSError as error:
        discard(path)  # What cannot be finished must not keep the disk full.
        raise WeighlockError(
            f"cannot be written: {error.strerror or error}",
            where=wanted.label,
            hint="make room and run it again; nothing was published",
        ) from error


def _fill(part: _Part, wanted: Wanted, transport: Transport, progress: Progress) -> None:
    """Bring the bytes that are missing, over as many connections as it takes."""
    validator = _validator(part.path)
    if wanted.sha256 or wanted.git_id or validator:
        part.recall(progress)
    failures = 0
    while wanted.size is None or part.hasher.size < wanted.size or not part.hasher.size:
        before = part.hasher.size
        try:
            with transport.get(wanted.url, wanted.headers, offset=before, validator=validator) as body:
                validator = _begin(part, body, wanted)
                _pour(part, body, wanted, progress)
        except TransientError as error:
            failures = 0 if part.hasher.size > before else failures + 1
            if isinstance(error, NoSuchRangeError):
                part.restart()
            if failures >= _ATTEMPTS:
                raise
            transport.wait(0.25 * 2**failures if failures else 0)
        else:
            return


def _begin(part: _Part, body: Body, wanted: Wanted) -> str | None:
    """Start over where the server does, and note what its bytes are called."""
    if body.offset != part.hasher.size:
        part.restart()
    if wanted.size is not None and body.size is not None and body.size != wanted.size:
        raise DigestMismatchError(
            f"{shown_url(wanted.url)} has {body.size} bytes, {wanted.announced} says {wanted.size}", where=wanted.label
        )
    etag = body.headers.get("etag", "")
    part.etag = body.headers.get("x-linked-etag", etag).removeprefix("W/").strip('"')
    if wanted.sha256 or wanted.git_id or not etag.startswith('"'):
        validator_of(part.path).unlink(missing_ok=True)
        return None
    validator_of(part.path).write_text(etag, encoding="utf-8")
    return etag


def _pour(part: _Part, body: Body, wanted: Wanted, progress: Progress) -> None:
    limit = wanted.size if wanted.size is not None else LARGEST
    buffer = memoryview(bytearray(_BUFFER))
    while count := body.read_into(buffer):
        if part.hasher.size + count > limit:
            raise DigestMismatchError(
                f"{shown_url(wanted.url)} sends more than the {limit} bytes of {wanted.announced}", where=wanted.label
            )
        part.write(buffer[:count])
        progress.advance(count)
    expected = wanted.size if wanted.size is not None else body.size
    if expected is not None and part.hasher.size < expected:
        raise TransientError(
            f"the server ends after {part.hasher.size} of {expected} bytes",
            where=wanted.label,
            hint="run it again; what came is kept",
        )


def _checked(part: _Part, wanted: Wanted) -> Fetched:
    sha256, chunks = part.hasher.digests()
    git_id = part.git.hexdigest() if part.git is not None else None
    for name, expected, found in (("sha256", wanted.sha256, sha256), ("git blob id", wanted.git_id, git_id)):
        if expected is not None and expected != found:
            raise DigestMismatchError(
                f"{shown_url(wanted.url)} delivers {name} {found}, {wanted.announced} says {expected}",
                where=wanted.label,
                hint="the source, or something on the way to it, serves other bytes; nothing was published",
            )
    small = git_id if part.etag != sha256 else None  # Large-file storage names its files by their SHA-256.
    return Fetched(place=part.path, size=part.hasher.size, sha256=sha256, chunks=chunks, git_id=small, quarantined=True)


def _validator(part: Path) -> str | None:
    try:
        return validator_of(part).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
