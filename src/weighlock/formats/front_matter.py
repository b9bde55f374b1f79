"""The YAML front matter of a Markdown file, such as the metadata of a model card: parsed within narrow bounds.

Every scalar is a text: the country code ``no`` stays what its author wrote, and no date or number is guessed.

Source:
    https://huggingface.co/docs/hub/model-cards; YAML 1.1 as PyYAML reads it.
"""

from __future__ import annotations

from weighlock.errors import FormatError, OverBudgetError

_LARGEST = 1 << 18
_DEEPEST = 32
_MOST = 20_000
"""Events; the front matter of the largest honest cards, with thousands of results, has some ten thousand."""

_FENCE = "---"


def front_matter(data: bytes) -> dict[str, object]:
    """Return the metadata of a Markdown file; empty where it has none.

    Args:
        data: Its bytes.

    Returns:
        Texts, lists and dictionaries; of a repeated key the last value.

    Raises:
        FormatError: It is not UTF-8, not YAML, or no table.
        OverBudgetError: It is larger or nested deeper than any honest one.
    """
    lines = _lines(data)
    if lines is None:
        return {}
    import yaml

    builder = _Builder()
    try:
        for number, event in enumerate(yaml.parse(lines, Loader=yaml.SafeLoader)):
            if number > _MOST:
                raise OverBudgetError("its metadata have too many parts")
            builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 2}" if mark is not None else ""
        raise FormatError(f"its metadata are not YAML{place}") from error
    if builder.document is None:
        return {}
    if not isinstance(builder.document, dict):
        raise FormatError("its metadata are no table")
    return builder.document


def _lines(data: bytes) -> str | None:
    start = data[: _LARGEST + 1].removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    if not start.startswith(b"---\n"):
        return None
    end = start.find(b"\n---", 3)
    if end < 0:
        if len(data) > _LARGEST:
            raise OverBudgetError(f"its metadata are longer than {_LARGEST} bytes")
        raise FormatError("its metadata have no end")
    try:
        return start[4 : end + 1].decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("its metadata are not UTF-8") from error


class _Builder:
    """Builds the document from events, without recursion and without references to anything."""

    def __init__(self) -> None:
        self.document: object = None
        self._open: list[list[object] | dict[str, object]] = []
        self._keys: list[str | None] = []

    def take(self, event: object) -> None:
        kind = type(event).__name__
        if kind == "AliasEvent":
            raise FormatError("its metadata hold references, which cards have no use for")
        if kind == "ScalarEvent":
            self._put(str(getattr(event, "value", "")))
        elif kind in {"SequenceStartEvent", "MappingStartEvent"}:
            if len(self._open) >= _DEEPEST:
                raise OverBudgetError("its metadata are nested too deeply")
            inner: list[object] | dict[str, object] = [] if kind == "SequenceStartEvent" else {}
            self._put(inner)
            self._open.append(inner)
            self._keys.append(None)
        elif kind in {"SequenceEndEvent", "MappingEndEvent"}:
            self._open.pop()
            self._keys.pop()

    def _put(self, value: object) -> None:
        if not self._open:
            self.document = value
            return
        inner = self._open[-1]
        if isinstance(inner, list):
            inner.append(value)
        elif self._keys[-1] is None:
            if not isinstance(value, str):
                raise FormatError("its metadata have a key that is no text")
            self._keys[-1] = value
        else:
            inner[self._keys[-1]] = value
            self._keys[-1] = None
