"""Wheels for the benchmark, from the index that pip is set up for; where none answers, nothing is measured."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_AT_ONCE = 8
_LARGEST = 80 << 20


def fetch(names: Sequence[str], folder: Path) -> list[Path]:
    """Fetch the newest wheel of each project, none of which is installed or executed.

    Args:
        names: Of the projects.
        folder: Where to.

    Returns:
        The wheels that there are, sorted, without the very large ones.
    """
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        if not _download(some, folder):
            for name in some:  # one that has no wheel does not take the others with it
                _download([name], folder)
    return sorted(path for path in folder.glob("*.whl") if path.stat().st_size < _LARGEST)


def _download(names: Sequence[str], folder: Path) -> bool:
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--retries", "1"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), *names]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
