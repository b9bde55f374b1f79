"""Absorbing spools: every whole line of every process goes into the ledger exactly once, whoever is killed whenever.

1. What a killed predecessor had begun is finished: which of its lines are in the ledger, the ledger itself says.
2. Whole lines that nobody absorbed yet are collected, some thousand at once.
3. Their places, and the size of the ledger, are kept durably: that is what the next one finishes if this one dies.
4. The lines are appended.
5. Their places are kept as done; files of processes that ended are removed.

A line that is no entry is recorded as one that says so, with its digest: what an attacker or a full disk left of a
record is never dropped in silence.

Source:
    ``docs/formats/ledger.md``; `weighlock.ledger.spool` writes the lines.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from weighlock.artifact import Digest
from weighlock.entry import LARGEST, Entry
from weighlock.errors import FormatError, LedgerError, UnsupportedError
from weighlock.files import write_atomically
from weighlock.ledger.spool import SUFFIX
from weighlock.verdict import Decision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.ledger.interface import Ledger

_STATE = "absorbed.json"
_VERSION = 1
_AT_ONCE = 4 << 20
_ABANDONED = 86_400
"""Seconds; a process begins its file and locks it within one, and an empty file that old is nobody's."""

_FLAGS = sum((getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY")), os.O_RDONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Absorbed:
    """What became of the spools.

    Args:
        entries: Lines that went into the ledger, broken ones included.
        broken: Lines that are no entry.
        unreadable: Files of others that could not be read.
    """

    entries: int = 0
    broken: int = 0
    unreadable: int = 0


@dataclass(slots=True)
class _Batch:
    """Lines of one round, as entries, and the places that they come from."""

    entries: list[bytes] = field(default_factory=list)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    broken: int = 0
    unreadable: int = 0


def absorb(ledger: Ledger, folder: str, now: datetime) -> Absorbed:
    """Move everything that processes recorded into the ledger.

    Args:
        ledger: Gets the entries, durably.
        folder: Of the spools.
        now: The time of entries about broken lines.

    Raises:
        LedgerError: The ledger or the spools cannot be read or written; nothing is lost, and nothing is there twice.
    """
    if not os.path.isdir(folder):
        return Absorbed()
    entries = broken = 0
    try:
        with _alone(folder):
            state = _State(folder)
            entries += _finish(ledger, folder, state)  # 1
            left = sum(os.stat(os.path.join(folder, name)).st_size for name in _names(folder))
            while True:  # until all that was there is absorbed; others may write faster than this
                batch = _collect(folder, state.offsets, now)  # 2
                if not batch.places:
                    break
                state.begin(ledger.size(), batch.places, now)  # 3
                ledger.append(batch.entries)  # 4
                state.finish()  # 5
                entries, broken = entries + len(batch.entries), broken + batch.broken
                left -= sum(stop - start for start, stop in batch.places.values())
                if left <= 0:
                    break
            _remove_ended(folder, state, now)
    except OSError as error:
        hint = "`--no-absorb` reads what is in the ledger already; of a copy that is all there is"
        raise LedgerError(f"spools cannot be absorbed: {error.strerror}", where=folder, hint=hint) from None
    return Absorbed(entries=entries, broken=broken, unreadable=batch.unreadable)


class _State:
    """How far each file was absorbed, and what is being appended; written atomically."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, _STATE)
        self.offsets: dict[str, int] = {}
        self.pending: dict[str, Any] | None = None
        try:
            with open(os.open(self._path, _FLAGS), "rb") as file:
                document = json.load(file)
            self.offsets = {name: _place(name, offset) for name, offset in document["offsets"].items()}
            self.pending = document["pending"]
            known = document["version"] == _VERSION
        except FileNotFoundError:
            known = True
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            known = False
        if not known:
            hint = "remove it only where you know why: lines that were absorbed would be there twice"
            raise LedgerError("it is broken, or of another version", where=self._path, hint=hint)

    def begin(self, size: int, places: dict[str, tuple[int, int]], now: datetime) -> None:
        """Keep what is going to be appended to a ledger of that size."""
        self.pending = {"size": size, "places": places, "time": now.isoformat()}
        self.write()

    def finish(self) -> None:
        """Keep that it was appended."""
        if self.pending is not None:
            self.offsets |= {name: place[1] for name, place in self.pending["places"].items()}
        self.pending = None
        self.write()

    def write(self) -> None:
        """Write it down."""
        document = {"version": _VERSION, "offsets": self.offsets, "pending": self.pending}
        write_atomically(Path(self._path), json.dumps(document).encode(), mode=0o600)


def _place(name: str, value: Any) -> int:
    """Return a place in a file of the folder."""
    if type(value) is not int or value < 0 or os.path.basename(name) != name:
        raise ValueError
    return value


def _finish(ledger: Ledger, folder: str, state: _State) -> int:
    if state.pending is None:
        return 0
    try:
        size, now = _place(_STATE, state.pending["size"]), datetime.fromisoformat(state.pending["time"])
        places = {name: (_place(name, one), _place(name, to)) for name, (one, to) in state.pending["places"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LedgerError("what was begun cannot be read", where=os.path.join(folder, _STATE)) from None
    done = Counter(ledger.read(size, ledger.size()))
    missing = []
    for name, (start, stop) in places.items():
        if not os.path.lexists(path := os.path.join(folder, name)):
            continue  # somebody removed it
        with open(os.open(path, _FLAGS), "rb") as file:
            for entry, _is_broken in _entries(file, name, start, stop, now):
                missing += [entry] * (not done[entry])
                done[entry] -= done[entry] > 0
    if missing:
        ledger.append(missing)
    state.finish()
    return len(missing)


def _collect(folder: str, offsets: dict[str, int], now: datetime) -> _Batch:
    """Collect whole lines until there are enough for one round."""
    batch, room = _Batch(), _AT_ONCE
    for name in _names(folder):
        if room <= 0:
            break
        try:
            file = open(os.open(os.path.join(folder, name), _FLAGS), "rb")  # noqa: SIM115 - closed below
        except OSError as error:
            batch.unreadable += error.errno != errno.ENOENT
            continue
        with file:
            start = offsets.get(name, 0)
            stop = _whole_lines(file, start, room)
            if stop == start:
                continue
            room -= stop - start
            batch.places[name] = (start, stop)
            for entry, is_broken in _entries(file, name, start, stop, now):
                batch.entries.append(entry)
                batch.broken += is_broken
    return batch


def _whole_lines(file: BinaryIO, start: int, room: int) -> int:
    """Return where the last whole line ends that there is room for; of who ended, the torn last line is one, too."""
    ended = _has_ended(file.fileno())  # before the size is looked at, which then is final
    size = os.fstat(file.fileno()).st_size
    file.seek(start)
    data = file.read(min(room + LARGEST + 1, max(size - start, 0)))
    stop = start + data.rfind(b"\n") + 1
    position = start + len(data)
    while stop == start and data:  # one line, larger than any entry
        if data := file.read(1 << 20):
            found = data.find(b"\n")
            stop = position + found + 1 if found >= 0 else start
            position += len(data)
    if ended and position >= size > start and stop < size:
        return size
    return stop


def _entries(file: BinaryIO, name: str, start: int, stop: int, now: datetime) -> Iterator[tuple[bytes, bool]]:
    """Yield an entry for each line between two places, and whether it is about a broken one."""
    file.seek(start)
    position = start
    while position < stop:
        line = file.readline(min(LARGEST + 2, stop - position))
        if not line:
            return
        begin, digest, size = position, hashlib.sha256(line.removesuffix(b"\n")), len(line)
        position += size
        if (line.endswith(b"\n") or position == stop) and _is_entry(line.removesuffix(b"\n")):
            yield line.removesuffix(b"\n"), False
            continue
        while not line.endswith(b"\n") and position < stop and (line := file.readline(min(1 << 20, stop - position))):
            digest.update(line.removesuffix(b"\n"))
            size += len(line)
            position += len(line)
        yield _broken(name, begin, digest.hexdigest(), size - line.endswith(b"\n"), now), True


def _is_entry(line: bytes) -> bool:
    try:
        Entry.from_bytes(line)
    except FormatError:
        return False
    return True


def _broken(name: str, place: int, digest: str, size: int, now: datetime) -> bytes:
    event = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return Entry(
        time=now,
        event=f"{event}:broken:{place}",
        gate="ledger",
        kind="document",
        subject="a line of a spool that is no entry",
        digest=Digest("sha256", digest),
        size=size,
        verdict=Decision.DENY,
        enforced=False,
        rules=("not-an-entry",),
    ).to_bytes()


def _remove_ended(folder: str, state: _State, now: datetime) -> None:
    """Remove files of processes that ended, once all of them is in the ledger."""
    names = _names(folder)
    for name in names:
        with contextlib.suppress(OSError), open(os.open(path := os.path.join(folder, name), _FLAGS), "rb") as file:
            if not _has_ended(file.fileno()):
                continue
            status = os.fstat(file.fileno())
            # An empty file may be one that a process made this moment, and has not locked yet.
            is_old = now.timestamp() - status.st_mtime > _ABANDONED
            if status.st_size == state.offsets.get(name, 0) and (status.st_size or is_old):
                os.unlink(path)
    left = set(_names(folder))
    if state.offsets.keys() - left:
        state.offsets = {name: offset for name, offset in state.offsets.items() if name in left}
        state.write()


def _names(folder: str) -> list[str]:
    """Return the spools; what is no regular file is none."""
    with os.scandir(folder) as found:
        return sorted(
            one.name
            for one in found
            if one.name.endswith(SUFFIX) and stat.S_ISREG(one.stat(follow_symlinks=False).st_mode)
        )


def _has_ended(descriptor: int) -> bool:
    """Say whether no process holds a spool any more; the lock is gone again when the file is closed."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:
        raise UnsupportedError("this system has no locks that a ledger could rely on") from None
    flags = os.O_RDWR | os.O_CREAT | (_FLAGS & ~os.O_RDONLY)
    descriptor = os.open(os.path.join(folder, ".absorb.lock"), flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
