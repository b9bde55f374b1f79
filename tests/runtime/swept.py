"""What was there when a test file began is looked through once, and not again each time that a test starts the guard.

A guard that starts late asks the garbage collector for whoever refers to what it guards: half a million objects, once
so many libraries are imported. Here the collector sets aside what is there, which it then passes over; the few of it
that matter are remembered and looked into anew each time, and what came since is searched as ever.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import FrameType, FunctionType, SimpleNamespace

from weighlock.runtime import _sweep

_NAMES = {
    "_pickle": ("load", "loads", "Unpickler"),
    "safetensors._safetensors_rust": ("safe_open", "deserialize", "_safe_open_handle"),
}
_MANY = 60_000


class Collector:
    """Stands in for the module `gc` in `weighlock.runtime._sweep`."""

    is_tracked = staticmethod(gc.is_tracked)
    get_referents = staticmethod(gc.get_referents)

    def __init__(self) -> None:
        self._targets: set[int] = set()
        self._holders: dict[int, list[object]] = {}
        self._objects: list[object] = []

    def set_aside(self) -> None:
        """Remember what matters among all objects, unless only few came since the last time."""
        targets = list(_targets())
        wanted = set(map(id, targets))
        if wanted == self._targets and len(gc.get_objects()) < _MANY:
            return
        gc.unfreeze()
        gc.collect()
        holders = _holders(targets)
        inner = [held for each in holders.values() for held in each if type(held) in {dict, tuple}]
        self._targets = wanted
        self._holders = {**_holders(inner), **holders}
        self._objects = [thing for thing in gc.get_objects() if _matters(thing, wanted)]
        gc.freeze()

    def get_objects(self) -> list[object]:
        return [*self._objects, *gc.get_objects()]

    def get_referrers(self, *targets: object) -> list[object]:
        known = {id(held): held for target in targets for held in self._holders.get(id(target), ())}
        return [*known.values(), *gc.get_referrers(*targets)]


def _targets() -> Iterator[object]:
    for module, names in _NAMES.items():
        if module in sys.modules:
            yield from (vars(sys.modules[module])[name] for name in names if hasattr(sys.modules[module], name))


def _holders(targets: list[object]) -> dict[int, list[object]]:
    """Say for each target who refers to it, but for functions that run right now, and what they call with."""
    holders: dict[int, list[object]] = {id(target): [] for target in targets}
    ours = {id(targets), id(holders)}
    for held in gc.get_referrers(*targets):
        if type(held) is not FrameType and id(held) not in ours:
            for target in gc.get_referents(held):
                if id(target) in holders:
                    holders[id(target)].append(held)
    return holders


def _matters(thing: object, wanted: set[int]) -> bool:
    if type(thing) is FunctionType:
        return bool(_sweep._in_defaults(thing, wanted))
    return type(thing) in {SimpleNamespace, type} and not wanted.isdisjoint(map(id, vars(thing).values()))


COLLECTOR = Collector()
