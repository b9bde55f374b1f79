"""GGUF files: header, metadata and descriptions of tensors, with every number held against the size of the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from weighlock.formats.source import Budget, RandomAccess

MAGIC = b"GGUF"
TEMPLATE = "tokenizer.chat_template"

_STRING, _ARRAY = 8, 9
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_ALIGNMENT = "general.alignment"
_MOST_DIMENSIONS = 4  # GGML_MAX_DIMS
_SIGNED = 1 << 63
_LONGEST_NAME = 1 << 16
_LONGEST_TEMPLATE = 4 << 20
_LONGEST_FACT = 1 << 12
_MOST_FACTS = 100
_DEPTH = 4
_STEP = 1 << 16

# Whole numbers: type -> whether it has a sign. And the keys, beside ``general.``, whose values describe a model.
_INTEGERS = {0: False, 1: True, 2: False, 3: True, 4: False, 5: True, 10: False, 11: True}
_TELLING = (".context_length", ".block_count", ".embedding_length", ".vocab_size", ".expert_count")

# Type -> (elements of a block, bytes of a block), from `GGML_QUANT_SIZES` of ggml.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
    35: (256, 66),
}  # fmt: skip


@dataclass(slots=True)
class Gguf:
    """What a GGUF file says about itself.

    Args:
        version: 1 to 3.
        order: Byte order of its numbers.
        templates: Keys and texts of its chat templates, in their order.
        tensors: How many there are.
        elements: Of all tensors that were read.
        facts: Keys and values that describe the model, such as its architecture and its licence, in their order.
        overflows: Numbers that no honest writer makes, and that make readers count past the end of a word.
        oddities: Whatever else is not as the format demands.
    """

    version: int = 0
    order: Literal["little", "big"] = "little"
    templates: list[tuple[str, str]] = field(default_factory=list)
    tensors: int = 0
    elements: int = 0
    facts: list[tuple[str, str]] = field(default_factory=list)
    overflows: list[str] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)


class OverflowedError(FormatError):
    """A number is so large that a reader in C would count past the end of a word."""


def parse(source: RandomAccess, budget: Budget) -> Gguf:
    """Read all but the data of the tensors.

    Args:
        source: The file.
        budget: Pays for each value.

    Returns:
        What was read, up to the first thing that broke a rule.

    Raises:
        FormatError: The file does not begin as a GGUF file.

    Source:
        https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; gguf.cpp of ggml.
    """
    if source.read_at(0, 4) != MAGIC:
        raise FormatError("the file does not begin as a GGUF file")
    found = Gguf()
    try:
        _Parser(source, budget, found).run()
    except OverflowedError as error:
        found.overflows.append(error.message)
    except FormatError as error:
        found.oddities.append(error.message)
    return found


class _Parser:
    """One reading of a file."""

    def __init__(self, source: RandomAccess, budget: Budget, found: Gguf) -> None:
        self._source = source
        self._budget = budget
        self._found = found
        self._place = 4
        self._buffer = b""
        self._start = 0
        self._word = 8
        self._alignment = 32

    def run(self) -> None:
        self._version()
        tensors, pairs = self._count(20), self._count(9)
        self._found.tensors = tensors
        seen: set[str] = set()
        for _ in range(pairs):
            self._pair(seen)
        names: set[str] = set()
        spans = [self._tensor(names) for _ in range(tensors)]
        self._check_spans(spans)

    def _version(self) -> None:
        data = self._take(4)
        version = int.from_bytes(data, "little")
        if version & 0xFFFF == 0:
            self._found.order, version = "big", int.from_bytes(data, "big")
        self._found.version = version
        if version not in {1, 2, 3}:
            raise FormatError(f"version {version} of GGUF is not known")
        self._word = 4 if version == 1 else 8

    def _pair(self, seen: set[str]) -> None:
        key = self._text(_LONGEST_NAME)
        if key in seen:
            self._found.oddities.append(f"the key {key} stands twice")
        seen.add(key)
        kind = self._number(4)
        if kind == _STRING and key.startswith(TEMPLATE):
            self._found.templates.append((key, self._text(_LONGEST_TEMPLATE)))
        elif key == _ALIGNMENT and kind == 4:
            self._alignment = self._number(4)
            if not self._alignment or self._alignment & (self._alignment - 1):
                raise FormatError("the alignment is not a power of two")
        elif self._describes(key, kind):
            self._found.facts.append((key, self._fact(kind)))
        else:
            self._skip_value(kind, _DEPTH)

    def _describes(self, key: str, kind: int) -> bool:
        wanted = key.startswith("general.") or key.endswith(_TELLING)
        return wanted and (kind == _STRING or kind in _INTEGERS) and len(self._found.facts) < _MOST_FACTS

    def _fact(self, kind: int) -> str:
        """Return a value as a text, of a long one its beginning."""
        if kind != _STRING:
            data = self._take(_WIDTHS[kind])
            return str(int.from_bytes(data, self._found.order, signed=_INTEGERS[kind]))
        size = self._number(self._word)
        self._require(size)
        text = self._take(min(size, _LONGEST_FACT)).decode("utf-8", "backslashreplace")
        self._skip(max(0, size - _LONGEST_FACT))
        return text

    def _skip_value(self, kind: int, depth: int) -> None:
        if kind == _STRING:
            self._skip(self._number(self._word))
        elif kind == _ARRAY:
            if not depth:
                raise FormatError("arrays are nested too deeply")
            inner = self._number(4)
            count = self._count(_WIDTHS.get(inner, self._word))
            if inner in _WIDTHS:
                self._skip(count * _WIDTHS[inner])
                return
            for _ in range(count):
                self._skip_value(inner, depth - 1)
        elif kind in _WIDTHS:
            self._skip(_WIDTHS[kind])
        else:
            raise FormatError(f"a value has the unknown type {kind}")

    def _tensor(self, names: set[str]) -> tuple[int, int, str]:
        """Return where the data of a tensor begin and end, from the start of the data."""
        name = self._text(_LONGEST_NAME)
        if name in names:
            self._found.oddities.append(f"the tensor {name} stands twice")
        names.add(name)
        dimensions = self._number(4)
        if dimensions > _MOST_DIMENSIONS:
            raise OverflowedError(f"the tensor {name} has {dimensions} dimensions")
        elements, row = 1, 1
        for number in range(dimensions):
            length = self._number(self._word)
            row = length if not number else row
            elements *= length
            if elements >= _SIGNED:
                raise OverflowedError(f"the shape of the tensor {name} overflows")
        self._found.elements += elements
        kind, offset = self._number(4), self._number(8)
        if kind not in _BLOCKS:
            raise FormatError(f"the tensor {name} has the unknown type {kind}")
        block, width = _BLOCKS[kind]
        if row % block:
            raise FormatError(f"the rows of the tensor {name} are no whole blocks")
        size = elements // block * width
        if offset + size >= _SIGNED:
            raise OverflowedError(f"the offset of the tensor {name} overflows")
        return offset, offset + size, name

    def _check_spans(self, spans: list[tuple[int, int, str]]) -> None:
        start = -(-self._place // self._alignment) * self._alignment
        reached = 0
        for begin, end, name in sorted(spans):
            if begin % self._alignment:
                raise FormatError(f"the data of the tensor {name} are not aligned")
            if begin < reached:
                raise FormatError(f"the data of the tensor {name} overlap others")
            if start + end > self._source.size:
                raise FormatError(f"the data of the tensor {name} reach beyond the end of the file")
            reached = end

    def _count(self, smallest: int) -> int:
        """Return a number of things, each of which takes at least so many bytes."""
        count = self._number(self._word)
        self._require(count * smallest)
        return count

    def _require(self, size: int) -> None:
        if size >= _SIGNED or size < 0:
            raise OverflowedError("a length or count is larger than any file")
        if size > self._source.size - self._place:
            raise FormatError("a length or count reaches beyond the end of the file")

    def _text(self, most: int) -> str:
        size = self._number(self._word)
        self._require(size)
        if size > most:
            raise FormatError("a text is longer than it can be")
        return self._take(size).decode("utf-8", "backslashreplace")

    def _number(self, width: int) -> int:
        self._budget.spend("opcodes", 1)
        return int.from_bytes(self._take(width), self._found.order)

    def _skip(self, size: int) -> None:
        self._require(size)
        self._place += size

    def _take(self, size: int) -> bytes:
        at = self._place - self._start
        if at < 0 or at + size > len(self._buffer):
            self._buffer = self._source.read_at(self._place, max(size, _STEP))
            self._start, at = self._place, 0
            if size > len(self._buffer):
                raise FormatError("the file ends in its header")
        self._place += size
        return self._buffer[at : at + size]
