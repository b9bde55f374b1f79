"""The memo of the machine: every object that a stream may fetch again, kept small.

Picklers memoise each string that they write, so a large pickle has millions of entries. The first ones lie in a list
as they are; strings after them lie packed in one byte array.
"""

from __future__ import annotations

from array import array

from weighlock.errors import FormatError
from weighlock.formats.pickle.values import Instance

_NEAR = 1 << 14
_OBJECT_BYTES = 96
_SPARSE_BYTES = 160


class Memo:
    """Numbered symbols, as the unpicklers keep them.

    Source:
        ``_pickle.c``: ``_Unpickler_MemoPut``, ``load_memoize`` (the next index is the number of entries).
    """

    def __init__(self) -> None:
        self._near: list[object] = []
        # Entries from _NEAR on: where a packed string begins, or minus the place in _objects, counted from 1.
        self._codes = array("q")
        self._packed = bytearray()
        self._objects: list[object] = []
        self._sparse: dict[int, object] = {}

    def __len__(self) -> int:
        return len(self._near) + len(self._codes) + len(self._sparse)

    @property
    def retained(self) -> int:
        """Bytes in use."""
        return (
            8 * len(self._codes)
            + len(self._packed)
            + _OBJECT_BYTES * (len(self._near) + len(self._objects))
            + _SPARSE_BYTES * len(self._sparse)
        )

    def put(self, index: int, value: object) -> None:
        """Store `value` at `index`, in place of what was there."""
        near = self._near
        if index < len(near):
            near[index] = value
        elif index == len(near) < _NEAR and index not in self._sparse:
            near.append(value)
        else:
            self._put_far(index, value)

    def _put_far(self, index: int, value: object) -> None:
        codes = self._codes
        place = index - _NEAR
        if 0 <= place < len(codes):
            codes[place] = self._encode(value)
        elif place == len(codes) and len(self._near) == _NEAR and index not in self._sparse:
            codes.append(self._encode(value))
        else:
            self._sparse[index] = value

    def get(self, index: int) -> object:
        """Return what is stored at `index`.

        Raises:
            FormatError: Nothing is.
        """
        if 0 <= index < len(self._near):
            value = self._near[index]
        elif 0 <= index - _NEAR < len(self._codes):
            value = self._decode(self._codes[index - _NEAR])
        elif index in self._sparse:
            value = self._sparse[index]
        else:
            raise FormatError("a memo entry is read that was never written")
        if type(value) is Instance:
            value.shared = True
        return value

    def _encode(self, value: object) -> int:
        if type(value) is str:
            start = len(self._packed)
            data = value.encode("utf-8", "surrogatepass")
            self._packed += len(data).to_bytes(2, "little") + data
            return start
        self._objects.append(value)
        return -len(self._objects)

    def _decode(self, code: int) -> object:
        if code < 0:
            return self._objects[-code - 1]
        size = int.from_bytes(self._packed[code : code + 2], "little")
        return self._packed[code + 2 : code + 2 + size].decode("utf-8", "surrogatepass")
