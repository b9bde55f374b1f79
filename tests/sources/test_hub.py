"""The Hub as a source, and its cache as a destination, next to the real huggingface_hub."""

from __future__ import annotations

import hashlib
import os
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import (
    constants,
    file_download,
    hf_hub_download,
    scan_cache_dir,
    snapshot_download,
    try_to_load_from_cache,
)

from weighlock.demo.hub import LoopbackHub
from weighlock.errors import DigestMismatchError, LockfileError, SourceError, WeighlockError
from weighlock.lockfile import HubSource
from weighlock.sources.download import fetch
from weighlock.sources.hub import Hub
from weighlock.sources.hub_cache import HubCache
from weighlock.sources.interface import Fetched, Silence
from weighlock.sources.publish import publish_to_folder
from weighlock.sources.quarantine import Quarantine
from weighlock.sources.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.hub

TOKEN = "hf_secretsecretsecret"  # noqa: S105 - it opens nothing
FILES = {
    "config.json": b"{}",
    "sub/pytorch_model.bin": b"\x80\x04" + b"x" * 5000,
    "README.md": b"---\nlicense: mit\n---",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub() as running:
        # As if HF_ENDPOINT had been set before huggingface_hub was imported.
        template = f"{running.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", running.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        yield running


def bring(cache: HubCache, source: HubSource, files: Any) -> None:
    with Quarantine(cache.quarantine, Silence()) as quarantine:
        for offer in files:
            got = fetch(Hub().wanted(source, offer), quarantine, Transport(), Silence())
            cache.publish(source, offer.path, got)
    cache.finish(source)


def test_a_listing_has_commit_sizes_and_digests(hub: LoopbackHub) -> None:
    sha = hub.add_repo("org/a", FILES)
    listing = Hub().list_at("org/a", "model", "main")
    assert listing.source == HubSource(repo="org/a", revision=sha)
    offers = {offer.path: offer for offer in listing.files}
    assert list(offers) == sorted(FILES)
    weights = offers["sub/pytorch_model.bin"]
    assert weights.sha256 == hashlib.sha256(FILES["sub/pytorch_model.bin"]).hexdigest()
    assert (weights.size, weights.git_id) == (5002, None)
    assert offers["config.json"].git_id == "9e26dfeeb6e641a33dae4961196235bdb965b21b"
    assert offers["config.json"].sha256 is None


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_what_is_published_is_found_by_huggingface_hub_offline(kind: str, hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add_repo("org/a", FILES, type=kind)
    listing = Hub().list_at("org/a", kind, "main")
    cache = HubCache(tmp_path / "hub")
    assert isinstance(listing.source, HubSource)
    bring(cache, listing.source, listing.files)
    for path, data in FILES.items():
        found = try_to_load_from_cache("org/a", path, cache_dir=cache.root, repo_type=kind)
        assert isinstance(found, str)
        with open(found, "rb") as file:
            assert file.read() == data
    folder = snapshot_download("org/a", cache_dir=cache.root, repo_type=kind, local_files_only=True)
    assert folder == str(cache.folder(listing.source))


def test_the_layout_is_that_of_huggingface_hub_itself(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add_repo("org/a", FILES)
    listing = Hub().list_at("org/a", "model", "main")
    assert isinstance(listing.source, HubSource)
    ours = HubCache(tmp_path / "ours")
    bring(ours, listing.source, listing.files)
    theirs = tmp_path / "theirs"
    for path in FILES:
        hf_hub_download("org/a", path, cache_dir=theirs, endpoint=hub.endpoint, token=False)

    def layout(root: Path) -> dict[str, object]:
        entries = [path for path in root.rglob("*") if ".locks" not in path.parts and path.name != "CACHEDIR.TAG"]
        return {
            str(path.relative_to(root)): os.readlink(path)
            if path.is_symlink()
            else path.is_file() and path.stat().st_mode
            for path in entries
            if path.relative_to(root).parts[1:2] and path.relative_to(root).parts[1] in ("blobs", "refs", "snapshots")
        }

    assert layout(ours.root) == layout(theirs)
    assert not scan_cache_dir(ours.root).warnings


def test_an_existing_blob_with_other_bytes_is_replaced_not_written_through(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add_repo("org/a", {"a.bin": b"good" * 100})
    listing = Hub().list_at("org/a", "model", "main")
    assert isinstance(listing.source, HubSource)
    cache = HubCache(tmp_path / "hub")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    blobs = cache.folder(listing.source).parent.parent / "blobs"
    blobs.mkdir(parents=True)
    (blobs / str(listing.files[0].sha256)).symlink_to(victim)
    bring(cache, listing.source, listing.files)
    assert victim.read_bytes() == b"precious"
    assert (cache.folder(listing.source) / "a.bin").read_bytes() == b"good" * 100


def test_a_link_out_of_the_cache_is_not_published_through(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add_repo("org/a", {"sub/a.bin": b"good"})
    listing = Hub().list_at("org/a", "model", "main")
    assert isinstance(listing.source, HubSource)
    cache = HubCache(tmp_path / "hub")
    (tmp_path / "outside").mkdir()
    cache.folder(listing.source).mkdir(parents=True)
    (cache.folder(listing.source) / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(SourceError, match="a link leads out of"):
        bring(cache, listing.source, listing.files)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_local_folder_is_not_left_either(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "sub").symlink_to(tmp_path / "outside")
    (tmp_path / "q").write_bytes(b"x")
    with pytest.raises(SourceError, match="a link leads out of"):
        publish_to_folder(tmp_path / "local", "sub/a", Fetched(place=tmp_path / "q", size=1, sha256="a" * 64))
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_ref_that_climbs_is_refused(tmp_path: Path) -> None:
    source = HubSource(repo="org/a", ref="../../../x", revision="1" * 40)
    with pytest.raises(SourceError, match="is not a ref"):
        HubCache(tmp_path / "hub").finish(source)


def test_a_read_only_cache_keeps_its_refs(tmp_path: Path, unprivileged: Any) -> None:
    (tmp_path / "hub").mkdir(mode=0o555)
    with unprivileged(tmp_path):
        HubCache(tmp_path / "hub").finish(HubSource(repo="org/a", revision="1" * 40))
    assert list((tmp_path / "hub").iterdir()) == []


def test_a_name_with_odd_characters_is_asked_for_and_published(hub: LoopbackHub, tmp_path: Path) -> None:
    odd = "a b/ü#?%25&.bin"
    hub.add_repo("org/a", {odd: b"odd"})
    listing = Hub().list_at("org/a", "model", "main")
    assert isinstance(listing.source, HubSource)
    cache = HubCache(tmp_path / "hub")
    bring(cache, listing.source, listing.files)
    assert (cache.folder(listing.source) / odd).read_bytes() == b"odd"


@pytest.mark.parametrize("path", ["sub/pytorch_model.bin", "config.json"])
def test_tampered_bytes_under_the_old_etag_are_refused(path: str, hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add_repo("org/a", FILES)
    hub.tamper("org/a", path, FILES[path][:-1] + b"!")
    listing = Hub().list_at("org/a", "model", "main")
    assert isinstance(listing.source, HubSource)
    cache = HubCache(tmp_path / "hub")
    with pytest.raises(DigestMismatchError, match="the Hub says"):
        bring(cache, listing.source, [offer for offer in listing.files if offer.path == path])
    assert list(tmp_path.rglob("*.part")) == []
    assert not (tmp_path / "hub" / "models--org--a").exists()


def test_private_repositories_need_the_token_which_is_never_shown(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.token = TOKEN
    hub.add_repo("org/a", FILES)
    with pytest.raises(SourceError, match="may not see it") as caught:
        Hub().list_at("org/a", "model", "main")
    assert caught.value.hint is not None
    assert "HF_TOKEN" in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    listing = Hub().list_at("org/a", "model", "main")
    assert isinstance(listing.source, HubSource)
    wanted = Hub().wanted(listing.source, listing.files[0])
    assert wanted.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in repr(wanted)
    bring(HubCache(tmp_path / "hub"), listing.source, listing.files)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


def test_a_wrong_token_is_not_shown_either(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "another"  # noqa: S105 - it opens nothing
    hub.add_repo("org/a", FILES)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(SourceError) as caught:
        Hub().list_at("org/a", "model", "main")
    assert TOKEN not in f"{caught.value} {caught.value.hint}"


def test_unknown_repository_and_ref(hub: LoopbackHub) -> None:
    hub.add_repo("org/a", FILES)
    with pytest.raises(SourceError, match="org/b@main: does not exist"):
        Hub().list_at("org/b", "model", "main")
    with pytest.raises(SourceError, match="org/a@v9: has no such ref"):
        Hub().list_at("org/a", "model", "v9")


def test_an_unreachable_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(SourceError, match="cannot be reached") as caught:
            Hub().list_at("org/a", "model", "main")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_nothing_but_the_repository_is_asked_for(hub: LoopbackHub) -> None:
    hub.add_repo("org/a", FILES)
    Hub().list_at("org/a", "model", "main")
    assert {request.path.partition("?")[0] for request in hub.requests} == {"/api/models/org/a/revision/main"}


def answer(**changes: Any) -> Any:
    sibling = SimpleNamespace(rfilename="a.bin", size=3, blob_id="1" * 40, lfs=None)
    for key in ("rfilename", "size", "blob_id", "lfs"):
        if key in changes:
            setattr(sibling, key, changes.pop(key))
    return SimpleNamespace(**{"sha": "2" * 40, "siblings": [sibling], "card_data": None, "tags": [], **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"sha": None}, {"sha": "main"}, {"sha": "2" * 40 + "\n"}, {"rfilename": "../../etc/passwd"},
        {"rfilename": "/etc/passwd"}, {"rfilename": "a\nb"}, {"rfilename": None}, {"rfilename": "a\x1b[2J"},
        {"blob_id": "../x"}, {"lfs": {"size": 3}}, {"lfs": {"sha256": "x", "size": 3}},
        {"lfs": SimpleNamespace(sha256="../../x", size=3)},
    ],
)  # fmt: skip
def test_a_hub_that_answers_nonsense_is_not_believed(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Hub()
    monkeypatch.setattr(asked, "_info", lambda *_args, **_options: answer(**changes))
    with pytest.raises(WeighlockError) as caught:
        asked.list_at("org/a", "model", "main")
    assert isinstance(caught.value, SourceError | LockfileError)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_another_commit_than_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Hub()
    monkeypatch.setattr(asked, "_info", lambda *_args, **_options: answer())
    with pytest.raises(SourceError, match="answers commit"):
        asked.list_at("org/a", "model", "main", "3" * 40)


def test_the_license_is_what_the_card_or_a_tag_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Hub()
    for info, expected in (
        (answer(card_data=SimpleNamespace(license="mit")), "mit"),
        (answer(tags=["x", "license:apache-2.0"]), "apache-2.0"),
        (answer(card_data=SimpleNamespace(license="a\nb")), None),
        (answer(card_data=SimpleNamespace(license=["a", "b"])), None),
    ):
        monkeypatch.setattr(asked, "_info", lambda *_args, info=info, **_options: info)
        assert asked.list_at("org/a", "model", "main").license == expected
