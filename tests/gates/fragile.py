"""Judges that real ones might become. They lie in a file of their own, so that a spawned process can import them."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
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


class SlowJudge(Judge):
    """Says that it began, and takes long."""

    def __call__(self, found: FoundFile) -> Judged:
        Path(found.path + ".begun").touch()
        time.sleep(60)
        return super().__call__(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class StumblingJudge(Judge):
    """Waits at one file until it is told to go on."""

    marker: str = ""

    def __call__(self, found: FoundFile) -> Judged:
        while found.path.endswith("data-150.pkl") and not os.path.exists(self.marker):
            time.sleep(0.01)
        return Judge.__call__(self, found)
