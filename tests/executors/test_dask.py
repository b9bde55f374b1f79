"""A real scheduler and real workers on the loopback, each a process of its own."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gates.fragile import StumblingJudge
from weighlock._cli import main
from weighlock.errors import SourceError, UsageError
from weighlock.executors.dask import Dask, parse_address
from weighlock.gates.scan import Judge, scan

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
FILES = 200


class Cluster:
    """A scheduler and its workers."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self._folder = folder
        self._logs: list[Path] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self.address = f"tcp://127.0.0.1:{_free_port()}"
        port = self.address.rpartition(":")[2]
        self.start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        self.workers = [self.start_worker() for _ in range(workers)]

    def start_worker(self, **environ: str) -> subprocess.Popen[bytes]:
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        return self.start("worker", self.address, *options, **environ)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        log = self._folder / f"log-{len(self._processes)}"
        self._logs.append(log)
        paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        # Not where the files are, so that relative names mean nothing to a worker.
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "dask", *arguments],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": paths, "DASK_CONFIG": str(self._folder), **environ},
                stdout=file,
                stderr=file,
            )
        self._processes.append(process)
        return process

    def stop(self) -> None:
        for process in self._processes[::-1]:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    yield cluster
    cluster.stop()


@pytest.fixture
def files(tmp_path, monkeypatch):
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"data-{number:03}.pkl").write_bytes(pickle.dumps({"number": number}))
    (folder / "evil.pkl").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    monkeypatch.chdir(tmp_path)
    return folder


def _await_workers(cluster: Cluster, count: int) -> None:
    from distributed import Client

    with Client(cluster.address, timeout=30, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=30)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_worker_that_is_killed_mid_run_drops_no_file_and_doubles_none(cluster, files, tmp_path):
    _await_workers(cluster, 2)
    here = scan(["files"], Judge(digests=True))
    judge = StumblingJudge(digests=True, marker=str(tmp_path / "stumbled"))
    seen: list[int] = []

    def kill_one(done: int, total: int) -> None:
        assert total == FILES + 1
        if done == 20:
            cluster.workers[0].send_signal(signal.SIGKILL)
            cluster.workers[0].wait()
            (tmp_path / "stumbled").touch()
        seen.append(done)

    there = scan(["files"], judge, engine=Dask(cluster.address), progress=kill_one)
    assert cluster.workers[0].returncode == -signal.SIGKILL
    assert seen == list(range(1, FILES + 2))
    assert there == here


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_the_command_lines_reports_are_those_of_a_local_run(cluster, files, capsys):
    _await_workers(cluster, 2)
    executor = ("--executor", f"dask://{cluster.address.removeprefix('tcp://')}")
    for command in (("scan", "files"), ("verify", "--deep", "files")):
        if command[0] == "verify":
            assert main(["lock", "./files", "--exclude", "evil.pkl"]) == 0
            capsys.readouterr()
        assert main([*command, "--format", "json"]) == 1
        here = capsys.readouterr()
        assert main([*command, "--format", "json", *executor]) == 1
        there = capsys.readouterr()
        assert json.loads(there.out) == json.loads(here.out)
        assert there.err == ""


def test_messages_of_a_cluster_are_no_artifacts_to_a_guard_on_both_sides(tmp_path, files):
    (tmp_path / "models.lock").write_text('lock-version = "1.0"\ncreated-by = "weighlock"\n')
    (tmp_path / "cluster").mkdir()
    guard = {"WEIGHLOCK_LOCK": str(tmp_path / "models.lock"), "WEIGHLOCK_ROOT": str(tmp_path)}
    cluster = Cluster(tmp_path / "cluster", workers=0)
    paths = os.pathsep.join([str(ROOT / "src" / "weighlock" / "runtime" / "bootstrap"), str(ROOT / "src"), str(ROOT)])
    cluster.start_worker(PYTHONPATH=paths, **guard)
    try:
        _await_workers(cluster, 1)
        command = [
            sys.executable,
            "-m",
            "weighlock",
            "scan",
            "files",
            "--executor",
            cluster.address.replace("tcp", "dask"),
        ]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": paths, **guard}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (1, "")
        assert "evil.pkl" in done.stdout
    finally:
        cluster.stop()


def test_a_worker_with_another_weighlock_is_not_asked(tmp_path, files):
    (tmp_path / "cluster" / "weighlock").mkdir(parents=True)
    (tmp_path / "cluster" / "weighlock" / "__init__.py").write_text("__version__ = '0.0.1'\n")
    cluster = Cluster(tmp_path / "cluster", workers=0)
    cluster.start_worker(PYTHONPATH=str(tmp_path / "cluster"))
    try:
        _await_workers(cluster, 1)
        with pytest.raises(SourceError, match=r"has (no weighlock|weighlock 0\.0\.1)") as caught:
            scan(["files"], Judge(), engine=Dask(cluster.address))
        assert "pip install" in str(caught.value.hint)
    finally:
        cluster.stop()


def test_a_scheduler_that_is_not_there_is_said_and_nothing_is_judged_here_instead(files, monkeypatch, capsys):
    monkeypatch.setattr("weighlock.executors.dask._PATIENCE", 1)
    assert main(["scan", "files", "--executor", f"dask://127.0.0.1:{_free_port()}"]) == 2
    out, err = capsys.readouterr()
    assert "no Dask scheduler answers" in err
    assert out == ""


@pytest.mark.parametrize(
    "text", ["127.0.0.1:8786", "dask://", "dask://host", "dask://u:p@h:1", "ray://h:1", "dask://h:1/x"]
)
def test_an_address_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="no address"):
        parse_address(text)
