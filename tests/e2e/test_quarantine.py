"""Programs that run already are refused at their next load: by a file, a URL, and the database of the ledger."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from weighlock._cli import main
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.signing.key import generate, private_pem

SOURCE = Path(__file__).parents[2] / "src"
CI = generate()
DATA = pickle.dumps({"weights": list(range(1000))})

LOADS = """
import weighlock
weighlock.activate()
import pickle, sys
from weighlock.errors import LoadRefused
for line in sys.stdin:
    try:
        with open("net/m.pkl", "rb") as file:
            pickle.load(file)
        print("loaded", flush=True)
    except LoadRefused as refusal:
        print("refused", str(refusal).replace("\\n", " | "), flush=True)
"""

FORKS = """
import weighlock
weighlock.activate()
import os, pickle, sys
from weighlock.errors import LoadRefused

def load():
    with open("net/m.pkl", "rb") as file:
        return pickle.load(file)

load()
for line in sys.stdin:
    reading, writing = os.pipe()
    if not os.fork():
        try:
            load()
            os.write(writing, b"loaded")
        except LoadRefused as refusal:
            os.write(writing, b"refused " + str(refusal).replace("\\n", " | ").encode())
        os._exit(0)
    os.close(writing)
    print(os.read(reading, 10000).decode(), flush=True)
    os.close(reading)
    os.wait()
"""

WORKERS = """
import weighlock
weighlock.activate()
import sys, torch
from torch.utils.data import DataLoader, Dataset
from weighlock.errors import LoadRefused
import pickle, threading

class Files(Dataset):
    def __len__(self):
        return 1000
    def __getitem__(self, index):
        try:
            with open("net/m.pkl", "rb") as file:
                pickle.load(file)
            return "loaded"
        except LoadRefused as refusal:
            return "refused " + str(refusal).replace("\\n", " | ")

if __name__ == "__main__":
    batches = iter(DataLoader(Files(), batch_size=1, num_workers=2, prefetch_factor=1, persistent_workers=True))
    for line in sys.stdin:
        told = [next(batches)[0] for _ in range(6)]
        print(told[-1], flush=True)
"""


class Bench:
    """A project with one locked file, and programs that load it."""

    def __init__(self, folder: Path, policy: str = "", ledger: str | None = None):
        self.folder = folder
        (folder / "net").mkdir()
        (folder / "net" / "m.pkl").write_bytes(DATA)
        os.utime(folder / "net" / "m.pkl", (1, 1))
        file = LockedFile(
            path="m.pkl",
            size=len(DATA),
            sha256=hashlib.sha256(DATA).hexdigest(),
            format="pickle",
            outcome="data-only",
        )
        models = (LockedModel(name="net", source=PathSource(path="net"), files=(file,)),)
        (folder / "models.lock").write_text(Lockfile(models=models).dumps())
        (folder / "ci.pub").write_bytes(CI.public.pem)
        (folder / "ci.key").write_bytes(private_pem(CI, None))
        os.chmod(folder / "ci.key", 0o600)
        (folder / "weighlock.toml").write_text(policy)
        ours = {"WEIGHLOCK_STATE": str(folder / "state"), "PYTHONPATH": str(SOURCE)}
        self.environ = {**os.environ, **ours, **({"WEIGHLOCK_LEDGER": ledger} if ledger else {})}

    @contextmanager
    def program(self, code: str):
        script = self.folder / "program.py"
        script.write_text(code)
        child = subprocess.Popen(
            [sys.executable, str(script)],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

        def load() -> str:
            child.stdin.write("\n")
            child.stdin.flush()
            return child.stdout.readline()

        try:
            yield load
        finally:
            child.stdin.close()
            child.wait(60)
            child.stdout.close()

    def run(self, *words: str) -> str:
        """Run the command here, where everything is imported already."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environ),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            assert main(["quarantine", *words]) == 0, err.getvalue()
        return out.getvalue()

    def run_apart(self, *words: str) -> str:
        """Run the command in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "weighlock", "quarantine", *words],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def deny(self, *words: str) -> str:
        said = self.run("net/m.pkl", "--reason", "it opens a shell", "--yes", "--format", "json", *words)
        return json.loads(said)["id"]


SIGNED = """
[[evidence.signers]]
name = "ci"
key = "ci.pub"

[quarantine]
lists = ["{place}"]
"""


class Served:
    """A server of one list, which can be slow, down, or send elsewhere."""

    def __init__(self):
        self.data, self.mode, self.answers = b"", "good", []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/list.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request):
        tag = f'"{hashlib.sha256(self.data).hexdigest()}"'
        if self.mode == "slow":
            time.sleep(4)
        status, headers, data = 200, {"ETag": tag}, self.data
        if self.mode == "loop":
            status, headers, data = 302, {"Location": "/list.json"}, b""
        elif self.mode == "moved" and request.path == "/list.json":
            status, headers, data = 302, {"Location": "/there.json"}, b""
        elif self.mode == "broken":
            status, headers, data = 503, {}, b""
        elif request.headers.get("If-None-Match") == tag:
            status, data = 304, b""
        self.answers.append(status)
        try:
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            pass  # who asks does not wait for ever


@pytest.fixture(scope="module")
def served():
    found = Served()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def database():
    pytest.importorskip("psycopg")
    from tests.postgres import server

    with server() as url:
        yield url


@pytest.mark.parametrize("code", [LOADS, FORKS], ids=["loop", "forks"])
def test_a_running_program_is_refused_at_its_next_load_and_let_again_after_a_release(tmp_path, code):
    bench = Bench(tmp_path)
    bench.run = bench.run_apart
    with bench.program(code) as load:
        assert load() == "loaded\n"
        known = bench.deny()
        said = load()
        assert said.startswith("refused")
        assert "it opens a shell" in said
        assert known in said
        bench.run("--release", known, "--reason", "a false alarm")
        assert load() == "loaded\n"


def test_workers_of_a_data_loader_are_refused_at_their_next_load(tmp_path):
    pytest.importorskip("torch")
    bench = Bench(tmp_path)
    with bench.program(WORKERS) as load:
        assert load() == "loaded\n"
        bench.deny()
        assert load().startswith("refused")


def test_a_running_program_is_refused_by_a_file_of_the_team(tmp_path):
    bench = Bench(tmp_path, SIGNED.format(place="team.json"))
    bench.run("--refresh", "--key", "ci.key")
    with bench.program(LOADS) as load:
        assert load() == "loaded\n"
        bench.deny("--key", "ci.key")
        assert "quarantined" in load()


def test_a_running_program_is_refused_by_a_list_behind_a_url(tmp_path, served):
    bench = Bench(tmp_path, SIGNED.format(place=served.url))

    def publish():
        bench.run("--export", "public.json", "--list", "team.json")
        served.data = (tmp_path / "public.json").read_bytes()

    served.mode = "good"
    bench.run("--refresh", "--list", "team.json", "--key", "ci.key")
    publish()
    with bench.program(LOADS) as load:
        assert load() == "loaded\n"
        time.sleep(1.1)
        assert load() == "loaded\n"
        assert served.answers[-1] == 304
        bench.deny("--list", "team.json", "--key", "ci.key")
        publish()
        time.sleep(1.1)
        assert "quarantined" in load()
    with bench.program(LOADS) as load:
        served.mode = "moved"
        assert "quarantined" in load()


@pytest.mark.parametrize("mode", ["broken", "slow", "loop"])
def test_a_server_of_lists_that_does_not_answer_refuses_and_does_not_hang(tmp_path, served, mode):
    bench = Bench(tmp_path, SIGNED.format(place=served.url))
    bench.run("--refresh", "--list", "team.json", "--key", "ci.key")
    served.data, served.mode = (tmp_path / "team.json").read_bytes(), mode
    with bench.program(LOADS) as load:
        begun = time.monotonic()
        assert "quarantine-list" in load()
        assert time.monotonic() - begun < 12
        served.mode = "good"
        time.sleep(1.1)
        assert load() == "loaded\n"


def test_a_running_program_is_refused_by_the_list_in_the_database_of_the_ledger(tmp_path, database):
    bench = Bench(tmp_path, SIGNED.format(place="ledger"), ledger=database)
    bench.run("--refresh", "--key", "ci.key")
    with bench.program(LOADS) as load:
        assert load() == "loaded\n"
        known = bench.deny("--key", "ci.key")
        assert "quarantined" in load()
        bench.run("--release", known, "--reason", "a false alarm", "--key", "ci.key")
        assert load() == "loaded\n"


def test_a_row_of_an_older_list_that_was_put_back_into_the_database_is_a_roll_back(tmp_path, database):
    import psycopg

    with psycopg.connect(database) as connection:
        connection.execute("drop table if exists weighlock_quarantine")
    bench = Bench(tmp_path, SIGNED.format(place="ledger"), ledger=database)
    bench.run("--refresh", "--key", "ci.key")
    with psycopg.connect(database) as connection:
        (older,) = connection.execute("select bundle from weighlock_quarantine").fetchone()
    with bench.program(LOADS) as load:
        assert load() == "loaded\n"
        bench.deny("--key", "ci.key")
        assert "quarantined" in load()
        with psycopg.connect(database) as connection:
            connection.execute("insert into weighlock_quarantine values (100, %s)", (older,))
        assert "quarantined" in load()
    with bench.program(LOADS) as load:
        assert "rolled back" in load()
    with psycopg.connect(database) as connection:
        connection.execute("delete from weighlock_quarantine")
    with bench.program(LOADS) as load:
        assert "is gone" in load()


def test_quarantines_at_the_same_time_lose_no_other_in_the_database(tmp_path, database):
    import psycopg

    with psycopg.connect(database) as connection:
        connection.execute("drop table if exists weighlock_quarantine")
    bench = Bench(tmp_path, SIGNED.format(place="ledger"), ledger=database)
    words = ["--reason", "bad", "--yes", "--key", "ci.key", "--as", "digest"]
    threads = [threading.Thread(target=bench.run_apart, args=(digit * 64, *words)) for digit in "012"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads(bench.run("--show", "--format", "json"))["events"]) == 3
