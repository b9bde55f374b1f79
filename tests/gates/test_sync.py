"""``weighlock sync``: what is locked arrives whole and verified, or not at all."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import try_to_load_from_cache

from weighlock.errors import (
    AdmissionError,
    DigestMismatchError,
    LedgerError,
    SourceError,
    UsageError,
    WeighlockError,
)
from weighlock.evidence_policy import LedgerPolicy
from weighlock.files import update_lockfile
from weighlock.gates.deciding import Decider
from weighlock.gates.recording import Recorder
from weighlock.gates.sync import sync
from weighlock.lockfile import HubSource, LockedFile, LockedModel, Lockfile, UrlSource
from weighlock.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.hub

_SPEC = importlib.util.spec_from_file_location("web_server", Path(__file__).parents[1] / "sources" / "conftest.py")
assert _SPEC is not None
assert _SPEC.loader is not None
_WEB = importlib.util.module_from_spec(_SPEC)
sys.modules["web_server"] = _WEB
_SPEC.loader.exec_module(_WEB)

LARGE = os.urandom(4 << 20)


@pytest.fixture
def slow() -> Iterator[Any]:
    """A Hub that needs seconds for a file."""
    with _WEB.WebServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def locked(path: str, data: bytes, sha256: str) -> LockedModel:
    source = HubSource(repo="org/slow", revision="7" * 40)
    return LockedModel(name="org/slow", source=source, files=(LockedFile(path=path, size=len(data), sha256=sha256),))


@pytest.fixture
def slow_bench(bench: Any, slow: Any) -> Any:
    import hashlib

    model = locked("a.bin", LARGE, hashlib.sha256(LARGE).hexdigest())
    update_lockfile(bench.project.lock, lambda _: Lockfile(models=(model,)))
    slow.pages[f"/org/slow/resolve/{'7' * 40}/a.bin"] = _WEB.Page(LARGE, pause=0.05)
    return bench


def start(bench: Any, slow: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "weighlock", "sync"], cwd=bench.project.folder,
        env=bench.environment(HF_ENDPOINT=slow.url("")), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_part(bench: Any) -> Path:
    for _ in range(600):
        parts = [part for part in (bench.root / "caches").rglob("*.part") if part.stat().st_size > 300_000]
        if parts:
            return parts[0]
        time.sleep(0.02)
    raise AssertionError("nothing came")


def fill(filler: Path) -> None:
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(b"x" * 4096) == 4096:
            pass


def test_an_empty_cache_is_filled_and_a_full_one_needs_no_server(bench: Any, weights: dict[str, bytes]) -> None:
    files = {"a.bin": weights["data"], "sub/model.safetensors": weights["safetensors"], "empty": b""}
    bench.hub.add_repo("org/a", files)
    bench.lock("org/a")
    bench.empty()
    assert set(bench.sync().values()) == {"downloaded"}
    bench.hub.requests.clear()
    assert bench.sync() == dict.fromkeys(files, "present")
    assert bench.run("sync").returncode == 0
    assert bench.hub.requests == []
    found = try_to_load_from_cache("org/a", "sub/model.safetensors", cache_dir=bench.options.cache.root)
    assert isinstance(found, str)
    assert Path(found).read_bytes() == weights["safetensors"]


def test_a_moved_ref_is_not_followed(bench: Any, weights: dict[str, bytes]) -> None:
    first = bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    bench.hub.commit("org/a", {"a.bin": weights["safetensors"]})
    bench.empty()
    bench.sync()
    assert bench.place("a.bin").read_bytes() == weights["data"]
    ref = bench.options.cache.root / "models--org--a" / "refs" / "main"
    assert ref.read_text() == first
    ref.write_text("8" * 40)
    bench.sync()
    assert ref.read_text() == first


def test_tampered_bytes_under_the_old_etag_never_reach_the_cache(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    bench.empty()
    bench.hub.tamper("org/a", "a.bin", weights["data"][:-1] + b"!")
    with pytest.raises(DigestMismatchError, match="the lockfile says") as caught:
        bench.sync()
    assert caught.value.exit_code == 1
    assert bench.published() == []
    done = bench.run("sync")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: org/a: a.bin: ")


@pytest.mark.parametrize("same_length", [True, False])
def test_a_tampered_cache_is_found_and_replaced(same_length: bool, bench: Any, weights: dict[str, bytes]) -> None:  # noqa: FBT001
    bench.hub.add_repo("org/a", {"a.bin": weights["data"], "b.txt": b"b"})
    bench.lock("org/a")
    place = bench.place("a.bin")
    stamp = place.stat()
    place.write_bytes(weights["data"][:-1] + (b"!" if same_length else b""))
    os.utime(place, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(SourceError, match="forbids to download"):
        bench.sync(offline=True)
    assert bench.sync() == {"a.bin": "replaced", "b.txt": "present"}
    assert bench.heard.lines[-1] == f"{place} has other bytes than the lockfile expects and is replaced"
    assert bench.place("a.bin").read_bytes() == weights["data"]


def test_a_pointer_that_was_bent_to_another_blob_is_replaced(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"], "b.bin": weights["needs"]})
    bench.lock("org/a")
    place = bench.place("a.bin")
    target = os.readlink(bench.place("b.bin"))
    place.unlink()
    place.symlink_to(target)
    assert bench.sync() == {"a.bin": "replaced", "b.bin": "present"}
    assert bench.place("a.bin").read_bytes() == weights["data"]
    assert bench.place("b.bin").read_bytes() == weights["needs"]


def test_a_broken_pointer_is_mended(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    bench.place("a.bin").resolve().unlink()
    assert bench.sync() == {"a.bin": "downloaded"}


def test_what_the_lockfile_calls_refused_is_not_synced(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    text = bench.project.lock.read_text().replace('"data-only"', '"refused"')
    bench.project.lock.write_text(text)
    with pytest.raises(AdmissionError, match="nobody accepted it"):
        bench.sync()


def test_a_local_folder(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"], "sub/b.txt": b"b"})
    bench.hub.add_repo("org/b", {"a.bin": weights["data"]})
    bench.lock("org/a", "org/b")
    local = bench.root / "local"
    assert bench.sync("org/a", local=local) == {"a.bin": "downloaded", "sub/b.txt": "downloaded"}
    assert sorted(str(path.relative_to(local)) for path in local.rglob("*")) == ["a.bin", "sub", "sub/b.txt"]
    (local / "a.bin").write_bytes(b"!")
    assert bench.sync("org/a", local=local)["a.bin"] == "replaced"
    done = bench.run("sync", "--local-dir", str(local))
    assert (done.returncode, "takes the files of one model" in done.stderr) == (2, True)


def test_a_name_that_is_not_locked(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    with pytest.raises(UsageError, match="org/b: is not in the lockfile"):
        bench.sync("org/b")


def test_no_lockfile_is_one_line_and_a_hint(bench: Any) -> None:
    done = bench.run("sync")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {bench.project.lock}: there is no lockfile\nhint: write one with `weighlock lock MODEL`\n"
    )


def test_a_lockfile_broken_by_hand_is_one_line_with_its_line(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    text = bench.project.lock.read_text()
    bench.project.lock.write_text(text.replace("size = ", "size = -", 1))
    line = text[: text.index("size = ")].count("\n") + 1
    for command in ("sync", "verify", "lock"):
        done = bench.run(command, *(["org/a"] if command == "lock" else []))
        assert done.returncode == 2
        error, hint = done.stderr.splitlines()
        assert error == f"error: {bench.project.lock}, line {line}, models[0].files[0].size: is negative"
        assert hint.startswith("hint: ")


def test_two_urls_of_the_same_name_are_refused(bench: Any) -> None:
    def model(host: str) -> LockedModel:
        source = UrlSource(url=f"https://{host}/net.pth")
        return LockedModel(name=host, source=source, files=(LockedFile(path="net.pth", size=1, sha256="a" * 64),))

    update_lockfile(bench.project.lock, lambda _: Lockfile(models=(model("a"), model("b"))))
    with pytest.raises(SourceError, match="under the same name as a"):
        bench.sync()


def test_ctrl_c_is_one_line_and_keeps_only_what_can_be_resumed(slow_bench: Any, slow: Any) -> None:
    before = slow_bench.project.lock.read_bytes()
    with start(slow_bench, slow) as child:
        part = wait_for_part(slow_bench)
        child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=20)
    assert (child.returncode, stdout, stderr) == (130, "", "error: interrupted\n")
    assert slow_bench.project.lock.read_bytes() == before
    assert {Path(path).name for path in slow_bench.published()} == {part.name, "lock"}
    slow.pages[f"/org/slow/resolve/{'7' * 40}/a.bin"].pause = 0
    done = slow_bench.run("sync", HF_ENDPOINT=slow.url(""))
    assert done.returncode == 0, done.stderr
    assert slow.requests[-1][1]["range"].startswith("bytes=")
    assert slow_bench.place("a.bin", "org/slow").read_bytes() == LARGE
    assert not part.parent.exists()


def test_ctrl_c_in_lock_leaves_no_lockfile(bench: Any, slow: Any) -> None:
    slow.pages["/net.pth"] = _WEB.Page(LARGE, pause=0.05)
    with subprocess.Popen(
        [sys.executable, "-m", "weighlock", "lock", slow.url("/net.pth")], cwd=bench.project.folder,
        env=bench.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        wait_for_part(bench)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=20)
    assert (child.returncode, stderr) == (130, "error: interrupted\n")
    assert list(bench.project.folder.iterdir()) == []


def test_kill_9_leaves_nothing_in_the_cache_and_is_resumed(slow_bench: Any, slow: Any) -> None:
    with start(slow_bench, slow) as child:
        part = wait_for_part(slow_bench)
        child.kill()
    have = part.stat().st_size
    assert not (slow_bench.options.cache.root / "models--org--slow").exists()
    slow.pages[f"/org/slow/resolve/{'7' * 40}/a.bin"].pause = 0
    assert slow_bench.run("sync", HF_ENDPOINT=slow.url("")).returncode == 0
    assert slow.requests[-1][1]["range"] == f"bytes={have}-"
    assert slow_bench.place("a.bin", "org/slow").read_bytes() == LARGE


def test_two_syncs_at_once_download_once_and_both_succeed(slow_bench: Any, slow: Any) -> None:
    slow.pages[f"/org/slow/resolve/{'7' * 40}/a.bin"].pause = 0.02
    with start(slow_bench, slow) as first, start(slow_bench, slow) as second:
        outputs = [child.communicate(timeout=60) for child in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    assert sorted("1 downloaded" in stdout for stdout, _ in outputs) == [False, True]
    assert len(slow.requests) == 1
    assert slow_bench.place("a.bin", "org/slow").read_bytes() == LARGE


def test_a_truncated_body_never_reaches_the_cache(slow_bench: Any, slow: Any) -> None:
    path = f"/org/slow/resolve/{'7' * 40}/a.bin"
    slow.pages[path] = _WEB.Page(LARGE[:1000], claimed=len(LARGE), ranges=False)
    done = slow_bench.run("sync", HF_ENDPOINT=slow.url(""))
    assert done.returncode == 2
    assert f"the server ends after 1000 of {len(LARGE)} bytes" in done.stderr
    assert not (slow_bench.options.cache.root / "models--org--slow").exists()


def test_a_redirect_to_another_host_gets_no_token(slow_bench: Any, slow: Any) -> None:
    path = f"/org/slow/resolve/{'7' * 40}/a.bin"
    slow.pages[path] = _WEB.Page(status=302, location=slow.url("/cdn").replace("127.0.0.1", "localhost"))
    slow.pages["/cdn"] = _WEB.Page(LARGE)
    token = "hf_secret"  # noqa: S105 - it opens nothing
    done = slow_bench.run("sync", HF_ENDPOINT=slow.url(""), HF_TOKEN=token)
    assert done.returncode == 0, done.stderr
    sent = [headers.get("authorization") for _, headers in slow.requests]
    assert sent == ["Bearer hf_secret", None]


def test_a_redirect_to_a_file_is_refused(slow_bench: Any, slow: Any) -> None:
    slow.pages[f"/org/slow/resolve/{'7' * 40}/a.bin"] = _WEB.Page(status=302, location="file:///etc/passwd")
    done = slow_bench.run("sync", HF_ENDPOINT=slow.url(""))
    assert done.returncode == 2
    assert slow_bench.published() == []


def test_a_full_disk_leaves_no_half_file(slow_bench: Any, slow: Any) -> None:
    slow.pages[f"/org/slow/resolve/{'7' * 40}/a.bin"].pause = 0
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20));"
        "from weighlock._cli import main; sys.exit(main(['sync']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=slow_bench.project.folder,
        env=slow_bench.environment(HF_ENDPOINT=slow.url("")), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "error: org/slow: a.bin: cannot be written: File too large\n"
        "hint: make room and run it again; nothing was published\n"
    )
    assert slow_bench.published() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a tiny file system")
def test_a_really_full_disk_leaves_no_half_file(slow_bench: Any, slow: Any) -> None:
    slow.pages[f"/org/slow/resolve/{'7' * 40}/a.bin"].pause = 0
    caches = slow_bench.root / "caches"
    caches.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if not mount or not umount:
        pytest.skip("cannot mount here")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=5M", "none", caches], check=False).returncode:
        pytest.skip("cannot mount here")
    try:
        # What fits when it begins, and no longer when it is written.
        filler = caches / "filler"
        done = slow_bench.run("sync", HF_ENDPOINT=slow.url(""))
        assert done.returncode == 0, done.stderr
        shutil.rmtree(caches / "hub")
        slow.pages[f"/org/slow/resolve/{'7' * 40}/a.bin"].pause = 0.05
        with start(slow_bench, slow) as child:
            wait_for_part(slow_bench)
            fill(filler)
            stdout, stderr = child.communicate(timeout=60)
        assert (child.returncode, stdout) == (2, "")
        assert "error: org/slow: a.bin: cannot be written: No space left on device\n" in stderr
        assert [Path(path).name for path in slow_bench.published()] == ["filler"]
        done = slow_bench.run("sync", HF_ENDPOINT=slow.url(""))
        assert done.returncode == 2
        assert "bytes are needed and" in done.stderr
    finally:
        subprocess.run([umount, caches], check=True)


def test_an_unreachable_hub_is_one_line(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    bench.empty()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        done = bench.run("sync", HF_ENDPOINT=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 2
    assert "cannot be reached: Connection refused" in done.stderr
    assert done.stderr.count("\n") == 2
    assert not (bench.options.cache.root / "models--org--a").exists()


def test_a_read_only_cache_with_everything_in_it_is_enough(
    bench: Any, weights: dict[str, bytes], unprivileged: Any
) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    with unprivileged(bench.root):
        assert bench.sync(offline=True) == {"a.bin": "present"}


def test_a_cache_that_cannot_be_written_is_one_line(bench: Any, weights: dict[str, bytes], unprivileged: Any) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    bench.empty()
    with unprivileged(bench.root), pytest.raises(WeighlockError, match="cannot be written: Permission denied"):
        bench.sync()


def test_json(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    report = json.loads(bench.run("sync", "--format", "json").stdout)
    assert report["summary"] == {"present": 1, "downloaded": 0, "replaced": 0}
    assert report["artifacts"][0]["place"] == str(bench.place("a.bin"))


def test_a_local_file_that_is_gone_and_one_that_was_changed_are_two_things(
    bench: Any, weights: dict[str, bytes]
) -> None:
    place = bench.project.folder / "opt.pt"
    place.write_bytes(weights["data"])
    bench.lock("./opt.pt")
    assert bench.run("sync").returncode == 0
    place.write_bytes(weights["needs"])
    done = bench.run("sync")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ./opt.pt: opt.pt: has other bytes than the lockfile expects\nhint: ")
    place.unlink()
    done = bench.run("sync")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ./opt.pt: opt.pt: is not there\nhint: ")


def test_nothing_is_published_that_a_required_ledger_cannot_record(
    bench: Any, weights: dict[str, bytes], tmp_path: Path
) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    bench.empty()
    (tmp_path / "in-the-way").write_text("")
    recorder = Recorder({"WEIGHLOCK_LEDGER": str(tmp_path / "in-the-way")}, LedgerPolicy(required=True))
    decider = Decider("sync", Policy(), recorder=recorder)
    with pytest.raises(LedgerError, match="the policy requires it"):
        sync(bench.lockfile.models, bench.places, decider=decider)
    assert not bench.place("a.bin").exists()
