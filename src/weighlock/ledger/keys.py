"""Where the key of a ledger lies: beside the state of this user and never in the ledger, with the last checkpoint.

The last checkpoint that a key signed stands beside it, so that whoever puts an older ledger in its place finds a key
that signs no second history.

Source:
    ``docs/formats/ledger.md``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import LedgerError, UsageError
from weighlock.files import write_atomically
from weighlock.ledger.note import SigningKey
from weighlock.own_saves import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST = 1 << 16
_VARIABLE = "WEIGHLOCK_LEDGER_KEY"


class LedgerKey:
    """The key of one ledger on disk.

    Args:
        path: Of its file; the last checkpoint lies beside it under the same name and ``.checkpoint``.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def exists(self) -> bool:
        """Say whether there is a key."""
        return os.path.lexists(self.path)

    def read(self) -> SigningKey:
        """Return the key.

        Raises:
            LedgerError: It cannot be read, or others can.
        """
        try:
            return SigningKey.from_text(_private(self.path).decode("latin-1"))
        except OSError as error:
            hint = "`weighlock ledger key` makes one where there is none"
            raise LedgerError(f"the key cannot be read: {error.strerror}", where=self.path, hint=hint) from None
        except LedgerError as error:
            error.where = self.path
            raise

    def make(self, origin: str | None = None, host: str = "host") -> SigningKey:
        """Return the key, which is made where there is none; of two who make it at once, the first one counts.

        Args:
            origin: The name of the ledger; by default ``weighlock.local``, the host and some random digits.
            host: Of this machine.

        Raises:
            UsageError: There is a key, and it has another name.
        """
        if not self.exists():
            name = origin or f"weighlock.local/{_word(host)}/{secrets.token_hex(4)}"
            _create(self.path, SigningKey(name=name, seed=secrets.token_bytes(32)).to_text().encode())
        key = self.read()
        if origin not in {None, key.name}:
            hint = "a ledger keeps its name; begin another one with --ledger"
            raise UsageError(f"the ledger is called {key.name}", where="--origin", hint=hint)
        return key

    def last(self) -> bytes | None:
        """Return the last checkpoint that this key signed, or `None` where it signed none.

        Raises:
            LedgerError: It cannot be read.
        """
        try:
            return _private(self._last)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(f"the last checkpoint cannot be read: {error.strerror}", where=self._last) from None

    def remember(self, checkpoint: bytes) -> None:
        """Keep a checkpoint before anybody sees it."""
        write_atomically(Path(self._last), checkpoint, mode=0o600)
        sync_folder(os.path.dirname(self._last))

    @property
    def _last(self) -> str:
        return f"{self.path}.checkpoint"


def key_of(ledger: str, environ: Mapping[str, str]) -> LedgerKey:
    """Return the place of the key of a ledger folder: ``WEIGHLOCK_LEDGER_KEY``, else among the state of this user.

    Raises:
        LedgerError: No variable says where the state lies, or it would be inside of the ledger.
    """
    folder, real = state_folder(environ), os.path.realpath(ledger)
    named = environ.get(_VARIABLE)
    if not named and folder is None:
        raise LedgerError("there is no place for the key", hint=f"set {_VARIABLE}, WEIGHLOCK_STATE or HOME")
    digits = hashlib.sha256(os.fsencode(real)).hexdigest()[:16]
    path = os.path.abspath(named) if named else os.path.join(folder or "", "ledger-keys", f"{digits}.key")
    if os.path.commonpath([os.path.realpath(path), real]) == real:
        hint = "who can change the ledger must not find its key in it"
        raise LedgerError("the key would lie inside of the ledger", where=path, hint=hint)
    return LedgerKey(path)


def sync_folder(folder: str) -> None:
    """Make names in a folder durable, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _word(host: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char in ".-") else "-" for char in host)[:80] or "host"


def _private(path: str) -> bytes:
    """Return the bytes of a file of this user that nobody else can read or write.

    Raises:
        OSError: It cannot be read, or is not ours alone.
    """
    optional = ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY")
    descriptor = os.open(path, sum((getattr(os, name, 0) for name in optional), os.O_RDONLY))
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
            raise PermissionError(13, "it has to be a file of this user alone (chmod 600)", path)
        return file.read(_LARGEST)


def _create(path: str, data: bytes) -> None:
    folder = os.path.dirname(path)
    temporary = f"{path}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass  # somebody else was first
        finally:
            os.unlink(temporary)
        sync_folder(folder)
    except OSError as error:
        raise LedgerError(f"the key cannot be made: {error.strerror}", where=path) from None
