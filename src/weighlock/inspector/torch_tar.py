"""Reads the tar of torch's first releases as its loader does: pickles with the memory of storages between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.interpreter import Interpreter
from weighlock.allowlist.trace import PickleTrace
from weighlock.errors import FormatError, UnsupportedError
from weighlock.formats.pickle.machine import Machine
from weighlock.formats.pickle.values import Global, Tuple
from weighlock.formats.pickle.window import Window
from weighlock.formats.torch_legacy import TAR, Memory, element_size, pass_memory, pass_tensor
from weighlock.inspector.pickles import execute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import Budget, Source
    from weighlock.formats.tar import TarArchive

# legacy_load extracts the first of them before it looks for the others.
_STORAGES, _TENSORS, _PICKLE = "storages", "tensors", "pickle"


def describe_tar(archive: TarArchive) -> str:
    """Return ``torch-tar`` or ``tar``."""
    return TAR if any(_read_as(entry.name) == _STORAGES for entry in archive.entries) else "tar"


def is_read_by_torch(name: str) -> bool:
    """Tell whether torch unpickles a member of its tar that has this name."""
    return _read_as(name) is not None


def require_no_links(archive: TarArchive) -> None:
    """Refuse to say what torch reads where it would read something else than the member of the name.

    Raises:
        UnsupportedError: A member that torch reads is a link.
    """
    if any(entry.link is not None and _read_as(entry.name) for entry in archive.entries):
        raise UnsupportedError("a member that torch reads is a link")


def read_member(name: str, source: Source, budget: Budget) -> Iterator[PickleTrace]:
    """Execute, symbolically, the pickles of a member that torch reads memory from as well; others have none.

    Args:
        name: Of the member.
        source: Its content.
        budget: What it may cost.

    Yields:
        One trace after the other. Where bytes are left over, or are not what the pickles say, the last one says so.
    """
    member = _read_as(name)
    if member not in {_STORAGES, _TENSORS} or not source.head(1):
        return
    walk = _Walk(Window(source.open(), budget))
    try:
        yield from walk.storages() if member == _STORAGES else walk.tensors()
    except FormatError as error:
        place = walk.window.offset
        yield PickleTrace(TAR, place, end=place, exhausted=f"what torch.load would read is not known: {error.message}")


def _read_as(name: str) -> str | None:
    # tarfile.TarFile.getmember: a slash at the end does not count.
    name = name.rstrip("/")
    return name if name in {_STORAGES, _TENSORS, _PICKLE} else None


class _Walk:
    """One reading of a member.

    Args:
        window: At its first byte.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self._result: object = None

    def storages(self) -> Iterator[PickleTrace]:
        """Read a number, as many storages with their memory, and a list of views."""
        yield from self._pickle()
        for _ in range(self._number()):
            yield from self._pickle()
            pass_memory(self.window, self._memory())
        yield from self._pickle()
        self._end()

    def tensors(self) -> Iterator[PickleTrace]:
        """Read a number and as many tensors with their sizes."""
        yield from self._pickle()
        for _ in range(self._number()):
            yield from self._pickle()
            pass_tensor(self.window)
        self._end()

    def _pickle(self) -> Iterator[PickleTrace]:
        interpreter = Interpreter(TAR)
        self._result = execute(Machine(self.window, interpreter), interpreter.trace)
        yield interpreter.trace
        if interpreter.trace.failure or interpreter.trace.exhausted:
            raise FormatError("a pickle is broken")

    def _number(self) -> int:
        if not isinstance(self._result, int):
            raise FormatError("the first pickle is not a number")
        return self._result

    def _memory(self) -> Memory:
        # (key, location, storage type)
        items = self._result.items if isinstance(self._result, Tuple) else []
        kind = items[2] if len(items) == 3 else None
        known = isinstance(kind, Global) and getattr(kind.entry, "group", None) == "storage-type"
        element = element_size(kind.name) if isinstance(kind, Global) and known else None
        if element is None:
            raise FormatError("a storage is of an unknown type")
        return Memory(element, None)

    def _end(self) -> None:
        if self.window.peek(1):
            raise FormatError("bytes are left over behind what it reads")
