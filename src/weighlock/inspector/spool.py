"""Where unpacked bytes go that must be read at any offset: memory, and beyond that a file without a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.formats.source import Budget, BytesSource, FileSource

if TYPE_CHECKING:
    from typing import IO

    from weighlock.formats.source import Source, Stream

_IN_MEMORY = 8 << 20
_STEP = 1 << 18

# Symbolic values of a real pickle take some 20 bytes for each byte of the file; a hostile one could make far more of
# a few compressed bytes.
_RETAINED_BASE = 20 << 20
_RETAINED_RATIO = 40
_RETAINED_MOST = 512 << 20


class _SpooledFile(FileSource):
    """An unnamed file that lives as long as the source."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__(file.fileno(), size)
        self._file = file


def spool(stream: Stream) -> Source:
    """Read a stream to its end and return its bytes as a random-access source."""
    parts: list[bytes] = []
    total = 0
    while total <= _IN_MEMORY:
        part = stream.read(_STEP)
        if not part:
            return BytesSource(b"".join(parts))
        parts.append(part)
        total += len(part)
    import tempfile

    file = tempfile.TemporaryFile(prefix="weighlock-")  # noqa: SIM115 - it lives as long as the source
    file.writelines(parts)
    while part := stream.read(_STEP):
        file.write(part)
        total += len(part)
    file.flush()
    return _SpooledFile(file, total)


def default_budget(size: int) -> Budget:
    """Return the budget for an artifact of `size` bytes."""
    retained = min(_RETAINED_BASE + _RETAINED_RATIO * size, _RETAINED_MOST)
    return Budget(retained=retained, spool=spool)
