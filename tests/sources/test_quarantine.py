"""The quarantine: private, for one process at a time, tidy."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from weighlock.errors import SourceError, WeighlockError
from weighlock.sources.interface import Silence
from weighlock.sources.quarantine import Quarantine, discard, validator_of

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from weighlock.sources.interface import Silence
from weighlock.sources.quarantine import Quarantine
with Quarantine(Path(sys.argv[1]), Silence()) as quarantine:
    quarantine.part("mine").write_bytes(b"half")
    print("in", flush=True)
    time.sleep(float(sys.argv[2]))
    quarantine.part("mine").unlink()
"""


class Heard(Silence):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def holder(folder: Path, seconds: float) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", HOLD, folder, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "in\n"
    return child


def test_it_is_private_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "q"
    with Quarantine(folder, Silence()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "q"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with Quarantine(folder, Silence()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "q").symlink_to("elsewhere")
    with pytest.raises(SourceError, match="not a folder of this user"), Quarantine(tmp_path / "q", Silence()):
        pass


def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    (tmp_path / "q").mkdir()
    os.chown(tmp_path / "q", 65534, 65534)
    with pytest.raises(SourceError, match="not a folder of this user"), Quarantine(tmp_path / "q", Silence()):
        pass


def test_a_place_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeighlockError, match="cannot be written"), Quarantine(tmp_path / "file" / "q", Silence()):
        pass


def test_unfinished_files_stay_for_the_next_run_and_all_else_goes(tmp_path: Path) -> None:
    folder = tmp_path / "q"
    with Quarantine(folder, Silence()) as quarantine:
        quarantine.part("a").write_bytes(b"half")
        validator_of(quarantine.part("a")).write_text('"x"')
        quarantine.part("old").write_bytes(b"half")
        os.utime(quarantine.part("old"), (1, 1))
        (folder / "stray").touch()
        (folder / "dir.part").mkdir()
        (folder / "link.part").symlink_to("/etc/passwd")
    with Quarantine(folder, Silence()) as quarantine:
        names = {quarantine.part("a").name, validator_of(quarantine.part("a")).name, "lock"}
        assert {path.name for path in folder.iterdir()} == names
        discard(quarantine.part("a"))
    assert not folder.exists()


def test_a_second_process_waits_and_says_so(tmp_path: Path) -> None:
    heard = Heard()
    with holder(tmp_path / "q", 0.5) as child, Quarantine(tmp_path / "q", heard) as quarantine:
        assert not quarantine.part("mine").exists()
        assert child.wait(10) == 0
    assert heard.lines == [f"waiting for another weighlock that works in {tmp_path}"]


def test_a_process_that_was_killed_does_not_hold_it(tmp_path: Path) -> None:
    with holder(tmp_path / "q", 60) as child:
        child.kill()
        assert child.wait(10) == -signal.SIGKILL
    heard = Heard()
    with Quarantine(tmp_path / "q", heard, now=time.time()) as quarantine:
        assert quarantine.part("mine").read_bytes() == b"half"
    assert heard.lines == []


def test_what_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    with Quarantine(tmp_path / "q", Silence()) as quarantine:
        quarantine.require_room(1)
        with pytest.raises(SourceError, match="bytes are needed"):
            quarantine.require_room(1 << 60)
