"""What runs when the modules of a package are imported, followed from file to file without running any of it.

It goes through the statements as an import would, down every branch, into the functions and classes that they call, in
whatever module of the same package these are. Only what stands under ``if __name__ == "__main__"`` does not run then,
and what stands under the `TYPE_CHECKING` of typing.

Source:
    The Python language reference, "Execution model" and "The import system"; PEP 562.
"""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import OverBudgetError
from weighlock.formats.python import arguments
from weighlock.formats.python import behaviour as acts
from weighlock.formats.python.behaviour import PROCESS, STARTUP, Behaviour, hands_code, kind_of
from weighlock.formats.python.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_STATEMENTS = 3_000_000
_LONGEST_NAME = 40
"""Parts of a dotted name: where a module imports all of itself, names of it would grow without an end."""

_KEPT = 8 << 20
"""Bytes of text whose trees are kept, in case that something in them is called later."""

_MOST_READ_AGAIN = 256 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """A module of the package.

    Args:
        tree: Of its text.
        path: In the wheel.
        size: Bytes of its text.
    """

    tree: ast.Module
    path: str
    size: int


class Imports:
    """What happens while modules are imported.

    Args:
        load: Gives a module by its dotted name; `None` where the package has no such module.
        is_package: Says whether a dotted name is a package and not a plain module.
    """

    def __init__(self, load: Callable[[str], Loaded | None], is_package: Callable[[str], bool]) -> None:
        self._load = load
        self._is_package = is_package
        self._modules: dict[str, _Module | None] = {}
        self._waiting: deque[str] = deque()
        self._calls: deque[str] = deque()
        self._bodies: deque[tuple[_Module, list[ast.stmt], ast.ClassDef | None]] = deque()
        self._statements = 0
        self._called = set[str]()
        self._kept: deque[tuple[_Module, int]] = deque()
        self._kept_size = self._reread = 0
        self.behaviours = set[Behaviour]()

    @property
    def reached(self) -> frozenset[str]:
        """Names of the modules that were imported."""
        return frozenset(name for name, module in self._modules.items() if module is not None)

    def enter(self, name: str) -> None:
        """Import a module of the package, and all that this imports in its turn.

        Raises:
            OverBudgetError: It cannot be followed to an end.
            RecursionError: It is nested too deeply.
        """
        self.queue(name)
        # One after the other and not inside of each other, or a long chain of calls would be too deep.
        while self._waiting or self._calls or self._bodies:
            if self._waiting:
                self.module(self._waiting.popleft())
            elif self._calls:
                self._go_into(self._calls.popleft())
            else:
                module, body, owner = self._bodies.popleft()
                module.go_on(body, owner)

    def queue(self, name: str) -> None:
        """Have a module imported, and the packages that it is in."""
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            one = ".".join(parts[:count])
            if one not in self._modules:
                self._waiting.append(one)

    def module(self, name: str) -> _Module | None:
        """Return a module, imported."""
        if name not in self._modules:
            self._modules[name] = None
            loaded = self._load(name)
            if loaded is not None:
                package = name if self._is_package(name) else name.rpartition(".")[0]
                module = self._modules[name] = _Module(self, name, package, loaded.path)
                module.run(loaded.tree.body, None)
                self._keep(module, loaded.size)
        return self._modules[name]

    def reload(self, module: _Module, name: str) -> ast.Module | None:
        """Return the tree of a module again that was forgotten."""
        loaded = self._load(name)
        if loaded is None:
            return None
        self._reread += loaded.size
        if self._reread > _MOST_READ_AGAIN:
            raise OverBudgetError("over the budget for following its imports")
        self._keep(module, loaded.size)
        return loaded.tree

    def _keep(self, module: _Module, size: int) -> None:
        """Keep what a module defines, and have the oldest ones forgotten: a tree takes forty times its text."""
        self._kept.append((module, size))
        self._kept_size += size
        while self._kept_size > _KEPT and len(self._kept) > 1:
            oldest, its_size = self._kept.popleft()
            self._kept_size -= its_size
            oldest.forget()

    def call(self, name: str) -> None:
        """Go into a function or a class by its dotted name, wherever in the package it comes from."""
        if name not in self._called and name.count(".") < _LONGEST_NAME:
            self._called.add(name)
            self._calls.append(name)

    def later(self, module: _Module, body: list[ast.stmt], owner: ast.ClassDef | None) -> None:
        """Have the body of a function gone through that runs."""
        self._bodies.append((module, body, owner))

    def _go_into(self, name: str) -> None:
        parts = name.split(".")
        for count in range(len(parts) - 1, 0, -1):
            module = self.module(".".join(parts[:count]))
            if module is not None:
                module.call_here_or_there(".".join(parts[count:]))
                return

    def count(self) -> None:
        """Charge one statement."""
        self._statements += 1
        if self._statements > _MOST_STATEMENTS:
            raise OverBudgetError("over the budget for following its imports")


class _Module:
    def __init__(self, imports: Imports, name: str, package: str, path: str) -> None:
        self._imports = imports
        self._name = name
        self._package = package
        self._path = path
        self._names = Names(package)
        self._functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        self._classes: dict[str, ast.ClassDef] = {}
        self._done = set[tuple[str, int]]()
        self._forgotten = False

    def forget(self) -> None:
        """Let go of the trees of what it defines."""
        self._functions, self._classes, self._forgotten = {}, {}, True
        self._names.forget()

    def _remember(self) -> None:
        if not self._forgotten:
            return
        self._forgotten = False
        tree = self._imports.reload(self, self._name)
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.ClassDef):
                self._classes[node.name] = node
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._functions.setdefault(node.name, []).append(node)
            else:
                self._names.learn(node)

    def go_on(self, body: list[ast.stmt], owner: ast.ClassDef | None) -> None:
        """Go through the body of a function that runs."""
        self._remember()
        self.run(body, owner)

    def run(self, body: list[ast.stmt], owner: ast.ClassDef | None) -> None:
        """Go through statements that run."""
        waiting = [iter(body)]
        while waiting:
            statement = next(waiting[-1], None)
            if statement is None:
                waiting.pop()
                continue
            self._imports.count()
            waiting.extend(iter(block) for block in reversed(list(self._statement(statement, owner))))

    def call(self, name: str) -> bool:
        """Go through the function or class of that name, or of ``Class.method``; say whether there is one."""
        self._remember()
        first, _, rest = name.partition(".")
        made, first = first.endswith("()"), first.removesuffix("()")
        if first in self._classes:
            self._method(self._classes[first], rest.partition(".")[0] if rest else "__call__" if made else "")
            return True
        for function in self._functions.get(first, ()) if not rest else ():
            self._enter(function, None)
            if made:
                self._call_returned(function)
        if not rest and first not in self._functions:
            self._lambdas(first)
        return first in self._functions

    def _call_returned(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Go through the inner functions that a function gives back."""
        key = (f"{function.name}()", function.lineno)
        if key not in self._done:
            self._done.add(key)
            for value in arguments.returned(function):
                if isinstance(value, ast.FunctionDef | ast.AsyncFunctionDef):
                    self._enter(value, None)
                else:
                    self._run_named(value, None)

    def _lambdas(self, name: str) -> None:
        for value in self._names.values(name):
            if isinstance(value, ast.Lambda) and (name, value.lineno) not in self._done:
                self._done.add((name, value.lineno))
                self._expression(value.body, None)

    def call_here_or_there(self, name: str) -> None:
        """Go through what a name of this module stands for, though it came from another module."""
        if self.call(name):
            return
        first, dot, rest = name.partition(".")
        for origin in list(self._names.dotted(ast.Name(id=first.removesuffix("()")))):
            if "." in origin:
                self._imports.call(f"{origin}{'()' if first.endswith('()') else ''}{dot}{rest}")

    def _method(self, owner: ast.ClassDef, name: str) -> None:
        key = (f"{owner.name}.{name}", owner.lineno)
        if key in self._done:
            return
        self._done.add(key)
        wanted = {name} if name else {*acts.MADE, *acts.UNSEEN}
        if name == "start":
            wanted.add("run")  # of a thread
        for statement in owner.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name in wanted:
                self._enter(statement, owner)
        self._inherited(owner, name)

    def _inherited(self, owner: ast.ClassDef, name: str) -> None:
        """Go through a method of the classes that a class is made of, or through all that making an object runs."""
        for base in owner.bases:
            for its_name in self._names.dotted(base):
                if its_name != owner.name:
                    self._follow(f"{its_name}.{name}" if name else its_name, None)

    def _enter(self, function: ast.FunctionDef | ast.AsyncFunctionDef, owner: ast.ClassDef | None) -> None:
        key = (function.name, function.lineno)
        if key not in self._done:
            self._done.add(key)
            self._imports.later(self, function.body, owner)

    def _statement(self, node: ast.stmt, owner: ast.ClassDef | None) -> Iterator[list[ast.stmt]]:
        """Go through one statement, and yield the blocks in it that run."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if owner is None:
                self._functions.setdefault(node.name, []).append(node)
            self._definition(node, owner)
            return
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._names.learn(node)
            self._import(node)
            return
        if isinstance(node, ast.ClassDef):
            self._classes[node.name] = node
            for expression in (*node.decorator_list, *node.bases, *(word.value for word in node.keywords)):
                self._expression(expression, owner)
            for called in (*node.decorator_list, *(word.value for word in node.keywords if word.arg == "metaclass")):
                self._run_named(called, None)
            self.run(node.body, node)
            self._inherited(node, "__init_subclass__")
            return
        self._names.learn(node)
        for field in node._fields:
            value = getattr(node, field)
            if isinstance(value, ast.expr):
                self._expression(value, owner)
            elif isinstance(value, list):
                yield from self._listed(node, field, value, owner)

    def _listed(
        self, node: ast.stmt, field: str, values: list[ast.AST], owner: ast.ClassDef | None
    ) -> Iterator[list[ast.stmt]]:
        statements = [value for value in values if isinstance(value, ast.stmt)]
        if statements:
            if not (field == "body" and isinstance(node, ast.If) and arguments.never_runs(node.test, self._names)):
                yield statements
            return
        for value in values:
            if isinstance(value, ast.expr):
                self._expression(value, owner)
            elif isinstance(value, ast.withitem):
                self._names.learn(value)
                self._expression(value.context_expr, owner)
                for name in self._names.dotted(value.context_expr):
                    self._follow(f"{name}.__enter__", owner)
            elif isinstance(value, ast.ExceptHandler | ast.match_case):
                test = value.type if isinstance(value, ast.ExceptHandler) else value.guard
                if test is not None:
                    self._expression(test, owner)
                yield value.body

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef, owner: ast.ClassDef | None) -> None:
        for expression in arguments.of_definition(node):
            self._expression(expression, owner)
        for decorator in node.decorator_list:
            self._run_named(decorator, None)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._imports.queue(alias.name)
            return
        origin = self._names.origin(node)
        self._imports.queue(origin)
        for alias in node.names:
            self._imports.queue(f"{origin}.{alias.name}")

    def _expression(self, node: ast.expr, owner: ast.ClassDef | None) -> None:
        """Go through an expression that is evaluated; what a lambda would do is done when it is called."""
        waiting: list[ast.AST] = [node]
        while waiting:
            part = waiting.pop()
            if isinstance(part, ast.Call):
                self._called(part, owner)
            elif isinstance(part, ast.NamedExpr | ast.comprehension):
                self._names.learn(part)
            if isinstance(part, ast.Lambda):
                waiting.extend(value for value in (*part.args.defaults, *part.args.kw_defaults) if value is not None)
            elif not isinstance(part, ast.Constant | ast.Name):
                waiting.extend(ast.iter_child_nodes(part))

    def _called(self, node: ast.Call, owner: ast.ClassDef | None) -> None:
        if isinstance(node.func, ast.Lambda):
            self._expression(node.func.body, owner)
            return
        names = list(self._names.dotted(node.func))
        for name in names:
            kind = kind_of(name)
            if kind is not None:
                self._found(kind, name, node)
            elif acts.may_write(name) and arguments.names_a_place(node, self._names):
                self._found(STARTUP, name, node)
            self._follow(name, owner)
            if name.rpartition(".")[2] in acts.CALLERS or name == "atexit.register":
                for argument in (*node.args, *(word.value for word in node.keywords)):
                    self._run_named(argument, owner, node)
        imported = arguments.imported_by(node, self._names)
        if imported:
            self._imports.queue(imported if imported[0] != "." else f"{self._package}{imported}")

    def _found(self, kind: str, name: str, node: ast.Call) -> None:
        runs_code = kind == PROCESS and hands_code([text[:1000] for text in arguments.texts(node, self._names)])
        own = kind == PROCESS and not any(map(acts.names_command, arguments.started(node, self._names)))
        found = Behaviour(kind=kind, name=name, path=self._path, line=node.lineno, runs_code=runs_code, own_program=own)
        self._imports.behaviours.add(found)

    def _run_named(self, node: ast.expr, owner: ast.ClassDef | None, call: ast.Call | None = None) -> None:
        """Go through a function that is handed to something that calls it, with the other arguments of that call."""
        if isinstance(node, ast.Lambda):
            self._expression(node.body, owner)
        elif isinstance(node, ast.Name | ast.Attribute | ast.Call):
            for name in self._names.dotted(node):
                kind = kind_of(name)
                if kind is not None and not isinstance(node, ast.Call):
                    self._found(kind, name, call or ast.Call(func=node, args=[], keywords=[], lineno=node.lineno))
                self._follow(name, owner)

    def _follow(self, name: str, owner: ast.ClassDef | None) -> None:
        """Go into what a name stands for: here, in the class around it, or in another module of the package."""
        first, _, rest = name.partition(".")
        if first in {"self", "cls"} and owner is not None and rest:
            self._method(owner, rest.partition(".")[0])
        elif first == "super()" and owner is not None and rest:
            self._inherited(owner, rest.partition(".")[0])
        elif not self.call(name) and rest:
            self._imports.call(name)
