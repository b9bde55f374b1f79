"""Files that a command makes: written unfinished beside their place, hashed on the way, published in one step."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from weighlock.errors import FormatError, SourceError, UsageError
from weighlock.files import sync_folder, unfinished_file_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType

# Buffers are filled, written and hashed in turns.
_BUFFER = 4 << 20
_BUFFERS = 3

# What file systems say that know no links.
_WITHOUT_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


def require_free(place: Path, *, force: bool) -> None:
    """Demand that a file may be made at a place.

    Raises:
        UsageError: Something is there that may not be replaced.
    """
    if place.is_symlink():
        raise UsageError("is a symbolic link, which is not written through", where=str(place), hint="remove the link")
    if place.is_dir():
        raise UsageError("is a folder", where=str(place), hint="name a file with -o")
    if not os.path.lexists(place):
        return
    if not place.is_file():
        raise UsageError("is not a regular file", where=str(place), hint="name another file with -o")
    if not force:
        raise UsageError("exists already", where=str(place), hint="--force replaces it; -o names another file")


class Output:
    """One file on its way; a context manager that removes what was not published.

    Args:
        place: Where it will be published.
        source: Descriptor of the file that `copy` copies from.
        tick: Is told how many bytes were written.

    Attributes:
        place: Where it will be published.
        descriptor: Of the unfinished file.
    """

    def __init__(self, place: Path, source: int = -1, tick: Callable[[int], None] | None = None) -> None:
        self.place = place
        self._source = source
        self._tick = tick
        self._hash = hashlib.sha256()
        self._written = 0
        self._free = [memoryview(bytearray(_BUFFER)) for _ in range(_BUFFERS)]
        self._filled = 0
        self._pending: list[tuple[memoryview, Future[None]]] = []
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="weighlock-digest")
        with unfinished_file_errors(place):
            self.descriptor, self._name = tempfile.mkstemp(
                prefix=f".{place.name[:64]}.", suffix=".new", dir=place.parent
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        os.close(self.descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._name)

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        while view:
            room = self._free[0][self._filled :]
            part = view[: len(room)]
            room[: len(part)] = part
            view = view[len(part) :]
            self._fill(len(part))

    def copy(self, offset: int, size: int) -> None:
        """Take bytes of the source as the next ones.

        Raises:
            FormatError: The source ended early.
        """
        while size:
            room = self._free[0][self._filled :][:size]
            try:
                count = os.preadv(self._source, [room], offset)
            except OSError as error:
                raise SourceError(f"the checkpoint cannot be read: {error.strerror}") from error
            if not count:
                raise FormatError("the file ended while it was read")
            offset += count
            size -= count
            self._fill(count)

    def finish(self) -> tuple[str, int]:
        """Put everything on the disk, and return the digest and the number of bytes."""
        self._flush()
        while self._pending:
            self._reclaim()
        with unfinished_file_errors(self.place):
            os.fchmod(self.descriptor, 0o666 & ~_umask())
            os.fsync(self.descriptor)
        return self._hash.hexdigest(), self._written

    def publish(self, *, force: bool) -> None:
        """Give the file its name.

        Raises:
            UsageError: Another file has that name by now.
        """
        require_free(self.place, force=force)
        with unfinished_file_errors(self.place):
            if force:
                os.replace(self._name, self.place)
                return
            try:
                # Fails where the name is taken, whoever took it in the meantime.
                os.link(self._name, self.place)
            except FileExistsError:
                require_free(self.place, force=False)
                raise
            except OSError as error:
                if error.errno not in _WITHOUT_LINKS:
                    raise
                os.rename(self._name, self.place)

    def _fill(self, count: int) -> None:
        self._filled += count
        if self._filled == _BUFFER:
            self._flush()

    def _flush(self) -> None:
        """Write what is in the buffer while another thread hashes it, and take a free buffer."""
        buffer, count = self._free.pop(0), self._filled
        data = buffer[:count]
        self._pending.append((buffer, self._pool.submit(self._hash.update, data)))
        with unfinished_file_errors(self.place):
            while data:
                data = data[os.write(self.descriptor, data) :]
        self._written += count
        self._filled = 0
        if not self._free:
            self._reclaim()
        if self._tick is not None:
            self._tick(count)

    def _reclaim(self) -> None:
        buffer, hashed = self._pending.pop(0)
        hashed.result()
        self._free.append(buffer)


def publish(outputs: Iterable[Output], *, force: bool) -> None:
    """Give files their names, in their order; where one cannot have it, those before it are taken back.

    Raises:
        WeighlockError: A name is taken, or the file system refused.
    """
    done: list[Path] = []
    try:
        for output in outputs:
            output.publish(force=force)
            done.append(output.place)
    except BaseException:
        for place in [] if force else done:
            with contextlib.suppress(OSError):
                os.unlink(place)
        raise
    for folder in {place.parent for place in done}:
        sync_folder(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
