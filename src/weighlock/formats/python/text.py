"""The bytes of a Python file as an interpreter would read them: its encoding, its text, its tree.

Source:
    PEP 263 (declared encodings), PEP 3131 (identifiers are compared in normal form NFKC), PEP 552; the language
    reference, "Lexical analysis".
"""

from __future__ import annotations

import ast
import gc
import re
import unicodedata
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_COOKIE = re.compile(rb"[ \t\f]*#[^\n]*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)")
_BLANK = re.compile(rb"[ \t\f]*(?:#[^\n]*)?(?:\n|\Z)")
_BOM = b"\xef\xbb\xbf"
_TWO_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)?[^\r\n]*")

_LARGEST = 16 << 20
"""Bytes of a file that is parsed: a tree takes a hundred times that."""

_CODECS = frozenset(
    """
    utf-8 utf8 utf-8-sig utf-8-unix utf-8-dos utf-8-mac u8 ascii us-ascii latin-1 latin1 latin-1-unix iso-8859-1
    iso8859-1 iso-latin-1 iso-8859-2 iso-8859-5 iso-8859-7 iso-8859-9 iso-8859-15 cp437 cp850 cp866 cp932 cp936 cp949
    cp950 cp1250 cp1251 cp1252 cp1253 cp1254 windows-1250 windows-1251 windows-1252 mac-roman koi8-r koi8-u
    big5 gbk gb2312 gb18030 euc-jp euc-kr shift-jis
    """.split()
)
"""Declared encodings that honest files have: text of ASCII bytes alone is what it looks like, and all other text is
decoded here as Python decodes it."""


def encoding_of(data: bytes) -> str:
    """Return the encoding that a file declares, in lower case with dashes; ``utf-8`` where it declares none."""
    first = _head(data).removeprefix(_BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    match = _COOKIE.match(first)
    if match is None and (blank := _BLANK.match(first)) is not None:
        match = _COOKIE.match(first, blank.end())
    return match[1].decode("ascii").lower().replace("_", "-") if match else "utf-8"


def searchable(data: bytes) -> bytes:
    """Return text in which every ASCII name that Python would see can be found by its bytes.

    Raises:
        UnsupportedError: Its declared encoding can hide ASCII.
        FormatError: Python cannot run it: it has NUL bytes.
    """
    if b"coding" in _head(data):
        encoding = encoding_of(data)
        if encoding not in _CODECS:
            raise UnsupportedError(f"it declares the encoding {encoding}, which can hide what it does")
    else:
        encoding = "utf-8"
    if data.find(0) >= 0:
        raise FormatError("it has NUL bytes")
    if data.isascii():
        return data
    text = data.decode("utf-8" if encoding.startswith("u") else encoding, "replace")
    return unicodedata.normalize("NFKC", text).encode("utf-8", "replace")


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector of cycles away from growing trees: it takes four times as long as parsing them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _head(data: bytes) -> bytes:
    found = _TWO_LINES.match(data)
    return found[0] if found else b""


def parse(data: bytes) -> ast.Module:
    """Parse a file; nothing of it is compiled or executed.

    Raises:
        FormatError: It is no Python of this interpreter's version.
        OverBudgetError: It is too large or nested too deeply.
    """
    if len(data) > _LARGEST:
        raise OverBudgetError(f"it has {len(data)} bytes of Python")
    try:
        with warnings.catch_warnings(), uncollected():
            warnings.simplefilter("ignore")  # odd escapes in strings are the author's affair
            return ast.parse(data)
    except (RecursionError, MemoryError):
        raise OverBudgetError("it is nested too deeply") from None
    except (SyntaxError, ValueError) as error:
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        raise FormatError(f"it is not Python: {what}") from None
