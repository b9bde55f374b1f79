"""What a call is given and a condition asks for, as far as the text of a file says.

Source:
    The Python language reference, "Expressions".
"""

from __future__ import annotations

import ast
from itertools import islice
from typing import TYPE_CHECKING

from weighlock.formats.python.behaviour import STARTUP_PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.python.names import Names

_MOST_PARTS = 200
"""Parts of an expression that a name stands for which are looked at for texts."""


def never_runs(test: ast.expr, names: Names) -> bool:
    """Say whether a condition is one that no import meets.

    Args:
        test: Of an ``if``.
        names: Of its file.
    """
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(never_runs(value, names) for value in test.values)
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        sides = [test.left, *test.comparators]
        compared = [side.id for side in sides if isinstance(side, ast.Name)]
        constants = [side.value for side in sides if isinstance(side, ast.Constant)]
        is_main = compared == ["__name__"] and constants == ["__main__"]
        return is_main and not names.values("__name__") and not names.is_imported("__name__")
    if isinstance(test, ast.Name | ast.Attribute):
        name = test.id if isinstance(test, ast.Name) else test.attr
        if any(not (isinstance(value, ast.Constant) and not value.value) for value in names.values(name)):
            return False  # it was set to something
        return set(names.dotted(test)) in ({"typing.TYPE_CHECKING"}, {"typing_extensions.TYPE_CHECKING"})
    return False


def of_definition(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """Return the expressions that are evaluated when a function is defined."""
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    hints = [argument.annotation for argument in every if argument is not None]
    found = (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults, *hints, node.returns)
    return [expression for expression in found if expression is not None]


def returned(
    function: ast.FunctionDef | ast.AsyncFunctionDef,
) -> list[ast.expr | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return what a function gives back, also the functions inside of it that it gives back by their names."""
    parts = list(ast.walk(function))
    values = [part.value for part in parts if isinstance(part, ast.Return) and part.value is not None]
    named = {value.id for value in values if isinstance(value, ast.Name)}
    inner = [part for part in parts if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.name in named]
    return [*values, *inner]


def imported_by(call: ast.Call, names: Names) -> str | None:
    """Return the module that a call imports by its name, or `None`."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    is_import = name in {"import_module", "__import__", "run_module"} and call.args
    return names.text(call.args[0]) if is_import else None


def started(call: ast.Call, names: Names) -> Iterator[str | None]:
    """Yield the texts that the first argument of a call may begin with, `None` for what is not known."""
    given = [*call.args[:1], *(word.value for word in call.keywords if word.arg in {"args", "cmd", "command"})]
    for first in given[:1]:
        for value in [first, *(names.values(first.id) if isinstance(first, ast.Name) else [])]:
            is_list = isinstance(value, ast.List | ast.Tuple) and value.elts
            yield names.text(value.elts[0] if is_list else value)  # type: ignore[attr-defined]


def names_a_place(call: ast.Call, names: Names) -> bool:
    """Say whether an argument names a file that something starts with."""
    return any(STARTUP_PLACES.search(text[:1000]) for text in texts(call, names))


def texts(call: ast.Call, names: Names) -> Iterator[str]:
    """Yield the constant texts in a call, and those that the names in it stand for."""
    parts = [*call.args, *(word.value for word in call.keywords), call.func]
    for part in (inner for outer in parts for inner in ast.walk(outer)):
        if isinstance(part, ast.Constant):
            yield from _plain(part)
        elif isinstance(part, ast.Attribute) and part.attr == "executable":
            yield "python"
        elif isinstance(part, ast.Name):
            for value in names.values(part.id):
                yield from filter(None, [names.text(value)])
                for inner in islice(ast.walk(value), _MOST_PARTS):
                    if isinstance(inner, ast.Constant):
                        yield from _plain(inner)
        elif isinstance(part, ast.Call):
            yield from filter(None, [names.text(part)])


def _plain(constant: ast.Constant) -> Iterator[str]:
    if isinstance(constant.value, str):
        yield constant.value
    elif isinstance(constant.value, bytes):
        yield constant.value.decode("latin-1")
