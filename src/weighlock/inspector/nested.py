"""The bytes of a constant inside a pickle, as a loader would be given them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import OverBudgetError
from weighlock.formats.pickle.decoder import unescaped
from weighlock.formats.source import BytesSource, RandomAccess

if TYPE_CHECKING:
    from weighlock.allowlist.trace import Nested
    from weighlock.formats.source import Source

# Text is recoded as a whole, so bounded.
_LONGEST_TEXT = 32 << 20


def nested_source(nested: Nested, source: Source) -> Source:
    """Return the bytes to be judged, empty where no loader would get that far.

    Args:
        nested: Which constant.
        source: Of the pickle that holds it.

    Raises:
        FormatError: It has a broken escape, or the source ends before it does.
        OverBudgetError: It is too long to be recoded.
    """
    if nested.data is not None:
        return BytesSource(nested.data)
    if isinstance(source, RandomAccess) and not nested.recode:
        return source.slice(nested.offset, nested.size)
    if nested.size > _LONGEST_TEXT:
        raise OverBudgetError("over the budget for a nested constant")
    stream = source.open()
    stream.skip(nested.offset)
    return BytesSource(_recoded(stream.read_exactly(nested.size), nested.recode))


def _recoded(data: bytes, recode: tuple[str, ...]) -> bytes:
    if recode[:1] == ("unescape",):
        data, recode = unescaped(data), recode[1:]
    if not recode:
        return data
    decoding, encoding = recode
    try:
        return data.decode(decoding, "surrogatepass" if decoding == "utf-8" else "strict").encode(encoding)
    except UnicodeError:
        # So does the loader, before it has any bytes.
        return b""
