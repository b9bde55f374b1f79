"""``weighlock lock`` of files on this disk, which may change and may be named by an attacker."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from weighlock.errors import AdmissionError
from weighlock.lockfile import PathSource

pytestmark = pytest.mark.hub


def test_a_local_checkpoint(bench: Any, weights: dict[str, bytes]) -> None:
    folder = bench.project.folder / "checkpoint-500"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(weights["safetensors"])
    (folder / "optimizer.bin").write_bytes(weights["data"])
    done = bench.run("lock", "./checkpoint-500")
    assert done.returncode == 0, done.stderr
    assert bench.lockfile.by_name("./checkpoint-500").source == PathSource(path="./checkpoint-500")
    assert bench.run("verify", "--offline").returncode == 2
    assert bench.run("verify").returncode == 0
    (folder / "optimizer.bin").write_bytes(weights["needs"])
    assert bench.run("verify").returncode == 1
    assert [file.place for file in (bench.root / "caches").rglob("x")] == []


def test_a_malicious_local_file_is_named_by_its_path(bench: Any, payload: bytes) -> None:
    (bench.project.folder / "m").mkdir()
    (bench.project.folder / "m" / "a b.bin").write_bytes(payload)
    with pytest.raises(AdmissionError) as caught:
        bench.lock("./m")
    place = bench.project.folder / "m" / "a b.bin"
    assert f"`weighlock approve '{place}' --unsafe --reason TEXT`" in caught.value.hint


@pytest.mark.parametrize("name", ["a\nb.bin", "a\x1b[2Jb.bin"])
def test_a_local_name_with_control_characters_is_refused_and_never_printed_raw(name: str, bench: Any) -> None:
    (bench.project.folder / "m").mkdir()
    (bench.project.folder / "m" / name).touch()
    done = bench.run("lock", "./m")
    assert done.returncode == 2
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr.count("\n") == 2
    assert "has a name that holds characters that cannot be shown" in done.stderr


def test_a_symlink_loop_in_a_local_folder_is_one_line(bench: Any) -> None:
    (bench.project.folder / "m").mkdir()
    (bench.project.folder / "m" / "loop").symlink_to("loop")
    done = bench.run("lock", "./m")
    assert (done.returncode, done.stderr) == (
        2, "error: ./m/loop: is a link in a circle or to nothing\nhint: remove it\n"
    )  # fmt: skip


def test_a_local_file_that_changes_while_it_is_judged_is_unverifiable(
    bench: Any, weights: dict[str, bytes], payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weighlock.gates import lock as gate

    place = bench.project.folder / "m.bin"
    place.write_bytes(weights["data"])
    inspect_file = gate.inspect_file

    def swapped(fetched: Any, path: str) -> Any:
        place.write_bytes(weights["safetensors"])
        return inspect_file(fetched, path)

    monkeypatch.setattr(gate, "inspect_file", swapped)
    with pytest.raises(AdmissionError, match="changed while it was judged"):
        bench.lock("./m.bin")


def test_ctrl_c_while_a_local_file_is_hashed_changes_nothing(bench: Any) -> None:
    with (bench.project.folder / "large.bin").open("wb") as file:
        file.truncate(20 << 30)  # Sparse: it takes no room, and at least ten seconds to hash.
    with subprocess.Popen(
        [sys.executable, "-m", "weighlock", "lock", "./large.bin"], cwd=bench.project.folder,
        env=bench.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        time.sleep(1.5)
        child.send_signal(signal.SIGINT)
        begin = time.monotonic()
        stdout, stderr = child.communicate(timeout=30)
        assert time.monotonic() - begin < 5
    assert (child.returncode, stdout, stderr) == (130, "", "error: interrupted\n")
    assert not bench.project.lock.exists()
