"""What a name in a Python file stands for: imports, assignments, and texts that are put together from pieces.

It over-approximates on purpose: a name that is bound in several places stands for the first few of them, in whatever
scope. Nothing is evaluated but constants of text, and those only as far as a reader could without a computer.

Source:
    The Python language reference, "Execution model" and "The import system".
"""

from __future__ import annotations

import ast
import base64
import binascii
from itertools import islice
from typing import TYPE_CHECKING

from weighlock.errors import OverBudgetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_VALUES = 16
"""So many assignments of one name are followed, and so many things it may stand for."""

_MOST_ITEMS = 8
"""So many items of a table of functions are followed."""

_DEPTH = 24
_LONGEST = 1 << 16
"""Characters of a text that is put together."""

_MOST_STEPS = 1_500_000
"""Expressions that are looked at for one file: names that stand for names could be followed for ever."""

_NEVER_CALLED = (ast.Set, ast.Compare, ast.UnaryOp, ast.DictComp, ast.SetComp, ast.Yield)
"""Expressions that no name of a function and no text of code comes from."""

BINDING = frozenset(
    {
        ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr, ast.withitem, ast.For,
        ast.AsyncFor, ast.comprehension,
    }
)  # fmt: skip
"""Kinds of nodes that `Names.learn` takes something in from."""

_BUILTINS = ("builtins", "__builtins__", "__builtin__")
_TABLES = frozenset({"", "sys.modules", *_BUILTINS})
_BARE = frozenset({"exec", "eval", "compile", "__import__", "getattr", "globals", "locals", "vars", "open", "map"})

_BASES: dict[str, Callable[[bytes], bytes]] = {
    "base64.b64decode": base64.b64decode,
    "base64.urlsafe_b64decode": base64.urlsafe_b64decode,
    "base64.b32decode": base64.b32decode,
    "base64.b16decode": base64.b16decode,
    "base64.b85decode": base64.b85decode,
    "base64.a85decode": base64.a85decode,
    "binascii.unhexlify": binascii.unhexlify,
    "binascii.a2b_base64": binascii.a2b_base64,
    "bytes.fromhex": lambda data: bytes.fromhex(data.decode()),
}


class Names:
    """What the names of one file are bound to.

    Args:
        package: The dotted name that relative imports of one dot begin at.
    """

    def __init__(self, package: str = "") -> None:
        self._package = package.split(".") if package else []
        self._imports: dict[str, list[str]] = {}
        self._stars: list[str] = []
        self._values: dict[str, list[ast.expr]] = {}
        self._resolving = set[str]()
        self._known: dict[str, list[str]] = {}
        self._steps = 0

    def learn(self, node: ast.AST) -> None:
        """Take in what a statement or an expression binds."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._bind(alias.asname or alias.name.partition(".")[0], alias.name if alias.asname else "")
        elif isinstance(node, ast.ImportFrom):
            module = self.origin(node)
            for alias in node.names:
                if alias.name == "*" and len(self._stars) < _MOST_VALUES:
                    self._stars.append(module)
                    self._known.clear()
                self._bind(alias.asname or alias.name, f"{module}.{alias.name}")
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
            if node.value is not None:
                self._assign(node.target, node.value)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._assign(node.optional_vars, node.context_expr)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            self._assign(node.target, node.iter)

    def give(self, name: str, value: ast.expr) -> None:
        """Take in that a parameter is given a value."""
        self._assign(ast.Name(id=name), value)

    def origin(self, node: ast.ImportFrom) -> str:
        """Return the absolute name of the module that is imported from."""
        if not node.level:
            return node.module or ""
        base = self._package[: len(self._package) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])

    def forget(self) -> None:
        """Let go of what is assigned, which holds trees; what is imported stays."""
        self._values.clear()
        self._known.clear()

    def is_imported(self, name: str) -> bool:
        """Say whether an import binds a name."""
        return name in self._imports

    def values(self, name: str) -> list[ast.expr]:
        """Return what is assigned to a name anywhere."""
        return self._values.get(name, [])

    def dotted(self, node: ast.expr, depth: int = 0) -> Iterator[str]:
        """Yield every dotted name that an expression may stand for; a call adds ``()`` to the name of its function."""
        self.step()
        if depth > _DEPTH:
            return
        if isinstance(node, ast.Name):
            yield from self._name(node.id, depth)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node, depth)
        elif isinstance(node, ast.Call):
            yield from self._called(node, depth)
        elif isinstance(node, ast.Subscript):
            yield from self._subscript(node, depth)
        else:
            for part in _choices(node):
                yield from self.dotted(part, depth + 1)

    def text(self, node: ast.expr, depth: int = 0) -> str | None:
        """Return the text that an expression of constants gives, bytes as Latin-1, or `None`."""
        self.step()
        if depth > _DEPTH:
            return None
        try:
            found = self._text(node, depth)
        except (ValueError, OverflowError, UnicodeError):
            return None
        return found if found is None or len(found) <= _LONGEST else None

    def step(self) -> None:
        """Charge one expression that is looked at.

        Raises:
            OverBudgetError: There were too many.
        """
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise OverBudgetError("over the budget for following its names")

    def _bind(self, name: str, target: str) -> None:
        known = self._imports.setdefault(name, [])
        if len(known) < _MOST_VALUES and (target or name) not in known:
            known.append(target or name)
            self._known.clear()

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            parts = value.elts if isinstance(value, ast.Tuple | ast.List) else [value] * len(target.elts)
            for one, part in zip(target.elts, parts, strict=False):
                self._assign(one, part)
            return
        name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else None
        if name is not None:
            known = self._values.setdefault(name, [])
            if len(known) < _MOST_VALUES and not isinstance(value, _NEVER_CALLED):
                known.append(value)
                self._known.clear()

    def _attribute(self, node: ast.Attribute, depth: int) -> Iterator[str]:
        for base in self.dotted(node.value, depth + 1):
            yield base if node.attr == "__call__" else _member(base, node.attr)
        for value in self.values(node.attr):  # of a class or an object of this file
            if isinstance(value, ast.Name | ast.Attribute) and getattr(value, "attr", "") != node.attr:
                yield from self.dotted(value, depth + 4)

    def _name(self, name: str, depth: int) -> Iterator[str]:
        if name in self._known:
            yield from self._known[name]
            return
        if name in self._resolving:
            return
        self._resolving.add(name)
        # Each name answers with a few at most, or names that stand for names would multiply.
        meanings = list(islice(dict.fromkeys(islice(self._meanings(name, depth), 4 * _MOST_VALUES)), _MOST_VALUES))
        self._resolving.discard(name)
        if not self._resolving:
            self._known[name] = meanings  # inside another name, what leads back to that one is missing
        yield from meanings

    def _meanings(self, name: str, depth: int) -> Iterator[str]:
        yield from self._imports.get(name, ())
        if name not in self._imports:
            yield name
            # A module that all is taken from is not in itself, or what stands for it would grow without an end.
            if all(module.rpartition(".")[2] != name for module in self._stars):
                yield from (_member(module, name) for module in self._stars)
        for value in self.values(name):
            yield from self.dotted(value, depth + 4)

    def _called(self, node: ast.Call, depth: int) -> Iterator[str]:
        for function in self.dotted(node.func, depth + 1):
            if function in {"getattr", "operator.attrgetter()"} and len(node.args) >= 1:
                yield from self._looked_up(node.args[0], node.args[-1] if len(node.args) < 3 else node.args[1], depth)
            elif function in {"__import__", "importlib.import_module", "importlib.__import__"} and node.args:
                name = self.text(node.args[0], depth + 1)
                if name:
                    name = f"{'.'.join(self._package)}{name}" if name.startswith(".") else name
                    has_from = len(node.args) > 3 or any(word.arg == "fromlist" for word in node.keywords)
                    yield name if "import_module" in function or has_from else name.partition(".")[0]
            elif function in {"globals", "locals"}:
                yield ""
            elif function == "vars":
                yield from self.dotted(node.args[0], depth + 1) if node.args else [""]
            elif function.endswith(".get") and node.args and (owner := _table(function[:-4])) in _TABLES:
                name = self.text(node.args[0], depth + 1)
                if name:
                    yield _member(owner, name)
            elif function == "pkgutil.resolve_name" and node.args and (name := self.text(node.args[0], depth + 1)):
                owner, _, member = name.replace(":", ".").rpartition(".")
                yield _member(owner, member)
            else:
                yield f"{function}()"

    def _looked_up(self, owner: ast.expr, key: ast.expr, depth: int) -> Iterator[str]:
        name = self.text(key, depth + 1)
        if name:
            for base in self.dotted(owner, depth + 1):
                yield _member(base, name)

    def _subscript(self, node: ast.Subscript, depth: int) -> Iterator[str]:
        name = self.text(node.slice, depth + 1)
        for base in self.dotted(node.value, depth + 1):
            if name is not None:
                yield _member(_table(base), name)
            elif base == "sys.modules" and isinstance(node.slice, ast.Name) and node.slice.id == "__name__":
                yield ""
            else:
                yield f"{base}[]"
        tables = self.values(node.value.id) if isinstance(node.value, ast.Name) else [node.value]
        for part in (one for table in tables[:2] for one in _items(table)[:_MOST_ITEMS]):
            yield from self.dotted(part, depth + 10)

    def _text(self, node: ast.expr, depth: int) -> str | None:
        found: str | None = None
        if isinstance(node, ast.Constant):
            found = _plain(node.value)
        elif isinstance(node, ast.Name):
            values = self.values(node.id)
            found = self.text(values[0], depth + 1) if len(values) == 1 else None
            if node.id in {"__name__", "__package__"} and not values and self._package:
                found = ".".join(self._package)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            found = self._joined("", [node.left, node.right], depth)
        elif isinstance(node, ast.JoinedStr):
            found = self._joined("", node.values, depth)
        elif isinstance(node, ast.FormattedValue):
            found = self.text(node.value, depth + 1)
        elif isinstance(node, ast.Subscript):
            found = self._cut(node, depth)
        elif isinstance(node, ast.Call):
            found = self._call_text(node, depth)
        elif isinstance(node, ast.List | ast.Tuple) and all(_is_byte(item) for item in node.elts):
            found = "".join(chr(item.value) for item in node.elts)  # type: ignore[attr-defined]
        return found

    def _joined(self, between: str, parts: list[ast.expr], depth: int) -> str | None:
        texts = [self.text(part, depth + 1) for part in parts]
        known = [text for text in texts if text is not None]
        return between.join(known) if len(known) == len(texts) else None

    def _cut(self, node: ast.Subscript, depth: int) -> str | None:
        text = self.text(node.value, depth + 1)
        if text is None or not isinstance(node.slice, ast.Slice):
            return None
        bounds = [_number(bound) for bound in (node.slice.lower, node.slice.upper, node.slice.step)]
        return text[slice(*bounds)]

    def _call_text(self, node: ast.Call, depth: int) -> str | None:
        if isinstance(node.func, ast.Attribute):
            found = self._method_text(node.func, node.args, depth)
            if found is not None:
                return found
        for name in self.dotted(node.func, depth + 1):
            if name == "chr" and node.args and (number := _number(node.args[0])) is not None:
                return chr(number)
            if name in {"str", "bytes", "bytearray"} and node.args:
                return self.text(node.args[0], depth + 1)
            if name in _BASES and node.args:
                text = self.text(node.args[0], depth + 1)
                return None if text is None else _BASES[name](text.encode("latin-1")).decode("latin-1")
        return None

    def _method_text(self, function: ast.Attribute, arguments: list[ast.expr], depth: int) -> str | None:
        text = self.text(function.value, depth + 1)
        if text is None:
            return None
        if function.attr in {"decode", "encode", "strip", "lower", "upper"} and not (
            function.attr == "strip" and arguments
        ):
            return text if function.attr in {"decode", "encode"} else str(getattr(text, function.attr)())
        if function.attr == "join" and len(arguments) == 1:
            return self._join(text, arguments[0], depth)
        if function.attr == "replace" and len(arguments) == 2:
            old, new = (self.text(argument, depth + 1) for argument in arguments)
            return None if not old or new is None else text.replace(old, new)
        return None

    def _join(self, between: str, parts: ast.expr, depth: int) -> str | None:
        if isinstance(parts, ast.List | ast.Tuple):
            return self._joined(between, parts.elts, depth)
        if isinstance(parts, ast.Call) and isinstance(parts.func, ast.Name) and parts.args:
            if parts.func.id == "reversed":
                text = self.text(parts.args[0], depth + 1)
                return None if text is None else between.join(reversed(text))
            if parts.func.id == "map" and len(parts.args) == 2:
                return self.text(parts.args[1], depth + 1)
        if isinstance(parts, ast.GeneratorExp | ast.ListComp) and isinstance(parts.elt, ast.Call):
            called = parts.elt.func
            if isinstance(called, ast.Name) and called.id == "chr":
                return self.text(parts.generators[0].iter, depth + 1)
        return None


def _table(base: str) -> str:
    """Return whose members the items of a table are."""
    return base.removesuffix(".__dict__")


def _items(node: ast.expr) -> list[ast.expr]:
    """Return what may come out of a display of a list or a dictionary."""
    if isinstance(node, ast.Dict):
        return node.values
    return node.elts if isinstance(node, ast.List | ast.Tuple) else []


def _member(base: str, name: str) -> str:
    if base.rpartition(".")[2] in _BUILTINS and name in _BARE:
        return name
    if base == "sys.modules" or not base:
        return name
    return f"{base}.{name}"


def _choices(node: ast.expr) -> list[ast.expr]:
    """Return the parts of an expression of which one is what it gives."""
    if isinstance(node, ast.NamedExpr | ast.Await | ast.Starred):
        return [node.value]
    if isinstance(node, ast.BinOp):
        return [node.left]  # of a path that is put together
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    return node.values if isinstance(node, ast.BoolOp) else []


def _plain(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return value.decode("latin-1") if isinstance(value, bytes) else None


def _is_byte(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and 0 <= node.value < 0x110000


def _number(node: ast.expr | None) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else None
