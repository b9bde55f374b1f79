"""``weighlock verify``: whatever on this disk is not as locked is found."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from weighlock.files import update_lockfile
from weighlock.lockfile import Lockfile

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.hub


@pytest.fixture
def locked(bench: Any, weights: dict[str, bytes]) -> Any:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"], "b.bin": weights["needs"], "c.txt": b"c"})
    bench.lock("org/a")
    return bench


def test_all_is_well_and_no_server_is_asked(locked: Any) -> None:
    locked.hub.requests.clear()
    assert locked.statuses() == dict.fromkeys(["org/a:a.bin", "org/a:b.bin", "org/a:c.txt"], "good")
    assert locked.verify().exit_code == 0
    assert locked.hub.requests == []


def test_a_flipped_byte_with_old_times_is_found(locked: Any) -> None:
    place = locked.place("a.bin")
    stamp, data = place.stat(), place.read_bytes()
    place.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    os.utime(place, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert locked.statuses()["org/a:a.bin"] == "changed"
    assert locked.verify().exit_code == 1


def test_a_missing_file_and_a_broken_pointer(locked: Any) -> None:
    locked.place("a.bin").unlink()
    locked.place("b.bin").resolve().unlink()
    assert locked.statuses() == {"org/a:a.bin": "missing", "org/a:b.bin": "missing", "org/a:c.txt": "good"}
    assert locked.verify().exit_code == 1


def test_an_unreadable_file_is_not_a_mismatch_but_undecided(locked: Any, unprivileged: Any) -> None:
    locked.place("a.bin").resolve().chmod(0)
    with unprivileged(locked.root):
        report = locked.verify()
    assert report.exit_code == 2
    assert {file.status for file in report.files} == {"good", "unreadable"}


def test_a_file_beside_the_locked_ones_in_the_shared_cache_is_told_but_no_mismatch(
    locked: Any, weights: dict[str, bytes]
) -> None:
    (locked.place("a.bin").parent / "extra.safetensors").write_bytes(weights["safetensors"])
    assert locked.statuses()["org/a:extra.safetensors"] == "beside"
    assert locked.verify().exit_code == 0


@pytest.mark.parametrize("name", ["evil.bin", "evil.txt", "modeling.py"])
def test_an_extra_file_in_a_locked_folder_is_a_mismatch(name: str, bench: Any, weights: dict[str, bytes]) -> None:
    folder = bench.project.folder / "m"
    folder.mkdir()
    (folder / "a.bin").write_bytes(weights["data"])
    bench.lock("./m")
    (folder / "notes.txt").write_text("nothing that a loader would take")
    (folder / "again.bin").write_bytes(weights["data"])
    assert bench.verify().exit_code == 0
    (folder / name).write_bytes(b"print()" if name.endswith(".py") else weights["needs"])
    assert bench.statuses()[f"./m:{name}"] == "extra"
    assert bench.verify().exit_code == 1


@pytest.fixture
def pair(bench: Any, weights: dict[str, bytes]) -> Any:
    folder = bench.project.folder / "m"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(weights["safetensors"])
    (folder / "model.pt").write_bytes(weights["needs"])
    return bench


def test_lock_then_verify_agree_about_a_pickle_beside_its_safetensors(pair: Any) -> None:
    locked = pair.run("lock", "./m")
    assert "left out  ./m: model.pt, covered by safetensors" in locked.stdout
    done = pair.run("verify")
    assert done.returncode == 0, done.stdout
    assert "left-out    ./m:model.pt: was left out by `weighlock lock`\n" in done.stdout


@pytest.mark.parametrize("name", ["other.pt", "modeling.py", "sub/model.pt"])
def test_what_no_safetensors_cover_is_extra_beside_a_pair(pair: Any, weights: dict[str, bytes], name: str) -> None:
    pair.lock("./m")
    place = pair.project.folder / "m" / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"print()" if name.endswith(".py") else weights["needs"])
    done = pair.run("verify")
    assert done.returncode == 1
    assert f"extra       ./m:{name}: is not in the lockfile" in done.stdout
    assert "hint        extra: remove it, lock it" in done.stdout


def test_a_pattern_of_the_policy_leaves_out_and_one_of_a_command_line_is_forgotten(
    bench: Any, weights: dict[str, bytes]
) -> None:
    (bench.project.folder / "m").mkdir()
    (bench.project.folder / "m" / "a.bin").write_bytes(weights["data"])
    (bench.project.folder / "m" / "evil.pkl").write_bytes(weights["needs"])
    locked = bench.run("lock", "./m", "--exclude", "evil.pkl")
    assert "left out  ./m: evil.pkl, by patterns\n          `weighlock verify` knows the patterns of" in locked.stdout
    assert bench.run("verify").returncode == 1
    manifest = bench.project.folder / "pyproject.toml"
    manifest.write_text('[tool.weighlock.models]\n"./m" = { exclude = ["evil.*"] }\n')
    done = bench.run("verify", "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["summary"] == {"good": 1, "left-out": 1}
    (bench.project.folder / "m" / "more.pkl").write_bytes(weights["needs"])
    assert bench.run("verify").returncode == 1


def test_a_size_that_was_edited_is_found_and_named_where_it_is_mended(bench: Any, weights: dict[str, bytes]) -> None:
    (bench.project.folder / "a.bin").write_bytes(weights["data"])
    bench.lock("./a.bin")
    size = len(weights["data"])
    text = bench.project.lock.read_text()
    bench.project.lock.write_text(text.replace(f"size = {size}", f"size = {size + 1}"))
    assert bench.statuses() == {"./a.bin:a.bin": "changed"}
    assert bench.run("verify").returncode == 1
    assert "changed   ./a.bin: changed a.bin" in bench.run("lock", "./a.bin").stdout
    assert bench.verify().exit_code == 0


def test_a_link_out_of_a_locked_folder_is_refused(bench: Any, weights: dict[str, bytes]) -> None:
    folder = bench.project.folder / "m"
    folder.mkdir()
    (folder / "a.bin").write_bytes(weights["data"])
    bench.lock("./m")
    (folder / "b.bin").symlink_to("/etc/passwd")
    done = bench.run("verify")
    assert done.returncode == 2
    assert "b.bin: is a link out of the folder" in done.stdout
    assert "verified    1 of 2 files" in done.stdout


def test_deep_finds_an_inspection_that_was_written_by_hand(locked: Any) -> None:
    text = locked.project.lock.read_text()
    start = text.index('path = "b.bin"')
    table = text[start : text.index("[[", start)]
    changed = table[: table.index("imports")].replace('"needs-approval"', '"data-only"')
    locked.project.lock.write_text(text.replace(table, f"{changed}\n"))
    assert locked.verify().exit_code == 0
    report = locked.verify(deep=True)
    assert report.exit_code == 1
    found = next(file for file in report.files if file.path == "org/a:b.bin")
    assert (found.status, found.message) == (
        "judged-anew", "its outcome was locked as data-only, today it is needs-approval"
    )  # fmt: skip


def test_chunk_digests_that_do_not_belong_to_the_file_are_found(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from weighlock import digests
    from weighlock.gates import judge, verify
    from weighlock.sources import directory

    monkeypatch.setattr(digests.StreamHasher.__init__, "__defaults__", (1000,))
    monkeypatch.setattr(digests.sha256_and_chunks, "__defaults__", (1000,))
    for module in (judge, verify, directory):
        monkeypatch.setattr(module, "CHUNK", 1000)
    bench.hub.add_repo("org/a", {"a.dat": os.urandom(2500)})
    bench.lock("org/a")
    assert bench.statuses() == {"org/a:a.dat": "good"}

    def lie(old: Lockfile) -> Lockfile:
        model = old.models[0]
        file = model.files[0]
        assert file.chunks is not None
        chunks = replace(file.chunks, sha256=("e" * 64, *file.chunks.sha256[1:]))
        return Lockfile(models=(replace(model, files=(replace(file, chunks=chunks),)),))

    update_lockfile(bench.project.lock, lie)
    assert bench.statuses() == {"org/a:a.dat": "changed"}


def test_paths_are_judged_by_their_bytes_wherever_they_lie(locked: Any, weights: dict[str, bytes]) -> None:
    copy = locked.root / "elsewhere"
    copy.mkdir()
    (copy / "renamed.safetensors").write_bytes(weights["data"])
    assert locked.run("verify", str(copy)).returncode == 0
    assert locked.run("verify", str(copy / "renamed.safetensors")).returncode == 0
    (copy / "evil.json").write_bytes(weights["needs"] + b"x")
    done = locked.run("verify", str(copy), "--format", "json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["summary"] == {"good": 1, "extra": 1}
    assert locked.run("verify", "org/a").returncode == 0
    assert locked.run("verify", str(copy / "nothing")).returncode == 2


def test_the_report_names_what_differs(locked: Any) -> None:
    locked.place("a.bin").write_bytes(b"!")
    done = locked.run("verify")
    assert done.returncode == 1
    assert (
        "changed     org/a:a.bin: has sha256 bb7208bc9b5d7c04f1236a82a0093a5e33f40423d5ba8d4266f7092c3ba43b62"
        in done.stdout
    )
    assert done.stdout.endswith("verified    2 of 3 files\n")


def test_a_path_source_outside_of_the_project(bench: Any, weights: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(weights["data"])
    bench.lock("../weights.bin")
    assert bench.statuses() == {"../weights.bin:weights.bin": "good"}


@pytest.mark.parametrize("spelling", ["./m", "m", "m/", "./x/../m"])
def test_a_locked_folder_by_any_spelling_is_the_model_with_its_patterns_and_its_missing_files(
    spelling: str, bench: Any, weights: dict[str, bytes]
) -> None:
    folder = bench.project.folder
    (folder / "m").mkdir()
    (folder / "x").mkdir()
    (folder / "m" / "a.bin").write_bytes(weights["data"])
    (folder / "m" / "b.bin").write_bytes(weights["data"] + b"\0")
    (folder / "m" / "evil.pkl").write_bytes(weights["needs"])
    (folder / "pyproject.toml").write_text('[tool.weighlock.models]\n"./m" = { exclude = ["evil.*"] }\n')
    assert bench.run("lock").returncode == 0
    done = bench.run("verify", spelling)
    assert (done.returncode, "left-out    ./m:evil.pkl" in done.stdout) == (0, True)
    (folder / "m" / "b.bin").unlink()
    assert bench.run("verify", spelling).returncode == 1
    (folder / "m" / "more.pkl").write_bytes(weights["needs"])
    assert "extra       ./m:more.pkl" in bench.run("verify", spelling).stdout


def test_a_folder_around_a_locked_file_is_not_taken_for_that_file(bench: Any, weights: dict[str, bytes]) -> None:
    (bench.project.folder / "m").mkdir()
    (bench.project.folder / "m" / "a.bin").write_bytes(weights["data"])
    bench.lock("./m/a.bin")
    (bench.project.folder / "m" / "evil.pkl").write_bytes(weights["needs"])
    assert bench.run("verify", "./m").returncode == 1
