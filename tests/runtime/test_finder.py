"""The finder patches guarded libraries as they are imported, or fails that import."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
import types

import pytest

import weighlock.runtime
from weighlock.errors import GuardError
from weighlock.runtime import _finder
from weighlock.runtime._patch import Patches

LIBRARY = """
__version__ = "9.1"
def load(file):
    return "unguarded"
"""


@pytest.fixture
def library(bench, monkeypatch):
    """A library called `guarded_library`, and a hook for it that a test may change."""
    (bench.folder / "guarded_library.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(bench.folder))
    hook = types.ModuleType("weighlock.runtime.hooks.guarded_library")
    hook.patch = lambda module, patches: patches.swap_code(module.load, lambda *args, **kwargs: "guarded")
    monkeypatch.setitem(sys.modules, hook.__name__, hook)
    monkeypatch.setitem(_finder.HOOKS, "guarded_library", "guarded_library")
    yield hook
    weighlock.runtime.uninstall()
    sys.modules.pop("guarded_library", None)


def test_a_library_is_patched_right_after_it_was_executed(bench, library):
    bench.guard()
    assert importlib.import_module("guarded_library").load("x") == "guarded"
    assert "guarded_library" in _finder.patched()


def test_of_two_hooks_of_one_module_neither_is_forgotten(bench, library, monkeypatch):
    second = types.ModuleType("weighlock.runtime.hooks.guarded_library_too")
    second.patch = lambda module, patches: patches.replace(module, "VALUE", "guarded too")
    monkeypatch.setitem(sys.modules, second.__name__, second)
    monkeypatch.setitem(_finder.HOOKS, "guarded_library", ("guarded_library", "guarded_library_too"))
    (bench.folder / "guarded_library.py").write_text(f"VALUE = 1\n{LIBRARY}")
    bench.guard()
    module = importlib.import_module("guarded_library")
    assert (module.load("x"), module.VALUE) == ("guarded", "guarded too")
    assert _finder.choke_points()["guarded_library"] == ("load", "VALUE")
    weighlock.runtime.uninstall()
    assert (module.load("x"), module.VALUE) == ("unguarded", 1)


def test_where_the_second_of_two_hooks_fails_the_first_is_undone(bench, library, monkeypatch):
    monkeypatch.setitem(_finder.HOOKS, "guarded_library", ("guarded_library", "no_such_hook"))
    bench.guard()
    with pytest.raises(GuardError, match="cannot guard guarded_library"):
        importlib.import_module("guarded_library")
    assert "guarded_library" not in _finder.patched()


def test_a_library_that_is_imported_already_is_patched_and_so_are_names_bound_early(bench, library):
    early = importlib.import_module("guarded_library").load
    bench.guard()
    assert early("x") == "guarded"
    weighlock.runtime.uninstall()
    assert early("x") == "unguarded"


def test_a_reloaded_library_is_patched_again_and_freed_in_the_end(bench, library):
    bench.guard()
    module = importlib.import_module("guarded_library")
    assert importlib.reload(module).load("x") == "guarded"
    weighlock.runtime.uninstall()
    assert module.load("x") == "unguarded"


def test_what_was_bound_before_a_reload_stays_guarded_and_is_freed_in_the_end(bench, library):
    bench.guard()
    module = importlib.import_module("guarded_library")
    early = module.load
    for _ in range(2):
        importlib.reload(module)
        assert (early("x"), module.load("x")) == ("guarded", "guarded")
    weighlock.runtime.uninstall()
    assert (early("x"), module.load("x")) == ("unguarded", "unguarded")


def test_a_library_that_was_deleted_and_imported_again_frees_neither_copy(bench, library):
    bench.guard()
    first = importlib.import_module("guarded_library")
    del sys.modules["guarded_library"]
    second = importlib.import_module("guarded_library")
    assert first is not second
    assert (first.load("x"), second.load("x")) == ("guarded", "guarded")
    weighlock.runtime.uninstall()
    assert (first.load("x"), second.load("x")) == ("unguarded", "unguarded")


def test_after_a_reload_a_replaced_name_means_what_the_module_made_of_it(bench, library):
    library.patch = lambda module, patches: patches.replace(module, "load", lambda file: "guarded")
    bench.guard()
    module = importlib.import_module("guarded_library")
    importlib.reload(module)
    fresh = LIBRARY.replace("unguarded", "newer")
    (bench.folder / "guarded_library.py").write_text(f"{fresh}# longer, so that no compiled file fits\n")
    importlib.reload(module)
    assert module.load("x") == "guarded"
    weighlock.runtime.uninstall()
    assert module.load("x") == "newer"


def test_a_missing_choke_point_fails_the_import_and_names_the_version(bench, library):
    library.patch = lambda module, patches: patches.replace(module, "gone", None)
    bench.guard()
    with pytest.raises(GuardError, match=r"cannot guard guarded_library 9\.1: .*guarded_library\.gone does not exist"):
        importlib.import_module("guarded_library")
    assert "guarded_library" not in sys.modules


def test_a_missing_choke_point_of_an_imported_library_fails_the_start_and_leaves_nothing_patched(bench, library):
    early = importlib.import_module("guarded_library").load
    library.patch = lambda module, patches: (
        patches.swap_code(module.load, lambda *args: "guarded"),
        patches.replace(module, "gone", None),
    )
    with pytest.raises(GuardError, match="gone does not exist"):
        bench.guard()
    assert early("x") == "unguarded"
    assert not weighlock.runtime.active()
    assert _finder.FINDER not in sys.meta_path


def test_a_broken_hook_fails_the_import_every_time(bench, library):
    library.patch = lambda module, patches: 1 / 0
    bench.guard()
    for _ in range(2):
        with pytest.raises(GuardError, match="ZeroDivisionError"):
            importlib.import_module("guarded_library")


def test_an_import_hook_that_gets_in_front_does_not_free_a_library(bench, library, monkeypatch):
    class Greedy:
        def find_spec(self, name, path=None, target=None):
            return importlib.machinery.PathFinder.find_spec(name, path, target)

    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    bench.guard()
    sys.meta_path.insert(0, Greedy())
    assert __import__("guarded_library").load("x") == "guarded"


def test_an_import_path_that_was_emptied_of_the_finder_gets_it_back(bench, library):
    bench.guard()
    sys.meta_path.remove(_finder.FINDER)
    assert __import__("guarded_library").load("x") == "guarded"


def test_a_lazily_loaded_library_is_patched_when_it_is_executed(bench, library):
    bench.guard()
    spec = importlib.util.find_spec("guarded_library")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.load("x") == "guarded"


def test_a_loader_that_cannot_be_wrapped_fails_the_import(bench, library, monkeypatch):
    class Frozen:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "guarded_library":
                return importlib.machinery.ModuleSpec(name, importlib.machinery.BuiltinImporter)
            return None

    bench.guard()
    monkeypatch.setattr(sys, "meta_path", [_finder.FINDER, Frozen, *sys.meta_path[1:]])
    with pytest.raises(GuardError, match="cannot be wrapped"):
        importlib.import_module("guarded_library")


def test_other_modules_are_left_to_other_finders(bench):
    assert _finder.FINDER.find_spec("json") is None
    assert _finder.FINDER.find_spec("guarded_library_2") is None


def test_a_guarded_library_that_is_not_installed_stays_missing(bench, monkeypatch):
    monkeypatch.setitem(_finder.HOOKS, "no_such_library", "pickle")
    bench.guard()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_library")


def test_installing_twice_is_installing_once(bench):
    bench.guard()
    weighlock.runtime.install()
    assert sys.meta_path.count(_finder.FINDER) == 1


def test_deactivate_leaves_children_alone_too(bench, monkeypatch):
    import os

    bench.write_lock()
    weighlock.activate()
    assert weighlock.runtime.active()
    assert "bootstrap" in os.environ["PYTHONPATH"]
    weighlock.deactivate()
    assert not weighlock.runtime.active()
    assert os.environ["WEIGHLOCK_MODE"] == "off"
    assert "bootstrap" not in os.environ.get("PYTHONPATH", "")
    assert "WEIGHLOCK_ROOT" not in os.environ


def _closure(cell):
    return lambda: cell


@pytest.mark.parametrize("thing", [3, len, type, _closure(1)])
def test_only_a_plain_function_can_have_its_code_swapped(thing):
    with pytest.raises(LookupError, match="not a plain function"):
        Patches().swap_code(thing, print)


def test_a_swapped_function_keeps_name_defaults_and_signature():
    import inspect

    def plain(a, b=2, *, c=3):
        return a, b, c

    before = inspect.signature(plain)
    patches = Patches()
    original = patches.swap_code(plain, lambda *args, **kwargs: ("guarded", args, kwargs))
    assert plain(1, c=4) == ("guarded", (1,), {"c": 4})
    assert original(1) == (1, 2, 3)
    assert inspect.signature(plain) == before
    assert plain.__name__ == "plain"
    patches.undo()
    assert plain(1) == (1, 2, 3)
    assert inspect.signature(plain) == before
