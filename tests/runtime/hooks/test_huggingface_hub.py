"""What a program under the guard gets from the real huggingface_hub client, of whatever version is installed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable

import huggingface_hub
import pytest
from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from tests.runtime.hooks.locked_hub import CHANGED, FILES, LEFT_OUT, REPO, WEIGHTS, Guarded, locked, refused
from weighlock.errors import GuardError, LoadRefused
from weighlock.runtime import deactivate

pytestmark = pytest.mark.hub


# A locked repository.


@pytest.mark.parametrize("revision", [None, "main", "locked commit"])
def test_a_floating_reference_is_the_locked_commit(guarded: Guarded, revision: str | None) -> None:
    guarded.activate()
    guarded.hub.commit(REPO, {"model.safetensors": CHANGED})
    wanted = guarded.commit if revision == "locked commit" else revision
    assert guarded.download(revision=wanted) == WEIGHTS
    assert guarded.snapshot(revision=wanted) == set(FILES)
    assert all("/main" not in request.path for request in guarded.hub.requests)


@pytest.mark.parametrize("ref", ["v1", "refs/pr/1"])
def test_the_reference_that_was_locked_is_the_locked_commit(guarded: Guarded, ref: str) -> None:
    guarded.hub.tag(REPO, ref, guarded.commit)
    guarded.activate(ref=ref)
    guarded.hub.tag(REPO, ref, guarded.hub.commit(REPO, {"model.safetensors": CHANGED}))
    assert guarded.download(revision=ref) == guarded.download() == WEIGHTS


def test_a_swapped_branch_head_changes_nothing(guarded: Guarded) -> None:
    guarded.activate()
    newer = guarded.hub.commit(REPO, {"model.safetensors": CHANGED, "config.json": b"{}"})
    assert guarded.api.model_info(REPO).sha == guarded.commit
    assert guarded.download("config.json") == FILES["config.json"]
    with refused("other-revision", newer):
        guarded.download(revision=newer)


def test_a_resolved_revision_is_the_locked_commit_without_a_request(guarded: Guarded) -> None:
    if not hasattr(HfApi, "resolve_revision"):
        pytest.skip("this huggingface_hub resolves no revisions")
    guarded.activate()
    guarded.hub.commit(REPO, {"model.safetensors": CHANGED})
    revision = guarded.api.resolve_revision(REPO, cache_dir=guarded.cache)
    assert revision.resolved == guarded.commit
    assert not guarded.hub.requests
    assert guarded.download(revision=revision) == WEIGHTS


def test_a_revision_that_was_resolved_before_the_guard_started_is_refused(guarded: Guarded) -> None:
    if not hasattr(HfApi, "resolve_revision"):
        pytest.skip("this huggingface_hub resolves no revisions")
    newer = guarded.hub.commit(REPO, {"model.safetensors": CHANGED})
    revision = guarded.api.resolve_revision(REPO, cache_dir=guarded.cache)
    guarded.activate()
    with refused("other-revision", newer):
        guarded.download(revision=revision)


@pytest.mark.parametrize("revision", ["v2", "refs/pr/7", "0" * 40])
@pytest.mark.parametrize("call", ["download", "snapshot"])
def test_another_revision_of_a_locked_repository_is_refused_before_any_request(
    guarded: Guarded, revision: str, call: str
) -> None:
    guarded.activate()
    with refused("other-revision", revision):
        getattr(guarded, call)(revision=revision)
    assert not guarded.hub.requests


def test_files_that_are_not_locked_do_not_exist(guarded: Guarded) -> None:
    guarded.activate()
    for path in ("pytorch_model.bin", "extra.json", "never.json"):
        with pytest.raises(EntryNotFoundError, match="the lockfile does not list"):
            guarded.download(path)
        with pytest.raises(LocalEntryNotFoundError, match="the lockfile does not list"):
            guarded.download(path, local_files_only=True)
        assert try_to_load_from_cache(REPO, path, cache_dir=guarded.cache) is huggingface_hub._CACHED_NO_EXIST
    assert not guarded.hub.requests


def test_large_files_are_verified_by_their_chunks(guarded: Guarded) -> None:
    guarded.activate(files=(locked("model.safetensors", WEIGHTS, chunk=1000),))
    assert guarded.download() == WEIGHTS
    guarded.poison("model.safetensors", CHANGED)
    with refused("changed"):
        guarded.download()


def test_remote_code_is_refused_unless_the_lockfile_admits_it(guarded: Guarded) -> None:
    files = (locked("config.json", FILES["config.json"]), locked("modeling.py", LEFT_OUT["modeling.py"]))
    guarded.activate(files=files)
    for path in ("modeling.py", "./modeling.py", "sub/../modeling.py"):
        with refused("remote-code", "modeling.py"):
            guarded.download(path)
    assert guarded.snapshot() == {"config.json"}
    deactivate()
    guarded.activate(files=files, remote_code=True)
    assert guarded.download("modeling.py") == LEFT_OUT["modeling.py"]
    assert guarded.snapshot() == {"config.json", "modeling.py"}


def test_datasets_and_spaces_are_repositories_of_their_own(guarded: Guarded) -> None:
    guarded.commit = guarded.hub.add_repo(REPO, FILES, type="dataset")
    guarded.activate(kind="dataset")
    assert guarded.download(repo_type="dataset") == WEIGHTS
    with pytest.raises(LoadRefused, match=r"not-in-lock.*\n  hint: weighlock lock org/tiny"):
        guarded.download()
    with refused("not-in-lock", "spaces/org/tiny"):
        guarded.download(repo_type="space")


# Changed bytes.


@pytest.mark.parametrize("options", [{}, {"local_dir": True}, {"force_download": True}])
def test_a_tampered_download_is_refused_before_it_is_published(guarded: Guarded, options: dict[str, object]) -> None:
    guarded.activate()
    guarded.hub.tamper(REPO, "model.safetensors", CHANGED)
    if "local_dir" in options:
        options = {"local_dir": guarded.folder / "copy"}
    for call in (guarded.download, guarded.snapshot):
        with refused("changed", "model.safetensors"):
            call(**options)
        assert guarded.nothing_published()
    del guarded.hub.repositories["model", REPO].tampered["model.safetensors"]
    assert guarded.download(**options) == WEIGHTS


def test_a_tampered_download_of_another_length_is_refused(guarded: Guarded) -> None:
    guarded.activate()
    guarded.hub.tamper(REPO, "model.safetensors", WEIGHTS + b"more")
    with pytest.raises((LoadRefused, OSError)):
        guarded.download()
    assert not guarded.snapshot_path("model.safetensors").exists()


@pytest.mark.parametrize("local_files_only", [False, True])
@pytest.mark.parametrize("path", ["model.safetensors", "config.json"])
def test_a_tampered_cache_is_refused_warm(guarded: Guarded, path: str, local_files_only: bool) -> None:  # noqa: FBT001
    guarded.activate()
    guarded.snapshot()
    guarded.poison(path, CHANGED if path == "model.safetensors" else b'{"a": 2}')
    for attempt in (
        lambda: guarded.download(path, local_files_only=local_files_only),
        lambda: guarded.download(path, revision=guarded.commit),
        lambda: guarded.snapshot(local_files_only=local_files_only),
        lambda: guarded.snapshot(revision=guarded.commit),
        lambda: try_to_load_from_cache(REPO, path, cache_dir=guarded.cache),
        lambda: try_to_load_from_cache(REPO, path, cache_dir=guarded.cache, revision=guarded.commit),
    ):
        with refused("changed", path):
            attempt()


def test_a_tampered_local_dir_is_refused(guarded: Guarded) -> None:
    copy = guarded.folder / "copy"
    guarded.activate()
    assert guarded.snapshot(local_dir=copy) == set(FILES)
    (copy / "model.safetensors").write_bytes(CHANGED)
    with refused("changed"):
        guarded.download(local_dir=copy)
    with refused("changed"):
        guarded.snapshot(local_dir=copy)
    with refused("changed"):
        guarded.snapshot(local_dir=copy, local_files_only=True)


def test_a_cache_that_was_filled_before_the_guard_started_is_verified(guarded: Guarded) -> None:
    guarded.hub.tamper(REPO, "model.safetensors", CHANGED)
    assert guarded.download() == CHANGED
    guarded.activate()
    with refused("changed"):
        guarded.download()
    with refused("changed"):
        guarded.download(local_files_only=True)


def test_a_cached_link_to_another_locked_file_is_refused(guarded: Guarded) -> None:
    guarded.activate()
    guarded.snapshot()
    link = guarded.snapshot_path("config.json")
    target = os.readlink(guarded.snapshot_path("sub/vocab.txt")).removeprefix("../")
    link.unlink()
    link.symlink_to(target)
    with refused("changed", "config.json"):
        guarded.download("config.json")


def test_a_blob_that_repositories_share_is_followed_and_verified(guarded: Guarded) -> None:
    guarded.activate()
    guarded.download()
    blob = guarded.snapshot_path("model.safetensors").resolve()
    shared = guarded.cache / "blobs" / "aa" / ("a" * 64)
    shared.parent.mkdir(parents=True)
    blob.rename(shared)
    blob.symlink_to(os.path.relpath(shared, blob.parent))
    assert guarded.download() == WEIGHTS
    guarded.poison("model.safetensors", CHANGED)
    with refused("changed"):
        guarded.download()


def test_a_locked_repository_works_offline(guarded: Guarded) -> None:
    guarded.activate()
    guarded.snapshot()
    guarded.hub.requests.clear()
    assert guarded.download(local_files_only=True) == WEIGHTS
    assert guarded.snapshot(local_files_only=True) == set(FILES)
    assert not guarded.hub.requests


# Repositories that are not locked.


@pytest.mark.parametrize("repo", ["org/other", "other"])
def test_an_unlocked_repository_is_refused_before_any_request(guarded: Guarded, repo: str) -> None:
    guarded.hub.add_repo(repo, FILES)
    guarded.activate()
    attempts: list[Callable[[], object]] = [
        lambda: guarded.download(repo=repo),
        lambda: guarded.download(repo=repo, local_dir=guarded.folder / "copy"),
        lambda: guarded.snapshot(repo=repo),
        lambda: try_to_load_from_cache(repo, "config.json", cache_dir=guarded.cache),
        lambda: guarded.files().open(f"{repo}/config.json"),
        lambda: guarded.files().cat_file(f"hf://{repo}/config.json"),
        lambda: guarded.files().get_file(f"{repo}/config.json", str(guarded.folder / "copy")),
    ]
    if hasattr(HfApi, "resolve_revision"):
        attempts.append(lambda: guarded.api.resolve_revision(repo))
    for attempt in attempts:
        with refused("not-in-lock"):
            attempt()
    with pytest.raises(LoadRefused, match=f"hint: weighlock lock {repo}\\Z"):
        guarded.download(repo=repo)
    assert not guarded.hub.requests


def test_an_unlocked_repository_in_the_cache_is_refused_offline(guarded: Guarded) -> None:
    guarded.hub.add_repo("org/other", FILES)
    guarded.download(repo="org/other")
    guarded.activate()
    with refused("not-in-lock"):
        guarded.download(repo="org/other", local_files_only=True)
    with refused("not-in-lock"):
        guarded.snapshot(repo="org/other", local_files_only=True)


def test_an_unlocked_repository_passes_where_loads_are_inspected(guarded: Guarded) -> None:
    guarded.hub.add_repo("org/other", FILES)
    guarded.activate(unlocked="inspect")
    assert guarded.download(repo="org/other") == WEIGHTS
    assert guarded.snapshot(repo="org/other") == set(FILES)
    with guarded.files().open("org/other/model.safetensors") as stream:
        assert stream.read() == WEIGHTS
    guarded.files().get_file("org/other/model.safetensors", str(guarded.folder / "copy"))
    assert (guarded.folder / "copy").read_bytes() == WEIGHTS


def test_a_locked_repository_stays_locked_where_others_are_inspected(guarded: Guarded) -> None:
    guarded.activate(unlocked="inspect")
    guarded.hub.tamper(REPO, "model.safetensors", CHANGED)
    with refused("changed"):
        guarded.download()
    with refused("other-revision"):
        guarded.download(revision="v2")


def test_bare_downloads_and_buckets_are_refused(guarded: Guarded) -> None:
    from huggingface_hub.file_download import http_get, xet_get

    guarded.activate()
    with pytest.raises(LoadRefused, match="not-in-lock") as caught:
        http_get(f"{guarded.hub.endpoint}/org/tiny/resolve/main/config.json?signature=secret", io.BytesIO())
    assert "secret" not in str(caught.value)
    with refused("not-in-lock"):
        xet_get(incomplete_path=guarded.folder / "x", xet_file_data=None, headers={})
    if hasattr(HfApi, "download_bucket_files"):
        with refused("not-in-lock", "buckets/org/b"):
            guarded.api.download_bucket_files("org/b", [("x", guarded.folder / "x")])
        with refused("not-in-lock"):
            guarded.files().open("buckets/org/b/x")
    assert not guarded.hub.requests


def test_downloads_of_versions_before_the_hub_had_commits_are_refused(guarded: Guarded) -> None:
    def cached_download(url: str) -> str:
        return url

    guarded.monkeypatch.setattr("huggingface_hub.file_download.cached_download", cached_download, raising=False)
    guarded.activate()
    with refused("not-in-lock", "example.com/model.bin"):
        cached_download("https://example.com/model.bin")


def test_a_token_is_not_in_a_refusal(guarded: Guarded, capfd: pytest.CaptureFixture[str]) -> None:
    guarded.activate()
    guarded.hub.tamper(REPO, "config.json", b'{"a": 2}')
    for repo in (REPO, "org/other"):
        with pytest.raises(LoadRefused) as caught:
            guarded.download("config.json", repo=repo, token="hf_secret")  # noqa: S106 - made up
        assert "hf_secret" not in str(caught.value)
    assert "hf_secret" not in "".join(capfd.readouterr())


# The guard itself.


def test_a_warning_gate_lets_through_and_says_so(guarded: Guarded, capsys: pytest.CaptureFixture[str]) -> None:
    guarded.hub.add_repo("org/other", FILES)
    guarded.activate(mode="warn")
    guarded.hub.tamper(REPO, "model.safetensors", CHANGED)
    assert guarded.download() == CHANGED
    assert guarded.download("extra.json") == LEFT_OUT["extra.json"]
    assert guarded.download(repo="org/other") == WEIGHTS
    warnings = capsys.readouterr().err
    assert warnings.count("warning: weighlock would refuse") >= 3
    assert all(rule in warnings for rule in ("rule: changed", "rule: not-in-lock"))


def test_a_guard_that_is_off_changes_nothing(guarded: Guarded) -> None:
    guarded.activate()
    deactivate()
    guarded.hub.tamper(REPO, "model.safetensors", CHANGED)
    assert guarded.download() == CHANGED
    assert guarded.snapshot() == {*FILES, *LEFT_OUT}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("file_download", "_hf_hub_download_to_cache_dir"),
        ("file_download", "_hf_hub_download_to_local_dir"),
        ("file_download", "_chmod_and_move"),
        ("file_download", "http_get"),
        ("file_download", "xet_get"),
        ("file_download", "try_to_load_from_cache"),
        ("file_download", "_CACHED_NO_EXIST"),
        ("_snapshot_download", "snapshot_download"),
        ("_snapshot_download", "filter_repo_objects"),
        ("hf_api", "HfApi"),
        ("hf_file_system", "HfFileSystem"),
        ("hf_file_system", "HfFileSystemFile"),
    ],
)
def test_a_vanished_choke_point_stops_the_guard(guarded: Guarded, module: str, name: str) -> None:
    guarded.monkeypatch.delattr(f"huggingface_hub.{module}.{name}")
    with pytest.raises(GuardError, match=rf"cannot guard huggingface_hub\.{module} .*{name} does not exist"):
        guarded.activate()


def test_the_background_conversion_is_switched_off(guarded: Guarded) -> None:
    guarded.monkeypatch.delenv("DISABLE_SAFETENSORS_CONVERSION", raising=False)
    guarded.activate()
    assert os.environ["DISABLE_SAFETENSORS_CONVERSION"] == "true"


def test_references_from_before_and_after_the_start_are_guarded(guarded: Guarded) -> None:
    """In a fresh interpreter the modules are patched while they are imported."""
    guarded.activate()
    code = (
        "import sys, weighlock\nweighlock.activate()\n"
        "from huggingface_hub import hf_hub_download, snapshot_download\n"
        "from huggingface_hub.errors import EntryNotFoundError\n"
        "try:\n    hf_hub_download('org/other', 'config.json')\n"
        "except Exception:\n    print('swallowed')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "hint: weighlock lock org/other" in done.stderr
    assert "swallowed" not in done.stdout
