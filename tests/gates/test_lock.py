"""``weighlock lock``: what is refused is not written, what is written was fetched, hashed and judged."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from weighlock.errors import AdmissionError, DigestMismatchError, LockfileError, SourceError, UsageError
from weighlock.lockfile import HubSource
from weighlock.policy import Policy

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


def test_a_name_of_the_hub_with_control_characters_is_refused(bench: Any) -> None:
    bench.hub.add_repo("org/a", {"a\x1b[2J\n.bin": b"x"})
    done = bench.run("lock", "org/a")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "holds characters that cannot be shown" in done.stderr


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


def test_the_same_bytes_that_come_again_are_not_called_other_ones(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"net.pth": weights["data"]})
    url = f"{bench.hub.endpoint}/org/a/resolve/main/net.pth"
    bench.lock(url)
    bench.lock(url, upgrade=(url,))
    assert not any("other bytes" in line for line in bench.heard.lines)
    bench.hub.commit("org/a", {"net.pth": weights["safetensors"]})
    bench.lock(url, upgrade=(url,))
    assert any("other bytes" in line for line in bench.heard.lines)


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


def test_a_report_goes_to_a_file_on_request(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"]})
    for command in (["lock", "org/a"], ["lock", "org/a", "--check"], ["sync"], ["verify"], ["approve", "org/a:a.bin"]):
        done = bench.run(*command, "--format", "json", "--output", "report.json")
        assert (done.returncode, done.stdout) == (0, "")
        assert json.loads((bench.project.folder / "report.json").read_text())["command"] == command[0]
