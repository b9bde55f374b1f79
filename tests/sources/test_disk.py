from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.sources.disk import collect

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


def _names(*paths: Path) -> dict[str, str | None]:
    return {os.path.basename(file.path): file.problem for file in collect(map(str, paths)).files}


def test_a_loop_of_links_ends(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "model.bin").write_bytes(b"x")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to("self")
    found = _names(tmp_path)
    assert found.pop("self") == "too many levels of symbolic links"
    assert found == {"model.bin": None}


def test_a_link_to_the_whole_disk_is_reported_and_not_followed(tmp_path: Path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "repo" / "out").symlink_to(tmp_path)
    (tmp_path / "repo" / "root").symlink_to("/")
    found = _names(tmp_path / "repo")
    assert set(found) == {"out", "root"}
    assert all("above the one that was asked for" in str(problem) for problem in found.values())


def test_a_folder_that_is_asked_for_through_a_link_is_entered(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "model.bin").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert _names(tmp_path / "link") == {"model.bin": None}


def test_a_link_to_a_folder_elsewhere_is_followed_as_a_loader_would(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "model.bin").write_bytes(b"x")
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "weights").symlink_to(tmp_path / "elsewhere")
    assert _names(tmp_path / "repo") == {"model.bin": None}


def test_hidden_files_and_folders_are_found(tmp_path: Path):
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / ".model.bin").write_bytes(b"x")
    assert _names(tmp_path) == {".model.bin": None}


def test_a_blob_of_a_hub_cache_is_listed_once_under_its_name_in_a_snapshot(tmp_path: Path):
    repo = tmp_path / "models--org--name"
    blob = repo / "blobs" / "ab12"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"x")
    for revision in ("1111", "2222"):
        snapshot = repo / "snapshots" / revision
        snapshot.mkdir(parents=True)
        (snapshot / "model.bin").symlink_to("../../blobs/ab12")
    collection = collect([str(tmp_path)])
    assert [file.path for file in collection.files] == [str(repo / "snapshots" / "1111" / "model.bin")]
    assert collection.repeats == 2


def test_a_file_that_is_named_twice_is_listed_once(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"x")
    collection = collect([str(tmp_path), str(tmp_path / "a"), str(tmp_path)])
    assert len(collection.files) == 1
    assert collection.repeats == 2


def test_pipes_sockets_and_devices_are_reported_and_never_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.bin")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(".", os.O_RDONLY)
        os.chdir(tmp_path)  # the path of a socket may have 107 characters
        try:
            server.bind("socket.bin")
        finally:
            os.fchdir(here)
            os.close(here)
        assert _names(tmp_path, Path(os.devnull)) == {
            "pipe.bin": "not a regular file but a named pipe",
            "socket.bin": "not a regular file but a socket",
            "null": "not a regular file but a character device",
        }


def test_a_dangling_link_and_a_missing_path_are_reported(tmp_path: Path):
    (tmp_path / "gone.bin").symlink_to("nowhere")
    assert _names(tmp_path, tmp_path / "missing") == {
        "gone.bin": "no such file or directory",
        "missing": "no such file or directory",
    }


def test_a_folder_that_may_not_be_listed_is_reported(
    tmp_path: Path, unprivileged: Callable[[Path], AbstractContextManager[None]]
):
    (tmp_path / "closed").mkdir(mode=0)
    with unprivileged(tmp_path):
        found = _names(tmp_path)
    assert found == {"closed": "permission denied"}


def test_files_come_sorted_whatever_the_file_system_says(tmp_path: Path):
    for name in ("b", "a.bin", "c", "a"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.d").mkdir()
    (tmp_path / "a.d" / "x").write_bytes(b"x")
    paths = [file.path for file in collect([str(tmp_path)]).files]
    assert paths == sorted(paths)
    assert len(paths) == 5


def test_names_that_are_no_utf_8_are_found(tmp_path: Path):
    name = os.fsencode(tmp_path) + b"/\xff\n.bin"
    with open(name, "wb") as file:
        file.write(b"x")
    (found,) = collect([str(tmp_path)]).files
    assert os.fsencode(found.path) == name
