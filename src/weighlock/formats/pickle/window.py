"""The bytes of a stream, a window at a time, so that a pickle of any size is read in little memory."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.formats.source import Budget, Stream

_CHUNK = 1 << 16

# Longer lines are passed over without keeping them; no name and no number that matters is as long.
_LONGEST_LINE = 1 << 16


class Window:
    """A forward reading with one buffer.

    Args:
        stream: The bytes.
        budget: Shared by everything that judges the artifact.

    Attributes:
        data: The buffer.
        position: Of the next byte, in `data`.
        end: ``len(data)``.
        stop: Where the machine has to look up: `end`, or the end of the frame where that comes first.
        frame_end: Offset of the end of the frame, 0 where there was none.
        ended: The data were found to end too early.
        on_fill: Called whenever the buffer is replaced, at least once in 64 KiB of data.
    """

    def __init__(self, stream: Stream, budget: Budget) -> None:
        self.budget = budget
        self.data = b""
        self.position = 0
        self.end = 0
        self.stop = 0
        self.frame_end = 0
        self.ended = False
        self.on_fill: Callable[[], None] | None = None
        self._stream = stream
        self._base = 0

    @property
    def offset(self) -> int:
        """Bytes from the start of the stream to the next byte."""
        return self._base + self.position

    def check_retained(self, size: int) -> None:
        """Compare the bytes that are kept in memory with the budget.

        Raises:
            OverBudgetError: They are more.
        """
        if size > self.budget.retained:
            raise OverBudgetError("over the budget for memory")

    def fill(self, size: int) -> int:
        """Have at least `size` bytes ahead, if there are as many, and return how many there are.

        Bytes in front of an error of the stream count: an unpickler would have acted on them.
        """
        if self.on_fill is not None:
            self.on_fill()
        parts = [self.data[self.position :]]
        have = len(parts[0])
        with suppress(FormatError):
            while have < size:
                part = self._stream.read(max(_CHUNK, size - have))
                if not part:
                    break
                parts.append(part)
                have += len(part)
        self._base += self.position
        self.position = 0
        self.data = b"".join(parts)
        self.end = have
        self.settle()
        return have

    def settle(self) -> None:
        """Find out where to stop next."""
        ahead = self.frame_end - self._base
        self.stop = ahead if self.position <= ahead < self.end else self.end

    @property
    def is_frame_whole(self) -> bool:
        """Whether the frame ends within the data that were read so far."""
        return self.frame_end <= self._base + self.end

    def need(self, size: int) -> None:
        """Have at least `size` bytes ahead.

        Raises:
            FormatError: There are fewer.
        """
        if self.fill(size) < size:
            self.ended = True
            raise FormatError("the data ends before the pickle does")

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, or fewer at the end, without passing them."""
        if self.end - self.position < size:
            self.fill(size)
        return self.data[self.position : self.position + size]

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        start = self.position
        if start + size > self.end:
            self.need(size)
            start = 0
        self.position = start + size
        return self.data[start : start + size]

    def skip(self, size: int) -> None:
        """Pass over `size` bytes without keeping them.

        Raises:
            FormatError: There are fewer.
        """
        ahead = self.end - self.position
        if size <= ahead:
            self.position += size
            return
        if self.on_fill is not None:
            self.on_fill()
        passed = self._stream.skip(size - ahead)
        self._base += self.end + passed
        self.data, self.position, self.end = b"", 0, 0
        self.settle()
        if passed < size - ahead:
            self.ended = True
            raise FormatError("the data ends in the middle of a value")

    def line(self) -> bytes | None:
        """Return the bytes up to the next newline, without it; ``None`` for a line too long to be kept.

        At the end of the data the pure-Python unpickler takes the last byte for the newline, whatever it is.

        Raises:
            FormatError: There are no more bytes.
        """
        size = 256
        while (newline := self.data.find(b"\n", self.position)) < 0:
            have = self.fill(size)
            if have < size:
                return self._last_line()
            if have > _LONGEST_LINE:
                self._skip_line()
                return None
            size = have + 1
        line = self.data[self.position : newline]
        self.position = newline + 1
        return line

    def _last_line(self) -> bytes:
        newline = self.data.find(b"\n", self.position)
        if newline < 0 and self.position == self.end:
            self.ended = True
            raise FormatError("the data ends before the pickle does")
        stop = newline if newline >= 0 else self.end - 1
        line = self.data[self.position : stop]
        self.position = stop + 1
        return line

    def _skip_line(self) -> None:
        while (newline := self.data.find(b"\n", self.position)) < 0:
            self.position = self.end
            self.need(1)
        self.position = newline + 1
