"""Lockfiles on disk."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from weighlock.errors import LockfileError, WeighlockError
from weighlock.files import read_lockfile, update_lockfile, write_atomically
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


def model(name: str, sha256: str = "a" * 64) -> LockedModel:
    return LockedModel(name=name, source=PathSource(path=name), files=(LockedFile(path="x", size=1, sha256=sha256),))


def add(name: str) -> Callable[[Lockfile], Lockfile]:
    return lambda old: Lockfile(models=(*(m for m in old.models if m.name != name), model(name)))


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "models.lock"
    update_lockfile(path, add("./a"))
    return path


def test_a_written_lockfile_is_read_back(lock: Path) -> None:
    assert read_lockfile(lock) == Lockfile(models=(model("./a"),))
    assert list(lock.parent.iterdir()) == [lock]


def test_missing_lockfile(tmp_path: Path) -> None:
    with pytest.raises(LockfileError) as caught:
        read_lockfile(tmp_path / "models.lock")
    assert caught.value.where == str(tmp_path / "models.lock")
    assert caught.value.hint == "write one with `weighlock lock MODEL`"


def test_truncated_lockfile_is_not_overwritten(lock: Path) -> None:
    text = lock.read_text()[:-80]
    lock.write_text(text)
    with pytest.raises(LockfileError) as caught:
        update_lockfile(lock, add("./b"))
    assert str(lock) in str(caught.value)
    assert lock.read_text() == text


def test_newer_version_is_not_overwritten(lock: Path) -> None:
    text = lock.read_text().replace('"1.0"', '"1.7"')
    lock.write_text(text)
    with pytest.raises(LockfileError, match=r"line 3, lock-version: version 1\.7"):
        update_lockfile(lock, add("./b"))
    assert lock.read_text() == text


def test_not_utf8_names_its_line(lock: Path) -> None:
    lock.write_bytes(lock.read_bytes() + b"# \xff\xfe")
    last = len(lock.read_bytes().splitlines())
    with pytest.raises(LockfileError, match=f"line {last}: is not UTF-8"):
        read_lockfile(lock)


def test_a_folder_in_place_of_the_lockfile(tmp_path: Path) -> None:
    with pytest.raises(LockfileError, match="cannot be read"):
        read_lockfile(tmp_path)


def test_windows_line_ends_are_read(lock: Path) -> None:
    lock.write_bytes(lock.read_bytes().replace(b"\n", b"\r\n"))
    assert read_lockfile(lock) == Lockfile(models=(model("./a"),))


def test_the_mode_is_kept(lock: Path) -> None:
    lock.chmod(0o640)
    update_lockfile(lock, add("./b"))
    assert stat.S_IMODE(lock.stat().st_mode) == 0o640


def test_an_unchanged_lockfile_is_not_touched(lock: Path) -> None:
    before = lock.stat()
    assert not update_lockfile(lock, add("./a")).written
    assert lock.stat() == before


def test_comments_of_people_are_kept_and_replaced_where_asked(lock: Path) -> None:
    lock.write_text(lock.read_text().replace("[[models]]", "# ours\n[[models]]"))
    update_lockfile(lock, add("./b"))
    assert '# ours\n[[models]]\nname = "./a"' in lock.read_text()
    update_lockfile(lock, add("./c"), lambda _old, _new, kept: {("./a", None): (*kept["./a", None], "# more")})
    assert '# ours\n# more\n[[models]]\nname = "./a"' in lock.read_text()


def test_an_invalid_lockfile_is_never_written(lock: Path) -> None:
    before = lock.read_text()
    with pytest.raises(LockfileError):
        update_lockfile(lock, lambda _: Lockfile(models=(model("./a", "nonsense"),)))
    assert lock.read_text() == before


def test_a_link_out_of_the_folder_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim" / "models.lock"
    victim.parent.mkdir()
    victim.write_text(Lockfile().dumps())
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "models.lock").symlink_to(victim)
    with pytest.raises(LockfileError, match="symbolic link out of its folder"):
        update_lockfile(folder / "models.lock", add("./a"))
    assert victim.read_text() == Lockfile().dumps()


def test_a_link_in_the_folder_stays_a_link(lock: Path) -> None:
    link = lock.with_name("other.lock")
    link.symlink_to("models.lock")
    update_lockfile(link, add("./b"))
    assert link.is_symlink()
    assert len(read_lockfile(lock).models) == 2


def test_a_folder_without_permission_leaves_the_old_lockfile(
    lock: Path, unprivileged: Callable[[Path], AbstractContextManager[None]]
) -> None:
    lock.parent.chmod(0o555)
    lock.chmod(0o644)
    try:
        with unprivileged(lock.parent), pytest.raises(WeighlockError) as caught:
            update_lockfile(lock, add("./b"))
    finally:
        lock.parent.chmod(0o755)
    assert caught.value.exit_code == 2
    assert len(read_lockfile(lock).models) == 1


def _tiny_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))


def test_a_full_disk_leaves_the_old_file_and_no_half_file(lock: Path) -> None:
    before = lock.read_bytes()
    code = (
        "import sys; from pathlib import Path; from weighlock.files import write_atomically\n"
        "from weighlock.errors import WeighlockError\n"
        "try: write_atomically(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except WeighlockError as error: print(error); sys.exit(error.exit_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, lock], preexec_fn=_tiny_files, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == f"{lock}: cannot be written: File too large\n"
    assert lock.read_bytes() == before
    assert list(lock.parent.iterdir()) == [lock]


def test_updates_at_the_same_time_do_not_lose_each_other(lock: Path) -> None:
    names = [f"./m{number}" for number in range(12)]
    threads = [threading.Thread(target=update_lockfile, args=(lock, add(name))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {m.name for m in read_lockfile(lock).models} == {"./a", *names}


def test_new_files_get_the_mode_of_new_files(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_atomically(tmp_path / "ours", b"x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_update_of_values_is_only_that(lock: Path) -> None:
    update = update_lockfile(lock, lambda old: replace(old, created_by="someone"))
    assert (update.old.created_by, update.new.created_by) == ("weighlock", "someone")


@pytest.mark.parametrize(
    "text", ["models = [1 2]", "", 'lock-version = "1.0"\nmodel = []', 'lock-version = "9.0"', "\udcff"]
)
def test_the_hint_of_a_broken_lockfile_never_leads_back_to_the_same_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.lock"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(LockfileError) as caught:
        read_lockfile(path)
    assert caught.value.hint is not None
    assert "version control" in caught.value.hint or "upgrade weighlock" in caught.value.hint
    if "weighlock lock" in caught.value.hint:
        assert "move it away" in caught.value.hint


def test_a_lockfile_that_is_a_link_to_nothing_is_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "models.lock").symlink_to("nowhere.lock")
    with pytest.raises(LockfileError, match="is a link to nothing") as caught:
        read_lockfile(tmp_path / "models.lock")
    assert caught.value.hint == "remove it"


def test_a_named_pipe_for_a_lockfile_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "models.lock")
    with pytest.raises(LockfileError, match="it is not a regular file"):
        read_lockfile(tmp_path / "models.lock")


def test_a_folder_that_is_missing_is_not_answered_with_make_room(tmp_path: Path) -> None:
    with pytest.raises(WeighlockError) as caught:
        write_atomically(tmp_path / "missing" / "report.json", b"")
    assert "make room" not in str(caught.value.hint)
