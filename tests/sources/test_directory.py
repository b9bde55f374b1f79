"""Local files and folders: listed without leaving them."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from weighlock.errors import SourceError
from weighlock.sources.directory import identify, list_directory, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "sub").mkdir(parents=True)
    (root / "config.json").write_bytes(b"{}")
    (root / "sub" / "weights.bin").write_bytes(b"abc")
    return root


def paths(place: Path) -> list[str]:
    return [offer.path for offer in list_directory(place, "./model").files]


def test_a_folder_is_listed_sorted_and_without_the_folders_of_tools(folder: Path) -> None:
    for name in (".git", ".cache", "__pycache__"):
        (folder / name).mkdir()
        (folder / name / "x").touch()
    assert paths(folder) == ["config.json", "sub/weights.bin"]


def test_a_single_file(folder: Path) -> None:
    listing = list_directory(folder / "config.json", "./config.json")
    assert [(offer.path, offer.size) for offer in listing.files] == [("config.json", 2)]


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"\./model: does not exist"):
        list_directory(tmp_path / "model", "./model")


def test_links_inside_are_followed(folder: Path) -> None:
    (folder / "latest.bin").symlink_to("sub/weights.bin")
    (folder / "again").symlink_to("sub")
    assert paths(folder) == ["config.json", "latest.bin", "sub/weights.bin"]


def test_the_snapshot_of_a_hub_cache_leads_to_its_blobs(tmp_path: Path) -> None:
    repository = tmp_path / "models--org--a"
    (repository / "blobs").mkdir(parents=True)
    (repository / "blobs" / "abc").write_bytes(b"x")
    snapshot = repository / "snapshots" / ("1" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "a.bin").symlink_to("../../blobs/abc")
    assert paths(snapshot) == ["a.bin"]
    (tmp_path / "other").write_bytes(b"x")
    (snapshot / "b.bin").symlink_to("../../../other")
    with pytest.raises(SourceError, match="out of the folder"):
        paths(snapshot)


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside", "/etc"])
def test_a_link_out_of_the_folder_is_refused(target: str, folder: Path) -> None:
    (folder.parent / "outside").write_bytes(b"secret")
    (folder / "link").symlink_to(target)
    with pytest.raises(SourceError, match=r"\./model/link: is a link out of the folder"):
        paths(folder)


@pytest.mark.parametrize("target", ["loop", ".", "nothing", "sub/../loop"])
def test_a_loop_of_links_ends(target: str, folder: Path) -> None:
    (folder / "loop").symlink_to(target)
    if target == ".":
        assert paths(folder) == ["config.json", "sub/weights.bin"]
        return
    with pytest.raises(SourceError, match="circle or to nothing"):
        paths(folder)


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(SourceError, match="not a regular file"):
        paths(folder)
    with pytest.raises(SourceError, match="not a regular file"), opened(folder / "pipe"):
        pass


@pytest.mark.parametrize("name", ["a\nb.bin", "a\x1b[2Jb.bin", "a\u202eb.bin", "a\\b.bin", b"a\xffb.bin"])
def test_a_name_that_would_mislead_is_refused_and_shown_escaped(name: str | bytes, folder: Path) -> None:
    (folder / os.fsdecode(name)).touch()
    with pytest.raises(SourceError, match="has a name that") as caught:
        paths(folder)
    assert str(caught.value).isprintable()


def test_an_unreadable_folder_is_not_passed_over(
    folder: Path, unprivileged: Callable[[Path], AbstractContextManager[None]]
) -> None:
    (folder / "sub").chmod(0)
    try:
        with unprivileged(folder), pytest.raises(SourceError, match="cannot be read"):
            paths(folder)
    finally:
        (folder / "sub").chmod(0o755)


def test_an_unreadable_file(folder: Path, unprivileged: Callable[[Path], AbstractContextManager[None]]) -> None:
    (folder / "config.json").chmod(0)
    with unprivileged(folder), pytest.raises(SourceError, match="cannot be read: Permission denied"):
        identify(folder / "config.json")


def test_a_file_is_identified(folder: Path) -> None:
    got = identify(folder / "config.json", git=True)
    assert got.sha256 == hashlib.sha256(b"{}").hexdigest()
    assert got.git_id == "9e26dfeeb6e641a33dae4961196235bdb965b21b"
    assert identify(folder / "config.json").git_id is None


@pytest.mark.parametrize("git", [True, False])
def test_a_file_that_changes_while_it_is_hashed_is_refused(git: bool, folder: Path) -> None:  # noqa: FBT001
    place = folder / "config.json"
    with pytest.raises(SourceError, match="changed while it was read"):
        identify(place, git=git, tick=lambda _: place.write_bytes(b"[]") and None)


def test_a_folder_deeper_than_the_stack_of_python_is_listed(tmp_path: Path) -> None:
    depth, limit = 300, sys.getrecursionlimit()
    place = tmp_path
    for _ in range(depth):
        place /= "d"
        place.mkdir()
    (place / "x").touch()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        assert paths(tmp_path) == ["d/" * depth + "x"]
    finally:
        sys.setrecursionlimit(limit)
