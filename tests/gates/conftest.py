"""A project with a lockfile, its caches, and a loopback Hub; nothing of it is the user's."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import constants

from weighlock.demo.hub import LoopbackHub
from weighlock.files import read_lockfile
from weighlock.gates.lock import LockOptions, LockReport, lock
from weighlock.gates.places import Places
from weighlock.gates.project import Project
from weighlock.gates.request import parse_request
from weighlock.gates.sync import SyncedFile, choose, sync
from weighlock.gates.verify import VerifyReport, verify_models
from weighlock.lockfile import LockedFile, Lockfile
from weighlock.policy import Policy
from weighlock.sources.hub_cache import HubCache
from weighlock.sources.interface import Silence
from weighlock.sources.url import TorchHubCache

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDS = b"\x80\x02cmypackage.models\nThing\n)\x81."
DATA = b"\x80\x02}q\x00X\x01\x00\x00\x00aK\x01s."


def safetensors(size: int = 16) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + os.urandom(size)


def evil(marker: Path) -> bytes:
    """Return a pickle that would make an empty file."""
    name = str(marker).encode()
    return b"\x80\x02cbuiltins\nopen\nX" + struct.pack("<I", len(name)) + name + b"X\x01\x00\x00\x00w\x86R."


class Heard(Silence):
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@dataclass
class Bench:
    """A project and everything that its commands need."""

    hub: LoopbackHub
    root: Path
    project: Project
    options: LockOptions
    places: Places
    heard: Heard

    def lock(self, *names: str, upgrade: tuple[str, ...] = (), all_formats: bool = False, **request: Any) -> LockReport:
        requests = [replace(parse_request(name, self.project.folder), **request) for name in names]
        options = replace(self.options, upgrade=frozenset(upgrade), all_formats=all_formats)
        return lock(requests, self.project, options, self.heard)

    def sync(self, *names: str, offline: bool = False, local: Path | None = None) -> dict[str, str]:
        places = replace(self.places, local=local)
        synced: tuple[SyncedFile, ...] = sync(
            choose(self.lockfile, names), places, offline=offline, progress=self.heard
        )
        return {file.path: file.status for file in synced}

    def verify(self, *, deep: bool = False) -> VerifyReport:
        return verify_models(self.lockfile.models, self.lockfile, self.places, deep=deep)

    def statuses(self, *, deep: bool = False) -> dict[str, str]:
        return {file.path: file.status for file in self.verify(deep=deep).files}

    @property
    def lockfile(self) -> Lockfile:
        return read_lockfile(self.project.lock)

    def file(self, path: str, model: str = "org/a") -> LockedFile:
        locked = self.lockfile.by_name(model)
        assert locked is not None
        return next(file for file in locked.files if file.path == path)

    def place(self, path: str, model: str = "org/a") -> Path:
        locked = self.lockfile.by_name(model)
        assert locked is not None
        return self.places.file(locked, path)

    def empty(self) -> None:
        """Empty the caches."""
        shutil.rmtree(self.root / "caches")

    def published(self) -> list[str]:
        """Every file in the caches, quarantine included."""
        return sorted(str(path) for path in (self.root / "caches").rglob("*") if not path.is_dir())

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a child that uses this project's caches and Hub."""
        caches = self.root / "caches"
        own = {
            "HF_HUB_CACHE": str(caches / "hub"),
            "TORCH_HOME": str(caches / "torch"),
            "HF_HOME": str(caches / "home"),
        }
        return {**os.environ, **own, "HF_ENDPOINT": self.hub.endpoint, **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as a person would."""
        return subprocess.run(
            [sys.executable, "-m", "weighlock", *arguments],
            cwd=self.project.folder, env=self.environment(**more), capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.endpoint)
        yield running


@pytest.fixture
def bench(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    cache = HubCache(tmp_path / "caches" / "hub")
    checkpoints = TorchHubCache(tmp_path / "caches" / "torch" / "hub" / "checkpoints")
    return Bench(
        hub=hub,
        root=tmp_path,
        project=Project(policy=Policy(), lock=folder / "models.lock"),
        options=LockOptions(cache=cache, checkpoints=checkpoints),
        places=Places(folder=folder, cache=cache, checkpoints=checkpoints),
        heard=Heard(),
    )


@pytest.fixture
def weights() -> dict[str, bytes]:
    return {"data": DATA, "needs": NEEDS, "safetensors": safetensors()}


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "the-payload-ran"


@pytest.fixture
def payload(marker: Path) -> Iterator[bytes]:
    yield evil(marker)
    assert not marker.exists()
