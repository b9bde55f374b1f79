"""Finds where a running program keeps references to a name that is about to be guarded.

A guard that starts late comes after ``from library import name``, after tables of loaders and after closures. Python
can say who refers to an object, and most of those places can be given another one.
"""

from __future__ import annotations

import gc
import sys
from types import CellType, FunctionType, GetSetDescriptorType, ModuleType, SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Put = Callable[[Any], object]
    Place = tuple[object, Put]


def is_being_imported(module: ModuleType) -> bool:
    """Say whether a module is executed right now for the first time, so that nobody can refer to its names yet."""
    return bool(getattr(module.__spec__, "_initializing", False))


def places(*targets: object) -> list[Place]:
    """Return every place that holds one of `targets` and can hold something else.

    These are modules, classes, instances, dictionaries, lists, variables of closures and defaults of functions.
    Tuples, sets, partial functions, the local variables of functions that run now, and instances and nested containers
    that hold nothing but types of C stay as they are.

    Returns:
        For each place the target, and a function that puts something else there.
    """
    wanted = {id(target) for target in targets}
    holders = gc.get_referrers(*targets)
    found: list[Place] = []
    if all(map(gc.is_tracked, targets)):
        known = {id(targets), *(id(target.__mro__) for target in targets if type(target) is type)}
        defaults = [holder for holder in holders if type(holder) is tuple and id(holder) not in known]
        for owner in gc.get_referrers(*defaults) if defaults else ():
            if type(owner) is FunctionType:
                found += _in_defaults(owner, wanted)
    else:
        holders += _untracked()
        found += _in_untracked(wanted)
    classes = _classes_of([holder for holder in holders if type(holder) is dict and "__module__" in holder])
    for holder in holders:
        found += _in_class(classes[id(holder)], wanted) if id(holder) in classes else _in_holder(holder, wanted)
    return found


def _in_untracked(wanted: set[int]) -> list[Place]:
    """Look through all functions, namespaces and classes: the garbage collector does not see into each of them.

    It passes over tuples and dictionaries that hold only what has no part in cycles, such as types of C.
    """
    found: list[Place] = []
    for thing in gc.get_objects():
        if type(thing) is FunctionType:
            if thing.__defaults__ or thing.__kwdefaults__:
                found += _in_defaults(thing, wanted)
        elif type(thing) is SimpleNamespace and not gc.is_tracked(vars(thing)):
            found += _in_holder(vars(thing), wanted)
        elif type(thing) is type and not gc.is_tracked(_namespace_of(thing)):
            found += _in_class(thing, wanted)
    return found


def _untracked() -> Iterator[object]:
    """Return dictionaries and lists of modules that the garbage collector passes over, see `_in_untracked`."""
    for module in list(sys.modules.values()):
        if type(module) is ModuleType:
            for value in list(vars(module).values()):
                if (type(value) is dict or type(value) is list) and not gc.is_tracked(value):
                    yield value


def _in_defaults(function: FunctionType, wanted: set[int]) -> Iterable[Place]:
    defaults, keywords = function.__defaults__, function.__kwdefaults__
    if wanted.isdisjoint(map(id, defaults or ())) and wanted.isdisjoint(map(id, keywords.values() if keywords else ())):
        return ()
    return _in_these_defaults(function, wanted)


def _in_these_defaults(function: FunctionType, wanted: set[int]) -> Iterator[Place]:
    for index, value in enumerate(function.__defaults__ or ()):
        if id(value) in wanted:
            yield value, _default(function, index)
    for name, value in (function.__kwdefaults__ or {}).items():
        if id(value) in wanted:
            yield value, _item(function.__kwdefaults__, name)


def _in_holder(holder: Any, wanted: set[int]) -> Iterator[Place]:
    if type(holder) is dict:
        yield from ((value, _item(holder, key)) for key, value in list(holder.items()) if id(value) in wanted)
    elif type(holder) is list:
        yield from ((value, _item(holder, index)) for index, value in enumerate(holder) if id(value) in wanted)
    elif type(holder) is CellType:
        yield holder.cell_contents, _cell(holder)
    elif "__dict__" in dir(type(holder)):
        yield from _in_holder(vars(holder), wanted)


def _classes_of(namespaces: list[dict[str, object]]) -> dict[int, type]:
    """Find the classes that keep their attributes in dictionaries, which are not to be changed directly."""
    owners = [_owner_by_name(namespace) for namespace in namespaces]
    left = [namespace for namespace, owner in zip(namespaces, owners, strict=True) if owner is None]
    if left:
        owners += gc.get_referrers(*left)
    # isinstance would ask objects that only stand for others, and wake them.
    return {id(_namespace_of(owner)): owner for owner in owners if type in type(owner).__mro__}


def _owner_by_name(namespace: dict[str, object]) -> Any:
    """Return the class or the module that owns a namespace, as far as the namespace itself says so."""
    entry = namespace.get("__dict__")
    if type(entry) is GetSetDescriptorType and _namespace_of(entry.__objclass__) is namespace:
        return entry.__objclass__
    name = namespace.get("__name__")
    module = sys.modules.get(name) if type(name) is str else None
    return module if type(module) is ModuleType and vars(module) is namespace else None


def _namespace_of(kind: type) -> object:
    return gc.get_referents(vars(kind))[0]


def _in_class(kind: type, wanted: set[int]) -> Iterator[Place]:
    yield from ((value, _attribute(kind, name)) for name, value in list(vars(kind).items()) if id(value) in wanted)


def _attribute(kind: type, name: str) -> Put:
    return lambda value: setattr(kind, name, value)


def _item(holder: Any, key: object) -> Put:
    return lambda value: holder.__setitem__(key, value)


def _cell(cell: CellType) -> Put:
    return lambda value: setattr(cell, "cell_contents", value)


def _default(function: FunctionType, index: int) -> Put:
    def put(value: object) -> None:
        defaults = list(function.__defaults__ or ())
        defaults[index] = value
        function.__defaults__ = tuple(defaults)

    return put
