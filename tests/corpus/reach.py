"""Write a corpus, and prove that payloads are reached: load each file with its real loader, and look for the marker.

One process imports the libraries once and forks: once to write the corpus, so that it does not depend on what else this
program imported, and told pickle; then per file. Another one forks per file that needs no library, which is quicker by
far. The fork works in a folder of its own, with nothing on standard input, a time limit and a file size limit. An audit
hook writes down every name that an unpickler asks for.

Run as ``python -m tests.corpus.reach CORPUS FOLDER``: writes ``FOLDER/cases.pkl`` and ``FOLDER/results.json``.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from dataclasses import astuple, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tests.corpus.case import MARKER, Case
from tests.corpus.loaders import LOADERS

if TYPE_CHECKING:
    from collections.abc import Callable

    Loader = Callable[[Path], object]

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20
_LIBRARIES = ("dill", "joblib", "numpy", "pandas", "py7zr", "sklearn.ensemble", "sklearn.pipeline", "torch")


@dataclass(frozen=True, slots=True)
class Reached:
    """What one load did."""

    marker: bool
    asked: frozenset[tuple[str, str]]
    error: str

    def proves(self, case: Case) -> bool:
        """Whether the payload of `case` was reached: the marker appeared, or the gadget's name was resolved."""
        return self.marker if case.asks is None else case.asks in self.asked


def write_and_load(corpus: str, folder: Path) -> tuple[list[Case], dict[str, Reached]]:
    """Write every file of a corpus, load it with its real loader, and say what happened; all of it in child processes.

    Args:
        corpus: Name of a package beside this module.
        folder: An empty one, for whatever is needed on the way.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "tests.corpus.reach", corpus, str(folder)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=1200)
    cases = _cases(folder)
    results = json.loads((folder / "results.json").read_text())
    return cases, {
        name: Reached(r["marker"], frozenset(map(tuple, r["asked"])), r["error"]) for name, r in results.items()
    }


def _cases(folder: Path) -> list[Case]:
    return [Case(*fields) for fields in pickle.loads((folder / "cases.pkl").read_bytes())]


def _main(corpus: str, folder: Path) -> None:
    _await(_begin(lambda: _write_and_load(corpus, folder)))
    _load("light", [case for case in _cases(folder) if _needs_no_library(corpus, case)], folder)
    results: dict[str, object] = {}
    for path in folder.glob("results-*.json"):
        results.update(json.loads(path.read_text()))
    (folder / "results.json").write_text(json.dumps(results))


def _write_and_load(corpus: str, folder: Path) -> None:
    """Write all files, and load those that libraries have a part in."""
    # Imported ahead of the forks, so that not each of them has to.
    for library in _LIBRARIES:
        import_module(library)
    gc.freeze()
    _await(_begin(lambda: _write(corpus, folder)))
    _load("heavy", [case for case in _cases(folder) if not _needs_no_library(corpus, case)], folder)


def _needs_no_library(corpus: str, case: Case) -> bool:
    if corpus == "classes":  # of libraries that import others in turn
        return False
    names = (library.partition(".")[0].encode() for library in _LIBRARIES)
    return case.loader.startswith("pickle_load") and not any(name in case.data for name in names)


def _load(name: str, cases: list[Case], folder: Path) -> None:
    workers = os.cpu_count() or 1
    pids = [_begin(lambda n=n: _work(f"{name}-{n}", cases[n::workers], folder)) for n in range(workers)]
    for pid in pids:
        _await(pid)


def _begin(work: Callable[[], None]) -> int:
    """Fork a process that does this and nothing else."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _await(pid: int) -> None:
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("a child failed, and said why above")


def _write(corpus: str, folder: Path) -> None:
    (folder / "files").mkdir(parents=True)
    cases = import_module(f"tests.corpus.{corpus}").cases()
    for case in cases:
        (folder / "files" / case.name).write_bytes(case.data)
    (folder / "cases.pkl").write_bytes(pickle.dumps([astuple(case) for case in cases]))


def _work(worker: str, cases: list[Case], folder: Path) -> None:
    """Fork once more for each file."""
    _adopt_orphans()
    results = {}
    for number, case in enumerate(cases):
        place = folder / "run" / f"{worker}-{number}"
        results[case.name] = _fork(place, folder / "files" / case.name, LOADERS[case.loader], case.asks or ())
    (folder / f"results-{worker}.json").write_text(json.dumps(results))


def _fork(place: Path, path: Path, loader: Loader, asks: tuple[str, ...]) -> dict[str, object]:
    (place / "here").mkdir(parents=True)
    pid = os.fork()
    if not pid:
        _child(place, path, loader, asks)
    os.waitpid(pid, 0)
    _await_orphans()
    output = (place / "output").read_text(errors="replace")
    lines = (place / "asked").read_text().splitlines()
    marker = any(MARKER in entry for entry in os.listdir(place / "here")) or f"<{MARKER}>" in output
    shutil.rmtree(place)
    return {"marker": marker, "asked": [line.split("\t") for line in lines], "error": output[-2000:]}


def _adopt_orphans() -> None:
    """Become the parent of processes that a load left behind: what `os.popen` starts outlives who started it."""
    pr_set_child_subreaper = 36  # linux/prctl.h
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def _await_orphans() -> None:
    """Wait for what a load left behind, since it may be what makes the marker."""
    until = time.monotonic() + SECONDS
    try:
        while time.monotonic() < until:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
    except ChildProcessError:
        return


def _child(place: Path, path: Path, loader: Loader, asks: tuple[str, ...]) -> None:
    status = 1
    try:
        asked = os.open(place / "asked", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        output = os.open(place / "output", os.O_WRONLY | os.O_CREAT)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(place / "here")
        os.environ.update(HOME=str(place), TMPDIR=str(place))
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(SECONDS)
        warnings.simplefilter("ignore")

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if event == "pickle.find_class":
                os.write(asked, f"{arguments[0]}\t{arguments[1]}\n".encode(errors="replace"))
                if arguments[:2] == asks:
                    # All that was to be shown; what the name stands for need not be imported.
                    os._exit(0)

        sys.addaudithook(hook)
        loader(path)
        status = 0
    except BaseException as error:
        os.write(2, f"\n{type(error).__name__}: {error}\n".encode(errors="replace")[:1500])
    finally:
        # Skips every handler at exit: the fork shares its parent's.
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
