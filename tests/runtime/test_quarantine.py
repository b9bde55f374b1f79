# ruff: noqa: S102, S302, S307, S605, S606, S607, SIM115 - what a class may not do, it must try
"""What an approved class may not do while it is unpickled, whatever way it tries; and what honest classes still do."""

from __future__ import annotations

import ctypes
import importlib
import marshal
import os
import pathlib
import pickle
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request

import dill
import joblib
import numpy as np
import pytest
import torch

from weighlock.errors import LoadRefused

MARKER = pathlib.Path("marker")


class Approved:
    """A class that a person approved by its name; what it does as it becomes an object again is a test's."""

    act = staticmethod(lambda: None)

    def __getstate__(self):
        return {"a": 1}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.answer = Approved.act()


NAME = f"{Approved.__module__}.Approved"

ACTIONS = {
    "os.system": lambda: os.system("mkdir marker"),
    "subprocess": lambda: subprocess.run(["/bin/mkdir", "marker"], check=False),
    "os.posix_spawn": lambda: os.posix_spawn("/bin/mkdir", ["mkdir", "marker"], {}),
    "os.spawn": lambda: os.spawnv(os.P_WAIT, "/bin/mkdir", ["mkdir", "marker"]),
    "os.fork": lambda: os.fork() or os._exit(0),
    "os.exec": lambda: os.execv("/bin/mkdir", ["mkdir", "marker"]),
    "os.kill": lambda: os.kill(os.getpid(), 0),
    "socket": lambda: socket.socket(),
    "name lookup": lambda: socket.getaddrinfo("localhost", 80),
    "urllib": lambda: urllib.request.urlopen("http://localhost:9"),
    "remove": lambda: pathlib.Path("precious").unlink(),
    "rename": lambda: pathlib.Path("precious").rename("marker"),
    "rmtree": lambda: shutil.rmtree("folder"),
    "rmdir": lambda: pathlib.Path("folder").rmdir(),
    "chmod": lambda: pathlib.Path("precious").chmod(0o777),
    "truncate": lambda: os.truncate("precious", 0),
    "symlink": lambda: MARKER.symlink_to("precious"),
    "link": lambda: MARKER.hardlink_to("precious"),
    "copy": lambda: shutil.copy("precious", "marker"),
    "write": lambda: MARKER.write_text("x"),
    "append": lambda: pathlib.Path("precious").open("a"),
    "update": lambda: pathlib.Path("precious").open("r+b"),
    "os.open": lambda: os.open("marker", os.O_CREAT | os.O_WRONLY),
    "exec": lambda: exec("import os; os.mkdir('marker')"),
    "eval": lambda: eval("1 + 1"),
    "code object": lambda: exec((lambda: os.mkdir("marker")).__code__),
    "marshal": lambda: marshal.loads(marshal.dumps((lambda: 1).__code__)),
    "code of a function": lambda: setattr(test_plain_data_may_be_held_up_by_nothing, "__code__", (lambda: 1).__code__),
    "dlopen": lambda: ctypes.CDLL("libm.so.6"),
    "audit hook": lambda: sys.addaudithook(lambda *_: None),
    "trace": lambda: sys.settrace(None),
    "environment": lambda: os.environ.__setitem__("LD_PRELOAD", "marker"),
    "chdir": lambda: os.chdir("folder"),
    "a module beside it": lambda: importlib.import_module("planted"),
}


@pytest.fixture
def attempt(bench, monkeypatch):
    """Pickle an approved object, lock it, and let it try something while it is loaded."""
    (bench.folder / "precious").write_text("precious")
    (bench.folder / "folder").mkdir()
    (bench.folder / "planted.py").write_text("import os; os.mkdir('marker')")
    monkeypatch.syspath_prepend(str(bench.folder))
    monkeypatch.setitem(sys.modules, Approved.__module__, sys.modules[__name__])

    def load(action, *, unsafe=False, mode="enforce"):
        pathlib.Path("odd.pkl").write_bytes(pickle.dumps(Approved()))
        facts = {"outcome": "needs-approval", "imports": (NAME, "copyreg._reconstructor"), "needs": (NAME,)}
        accepted = {"unsafe": True, "reason": "read it"} if unsafe else {"approved": (NAME,)}
        if not (bench.folder / "models.lock").exists():
            bench.lock("odd.pkl", **facts, **accepted)
        bench.guard(mode)  # once in a test
        monkeypatch.setattr(Approved, "act", staticmethod(action))
        with open("odd.pkl", "rb") as file:
            return pickle.load(file)

    yield load
    sys.modules.pop("planted", None)


def test_an_approved_class_may_do_none_of_these(bench, attempt):
    refusal = re.compile(r"of odd\.pkl(.|\n)*\(rule: quarantine\)\n  hint: weighlock approve \S+ --unsafe")
    done = []
    for name, action in ACTIONS.items():
        try:
            attempt(action)
        except LoadRefused as error:
            done += [] if refusal.search(str(error)) else [(name, error)]
        else:
            done.append(name)
        assert not MARKER.exists(), name
    assert done == []
    assert pathlib.Path("precious").read_text() == "precious"
    assert pathlib.Path("folder").is_dir()


def test_a_class_that_catches_its_refusal_is_refused_all_the_same(bench, attempt):
    def quiet():
        try:
            os.system("mkdir marker")
        except BaseException:  # noqa: BLE001 - what such a class would do
            return

    with pytest.raises(LoadRefused, match="quarantine"):
        attempt(quiet)
    assert not MARKER.exists()


def test_what_the_same_program_does_before_and_after_is_not_held_back(bench, attempt):
    assert attempt(lambda: "answer").answer == "answer"
    assert subprocess.run(["/bin/true"], check=False).returncode == 0
    assert eval("1 + 1") == 2
    MARKER.write_text("x")
    MARKER.unlink()


def test_a_refused_load_leaves_no_scope_open(bench, attempt):
    with pytest.raises(LoadRefused):
        attempt(lambda: os.system("true"))
    assert os.system("true") == 0


def test_other_threads_are_not_held_back(bench, attempt):
    def elsewhere():
        said = []
        done = threading.Event()
        workers.append(lambda: (said.append(os.system("true")), done.set()))
        assert done.wait(30)
        return said

    workers = []
    stop = threading.Event()

    def work():
        while not stop.is_set():
            if workers:
                workers.pop()()
            stop.wait(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert attempt(elsewhere).answer == [0]
    finally:
        stop.set()
        thread.join()


def test_accepted_whatever_it_does_means_that(bench, attempt):
    assert attempt(lambda: os.system("true"), unsafe=True).answer == 0


def test_warn_says_it_and_lets_through(bench, attempt, capsys):
    assert attempt(lambda: eval("1 + 1"), mode="warn").answer == 2
    assert "tried to run code of its own" in capsys.readouterr().err


def test_plain_data_may_be_held_up_by_nothing(bench, monkeypatch):
    """Nothing of the file runs, so what runs is the program's."""
    torch.save({"a": torch.ones(2)}, "model.pt")
    bench.lock("model.pt")
    bench.guard()

    def place(storage, location):
        assert os.system("true") == 0
        return storage

    assert torch.load("model.pt", map_location=place)["a"].sum() == 2


HONEST = {
    "reading": lambda: pathlib.Path("precious").read_text(),
    "listing": lambda: os.listdir("."),
    "null device": lambda: open(os.devnull, "w").close() is None,
    "lazy import of Python": lambda: importlib.import_module("this" if "this" not in sys.modules else "colorsys"),
    "lazy import of a package": lambda: importlib.import_module("sklearn.cross_decomposition"),
    "lazy import of native code": lambda: importlib.import_module("_testcapi"),
    "time": lambda: __import__("time").time(),
    "arrays": lambda: np.arange(3).sum(),
}


def test_an_approved_class_may_do_these(bench, attempt):
    for name, action in HONEST.items():
        assert attempt(action), name


def test_an_import_that_compiles_and_caches_is_not_held_back(bench, attempt, monkeypatch, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("installed")
    (elsewhere / "fresh.py").write_text("import collections; Pair = collections.namedtuple('Pair', 'a b')")
    monkeypatch.syspath_prepend(str(elsewhere))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert attempt(lambda: importlib.import_module("fresh").Pair(1, 2)).answer == (1, 2)
    assert list(elsewhere.glob("__pycache__/fresh*"))
    sys.modules.pop("fresh")


def test_marshal_inside_a_load_of_data_is_refused(bench, monkeypatch):
    """A persistent_load of some library that takes code from the file."""
    pathlib.Path("data.pkl").write_bytes(pickle.dumps([1]))
    bench.lock("data.pkl", outcome="data-only")
    bench.guard()
    from weighlock.runtime import _admit

    code = marshal.dumps((lambda: 1).__code__)
    with pytest.raises(LoadRefused, match=r"marshal\.loads"), _admit.admit_path("data.pkl", "a test"):
        marshal.loads(code)
    with open("code", "wb") as file:
        file.write(code)
    with pytest.raises(LoadRefused), _admit.admit_path("data.pkl", "a test"), open("code", "rb") as file:
        marshal.load(file)
    assert marshal.loads(code)


def test_marshal_that_an_approval_names_passes(bench, monkeypatch):
    pathlib.Path("data.pkl").write_bytes(pickle.dumps([1]))
    names = ("marshal.loads",)
    bench.lock("data.pkl", outcome="needs-approval", imports=names, needs=names, approved=names)
    bench.guard()
    from weighlock.runtime import _admit

    with _admit.admit_path("data.pkl", "a test"):
        assert marshal.loads(marshal.dumps((lambda: 1).__code__))
        sys.modules.pop("colorsys", None)
        importlib.import_module("colorsys")


def _lock_all_names(bench, path):
    from weighlock import inspector
    from weighlock.formats.source import BytesSource

    inspection = inspector.inspect(BytesSource(pathlib.Path(path).read_bytes()))
    assert str(inspection.outcome) == "needs-approval", inspection
    bench.lock(
        path,
        outcome="needs-approval",
        imports=inspection.imports,
        needs=inspection.needs,
        approved=inspection.needs,
    )


def _estimators():
    from sklearn.decomposition import PCA
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)), rng.integers(0, 2, 40)
    return [
        make_pipeline(StandardScaler(), PCA(2), LogisticRegression()).fit(x, y),
        RandomForestClassifier(3).fit(x, y),
        GradientBoostingClassifier(n_estimators=3).fit(x, y),
        KNeighborsClassifier().fit(x, y),
        SVC().fit(x, y),
    ]


def test_approved_estimators_load_inside_the_scope(bench):
    joblib.dump(_estimators(), "model.joblib")
    _lock_all_names(bench, "model.joblib")
    bench.guard()
    for mmap_mode in (None, "r", "c", "r+"):
        assert len(joblib.load("model.joblib", mmap_mode=mmap_mode)) == 5


def test_an_approved_module_of_torch_loads_inside_the_scope(bench):
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten())
    torch.save(model, "model.pt")
    torch.save(model, "old.pt", _use_new_zipfile_serialization=False)
    for name in ("model.pt", "old.pt"):
        _lock_all_names(bench, name)
    bench.guard()
    for name in ("model.pt", "old.pt"):
        assert len(torch.load(name, weights_only=False)) == 3


def test_an_approved_object_of_dill_loads_inside_the_scope(bench):
    with open("odd.dill", "wb") as file:
        dill.dump([_estimators()[2].init_.__class__()], file)
    _lock_all_names(bench, "odd.dill")
    bench.guard()
    with open("odd.dill", "rb") as file:
        assert len(dill.load(file)) == 1


@pytest.mark.e2e
def test_approved_training_arguments_load_in_a_fresh_process_inside_the_scope(bench):
    """Nothing is imported yet: the approved modules are, before the scope holds anything back."""
    done = bench.run(
        "import torch, transformers\n"
        "torch.save(transformers.TrainingArguments(output_dir='x', report_to=[]), 'training_args.bin')\n"
    )
    assert done.returncode == 0, done.stderr
    _lock_all_names(bench, "training_args.bin")
    done = bench.run(
        "import weighlock; weighlock.activate()\n"
        "import torch\n"
        "print(type(torch.load('training_args.bin', weights_only=False)).__name__)\n"
    )
    assert done.stdout == "TrainingArguments\n", done.stderr


def test_a_package_of_torch_unpickles_its_own_approved_classes_inside_the_scope(bench):
    """Its unpickler imports out of the package: nothing of the same name is imported from elsewhere."""
    from torch.package import PackageExporter, PackageImporter

    source = bench.folder / "source"
    source.mkdir()
    (source / "carried_classes.py").write_text(
        "class Carried:\n    def __setstate__(self, state):\n        self.a = 1\n"
    )
    sys.path.insert(0, str(source))
    try:
        carried = importlib.import_module("carried_classes")
        thing = carried.Carried()
        thing.b = 2
        with PackageExporter("package.pt") as exporter:
            exporter.intern("carried_classes")
            exporter.save_pickle("things", "thing.pkl", thing)
    finally:
        sys.path.remove(str(source))
        del sys.modules["carried_classes"]
    _lock_all_names(bench, "package.pt")
    bench.guard()
    assert PackageImporter("package.pt").load_pickle("things", "thing.pkl").a == 1


def test_a_load_that_is_entered_again_while_it_runs_leaves_no_scope_open(bench):
    from weighlock.runtime import _admit, _loads, _quarantine

    pathlib.Path("data.pkl").write_bytes(pickle.dumps([1]))
    bench.lock("data.pkl", outcome="data-only")
    bench.guard()
    loading = _admit.admit_path("data.pkl", "a test")
    loading._owned = False
    with loading:
        _quarantine.enter(loading)
        with loading:
            assert _loads.scope() is loading
    assert _loads.scope() is None
    os.close(loading.descriptor)
