"""Code that a file makes from text that nobody can read, and executes.

Source:
    The standard library's documentation of `exec`, `marshal`, `base64`, `codecs`, `zlib`, `subprocess`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.formats.python.behaviour import NETWORK, PROCESS, kind_of
from weighlock.formats.python.names import BINDING, Names
from weighlock.formats.python.text import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEPTH = 60
_HOP = 10
"""How much deeper a variable counts than an expression inside of an expression."""

_MOST_CALLS = 8
"""So many calls of one function are looked at for what they give it."""

_PAYLOAD = 24
"""Characters of constants from which what a variable holds is decoded out of the file itself."""

_DEFINITIONS = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})
_LEAVES = frozenset({ast.Constant, ast.Name, ast.Load, ast.Store, str, type(None), ast.Pass, ast.alias})
"""What holds no call and binds nothing that is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A call that executes what another call decodes.

    Args:
        sink: What executes it, such as ``exec``.
        decoder: What makes the text readable, such as ``base64.b64decode``.
        line: From 1.
        direct: One expression does both; otherwise a variable or a function of the file stands between them.
    """

    sink: str
    decoder: str
    line: int
    direct: bool


_SINKS = re.compile(
    r"(?:exec|eval|compile|__import__|importlib\.import_module|runpy\.run_\w+)"
    r"|timeit\.(?:timeit|repeat|Timer)|(?:cProfile|profile|pdb|bdb)\.run(?:ctx|eval)?|ctypes\.pythonapi\.PyRun_\w+"
    r"|(?:bdb\.Bdb|pdb\.Pdb|trace\.Trace|c?Profile\.Profile|profile\.Profile)\(\)\.run\w*"
    r"|types\.(?:FunctionType|CodeType)|code\.Interactive\w+\(\)\.(?:runcode|runsource|push)"
)
_UNPICKLERS = re.compile(r"(?:_?pickle|cPickle|cloudpickle|dill|marshal)\.loads")
"""What runs code out of data, and is harmless where the data comes from elsewhere."""

_UNREADABLE = re.compile(r"(?:base64|binascii|zlib|gzip|bz2|lzma|codecs|bytes|bytearray)\.(?!open|\w*File)")
"""Modules of decoders after which nobody could read the text of a pickle, as one can that of numbers."""

_DECODERS = re.compile(
    r"""
    base64\.\w*decode\w* | binascii\.(?:a2b_\w+|unhexlify)
    | (?:zlib|gzip|bz2|lzma|brotli|zstandard|lz4\.\w+)\.decompress
    | (?:zlib\.decompressobj|bz2\.BZ2Decompressor|lzma\.LZMADecompressor)\(\)\.decompress
    | (?:gzip\.(?:open|GzipFile)|bz2\.(?:open|BZ2File)|lzma\.(?:open|LZMAFile))\(\)\.read
    | compression\.\w+\.decompress | zipfile\.ZipFile\(\)\.read | tarfile\.open\(\)\.extractfile\(\)\.read
    | codecs\.(?:decode|getdecoder(?:\(\))?|iterdecode|lookup\(\)\.decode) | html\.unescape | struct\.pack
    | int\.to_bytes | uu\.decode | bytes\.fromhex | bytearray\.fromhex | marshal\.loads? | quopri\.decodestring
    | .*\.(?:decrypt|decrypt_and_verify|unhexlify|b64decode|translate) | urllib\.parse\.unquote\w*
    """,
    re.VERBOSE,
)
_CODECS = re.compile(
    r"rot.?13|hex(?:_codec)?|base.?64(?:_codec)?|zlib(?:_codec)?|bz2(?:_codec)?|uu(?:_codec)?|zip|quopri|utf.?7|u7"
    r"|(?:raw.)?unicode.?escape"
)
_TEXT_OF_CODE = re.compile(
    r"(?:exec|eval|__import__)\s*\(.{0,400}?(?:b(?:64|32|16|85)decode|a85decode|fromhex|unhexlify|decompress|marshal)"
    r"|(?:b(?:64|32|16|85)decode|fromhex|unhexlify|decompress)\(.{0,4000}?\b(?:exec|eval)\s*\("
    r"|base64\s+(?:-d|-D|--decode)[^\n|]*\|\s*(?:ba|z|da)?sh\b|base64\s+(?:-d|-D|--decode)[^\n|]*\|\s*python"
    r"|(?i:powershell[^\n]{0,200}-e(?:nc|ncodedcommand)?\s+[A-Za-z0-9+/=]{40})",
    re.DOTALL,
)
_GIVEN = frozenset({None, "source", "args", "code", "input", "stmt"})
"""Keywords of what is executed."""

_OPERATORS = frozenset({"operator.attrgetter", "operator.methodcaller", "operator.itemgetter"})
_NAMES_OF_SINKS = frozenset({"exec", "eval", "compile", "__import__", "system", "popen", "Popen", "check_output"})


def executions(tree: ast.Module, package: str = "") -> Iterator[Execution]:
    """Yield every execution of decoded text in a file.

    Raises:
        OverBudgetError: Its names cannot be followed to an end.
    """
    with uncollected():
        found = list(_File(tree, package).found())
    yield from found


class _File:
    def __init__(self, tree: ast.Module, package: str) -> None:
        self.names = Names(package)
        self.calls: list[ast.Call] = []
        self.functions: dict[str, list[ast.expr]] = {}
        self.decorated: list[list[ast.expr]] = []
        self._seen = set[tuple[str, bool]]()
        self._payloads: dict[str, int] = {}
        self.parameters: list[tuple[str, ast.arguments]] = []
        self.executed = set[str]()
        self.given: dict[str, list[ast.Call]] = {}
        self._take_in(tree)
        self._bind_arguments()

    def _bind_arguments(self) -> None:
        """Have every parameter that is executed stand for what calls in this file give it, and for its default."""
        for name, taken in self.parameters if self.executed else ():
            every = [parameter.arg for parameter in (*taken.posonlyargs, *taken.args)]
            pairs = list(zip(reversed(every), reversed(taken.defaults), strict=False))
            for call in self.given.get(name, ()):
                pairs.extend(zip(every[every[:1] in (["self"], ["cls"]) :], call.args, strict=False))
                pairs.extend((word.arg, word.value) for word in call.keywords if word.arg is not None)
            for parameter, value in pairs:
                if parameter in self.executed:
                    self.names.give(parameter, value)

    def _take_in(self, tree: ast.Module) -> None:
        """Go through the tree once; `ast.walk` would take three times as long."""
        waiting: list[tuple[ast.AST, str]] = [(tree, "")]
        while waiting:
            node, function = waiting.pop()
            kind = node.__class__
            if kind is ast.Call:
                self._take_call(node)  # type: ignore[arg-type]
            elif kind in _DEFINITIONS:
                self.decorated.append(node.decorator_list)  # type: ignore[attr-defined]
                if kind is not ast.ClassDef:
                    function = node.name  # type: ignore[attr-defined]
                    self.parameters.append((function, node.args))  # type: ignore[attr-defined]
            elif kind is ast.Return:
                if node.value is not None:  # type: ignore[attr-defined]
                    self.functions.setdefault(function, []).append(node.value)  # type: ignore[attr-defined]
            elif kind in BINDING:
                self.names.learn(node)
            for field in node._fields:
                value = getattr(node, field, None)
                if value.__class__ is list:
                    waiting.extend((part, function) for part in reversed(value) if part.__class__ not in _LEAVES)
                elif isinstance(value, ast.AST) and value.__class__ not in _LEAVES:
                    waiting.append((value, function))

    def _take_call(self, call: ast.Call) -> None:
        self.calls.append(call)
        called = call.func
        if isinstance(called, ast.Lambda):
            name = f"lambda {len(self.parameters)}"
            self.parameters.append((name, called.args))
        else:
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        if name in _NAMES_OF_SINKS and call.args:
            self.executed |= {node.id for node in ast.walk(call.args[0]) if isinstance(node, ast.Name)}
        known = self.given.setdefault(name, [])
        if name and len(known) < _MOST_CALLS:
            known.append(call)

    def found(self) -> Iterator[Execution]:
        for call in self.calls:
            self._seen.clear()
            for sink in self.names.dotted(call.func):
                if _SINKS.fullmatch(sink):
                    yield from self._executed(call, sink)
                elif _UNPICKLERS.fullmatch(sink):
                    yield from self._unpickled(call, sink)
                elif kind_of(sink) == PROCESS:
                    yield from self._executed(call, sink)
                    yield from self._told(call, sink)
            yield from self._assembled(call)
            yield from self._handed_over(call)
        for decorators in self.decorated:
            yield from self._as_decorators(decorators)

    def _as_decorators(self, decorators: list[ast.expr]) -> Iterator[Execution]:
        """Yield decorators that execute what other decorators decode."""
        names = [name for decorator in decorators for name in self.names.dotted(decorator)]
        sinks = [name for name in names if name in {"exec", "eval"}]
        if sinks:
            decoder = next(filter(_DECODERS.fullmatch, names), "decorators")
            yield Execution(sink=sinks[0], decoder=decoder, line=decorators[0].lineno, direct=True)

    def _handed_over(self, call: ast.Call) -> Iterator[Execution]:
        """Yield a function that executes and is given to another one, such as `map`, beside what it decodes."""
        sinks = [
            name
            for argument in (*call.args, *(word.value for word in call.keywords))
            if isinstance(argument, ast.Name | ast.Attribute)
            for name in self.names.dotted(argument)
            if name in {"exec", "eval"}
        ]
        for sink in sinks[:1]:
            every = [call.func, *call.args, *(word.value for word in call.keywords)]
            for decoder, direct in self._decoded(ast.Tuple(elts=every), 0, direct=True):
                yield Execution(sink=sink, decoder=decoder, line=call.lineno, direct=direct)
                return

    def _unpickled(self, call: ast.Call, sink: str) -> Iterator[Execution]:
        """Yield an object that is made out of data which the file holds in a form that nobody can read."""
        for argument in call.args[:1]:
            if self._payload(argument, 0) < _PAYLOAD:
                continue
            made = [decoder for decoder, _ in self._decoded(argument, 0, direct=True) if _UNREADABLE.match(decoder)]
            if made or sink.startswith("marshal"):
                yield Execution(sink=sink, decoder=[*made, "constants"][0], line=call.lineno, direct=True)

    def _executed(self, call: ast.Call, sink: str) -> Iterator[Execution]:
        arguments = call.args[:1] if not sink.startswith("subprocess") else call.args
        for argument in [*arguments, *(word.value for word in call.keywords if word.arg in _GIVEN)]:
            for decoder, direct in self._decoded(argument, 0, direct=True):
                yield Execution(sink=sink, decoder=decoder, line=call.lineno, direct=direct)
                return

    def _told(self, call: ast.Call, sink: str) -> Iterator[Execution]:
        """Yield a program that is started with code, as text, that decodes and executes."""
        for node in ast.walk(ast.Tuple(elts=[*call.args, *(word.value for word in call.keywords)])):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(node, ast.JoinedStr):
                pieces = [part.value for part in node.values if isinstance(part, ast.Constant)]
                text = "?".join(piece for piece in pieces if isinstance(piece, str))
            elif isinstance(node, ast.Name | ast.BinOp | ast.Call):
                text = self.names.text(node)
            if isinstance(text, str) and _TEXT_OF_CODE.search(text[:200_000]):
                yield Execution(sink=sink, decoder="text of code", line=call.lineno, direct=True)
                return

    def _assembled(self, call: ast.Call) -> Iterator[Execution]:
        """Yield a function that is looked up by a name in pieces."""
        key: ast.expr | None = None
        if isinstance(call.func, ast.Call) and isinstance(call.func.func, ast.Name) and call.func.func.id == "getattr":
            key = call.func.args[1] if len(call.func.args) > 1 else None
        elif isinstance(call.func, ast.Subscript):
            key = call.func.slice
        elif call.args and not _OPERATORS.isdisjoint(self.names.dotted(call.func)):
            key = call.args[0]
        if key is None or isinstance(key, ast.Constant | ast.Name | ast.Slice):
            return
        name = self.names.text(key)
        if name in _NAMES_OF_SINKS:
            yield Execution(sink=str(name), decoder="a name in pieces", line=call.lineno, direct=True)

    def _decoded(self, node: ast.expr, depth: int, *, direct: bool) -> Iterator[tuple[str, bool]]:
        """Yield how an expression decodes something, and whether it does so itself."""
        self.names.step()
        if depth > _DEPTH:
            return
        if isinstance(node, ast.Call):
            yield from self._decoding_call(node, depth, direct=direct)
        elif isinstance(node, ast.Name):
            if self._is_seen(node.id, direct=direct):
                return
            for value in self.names.values(node.id):
                # What is decoded out of the file itself is no data, wherever it is kept in between.
                own = direct and self._payload(value, depth) >= _PAYLOAD
                yield from self._decoded(value, depth + _HOP, direct=own)
        elif isinstance(node, ast.Subscript):
            if isinstance(node.slice, ast.Slice) and _is_backwards(node.slice) and not _is_plain(node.value):
                yield "text backwards", direct
            yield from self._decoded(node.value, depth + 1, direct=direct)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and _writes_characters(node.left):
            yield "text of numbers", direct
        else:
            for child in _parts(node):
                yield from self._decoded(child, depth + 1, direct=direct)

    def _is_seen(self, name: str, *, direct: bool) -> bool:
        """Say whether this call has been through a name already, and take it in."""
        if (name, direct) in self._seen:
            return True
        self._seen.add((name, direct))
        return False

    def _decoding_call(self, node: ast.Call, depth: int, *, direct: bool) -> Iterator[tuple[str, bool]]:
        for name in self.names.dotted(node.func):
            if _DECODERS.fullmatch(name) or kind_of(name) == NETWORK:
                yield name, direct
            elif name in self.functions and not self._is_seen(f"{name}()", direct=direct):
                for value in self.functions[name]:
                    yield from self._decoded(value, depth + _HOP, direct=False)
        if isinstance(node.func, ast.Attribute):
            yield from self._method(node, node.func, depth, direct=direct)
        elif isinstance(node.func, ast.Lambda):
            yield from self._decoded(node.func.body, depth + 1, direct=direct)
        elif isinstance(node.func, ast.Name) and node.func.id in {"bytes", "bytearray"} and node.args:
            made = node.args[0]
            is_mapped = isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id == "map"
            if is_mapped or isinstance(made, ast.List | ast.Tuple | ast.GeneratorExp | ast.ListComp):
                yield "bytes of numbers", direct
        for argument in (*node.args, *(word.value for word in node.keywords)):
            yield from self._decoded(argument, depth + 1, direct=direct)

    def _payload(self, node: ast.expr, depth: int) -> int:
        """Return how many characters of constants an expression is made of, 0 where anything else is in it."""
        self.names.step()
        if depth > _DEPTH:
            return 0
        if isinstance(node, ast.Constant):
            return len(node.value) if isinstance(node.value, str | bytes) else 1
        if isinstance(node, ast.Name):
            if node.id not in self._payloads:
                self._payloads[node.id] = 0  # of a name that is made of itself
                values = self.names.values(node.id)
                self._payloads[node.id] = max((self._payload(value, depth + _HOP) for value in values), default=0)
            return self._payloads[node.id]
        parts = _parts(node)
        if isinstance(node, ast.Call):
            if not node.args:
                return self._payload(node.func.value, depth + 1) if isinstance(node.func, ast.Attribute) else 0
            parts = [*node.args, *(word.value for word in node.keywords)]
            if isinstance(node.func, ast.Attribute) and not self._is_module(node.func.value):
                parts.append(node.func.value)
        elif isinstance(node, ast.Subscript):
            parts = [node.value]
        sizes = [self._payload(part, depth + 1) for part in parts]
        return sum(sizes) if sizes and all(sizes) else 0

    def _is_module(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and self.names.is_imported(node.id)

    def _method(
        self, node: ast.Call, function: ast.Attribute, depth: int, *, direct: bool
    ) -> Iterator[tuple[str, bool]]:
        if function.attr == "decode" and node.args:
            codec = self.names.text(node.args[0])
            if codec and _CODECS.fullmatch(codec):
                yield codec, direct
        elif function.attr == "join" and node.args and _makes_characters(node.args[0]):
            yield "text of numbers", direct
        yield from self._decoded(function.value, depth + 1, direct=direct)


def _parts(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Attribute | ast.Starred | ast.Await | ast.NamedExpr | ast.FormattedValue):
        return [node.value]
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.BoolOp | ast.JoinedStr):
        return node.values
    return [node.body] if isinstance(node, ast.Lambda) else _items(node)


def _items(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Dict):
        return node.values
    if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
        return [node.elt, *(part.iter for part in node.generators)]
    return node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else []


def _makes_characters(node: ast.expr) -> bool:
    """Say whether an argument of `str.join` makes each character from a number."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "map" and node.args:
            first = node.args[0]
            body = first.body if isinstance(first, ast.Lambda) else first
            return any(isinstance(part, ast.Name) and part.id == "chr" for part in ast.walk(body))
        return node.func.id == "reversed"
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return any(isinstance(part, ast.Name) and part.id == "chr" for part in ast.walk(node.elt))
    return False


def _writes_characters(node: ast.expr) -> bool:
    """Say whether a format makes characters from numbers."""
    constants = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return any(isinstance(value, str) and value and not value.replace("%c", "") for value in constants)


def _is_backwards(node: ast.Slice) -> bool:
    step = node.step
    return isinstance(step, ast.UnaryOp) and isinstance(step.op, ast.USub)


def _is_plain(node: ast.expr) -> bool:
    return not isinstance(node, ast.Constant | ast.Name | ast.JoinedStr | ast.BinOp | ast.Call)
