"""A judge that dies where a real one might. It lies in a file of its own, so that a spawned process can import it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from weighlock.gates.scan import Judge, Judged

if TYPE_CHECKING:
    from weighlock.sources.disk import FoundFile


class FragileJudge(Judge):
    """Is killed by the system while it works on one file."""

    def __call__(self, found: FoundFile) -> Judged:
        if found.path.endswith("evil.bin"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(found)
