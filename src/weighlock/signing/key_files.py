"""Key pairs on disk: the private half for its owner alone, the public half for everybody."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from weighlock.errors import UsageError
from weighlock.files import read_regular, sync_folder, unfinished_file_errors
from weighlock.signing.key import generate, is_encrypted, private_pem, read_key
from weighlock.signing.public_key import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from weighlock.signing.key import LocalKey


def public_place(private: Path) -> Path:
    """Return where the public half of a key lies."""
    return private.with_name(f"{private.name}.pub")


def generate_pair(place: Path, passphrase: bytes | None) -> LocalKey:
    """Make a key and write both halves; nothing that is there is overwritten.

    Args:
        place: Of the private half; the public one gets ``.pub`` behind its name.
        passphrase: It is encrypted with, or ``None``.

    Raises:
        UsageError: A file is there already.
        WeighlockError: The file system refused.
    """
    for path in (place, public_place(place)):
        if os.path.lexists(path):
            raise UsageError(
                "is there already, and keys are not overwritten", where=str(path), hint="name another place"
            )
    key = generate()
    _write(place, private_pem(key, passphrase), 0o600)
    _write(public_place(place), key.public.pem, 0o644)
    sync_folder(place.parent)
    return key


def load_key(place: Path, passphrase: Callable[[], bytes]) -> tuple[LocalKey, str | None]:
    """Read a private key, and return it with a warning where others may read it, too.

    Raises:
        UsageError: It cannot be read, or is no key that signs here.
    """
    try:
        data = read_regular(place, LARGEST + 1)
        mode = place.stat().st_mode
    except OSError as error:
        hint = "make one with `weighlock sign --generate-key FILE`"
        raise UsageError(f"the key cannot be read: {error.strerror}", where=str(place), hint=hint) from error
    key = read_key(data, passphrase, where=str(place))
    others = mode & (stat.S_IRWXG | stat.S_IRWXO) and not is_encrypted(data)
    return key, f"{place}: others may read this private key, and it has no passphrase (chmod 600)" if others else None


def _write(place: Path, data: bytes, mode: int) -> None:
    with unfinished_file_errors(place):
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
