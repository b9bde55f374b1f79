"""``weighlock lock --check``: what the policy asks for against what is locked."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.hub


def test_the_models_of_the_policy_are_locked_and_checked(bench: Any, weights: dict[str, bytes]) -> None:
    bench.hub.add_repo("org/a", {"a.bin": weights["data"], "b.txt": b"x"})
    pyproject = bench.project.folder / "pyproject.toml"
    pyproject.write_text('[tool.weighlock.models]\n"org/a" = { ref = "main", exclude = ["*.txt"] }\n')
    assert bench.run("lock", "--check").returncode == 1
    assert bench.run("lock").returncode == 0
    assert [file.path for file in bench.lockfile.by_name("org/a").files] == ["a.bin"]
    assert bench.run("lock", "--check").returncode == 0
    pyproject.write_text('[tool.weighlock.models]\n"org/a" = "main"\n')
    done = bench.run("lock", "--check", "--format", "json")
    assert json.loads(done.stdout)["stale"] == ["org/a: b.txt would be locked, but is not"]
    assert bench.run("lock", "--check", "--offline").returncode == 0
    pyproject.write_text('[tool.weighlock.models]\n"org/a" = "v2"\n"org/b" = "main"\n')
    done = bench.run("lock", "--check", "--offline")
    assert done.returncode == 1
    assert "ref v2 is asked for, main is locked" in done.stdout
    assert "org/b is not in the lockfile" in done.stdout
    pyproject.write_text('[tool.weighlock.models]\n"org/a" = { exclude = ["*.bin"] }\n')
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


def test_check_does_not_call_good_what_lock_would_change(bench: Any, weights: dict[str, bytes]) -> None:
    folder = bench.project.folder / "m"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(weights["safetensors"])
    (folder / "model.pt").write_bytes(weights["data"])
    bench.lock("./m", all_formats=True)
    manifest = bench.project.folder / "pyproject.toml"
    manifest.write_text('[tool.weighlock.models]\n"./m" = { exclude = ["*.txt"] }\n')
    done = bench.run("lock", "--check")
    assert done.returncode == 1
    assert "./m: model.pt is locked, but" in done.stdout
    assert bench.run("lock", "--check", "--all-formats").returncode == 0
    assert bench.run("lock").returncode == 0
    assert bench.run("lock", "--check").returncode == 0
    (folder / "new.bin").write_bytes(weights["data"])
    assert "./m: new.bin would be locked, but is not" in bench.run("lock", "--check").stdout


def test_check_without_a_manifest_says_what_it_has_nothing_to_compare_with(
    bench: Any, weights: dict[str, bytes]
) -> None:
    (bench.project.folder / "a.bin").write_bytes(weights["data"])
    bench.lock("./a.bin")
    done = bench.run("lock", "--check")
    assert done.returncode == 2
    assert "error: the policy names no model" in done.stderr
    assert "weighlock verify" in done.stderr
    assert bench.run("lock", "--check", "./a.bin").returncode == 0
