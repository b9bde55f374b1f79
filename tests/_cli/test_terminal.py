"""Progress of transfers: only on a terminal, and nothing hostile through it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SHOW = """
from weighlock._cli import _terminal
_terminal._PATIENCE = -1
with _terminal.TerminalProgress() as progress:
    progress.expect(2_000_000)
    progress.advance(1_000_000)
    progress.say("a\\x1b[2Jb is replaced")
    progress.advance(1_000_000)
"""


SCAN = """
import sys
from weighlock._cli import _terminal, main
_terminal._PATIENCE = -1
sys.exit(main(["scan", sys.argv[1]]))
"""


def on_a_terminal(*command: str) -> tuple[int, bytes]:
    """Run Python with a terminal as its standard error, and return how it ended and what the terminal showed."""
    master, slave = pty.openpty()
    environ = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=slave, env=environ) as child:
        os.close(slave)
        shown = b""
        try:
            while data := os.read(master, 4096):
                shown += data
        except OSError:
            os.close(master)  # Linux says so when the child is gone.
        return child.wait(30), shown


def test_a_terminal_shows_a_bar_and_escaped_lines() -> None:
    code, shown = on_a_terminal("-c", SHOW)
    assert code == 0
    assert b"MB" in shown
    assert b"a\\x1b[2Jb is replaced" in shown
    assert b"a\x1b[2Jb" not in shown


def test_a_long_scan_shows_how_many_files_are_judged(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.pkl").write_bytes(b"N.")
    code, shown = on_a_terminal("-c", SCAN, str(tmp_path))
    assert code == 0
    assert b"judging" in shown
    assert b"3/3" in shown


def test_a_pipe_gets_lines_only(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SHOW], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "a\\x1b[2Jb is replaced\n")
