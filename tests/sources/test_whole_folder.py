"""Everything in a folder is seen, however it is hidden."""

from __future__ import annotations

import contextlib
import os

import pytest

from weighlock.errors import SourceError
from weighlock.sources.whole_folder import list_everything


def names(folder):
    return {name.path: name.problem for name in list_everything(folder)}


def test_folders_of_tools_are_looked_into(tmp_path):
    paths = (".git/hooks/x", "__pycache__/a.pyc", ".cache/y", ".locks/z", "model.bin")
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert names(tmp_path) == dict.fromkeys(paths)


@contextlib.contextmanager
def deep(folder, name, depth):
    """Put a file below so many folders, and take them away again, which not every tool can."""
    here = os.getcwd()
    try:
        os.chdir(folder)
        for _ in range(depth):
            os.mkdir(name)
            os.chdir(name)
        with open("x", "wb"):
            pass
        yield
        os.chdir(folder)
        for _ in range(depth):
            os.chdir(name)
        os.unlink("x")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir(name)
    finally:
        os.chdir(here)


def test_a_file_deeper_than_python_can_recurse(tmp_path):
    with deep(tmp_path, "d", 1200):
        assert list(names(tmp_path).values()) == [None]


def test_a_folder_too_deep_to_be_named_is_an_error_and_not_an_empty_one(tmp_path):
    with deep(tmp_path, "d" * 200, 25), pytest.raises(SourceError, match="cannot be read"):
        list_everything(tmp_path)


def test_links_to_folders_out_of_the_folder_and_to_nothing_are_problems(tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").touch()
    (tmp_path / "outside").touch()
    (folder / "inside").symlink_to("sub/file")
    (folder / "out").symlink_to("../outside")
    (folder / "folder").symlink_to("sub")
    (folder / "up").symlink_to("..")
    (folder / "nothing").symlink_to("gone")
    assert names(folder) == {
        "sub/file": None,
        "inside": None,
        "out": "is a link out of the folder",
        "folder": "is a link to a folder",
        "up": "is a link out of the folder",
        "nothing": "is a link in a circle or to nothing",
    }


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(SourceError, match="cannot be read"):
        list_everything(tmp_path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        list_everything(tmp_path / "gone")
