"""Child interpreters under the guard, a loopback Hub, and lockfiles for what it serves."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e import tiny_models
from weighlock.demo.hub import LoopbackHub
from weighlock.lockfile import HubSource, LockedFile, LockedModel, Lockfile, PathSource

# A child imports torch and a library on top of it; on a busy machine that takes a while.
_TIMEOUT = 240


class Workshop:
    """A project folder with a Hub, a lockfile, a Hub cache of its own, and interpreters under the guard.

    Args:
        hub: Where repositories are.
        folder: The project.
    """

    def __init__(self, hub: LoopbackHub, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.cache = folder / "huggingface" / "hub"
        self._models: list[LockedModel] = []
        self._write()

    def serve(
        self, repo: str, files: Mapping[str, bytes], *, kind: str = "model", lock: bool = True, **facts: object
    ) -> str:
        """Put a repository on the Hub, and into the lockfile."""
        commit = self.hub.add_repo(repo, files, type=kind)
        if lock:
            source = HubSource(repo=repo, type=kind, revision=commit)
            name = repo if kind == "model" else f"{kind}s/{repo}"
            self._models = [model for model in self._models if model.name != name]
            self._models.append(LockedModel(name=name, source=source, files=locked(files), **facts))
            self._write()
        return commit

    def lock_folder(self, path: str, **facts: object) -> None:
        """Put a folder of the project into the lockfile as it is now."""
        root = self.folder / path
        files = {str(one.relative_to(root)): one.read_bytes() for one in sorted(root.rglob("*")) if one.is_file()}
        self._models.append(LockedModel(name=path, source=PathSource(path=path), files=locked(files), **facts))
        self._write()

    def policy(self, text: str) -> None:
        """Write the project's policy."""
        (self.folder / "weighlock.toml").write_text(text)

    def run(self, code: str, *, guard: bool = True, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a script in a fresh interpreter, under the guard unless it is to do without."""
        script = self.folder / "script.py"
        script.write_text(("import weighlock.auto\n" if guard else "") + textwrap.dedent(code))
        return subprocess.run(
            [sys.executable, str(script)],
            cwd=self.folder,
            env={**os.environ, **self._environ(), **environ},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )

    def poison(self, repo: str, path: str, kind: str = "model") -> None:
        """Flip the last byte of a cached file where it lies, and put its times back."""
        (place,) = (self.cache / f"{kind}s--{repo.replace('/', '--')}" / "snapshots").glob(f"*/{path}")
        place = place.resolve()
        status = place.stat()
        data = bytearray(place.read_bytes())
        data[-1] ^= 1
        place.chmod(0o644)
        place.write_bytes(data)
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _write(self) -> None:
        (self.folder / "models.lock").write_text(Lockfile(models=tuple(self._models)).dumps())

    def _environ(self) -> dict[str, str]:
        return {
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HOME": str(self.folder / "huggingface"),
            "XDG_CACHE_HOME": str(self.folder / "xdg"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "OMP_NUM_THREADS": "1",
            "TRANSFORMERS_VERBOSITY": "error",
        }


def locked(files: Mapping[str, bytes]) -> tuple[LockedFile, ...]:
    return tuple(
        LockedFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()) for path, data in files.items()
    )


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with LoopbackHub() as hub:
        yield Workshop(hub, tmp_path)


@pytest.fixture(scope="session")
def tiny() -> Callable[[str], tiny_models.Files]:
    """Return the maker of tiny models, which makes each of them once."""
    made: dict[str, tiny_models.Files] = {}

    def make(name: str) -> tiny_models.Files:
        if name not in made:
            made[name] = (
                tiny_models.pickled(make(name.removesuffix("-pickled")))
                if name.endswith("-pickled")
                else getattr(tiny_models, name)()
            )
        return made[name]

    return make
