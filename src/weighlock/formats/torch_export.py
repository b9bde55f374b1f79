"""The JSON of an exported program: the operators that its graph calls, and the expressions of its sizes.

torch hands the expressions to `sympy.sympify`, which evaluates them as Python. Those that torch writes are arithmetic
over symbols; every other text would be code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, UnsupportedError
from weighlock.formats import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import Budget, Source

PROGRAM = "torch.export:program"

_OPERATOR = "torch.export:op"
_OWN_TARGETS = re.compile(
    r"torch\.ops\.(?:aten|prim|prims|higher_order|quantized|quantized_decomposed|_c10d_functional)(?:\.\w+)+\Z"
    r"|_operator\.\w+\Z|math\.\w+\Z|torch\.sym_\w+\Z"
)
_ARITHMETIC = re.compile(r"[\w \t+\-*/%(),.<>=!&|~^]*\Z", re.ASCII)
_NUMBERS = re.compile(r"\b\d+\.?\d*(?:e[+-]?\d+)?\b|\.\d+\b", re.ASCII)
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(|\)\s*(\()", re.ASCII)
_MOST_SHOWN = 32

# torch/_export/serde/serialize.py (sympy_functions), and what sympy prints for the arithmetic of sizes.
_FUNCTIONS = frozenset(
    """
    FloorDiv ModularIndexing Where PythonMod Mod CleanDiv CeilToInt FloorToInt CeilDiv LShift RShift PowByNatural
    FloatPow FloatTrueDiv IntTrueDiv IsNonOverlappingAndDenseIndicator TruncToFloat TruncToInt RoundToInt RoundDecimal
    ToFloat Identity Max Min OpaqueUnaryFn_sqrt OpaqueUnaryFn_cos OpaqueUnaryFn_cosh OpaqueUnaryFn_sin
    OpaqueUnaryFn_sinh OpaqueUnaryFn_tan OpaqueUnaryFn_tanh OpaqueUnaryFn_asin OpaqueUnaryFn_acos OpaqueUnaryFn_atan
    OpaqueUnaryFn_exp OpaqueUnaryFn_log OpaqueUnaryFn_asinh OpaqueUnaryFn_log2 BitwiseFn_bitwise_and
    BitwiseFn_bitwise_or BitwiseFn_bitwise_xor Abs Eq Ne Lt Le Gt Ge And Or Not Piecewise ceiling floor sqrt
    """.split()
)


@dataclass(frozen=True, slots=True)
class ExportedProgram:
    """What an exported program names.

    Args:
        capabilities: Exact names; one for the program, one for each operator that is not torch's own.
        expressions: Texts that are no arithmetic.
    """

    capabilities: tuple[str, ...]
    expressions: tuple[str, ...]


def read_program(source: Source, budget: Budget) -> ExportedProgram:
    """Read the JSON of an exported program.

    Raises:
        UnsupportedError: It is no JSON.
        OverBudgetError: It is too large, or too deep.

    Source:
        ``torch/_export/serde/schema.py`` and ``serialize.py`` of PyTorch 2.13.
    """
    try:
        document = json_text.parse(source, budget)
    except FormatError:
        raise UnsupportedError("the program is not the JSON that torch.export writes") from None
    capabilities, expressions = {PROGRAM}, dict[str, None]()
    for key, value in _texts(document):
        if key == "target" and not _OWN_TARGETS.match(value) and len(capabilities) < _MOST_SHOWN:
            capabilities.add(f"{_OPERATOR} {value if value.isprintable() else ascii(value)}")
        if key in {"expr_str", "range_constraints"} and not is_arithmetic(value):
            expressions[value] = None
    return ExportedProgram(tuple(sorted(capabilities)), tuple(expressions)[:_MOST_SHOWN])


def is_arithmetic(text: str) -> bool:
    """Tell whether evaluating a text calls nothing but functions of sizes, and reaches into no object."""
    if not _ARITHMETIC.match(text) or "__" in text or "." in _NUMBERS.sub("", text):
        return False
    return all(name in _FUNCTIONS and not bracket for name, bracket in _CALL.findall(text))


def _texts(document: object) -> Iterator[tuple[str, str]]:
    """Yield every text with the key that it has, and the keys of what has keys of the author's choice."""
    pending: list[tuple[str, object]] = [("", document)]
    while pending:
        key, value = pending.pop()
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, json_text.JsonObject):
            if key == "range_constraints":
                yield from ((key, name) for name, _ in value)
            pending += value
        elif isinstance(value, list):
            pending += [(key, item) for item in value]
