"""The file system of huggingface_hub under the guard: locked files only, each verified whole."""

from __future__ import annotations

import io

import pytest
from huggingface_hub.hf_file_system import HfFileSystemFile

from tests.runtime.hooks.locked_hub import CHANGED, FILES, REPO, WEIGHTS, Guarded, refused

pytestmark = pytest.mark.hub


def test_the_file_system_reads_locked_files(guarded: Guarded) -> None:
    guarded.activate()
    guarded.hub.commit(REPO, {"model.safetensors": CHANGED})
    files = guarded.files()
    with files.open(f"{REPO}/model.safetensors", "rb") as stream:
        stream.seek(300)
        assert stream.read(20) == WEIGHTS[300:320]
    assert files.cat_file(f"hf://{REPO}/model.safetensors", start=5, end=9) == WEIGHTS[5:9]
    assert files.read_text(f"{REPO}@main/sub/vocab.txt") == "one\ntwo\n"
    assert files.cat_file(f"{REPO}@{guarded.commit}/config.json") == FILES["config.json"]
    files.get_file(f"{REPO}/model.safetensors", str(guarded.folder / "new" / "copy"))
    assert (guarded.folder / "new" / "copy").read_bytes() == WEIGHTS
    buffer = io.BytesIO()
    files.get_file(f"{REPO}/config.json", "", outfile=buffer)
    assert buffer.read() == FILES["config.json"]


def test_the_file_system_downloads_folders(guarded: Guarded) -> None:
    guarded.activate()
    guarded.files().get(f"{REPO}/sub", str(guarded.folder / "copy"), recursive=True)
    assert [path.name for path in (guarded.folder / "copy").rglob("*") if path.is_file()] == ["vocab.txt"]


def test_the_file_system_refuses_tampered_files(guarded: Guarded) -> None:
    guarded.activate()
    guarded.hub.tamper(REPO, "model.safetensors", CHANGED)
    copy = guarded.folder / "copy"
    for attempt in (
        lambda: guarded.files().open(f"{REPO}/model.safetensors"),
        lambda: guarded.files().open(f"{REPO}/model.safetensors", block_size=0),
        lambda: guarded.files().cat_file(f"{REPO}/model.safetensors", start=0, end=4),
        lambda: guarded.files().get_file(f"{REPO}/model.safetensors", str(copy)),
        lambda: guarded.files().get(f"{REPO}/model.safetensors", str(copy)),
    ):
        with refused("changed"):
            attempt()
    assert not copy.exists()


def test_the_file_system_hides_what_is_not_locked(guarded: Guarded) -> None:
    guarded.activate()
    with pytest.raises(FileNotFoundError, match="the lockfile does not list"):
        guarded.files().open(f"{REPO}/extra.json")
    with refused("other-revision"):
        guarded.files().open(f"{REPO}@refs/pr/1/config.json")


def test_ranges_straight_from_the_network_are_refused(guarded: Guarded) -> None:
    files = guarded.files()
    guarded.activate()
    with refused("guard", "range"):
        HfFileSystemFile(files, f"{REPO}/model.safetensors", mode="rb", size=len(WEIGHTS))
