"""The journal: entries that are durable and not yet sealed.

- A frame is the length of an entry, a checksum over its index and its bytes, and the bytes. Writers of this machine
  take turns (``flock``); each reads what others wrote since, and cuts a torn frame that a killed one left.
- Nobody syncs while writing. Who wrote waits for the second lock, and finds that another's sync covered it, too, or
  does one for all who wrote meanwhile. Only then is an entry acknowledged.
- How many entries were acknowledged stands in a second file, which survives every death of a process. A frame that is
  broken although it was acknowledged is never cut: it is reported.

Source:
    ``docs/formats/ledger.md``.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import zlib
from itertools import islice
from typing import TYPE_CHECKING

from weighlock.errors import LedgerError, TamperedError, UnsupportedError
from weighlock.ledger.keys import sync_folder
from weighlock.ledger.verifier import LARGEST_ENTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MAGIC = b"weighlock journal 1\n"
_HEADER = struct.Struct("<20sQ")
_FRAME = struct.Struct("<II")
_STATE = struct.Struct("<QQ")
_CHUNK = 4 << 20
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))

_sync_data = getattr(os, "fdatasync", os.fsync)


class Journal:
    """The journal of one ledger folder.

    Args:
        folder: The ledger's; it is there.
        sealed: Returns how many entries are sealed; a new journal begins there.
    """

    _close_descriptor = staticmethod(os.close)  # at the end of a program the module may be gone before its objects

    def __init__(self, folder: str, sealed: Callable[[], int]) -> None:
        self._folder, self._sealed = folder, sealed
        self._path = os.path.join(folder, "journal")
        self._process, self._turn, self._locks = os.getpid(), threading.RLock(), dict[str, int]()
        self._file = self._state = -1
        self.base = self._count = self._offset = 0

    def append(self, entries: Sequence[bytes]) -> range:
        """Add entries, durably.

        Raises:
            LedgerError: They cannot be added; none of them was acknowledged.
        """
        if any(len(entry) > LARGEST_ENTRY for entry in entries):
            raise LedgerError(f"an entry has more than {LARGEST_ENTRY} bytes", where=self._path)
        with self._errors():
            with self.alone():
                self._follow()
                start = self._count
                self._write(entries)
            self._sync(start + len(entries))
        return range(start, start + len(entries))

    def size(self) -> int:
        """Return the index after the last entry that is written.

        Raises:
            LedgerError: It cannot be read.
        """
        with self.frames() as (base, entries):
            return base + sum(1 for _ in entries)

    @contextlib.contextmanager
    def frames(self) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open the journal as it is now, and hand out the index of its first entry, and all its entries.

        Raises:
            LedgerError: It cannot be read.
        """
        try:
            file = open(os.open(self._path, os.O_RDONLY | _FLAGS), "rb")  # noqa: SIM115 - closed below
        except FileNotFoundError:
            yield self._sealed(), iter(())
            return
        except OSError as error:
            raise LedgerError(f"cannot be read: {error.strerror}", where=self._path) from None
        with file:
            base = self._begin(file.read(_HEADER.size))
            yield base, _entries(file.read, base)

    def settle(self) -> int:
        """Make everything durable that is written, and return the index after it."""
        with self._errors(), self.alone():
            self._follow()
            _sync_data(self._file)
            self._set(self._count, self._count)
            return self._count

    def trim(self, sealed: int) -> None:
        """Forget what is sealed."""
        with self._errors(), self.alone(), self._locked("sync"):
            self._follow()
            if sealed <= self.base:
                return
            with self.frames() as (base, entries):
                rest = list(islice(entries, sealed - base, None))
            self._replace(sealed, b"".join(_frame(sealed + place, entry) for place, entry in enumerate(rest)))
            self._set(self._count, self._count)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all other writers out."""
        with self._turn, self._locked("write"):
            yield

    @contextlib.contextmanager
    def sealing(self) -> Iterator[None]:
        """Keep all others from sealing, other threads included: the file is opened anew."""
        descriptor = self._open_lock("seal")
        try:
            _flock(descriptor, "LOCK_EX")
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Hold one of the two locks of writers; the caller has the turn of this process's threads."""
        descriptor = self._lock(name)
        _flock(descriptor, "LOCK_EX")
        try:
            yield
        finally:
            _flock(descriptor, "LOCK_UN")

    def _lock(self, name: str) -> int:
        self._forget_parent()
        if name not in self._locks:
            self._locks[name] = self._open_lock(name)
        return self._locks[name]

    def _open_lock(self, name: str) -> int:
        return os.open(os.path.join(self._folder, f".{name}.lock"), os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)

    def _forget_parent(self) -> None:
        """Close what a parent opened: in a child of fork its locks would be shared, and exclude nobody."""
        if self._process != os.getpid():
            self._close()
            self._process = os.getpid()

    def _close(self) -> None:
        for descriptor in {self._file, self._state, *self._locks.values()} - {-1}:
            self._close_descriptor(descriptor)
        self._file = self._state = -1
        self._locks.clear()

    def __del__(self) -> None:
        self._close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LedgerError(f"cannot be written: {error.strerror}", where=self._path) from None

    def _follow(self) -> None:
        """Come to the end of what others wrote; the caller is alone."""
        if not os.path.lexists(self._path):
            self._replace(self._sealed(), b"")
        self._open()
        self._scan()
        self._set(self._count, None)

    def _open(self) -> None:
        """Open the file that has the name now; a copy of a parent's descriptors is of no use to a child."""
        self._forget_parent()
        if self._file >= 0:
            status, mine = os.stat(self._path, follow_symlinks=False), os.fstat(self._file)
            if (status.st_dev, status.st_ino) == (mine.st_dev, mine.st_ino):
                return
            os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | _FLAGS)
        if self._state < 0:
            self._state = os.open(os.path.join(self._folder, ".journal.state"), os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        self.base = self._count = self._begin(os.pread(self._file, _HEADER.size, 0))
        self._offset = _HEADER.size

    def _begin(self, header: bytes) -> int:
        if len(header) != _HEADER.size or not header.startswith(_MAGIC):
            raise TamperedError("edited: it is no journal of a ledger", where=self._path)
        return int(_HEADER.unpack(header)[1])

    def _replace(self, base: int, frames: bytes) -> None:
        temporary = f"{self._path}.new"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FLAGS, 0o600), "wb") as file:
            file.write(_HEADER.pack(_MAGIC, base) + frames)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)
        sync_folder(self._folder)

    def _scan(self) -> None:
        """Count the whole frames from where this process was, and cut what a killed writer left after them."""
        end = os.fstat(self._file).st_size
        data, start = b"", self._offset
        while self._offset < end:
            if len(data) - (self._offset - start) < _FRAME.size + LARGEST_ENTRY and start + len(data) < end:
                start, data = self._offset, os.pread(self._file, _CHUNK, self._offset)
            length = _whole(data, self._offset - start, self._count)
            if length is None:
                break
            self._offset += length
            self._count += 1
        acknowledged = self._get()[1]
        if self._count < acknowledged:
            kind = "edited" if self._offset < end else "deleted"
            raise TamperedError(f"{kind}: entry {self._count} was acknowledged and is not there", where=self._path)
        if self._offset < end:
            os.ftruncate(self._file, self._offset)

    def _write(self, entries: Sequence[bytes]) -> None:
        data = b"".join(_frame(self._count + place, entry) for place, entry in enumerate(entries))
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:] if written else data)
        except OSError:
            os.ftruncate(self._file, self._offset)
            raise
        self._offset += len(data)
        self._count += len(entries)
        self._set(self._count, None)

    def _sync(self, stop: int) -> None:
        """Return when everything before `stop` is durable, by this sync or another's.

        Who finds another one syncing waits for it together with all others who do (a shared lock), and mostly finds its
        own entries covered.
        """
        with self._turn:
            descriptor = self._lock("sync")
            while self._get()[1] < stop:
                if not _flock(descriptor, "LOCK_EX", wait=False):
                    _flock(descriptor, "LOCK_SH")
                    _flock(descriptor, "LOCK_UN")
                    continue
                try:
                    written, acknowledged = self._get()
                    if acknowledged < stop:
                        _sync_data(self._file)
                        self._set(None, max(written, stop))
                finally:
                    _flock(descriptor, "LOCK_UN")

    def _get(self) -> tuple[int, int]:
        data = os.pread(self._state, _STATE.size, 0)
        return _STATE.unpack(data.ljust(_STATE.size, b"\0"))

    def _set(self, written: int | None, acknowledged: int | None) -> None:
        for place, value in enumerate((written, acknowledged)):
            if value is not None:
                os.pwrite(self._state, value.to_bytes(8, "little"), 8 * place)


def _flock(descriptor: int, how: str, *, wait: bool = True) -> bool:
    try:
        import fcntl
    except ImportError:
        raise UnsupportedError("this system has no locks that a ledger could rely on") from None
    try:
        fcntl.flock(descriptor, getattr(fcntl, how) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _frame(index: int, entry: bytes) -> bytes:
    return _FRAME.pack(len(entry), _checksum(index, entry)) + entry


def _checksum(index: int, entry: bytes) -> int:
    return zlib.crc32(entry, zlib.crc32(struct.pack("<QI", index, len(entry))))


def _whole(data: bytes, place: int, index: int) -> int | None:
    """Return the length of the frame at a place, or `None` where it is not whole."""
    if len(data) - place < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack_from(data, place)
    entry = data[place + _FRAME.size : place + _FRAME.size + length]
    if length > LARGEST_ENTRY or len(entry) != length or _checksum(index, entry) != checksum:
        return None
    return _FRAME.size + int(length)


def _entries(read: Callable[[int], bytes], index: int) -> Iterator[bytes]:
    """Yield the entries of all whole frames."""
    while len(header := read(_FRAME.size)) == _FRAME.size:
        length, checksum = _FRAME.unpack(header)
        entry = read(length) if length <= LARGEST_ENTRY else b""
        if len(entry) != length or _checksum(index, entry) != checksum:
            return
        yield entry
        index += 1
