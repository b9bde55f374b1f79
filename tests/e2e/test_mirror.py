"""A mirror between the guard and the Hub: olah, a caching proxy by other people, in an environment of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
import venv
from pathlib import Path

import pytest

from tests.e2e import matrix

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

VERSION = "0.5.4"

LOAD = """
    from transformers import AutoModel
    print("LOADED", AutoModel.from_pretrained("org/tiny").config.hidden_size)
"""
DOWNLOAD = """
    from huggingface_hub import HfFileSystem, hf_hub_download, snapshot_download
    hf_hub_download("org/tiny", "model.safetensors")
    snapshot_download("org/tiny")
    HfFileSystem().cat_file("org/tiny/config.json")
    print("LOADED")
"""


@pytest.fixture(scope="module")
def olah() -> str:
    """Return the command of the mirror, installed where it is missing."""
    folder = matrix.FOLDER / f"olah-{VERSION}"
    if not folder.is_dir():
        matrix.FOLDER.mkdir(exist_ok=True)
        try:
            venv.create(folder, with_pip=True)
            matrix.install((f"olah=={VERSION}",), python=str(folder / "bin" / "python"))
        except matrix.NoIndexError as error:
            shutil.rmtree(folder)
            pytest.skip(str(error))
        except BaseException:
            shutil.rmtree(folder)
            raise
    return str(folder / "bin" / "olah-cli")


class Mirror:
    """A running mirror of a Hub."""

    def __init__(self, command: str, upstream: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            place = f"127.0.0.1:{free.getsockname()[1]}"
        folder.mkdir()
        netloc = upstream.removeprefix("http://")
        options = {
            "host": "127.0.0.1",
            "port": place.rpartition(":")[2],
            "hf-scheme": "http",
            "hf-netloc": netloc,
            "hf-lfs-netloc": netloc,
            "mirror-netloc": place,
            "mirror-lfs-netloc": place,
            "repos-path": str(folder / "repos"),
            "log-path": str(folder / "logs"),
        }
        self.endpoint = f"http://{place}"
        self._log = (folder / "output").open("w")
        self._process = subprocess.Popen(
            [command, *(part for name, value in options.items() for part in (f"--{name}", value))],
            cwd=folder,
            env={**os.environ, "NO_PROXY": "127.0.0.1", "HF_ENDPOINT": upstream},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def await_answer(self, path: str) -> None:
        """Wait until the mirror answers."""
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{self.endpoint}/{path}", timeout=5):  # noqa: S310 - on this machine
                    return
            except OSError:
                assert self._process.poll() is None, "the mirror has ended"
                time.sleep(0.2)
        raise AssertionError("the mirror does not answer")

    def stop(self) -> None:
        """End the mirror."""
        self._process.terminate()
        self._process.wait(timeout=30)
        self._log.close()


@pytest.fixture
def mirror(olah, workshop):
    running = Mirror(olah, workshop.hub.endpoint, workshop.folder / "mirror")
    yield running
    running.stop()


def test_a_locked_repository_loads_through_a_mirror(workshop, mirror, tiny):
    files = tiny("bert")
    workshop.serve("org/tiny", files)
    mirror.await_answer("api/models/org/tiny")
    through_mirror = {"HF_ENDPOINT": mirror.endpoint}

    done = workshop.run(LOAD, **through_mirror)
    assert done.returncode == 0, done.stderr
    assert "LOADED 8" in done.stdout
    assert workshop.run(DOWNLOAD, **through_mirror).returncode == 0


def test_bytes_that_were_tampered_with_behind_a_mirror_are_refused(workshop, mirror, tiny):
    files = tiny("bert")
    workshop.serve("org/tiny", files)
    workshop.hub.tamper("org/tiny", "model.safetensors", files["model.safetensors"][:-1] + b"X")
    mirror.await_answer("api/models/org/tiny")
    for code in (LOAD, DOWNLOAD):
        done = workshop.run(code, HF_ENDPOINT=mirror.endpoint)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "rule: changed" in done.stderr
        assert "LOADED" not in done.stdout
        assert not list(workshop.cache.glob("*/snapshots/*/model.safetensors"))
