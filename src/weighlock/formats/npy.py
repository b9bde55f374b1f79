"""Numpy's .npy files: the header, and whether a pickle follows it."""

from __future__ import annotations

import ast
import math
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError

if TYPE_CHECKING:
    from weighlock.formats.source import Stream

MAGIC = b"\x93NUMPY"

_HEADER = 192 << 10  # a dtype of a few thousand columns; parsing takes some hundred times as much memory
_PYTHON_2_HEADER = 4 << 10  # what is no Python costs the tokenizer the square of its length
_BLANKS = re.compile(r"[ \t\f]+")  # no more than padding, or part of a name
_NESTING = 32
_DIMENSIONS = 64  # numpy's NPY_MAXDIMS
_KEYS = {"descr", "fortran_order", "shape"}
_PLAIN = re.compile(r"[<>|=]?(?:(b1|[iu](?:1|2|4|8)|f(?:2|4|8|12|16)|c(?:8|16|24|32))|([SUV])([0-9]{1,10}))")
_TIME = re.compile(r"[<>|=]?[mM]8(?:\[[0-9]{0,9}[A-Za-z]{1,9}(?:/[0-9]{1,9})?\])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class NpyHeader:
    """The header of an array.

    Args:
        descr: The dtype as it is written.
        shape: Of the array; for objects it may be nonsense, since numpy unpickles them first.
        fortran_order: Whether the first index varies fastest.
        item_size: Bytes of one element, ``None`` where `has_object`.
        offset: Where the data begin.
    """

    descr: object
    shape: tuple[int, ...]
    fortran_order: bool
    item_size: int | None
    offset: int

    @property
    def has_object(self) -> bool:
        """Whether a pickle may follow: a dtype holds objects, or it is not one that is known to hold none."""
        return self.item_size is None

    @property
    def data_size(self) -> int | None:
        """Bytes of the data, ``None`` where `has_object`."""
        return None if self.item_size is None else self.item_size * math.prod(self.shape)


def parse_header(stream: Stream) -> NpyHeader:
    """Read the header of a .npy file and leave the stream at the data.

    Args:
        stream: At the first byte of the file.

    Raises:
        FormatError: Numpy would not read it either.
        OverBudgetError: The header is so large or so deeply nested that it is not worth knowing.

    Source:
        https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (versions 1.0, 2.0, 3.0) and
        `numpy.lib.format.read_array`.
    """
    magic = stream.read_exactly(8)
    if magic[:6] != MAGIC:
        raise FormatError("the file does not begin as a .npy file")
    version = (magic[6], magic[7])
    if version not in {(1, 0), (2, 0), (3, 0)}:
        raise FormatError("the .npy file has an unknown version")
    width = 2 if version == (1, 0) else 4
    size = int.from_bytes(stream.read_exactly(width), "little")
    if size > _HEADER:
        raise OverBudgetError("the .npy header is over the budget for headers")
    try:
        text = stream.read_exactly(size).decode("utf-8" if version == (3, 0) else "latin1")
    except UnicodeDecodeError as error:
        raise FormatError("the .npy header is not text") from error
    return _header(_literal(text, python2=version != (3, 0)), 8 + width + size)


def _literal(text: str, *, python2: bool) -> object:
    """Evaluate the header as numpy does, literals only.

    It must understand what numpy understands, down to string escapes and to headers written by Python 2, or a file that
    numpy loads would pass for one that it does not.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return ast.literal_eval(text)
            except (SyntaxError, ValueError, TypeError):
                if not python2 or "L" not in text:
                    raise
                return ast.literal_eval(_without_long_marks(_BLANKS.sub(" ", text)))
    except (MemoryError, RecursionError) as error:
        raise OverBudgetError("the .npy header is nested too deeply") from error
    except (SyntaxError, ValueError, TypeError) as error:
        raise FormatError("the .npy header is not a Python literal") from error


def _without_long_marks(text: str) -> str:
    """Drop the ``L`` that Python 2 wrote behind long integers, token by token as numpy does."""
    import io
    import tokenize

    if len(text) > _PYTHON_2_HEADER:
        raise OverBudgetError("the .npy header is too long for one of Python 2")
    tokens, after_number = [], False
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if not (after_number and token.type == tokenize.NAME and token.string == "L"):
                tokens.append(token)
            after_number = token.type == tokenize.NUMBER
    except tokenize.TokenError as error:
        raise ValueError(str(error)) from error
    return tokenize.untokenize(tokens)


def _header(fields: object, offset: int) -> NpyHeader:
    if not isinstance(fields, dict) or fields.keys() != _KEYS:
        raise FormatError("the .npy header does not have the keys descr, fortran_order and shape")
    shape, fortran_order, descr = fields["shape"], fields["fortran_order"], fields["descr"]
    if not isinstance(shape, tuple) or not all(isinstance(each, int) for each in shape):
        raise FormatError("the shape in the .npy header is not a tuple of integers")
    if not isinstance(fortran_order, bool):
        raise FormatError("fortran_order in the .npy header is not a boolean")
    item_size = dtype_item_size(descr)
    if item_size is not None and (len(shape) > _DIMENSIONS or any(each < 0 for each in shape)):
        raise FormatError("the shape in the .npy header is impossible")
    return NpyHeader(descr=descr, shape=shape, fortran_order=fortran_order, item_size=item_size, offset=offset)


def dtype_item_size(descr: object) -> int | None:
    """Return the bytes of one element of a dtype.

    Args:
        descr: As in a .npy header: ``'<f4'``, ``[('x', '<i8'), ('y', '<f4', (3,))]``, ``('<f4', (2, 2))``.

    Returns:
        The size, or ``None`` where the dtype may hold objects: it does, or it is not understood.

    Source:
        https://numpy.org/doc/stable/reference/arrays.interface.html and `numpy.lib.format.descr_to_dtype`.
    """
    return _item_size(descr, _NESTING)


def _item_size(descr: object, depth: int) -> int | None:
    if isinstance(descr, str):
        return _plain_size(descr)
    if depth and isinstance(descr, tuple) and len(descr) == 2:
        return _sized(descr[0], descr[1], depth - 1)
    if depth and isinstance(descr, list):
        sizes = [_field_size(each, depth - 1) for each in descr]
        return None if None in sizes else sum(each for each in sizes if each is not None)
    return None


def _field_size(field: object, depth: int) -> int | None:
    if not isinstance(field, tuple) or len(field) not in (2, 3):
        return None
    return _item_size(field[1], depth) if len(field) == 2 else _sized(field[1], field[2], depth)


def _sized(descr: object, shape: object, depth: int) -> int | None:
    size = _item_size(descr, depth)
    if size == 0 and isinstance(descr, str) and isinstance(shape, int):
        # To numpy the number is the length of text or bytes that have none yet, not a shape.
        return _plain_size(f"{descr.rstrip('0')}{shape}") if shape else 0
    return _times(size, shape)


def _times(size: int | None, shape: object) -> int | None:
    dimensions = (shape,) if isinstance(shape, int) else shape
    if size is None or not isinstance(dimensions, tuple):
        return None
    if not all(isinstance(each, int) and each >= 0 for each in dimensions):
        return None
    return size * math.prod(dimensions)


def _plain_size(text: str) -> int | None:
    if _TIME.fullmatch(text):
        return 8
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    number, kind, count = match.groups()
    if number:
        return int(number[1:])
    return int(count) * (4 if kind == "U" else 1)
