"""Every name that any unpickler asks for is judged, whoever calls it and however the name is written."""

from __future__ import annotations

import concurrent.futures.process
import copyreg
import io
import multiprocessing.pool
import pathlib
import pickle
import threading

import dill
import joblib.externals.loky.process_executor
import pytest

import weighlock.runtime
from weighlock.errors import LoadRefused


def _global(module, name, protocol=4):
    """A pickle that only names something."""
    head = pickle.PROTO + bytes([protocol])
    if protocol < 4:
        return head + pickle.GLOBAL + f"{module}\n{name}\n".encode() + pickle.STOP
    parts = (pickle.SHORT_BINUNICODE + bytes([len(part)]) + part.encode() for part in (module, name))
    return head + b"".join(parts) + pickle.STACK_GLOBAL + pickle.STOP


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("collections", "OrderedDict.__init__.__globals__"),
        ("collections", "OrderedDict.fromkeys"),
        ("datetime", "sys.modules"),
        ("os", "path.join"),
    ],
)
def test_a_dotted_name_is_not_the_name_before_its_first_dot(bench, module, name):
    bench.guard()
    with pytest.raises(LoadRefused):
        pickle.loads(_global(module, name))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("__builtin__", "eval"),
        ("__builtin__", "getattr"),
        ("commands", "getoutput"),
        ("os", "system"),
        ("nt", "system"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 3, 4])
def test_a_name_of_python_2_does_not_hide_what_it_means(bench, module, name, protocol):
    bench.guard()
    with pytest.raises(LoadRefused):
        pickle.loads(_global(module, name, protocol))


@pytest.mark.parametrize(("module", "name"), [("__builtin__", "set"), ("copy_reg", "_reconstructor")])
def test_data_of_python_2_loads(bench, module, name):
    bench.guard()
    assert callable(pickle.loads(_global(module, name, 2)))


def test_a_module_planted_under_a_name_of_python_2_is_not_imported(bench, monkeypatch):
    """Protocol 2 maps the name to something harmless; protocol 4 imports the planted module."""
    pathlib.Path("copy_reg.py").write_text("import os\nos.mkdir('marker')\n_reconstructor = None\n")
    monkeypatch.syspath_prepend(str(bench.folder))
    bench.guard()
    with pytest.raises(LoadRefused):
        pickle.loads(_global("copy_reg", "_reconstructor", 4))
    assert not bench.marker.exists()


def test_a_name_from_the_extension_registry_is_judged(bench):
    copyreg.add_extension("posix", "getcwd", 240)
    try:
        bench.guard()
        with pytest.raises(LoadRefused, match=r"posix\.getcwd"):
            pickle.loads(pickle.PROTO + b"\x02" + pickle.EXT1 + b"\xf0" + pickle.STOP)
    finally:
        copyreg.remove_extension("posix", "getcwd", 240)


@pytest.mark.parametrize(
    "stream",
    [
        b"(S'marker'\niposix\nmkdir\n.",
        b"(cposix\nmkdir\nS'marker'\no.",
        b"cposix\nmkdir\n(S'marker'\ntR.",
        b"cposix\nmkdir\n(S'marker'\nt\x81.",
        b"\x80\x04\x8c\x05posix\x94\x8c\x05mkdir\x94\x93\x94\x8c\x06marker\x85R.",
        b"cos\nsystem\n(S'mkdir marker'\ntR.",
        b'c__builtin__\neval\n(S\'__import__("os").mkdir("marker")\'\ntR.',
    ],
)
@pytest.mark.parametrize("load", [pickle.loads, pickle._loads])
def test_every_opcode_that_imports_is_stopped(bench, stream, load):
    bench.guard()
    with pytest.raises(LoadRefused):
        load(stream)
    assert not bench.marker.exists()


@pytest.mark.parametrize("name", ["builtins getattr", "numpy memmap", "numpy._core.memmap memmap"])
def test_a_name_that_only_an_inspection_can_vouch_for_is_refused_in_memory(bench, name):
    bench.guard()
    with pytest.raises(LoadRefused):
        pickle.Unpickler(Once(_global(*name.split()))).load()


class Once:
    """What can be read a single time, so that nobody can inspect it first."""

    def __init__(self, data):
        self._stream = io.BytesIO(data)

    def read(self, size):
        return self._stream.read(size)

    def readline(self):
        return self._stream.readline()


def test_an_admission_does_not_reach_into_another_thread(bench):
    """While one thread loads an approved file, another unpickles the same name from memory."""
    names = ("posix.mkdir",)
    pathlib.Path("odd.pkl").write_bytes(bench.payload)
    bench.lock("odd.pkl", outcome="needs-approval", imports=names, needs=names, approved=names)
    bench.guard()
    caught = []

    def attack():
        try:
            pickle.loads(bench.payload)
        except LoadRefused as refusal:
            caught.append(refusal)

    class Reader(io.BytesIO):
        """Attacks in the middle of the admitted load."""

        def readline(self, *args):
            thread = threading.Thread(target=attack)
            thread.start()
            thread.join()
            return super().readline(*args)

    from weighlock.runtime import _admit

    with _admit.admit_path("odd.pkl", "a test"):
        pickle._loads(pickle.dumps(1))
        pickle._Unpickler(Reader(b"I1\n.")).load()
    assert caught
    assert not bench.marker.exists()


def test_an_admission_ends_with_its_load(bench):
    names = ("posix.mkdir",)
    pathlib.Path("odd.pkl").write_bytes(bench.payload)
    bench.lock("odd.pkl", outcome="needs-approval", imports=names, needs=names, approved=names)
    bench.guard()
    with open("odd.pkl", "rb") as file:
        pickle.load(file)
    bench.marker.rmdir()
    with pytest.raises(LoadRefused):
        pickle.loads(bench.payload)


def test_an_admission_ends_when_its_load_fails(bench):
    from weighlock.runtime import _loads

    pathlib.Path("cut.pkl").write_bytes(bench.payload[:-4])
    bench.lock("cut.pkl", outcome="needs-approval", imports=("posix.mkdir",), needs=(), approved=("posix.mkdir",))
    bench.guard()
    with open("cut.pkl", "rb") as file, pytest.raises(LoadRefused):
        pickle.load(file)
    assert _loads.stack() == []


@pytest.mark.parametrize("name", ["multiprocessing.queues", "torch.distributed.distributed_c10d", "pickle", "__main__"])
def test_code_that_only_claims_to_be_a_channel_between_processes_is_not_one(bench, name):
    import multiprocessing.queues

    assert multiprocessing.queues
    bench.guard()
    with pytest.raises(LoadRefused):
        exec("import pickle; pickle.loads(payload)", {"__name__": name, "payload": bench.payload})  # noqa: S102
    assert not bench.marker.exists()


class Restoring:
    """A message between processes whose restoring reads a file: honest code, hostile file."""

    def __init__(self, path):
        self.path = path

    def __getstate__(self):
        return self.path

    def __setstate__(self, path):
        with open(path, "rb") as file:
            self.loaded = self.load(file)

    load = staticmethod(pickle.load)


class RestoringEarly(Restoring):
    load = staticmethod(pickle.load)


class RestoringWithUnpickler(Restoring):
    load = staticmethod(lambda file: pickle.Unpickler(file).load())


@pytest.mark.parametrize("kind", [Restoring, RestoringEarly, RestoringWithUnpickler])
def test_a_file_that_is_loaded_while_a_message_arrives_has_no_part_in_its_trust(bench, kind):
    import multiprocessing

    pathlib.Path("evil.pkl").write_bytes(bench.payload)
    message = kind.__new__(kind)
    message.path = "evil.pkl"
    bench.guard()
    receiver, sender = multiprocessing.Pipe(duplex=False)
    sender.send(message)
    with pytest.raises(LoadRefused):
        receiver.recv()
    assert not bench.marker.exists()


def _pool(task, data):
    return multiprocessing.pool.mapstar((task, [data]))


def _starmap(task, data):
    return multiprocessing.pool.starmapstar((task, [(data,)]))


def _executor(task, data):
    return concurrent.futures.process._process_chunk(task, [(data,)])


def _loky(task, data):
    return joblib.externals.loky.process_executor._process_chunk(task, [(data,)])


@pytest.mark.parametrize("task", ["pickle", "dill", "pickle.load"])
@pytest.mark.parametrize("run", [_pool, _starmap, _executor, _loky])
def test_a_pool_that_is_told_to_unpickle_makes_no_message_of_what_it_is_given(bench, run, task):
    pathlib.Path("evil.pkl").write_bytes(bench.payload)
    bench.guard()
    with open("evil.pkl", "rb") as file, pytest.raises(LoadRefused):
        function = {"pickle": pickle.loads, "dill": dill.loads, "pickle.load": pickle.load}[task]
        run(function, file if task == "pickle.load" else bench.payload)
    assert not bench.marker.exists()


def test_a_message_between_processes_may_carry_classes_of_the_program(bench):
    import multiprocessing

    bench.guard()
    receiver, sender = multiprocessing.Pipe(duplex=False)
    sender.send(Carried(3))
    assert receiver.recv() == Carried(3)
    queue = multiprocessing.SimpleQueue()
    queue.put(Carried(4))
    assert queue.get() == Carried(4)


class Carried:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    __hash__ = None


def test_the_same_class_in_a_pickle_of_no_channel_is_refused(bench):
    bench.guard()
    with pytest.raises(LoadRefused, match="Carried"):
        pickle.loads(pickle.dumps(Carried(3)))


def test_warn_says_it_once_and_lets_through(bench, capsys):
    bench.guard("warn")
    for _ in range(2):
        assert pickle.loads(pickle.dumps(Carried(3))) == Carried(3)
    assert capsys.readouterr().err.count("Carried, which is not plain data") == 1


def test_taken_away_the_guard_judges_nothing(bench):
    bench.guard()
    weighlock.runtime.uninstall()
    assert pickle.loads(pickle.dumps(Carried(3))) == Carried(3)
    assert not weighlock.runtime.active()


def test_an_unpickler_found_without_its_name_is_judged(bench):
    unpicklers = [kind for kind in object.__subclasses__() if kind.__module__ in {"_pickle", "pickle"}]
    unpicklers = [kind for kind in unpicklers if "Unpickler" in kind.__name__ and hasattr(kind, "load")]
    assert {kind.__module__ for kind in unpicklers} == {"_pickle", "pickle"}
    bench.guard()
    for kind in unpicklers:
        with pytest.raises(LoadRefused):
            kind(io.BytesIO(bench.payload)).load()
    assert not bench.marker.exists()
