"""Code that came with models: only judged source is compiled, from wherever in the folders of remote code."""

from __future__ import annotations

import compileall
import hashlib
import importlib
import importlib.util
import os
import shutil
import sys
from types import ModuleType

import pytest

from tests.runtime.hooks.locked_hub import locked, refused
from weighlock.lockfile import LockedModel, Lockfile, PathSource
from weighlock.runtime import _code, _finder, install, uninstall

OWN = b"class Model:\n    from .part import SIZE\n"
PART = b"SIZE = 3\n"
FILES = {"modeling.py": OWN, "part.py": PART}
PACKAGE = "transformers_modules/org/tiny/c0ffee"


class Modules:
    """A folder of modules as transformers makes it, with the code of one repository."""

    def __init__(self, folder, marker):
        self.folder = folder
        self.marker = marker
        for path in ("transformers_modules", "transformers_modules/org", "transformers_modules/org/tiny", PACKAGE):
            self.put(f"{path}/__init__.py", b"")
        for path, data in FILES.items():
            self.put(f"{PACKAGE}/{path}", data)

    @property
    def payload(self) -> bytes:
        return f"open({str(self.marker)!r}, 'w').close()\n".encode()

    def put(self, path, data):
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return place

    def guard(self, *, remote_code=True, files=FILES, mode="enforce", policy=""):
        project = self.marker.parent
        model = LockedModel(
            name="org/tiny",
            source=PathSource(path="m"),
            remote_code=remote_code,
            files=tuple(locked(path, data) for path, data in files.items()),
        )
        (project / "models.lock").write_text(Lockfile(models=(model,)).dumps())
        (project / "weighlock.toml").write_text(policy)
        install(mode=mode, lock=str(project / "models.lock"), policy=str(project / "weighlock.toml"))

    def load(self, name="modeling"):
        """Import a module as transformers does, past the finders."""
        full = f"{PACKAGE}/{name}".replace("/", ".")
        spec = importlib.util.spec_from_file_location(full, self.folder / PACKAGE / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
        return module


@pytest.fixture
def modules(tmp_path, monkeypatch):
    importlib.import_module("huggingface_hub.constants")
    folder = tmp_path / "modules"
    monkeypatch.setenv("HF_MODULES_CACHE", str(folder))
    monkeypatch.syspath_prepend(str(folder))
    for name in ("WEIGHLOCK_MODE", "WEIGHLOCK_LOCK", "WEIGHLOCK_POLICY", "WEIGHLOCK_ROOT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield Modules(folder, tmp_path / "marker")
    uninstall()
    for name in [name for name in sys.modules if name.startswith(("transformers_modules", "planted"))]:
        del sys.modules[name]
    importlib.invalidate_caches()


def test_locked_code_runs_with_its_relative_imports(modules):
    modules.guard()
    assert modules.load().Model.SIZE == 3
    assert importlib.import_module(f"{PACKAGE}.part".replace("/", ".")).SIZE == 3


def test_code_of_a_model_without_remote_code_does_not_run(modules):
    modules.guard(remote_code=False)
    with refused("remote-code", "the import of"):
        modules.load()


def test_a_poisoned_copy_in_the_folder_of_modules_does_not_run(modules):
    place = modules.put(f"{PACKAGE}/modeling.py", OWN + modules.payload)
    modules.guard()
    with refused("changed", str(place), "it is not the modeling.py that the lockfile lists"):
        modules.load()
    assert not modules.marker.exists()


def test_a_poisoned_relative_import_does_not_run(modules):
    modules.put(f"{PACKAGE}/part.py", PART + modules.payload)
    modules.guard()
    with refused("changed", "part.py"):
        modules.load()
    assert not modules.marker.exists()


def test_a_relative_import_that_is_not_locked_does_not_run(modules):
    modules.guard(files={"modeling.py": OWN})
    with refused("not-in-lock", "part.py"):
        modules.load()


@pytest.mark.parametrize("parent", ["transformers_modules", "transformers_modules/org", PACKAGE])
def test_code_planted_in_a_parent_package_does_not_run(modules, parent):
    modules.put(f"{parent}/__init__.py", modules.payload)
    modules.guard()
    with refused("not-in-lock", "__init__.py"):
        modules.load()
    assert not modules.marker.exists()


def test_a_planted_package_beside_the_modules_does_not_run(modules):
    modules.put("planted/__init__.py", modules.payload)
    modules.guard()
    with refused("not-in-lock"):
        importlib.import_module("planted")
    assert not modules.marker.exists()


def test_compiled_code_beside_locked_source_is_not_read(modules):
    place = modules.folder / PACKAGE / "part.py"
    times = place.stat()
    place.write_bytes(modules.payload)
    os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))
    compileall.compile_file(
        str(place), quiet=2, invalidation_mode=importlib.import_module("py_compile").PycInvalidationMode.UNCHECKED_HASH
    )
    place.write_bytes(PART)
    modules.guard()
    assert modules.load().Model.SIZE == 3
    assert not modules.marker.exists()


def test_compiled_code_without_source_does_not_run(modules):
    place = modules.put("planted.py", modules.payload)
    compileall.compile_file(str(place), quiet=2, legacy=True)
    place.unlink()
    modules.guard()
    with refused("remote-code", "it is compiled code without its source"):
        importlib.import_module("planted")
    assert not modules.marker.exists()


def test_native_code_does_not_run(modules):
    native = importlib.util.find_spec("_ctypes").origin
    shutil.copy(native, modules.folder / f"planted{importlib.machinery.EXTENSION_SUFFIXES[0]}")
    modules.guard()
    with refused("remote-code", "it is native code"):
        importlib.import_module("planted")


def test_a_link_into_the_folder_of_modules_hides_nothing(modules, tmp_path, monkeypatch):
    modules.put("planted.py", modules.payload)
    (tmp_path / "link").symlink_to(modules.folder)
    monkeypatch.syspath_prepend(str(tmp_path / "link"))
    modules.guard()
    with refused("not-in-lock"):
        importlib.import_module("planted")


def test_a_link_out_of_the_folder_of_modules_hides_nothing(modules, tmp_path):
    (tmp_path / "elsewhere.py").write_bytes(modules.payload)
    (modules.folder / "planted.py").symlink_to(tmp_path / "elsewhere.py")
    modules.guard()
    with refused("not-in-lock"):
        importlib.import_module("planted")


def test_locked_code_under_another_name_does_not_run(modules):
    modules.put("planted.py", PART)
    modules.guard()
    with refused("not-in-lock"):
        importlib.import_module("planted")


def test_unlocked_inspect_does_not_admit_code(modules):
    modules.guard(files={"other.py": b"1"}, policy='unlocked = "inspect"\n')
    with refused("not-in-lock"):
        modules.load()


def test_a_name_of_remote_code_is_judged_wherever_its_file_lies(modules, tmp_path):
    place = tmp_path / "anywhere.py"
    place.write_bytes(modules.payload)
    modules.guard()
    spec = importlib.util.spec_from_file_location("transformers_modules.x", place)
    with refused("not-in-lock"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_a_gate_that_warns_lets_code_run_and_says_so(modules, capsys):
    modules.guard(remote_code=False, mode="warn")
    assert modules.load().Model.SIZE == 3
    assert "would refuse the import of" in capsys.readouterr().err


def test_code_of_the_program_is_none_of_the_guards_business(modules, tmp_path):
    place = tmp_path / "mine.py"
    place.write_bytes(b"VALUE = 1\n")
    modules.guard()
    spec = importlib.util.spec_from_file_location("mine", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.VALUE == 1


def test_without_the_guard_python_imports_as_before(modules):
    modules.guard()
    assert "huggingface_hub.constants" in _finder.patched()
    uninstall()
    modules.put(f"{PACKAGE}/part.py", PART + b"# changed\n")
    assert modules.load().Model.SIZE == 3


def test_a_library_that_runs_code_in_another_way_fails_the_import():
    def executes(source):
        exec(source)  # noqa: S102 - never called

    library = ModuleType("library")
    library.run = executes
    with pytest.raises(LookupError, match="does not import modules as it used to"):
        _code.require_importing(library, "run")
    with pytest.raises(LookupError, match="gone"):
        _code.require_importing(library, "gone")


def test_the_digest_is_that_of_what_is_compiled(modules):
    modules.put(f"{PACKAGE}/modeling.py", modules.payload)
    modules.guard()
    with refused("changed") as caught:
        modules.load()
    assert hashlib.sha256(modules.payload).hexdigest() in str(caught.value)
