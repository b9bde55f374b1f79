"""Asks modelscan, in a process of its own.

modelscan goes by the end of a file's name. It gets a link with a name of our making, whose end is that of the format
that the inspector found, so that neither a false name nor a hostile one leads it astray.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from weighlock.errors import UsageError
from weighlock.formats.opinion import Issue, Opinion
from weighlock.scanners.interface import Scanner

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory
    from typing import Self

NAME = "modelscan"

_FORMATS = {
    "hdf5": "model.h5",
    "joblib": "model.joblib",
    "keras": "model.keras",
    "keras-h5": "model.h5",
    "keras-metadata": "keras_metadata.pb",
    "npy": "model.npy",
    "npz": "model.npz",
    "pickle": "model.pkl",
    "tensorflow": "model.pb",
    "torch-legacy": "model.pt",
    "torch-tar": "model.pt",
    "torch-zip": "model.pt",
}
"""Formats that modelscan has scanners for, and a name by which it knows them."""

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,16}\Z")
_PATIENCE = 60.0
_BYTES_A_SECOND = 10 << 20
_LARGEST_ANSWER = 64 << 20


class Modelscan(Scanner):
    """modelscan, as it is installed beside weighlock.

    Args:
        patience: Seconds that a small file may take; large ones get more.

    Raises:
        UsageError: It is not installed.
    """

    def __init__(self, patience: float = _PATIENCE) -> None:
        if find_spec("modelscan") is None:
            raise UsageError(
                "modelscan is not installed",
                hint="pip install 'weighlock[modelscan]' (modelscan needs Python 3.12 or older)",
            )
        self._patience = patience
        self._folder: TemporaryDirectory[str]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Make the folder for its links; the process starts with the first file."""
        import tempfile

        self._folder = tempfile.TemporaryDirectory(prefix="weighlock-")
        return self

    def __exit__(self, *error: object) -> None:
        """End the process and remove the folder."""
        self._end()
        self._folder.cleanup()

    def opinion(self, path: str, size: int, kind: str | None) -> Opinion:
        """Return what modelscan says about a file."""
        link = os.path.join(self._folder.name, _name_for(path, kind))
        os.symlink(os.path.abspath(path), link)
        try:
            answer = self._ask(link, self._patience + size / _BYTES_A_SECOND)
        finally:
            os.unlink(link)
        return _opinion(answer, kind)

    def _ask(self, path: str, seconds: float) -> dict[str, Any]:
        process = self._process or self._start()
        try:
            process.stdin.write(json.dumps(path).encode() + b"\n")  # type: ignore[union-attr] # it is a pipe
            process.stdin.flush()  # type: ignore[union-attr] # it is a pipe
            line = _line(process.stdout.fileno(), seconds)  # type: ignore[union-attr] # it is a pipe
            answer = json.loads(line)
        except (OSError, ValueError) as error:
            self._end()
            return {"failure": str(error) or "its process died"}
        return answer if isinstance(answer, dict) else {"failure": "it gave no answer"}

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "weighlock.scanners._modelscan_process"]
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _name_for(path: str, kind: str | None) -> str:
    if kind in _FORMATS:
        return _FORMATS[kind]
    suffix = os.path.splitext(path)[1]
    return f"model{suffix.lower()}" if _SUFFIX.match(suffix) else "model"


def _line(descriptor: int, seconds: float) -> bytes:
    """Read one line, which another process writes.

    Raises:
        TimeoutError: It takes too long.
        ValueError: The process ended, or writes more than it should.
    """
    end, found = time.monotonic() + seconds, b""
    while not found.endswith(b"\n"):
        if not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError(f"it took longer than {seconds:.0f} seconds")
        part = os.read(descriptor, 1 << 16)
        if not part or len(found) > _LARGEST_ANSWER:
            raise ValueError("its process died")
        found += part
    return found


def _opinion(answer: dict[str, Any], kind: str | None) -> Opinion:
    if "failure" in answer:
        return Opinion(scanner=NAME, problems=(str(answer["failure"]),))
    problems = [
        str(error.get("description", "it failed"))
        for error in answer["errors"]
        # Something that it would need for such names: that counts where the file is what the name says.
        if kind is not None or error.get("category") != "DEPENDENCY"
    ]
    looked = bool(answer["scanned"] or answer["issues"])
    for skipped in answer["skipped"]:
        nothing_there = kind == "hdf5" and skipped.get("category") in {"MODEL_CONFIG", "H5_DATA"}
        unseen = kind in _FORMATS and not looked and not problems and not nothing_there
        if skipped.get("category") == "BAD_ZIP" or unseen:
            problems.append(f"skipped: {skipped.get('description', 'no reason given')}")
    return Opinion(
        scanner=NAME,
        issues=tuple(map(_issue, answer["issues"])),
        problems=tuple(dict.fromkeys(problems)) if kind is not None or _is_certain(answer) else (),
        unknown=kind is not None and kind not in _FORMATS and not looked,
    )


def _is_certain(answer: dict[str, Any]) -> bool:
    """Tell whether modelscan began to read a file that is no model to the inspector, and failed."""
    return any(error.get("category") != "DEPENDENCY" for error in answer["errors"])


def _issue(issue: dict[str, Any]) -> Issue:
    return Issue(
        severity=str(issue.get("severity", "")),
        message=str(issue.get("description", "")),
        name=f"{issue.get('module', '')}.{issue.get('operator', '')}".strip("."),
        member=str(issue.get("source", "")).partition(":")[2],
    )
