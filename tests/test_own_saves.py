"""Records of what a project saved: nothing is believed that was forged, torn, another user's or another project's."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys

import pytest

from weighlock import own_saves
from weighlock.own_saves import OwnSaves

DIGEST = "ab" * 32
OTHER = "cd" * 32


@pytest.fixture
def environ(tmp_path):
    return {"WEIGHLOCK_STATE": str(tmp_path / "state")}


@pytest.fixture
def saves(environ):
    saves = OwnSaves(environ, "/project")
    saves.add(10, DIGEST)
    return saves


def _folder(environ):
    return os.path.join(environ["WEIGHLOCK_STATE"], "saved")


def _records(environ):
    (name,) = (name for name in os.listdir(_folder(environ)) if name != "key")
    return os.path.join(_folder(environ), name)


def test_what_was_saved_is_known_here_and_in_the_next_process(saves, environ):
    for known in (saves, OwnSaves(environ, "/project")):
        assert known.has_size(10)
        assert known.holds(10, DIGEST)
        assert known.count() == 1


@pytest.mark.parametrize(("size", "sha256"), [(10, OTHER), (11, DIGEST), (0, ""), (10, ""), (10, DIGEST[1:])])
def test_other_bytes_are_not_known(saves, size, sha256):
    assert not saves.holds(size, sha256)


@pytest.mark.parametrize("project", ["/project2", "/projec", "", "/project\0", "/project/sub"])
def test_another_project_knows_nothing_of_it(saves, environ, project):
    assert not OwnSaves(environ, project).has_size(10)


def test_the_records_of_one_project_put_in_the_place_of_anothers_are_none(saves, environ):
    other = OwnSaves(environ, "/other")
    ours = _records(environ)
    other.add(20, OTHER)
    (theirs,) = {os.path.join(_folder(environ), name) for name in os.listdir(_folder(environ))} - {
        ours,
        os.path.join(_folder(environ), "key"),
    }
    os.replace(ours, theirs)
    assert not OwnSaves(environ, "/other").holds(10, DIGEST)
    assert OwnSaves(environ, "/other").count() == 0


def test_a_record_without_the_key_is_a_forgery(saves, environ):
    code = hashlib.sha256(b"whatever").hexdigest()
    with open(_records(environ), "ab") as file:
        file.write(f"\n1 1700000000 20 {OTHER} {code}\n".encode())
    forged = OwnSaves(environ, "/project")
    assert not forged.holds(20, OTHER)
    assert forged.holds(10, DIGEST)
    assert forged.count() == 1


@pytest.mark.parametrize("part", [1, 2, 3])
def test_a_record_that_was_edited_is_a_forgery(saves, environ, part):
    with open(_records(environ), encoding="ascii") as file:
        parts = file.read().strip().split(" ")
    parts[part] = {1: "1", 2: "20", 3: OTHER}[part]
    with open(_records(environ), "w", encoding="ascii") as file:
        file.write(f"\n{' '.join(parts)}\n")
    edited = OwnSaves(environ, "/project")
    assert not edited.holds(int(parts[2]), parts[3])


def test_a_record_of_another_user_is_a_forgery_even_with_the_key(saves, environ, monkeypatch):
    monkeypatch.setattr(own_saves, "_user", lambda: 4242)
    assert not OwnSaves(environ, "/project").holds(10, DIGEST)


def test_another_key_makes_all_records_forgeries(saves, environ):
    with open(os.path.join(_folder(environ), "key"), "wb") as file:
        file.write(bytes(32))
    assert not OwnSaves(environ, "/project").holds(10, DIGEST)


@pytest.mark.parametrize("name", ["key", "records", "folder"])
@pytest.mark.parametrize("mode", [0o722, 0o702, 0o720])
def test_what_others_can_write_is_not_believed(saves, environ, name, mode):
    places = {"key": os.path.join(_folder(environ), "key"), "records": _records(environ), "folder": _folder(environ)}
    os.chmod(places[name], mode)
    assert not OwnSaves(environ, "/project").holds(10, DIGEST)
    with pytest.raises(OSError, match="of this user"):
        OwnSaves(environ, "/project").add(20, OTHER)


def test_a_key_that_others_can_read_is_no_secret(saves, environ):
    os.chmod(os.path.join(_folder(environ), "key"), 0o640)
    assert not OwnSaves(environ, "/project").holds(10, DIGEST)


def test_what_another_user_owns_is_not_believed(saves, environ, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(_folder(environ)).st_uid + 1)
    assert not OwnSaves(environ, "/project").holds(10, DIGEST)
    with pytest.raises(PermissionError):
        OwnSaves(environ, "/project").add(20, OTHER)


@pytest.mark.parametrize("name", ["key", "records", "folder"])
def test_a_symbolic_link_in_its_place_is_not_followed(saves, environ, tmp_path, name):
    places = {"key": os.path.join(_folder(environ), "key"), "records": _records(environ), "folder": _folder(environ)}
    os.rename(places[name], tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", places[name])
    assert not OwnSaves(environ, "/project").holds(10, DIGEST)
    with pytest.raises(OSError, match=r"of this user|symbolic links"):
        OwnSaves(environ, "/project").add(20, OTHER)


def test_a_pipe_in_its_place_does_not_hang(saves, environ):
    path = _records(environ)
    os.unlink(path)
    os.mkfifo(path, 0o600)
    assert not OwnSaves(environ, "/project").has_size(10)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_a_broken_key_is_not_replaced_in_silence(saves, environ, key):
    with open(os.path.join(_folder(environ), "key"), "wb") as file:
        file.write(key)
    with pytest.raises(OSError, match="no key"):
        OwnSaves(environ, "/project").add(20, OTHER)
    assert not OwnSaves(environ, "/project").holds(10, DIGEST)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"1 1 10",
        b"2 1 30 " + b"ab" * 32 + b" " + b"ab" * 32,
        b"1 1 -30 " + b"ab" * 32 + b" " + b"ab" * 32,
        b"1 1 x " + b"ab" * 32 + b" " + b"ab" * 32,
        b"1 1 30 " + b"ab" * 32 + b" " + b"ab" * 32 + b" more",
        b"1 1 " + b"9" * 5000 + b" a b",
        "1 1 ٣٠ a b".encode(),
        b"\xff\x00" * 50,
        b"1 1 10  " + b"\xff" * 20,
    ],
)
def test_a_broken_line_spoils_no_other(saves, environ, line):
    with open(_records(environ), "ab") as file:
        file.write(line)
    saves.add(20, OTHER)
    for known in (saves, OwnSaves(environ, "/project")):
        assert known.holds(10, DIGEST)
        assert known.holds(20, OTHER)
        assert not known.has_size(30)


def test_a_process_that_reads_while_another_writes_finds_the_whole_line_later(saves, environ):
    reader = OwnSaves(environ, "/project")
    saves.add(20, OTHER)
    with open(_records(environ), "rb") as file:
        data = file.read()
    os.truncate(_records(environ), len(data) - 30)
    assert not reader.holds(20, OTHER)
    with open(_records(environ), "ab") as file:
        file.write(data[-30:])
    assert reader.holds(20, OTHER)
    assert reader.holds(10, DIGEST)


def test_records_that_were_deleted_are_forgotten_by_running_processes(saves, environ):
    assert saves.holds(10, DIGEST)
    os.unlink(_records(environ))
    assert not saves.holds(10, DIGEST)
    saves.add(20, OTHER)
    assert saves.holds(20, OTHER)
    assert not saves.holds(10, DIGEST)


def test_only_their_owner_can_read_folder_key_and_records(saves, environ):
    assert stat.S_IMODE(os.stat(_folder(environ)).st_mode) == 0o700
    for name in os.listdir(_folder(environ)):
        assert stat.S_IMODE(os.stat(os.path.join(_folder(environ), name)).st_mode) == 0o600
    assert "project" not in os.path.basename(_records(environ))


def test_of_too_many_records_the_oldest_are_forgotten(environ, monkeypatch):
    monkeypatch.setattr(own_saves, "_LARGEST", 4000)
    saves = OwnSaves(environ, "/project")
    reader = OwnSaves(environ, "/project")
    for size in range(1, 101):
        saves.add(size, DIGEST)
        assert reader.holds(size, DIGEST)
        assert os.path.getsize(_records(environ)) <= 4000
    assert not OwnSaves(environ, "/project").has_size(1)
    assert OwnSaves(environ, "/project").holds(90, DIGEST)
    assert sorted(os.listdir(_folder(environ))) == sorted(["key", os.path.basename(_records(environ))])


def test_of_too_many_projects_the_one_that_saved_nothing_for_longest_is_forgotten(environ, monkeypatch):
    monkeypatch.setattr(own_saves, "_MOST_PROJECTS", 3)
    for number in range(6):
        saves = OwnSaves(environ, f"/project{number}")
        saves.add(10, DIGEST)
        path = os.path.join(_folder(environ), saves._name(saves._key))
        os.utime(path, (number + 1, number + 1))
    assert len(os.listdir(_folder(environ))) == 1 + 3
    assert not OwnSaves(environ, "/project0").has_size(10)
    assert OwnSaves(environ, "/project5").holds(10, DIGEST)


WRITER = """
import sys
from weighlock import own_saves
own_saves._LARGEST = int(sys.argv[3])
saves = own_saves.OwnSaves({"WEIGHLOCK_STATE": sys.argv[1]}, "/project")
sys.stdin.readline()
for n in range(200):
    saves.add(int(sys.argv[2]) * 1000 + n, "ab" * 32)
"""


@pytest.mark.parametrize("largest", [1 << 20, 100_000])
def test_processes_that_save_at_once_lose_no_record(environ, largest):
    """The second case compacts again and again while the others write; what is newest must be there."""
    command = [sys.executable, "-c", WRITER, environ["WEIGHLOCK_STATE"]]
    writers = [
        subprocess.Popen([*command, str(number), str(largest)], stdin=subprocess.PIPE, env={**os.environ})
        for number in range(1, 5)
    ]
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    saves = OwnSaves(environ, "/project")
    if largest == 1 << 20:
        assert saves.count() == 1
        assert all(saves.holds(number * 1000 + n, DIGEST) for number in range(1, 5) for n in range(200))
    else:
        with open(_records(environ), "rb") as file:
            lines = [line for line in file.read().split(b"\n") if line]
        assert all(saves.holds(int(line.split(b" ")[2]), DIGEST) for line in lines)
        assert len(lines) > 200


def test_where_nothing_says_where_records_lie_nothing_is_recorded():
    saves = OwnSaves({}, "/project")
    assert not saves.has_size(10)
    with pytest.raises(OSError, match="HOME"):
        saves.add(10, DIGEST)


def test_a_place_that_is_a_file_is_an_error_and_no_record(environ):
    os.makedirs(environ["WEIGHLOCK_STATE"])
    with open(_folder(environ), "wb"):
        pass
    saves = OwnSaves(environ, "/project")
    assert not saves.has_size(10)
    with pytest.raises(OSError, match=r".+"):
        saves.add(10, DIGEST)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WEIGHLOCK_STATE": "/s", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/s/saved"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/weighlock/saved"),
        ({"XDG_STATE_HOME": "in-whatever-project", "HOME": "/h"}, "/h/.local/state/weighlock/saved"),
        ({"HOME": "/h"}, "/h/.local/state/weighlock/saved"),
        ({}, None),
    ],
)
def test_the_place_is_chosen_by_the_environment(environ, expected):
    assert own_saves.place(environ) == expected


def test_a_disk_that_is_full_is_an_error(saves, monkeypatch):
    monkeypatch.setattr(os, "write", lambda descriptor, data: 5)
    with pytest.raises(OSError, match="space"):
        saves.add(20, OTHER)
