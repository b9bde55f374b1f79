"""Core metadata and the WHEEL file: messages in the form of e-mail headers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ONCE = frozenset(
    "metadata-version name version requires-python license license-expression wheel-version root-is-purelib".split()
)
_LINE_END = re.compile("\r\n|\r|\n")
_EMPTY_LINE = re.compile("(?:\r\n|\r|\n){2}")
_MOST_LINES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """The fields of such a message.

    Args:
        fields: Values by names in lower case, in their order.
        repeated: Names that stand several times and may stand once; readers differ about which one counts.
        defects: What the parser took exception to.
    """

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()

    def first(self, name: str) -> str | None:
        """Return the first value of a field, stripped, or ``None`` where there is none."""
        values = self.fields.get(name)
        return values[0].strip() if values else None

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field, stripped."""
        return tuple(value.strip() for value in self.fields.get(name, ()))


def parse(data: bytes) -> Headers:
    """Read the fields of METADATA or WHEEL, not the description behind them.

    Args:
        data: All of the file; the caller bounds it.

    Raises:
        FormatError: It is not UTF-8, or has more fields than anybody writes.

    Source:
        The core metadata specification of packaging.python.org: a file that `email.parser` reads with its policy
        ``compat32``.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("it is not UTF-8") from error
    # The fields end at the first empty line at the latest, and the parser takes its time for each.
    if len(_LINE_END.findall(_EMPTY_LINE.split(text, maxsplit=1)[0])) > _MOST_LINES:
        raise FormatError("it has more fields than anybody writes")
    message = HeaderParser().parsestr(text)
    found: dict[str, list[str]] = {}
    for name, value in message.items():
        found.setdefault(name.lower(), []).append(str(value))
    return Headers(
        fields={name: tuple(values) for name, values in found.items()},
        repeated=tuple(sorted(name for name, values in found.items() if len(values) > 1 and name in _ONCE)),
        defects=tuple(type(defect).__name__ for defect in message.defects[:5]),
    )
