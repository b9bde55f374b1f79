"""The memory of publishers: what it cannot read it does not take for empty, and two writers lose nothing."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from weighlock.errors import SourceError, WeighlockError
from weighlock.release import Publisher
from weighlock.signing import publishers
from weighlock.signing.publishers import Publishers, Remembered, older

INDEX = "https://index.example/simple"
ROW = Remembered(
    index=INDEX,
    project="tool",
    version="1.0",
    publisher=Publisher(kind="GitHub", repository="org/tool", workflow="release.yml"),
    uploaded=datetime(2026, 1, 1, tzinfo=UTC),
)


def _about(rows: bytes) -> bytes:
    return b'{"version": 1, "publishers": {"https://index.example/simple": ' + rows + b"}}"


def test_what_is_remembered_is_recalled_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "state" / "publishers.json"
    Publishers(path).remember([ROW, replace(ROW, project="other", uploaded=None)])
    again = Publishers(path)
    assert again.recall(INDEX, "tool") == ROW
    assert again.recall(INDEX, "other") == replace(ROW, project="other", uploaded=None)
    assert again.recall(INDEX, "unknown") is None
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_index_does_not_speak_for_another(tmp_path: Path) -> None:
    memory = Publishers(tmp_path / "publishers.json")
    memory.remember([ROW])
    assert memory.recall("https://other.example/simple", "tool") is None


def test_nothing_is_remembered_without_a_place() -> None:
    memory = Publishers(None)
    memory.remember([ROW])
    assert memory.recall(INDEX, "tool") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"version": 2, "publishers": {}}',
        b'{"version": 1}',
        b'{"version": 1, "publishers": []}',
        _about(b"[]"),
        _about(b'{"tool": []}'),
        _about(b'{"tool": {"version": "1"}}'),
        _about(b'{"tool": {"version": 1, "kind": "a", "repository": "b"}}'),
        _about(b'{"tool": {"version": "1", "kind": "a", "repository": "b", "uploaded": "2026-01-01"}}'),
    ],
)
def test_a_broken_memory_is_not_an_empty_one(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "publishers.json"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(SourceError, match="cannot be read"):
        Publishers(path).recall(INDEX, "tool")


def test_a_memory_that_others_can_write_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "publishers.json"
    Publishers(path).remember([ROW])
    path.chmod(0o666)
    with pytest.raises(SourceError, match="only you can write"):
        Publishers(path).recall(INDEX, "tool")
    with pytest.raises(SourceError, match="only you can write"):
        Publishers(path).remember([ROW])


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_a_memory_that_is_no_file_is_not_believed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "publishers.json"
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere.json")
        Publishers(tmp_path / "elsewhere.json").remember([ROW])
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(SourceError, match="cannot be read"):
        Publishers(path).recall(INDEX, "tool")


def test_a_broken_memory_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "publishers.json"
    path.write_text("{")
    path.chmod(0o600)
    with pytest.raises(SourceError):
        Publishers(path).remember([ROW])
    assert path.read_text() == "{"


def test_of_two_installs_at_once_neither_forgets_what_the_other_learned(tmp_path: Path) -> None:
    path = tmp_path / "publishers.json"
    rows = [replace(ROW, project=f"tool-{number}") for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: Publishers(path).remember([row]), rows))
    assert len(json.loads(path.read_text())["publishers"][INDEX]) == 20


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(WeighlockError, match="cannot be made"):
        Publishers(tmp_path / "state" / "publishers.json").remember([ROW])


def test_the_folder_of_the_user_says_where_it_lies() -> None:
    assert publishers.place({"WEIGHLOCK_STATE": "/s"}) == Path("/s/publishers.json")
    assert publishers.place({"XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/x/weighlock/publishers.json")
    assert publishers.place({"XDG_STATE_HOME": "x", "HOME": "/h"}) == Path("/h/.local/state/weighlock/publishers.json")
    assert publishers.place({}) is None


def test_nothing_follows_for_a_release_from_before_the_attestations() -> None:
    assert older(ROW, datetime(2025, 1, 1, tzinfo=UTC))
    assert not older(ROW, datetime(2026, 2, 1, tzinfo=UTC))
    assert not older(ROW, None)
    assert not older(replace(ROW, uploaded=None), datetime(2025, 1, 1, tzinfo=UTC))
