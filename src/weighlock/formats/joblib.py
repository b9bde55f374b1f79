"""joblib: a pickle with the memory of its arrays between the opcodes.

Source:
    ``joblib/numpy_pickle.py`` (``NumpyUnpickler.load_build``, ``NumpyArrayWrapper.read``), joblib 0.10 to 1.6.
"""

from __future__ import annotations

from dataclasses import dataclass

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.pickle.machine import Machine
from weighlock.formats.pickle.values import Instance

# 2**62 bytes: more than any file has, so that the product of hostile shapes stays a number to compare with.
_MOST_BYTES = 1 << 62


@dataclass(frozen=True, slots=True)
class ArrayInStream:
    """The array that follows a wrapper object in the stream.

    Args:
        shape: Items in each dimension.
        item_size: Bytes, or ``None`` where it is not known.
        references: The items are objects, so that a pickle follows in place of memory.
        aligned: A byte with the length of padding comes first.
    """

    shape: tuple[int, ...]
    item_size: int | None
    references: bool
    aligned: bool

    @property
    def size(self) -> int | None:
        """Bytes of the array's memory, or ``None`` where they are not known."""
        if self.item_size is None:
            return None
        total = self.item_size
        for items in self.shape:
            total = min(total * max(items, 0), _MOST_BYTES)
        return total


class JoblibMachine(Machine):
    """Executes one pickle as joblib does: an array follows each wrapper that was built."""

    def _build(self) -> None:
        super()._build()
        top = self._top()
        if isinstance(top, Instance) and isinstance(top.detail, ArrayInStream):
            self._pop()
            self._push(self._pass_array(top.detail))

    def _pass_array(self, array: ArrayInStream) -> object:
        if self.window.frame_end > self.window.offset:
            # joblib reads the array from the file, behind the frame, but the next opcode from the frame.
            self.observer.evasive("an array lies inside of a frame", self.window.offset)
        self._opcode = self.window.offset
        if array.references:
            # pickle.load(file): a pickle of its own, with its own stack and memo.
            inner = Machine(self.window, self.observer)
            result = inner.run()
            self._opcode = self.window.offset
            self.window.on_fill = self._charge
            return result
        if array.aligned:
            self.window.skip(self.window.take(1)[0])
        if array.size is None:
            raise OverBudgetError("the size of an array in the stream is not known")
        try:
            self.window.skip(array.size)
        except FormatError:
            raise FormatError("an array in the stream is longer than the data") from None
        return Instance("numpy.ndarray")
