"""The loopback Hub, as the real huggingface_hub client sees it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import HfApi, HfFileSystem, hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from weighlock.demo.hub import LoopbackHub

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.hub

WEIGHTS = bytes(range(256)) * 64
FILES = {"config.json": b'{"a": 1}', "model.safetensors": WEIGHTS, "sub/dir/vocab.txt": b"one\ntwo\n"}


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as running:
        running.add_repo("org/tiny", FILES)
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def download(hub: LoopbackHub, cache: Path, path: str, **options: object) -> bytes:
    where = hf_hub_download("org/tiny", path, endpoint=hub.endpoint, cache_dir=cache, token=False, **options)
    return Path(where).read_bytes()


def test_a_download_is_stored_under_the_etag_of_its_kind(hub: LoopbackHub, cache: Path) -> None:
    assert download(hub, cache, "model.safetensors") == WEIGHTS
    assert download(hub, cache, "config.json") == FILES["config.json"]
    blobs = {blob.name for blob in (cache / "models--org--tiny" / "blobs").iterdir()}
    git_id = hashlib.sha1(b"blob 8\0" + FILES["config.json"]).hexdigest()  # noqa: S324 - git's own name
    assert blobs == {hashlib.sha256(WEIGHTS).hexdigest(), git_id}


def test_api_lists_what_the_repository_holds(hub: LoopbackHub) -> None:
    api = HfApi(endpoint=hub.endpoint, token=False)
    info = api.model_info("org/tiny", files_metadata=True)
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings or ()}
    assert sizes == {path: len(data) for path, data in FILES.items()}
    assert sorted(api.list_repo_files("org/tiny")) == sorted(FILES)
    assert [entry.path for entry in api.list_repo_tree("org/tiny")] == ["sub", "config.json", "model.safetensors"]
    assert [entry.path for entry in api.list_repo_tree("org/tiny", "sub", recursive=True)] == [
        "sub/dir",
        "sub/dir/vocab.txt",
    ]
    assert [entry.path for entry in api.get_paths_info("org/tiny", ["config.json", "sub", "none"])] == [
        "config.json",
        "sub",
    ]
    assert api.file_exists("org/tiny", "config.json")
    assert not api.file_exists("org/tiny", "none")


def test_old_commits_branches_and_tags_stay_available(hub: LoopbackHub, cache: Path) -> None:
    api = HfApi(endpoint=hub.endpoint, token=False)
    first = api.model_info("org/tiny").sha
    assert first is not None
    second = hub.commit("org/tiny", {"config.json": b"{}", "sub/dir/vocab.txt": None})
    pull = hub.commit("org/tiny", {"config.json": b"[]"}, ref="refs/pr/1")
    hub.tag("org/tiny", "v1", first)
    assert api.model_info("org/tiny").sha == second
    assert sorted(api.list_repo_files("org/tiny")) == ["config.json", "model.safetensors"]
    assert download(hub, cache, "config.json") == b"{}"
    assert download(hub, cache, "config.json", revision=first) == FILES["config.json"]
    assert download(hub, cache, "config.json", revision="v1") == FILES["config.json"]
    assert download(hub, cache, "config.json", revision="refs/pr/1") == b"[]"
    refs = api.list_repo_refs("org/tiny", include_pull_requests=True)
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": second}
    assert {ref.name: ref.target_commit for ref in refs.pull_requests or ()} == {"refs/pr/1": pull}
    assert [ref.target_commit for ref in refs.tags] == [first]
    assert [commit.commit_id for commit in api.list_repo_commits("org/tiny")] == [second, first]


def test_snapshot_and_local_dir_hold_every_file(hub: LoopbackHub, cache: Path, tmp_path: Path) -> None:
    options = {"endpoint": hub.endpoint, "cache_dir": cache, "token": False}
    for folder in (
        snapshot_download("org/tiny", **options),
        snapshot_download("org/tiny", local_dir=tmp_path / "copy", **options),
    ):
        assert {path: (Path(folder) / path).read_bytes() for path in FILES} == FILES


def test_file_system_reads_ranges(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add_repo("org/rows", {"data/rows.parquet": WEIGHTS}, type="dataset")
    files = HfFileSystem(endpoint=hub.endpoint, token=False, skip_instance_cache=True)
    assert files.ls("datasets/org/rows/data", detail=False) == ["datasets/org/rows/data/rows.parquet"]
    with files.open("datasets/org/rows/data/rows.parquet", "rb") as stream:
        stream.seek(300)
        assert stream.read(20) == WEIGHTS[300:320]
    files.get_file("datasets/org/rows/data/rows.parquet", str(tmp_path / "rows"))
    assert (tmp_path / "rows").read_bytes() == WEIGHTS


def test_tampered_bytes_come_with_the_true_headers(hub: LoopbackHub, cache: Path) -> None:
    changed = WEIGHTS[:-1] + b"X"
    hub.tamper("org/tiny", "model.safetensors", changed)
    assert download(hub, cache, "model.safetensors") == changed
    assert (cache / "models--org--tiny" / "blobs" / hashlib.sha256(WEIGHTS).hexdigest()).exists()


def test_missing_things_have_the_errors_of_the_hub(hub: LoopbackHub, cache: Path) -> None:
    sha = hub.repositories["model", "org/tiny"].branches["main"][-1]
    with pytest.raises(EntryNotFoundError):
        download(hub, cache, "none.bin", revision=sha)
    assert not isinstance(try_to_load_from_cache("org/tiny", "none.bin", cache_dir=cache, revision=sha), str | None)
    with pytest.raises(RevisionNotFoundError):
        download(hub, cache, "config.json", revision="none")
    with pytest.raises(RepositoryNotFoundError):
        HfApi(endpoint=hub.endpoint, token=False).model_info("org/none")


def test_a_token_is_demanded_and_never_logged(hub: LoopbackHub, cache: Path) -> None:
    hub.token = "hf_secret"  # noqa: S105 - made up
    with pytest.raises(RepositoryNotFoundError):
        download(hub, cache, "config.json")
    with pytest.raises(GatedRepoError):
        hf_hub_download("org/tiny", "config.json", endpoint=hub.endpoint, cache_dir=cache, token="hf_other")  # noqa: S106
    assert hf_hub_download("org/tiny", "config.json", endpoint=hub.endpoint, cache_dir=cache, token=hub.token)
    assert HfApi(endpoint=hub.endpoint, token=hub.token).whoami()["name"] == "loopback"
    assert not any("hf_" in repr(request) for request in hub.requests)


def test_requests_are_recorded(hub: LoopbackHub, cache: Path) -> None:
    download(hub, cache, "config.json")
    assert [(request.method, request.status) for request in hub.requests] == [("HEAD", 200), ("GET", 200)]
    assert all(request.path.endswith("/org/tiny/resolve/main/config.json") for request in hub.requests[:1])


def test_nothing_answers_after_the_end(cache: Path) -> None:
    with LoopbackHub() as hub:
        hub.add_repo("org/tiny", FILES)
        assert download(hub, cache, "config.json")
    with pytest.raises(RuntimeError, match="not running"):
        _ = hub.endpoint
