"""How many files this process has open, but for the spool of the ledger, which every guarded process keeps open."""

from __future__ import annotations

import contextlib
import os


def open_files() -> int:
    """Return how many there are."""
    targets = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that listed the folder
            targets.append(os.readlink(f"/proc/self/fd/{name}"))
    return sum("/ledger/spool/" not in target for target in targets)
