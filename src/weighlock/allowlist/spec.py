"""Argument contracts: what an allowed name may be called with, written so that a reviewer can read a table.

A signature is a list of arguments, separated by commas, such as ``"storage, int, ints, ?bool, *data"``; an
argument is one or more alternatives, separated by ``|``; ``?`` marks it and all that follow as optional, ``*`` takes
the rest. The alternatives are:

===================  =====================================================================
``data``             anything that carries no function
``int``, ``bool``, ``none``, ``float``, ``str``, ``bytes``   a constant
``raw``              bytes in any of the ways in which pickles of any age hold them
``list``, ``dict``, ``set``   a literal container
``tuple``            a literal tuple without functions
``ints``             a literal tuple or list of integers
``attributes``       a literal dict from attribute names to data, none of them special; or ``None``
``state``            attributes, or a literal tuple of attributes and of what is no dict
``'text'``           exactly that text
``@group``           an imported name of that group
``&module.name``     that function itself, as a value
anything else        the result of a call (or an imported constant) of that kind
===================  =====================================================================
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from weighlock.formats.pickle.values import CONSTANT, NUMBER, Container, Global, Instance, Opaque, Tuple, carried

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TEXT_KINDS = {"text", "line", "native", "quoted"}

# What may stand beside the attributes in a state, since it cannot be a dict with keys of its own choice.
_NO_DICT = (*CONSTANT, Opaque, Tuple, Global)


def matches(signature: str, args: Sequence[object]) -> bool:
    """Tell whether `args` fit `signature`."""
    parameters, required, rest = _parse(signature)
    if len(args) < required or (rest is None and len(args) > len(parameters)):
        return False
    for test, arg in zip(parameters, args, strict=False):
        if not test(arg):
            return False
    return rest is None or all(rest(arg) for arg in args[len(parameters) :])


def is_attributes(value: object) -> bool:
    """Tell whether `value` is a literal dict that only sets plain attributes to data."""
    if value is None:
        return True
    if type(value) is not Container or value.kind != "dict":
        return False
    pairs = value.pairs()
    return pairs is not None and all(
        isinstance(key, str) and not key.startswith("__") and carried(item) is None for key, item in pairs.items()
    )


def is_state(value: object) -> bool:
    """Tell whether `value` sets plain attributes and nothing special, also by way of slots."""
    if not isinstance(value, Tuple):
        return is_attributes(value)
    return value.whole and all(_is_harmless_part(item) for item in value.items)


def _is_harmless_part(value: object) -> bool:
    if isinstance(value, Container):
        return value.kind != "dict" or is_attributes(value)
    if isinstance(value, Instance):
        return value.kind.startswith(("numpy.", "pandas")) and value.kind != "numpy.generic"
    return isinstance(value, _NO_DICT) and carried(value) is None


def is_data(value: object) -> bool:
    """Tell whether `value` carries no function."""
    return carried(value) is None


def is_int(value: object) -> bool:
    """Tell whether `value` is an integer, or a number that was not kept."""
    return isinstance(value, int) or value is NUMBER


def is_ints(value: object) -> bool:
    """Tell whether `value` is a literal tuple or list of integers, or a ``torch.Size``."""
    if isinstance(value, Instance):
        return value.kind == "torch.Size"
    if isinstance(value, Container) and value.kind != "list":
        return False
    return isinstance(value, (Tuple, Container)) and value.whole and all(is_int(item) for item in value.items)


def is_raw(value: object) -> bool:
    """Tell whether `value` is bytes, as a pickle of any age holds them."""
    if isinstance(value, Instance):
        return value.kind in {"builtins.bytes", "builtins.bytearray"}
    return isinstance(value, (bytes, str)) or (isinstance(value, Opaque) and value.kind != "number")


def _is_str(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, Opaque) and value.kind in _TEXT_KINDS)


def _is_bytes(value: object) -> bool:
    return is_raw(value) and not isinstance(value, str)


_TESTS: dict[str, Callable[[object], bool]] = {
    "data": is_data,
    "int": is_int,
    "bool": lambda value: isinstance(value, (bool, int)),
    "none": lambda value: value is None,
    "float": lambda value: is_int(value) or isinstance(value, float),
    "str": _is_str,
    "bytes": _is_bytes,
    "raw": is_raw,
    "list": lambda value: isinstance(value, Container) and value.kind == "list",
    "dict": lambda value: isinstance(value, Container) and value.kind == "dict",
    "set": lambda value: isinstance(value, Container) and value.kind in {"set", "frozenset"},
    "tuple": lambda value: isinstance(value, Tuple) and value.carries is None,
    "ints": is_ints,
    "attributes": is_attributes,
    "state": is_state,
}


@cache
def _parse(
    signature: str,
) -> tuple[list[Callable[[object], bool]], int, Callable[[object], bool] | None]:
    tests: list[Callable[[object], bool]] = []
    required = None
    rest = None
    for word in filter(None, (part.strip() for part in signature.split(","))):
        if word.startswith("*"):
            rest = _alternatives(word[1:])
            continue
        if word.startswith("?") and required is None:
            required = len(tests)
        tests.append(_alternatives(word.lstrip("?")))
    return tests, len(tests) if required is None else required, rest


def _alternatives(word: str) -> Callable[[object], bool]:
    choices = [_test(choice.strip()) for choice in word.split("|")]
    return choices[0] if len(choices) == 1 else lambda value: any(choice(value) for choice in choices)


def _test(word: str) -> Callable[[object], bool]:
    if word in _TESTS:
        return _TESTS[word]
    if word.startswith("'"):
        return lambda value: value == word.strip("'")
    if word.startswith("&"):
        return lambda value: isinstance(value, Global) and getattr(value.entry, "name", None) == word[1:]
    if word.startswith("@"):
        return lambda value: isinstance(value, Global) and getattr(value.entry, "group", None) == word[1:]
    return lambda value: _kind(value) == word


def _kind(value: object) -> str | None:
    if isinstance(value, Instance):
        return value.kind
    if isinstance(value, Global):
        return getattr(value.entry, "value", None)
    return None
