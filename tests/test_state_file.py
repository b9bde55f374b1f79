from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from weighlock.errors import SourceError
from weighlock.state_file import StateFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "rows.json"


def table(path: Path | None, most: int = 1000) -> StateFile:
    return StateFile(path, "rows", most=most, holds="what was seen", forgets="every row")


def written(path: Path, data: bytes) -> StateFile:
    path.parent.mkdir()
    path.write_bytes(data)
    path.chmod(0o600)
    return table(path)


def test_what_is_remembered_is_there_in_the_next_run(path: Path):
    table(path).change(lambda known: known.update(a=1))
    table(path).change(lambda known: known.update(b=[2]))
    assert table(path).read() == {"a": 1, "b": [2]}
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_there_is_no_place_nothing_is_remembered():
    nowhere = table(None)
    nowhere.change(lambda known: known.update(a=1))
    assert nowhere.read() == {}


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"[" * 900, b'{"version": 2, "rows": {}}', b'{"version": 1}', b'{"version": 1, "rows": []}']
)
def test_a_broken_file_is_no_empty_one_and_is_not_overwritten(path: Path, data: bytes):
    file = written(path, data)
    for attempt in (file.read, lambda: file.change(dict.clear)):
        with pytest.raises(SourceError, match="what was seen cannot be read") as caught:
            attempt()
        assert "every row" in str(caught.value.hint)
    assert path.read_bytes() == data


def test_a_file_that_is_too_large_is_not_read_to_its_end(path: Path):
    written(path, json.dumps({"version": 1, "rows": {"a": "b" * 100}}).encode())
    with pytest.raises(SourceError, match="larger than 50 bytes"):
        table(path, most=50).read()


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_not_believed(path: Path, mode: int):
    file = written(path, b'{"version": 1, "rows": {}}')
    path.chmod(mode)
    with pytest.raises(SourceError, match="only you can write"):
        file.read()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_folder_or_a_pipe_is_not_believed_and_nobody_waits(path: Path, make):
    path.parent.mkdir()
    make(path)
    with pytest.raises(SourceError, match="only you can write"):
        table(path).read()


def test_a_link_is_not_followed(path: Path, tmp_path: Path):
    (tmp_path / "other").write_bytes(b'{"version": 1, "rows": {}}')
    path.parent.mkdir()
    path.symlink_to(tmp_path / "other")
    with pytest.raises(SourceError):
        table(path).read()
