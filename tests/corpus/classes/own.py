"""Classes of a project of its own: dataclasses, enums, named tuples, exceptions, and functions in a pipeline."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import pickle
import typing
from collections.abc import Iterator

import numpy as np
import torch
from sklearn import pipeline, preprocessing

from tests.corpus.benign.tensors import saved
from tests.corpus.case import Case


@dataclasses.dataclass
class Settings:
    """A dataclass with a plain state."""

    number: int = 0
    text: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    """A dataclass with slots, pickled by functions of `dataclasses`."""

    number: int


class Colour(enum.Enum):
    """An enumeration."""

    RED = 1


class Mode(enum.IntFlag):
    """Flags."""

    A = 1
    B = 2


Pair = collections.namedtuple("Pair", "left right")


class Point(typing.NamedTuple):
    """A named tuple."""

    x: float
    y: float


class Stack(list):
    """A list of a class of its own, filled by APPENDS."""


class Registry(dict):
    """A dictionary of a class of its own, filled by SETITEMS."""


class Tags(set):
    """A set of a class of its own."""


class Reduced:
    """An object that says itself how it is made again."""

    def __reduce__(self) -> tuple[object, tuple[object, ...], dict[str, int]]:
        """Make a call and then a state."""
        return make, (1,), {"a": 1}


class Stated:
    """An object with a state of its own form."""

    def __getstate__(self) -> tuple[int, int]:
        """Return anything but a dictionary."""
        return 1, 2

    def __setstate__(self, state: tuple[int, int]) -> None:
        """Accept it again."""


class Keyworded:
    """An object that is made with keywords: NEWOBJ_EX."""

    def __new__(cls, *, size: int) -> Keyworded:
        """Keep nothing."""
        return super().__new__(cls)

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, int]]:
        """Return what `__new__` needs."""
        return (), {"size": 3}


class Array(np.ndarray):
    """A subclass of arrays."""


class Network(torch.nn.Module):
    """A module of a project of its own."""

    def __init__(self) -> None:
        """Make one layer."""
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)


def make(number: int) -> Settings:
    """Make settings."""
    return Settings(number)


def double(values: np.ndarray) -> np.ndarray:
    """Be a step of a pipeline."""
    return values * 2


def _values() -> dict[str, object]:
    steps = [("double", preprocessing.FunctionTransformer(double)), ("scale", preprocessing.StandardScaler())]
    partial = preprocessing.FunctionTransformer(functools.partial(double))
    return {
        "dataclass": Settings(1, "a"),
        "dataclass-list": [Settings(n, str(n)) for n in range(20)],
        "dataclass-slots": Slotted(3),
        "enum": [Colour.RED, Colour.RED],
        "flags": Mode.A | Mode.B,
        "named-tuples": [Pair(1, 2), Point(0.5, 1.5)],
        "list-subclass": Stack([1, 2, 3]),
        "dict-subclass": Registry(a=1, b=2),
        "set-subclass": Tags({1, 2}),
        "reduced": Reduced(),
        "stated": Stated(),
        "keyworded": Keyworded(size=3),
        "array-subclass": np.arange(3).view(Array),
        "function": double,
        "class": Settings,
        "pipeline-function": pipeline.Pipeline(steps).fit(np.eye(3)),
        "pipeline-partial": partial.fit(np.eye(3)),
        "partial": functools.partial(double, values=1),
        "default-dict": collections.defaultdict(Settings, a=Settings()),
        "mixed": {"settings": Settings(1), "weights": np.arange(3), "colour": Colour.RED},
    }


def cases() -> Iterator[Case]:
    """Make a file per value, protocols in turn."""
    for number, (name, value) in enumerate(_values().items()):
        # Before protocol 4 an object with keywords is a call of a partial of an attribute: not something to approve by name.
        for protocol in (4, 5) if name == "keyworded" else sorted({2, 3 + number % 3}):
            yield Case(f"own-{name}-{protocol}.pkl", pickle.dumps(value, protocol))
    yield Case("own-module.pt", saved(Network()), "torch_load")
    yield Case("own-module-legacy.pt", saved(Network(), legacy=True), "torch_load")
    yield Case("own-checkpoint.pt", saved({"settings": Settings(1), "w": torch.ones(2)}), "torch_load")
    yield Case("own-object-array.npy", _object_array(), "numpy_load")
    yield Case("own-two-in-a-row.pkl", pickle.dumps([1]) + pickle.dumps(Settings(1)), "pickle_load_all")


def _object_array() -> bytes:
    import io

    buffer = io.BytesIO()
    np.save(buffer, np.array([Settings(1), None], dtype=object))
    return buffer.getvalue()
