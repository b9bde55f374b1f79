"""A loopback Hub with one locked repository, and what a program gets from it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from huggingface_hub import HfApi, HfFileSystem, hf_hub_download, snapshot_download

from weighlock.demo.hub import LoopbackHub
from weighlock.errors import LoadRefused
from weighlock.lockfile import Chunks, HubSource, LockedFile, LockedModel, Lockfile
from weighlock.runtime import activate

WEIGHTS = bytes(range(256)) * 64
CHANGED = WEIGHTS[:-1] + b"X"
FILES = {"config.json": b'{"a": 1}', "model.safetensors": WEIGHTS, "sub/vocab.txt": b"one\ntwo\n"}
LEFT_OUT = {"pytorch_model.bin": b"old", "extra.json": b"{}", "modeling.py": b"raise SystemExit('ran')"}
REPO = "org/tiny"


def locked(path: str, data: bytes, chunk: int | None = None) -> LockedFile:
    digests = [
        hashlib.sha256(data[start : start + (chunk or 1)]).hexdigest() for start in range(0, len(data), chunk or 1)
    ]
    chunks = Chunks(size=chunk, sha256=tuple(digests)) if chunk else None
    return LockedFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest(), chunks=chunks)


class Guarded:
    """A loopback Hub with one locked repository, a cache, and the guard, switched on on demand."""

    def __init__(self, hub: LoopbackHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub = hub
        self.folder = folder
        self.cache = folder / "cache"
        self.commit = hub.add_repo(REPO, {**FILES, **LEFT_OUT})
        self.monkeypatch = monkeypatch
        self.api = HfApi(endpoint=hub.endpoint, token=False)

    def activate(
        self, *, ref: str = "main", mode: str = "enforce", unlocked: str = "refuse", kind: str = "model", **more: object
    ) -> None:
        source = HubSource(repo=REPO, type=kind, ref=ref, revision=self.commit)
        files = more.pop("files", tuple(locked(path, data) for path, data in FILES.items()))
        model = LockedModel(name=REPO, source=source, files=files, **more)
        lock, policy = self.folder / "models.lock", self.folder / "weighlock.toml"
        lock.write_text(Lockfile(models=(model,)).dumps())
        policy.write_text(f'unlocked = "{unlocked}"\n')
        for name in ("WEIGHLOCK_MODE", "WEIGHLOCK_LOCK", "WEIGHLOCK_POLICY", "PYTHONPATH"):
            self.monkeypatch.setenv(name, os.environ.get(name, ""))
        for name, value in (("MODE", mode), ("LOCK", lock), ("POLICY", policy)):
            self.monkeypatch.setenv(f"WEIGHLOCK_{name}", str(value))
        self.hub.requests.clear()
        activate()

    def download(self, path: str = "model.safetensors", repo: str = REPO, **options: object) -> bytes:
        options = {"cache_dir": self.cache, "endpoint": self.hub.endpoint, "token": False, **options}
        return Path(hf_hub_download(repo, path, **options)).read_bytes()

    def snapshot(self, repo: str = REPO, **options: object) -> set[str]:
        options = {"cache_dir": self.cache, "endpoint": self.hub.endpoint, "token": False, **options}
        folder = Path(snapshot_download(repo, **options))
        return {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and ".cache" not in path.parts
        }

    def files(self) -> HfFileSystem:
        return HfFileSystem(endpoint=self.hub.endpoint, token=False, skip_instance_cache=True)

    def snapshot_path(self, path: str) -> Path:
        return self.cache / "models--org--tiny" / "snapshots" / self.commit / path

    def poison(self, path: str, data: bytes) -> None:
        """Change a cached file where it lies, as long as it was and with the same times."""
        place = self.snapshot_path(path).resolve()
        status = place.stat()
        place.chmod(0o644)
        place.write_bytes(data)
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))

    def nothing_published(self) -> bool:
        return not self.snapshot_path("model.safetensors").exists() and not any(
            path.read_bytes() == CHANGED for path in self.folder.rglob("*") if path.is_file()
        )


def refused(rule: str, *more: str) -> object:
    return pytest.raises(LoadRefused, match=rf"(?s){'.*'.join([*more, f'rule: {rule}'])}")
