"""The bytes of a safetensors file, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from weighlock.formats.torch_checkpoint import iter_bytes

if TYPE_CHECKING:
    from weighlock.convert.layout import Layout
    from weighlock.formats.source import RandomAccess


class Sink(Protocol):
    """Where the bytes go."""

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""

    def copy(self, offset: int, size: int) -> None:
        """Take bytes of the checkpoint as the next ones; they need not pass through this process."""


def write(layout: Layout, source: RandomAccess, sink: Sink) -> None:
    """Write a safetensors file.

    Args:
        layout: What it holds.
        source: The checkpoint.
        sink: Takes the bytes.

    Raises:
        FormatError: The checkpoint ended early.
        OverBudgetError: The items of a tensor lie in too many places.
    """
    sink.write(layout.header)
    for view in layout.tensors.values():
        if view.is_contiguous:
            sink.copy(view.start, view.size)
        else:
            for part in iter_bytes(source, view):
                sink.write(part)
