"""What this project's programs saved themselves: digests of bytes that a guarded save function serialised.

A record is one line: when, how many bytes, their digest, and a code (HMAC-SHA256) over that, the user and the project,
with a key that only this user can read. So a record can be made neither by whoever may write files into a project nor
by another user, and it means nothing in another project.

- The records of a project are one append-only file. Each line begins with a line break, so that a line which was torn
  by a full disk or a killed process spoils no other; what does not bear its code is no record.
- A file that grew too long loses its older half; of too many projects the one that saved nothing for longest goes.
- Whatever is not this user's alone is not believed: folder, key and records must be its own, and no links.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import stat
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LARGEST = 4 << 20
"""Bytes of the records of one project before the older half is forgotten; about 25,000 records."""

_MOST_PROJECTS = 512

_KEY = "key"
_KEY_SIZE = 32

_FIELDS = 5
"""Version, seconds since the epoch, size, digest, code."""

_PATIENCE = 50
"""Attempts, a few milliseconds apart, to be alone with a file; a save must not wait for a process that was stopped."""

_SAFE = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))


class OwnSaves:
    """The records of one project of this user.

    Args:
        environ: Says where records lie, see `place`.
        project: What identifies the project, see `weighlock.gates.load_settings.project_of`.
    """

    def __init__(self, environ: Mapping[str, str], project: str) -> None:
        self.folder = place(environ)
        self._project = project
        self._key: bytes | None = None
        self._read: tuple[tuple[int, int], int] = ((0, 0), 0)  # which file was read, and how far
        self._lines: dict[int, set[bytes]] = {}  # by size; their codes are verified when it matters

    def add(self, size: int, sha256: str) -> None:
        """Record that this project saved these bytes.

        Raises:
            OSError: The record cannot be kept.
        """
        if self.folder is None:
            raise FileNotFoundError(2, "no WEIGHLOCK_STATE, XDG_STATE_HOME or HOME says where")
        key = self._key_of_user(create=True)
        body = f"1 {int(time.time())} {size} {sha256}"
        line = f"\n{body} {self._code(key, body)}\n".encode()
        path = os.path.join(self.folder, self._name(key))
        if not os.path.exists(path):
            _forget_oldest_project(self.folder)
        _append(path, line)

    def has_size(self, size: int) -> bool:
        """Say whether bytes of that size may be recorded; where they are not, nothing needs to be hashed."""
        self._refresh()
        return size in self._lines

    def holds(self, size: int, sha256: str) -> bool:
        """Say whether this project saved these bytes."""
        self._refresh()
        return any(self._is_genuine(line, sha256) for line in tuple(self._lines.get(size, ())))

    def count(self) -> int:
        """Return how many different files are recorded."""
        self._refresh()
        lines = [line for lines in self._lines.values() for line in lines]
        return len({line.split(b" ")[3] for line in lines if self._is_genuine(line, line.split(b" ")[3].decode())})

    def _is_genuine(self, line: bytes, sha256: str) -> bool:
        body, _, code = line.decode().rpartition(" ")
        if self._key is None or not body.endswith(f" {sha256}"):
            return False
        return hmac.compare_digest(code, self._code(self._key, body))

    def _code(self, key: bytes, body: str) -> str:
        return hmac.digest(key, f"{_user()}\0{self._project}\0{body}".encode("utf-8", "surrogatepass"), "sha256").hex()

    def _name(self, key: bytes) -> str:
        return hmac.digest(key, f"project\0{self._project}".encode("utf-8", "surrogatepass"), "sha256").hex()[:32]

    def _key_of_user(self, *, create: bool) -> bytes:
        """Return the key, which is made by the first save of a user.

        Raises:
            OSError: There is none, or it is not this user's alone.
        """
        if self._key is None and self.folder is not None:
            if create:
                os.makedirs(self.folder, mode=0o700, exist_ok=True)
            _require_own_folder(self.folder)
            path = os.path.join(self.folder, _KEY)
            if create and not os.path.lexists(path):
                _make_key(path)
            self._key = _read_key(path)
        if self._key is None:
            raise FileNotFoundError(2, "there is no key")
        return self._key

    def _refresh(self) -> None:
        """Read what was recorded since the last time, by whichever process of this project."""
        try:
            key = self._key_of_user(create=False)
            descriptor = _open(os.path.join(self.folder or "", self._name(key)), os.O_RDONLY)
        except OSError:
            self._read, self._lines = ((0, 0), 0), {}
            return
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            identity, offset, lines = (status.st_dev, status.st_ino), self._read[1], self._lines
            if identity != self._read[0] or status.st_size < offset:
                offset, lines = 0, {}
            file.seek(offset)
            data = file.read(4 * _LARGEST)
        whole = data.rfind(b"\n") + 1
        for line in filter(None, data[:whole].split(b"\n")):
            if (size := _size_of(line)) is not None:
                lines.setdefault(size, set()).add(line)
        self._lines = lines
        self._read = (identity, offset + whole)


def place(environ: Mapping[str, str]) -> str | None:
    """Return the folder of the records, or ``None`` where there is no place for it."""
    folder = state_folder(environ)
    return os.path.join(folder, "saved") if folder else None


def state_folder(environ: Mapping[str, str]) -> str | None:
    """Return the folder of all that is remembered: ``WEIGHLOCK_STATE``, else where programs of this user keep theirs.

    Args:
        environ: ``WEIGHLOCK_STATE``, ``XDG_STATE_HOME`` or ``HOME`` say where.
    """
    folder = environ.get("WEIGHLOCK_STATE")
    if not folder:
        home = environ.get("HOME")
        base = environ.get("XDG_STATE_HOME")
        if not base or not os.path.isabs(base):  # a relative one does not count, and might lie in someone's project
            base = home and os.path.join(home, ".local", "state")
        folder = base and os.path.join(base, "weighlock")
    return os.path.abspath(folder) if folder else None


def _size_of(line: bytes) -> int | None:
    """Return the size that a line tells, or ``None`` for one that is broken or of another version."""
    parts = line.split(b" ")
    if len(parts) != _FIELDS or parts[0] != b"1" or not line.isascii():
        return None
    return int(parts[2]) if parts[2].isdigit() and len(parts[2]) < 20 else None


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _require_own_folder(folder: str) -> None:
    status = os.lstat(folder)
    ours = not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)
    if not ours or not stat.S_ISDIR(status.st_mode):
        raise PermissionError(13, "it has to be a folder of this user that nobody else can write to", folder)


def _open(path: str, flags: int, others: int = 0o022) -> int:
    """Open a file without following a symbolic link, and only if no one else has the permissions `others`.

    Raises:
        OSError: It cannot be opened, or is not ours alone.
    """
    descriptor = os.open(path, flags | _SAFE, 0o600)
    status = os.fstat(descriptor)
    ours = not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & others)
    if not ours or not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise PermissionError(13, "it has to be a file of this user alone", path)
    return descriptor


def _read_key(path: str) -> bytes:
    with open(_open(path, os.O_RDONLY, 0o077), "rb") as file:
        key = file.read(_KEY_SIZE + 1)
    if len(key) != _KEY_SIZE:
        raise OSError(22, "it is no key; remove it, and what was saved so far is forgotten", path)
    return key


def _make_key(path: str) -> None:
    """Make the key, whole or not at all; of two processes that do so at once, the first one counts."""
    temporary = f"{path}.{os.getpid()}.{secrets.token_hex(4)}"
    with open(_open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(secrets.token_bytes(_KEY_SIZE))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        os.rename(temporary, path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)


def _append(path: str, line: bytes) -> None:
    """Append one line with one write, and forget the older half of a file that is too long.

    Raises:
        OSError: It was not written, or not to its end.
    """
    descriptor = _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        with _alone(descriptor):
            if not _is_still(descriptor, path):  # it was compacted just now
                return _append(path, line)
            if os.write(descriptor, line) != len(line):
                raise OSError(28, "No space left on device", path)
            if os.fstat(descriptor).st_size > _LARGEST:
                _forget_older_half(descriptor, path)
    finally:
        os.close(descriptor)
    return None


@contextlib.contextmanager
def _alone(descriptor: int) -> Iterator[None]:
    """Keep other processes from a file for a moment, as far as they and the file system play along."""
    try:
        import fcntl
    except ImportError:  # Windows, where of two processes that compact at once one may lose records
        yield
        return
    for _ in range(_PATIENCE):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.002)
        except OSError:  # a file system without locks
            break
        else:
            break
    yield  # closing the file gives it free


def _is_still(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _forget_older_half(descriptor: int, path: str) -> None:
    with contextlib.suppress(OSError):
        with open(os.dup(descriptor), "rb") as file:
            file.seek(-(_LARGEST // 2), os.SEEK_END)
            data = file.read()
        temporary = f"{path}.{os.getpid()}.{secrets.token_hex(4)}"
        with open(_open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(data[data.find(b"\n") :])
        os.replace(temporary, path)


def _forget_oldest_project(folder: str) -> None:
    """Make room for the records of one more project."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        files = sorted((entry.stat().st_mtime, entry.path) for entry in entries if entry.name != _KEY)
        for _, path in files[: max(0, len(files) - _MOST_PROJECTS + 1)]:
            os.unlink(path)
