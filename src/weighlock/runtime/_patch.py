"""Replaces names in other people's modules, and takes every replacement back."""

from __future__ import annotations

import os
import sys
from types import CodeType, FunctionType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_MISSING: Any = object()


class Patches:
    """The replacements that one hook made in one module, undone together in reverse order.

    Attributes:
        points: Names of what was replaced: the choke points.
    """

    def __init__(self) -> None:
        self.points: list[str] = []
        self._undo: list[Callable[[], object]] = []

    def replace(self, owner: object, name: str, new: object) -> Any:
        """Set an attribute that must exist.

        Returns:
            What was there.

        Raises:
            LookupError: There is no such attribute: the library has changed, and the choke point is gone.
        """
        old = getattr(owner, name, _MISSING)
        if old is _MISSING:
            raise missing(owner, name)
        setattr(owner, name, new)
        self._undo.append(_putting_back(owner, name, old, new))
        self.points.append(name if isinstance(owner, ModuleType) else f"{getattr(owner, '__qualname__', owner)}.{name}")
        return old

    def override(self, owner: object, name: str, new: object) -> None:
        """Set an attribute that the owner may inherit, or not have at all."""
        old = vars(owner).get(name, _MISSING)
        setattr(owner, name, new)
        self._undo.append(lambda: delattr(owner, name) if old is _MISSING else setattr(owner, name, old))

    def default(self, variable: str, value: str) -> None:
        """Set an environment variable that nobody has set, before the library reads it."""
        if variable not in os.environ:
            os.environ[variable] = value
            self._undo.append(lambda: os.environ.pop(variable, None))

    def rebind(self, old: object, new: object) -> None:
        """Replace every reference to `old` in the namespaces of all imported modules.

        This reaches ``from library import name`` that ran before the guard started. References inside
        containers, closures and instances stay as they are.
        """
        self.rebind_all([(old, new)])

    def rebind_all(self, pairs: Iterable[tuple[object, object]]) -> None:
        """Do what `rebind` does for several objects at once: there may be thousands of modules."""
        changes = [(self, old, new) for old, new in pairs]
        if _later is None:
            _rebind(changes)
        else:
            _later.extend(changes)

    def sweep(self, places: Iterable[tuple[object, Callable[[Any], object]]], old: object, new: object) -> None:
        """Put `new` wherever a program that runs already keeps `old`.

        Args:
            places: What `weighlock.runtime._sweep.places` found, before anything of the guard referred to `old`.
            old: What is there.
            new: What is put there.
        """
        for target, put in places:
            if target is old:
                put(new)
                self._undo.append(lambda put=put: put(old))  # type: ignore[misc]

    def rename(self, function: object, old: str, new: str) -> None:
        """Make every reference to a function, wherever it is kept, use another name for something that it uses.

        Args:
            function: A plain Python function.
            old: An attribute or global name in its code.
            new: Used instead.

        Raises:
            LookupError: It is not such a function: the library has changed.
        """
        if not isinstance(function, FunctionType) or old not in function.__code__.co_names:
            raise LookupError(f"{function!r} does not use {old}")
        code = function.__code__
        names = tuple(new if name == old else name for name in code.co_names)
        function.__code__ = code.replace(co_names=names)
        self._undo.append(lambda: setattr(function, "__code__", code))
        self.points.append(function.__qualname__)

    def swap_code(self, function: object, guard: Callable[..., object]) -> Callable[..., Any]:
        """Make every reference to a function, wherever it is kept, call `guard` with the same arguments.

        Args:
            function: A plain Python function without free variables.
            guard: Called instead.

        Returns:
            A function that does what `function` did.

        Raises:
            LookupError: It is not such a function: the library has changed.
        """
        if not isinstance(function, FunctionType) or function.__closure__:
            raise LookupError(f"{function!r} is not a plain function")
        code, namespace = function.__code__, function.__globals__
        original = FunctionType(code, namespace, function.__name__, function.__defaults__)
        original.__kwdefaults__ = function.__kwdefaults__
        key = f"_weighlock_{function.__name__}"
        while key in namespace:  # another hook answers for the same function, or for one of the same name
            key += "_"
        signature = _signature(function)
        namespace[key] = guard
        function.__code__ = _forwarding(key, code)
        function.__signature__ = signature  # type: ignore[attr-defined] # inspect.signature reads it

        def undo() -> None:
            function.__code__ = code
            del function.__signature__  # type: ignore[attr-defined]
            namespace.pop(key, None)

        self._undo.append(undo)
        self.points.append(function.__qualname__)
        return original

    def answer(self, owner: object, name: str, guard: Callable[..., Any]) -> None:
        """Let `guard(original, …)` answer every call of a function, whoever bound it and however it is decorated.

        Args:
            owner: Its module or class.
            name: Its name there.
            guard: Gets what the function did as its first argument, then the caller's arguments.

        Raises:
            LookupError: There is no such plain function: the library has changed, and the choke point is gone.
        """
        function = getattr(owner, name, None)
        if function is None:
            raise missing(owner, name)
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__

        def forward(*args: Any, **kwargs: Any) -> Any:
            return guard(original, *args, **kwargs)

        original = self.swap_code(function, forward)

    def afterwards(self, action: Callable[[], object]) -> None:
        """Have something else done when the replacements are taken back."""
        self._undo.append(action)

    def undo(self) -> None:
        """Take every replacement back."""
        while self._undo:
            self._undo.pop()()


class Together:
    """Until it is left, modules are not searched for references; then for all of them at once.

    Used as a context manager around the hooks of libraries that are imported already.
    """

    def __enter__(self) -> None:
        """Collect what is to be rebound."""
        global _later  # noqa: PLW0603 - one guard in a process
        _later = []

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Rebind it, unless the guard cannot start."""
        global _later
        changes, _later = _later or [], None
        if kind is None:
            _rebind(changes)


_later: list[tuple[Patches, object, object]] | None = None


def _rebind(changes: list[tuple[Patches, object, object]]) -> None:
    """Replace references in the namespaces of modules; each of the patches takes its own ones back."""
    replacements = {id(old): (patches, old, new) for patches, old, new in reversed(changes)}
    wanted = frozenset(replacements)
    for module in list(sys.modules.values()):
        namespace = vars(module) if hasattr(module, "__dict__") else {}
        if wanted.isdisjoint(map(id, list(namespace.values()))):
            continue
        if str(getattr(module, "__name__", "")).startswith("weighlock."):
            continue
        for name, value in list(namespace.items()):
            if id(value) in replacements:
                patches, old, new = replacements[id(value)]
                setattr(module, name, new)
                patches.afterwards(_putting_back(module, name, old, new))


def missing(owner: object, name: str) -> LookupError:
    """Return the error for a choke point that is gone."""
    label = getattr(owner, "__name__", None) or type(owner).__name__
    return LookupError(f"{label}.{name} does not exist, and the guard needs it")


def _putting_back(owner: object, name: str, old: object, new: object) -> Callable[[], None]:
    """Undo a replacement, unless the module was executed again since, and the name means something newer."""

    def put_back() -> None:
        if getattr(owner, name, _MISSING) is new:
            setattr(owner, name, old)

    return put_back


def _forwarding(key: str, code: CodeType) -> CodeType:
    """Compile a body that calls the global `key`, with the name and the place of the code that it replaces."""
    namespace: dict[str, Any] = {}
    exec(f"def forward(*args, **kwargs): return {key}(*args, **kwargs)", namespace)  # noqa: S102 - a constant template
    forward: CodeType = namespace["forward"].__code__
    return forward.replace(
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
    )


def _signature(function: FunctionType) -> object:
    from inspect import signature

    return signature(function)
