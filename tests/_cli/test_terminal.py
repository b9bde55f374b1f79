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


def test_a_terminal_shows_a_bar_and_escaped_lines() -> None:
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", SHOW], stderr=slave, env={**os.environ, "TERM": "xterm"}) as child:
        os.close(slave)
        shown = b""
        try:
            while data := os.read(master, 4096):
                shown += data
        except OSError:
            os.close(master)  # Linux says so when the child is gone.
        assert child.wait(30) == 0
    assert b"MB" in shown
    assert b"a\\x1b[2Jb is replaced" in shown
    assert b"a\x1b[2Jb" not in shown


def test_a_pipe_gets_lines_only(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SHOW], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "a\\x1b[2Jb is replaced\n")
