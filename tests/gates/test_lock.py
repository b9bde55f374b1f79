"""``weighlock lock``: what is refused is not written, what is written was fetched, hashed and judged."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from weighlock.errors import AdmissionError, DigestMismatchError, LockfileError, SourceError, UsageError
from weighlock.gates.request import HubRequest, parse_request
from weighlock.gates.selection import select
from weighlock.lockfile import HubSource, PathSource, UrlSource
from weighlock.policy import Policy
from weighlock.sources.interface import Offer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.hub
TOKEN = "hf_secretsecretsecret"  # noqa: S105 - it opens nothing


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_repository_is_locked_to_commit_and_digests(bench: Any, weights: dict[str, bytes]) -> None:
    card = b"---\nlicense: mit\n---\n"
    files = {
        "config.json": b"{}",
        "model.safetensors": weights["safetensors"],
        "args.bin": weights["data"],
        "R.md": card,
    }
    commit = bench.hub.add_repo("org/a", files)
    report = bench.lock("org/a")
    assert report.written
    model = bench.lockfile.by_name("org/a")
    assert model.source == HubSource(repo="org/a", revision=commit)
    assert {file.path: (file.size, file.sha256) for file in model.files} == {
        path: (len(data), sha(data)) for path, data in files.items()
    }
    assert {file.path: (file.format, file.outcome) for file in model.files} == {
        "config.json": (None, None), "R.md": (None, None), "model.safetensors": ("safetensors", None),
        "args.bin": ("pickle", "data-only"),
    }  # fmt: skip
    assert set(bench.statuses(deep=True).values()) == {"good"}


@pytest.mark.parametrize("kind", ["dataset", "space"])
def test_datasets_and_spaces(kind: str, bench: Any) -> None:
    bench.hub.add_repo("org/a", {"x.csv": b"1,2"}, type=kind)
    bench.lock(f"hf:{kind}s/org/a@main")
    assert bench.lockfile.by_repo(kind, "org/a").name == f"{kind}s/org/a"
    assert bench.sync(f"{kind}s/org/a", offline=True) == {"x.csv": "present"}


def test_a_large_file_carries_chunks(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from weighlock import digests
    from weighlock.gates import judge

    monkeypatch.setattr(digests.StreamHasher.__init__, "__defaults__", (1000,))
    monkeypatch.setattr(judge, "CHUNK", 1000)
    data = os.urandom(2500)
    bench.hub.add_repo("org/a", {"a.dat": data})
    bench.lock("org/a")
    assert bench.file("a.dat").chunks.sha256 == (sha(data[:1000]), sha(data[1000:2000]), sha(data[2000:]))


def test_a_malicious_pickle_is_not_locked(bench: Any, payload: bytes, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"model.safetensors": weights["safetensors"], "args.bin": payload})
    with pytest.raises(AdmissionError, match=r"org/a: args\.bin is refused: .*builtins\.open") as caught:
        bench.lock("org/a")
    assert caught.value.exit_code == 1
    assert "--exclude args.bin" in caught.value.hint
    assert "weighlock approve org/a:args.bin --unsafe --reason TEXT" in caught.value.hint
    assert not bench.project.lock.exists()
    # Files of the same run that were not refused wait for the next one; the refused one does not.
    assert all(path.endswith((".part", "/lock")) for path in bench.published())
    assert sha(payload) not in {sha(path.read_bytes()) for path in (bench.root / "caches").rglob("*.part")}
    bench.lock("org/a", exclude=("args.bin",))
    assert [file.path for file in bench.lockfile.by_name("org/a").files] == ["model.safetensors"]


def test_one_refused_model_keeps_the_others_out_too(bench: Any, payload: bytes, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/good", {"a.bin": weights["data"]})
    bench.hub.add_repo("org/a", {"args.bin": payload})
    bench.lock("org/good")
    before = bench.project.lock.read_text()
    bench.hub.commit("org/good", {"b.bin": weights["data"]})
    with pytest.raises(AdmissionError):
        bench.lock("org/good", "org/a", upgrade=("*",))
    assert bench.project.lock.read_text() == before


def test_a_truncated_pickle_is_unverifiable_and_not_locked(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["needs"][:-4]})
    with pytest.raises(AdmissionError, match=r"a\.bin is (unverifiable|refused)"):
        bench.lock("org/a")


def test_a_file_that_needs_an_approval_is_written_and_waits(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["needs"]})
    report = bench.lock("org/a")
    assert [item.locked.path for item in report.waiting] == ["a.bin"]
    file = bench.file("a.bin")
    assert (file.outcome, file.needs, file.approved) == ("needs-approval", ("mypackage.models.Thing",), ())
    done = bench.run("lock", "org/a")
    assert done.returncode == 0
    assert "waiting   org/a:a.bin needs mypackage.models.Thing" in done.stdout
    assert "`weighlock approve org/a:a.bin`" in done.stdout


@pytest.mark.parametrize("path", ["a.bin", "config.json"])
def test_tampered_bytes_under_the_old_etag_are_not_locked(path: str, bench: Any, weights: dict[str, bytes]) -> None:
    files = {"a.bin": weights["data"] + b"\0" * 2000, "config.json": b"{}"}
    bench.hub.add_repo("org/a", files)
    bench.hub.tamper("org/a", path, files[path][:-1] + b" ")
    with pytest.raises(DigestMismatchError, match="the Hub says"):
        bench.lock("org/a")
    assert not bench.project.lock.exists()
    assert not (bench.options.cache.root / "models--org--a").exists()


def test_a_commit_whose_bytes_changed_is_refused(bench: Any, weights: dict[str, bytes]) -> None:
    """A Hub that serves other bytes, with truthful headers, for a commit that is locked."""
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    text = bench.project.lock.read_text()
    bench.project.lock.write_text(text.replace(sha(weights["data"]), "e" * 64))
    with pytest.raises(DigestMismatchError, match="the lockfile says eeee"):
        bench.lock("org/a")


def test_a_moved_ref_changes_nothing_without_upgrade(bench: Any, weights: dict[str, bytes]) -> None:
    first = bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    text = bench.project.lock.read_text()
    second = bench.hub.commit("org/a", {"a.bin": weights["safetensors"], "new": b"x"})
    report = bench.lock("org/a")
    assert (report.written, bench.project.lock.read_text()) == (False, text)
    report = bench.lock("org/a", upgrade=("org/a",))
    change = report.changes[0]
    assert (change.kind, change.revision) == ("changed", (first, second))
    assert (change.added, change.changed, change.removed) == (("new",), ("a.bin",), ())
    comment = f"# changed: revision {first[:7]} to {second[:7]}; added new; changed a.bin\n[[models]]\n"
    assert comment in bench.project.lock.read_text()
    text = bench.project.lock.read_text()
    assert not bench.lock("org/a", upgrade=("org/a",)).written
    assert bench.project.lock.read_text() == text


def test_an_upgrade_to_a_malicious_commit_keeps_the_old_one(
    bench: Any, payload: bytes, weights: dict[str, bytes]
) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    text = bench.project.lock.read_text()
    bench.hub.commit("org/a", {"a.bin": payload})
    with pytest.raises(AdmissionError, match="builtins"):
        bench.lock("org/a", upgrade=("*",))
    assert bench.project.lock.read_text() == text
    assert bench.sync(offline=True) == {"a.bin": "present"}


def test_a_new_import_is_told(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    bench.hub.commit("org/a", {"a.bin": weights["needs"]})
    report = bench.lock("org/a", upgrade=("*",))
    assert report.changes[0].imports == ("mypackage.models.Thing",)


def test_another_ref_is_an_explicit_wish(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    other = bench.hub.commit("org/a", {"a.bin": weights["safetensors"]}, ref="dev")
    bench.lock("org/a@dev")
    assert bench.lockfile.by_name("org/a").source == HubSource(repo="org/a", ref="dev", revision=other)


def test_approvals_of_unchanged_bytes_survive(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["needs"], "b.bin": weights["needs"][:-1] + b"0N."})
    bench.lock("org/a")
    text = bench.project.lock.read_text()
    approved = 'approved = [\n    "mypackage.models.Thing",\n]\n'
    index = text.index("[[models.files]]", text.index('path = "a.bin"'))
    bench.project.lock.write_text(f"{text[:index].rstrip()}\n{approved}\n{text[index:]}")
    bench.hub.commit("org/a", {"c.txt": b"x"})
    report = bench.lock("org/a", upgrade=("*",))
    assert bench.file("a.bin").approved == ("mypackage.models.Thing",)
    assert bench.file("b.bin").approved == ()
    assert [item.locked.path for item in report.waiting] == ["b.bin"]


def test_an_enabled_profile_needs_no_approval(
    bench: Any, weights: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["needs"]})
    assert bench.lock("org/a").waiting
    profiles = {"ours": frozenset({"mypackage.models.Thing"})}
    monkeypatch.setattr("weighlock.allowlist.profile", profiles.__getitem__)
    bench.project = replace(bench.project, policy=Policy(profiles=("ours",)))
    assert not bench.lock("org/a").waiting


def test_safetensors_are_preferred_and_what_is_left_out_is_said(bench: Any, weights: dict[str, bytes]) -> None:
    files = {"model.safetensors": weights["safetensors"], "pytorch_model.bin": weights["data"], "tf_model.h5": b"x",
             "training_args.bin": weights["data"]}  # fmt: skip
    bench.hub.add_repo("org/a", files)
    done = bench.run("lock", "org/a")
    assert done.returncode == 0, done.stderr
    assert "left out  org/a: pytorch_model.bin, covered by safetensors" in done.stdout
    assert [file.path for file in bench.lockfile.by_name("org/a").files] == ["model.safetensors", "training_args.bin"]
    bench.lock("org/a", all_formats=True)
    assert len(bench.lockfile.by_name("org/a").files) == 4


@pytest.mark.parametrize(
    ("paths", "locked"),
    [
        (["model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (["model-00001-of-00002.safetensors", "pytorch_model-00001-of-00003.bin", "pytorch_model.bin.index.json",
          "model.safetensors.index.json"], ["model-00001-of-00002.safetensors", "model.safetensors.index.json"]),
        (["model.safetensors", "pytorch_model.fp16.bin"], ["model.safetensors", "pytorch_model.fp16.bin"]),
        (["model.fp16.safetensors", "pytorch_model.fp16.bin"], ["model.fp16.safetensors"]),
        (["model.safetensors", "2_Dense/pytorch_model.bin"], ["model.safetensors", "2_Dense/pytorch_model.bin"]),
        (["unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.bin"],
         ["unet/diffusion_pytorch_model.safetensors"]),
        (["adapter_model.safetensors", "adapter_model.bin"], ["adapter_model.safetensors"]),
        (["model.safetensors", "onnx/model.onnx", "openvino/a.xml", "flax_model.msgpack", "rust_model.ot",
          "x.mlpackage/Data/w", "model.tflite"], ["model.safetensors"]),
        (["pytorch_model.bin", "tf_model.h5", "model.onnx"], ["pytorch_model.bin", "tf_model.h5", "model.onnx"]),
        (["model.safetensors", "modeling.py", "vocab.txt", "optimizer.bin"],
         ["model.safetensors", "modeling.py", "vocab.txt", "optimizer.bin"]),
    ],
)  # fmt: skip
def test_selection(paths: list[str], locked: list[str]) -> None:
    assert [offer.path for offer in select([Offer(path=path) for path in paths]).files] == locked


def test_patterns() -> None:
    offers = [Offer(path=path) for path in ("a.safetensors", "a.bin", "sub/b.bin", "c.txt")]
    assert [offer.path for offer in select(offers, ["*.bin"]).files] == ["a.bin", "sub/b.bin"]
    assert [offer.path for offer in select(offers, ["sub/"]).files] == ["sub/b.bin"]
    assert [offer.path for offer in select(offers, (), ["*.bin", "*.txt"]).files] == ["a.safetensors"]
    with pytest.raises(UsageError, match=r"\*\.onnx: matches no file"):
        select(offers, ["*.bin", "*.onnx"])
    with pytest.raises(UsageError, match="no file is left"):
        select(offers, (), ["*"])


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("org/a", HubRequest(repo="org/a")), ("gpt2", HubRequest(repo="gpt2")),
        ("org/a@refs/pr/1", HubRequest(repo="org/a", ref="refs/pr/1")), ("hf:org/a", HubRequest(repo="org/a")),
        ("hf://datasets/org/a@v1", HubRequest(repo="org/a", type="dataset", ref="v1")),
        ("spaces/org/a", HubRequest(repo="org/a", type="space")),
        ("https://host/a.pth", UrlSource(url="https://host/a.pth")),
        ("./x", PathSource(path="./x")), ("../x", PathSource(path="../x")), (".", PathSource(path=".")),
    ],
)  # fmt: skip
def test_what_a_person_writes(text: str, target: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_request(text, tmp_path).target == target


@pytest.mark.parametrize(
    "text", ["", "a b", "org/a/b/c", "../../etc\n", "org/a@", "org/a\x1b[2J", "-x/..", "org/..", "a--b"]
)
def test_what_is_no_model(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse_request(text, tmp_path)
    assert str(caught.value).isprintable()


def test_a_name_that_is_also_a_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "a").mkdir(parents=True)
    with pytest.raises(UsageError, match="is a path here and could be a repository") as caught:
        parse_request("org/a", tmp_path)
    assert caught.value.hint == "write ./org/a or hf:org/a to say which"


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
    assert "has a name that holds control characters" in done.stderr


def test_a_symlink_loop_in_a_local_folder_is_one_line(bench: Any) -> None:
    (bench.project.folder / "m").mkdir()
    (bench.project.folder / "m" / "loop").symlink_to("loop")
    done = bench.run("lock", "./m")
    assert (done.returncode, done.stderr) == (
        2, "error: ./m/loop: is a link in a circle or to nothing\nhint: remove it\n"
    )  # fmt: skip


def test_a_name_of_the_hub_with_control_characters_is_refused(bench: Any) -> None:
    bench.hub.add_repo("org/a", {"a\x1b[2J\n.bin": b"x"})
    done = bench.run("lock", "org/a")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "holds control characters" in done.stderr


def test_an_unreachable_hub_is_one_line_and_a_hint(bench: Any) -> None:
    done = bench.run("lock", "org/a", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr.startswith("error: org/a@main: the Hub at http://127.0.0.1:9 cannot be reached")
    assert done.stderr.count("\n") == 2
    assert not bench.project.lock.exists()


def test_the_token_is_in_no_output_and_no_file(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.token = TOKEN
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    outputs = []
    for token in (TOKEN, "hf_wrongwrongwrong", None):
        more = {"HF_TOKEN": token} if token else {}
        for command in (["lock", "org/a"], ["sync"]):
            done = bench.run(*command, WEIGHLOCK_TRACEBACK="1", **more)
            outputs.append(done.stdout + done.stderr)
    assert "wrote" in outputs[0]
    assert not any(word in output for output in outputs for word in (TOKEN, "hf_wrong"))
    for path in bench.root.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


@pytest.mark.parametrize("text", ['lock-version = "9.0"\n', 'lock-version = "1.0"\ncreated-by = ', ""])
def test_a_broken_lockfile_is_not_overwritten(text: str, bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.project.lock.write_text(text)
    with pytest.raises(LockfileError):
        bench.lock("org/a")
    assert bench.project.lock.read_text() == text
    assert bench.hub.requests == []


def test_a_disk_that_is_full_is_one_line_and_nothing_is_written(
    bench: Any, weights: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3))
    with pytest.raises(SourceError, match="bytes are needed and 3 are free"):
        bench.lock("org/a")
    assert not bench.project.lock.exists()
    assert bench.published() == []


def test_a_url_is_locked_into_the_folder_of_torch_hub(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"net.pth": weights["data"]})
    url = f"{bench.hub.endpoint}/org/a/resolve/main/net.pth"
    bench.lock(url)
    assert bench.place("net.pth", url).read_bytes() == weights["data"]
    assert bench.place("net.pth", url).parent == bench.options.checkpoints.root
    bench.hub.tamper("org/a", "net.pth", weights["safetensors"])
    assert not bench.lock(url).written
    bench.place("net.pth", url).unlink()
    with pytest.raises(DigestMismatchError):
        bench.lock(url)
    bench.hub.repositories["model", "org/a"].tampered.clear()
    bench.hub.commit("org/a", {"net.pth": weights["safetensors"]})
    assert bench.lock(url, upgrade=(url,)).changes[0].changed == ("net.pth",)


def test_an_unencrypted_url_is_refused(bench: Any) -> None:
    with pytest.raises(UsageError, match="without encryption"):
        bench.lock("http://example.org/a.pth")


def test_offline_locks_local_files_only(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    (bench.project.folder / "m.bin").write_bytes(weights["data"])
    assert bench.run("lock", "--offline", "./m.bin").returncode == 0
    done = bench.run("lock", "--offline", "org/a")
    assert (done.returncode, bench.hub.requests) == (2, [])
    assert bench.run("lock", "org/a", HF_HUB_OFFLINE="1").returncode == 2
    assert bench.hub.requests == []


def test_the_manifest_is_locked_and_checked(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"], "b.txt": b"x"})
    manifest = bench.project.folder / "pyproject.toml"
    manifest.write_text('[tool.weighlock.models]\n"org/a" = { ref = "main", exclude = ["*.txt"] }\n')
    assert bench.run("lock", "--check").returncode == 1
    assert bench.run("lock").returncode == 0
    assert [file.path for file in bench.lockfile.by_name("org/a").files] == ["a.bin"]
    assert bench.run("lock", "--check").returncode == 0
    manifest.write_text('[tool.weighlock.models]\n"org/a" = "main"\n')
    done = bench.run("lock", "--check", "--format", "json")
    assert json.loads(done.stdout)["stale"] == ["org/a: b.txt would be locked, but is not"]
    assert bench.run("lock", "--check", "--offline").returncode == 0
    manifest.write_text('[tool.weighlock.models]\n"org/a" = "v2"\n"org/b" = "main"\n')
    done = bench.run("lock", "--check", "--offline")
    assert done.returncode == 1
    assert "ref v2 is asked for, main is locked" in done.stdout
    assert "org/b is not in the lockfile" in done.stdout
    manifest.write_text('[tool.weighlock.models]\n"org/a" = { exclude = ["*.bin"] }\n')
    done = bench.run("lock", "--check", "--offline")
    assert "a.bin is locked, but the patterns leave it out" in done.stdout


def test_check_finds_a_moved_ref_and_changes_nothing(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    bench.lock("org/a")
    text = bench.project.lock.read_text()
    assert bench.run("lock", "--check", "org/a").returncode == 0
    bench.hub.commit("org/a", {"a.bin": weights["safetensors"]})
    done = bench.run("lock", "--check", "org/a")
    assert done.returncode == 1
    assert "org/a: main is now" in done.stdout
    assert bench.project.lock.read_text() == text


def test_nothing_to_lock_is_said(bench: Any) -> None:
    done = bench.run("lock")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is nothing to lock" in done.stderr
    assert bench.run("lock", "--upgrade", "org/none").returncode == 2


def test_json_has_what_was_judged(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["needs"]})
    done = bench.run("lock", "org/a", "--format", "json")
    report = json.loads(done.stdout)
    assert (report["command"], report["summary"]) == ("lock", {"files": 1, "needs-approval": 1})
    assert report["artifacts"][0]["needs"] == ["mypackage.models.Thing"]
    assert report["artifacts"][0]["verdict"] == "DENY"
    assert done.stderr == ""


def test_a_local_file_that_changes_while_it_is_judged_is_unverifiable(
    bench: Any, weights: dict[str, bytes], payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weighlock.gates import lock as gate

    place = bench.project.folder / "m.bin"
    place.write_bytes(weights["data"])
    inspect_file = gate.inspect_file

    def swapped(fetched: Any) -> Any:
        place.write_bytes(weights["safetensors"])
        return inspect_file(fetched)

    monkeypatch.setattr(gate, "inspect_file", swapped)
    with pytest.raises(AdmissionError, match="changed while it was judged"):
        bench.lock("./m.bin")


def test_two_locks_at_once_do_not_lose_each_other(bench: Any, weights: dict[str, bytes]) -> None:
    names = ["org/a", "org/b", "org/c"]
    for name in names:
        bench.hub.add_repo(name, {"a.bin": weights["data"] + name.encode()})
    children = [
        subprocess.Popen([sys.executable, "-m", "weighlock", "lock", name], cwd=bench.project.folder,
                         env=bench.environment(), stdout=subprocess.DEVNULL)
        for name in names
    ]  # fmt: skip
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert [model.name for model in bench.lockfile.models] == names
    assert set(bench.statuses().values()) == {"good"}


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


def test_a_report_goes_to_a_file_on_request(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    for command in (["lock", "org/a"], ["lock", "org/a", "--check"], ["sync"], ["verify"], ["approve", "org/a:a.bin"]):
        done = bench.run(*command, "--format", "json", "--output", "report.json")
        assert (done.returncode, done.stdout) == (0, "")
        assert json.loads((bench.project.folder / "report.json").read_text())["command"] == command[0]
