"""What registries of containers cost: `python -m bench.registries` measures, and writes `results/registries.json`.

The registry is Debian's docker-registry on this machine, its disk and ours the same; the peer is oras-py.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.row import NO_BAR, Row, report, spread
from tests.docker_registry import DockerRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PART = "registries"
_SIZE = 1 << 30
_RUNS = 3
_VERB = {True: "takes", False: "refuses"}
_PUSH, _PULL = (
    "import oras.client, sys; oras.client.OrasClient(insecure=True).push(target=sys.argv[1], files=[sys.argv[2]])",
    "import oras.client, sys; oras.client.OrasClient(insecure=True).pull(target=sys.argv[1], outdir=sys.argv[2])",
)


def measure(folder: Path) -> list[Row]:
    """Measure pushing and syncing one large file, and who notices a changed byte.

    Args:
        folder: Empty, on a disk.
    """
    project = folder / "project"
    project.mkdir()
    _write_model(project / "model.safetensors")
    with DockerRegistry(folder / "registry") as registry, _inside(project, folder):
        _weighlock("lock", "./model.safetensors")
        pushed = [_pushed(registry, number) for number in range(_RUNS)]
        (project / "models.lock").unlink()
        _weighlock("lock", f"oci:{registry.host}/ours0/model:v1")
        synced = [_synced(registry, folder) for _ in range(_RUNS)]
        refused = _changed(registry, folder)
    method = (
        f"1 GiB of a safetensors file, new processes in turns, medians of {_RUNS}; docker-registry on the same disk"
    )
    return [
        _row("push of 1 GiB to a registry, hashed before and while it is sent, against oras-py", pushed, method),
        _row("sync of 1 GiB from a registry, hashed, against oras-py's pull, which hashes nothing", synced, method),
        refused,
    ]


def _pushed(registry: DockerRegistry, number: int) -> tuple[float, float]:
    ours = _time(lambda: _weighlock("push", "./model.safetensors", f"oci:{registry.host}/ours{number}/model:v1"))
    shutil.rmtree(registry.folder / "storage")  # so that neither is spared what the other has sent
    theirs = _time(lambda: _python(_PUSH, f"{registry.host}/theirs{number}/model:v1", "model.safetensors"))
    shutil.rmtree(registry.folder / "storage")
    if number == _RUNS - 1:
        _weighlock("push", "./model.safetensors", f"oci:{registry.host}/ours0/model:v1")
    return ours, theirs


def _synced(registry: DockerRegistry, folder: Path) -> tuple[float, float]:
    shutil.rmtree(folder / "cache", ignore_errors=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    ours = _time(lambda: _weighlock("sync"))
    theirs = _time(lambda: _python(_PULL, f"{registry.host}/ours0/model:v1", str(folder / "out")))
    return ours, theirs


def _changed(registry: DockerRegistry, folder: Path) -> Row:
    """Flip a bit in the storage of the registry, and see who takes it."""
    lock = Path("models.lock").read_text(encoding="utf-8")
    sha256 = lock.partition('sha256 = "')[2][:64]
    with registry.blob(sha256).open("r+b") as stored:
        stored.seek(_SIZE // 2)
        byte = stored.read(1)
        stored.seek(_SIZE // 2)
        stored.write(bytes([byte[0] ^ 1]))
    shutil.rmtree(folder / "cache")
    shutil.rmtree(folder / "out")
    ours = _weighlock("sync", check=False)
    theirs = subprocess.run(
        [sys.executable, "-c", _PULL, f"{registry.host}/ours0/model:v1", str(folder / "out")],
        check=False,
        capture_output=True,
    ).returncode
    return Row(
        part=PART,
        name="a flipped bit in the storage of a registry: who takes it",
        bar="refused by weighlock",
        measured=f"weighlock {_VERB[ours == 0]} it, oras-py {_VERB[theirs == 0]} it",
        method="the file in the storage of docker-registry was changed; `weighlock sync`, and oras-py's pull",
        met=ours == 1,
        numbers={"weighlock": ours, "oras": theirs},
    )


def _row(name: str, times: list[tuple[float, float]], method: str) -> Row:
    ours, theirs = ([pair[side] for pair in times] for side in (0, 1))
    middle, other = sorted(ours)[len(ours) // 2], sorted(theirs)[len(theirs) // 2]
    return Row(
        part=PART,
        name=name,
        bar=NO_BAR,
        measured=f"{middle / other:.2f}x ({middle:.1f} s against {other:.1f} s)",
        method=method,
        met=None,
        numbers={"weighlock": spread(ours), "oras": spread(theirs)},
    )


def _time(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _weighlock(*arguments: str, check: bool = True) -> int:
    done = subprocess.run([sys.executable, "-m", "weighlock", *arguments], check=check, stdout=subprocess.DEVNULL)
    return done.returncode


def _python(code: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def _inside(project: Path, folder: Path) -> Iterator[None]:
    before, here = dict(os.environ), Path.cwd()
    os.environ.update(
        WEIGHLOCK_CACHE=str(folder / "cache"), WEIGHLOCK_STATE=str(folder / "state"), DOCKER_CONFIG=str(folder / "none")
    )
    os.chdir(project)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)


def _write_model(place: Path) -> None:
    header = json.dumps({"w": {"dtype": "U8", "shape": [_SIZE], "data_offsets": [0, _SIZE]}}).encode()
    block = os.urandom(1 << 20)
    with place.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for start in range(_SIZE >> 20):
            file.write(block[start:] + block[:start])


if __name__ == "__main__":
    report(PART, measure)
