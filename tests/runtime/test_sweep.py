"""Where programs keep references from before the guard, whether the garbage collector sees them or not."""

from __future__ import annotations

import _pickle
import gc
import types

import pytest

from weighlock.runtime import _sweep


class Seen:
    """A type that the garbage collector follows, as those of extensions in Rust are."""


TARGETS = (Seen, _pickle.load, _pickle.Unpickler)  # a tuple cannot be changed


class Plain:
    """Has a dictionary of its own, and says so."""


class Derived(Plain):
    """Has the one that it inherits."""


class Slots:
    __slots__ = ("held",)


def _default(target):
    def function(first, kept=target):
        return kept

    return function


def _keyword(target):
    def function(*, kept=target):
        return kept

    return function


def _closure(target):
    def function():
        return target

    return function


def _derived(base, target):
    return type("Holding", (base,), {"__module__": __name__, "kept": target})


PLACES = {
    "a default": (_default, lambda function: function(0)),
    "a keyword's default": (_keyword, lambda function: function()),
    "a closure": (_closure, lambda function: function()),
    "a class": (lambda target: _derived(object, target), lambda kind: kind.kept),
    "a class without a dictionary of its own": (lambda target: _derived(Derived, target), lambda kind: kind.kept),
    "a class that was named like a module": (
        lambda target: type("Odd", (Plain,), {"__module__": __name__, "__name__": "gc", "kept": target}),
        lambda kind: kind.kept,
    ),
    "a namespace": (lambda target: types.SimpleNamespace(kept=target), lambda held: held.kept),
    "a dictionary with other things": (lambda target: {"kept": target, "other": []}, lambda held: held["kept"]),
    "a list": (lambda target: [target], lambda held: held[0]),
}


def _replaced(target, targets, holder, read):
    """Replace every reference by another and take it back, but for the local variables of this function."""
    puts = []
    for found, put in _sweep.places(*targets):
        if found is target:
            puts.append(put)
    for put in puts:
        put(Slots)
    try:
        return read(holder) is Slots
    finally:
        for put in puts:
            put(target)


@pytest.mark.parametrize("collected", [False, True])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", range(len(TARGETS)), ids=["seen", "a function of C", "not seen"])
def test_a_reference_is_found_and_can_be_replaced(number, place, collected):
    make, read = PLACES[place]
    holder = make(TARGETS[number])
    if collected:
        gc.collect()  # which stops following what holds nothing that it follows
    assert _replaced(TARGETS[number], TARGETS, holder, read)
    assert read(holder) is TARGETS[number]
    assert (Seen, _pickle.load, _pickle.Unpickler) == TARGETS


@pytest.mark.parametrize("place", PLACES)
def test_a_reference_is_found_where_the_collector_sees_all_targets(place):
    make, read = PLACES[place]
    holder = make(TARGETS[0])
    assert _replaced(TARGETS[0], TARGETS[:1], holder, read)
    assert read(holder) is TARGETS[0] is Seen
