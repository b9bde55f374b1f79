"""Whole repositories under the guard: the locked commit and the locked files, and no others."""

from __future__ import annotations

import inspect

import pytest
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError

from tests.runtime.hooks.locked_hub import FILES, LEFT_OUT, REPO, WEIGHTS, Guarded, locked, refused
from weighlock.runtime import deactivate

pytestmark = pytest.mark.hub


def test_questions_about_the_repository_hide_what_is_not_locked(guarded: Guarded) -> None:
    guarded.activate()
    guarded.hub.commit(REPO, {"new.json": b"{}"})
    assert {sibling.rfilename for sibling in guarded.api.model_info(REPO).siblings or ()} == set(FILES)
    assert set(guarded.api.list_repo_files(REPO)) == set(FILES)
    assert [entry.path for entry in guarded.api.get_paths_info(REPO, ["config.json", "extra.json", "sub"])] == [
        "config.json",
        "sub",
    ]


def test_a_cached_listing_stays_whole_for_unguarded_programs(guarded: Guarded) -> None:
    guarded.activate()
    guarded.snapshot()
    deactivate()
    assert guarded.snapshot() == {*FILES, *LEFT_OUT}


def test_patterns_of_a_snapshot_apply_to_the_locked_files(guarded: Guarded) -> None:
    guarded.activate()
    assert guarded.snapshot(allow_patterns=["*.json", "*.py"]) == {"config.json"}
    assert guarded.snapshot(ignore_patterns="*.safetensors") == {"config.json", "sub/vocab.txt"}


def test_names_with_pattern_characters_are_names(guarded: Guarded) -> None:
    files = {"a[1].json": b"1", "a1.json": b"2"}
    guarded.commit = guarded.hub.commit(REPO, files)
    guarded.activate(files=(locked("a[1].json", b"1"),))
    assert guarded.snapshot() == {"a[1].json"}


def test_a_dry_run_downloads_nothing(guarded: Guarded) -> None:
    if "dry_run" not in inspect.signature(hf_hub_download).parameters:
        pytest.skip("this huggingface_hub has no dry run")
    guarded.activate()
    options = {"cache_dir": guarded.cache, "endpoint": guarded.hub.endpoint, "token": False, "dry_run": True}
    assert hf_hub_download(REPO, "model.safetensors", **options).file_size == len(WEIGHTS)
    assert {info.filename for info in snapshot_download(REPO, **options)} == set(FILES)
    assert not any(request.method == "GET" and "/resolve/" in request.path for request in guarded.hub.requests)
    with refused("not-in-lock"):
        hf_hub_download("org/other", "model.safetensors", **options)


@pytest.mark.parametrize("path", ["extra.json", "modeling.py", "sub/evil.gguf"])
def test_a_file_planted_in_a_cached_snapshot_is_refused(guarded: Guarded, path: str) -> None:
    guarded.activate()
    guarded.snapshot()
    guarded.snapshot_path(path).write_bytes(b"planted")
    with refused("not-in-lock", path):
        guarded.snapshot(local_files_only=True)
    if path != "sub/evil.gguf":
        with pytest.raises(EntryNotFoundError):
            guarded.download(path)


def test_a_folder_planted_in_a_cached_snapshot_is_refused(guarded: Guarded) -> None:
    guarded.activate()
    guarded.snapshot()
    elsewhere = guarded.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "config.json").write_text("{}")
    guarded.snapshot_path("more.bin").symlink_to(elsewhere)
    with refused("not-in-lock", "more.bin"):
        guarded.snapshot(local_files_only=True)


def test_weights_that_were_left_out_of_the_lock_may_lie_in_the_cache(guarded: Guarded) -> None:
    guarded.download("pytorch_model.bin")
    guarded.activate()
    assert guarded.snapshot() == {*FILES, "pytorch_model.bin"}
