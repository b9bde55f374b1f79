"""Guards Python's two unpicklers as types: what they read from, and every name that a ``find_class`` is asked for.

A subclass may answer names by itself, without the original ``find_class`` that raises the audit event. The type
written in C asks for its ``find_class`` anew for each name, so that a ``__getattribute__`` sees every override: of a
subclass, of another base, of an instance, made now or later. The one in Python asks in four functions, which are made
to ask here.
"""

from __future__ import annotations

import gc
from abc import ABCMeta
from types import BuiltinMethodType

from weighlock.runtime import _finder, _reading, _unpickling
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_ASKING = ("load_inst", "load_global", "load_stack_global", "get_extension")
_ASK = "_weighlock_find_class"

_guarded: dict[type, type] = {}


class Function:
    """A guarded function of C. Like the original it does not become a method where a class refers to it.

    Args:
        original: What is guarded.
        guard: Gets `original` and the caller's arguments.
    """

    __slots__ = ("__dict__", "_guard", "_original")  # not in the dictionary, where a sweep would find the original

    def __init__(self, original: Any, guard: Callable[..., Any]) -> None:
        self._original = original
        self._guard = guard
        for name in ("__name__", "__qualname__", "__module__", "__doc__", "__text_signature__"):
            setattr(self, name, getattr(original, name, None))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._guard(self._original, *args, **kwargs)

    def __reduce__(self) -> str:
        return self.__name__  # type: ignore[attr-defined,no-any-return] # set above

    def __repr__(self) -> str:
        return repr(self._original)


def file_of(unpickler: Any) -> Any:
    """Return what an unpickler of C reads from, or ``None`` where that cannot be told.

    It keeps methods of its file and hands out neither; but the garbage collector may see them.
    """
    for thing in gc.get_referents(unpickler):
        owner = getattr(thing, "__self__", None)
        if owner is not None and getattr(owner, "readline", None) == thing:
            return owner
    return None


def guarded_type(original: Any) -> Any:
    """Return a type that takes the place of the unpickler of C; the same one each time."""
    if original not in _guarded:
        _guarded[original] = _make_type(original)
    return _guarded[original]


def _make_type(original: Any) -> Any:
    namespace = {
        "__slots__": (),
        "__doc__": original.__doc__,
        "__module__": original.__module__,
        "__getattribute__": _judged_lookup(object.__getattribute__),
        "load": _judged_load(original.load, file_of),
    }
    return _Meta(original.__name__, (original,), namespace)


class _Meta(ABCMeta):
    """Keeps ``isinstance`` true for what was derived from the original; of ABCMeta, so that abstract bases mix.

    A derived class that looks its attributes up in a way of its own is asked through the guard, too.
    """

    def __init__(cls, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        lookup: Any = cls.__getattribute__
        if getattr(lookup, "__module__", None) != __name__:
            cls.__getattribute__ = _judged_lookup(lookup)  # type: ignore[method-assign,assignment]

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__bases__) if _is_guarded(cls) else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.__bases__) if _is_guarded(cls) else super().__subclasscheck__(subclass)


def _is_guarded(kind: type) -> bool:
    return kind in _guarded.values()


def guard_derived(original: Any, patches: Patches) -> None:
    """Guard the classes that were derived from the unpickler of C itself, those that are not guarded yet."""
    kinds: list[Any] = original.__subclasses__()
    for kind in kinds:
        if getattr(vars(kind).get("__getattribute__"), "__module__", None) == __name__:
            continue
        patches.override(kind, "__getattribute__", _judged_lookup(kind.__getattribute__))
        patches.override(kind, "load", _judged_load(kind.load, file_of))
        for derived in _descendants(kind):
            if "load" in vars(derived):
                patches.override(derived, "load", _judged_load(derived.load, file_of))


def _descendants(kind: Any) -> Iterator[Any]:
    for derived in kind.__subclasses__():
        yield derived
        yield from _descendants(derived)


def guard_python(module: ModuleType, patches: Patches) -> None:
    """Guard the unpickler that is written in Python, and those that were made by the same code before it.

    Reloading pickle, or importing it anew, makes another one; whoever bound or derived from the old one keeps it, as
    joblib does.

    Raises:
        LookupError: The module has no such unpickler, or one that works in another way.
    """
    unpickler: Any = getattr(module, "_Unpickler", None)
    if unpickler is None:
        raise missing(module, "_Unpickler")
    code = _code_of_load(unpickler)
    kinds: list[Any] = object.__subclasses__()
    earlier = [kind for kind in kinds if kind.__name__ == "_Unpickler" and _code_of_load(kind) == code]
    for kind in dict.fromkeys([unpickler, *earlier]):
        _guard_python(kind, patches)


def _code_of_load(unpickler: Any) -> Any:
    return getattr(getattr(unpickler, "load", None), "__code__", None)


def _guard_python(unpickler: Any, patches: Patches) -> None:
    stock = unpickler.find_class

    def ask(self: Any, name: str, attribute: str) -> Any:
        find_class = self.find_class
        if getattr(find_class, "__func__", None) is not stock and _finder.is_judging():
            _unpickling.judge(name, attribute)
        return find_class(name, attribute)

    patches.override(unpickler, _ASK, ask)
    for name in _ASKING:
        patches.rename(getattr(unpickler, name, None), "find_class", _ASK)
    patches.replace(unpickler, "load", _judged_load(unpickler.load, _file_of_python))


def _file_of_python(unpickler: Any) -> Any:
    return getattr(getattr(unpickler, "_file_read", None), "__self__", None)


def _judged_load(original: Callable[[Any], Any], file_of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def load(self: Any) -> Any:
        return _reading.read(file_of(self), lambda _: original(self), bound=True)

    load.__doc__ = original.__doc__
    return load


def _judged_lookup(inner: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def lookup(self: Any, name: str) -> Any:
        found = inner(self, name)
        if name != "find_class" or (type(found) is BuiltinMethodType and found.__self__ is self):
            return found  # the original raises the audit event

        def find_class(module: str, name: str, /) -> Any:
            if _finder.is_judging():
                _unpickling.judge(module, name)
            return found(module, name)

        return find_class

    return lookup
