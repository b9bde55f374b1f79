"""Python's unpickler in several copies: where pickle is reloaded or imported anew, who has the old one keeps it."""

from __future__ import annotations

import pathlib
import pickle

import pytest

COPIES = """
import importlib, importlib.util, io, pickle, sys

def reloaded():
    kind = pickle._Unpickler
    importlib.reload(pickle)
    return kind

def imported_anew():
    kind = sys.modules.pop("pickle")._Unpickler
    importlib.import_module("pickle")
    return kind

def under_another_name():
    spec = importlib.util.spec_from_file_location("cucumber", pickle.__file__)
    cucumber = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cucumber)
    return cucumber._Unpickler

def by_itself(self, module, name):
    return getattr(importlib.import_module(module), name)

COPIES = [reloaded(), imported_anew(), under_another_name()]
EARLY = [type("Early", (kind,), {"find_class": by_itself}) for kind in COPIES]
import weighlock.auto
from weighlock.errors import LoadRefused
"""


@pytest.fixture
def files(bench):
    pathlib.Path("evil.pkl").write_bytes(bench.payload)
    pathlib.Path("unlisted.pkl").write_bytes(pickle.dumps([1]))
    pathlib.Path("listed.pkl").write_bytes(pickle.dumps([2]))
    bench.lock("listed.pkl")
    return bench


def test_an_unpickler_from_before_pickle_was_made_anew_is_guarded(files):
    done = files.run(
        COPIES
        + """
LATE = [type("Late", (kind,), {"find_class": by_itself}) for kind in COPIES]
for kind in (*COPIES, *EARLY, *LATE, sys.modules["pickle"]._Unpickler):
    assert kind(open("listed.pkl", "rb")).load() == [2]
    for name, why in ("evil.pkl", "not in the lockfile"), ("unlisted.pkl", "not in the lockfile"), (None, "mkdir"):
        file = open(name, "rb") if name else io.BytesIO(open("evil.pkl", "rb").read())
        try:
            kind(file).load()
        except LoadRefused as error:
            assert why in str(error), error
        else:
            raise SystemExit(f"{kind} read {name or 'a payload in memory'}")
"""
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not files.marker.exists()


def test_joblib_from_before_pickle_was_reloaded_does_not_read_past_a_sealed_copy(files):
    files.policy('verify = "sealed"')
    done = files.run(
        "import joblib\n"
        + COPIES
        + """
for name in ("listed.pkl", "unlisted.pkl"):
    try:
        print(joblib.load(open(name, "rb")))
    except LoadRefused as error:
        assert "cannot be pointed at a copy" in str(error), error
"""
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_copies_are_what_they_were_once_the_guard_is_gone(files):
    done = files.run(
        COPIES
        + """
import weighlock.runtime
weighlock.runtime.uninstall()
for kind in (*COPIES, *EARLY, sys.modules["pickle"]._Unpickler):
    assert kind.load.__module__ != "weighlock.runtime._unpicklers"
    assert not hasattr(kind, "_weighlock_find_class")
    kind(io.BytesIO(b"cos\\ngetcwd\\n.")).load()
"""
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_reloading_pickle_does_not_free_it(files):
    done = files.run(
        """
import io, pickle, weighlock.auto, importlib
from weighlock.errors import LoadRefused

kinds = [pickle._Unpickler]
importlib.reload(pickle)
kinds += [pickle._Unpickler, pickle.Unpickler]
reads = [pickle.load, lambda file: pickle.loads(file.read())]
reads += [lambda file, kind=kind: kind(file).load() for kind in kinds]
for read in reads:
    for name, whole in (("evil.pkl", False), ("evil.pkl", True), ("unlisted.pkl", False)):
        file = open(name, "rb")
        try:
            read(io.BytesIO(file.read()) if whole else file)
        except LoadRefused as error:
            assert whole or "not in the lockfile" in str(error) or read is reads[1], error
        else:
            assert (name, read) == ("unlisted.pkl", reads[1]), (name, reads.index(read))
"""
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not files.marker.exists()
