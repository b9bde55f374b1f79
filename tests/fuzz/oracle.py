"""The judge of the judge: real unpicklers, run against a recorder that makes nothing real but plain containers.

A stream that the inspector calls data-only fails when any of them asks for a name that plain data does not need.
"""

from __future__ import annotations

import _codecs
import collections
import io
import pickle
from collections.abc import Callable, Iterator
from typing import Self

from weighlock import allowlist
from weighlock.finding import Outcome
from weighlock.formats.source import Budget, BytesSource
from weighlock.inspector import inspect

ENCODINGS = ("ASCII", "latin1", "utf-8", "bytes")

#: Allowed names that are as good as harmless and whose results later opcodes may use: text, and containers.
_REAL = {
    ("_codecs", "encode"): _codecs.encode,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("__builtin__", "set"): set,
}


class StandIn:
    """Takes everything that opcodes do to an object, and does nothing."""

    def __new__(cls, *_: object, **__: object) -> Self:
        return super().__new__(cls)

    def __call__(self, *_: object, **__: object) -> StandIn:
        return StandIn()

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        pass

    add = append


class _Recorder:
    asked: list[tuple[str, str]]

    def find_class(self, module: str, name: str) -> object:
        self.asked.append((module, name))
        return _REAL.get((module, name), StandIn)


class _Quick(_Recorder, pickle.Unpickler):
    pass


class _Slow(_Recorder, pickle._Unpickler):
    pass


def requests(data: bytes) -> Iterator[tuple[str, str]]:
    """Load `data`, pickle after pickle, with every unpickler and encoding, and say what was asked for."""
    for unpickler in (_Quick, _Slow):
        for encoding in ENCODINGS:
            file = io.BytesIO(data)
            for _ in range(4):
                loader = unpickler(file, encoding=encoding)
                loader.asked = []
                finished = _run(loader.load)
                yield from loader.asked
                if not finished:
                    break


def _run(load: Callable[[], object]) -> bool:
    try:
        load()
    except Exception:  # noqa: BLE001  # a stream may fail in any way; what it asked for before that counts
        return False
    return True


def broken_promise(data: bytes) -> tuple[Outcome, tuple[str, str] | None]:
    """Judge a stream; where it is called data-only, return the first name that gives that the lie."""
    outcome = inspect(BytesSource(data), budget=Budget(opcodes=200_000, retained=32 << 20, inflated=8 << 20)).outcome
    if outcome > Outcome.DATA_ONLY:
        return outcome, None
    for module, name in requests(data):
        if not _harmless(module, name, text=outcome is Outcome.NOT_A_MODEL):
            return outcome, (module, name)
    return outcome, None


def _harmless(module: str, name: str, *, text: bool) -> bool:
    """Tell whether a name is plain data's, or, in what is taken for a text and no pickle, at least no gadget.

    Any text whose first line begins with "c" asks for a name before it fails.
    """
    if not module:
        return True  # an import that fails for certain
    if text:
        roles = (allowlist.role(*full.rpartition(".")[::2]) for full in allowlist.names_of(module, name, legacy=True))
        return allowlist.Role.DANGEROUS not in roles
    return allowlist.is_data(module, name) or allowlist.is_data(module, name, legacy=True)
