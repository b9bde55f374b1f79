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

_DEPTH = 16
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
    r"|types\.(?:FunctionType|CodeType)|code\.Interactive\w+\(\)\.(?:runcode|runsource|push)"
)
_DECODERS = re.compile(
    r"""
    base64\.\w*decode\w* | binascii\.(?:a2b_\w+|unhexlify)
    | (?:zlib|gzip|bz2|lzma|brotli|zstandard|lz4\.\w+)\.decompress
    | (?:zlib\.decompressobj|bz2\.BZ2Decompressor|lzma\.LZMADecompressor)\(\)\.decompress
    | codecs\.(?:decode|getdecoder) | bytes\.fromhex | bytearray\.fromhex | marshal\.loads? | quopri\.decodestring
    | .*\.(?:decrypt|decrypt_and_verify|unhexlify|b64decode|translate) | int\.to_bytes | urllib\.parse\.unquote\w*
    """,
    re.VERBOSE,
)
_CODECS = re.compile(
    r"rot.?13|hex(?:_codec)?|base.?64(?:_codec)?|zlib(?:_codec)?|bz2(?:_codec)?|uu(?:_codec)?|zip|quopri"
)
_TEXT_OF_CODE = re.compile(
    r"(?:exec|eval|__import__)\s*\(.{0,400}?(?:b(?:64|32|16|85)decode|a85decode|fromhex|unhexlify|decompress|marshal)"
    r"|(?:b(?:64|32|16|85)decode|fromhex|unhexlify|decompress)\(.{0,4000}?\b(?:exec|eval)\s*\("
    r"|base64\s+(?:-d|-D|--decode)[^\n|]*\|\s*(?:ba|z|da)?sh\b|base64\s+(?:-d|-D|--decode)[^\n|]*\|\s*python"
    r"|(?i:powershell[^\n]{0,200}-e(?:nc|ncodedcommand)?\s+[A-Za-z0-9+/=]{40})",
    re.DOTALL,
)
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
        self._take_in(tree)

    def _take_in(self, tree: ast.Module) -> None:
        """Go through the tree once; `ast.walk` would take three times as long."""
        waiting: list[tuple[ast.AST, str]] = [(tree, "")]
        while waiting:
            node, function = waiting.pop()
            kind = node.__class__
            if kind is ast.Call:
                self.calls.append(node)  # type: ignore[arg-type]
            elif kind in _DEFINITIONS:
                self.decorated.append(node.decorator_list)  # type: ignore[attr-defined]
                function = node.name if kind is not ast.ClassDef else function  # type: ignore[attr-defined]
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

    def found(self) -> Iterator[Execution]:
        for call in self.calls:
            for sink in self.names.dotted(call.func):
                if _SINKS.fullmatch(sink):
                    yield from self._executed(call, sink)
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
            for argument in call.args
            if isinstance(argument, ast.Name)
            for name in self.names.dotted(argument)
            if name in {"exec", "eval"}
        ]
        for sink in sinks[:1]:
            for decoder, direct in self._decoded(ast.Tuple(elts=[call.func, *call.args]), 0, direct=True):
                yield Execution(sink=sink, decoder=decoder, line=call.lineno, direct=direct)
                return

    def _executed(self, call: ast.Call, sink: str) -> Iterator[Execution]:
        arguments = call.args[:1] if not sink.startswith("subprocess") else call.args
        for argument in [*arguments, *(word.value for word in call.keywords if word.arg in {"source", "args", "code"})]:
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
            for value in self.names.values(node.id):
                yield from self._decoded(value, depth + 4, direct=False)
        elif isinstance(node, ast.Subscript):
            if isinstance(node.slice, ast.Slice) and _is_backwards(node.slice) and not _is_plain(node.value):
                yield "text backwards", direct
            yield from self._decoded(node.value, depth + 1, direct=direct)
        else:
            for child in _parts(node):
                yield from self._decoded(child, depth + 1, direct=direct)

    def _decoding_call(self, node: ast.Call, depth: int, *, direct: bool) -> Iterator[tuple[str, bool]]:
        for name in self.names.dotted(node.func):
            if _DECODERS.fullmatch(name) or kind_of(name) == NETWORK:
                yield name, direct
            elif name in self.functions:
                for value in self.functions[name]:
                    yield from self._decoded(value, depth + 4, direct=False)
        if isinstance(node.func, ast.Attribute):
            yield from self._method(node, node.func, depth, direct=direct)
        elif isinstance(node.func, ast.Lambda):
            yield from self._decoded(node.func.body, depth + 1, direct=direct)
        elif isinstance(node.func, ast.Name) and node.func.id in {"bytes", "bytearray"} and node.args:
            made = node.args[0]
            if isinstance(made, ast.List | ast.Tuple | ast.GeneratorExp | ast.ListComp):
                yield "bytes of numbers", direct
        for argument in node.args:
            yield from self._decoded(argument, depth + 1, direct=direct)

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
    if isinstance(node, ast.Lambda):
        return [node.body]
    return node.elts if isinstance(node, ast.List | ast.Tuple) else []


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


def _is_backwards(node: ast.Slice) -> bool:
    step = node.step
    return isinstance(step, ast.UnaryOp) and isinstance(step.op, ast.USub)


def _is_plain(node: ast.expr) -> bool:
    return not isinstance(node, ast.Constant | ast.Name | ast.JoinedStr | ast.BinOp | ast.Call)
