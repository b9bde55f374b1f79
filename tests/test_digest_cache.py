"""The digest cache: nothing is believed that could be stale, forged or torn."""

from __future__ import annotations

import os
import stat

import pytest

from weighlock import digest_cache
from weighlock.digest_cache import DigestCache, is_settled, key_of

KEY = (1, 2, 3, 4, 5)
DIGEST = "ab" * 32
SECOND = 1_000_000_000


@pytest.fixture
def environ(tmp_path):
    return {"WEIGHLOCK_CACHE": str(tmp_path / "cache")}


def _file(environ):
    return os.path.join(environ["WEIGHLOCK_CACHE"], "digests")


def _status(path):
    return os.stat(path)


def test_a_digest_is_remembered_in_this_process_and_in_the_next(environ):
    cache = DigestCache(environ)
    assert cache.get(KEY, "") is None
    cache.put(KEY, "", DIGEST)
    assert cache.get(KEY, "") == DIGEST
    assert DigestCache(environ).get(KEY, "") == DIGEST


def test_digests_of_a_file_and_of_its_chunks_are_not_confused(environ):
    cache = DigestCache(environ)
    cache.put(KEY, "chunks-64", "cd" * 32)
    assert cache.get(KEY, "") is None
    assert DigestCache(environ).get(KEY, "chunks-64") == "cd" * 32
    assert DigestCache(environ).get(KEY, "chunks-65") is None


@pytest.mark.parametrize("part", range(5))
def test_any_other_device_inode_size_or_time_is_another_file(environ, part):
    cache = DigestCache(environ)
    cache.put(KEY, "", DIGEST)
    other = list(KEY)
    other[part] += 1
    assert cache.get(tuple(other), "") is None


@pytest.mark.parametrize("age", [-SECOND, 0, SECOND, 2 * SECOND])
def test_a_file_changed_within_the_last_two_seconds_is_not_settled(tmp_path, age):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    assert not is_settled(_status(path), _status(path).st_ctime_ns + age)


def test_an_older_file_is_settled(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    assert is_settled(_status(path), _status(path).st_ctime_ns + 3 * SECOND)


def test_a_file_from_the_future_is_not_settled(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    assert not is_settled(_status(path), 0)


def test_restoring_the_modification_time_changes_the_key(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"good")
    before = _status(path)
    path.write_bytes(b"evil")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert key_of(_status(path)) != key_of(before)


def test_the_file_is_readable_by_its_owner_alone(environ):
    DigestCache(environ).put(KEY, "", DIGEST)
    assert stat.S_IMODE(os.stat(_file(environ)).st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_cache_that_others_can_write_is_not_believed(environ, mode):
    DigestCache(environ).put(KEY, "", DIGEST)
    os.chmod(_file(environ), mode)
    assert DigestCache(environ).get(KEY, "") is None


def test_a_cache_of_another_user_is_not_believed(environ, monkeypatch):
    DigestCache(environ).put(KEY, "", DIGEST)
    monkeypatch.setattr(os, "getuid", lambda: os.stat(_file(environ)).st_uid + 1)
    assert DigestCache(environ).get(KEY, "") is None


def test_a_symbolic_link_in_its_place_is_neither_read_nor_written(environ, tmp_path):
    DigestCache(environ).put(KEY, "", DIGEST)
    os.rename(_file(environ), tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", _file(environ))
    cache = DigestCache(environ)
    assert cache.get(KEY, "") is None
    before = (tmp_path / "elsewhere").read_bytes()
    cache.put((9, 9, 9, 9, 9), "", DIGEST)
    assert (tmp_path / "elsewhere").read_bytes() == before


def test_a_pipe_in_its_place_does_not_hang(environ):
    os.makedirs(environ["WEIGHLOCK_CACHE"])
    os.mkfifo(_file(environ), 0o600)
    cache = DigestCache(environ)
    assert cache.get(KEY, "") is None
    cache.put(KEY, "", DIGEST)
    assert cache.get(KEY, "") == DIGEST


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"1 1 2 3 4 5 sha256 " + b"ab" * 31,
        b"1 1 2 3 4 5 sha256 " + b"AB" * 32,
        b"1 1 2 3 4 5 sha256 " + b"zz" * 32,
        b"2 1 2 3 4 5 sha256 " + b"ab" * 32,
        b"1 1 2 3 4 -5 sha256 " + b"ab" * 32,
        b"1 1 2 3 4 x sha256 " + b"ab" * 32,
        b"1 1 2 3 4 sha256 " + b"ab" * 32,
        b"1 1 2 3 4 5 sha256 " + b"ab" * 32 + b" more",
        b"\xff\x00" * 50,
        "1 1 2 3 4 ٥ sha256 ".encode() + b"ab" * 32,
    ],
)
def test_a_broken_line_is_passed_over_and_the_next_one_is_read(environ, line):
    os.makedirs(environ["WEIGHLOCK_CACHE"])
    good = b"1 6 7 8 9 10 sha256 " + b"cd" * 32
    with open(_file(environ), "wb") as file:
        file.write(line + b"\n" + good + b"\n" + good[:40])
    os.chmod(_file(environ), 0o600)
    cache = DigestCache(environ)
    assert cache.get(KEY, "") is None
    assert cache.get((6, 7, 8, 9, 10), "") == "cd" * 32


def test_a_line_torn_by_a_full_disk_does_not_spoil_the_file(environ):
    DigestCache(environ).put(KEY, "", DIGEST)
    with open(_file(environ), "ab") as file:
        file.write(b"1 6 7 8")
    DigestCache(environ).put((6, 7, 8, 9, 10), "", DIGEST)
    DigestCache(environ).put((6, 7, 8, 9, 11), "", DIGEST)
    cache = DigestCache(environ)
    assert cache.get(KEY, "") == DIGEST
    assert cache.get((6, 7, 8, 9, 11), "") == DIGEST


def test_a_file_that_grew_is_compacted_to_its_newer_half(environ, monkeypatch):
    monkeypatch.setattr(digest_cache, "_LARGEST", 2000)
    cache = DigestCache(environ)
    for n in range(40):
        cache.put((n, 0, 0, 0, 0), "", DIGEST)
    size = os.path.getsize(_file(environ))
    assert DigestCache(environ).get((39, 0, 0, 0, 0), "") == DIGEST
    assert os.path.getsize(_file(environ)) < size
    again = DigestCache(environ)
    assert again.get((39, 0, 0, 0, 0), "") == DIGEST
    assert again.get((0, 0, 0, 0, 0), "") is None
    assert os.listdir(environ["WEIGHLOCK_CACHE"]) == ["digests"]


def test_a_disk_that_refuses_is_no_reason_to_refuse_a_load(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    cache = DigestCache({"WEIGHLOCK_CACHE": str(tmp_path / "file")})
    cache.put(KEY, "", DIGEST)
    assert cache.get(KEY, "") == DIGEST


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WEIGHLOCK_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c/digests"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/weighlock/digests"),
        ({"HOME": "/h"}, "/h/.cache/weighlock/digests"),
        ({}, None),
    ],
)
def test_the_place_is_chosen_by_the_environment(environ, expected):
    assert digest_cache.place(environ) == expected


def test_without_a_place_digests_are_remembered_in_this_process_only():
    cache = DigestCache({})
    cache.put(KEY, "", DIGEST)
    assert cache.get(KEY, "") == DIGEST
