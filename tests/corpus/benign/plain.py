"""Plain Python, by every protocol."""

from __future__ import annotations

import argparse
import array
import collections
import datetime
import decimal
import fractions
import io
import pathlib
import pickle
import random
import types
import uuid
import zoneinfo
from collections.abc import Iterator

from tests.corpus.case import Case


def _recursive() -> list[object]:
    loop: list[object] = [1]
    loop.append(loop)
    loop.append({"self": loop})
    return loop


def _shared() -> list[object]:
    part = {"a": [1, 2]}
    return [part, part, (part, part["a"])]


def _deep(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


def _default_dicts() -> dict[str, object]:
    nested = collections.defaultdict(list, a=[1])
    counts = collections.defaultdict(int, b=2)
    inner = collections.defaultdict(dict, c={1: 2})
    return {
        "list": nested,
        "int": counts,
        "dict": inner,
        "set": collections.defaultdict(set),
        "none": collections.defaultdict(None),
    }


#: Values that every protocol can write.
VALUES: dict[str, object] = {
    "scalars": [None, True, False, 0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, -(2**31), 2**31, 2**63, -(2**63)],
    "big-ints": [10**30, -(10**400), 2**4000, 1 << 255 * 8],
    "floats": [0.0, -0.0, 1.5, 1e308, float("inf"), float("-inf"), float("nan"), 5e-324],
    "complex": [1j, complex(1.5, -2), complex("nan")],
    "texts": ["", "weights", "é\u20ac\U0001f600", "\x00\n\r\\'\"", "x" * 70_000, "\udc80"],
    "bytes": [b"", b"abc", bytes(range(256)), b"x" * 70_000],
    "bytearrays": [bytearray(), bytearray(b"abc"), bytearray(bytes(range(256)) * 300)],
    "containers": [
        [],
        {},
        (),
        set(),
        frozenset(),
        [1],
        {"a": 1},
        (1,),
        (1, 2),
        (1, 2, 3),
        (1, 2, 3, 4),
        {1, 2},
        frozenset("ab"),
    ],
    "long-containers": [list(range(3000)), {i: str(i) for i in range(3000)}, set(range(3000)), tuple(range(3000))],
    "nested": {"layers": [{"w": [(1.0, 2.0)] * 3, "b": {"k": {1, 2}}}] * 4},
    "recursive": _recursive(),
    "shared": _shared(),
    "deep": _deep(200),
    "ordered-dict": collections.OrderedDict(a=1, b=[2], c=collections.OrderedDict()),
    "default-dicts": _default_dicts(),
    "deque": [collections.deque([1, 2, 3]), collections.deque([1], maxlen=4)],
    "counter": collections.Counter("mississippi"),
    "dates": [
        datetime.date(2024, 2, 29),
        datetime.time(1, 2, 3, 4),
        datetime.datetime(2024, 1, 2, 3, 4, 5, 6),
        datetime.timedelta(days=-1, microseconds=7),
    ],
    "time-zones": [
        datetime.UTC,
        datetime.timezone(datetime.timedelta(hours=5, minutes=30), "IST"),
        datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
        datetime.datetime(2024, 10, 27, 2, 30, fold=1),
    ],
    "zones": [zoneinfo.ZoneInfo("Europe/Zurich"), datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("UTC"))],
    "decimals": [
        decimal.Decimal("1.10"),
        decimal.Decimal("NaN"),
        decimal.Decimal("-Infinity"),
        decimal.Decimal("1e-50"),
    ],
    "fractions": [fractions.Fraction(1, 3), fractions.Fraction(-7)],
    "uuids": [uuid.UUID(int=5), uuid.UUID("12345678-1234-5678-1234-567812345678")],
    "paths": [pathlib.PurePosixPath("a/b"), pathlib.PurePosixPath("/"), pathlib.PureWindowsPath("c:/x")],
    "concrete-path": pathlib.PosixPath("/tmp/model"),
    "ranges": [range(0), range(1, 10, 2), slice(1, None, -1), slice(None)],
    "ellipsis-and-friends": [Ellipsis, NotImplemented],
    "simple-namespace": types.SimpleNamespace(lr=0.1, layers=[1, 2], inner=types.SimpleNamespace()),
    "arguments": argparse.Namespace(lr=1e-3, epochs=3, name="run", tags=["a"], nested=argparse.Namespace(x=None)),
    "arrays": [
        array.array("d", [1.0, 2.0]),
        array.array("i", range(100)),
        array.array("u", "text"),
        array.array("B", b"ab"),
    ],
    "random-state": random.Random(1).getstate(),
    "training-log": {
        "epoch": 3,
        "metrics": [{"loss": 0.25, "when": datetime.datetime(2024, 1, 1)}],
        "best": (0.9, "acc"),
    },
    "types": {"int": int, "float": float, "str": str, "list": list, "dict": dict, "bool": bool, "tuple": tuple},
    "exceptions": [ValueError("bad", 3), KeyError("k"), OSError(2, "absent")],
}


def _framed() -> bytes:
    """Write many frames, with a payload that is too long for one."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, 4)
    pickler.dump([b"x" * 200_000, ["line"] * 50_000, "y" * 200_000])
    return buffer.getvalue()


def _memo_shared() -> bytes:
    """Write several pickles with one pickler, so that later ones refer to the memo of earlier ones."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, 3)
    pickler.dump(["a", "b"])
    pickler.clear_memo()
    pickler.dump({"a": ["b"]})
    return buffer.getvalue()


def _optimised(value: object) -> bytes:
    import pickletools

    return pickletools.optimize(pickle.dumps(value, 4))


def cases() -> Iterator[Case]:
    """Make a file per value and protocol, the protocols shared out so that each meets each kind of value."""
    for number, (name, value) in enumerate(VALUES.items()):
        protocols = (
            range(6) if name in {"scalars", "containers", "nested", "texts", "bytes"} else (number % 3, 3 + number % 3)
        )
        for protocol in protocols:
            yield Case(f"plain-{name}-{protocol}.pkl", pickle.dumps(value, protocol))
    values = {name: value for name, value in VALUES.items() if name != "recursive"}
    for protocol in (0, 2, 4, 5):
        yield Case(f"plain-everything-{protocol}.pickle", pickle.dumps(values, protocol))
    yield Case("plain-by-python-pickler.pkl", pickle._dumps(values, 4))
    yield Case("plain-optimised.pkl", _optimised(values))
    yield Case("plain-framed.pkl", _framed())
    yield Case("plain-no-memo.pkl", _fast([[1, 2], {"a": (3,)}, "text"]))
    yield Case(
        "plain-five-in-a-row.pkl",
        b"".join(pickle.dumps(value, 4) for value in (1, "a", [2], {"b": 3}, None)),
        "pickle_load_all",
    )
    yield Case(
        "plain-mixed-protocols.pkl", b"".join(pickle.dumps([1, {"a": "b"}], n) for n in range(6)), "pickle_load_all"
    )
    yield Case("plain-one-pickler.pkl", _memo_shared(), "pickle_load_all")


def _fast(value: object) -> bytes:
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, 4)
    pickler.fast = True
    pickler.dump(value)
    return buffer.getvalue()
