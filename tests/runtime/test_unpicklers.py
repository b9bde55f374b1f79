"""Unpicklers that answer names by themselves, and the file behind every unpickler."""

from __future__ import annotations

import _pickle
import abc
import builtins
import functools
import gzip
import importlib
import io
import os
import pathlib
import pickle
import shelve
import sys
import tarfile
import types

import cloudpickle
import dill
import numpy as np
import pytest

import weighlock.runtime
from weighlock.errors import LoadRefused

MKDIR = {"outcome": "needs-approval", "imports": ("posix.mkdir",), "needs": ("posix.mkdir",)}


def _import(module, name):
    """What an override does that never asks Python's own unpickler: no audit event is raised."""
    return getattr(importlib.import_module(module), name)


class Early(pickle.Unpickler):
    def find_class(self, module, name):
        return _import(module, name)


class EarlyPython(pickle._Unpickler):
    def find_class(self, module, name):
        return _import(module, name)


class Mixin:
    def find_class(self, module, name):
        return _import(module, name)


class EarlyMixed(Mixin, pickle.Unpickler):
    pass


class EarlyLoading(pickle.Unpickler):
    """Calls the original load by way of `super`."""

    def load(self):
        return super().load()

    def find_class(self, module, name):
        return _import(module, name)


class EarlyGrandchild(EarlyLoading):
    def load(self):
        return super().load()


EARLY_KIND = pickle.Unpickler
CONTAINER = {"unpickler": pickle.Unpickler, "load": pickle.load}


class Registry:
    unpickler = pickle.Unpickler
    load = pickle.load


def _closure():
    unpickler = pickle.Unpickler
    return lambda: unpickler


CLOSURE = _closure()
TYPES = {"pickle": pickle.Unpickler}
INSTANCE = types.SimpleNamespace(unpickler=pickle.Unpickler)


class Holder:
    def __init__(self):
        self.unpickler = pickle.Unpickler
        self.loaded = []


HOLDER = Holder()


def _default(unpickler=pickle.Unpickler):
    return unpickler


def _keyword(*, unpickler=pickle.Unpickler):
    return unpickler


def _derived(base):
    return type("Derived", (base,), {"find_class": lambda self, module, name: _import(module, name)})


def _assigned_to_the_class(base):
    kind = type("Derived", (base,), {})
    kind.find_class = lambda self, module, name: _import(module, name)
    return kind


def _assigned_to_the_instance(base):
    kind = type("Derived", (base,), {})

    def make(file, **options):
        unpickler = kind(file, **options)
        unpickler.find_class = _import
        return unpickler

    return make


class LookingUp:
    """Has no `find_class` that could be seen, and answers when it is asked for one."""

    def __getattribute__(self, name):
        return _import if name == "find_class" else object.__getattribute__(self, name)


def _from_before_another_import():
    before = sys.modules.pop("pickle")
    try:
        importlib.import_module("pickle")
        return _derived(before._Unpickler)
    finally:
        sys.modules["pickle"] = before


class Abstract(abc.ABC):
    @abc.abstractmethod
    def find_class(self, module, name): ...


KINDS = {
    "made early": lambda: Early,
    "made early, of Python": lambda: EarlyPython,
    "made early, other base first": lambda: EarlyMixed,
    "made early, load overridden": lambda: EarlyLoading,
    "made early, load overridden twice": lambda: EarlyGrandchild,
    "derived": lambda: _derived(pickle.Unpickler),
    "derived from _pickle": lambda: _derived(_pickle.Unpickler),
    "derived from the pure Python one": lambda: _derived(pickle._Unpickler),
    "derived from a name bound early": lambda: _derived(globals()["EARLY_KIND"]),
    "derived from a container": lambda: _derived(CONTAINER["unpickler"]),
    "derived from an attribute of a class": lambda: _derived(Registry.unpickler),
    "derived from a closure": lambda: _derived(CLOSURE()),
    "derived from a table of types": lambda: _derived(TYPES["pickle"]),
    "derived from a namespace": lambda: _derived(INSTANCE.unpickler),
    "derived from an attribute": lambda: _derived(HOLDER.unpickler),
    "derived from a keyword default": lambda: _derived(_keyword()),
    "derived from a default": lambda: _derived(_default()),
    "derived from what was derived early": lambda: _derived(Early),
    "other base first": lambda: type("Derived", (Mixin, pickle.Unpickler), {}),
    "abstract base": lambda: type(Abstract)("Derived", (pickle.Unpickler, Abstract), {"find_class": Mixin.find_class}),
    "assigned to the class": lambda: _assigned_to_the_class(pickle.Unpickler),
    "assigned to the pure Python class": lambda: _assigned_to_the_class(pickle._Unpickler),
    "assigned to the instance": lambda: _assigned_to_the_instance(pickle.Unpickler),
    "assigned to the pure Python instance": lambda: _assigned_to_the_instance(pickle._Unpickler),
    "static method": lambda: type("Derived", (pickle.Unpickler,), {"find_class": staticmethod(_import)}),
    "partial": lambda: type("Derived", (pickle.Unpickler,), {"find_class": functools.partial(_import)}),
    "looks names up by itself": lambda: type("Derived", (pickle.Unpickler,), dict(vars(LookingUp))),
    "a base looks names up by itself": lambda: type("Derived", (LookingUp, pickle.Unpickler), {}),
    "the pure Python one looks names up by itself": lambda: type("Derived", (LookingUp, pickle._Unpickler), {}),
    "from before pickle was imported again": _from_before_another_import,
    "dill": lambda: _derived(dill.Unpickler),
    "cloudpickle": lambda: _derived(getattr(cloudpickle, "Unpickler", pickle.Unpickler)),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


STREAMS = [
    b"(S'marker'\niposix\nmkdir\n.",
    b"cposix\nmkdir\n(S'marker'\ntR.",
    b"\x80\x04\x8c\x05posix\x8c\x05mkdir\x93.",
]


@every_kind
def test_a_find_class_that_imports_by_itself_is_asked_for_admitted_names_only(bench, kind):
    """In memory, in a file whose approval names something else, by every opcode that asks; one start of the guard."""
    streams = [bench.payload, *STREAMS]
    pathlib.Path("odd.pkl").write_bytes(bench.payload)
    pathlib.Path("other.pkl").write_bytes(bench.payload + b"N.")
    pathlib.Path("unlisted.pkl").write_bytes(pickle.dumps([1]))
    bench.lock("odd.pkl", **MKDIR, approved=("posix.mkdir",))
    bench.lock(
        "other.pkl", outcome="needs-approval", imports=("os.mkdir",), needs=("os.mkdir",), approved=("os.mkdir",)
    )
    bench.guard()
    for stream in streams:
        with pytest.raises(LoadRefused, match=r"posix\.mkdir"):
            KINDS[kind]()(io.BytesIO(stream)).load()
    with open("other.pkl", "rb") as file, pytest.raises(LoadRefused, match=r"of other\.pkl(.|\n)*posix\.mkdir"):
        KINDS[kind]()(file).load()
    with open("unlisted.pkl", "rb") as file, pytest.raises(LoadRefused, match="not in the lockfile"):
        KINDS[kind]()(file).load()
    assert not bench.marker.exists()
    with open("odd.pkl", "rb") as file:
        KINDS[kind]()(file).load()
    assert bench.marker.exists()


def test_a_class_made_from_a_forgotten_reference_is_guarded_once_a_file_is_opened(bench):
    forgotten = (pickle.Unpickler,)
    pathlib.Path("evil.pkl").write_bytes(bench.payload)
    bench.guard()
    kind = _derived(forgotten[0])
    with open("evil.pkl", "rb") as file, pytest.raises(LoadRefused):
        kind(file).load()
    assert not bench.marker.exists()


class Honest(pickle.Unpickler):
    """As documentation of Python shows it: only a few names of builtins."""

    def find_class(self, module, name):
        if module == "builtins" and name in {"set", "range"}:
            return getattr(builtins, name)
        raise pickle.UnpicklingError(f"global '{module}.{name}' is forbidden")


def test_an_unpickler_with_an_allowlist_of_its_own_works(bench):
    bench.guard()
    assert Honest(io.BytesIO(pickle.dumps({1, 2}, 3))).load() == {1, 2}
    with pytest.raises(pickle.UnpicklingError, match="forbidden"):
        Honest(io.BytesIO(pickle.dumps(bytearray(b"x"), 3))).load()


def test_an_unpickler_keeps_what_else_it_does(bench):
    class Ours(pickle.Unpickler):
        def __init__(self, file, *, registry, **options):
            super().__init__(file, **options)
            self.registry = registry

        def persistent_load(self, key):
            return self.registry[key]

    bench.guard()
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, 5)
    pickler.persistent_id = lambda thing: "one" if thing == "ONE" else None
    pickler.dump(["ONE", "two"])
    stream.seek(0)
    late = type("Late", Ours.__bases__, {"persistent_load": lambda self, key: key.upper()})
    assert late(stream, fix_imports=False, encoding="utf-8", errors="strict", buffers=None).load() == ["ONE", "two"]
    stream.seek(0)
    unpickler = Ours(stream, registry={"one": 1}, encoding="bytes")
    assert unpickler.load() == [1, "two"]
    assert unpickler.registry == {"one": 1}
    buffers = []
    data = pickle.dumps(pickle.PickleBuffer(bytearray(b"abc")), 5, buffer_callback=buffers.append)
    assert pickle.Unpickler(io.BytesIO(data), buffers=buffers).load() == bytearray(b"abc")
    with pytest.raises(AttributeError):
        pickle.Unpickler(stream).find_class = None
    with pytest.raises(pickle.UnpicklingError, match="not called"):
        pickle.Unpickler.__new__(pickle.Unpickler).load()
    with pytest.raises(TypeError):
        pickle.Unpickler(3)


def test_types_stay_what_they_were(bench):
    before = pickle.Unpickler
    early = Early(io.BytesIO(b"N."))
    bench.guard()
    assert pickle.Unpickler is _pickle.Unpickler is Registry.unpickler is not before
    assert isinstance(early, pickle.Unpickler)
    assert issubclass(Early, pickle.Unpickler)
    assert isinstance(pickle.Unpickler(io.BytesIO()), before)
    assert not isinstance(early, _derived(pickle.Unpickler))
    assert not issubclass(int, pickle.Unpickler)
    assert not isinstance(3, pickle.Unpickler)
    assert pickle.loads(pickle.dumps([])) == []
    assert repr(pickle.Unpickler) == repr(before)
    assert repr(pickle.load).startswith("<built-in function load")
    assert pickle.dumps(pickle.load) == pickle.dumps(pickle.load)
    weighlock.runtime.uninstall()
    assert pickle.Unpickler is _pickle.Unpickler is Registry.unpickler is CLOSURE() is _default() is before
    assert {"unpickler": before, "load": pickle.load} == CONTAINER
    assert "__getattribute__" not in vars(Early)
    assert early.load() is None


def test_a_guarded_function_does_not_become_a_method(bench):
    bench.guard()
    late = type("Codec", (), {"loads": pickle.loads})
    assert late().loads(pickle.dumps([1])) == [1]
    with pytest.raises(LoadRefused):
        late().loads(bench.payload)
    assert not bench.marker.exists()
    stream = io.BytesIO(pickle.dumps([1]))
    assert Registry().load(stream) == [1]


def test_what_outlives_the_guard_judges_nothing_any_more(bench):
    bench.guard()
    kind = _derived(pickle.Unpickler)
    load = pickle.load
    weighlock.runtime.uninstall()
    assert kind(io.BytesIO(pickle.dumps(Honest))).load() is Honest
    assert load(io.BytesIO(pickle.dumps(Honest))) is Honest


def test_several_loads_from_one_file_are_judged_from_where_they_begin(bench):
    """A harmless row, and a payload at an offset that only the program knows."""
    row = b"".join(pickle.dumps([n]) for n in range(3))
    pathlib.Path("row.pkl").write_bytes(row + b"\xff" * 7 + bench.payload)
    bench.policy('unlocked = "inspect"')
    bench.guard()
    with open("row.pkl", "rb") as file:
        unpickler = pickle.Unpickler(file)
        assert [unpickler.load() for _ in range(3)] == [[0], [1], [2]]
        file.seek(0)
        assert [pickle.load(file) for _ in range(3)] == [[0], [1], [2]]
        file.seek(len(row) + 7)
        with pytest.raises(LoadRefused):
            pickle.load(file)
    assert not bench.marker.exists()


def test_a_row_of_pickles_is_inspected_once(bench, monkeypatch):
    from weighlock import inspector

    pathlib.Path("row.pkl").write_bytes(b"".join(pickle.dumps({n: np.arange(3)}) for n in range(20)))
    bench.policy('unlocked = "inspect"')
    bench.guard()
    calls = []
    original = inspector.inspect
    monkeypatch.setattr(
        inspector, "inspect", lambda source, **options: calls.append(source) or original(source, **options)
    )
    with open("row.pkl", "rb") as file:
        assert [next(iter(pickle.load(file))) for _ in range(20)] == list(range(20))
    assert len(calls) == 1


def test_a_row_that_changes_under_its_reader_is_judged_again(bench):
    first = pickle.dumps([1])
    pathlib.Path("row.pkl").write_bytes(first + pickle.dumps([2]))
    bench.policy('unlocked = "inspect"')
    bench.guard()
    with open("row.pkl", "rb", buffering=0) as file:
        assert pickle.load(file) == [1]
        pathlib.Path("row.pkl").write_bytes(first + bench.payload)
        with pytest.raises(LoadRefused):
            pickle.load(file)
    assert not bench.marker.exists()


LOADS = {
    "pickle": lambda file: pickle.Unpickler(file).load(),
    "dill": lambda file: dill.load(file),
    "cloudpickle": lambda file: cloudpickle.load(file),
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_arrays_in_a_locked_file_load_through_every_unpickler(bench, load):
    for name, opener in {"array.pkl": open, "array.pkl.gz": gzip.open}.items():
        with opener(name, "wb") as file:
            pickle.dump({"a": np.arange(3.0)}, file)
        bench.lock(name)
    bench.guard()
    for name, opener in {"array.pkl": open, "array.pkl.gz": gzip.open}.items():
        with opener(name, "rb") as file:
            assert load(file)["a"].sum() == 3


def test_a_member_of_a_tar_belongs_to_the_tar(bench):
    with tarfile.open("odd.tar", "w") as archive:
        pathlib.Path("a.pkl").write_bytes(pickle.dumps([1]))
        archive.add("a.pkl")
    bench.guard()
    with tarfile.open("odd.tar") as archive, pytest.raises(LoadRefused, match=r"odd\.tar"):
        pickle.load(archive.extractfile("a.pkl"))


def test_a_stream_of_lz4_belongs_to_its_file(bench):
    lz4 = pytest.importorskip("lz4.frame")
    with lz4.open("odd.lz4", "wb") as file:
        file.write(pickle.dumps([1]))
    bench.guard()
    with lz4.open("odd.lz4", "rb") as file, pytest.raises(LoadRefused, match=r"odd\.lz4"):
        pickle.load(file)


def test_arrays_in_a_shelf_load_and_payloads_do_not(bench):
    with shelve.open("shelf") as shelf:
        shelf["array"] = np.arange(4.0)
        shelf.dict[b"evil"] = bench.payload
        shelf.dict[b"evil array"] = pickle.dumps([np.arange(3), Bomb(bench.marker)])
    bench.guard()
    with shelve.open("shelf") as shelf:
        assert shelf["array"].sum() == 6
        for key in ("evil", "evil array"):
            with pytest.raises(LoadRefused):
                shelf[key]
    assert not bench.marker.exists()


class Bomb:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_a_dill_file_with_approved_names_loads(bench):
    pathlib.Path("odd.pkl").write_bytes(bench.payload)
    bench.lock("odd.pkl", **MKDIR, approved=("posix.mkdir",))
    bench.guard()
    with open("odd.pkl", "rb") as file:
        dill.load(file)
    assert bench.marker.exists()


def test_a_python_whose_pickle_is_built_in_is_guarded(bench, monkeypatch):
    import sys

    from weighlock.runtime import _finder

    name = next(name for name in ("_symtable", "_tracemalloc", "atexit") if name in sys.builtin_module_names)
    hook = type(sys)("weighlock.runtime.hooks.built_in")
    hook.patch = lambda module, patches: patches.override(module, "guarded", "yes")
    monkeypatch.setitem(sys.modules, hook.__name__, hook)
    monkeypatch.setitem(_finder.HOOKS, name, "built_in")
    monkeypatch.delitem(sys.modules, name, raising=False)
    bench.guard()
    assert importlib.import_module(name).guarded == "yes"


def test_an_unpickler_that_hides_its_file_fails_the_start(bench, monkeypatch):
    from weighlock.errors import GuardError
    from weighlock.runtime import _unpicklers

    monkeypatch.setattr(_unpicklers, "file_of", lambda unpickler: None)
    with pytest.raises(GuardError, match="does not show what it reads from"):
        bench.guard()
