"""What a guarded program saves with the real libraries: its own bytes load again, and nobody else's."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import pathlib
import pickle
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
import zipfile

import joblib
import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
import torch.package
from joblib import dump as early_joblib_dump
from numpy import save as early_numpy_save
from numpy import savez as early_savez
from safetensors.torch import save_file as early_save_file
from torch import save as early_save

import weighlock.runtime
from weighlock.errors import LoadRefused
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect
from weighlock.own_saves import OwnSaves
from weighlock.runtime import _gate, _saving

CLASSES = """
import os, pickle
class Thing:
    pass
class Broken:
    def __reduce__(self):
        raise RuntimeError("halfway")
class Swaps:
    # Whoever else may write to the folder exchanges the file while it is being saved.
    def __init__(self, path, evil, how):
        self.path, self.evil, self.how = path, evil, how
    def __reduce__(self):
        self.how(self.evil, self.path)
        return (str, ())
"""


@pytest.fixture
def project(bench, monkeypatch):
    """A project under the strict defaults, which trusts what it saves, and a module of its own."""
    (bench.folder / "own_classes.py").write_text(CLASSES)
    monkeypatch.syspath_prepend(str(bench.folder))
    sys.modules.pop("own_classes", None)
    monkeypatch.setenv("WEIGHLOCK_STATE", str(bench.folder / "state"))
    bench.policy("trust-saved = true\n")
    bench.guard()
    return bench


@pytest.fixture
def own(project):
    return importlib.import_module("own_classes")


def _tensors():
    return {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bfloat16), "n": torch.tensor(3)}


def _opened(save):
    def run(value, path):
        with open(path, "wb") as file:
            save(value, file)

    return run


def _from_memory(save):
    def run(value, path):
        memory = io.BytesIO()
        save(value, memory)
        pathlib.Path(path).write_bytes(memory.getvalue())

    return run


def _temporary(value, path):
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as file:
        torch.save(value, file)
    os.rename(file.name, path)


def _unpickled(path):
    with open(path, "rb") as file:
        return pickle.load(file)


def _load_any(path):
    return torch.load(path, weights_only=False)


def _npz(path):
    with np.load(path, allow_pickle=True) as archive:
        return archive["a"]


def _objects(path):
    return np.load(path, allow_pickle=True)


WAYS = {
    "torch": ("f.pt", lambda value, path: torch.save(value, path), _load_any),
    "torch by keyword": ("f.pt", lambda value, path: torch.save(obj=value, f=pathlib.Path(path)), _load_any),
    "torch bound early": ("f.pt", early_save, _load_any),
    "torch not ascii": ("ü.pt", lambda value, path: torch.save(value, path), _load_any),
    "torch legacy": ("f.pt", lambda v, path: torch.save(v, path, _use_new_zipfile_serialization=False), _load_any),
    "torch open file": ("f.pt", _opened(torch.save), _load_any),
    "torch legacy open file": (
        "f.pt",
        _opened(lambda value, file: torch.save(value, file, _use_new_zipfile_serialization=False)),
        _load_any,
    ),
    "torch memory": ("f.pt", _from_memory(torch.save), _load_any),
    "torch temporary file": ("f.pt", _temporary, _load_any),
    "joblib": ("f.joblib", lambda value, path: joblib.dump(value, path), joblib.load),
    "joblib bound early": ("f.joblib", early_joblib_dump, joblib.load),
    "joblib compressed": ("f.joblib", lambda value, path: joblib.dump(value, path, compress=3), joblib.load),
    "joblib by extension": ("f.xz", lambda value, path: joblib.dump(value, path), joblib.load),
    "joblib method": ("f.z", lambda value, path: joblib.dump(value, path, compress=("bz2", 3)), joblib.load),
    "joblib open file": ("f.joblib", _opened(joblib.dump), joblib.load),
    "numpy": ("f.npy", lambda value, path: np.save(path, np.array([value], dtype=object)), _objects),
    "numpy bound early": (
        "f.npy",
        lambda value, path: early_numpy_save(path, np.array([value], dtype=object)),
        _objects,
    ),
    "numpy open file": (
        "f.npy",
        _opened(lambda value, file: np.save(file, np.array([value], dtype=object))),
        _objects,
    ),
    "savez": ("f.npz", lambda value, path: np.savez(path, a=np.array([value], dtype=object)), _npz),
    "savez bound early": ("f.npz", lambda value, path: early_savez(path, a=np.array([value], dtype=object)), _npz),
    "savez compressed": ("f.npz", lambda v, path: np.savez_compressed(path, a=np.array([v], dtype=object)), _npz),
    "pickle": ("f.pkl", _opened(lambda value, file: pickle.dump(value, file, protocol=4)), _unpickled),
}


UNREADABLE = (ValueError, EOFError, KeyError, zipfile.BadZipFile)
"""What numpy says of a file in which it finds no pickle any more."""


def ways():
    """Yield every way to save and to load, each in a folder of its own; a guard for each would take too long."""
    folder = os.getcwd()
    for label, way in WAYS.items():
        print(label)  # noqa: T201 - pytest shows it where a test fails
        os.mkdir(os.path.join(folder, label))
        os.chdir(os.path.join(folder, label))
        yield way
        os.chdir(folder)


@pytest.fixture
def value(own):
    thing = own.Thing()
    thing.data = [1, "two", 3.0]
    return thing


def test_own_classes_load_again_under_the_strict_defaults(project, value):
    for name, save, load in ways():
        save(value, name)
        loaded = load(name)
        loaded = loaded[0] if isinstance(loaded, np.ndarray) else loaded
        assert loaded.data == value.data


def test_a_class_of_the_project_may_import_more_of_the_project_while_it_is_loaded(project):
    imports = "import own_later\n        self.found = own_later.FOUND\n"
    (project.folder / "own_late.py").write_text(f"class Late:\n    def __setstate__(self, _):\n        {imports}")
    (project.folder / "own_later.py").write_text("FOUND = 5\n")
    late = importlib.import_module("own_late").Late()
    late.state = 1
    with open("late.pkl", "wb") as file:
        pickle.dump(late, file)
    assert "own_later" not in sys.modules
    with open("late.pkl", "rb") as file:
        assert pickle.load(file).found == 5


def test_arrays_may_have_any_name(project):
    names = ("original", "self", "target", "args", "kwargs")
    np.savez("named.npz", **dict.fromkeys(names, np.ones(2)))
    np.savez_compressed(file="other.npz", original=np.ones(2))
    assert sorted(np.load("named.npz")) == sorted(names)
    assert list(np.load("other.npz")) == ["original"]


def test_a_copy_and_a_renamed_file_are_the_same_bytes(project, value):
    for name, save, load in ways():
        save(value, name)
        os.mkdir("sub")
        shutil.copy(name, f"sub/{name}")
        os.rename(name, f"copy-{name}")
        load(f"copy-{name}")
        load(f"sub/{name}")


def test_one_changed_byte_ends_the_trust(project, value):
    for name, save, load in ways():
        save(value, name)
        data = bytearray(pathlib.Path(name).read_bytes())
        data[len(data) // 2] ^= 1
        pathlib.Path(name).write_bytes(data)
        with pytest.raises((LoadRefused, *UNREADABLE)) as caught:
            load(name)
        assert caught.type is LoadRefused or name.endswith((".npy", ".npz"))


def test_appended_bytes_end_the_trust(project, value):
    for name, save, load in ways():
        save(value, name)
        with open(name, "ab") as file:
            file.write(b"PK\x05\x06" + bytes(18))
        with pytest.raises((LoadRefused, *UNREADABLE)) as caught:
            load(name)
        assert caught.type is LoadRefused or name.endswith(".npz")


def test_in_another_project_it_is_a_file_from_elsewhere(project, value, monkeypatch, tmp_path_factory):
    for name, save, load in ways():
        save(value, name)
        load(name)
    weighlock.runtime.uninstall()
    other = tmp_path_factory.mktemp("other") / "project"
    shutil.copytree(project.folder, other, ignore=shutil.ignore_patterns("state"))
    for variable in ("WEIGHLOCK_LOCK", "WEIGHLOCK_POLICY", "WEIGHLOCK_ROOT"):
        monkeypatch.delenv(variable)
    monkeypatch.chdir(other)
    weighlock.runtime.install()
    for label, (name, _, load) in WAYS.items():
        with pytest.raises(LoadRefused, match="not-in-lock"):
            load(os.path.join(label, name))


def test_another_user_who_runs_the_same_project_refuses_it(project, value, unprivileged):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    torch.save(value, "f.pt")
    _load_any("f.pt")
    os.chmod("f.pt", 0o644)
    weighlock.runtime.uninstall()
    weighlock.runtime.install()
    _gate.gate()
    with unprivileged(project.folder), pytest.raises(LoadRefused, match="not-in-lock"):
        _load_any("f.pt")


def test_what_another_user_saved_is_not_trusted_where_its_state_folder_is_ours_to_read(project, value, unprivileged):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    project.folder.chmod(0o777)
    with unprivileged(project.folder):
        torch.save(value, "f.pt")
        _load_any("f.pt")
    with pytest.raises(LoadRefused, match="not-in-lock"):
        _load_any("f.pt")


def test_bytes_that_are_merely_copied_are_not_recorded(project):
    evil = project.payload
    pathlib.Path("a.pkl").write_bytes(evil)
    shutil.copy("a.pkl", "b.pkl")
    with open("c.pkl", "wb") as file:
        file.write(evil)
    np.frombuffer(evil, dtype=np.uint8).tofile("d.pkl")
    assert _count(project) == 0
    for name in ("a.pkl", "b.pkl", "c.pkl", "d.pkl"):
        with pytest.raises(LoadRefused):
            _unpickled(name)
    assert not project.marker.exists()


def _count(project):
    return OwnSaves(dict(os.environ), os.path.realpath(project.folder)).count()


def test_a_saved_object_that_holds_a_malicious_pickle_as_bytes_is_refused(project):
    """They are bytes and no part of the pickle, but classes exist that unpickle what they hold when they are loaded."""
    for name, save, load in ways():
        save({"config": project.payload}, name)
        with pytest.raises(LoadRefused, match="rule: refused"):
            load(name)
        assert not project.marker.exists()


def test_a_tensor_that_holds_a_whole_malicious_file_does_not_become_that_file(project):
    evil = torch.frombuffer(bytearray(project.payload), dtype=torch.uint8)
    torch.save({"w": evil}, "f.pt")
    assert torch.load("f.pt")["w"].numpy().tobytes() == project.payload
    pathlib.Path("g.pkl").write_bytes(torch.load("f.pt")["w"].numpy().tobytes())
    with pytest.raises(LoadRefused):
        _unpickled("g.pkl")
    assert not project.marker.exists()


def _behind(data, size):
    """Return a zip archive whose offsets count from further ahead."""
    data = bytearray(data)
    place = data.find(b"PK\1\2")
    while place >= 0:
        _add(data, place + 42, size)
        place = data.find(b"PK\1\2", place + 1)
    _add(data, data.rfind(b"PK\5\6") + 16, size)
    return bytes(data)


def _add(data, place, number):
    data[place : place + 4] = (int.from_bytes(data[place : place + 4], "little") + number).to_bytes(4, "little")


@pytest.mark.parametrize("locked", [False, True])
def test_an_array_that_is_a_package_of_torch_from_its_129th_byte_on_does_not_become_that_package(project, locked):
    packed, plain = io.BytesIO(), io.BytesIO()
    with torch.package.PackageExporter(packed) as package:
        package.save_source_string("planted", f"open({str(project.marker)!r}, 'w').close()")
    with zipfile.ZipFile(packed) as package, zipfile.ZipFile(plain, "w") as archive:
        for name in package.namelist():
            archive.writestr(name, package.read(name))
    np.save("array.npy", np.frombuffer(_behind(plain.getvalue(), 128), np.uint8))
    if locked:
        weighlock.runtime.uninstall()
        found = inspect(BytesSource(pathlib.Path("array.npy").read_bytes()))
        assert found.needs
        project.lock("array.npy", outcome="needs-approval", imports=found.imports, needs=found.needs, format="npy")
        project.guard()
    with pytest.raises(LoadRefused, match=r"it imports torch\.package:code planted"):
        torch.package.PackageImporter("array.npy").import_module("planted")
    assert not project.marker.exists()
    assert np.load("array.npy").dtype == np.uint8


def test_an_object_whose_pickle_is_dangerous_is_refused_although_it_was_saved_here(project):
    for name, save, load in ways():
        save(Dangerous(str(project.marker)), name)
        with pytest.raises(LoadRefused, match="rule: refused"):
            load(name)
        assert not project.marker.exists()


class Dangerous:
    """An object that an attacker got into the program, say through an approved file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_save_that_fails_halfway_leaves_no_record(project, own):
    for name, save, load in ways():
        with pytest.raises(RuntimeError, match="halfway"):
            save([b"x" * 100_000, own.Broken()], name)
        assert _count(project) == 0
        if os.path.exists(name):
            with pytest.raises((LoadRefused, *UNREADABLE)):
                load(name)


def _replace(evil, path):
    shutil.copy(evil, f"{path}.new")
    os.replace(f"{path}.new", path)


def _link(evil, path):
    os.unlink(path)
    os.symlink(evil, path)


def _overwrite(evil, path):
    shutil.copyfile(evil, path)


@pytest.mark.parametrize("how", [_replace, _link, _overwrite])
def test_a_file_that_is_exchanged_while_it_is_saved_is_not_trusted(project, own, how):
    for name, save, load in ways():
        evil = f"evil-{name}"
        save(own.Thing(), evil)
        with open(evil, "ab") as file:
            file.write(b"\0")
        data = pathlib.Path(evil).read_bytes()
        pathlib.Path(name).write_bytes(b"")  # savez makes its file in the end
        save([own.Swaps(name, evil, how)], name)
        if pathlib.Path(name).read_bytes() == data:
            with pytest.raises((LoadRefused, *UNREADABLE)):
                load(name)


def test_a_save_through_a_hard_link_or_a_symbolic_link_reaches_the_same_file(project, value):
    pathlib.Path("real.pt").write_bytes(b"before")
    os.link("real.pt", "hard.pt")
    os.symlink("real.pt", "soft.pt")
    torch.save(value, "hard.pt")
    assert _load_any("real.pt").data == value.data
    torch.save({"a": 1}, "soft.pt")
    assert _load_any("hard.pt") == {"a": 1}
    assert os.path.islink("soft.pt")


def test_a_folder_that_is_not_there_is_the_librarys_own_error(project):
    with pytest.raises(RuntimeError, match="Parent directory"):
        torch.save(1, "nowhere/f.pt")
    for save in (
        lambda: joblib.dump(1, "nowhere/f"),
        lambda: np.save("nowhere/f", 1),
        lambda: np.savez("nowhere/f", 1),
    ):
        with pytest.raises(FileNotFoundError):
            save()
    with pytest.raises((AttributeError, TypeError, ValueError)):
        torch.save(1, 5)


def test_what_numpy_names_itself_keeps_its_name(project):
    np.save("a", np.arange(3))
    np.savez(pathlib.Path("b"), np.arange(3))
    assert joblib.dump({}, pathlib.Path("c")) == ["c"]
    assert joblib.dump({}, io.BytesIO()) is None
    assert {"a.npy", "b.npz", "c"} <= set(os.listdir())


KEPT = {"w": torch.arange(10.0), "c": 1}
"""torch's older format has the addresses of tensors in it."""


@pytest.mark.parametrize(
    "save",
    [
        lambda path: torch.save(KEPT, path, _use_new_zipfile_serialization=False),
        lambda path: joblib.dump({"w": np.arange(10.0)}, path),
        lambda path: joblib.dump({"w": np.arange(10.0)}, path, compress=("xz", 3)),
        lambda path: np.save(path, np.arange(12.0).reshape(3, 4).T),
        lambda path: np.save(path, np.array([None, 1])),
        lambda path: safetensors.torch.save_file(_tensors(), path, {"format": "pt"}),
    ],
)
def test_the_guard_does_not_change_what_is_written(project, save):
    save("guarded.npy")
    weighlock.runtime.uninstall()
    save("plain.npy")
    assert pathlib.Path("guarded.npy").read_bytes() == pathlib.Path("plain.npy").read_bytes()


def test_safetensors_load_again(project):
    safetensors.torch.save_file(_tensors(), "a.safetensors", metadata={"format": "pt", "b": "ü\n"})
    early_save_file({"s": torch.zeros(0, 3), "t": torch.ones((), dtype=torch.bool)}, pathlib.Path("b.safetensors"))
    safetensors.torch.save_model(torch.nn.Linear(2, 3), "c.safetensors")
    safetensors.numpy.save_file({"x": np.arange(3, dtype=np.int8), "y": np.ones(2)}, "d.safetensors")
    pathlib.Path("e.safetensors").write_bytes(safetensors.torch.save({"w": torch.ones(3)}))
    safetensors.torch.save_file({}, "f.safetensors")
    for name in "abcdef":
        safetensors.torch.load_file(f"{name}.safetensors")
    assert torch.equal(safetensors.torch.load_file("a.safetensors")["w"], _tensors()["w"])


@pytest.mark.parametrize("place", [3, 20, -1])
def test_one_changed_byte_of_safetensors_ends_the_trust(project, place):
    safetensors.torch.save_file(_tensors(), "a.safetensors")
    data = bytearray(pathlib.Path("a.safetensors").read_bytes())
    data[place] ^= 1
    pathlib.Path("a.safetensors").write_bytes(data)
    with pytest.raises(LoadRefused, match="not-in-lock"):
        safetensors.torch.load_file("a.safetensors")


class Swapped(os.PathLike):
    """A name that leads to another file once the first one was written."""

    def __init__(self, first, second):
        self.names = [first, second]

    def __fspath__(self):
        return self.names.pop(0) if len(self.names) > 1 else self.names[0]


def _header(data, change):
    length = int.from_bytes(data[:8], "little")
    header = change(data[8 : 8 + length])
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.replace(b'"w"', b'"v"'),
        lambda header: header.replace(b"F32", b"I32"),
        lambda header: header.replace(b"[2,3]", b"[3,2]"),
        lambda header: header.replace(b'"pt"', b'"np"'),
        lambda header: header.rstrip()[:-1] + b',"w":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]}}',
        lambda header: b"{}",
        lambda header: b"[]",
        lambda header: b"\xff",
    ],
)
def test_a_safetensors_header_that_is_exchanged_while_it_is_saved_is_not_trusted(project, change):
    safetensors.torch.save_file(_tensors(), "a.safetensors", {"format": "pt"})
    evil = _header(pathlib.Path("a.safetensors").read_bytes(), change)
    pathlib.Path("evil.safetensors").write_bytes(evil)
    before = _count(project)
    safetensors.torch.save_file(_tensors(), Swapped("b.safetensors", "evil.safetensors"), {"format": "pt"})
    assert _count(project) == before
    with pytest.raises(LoadRefused):
        safetensors.torch.load_file("evil.safetensors")


def test_safetensors_data_that_is_exchanged_while_it_is_saved_is_not_trusted(project):
    safetensors.torch.save_file(_tensors(), "a.safetensors")
    evil = pathlib.Path("a.safetensors").read_bytes()[:-1] + b"\1"
    pathlib.Path("evil.safetensors").write_bytes(evil)
    safetensors.torch.save_file(_tensors(), Swapped("b.safetensors", "evil.safetensors"))
    with pytest.raises(LoadRefused):
        safetensors.torch.load_file("evil.safetensors")
    safetensors.torch.load_file("a.safetensors")


def test_two_pickles_in_one_file_are_not_one_saved_file(project, own):
    with open("two.pkl", "wb") as file:
        pickle.dump({"a": 1}, file)
        pickle.dump(own.Thing(), file)
    with pytest.raises(LoadRefused):
        _unpickled("two.pkl")


def test_a_pickle_that_is_written_behind_other_bytes_is_not_recorded(project):
    with open("f.pkl", "wb") as file:
        file.write(project.payload)
        pickle.dump({"a": 1}, file)
    assert _count(project) == 0


def test_messages_and_parts_of_pickles_are_no_files(project):
    pickle.dumps(torch.ones(3))
    pickle.dump({"a": 1}, io.BytesIO())
    np.save(io.BytesIO(), np.ones(3))
    assert _count(project) == 0


def test_arrays_that_joblib_passes_to_its_workers_are_no_files(project):
    from joblib._memmapping_reducer import ArrayMemmapForwardReducer

    folder = project.folder / "memory"
    folder.mkdir()
    ArrayMemmapForwardReducer(10, lambda: str(folder), "r", unlink_on_gc_collect=False, prewarm=False)(np.ones(1000))
    assert len(os.listdir(folder)) == 1
    assert _count(project) == 0


def test_every_file_of_a_distributed_checkpoint_is_recorded_as_a_whole(project):
    import torch.distributed.checkpoint as dcp

    state = {"w": torch.arange(3 << 20), "v": torch.ones(3), "steps": [1, 2]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save(state, storage_writer=dcp.FileSystemWriter("dcp", thread_count=2, sync_files=True))
        other = {"w": torch.zeros(3 << 20, dtype=torch.int64), "v": torch.zeros(3), "steps": None}
        dcp.load(other, checkpoint_id="dcp")
    assert torch.equal(other["w"], state["w"])
    assert other["steps"] == [1, 2]
    saves = OwnSaves(dict(os.environ), os.path.realpath(project.folder))
    files = {path.name: path.read_bytes() for path in pathlib.Path("dcp").iterdir()}
    assert {".metadata", "__0_0.distcp", "__0_1.distcp"} <= set(files)
    assert all(files.values())
    assert all(saves.holds(len(data), hashlib.sha256(data).hexdigest()) for data in files.values())


def test_a_distributed_checkpoint_with_one_changed_byte_is_refused(project):
    import torch.distributed.checkpoint as dcp

    for name in ("__0_0.distcp", ".metadata"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dcp.save({"w": torch.ones(100)}, checkpoint_id="dcp")
            data = bytearray(pathlib.Path("dcp", name).read_bytes())
            data[len(data) // 2] ^= 1
            pathlib.Path("dcp", name).write_bytes(data)
            # The reader hands a refusal on as an error of the rank that met it.
            with pytest.raises((LoadRefused, dcp.api.CheckpointException), match="weighlock refused"):
                dcp.load({"w": torch.zeros(100)}, checkpoint_id="dcp")


def test_an_early_pickle_dump_records_nothing_and_saves_as_ever(project):
    """A builtin that a container held before the guard started is out of reach: its file needs the lockfile."""
    with open("f.pkl", "wb") as file:
        HELD_EARLY[0]({"a": 1}, file)
    with pytest.raises(LoadRefused, match="not-in-lock"):
        _unpickled("f.pkl")


HELD_EARLY = [pickle.dump]


def _break(monkeypatch, error):
    def broken(*_):
        raise error("broken")

    monkeypatch.setattr(OwnSaves, "add", broken)


def test_where_no_record_can_be_kept_saves_work_and_loads_are_refused(project, value, monkeypatch):
    for name, save, load in ways():
        _break(monkeypatch, PermissionError)
        save(value, name)
        with pytest.raises(LoadRefused, match="not-in-lock"):
            load(name)


@pytest.mark.parametrize("error", [PermissionError, RuntimeError, ImportError, MemoryError])
def test_whatever_keeps_a_record_from_being_kept_is_said_once(project, value, monkeypatch, capsys, error):
    _break(monkeypatch, error)
    torch.save(value, "f.pt")
    safetensors.torch.save_file(_tensors(), "f.safetensors")
    assert capsys.readouterr().err.count("weighlock: what this program saves is not recorded") == 1


def test_without_trust_torch_saves_as_ever(bench):
    bench.policy("trust-saved = false\n")
    bench.guard()
    torch.save(1, "named.pt")
    assert b"named/data.pkl" in pathlib.Path("named.pt").read_bytes()
    with pytest.raises(LoadRefused):
        torch.load("named.pt")


def test_a_lockfile_that_cannot_be_read_does_not_keep_anyone_from_saving(project, value):
    weighlock.runtime.uninstall()
    weighlock.runtime.install()
    (project.folder / "models.lock").write_text("broken")
    torch.save(value, "f.pt")
    joblib.dump(value, "f.joblib")
    with pytest.raises(LoadRefused, match="cannot judge"):
        torch.load("f.pt")


class Writer:
    def __init__(self, most=1 << 60):
        self.data, self.most = b"", most

    def write(self, data):
        part = bytes(data)[: self.most]
        self.data += part
        return len(part)

    def seek(self, *place):
        return 0


@pytest.mark.parametrize("size", [0, 1, 1000, 5 << 20])
def test_the_digest_is_that_of_the_bytes_handed_over(size):
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    followed = _saving.Followed(Writer())
    for part in (data[: size // 2], memoryview(data)[size // 2 :]):
        followed.write(part)
    assert followed.size == size
    assert followed.sha256 == (hashlib.sha256(data).hexdigest() if size else None)


@pytest.mark.parametrize(
    "lose",
    [
        lambda followed: followed.seek(0),
        lambda followed: followed.write(memoryview(b"12345678")[::2]),
    ],
)
def test_bytes_that_cannot_be_followed_have_no_digest(lose):
    followed = _saving.Followed(Writer())
    followed.write(b"data")
    lose(followed)
    followed.write(b"data")
    assert followed.sha256 is None


def test_a_short_write_has_no_digest():
    followed = _saving.Followed(Writer(most=3))
    assert followed.write(b"12345") == 3
    assert followed.sha256 is None


@pytest.mark.parametrize("name", ["start_new_thread", "is_finalizing"])
def test_where_no_thread_can_be_started_the_digest_is_made_without(monkeypatch, name):
    import _thread

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    if name == "is_finalizing":
        monkeypatch.setattr(sys, name, lambda: True)
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    data = bytes(6 << 20)
    followed = _saving.Followed(Writer())
    followed.write(data)
    assert followed.sha256 == hashlib.sha256(data).hexdigest()


def test_an_error_while_writing_a_large_piece_is_the_writers_and_waits_for_the_digest():
    class Full:
        def write(self, data):
            raise OSError(28, "No space left on device")

    followed = _saving.Followed(Full())
    with pytest.raises(OSError, match="space"):
        followed.write(bytes(6 << 20))


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no signals for threads")
def test_an_interrupt_while_the_digest_is_made_waits_for_it_and_is_raised():
    """The memory that is being hashed is the writer's, who may free it as soon as this raises."""
    hashed, main = [], threading.get_ident()

    def work(data):
        signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.1)
        hashed.append(bytes(data))

    beside = _saving._Beside(work, memoryview(b"data"))
    with pytest.raises(KeyboardInterrupt):
        try:
            beside.start()
        finally:
            beside.wait()
    assert hashed == [b"data"]


def test_holes_in_a_file_are_not_recorded(project):
    with torch.serialization.skip_data():
        torch.save({"w": torch.ones(1000)}, "f.pt")
    assert os.path.getsize("f.pt") > 4000
    with pytest.raises(LoadRefused, match="not-in-lock"):
        torch.load("f.pt")


AT_EXIT = """
    import atexit
    import weighlock.auto
    import torch
    atexit.register(lambda: torch.save({"w": torch.zeros(3 << 20)}, "exit.pt"))
    class Last:
        def __del__(self, save=torch.save):
            save({"a": 1}, "del.pt")
    last = Last()
"""


def test_a_save_while_the_interpreter_shuts_down_works_and_is_known_if_it_could_be_recorded(project):
    done = project.run(AT_EXIT)
    assert done.returncode == 0, done.stderr
    assert torch.load("exit.pt")["w"].shape == (3 << 20,)
    weighlock.runtime.uninstall()
    if os.path.exists("del.pt"):
        assert torch.load("del.pt") == {"a": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_what_a_forked_child_saves_its_parent_may_load(project):
    torch.save({"parent": 1}, "parent.pt")
    child = os.fork()
    if not child:
        status = 1
        try:
            torch.save({"child": torch.load("parent.pt")}, "child.pt")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert torch.load("child.pt") == {"child": {"parent": 1}}
