"""A name that people type by mistake: of a file, an option, a module, and not of the project that they mean.

## What it does

It knows the names of modules whose project is called otherwise (``cv2``, ``sklearn``, ``yaml``), those of commands and
files that end up behind ``pip install`` (``requirements.txt``, ``pip3-install``), and those of modules that come with
Python. Where a project of that name is downloaded a lot, it is reported; otherwise a person must approve it.

## Why it matters

Whoever owns such a name gets everybody who makes the mistake, for ever: no slip of the finger is needed.

## Known limits

The list is short, and only what a person asked for is looked at.

## Sources

The documentation of the projects named; `sys.stdlib_module_names`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from weighlock.checks.packages._popular import known
from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Candidate

_PROJECTS = {
    "attr": "attrs",
    "beautifulsoup": "beautifulsoup4",
    "bs4": "beautifulsoup4",
    "crypto": "pycryptodome",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "discord": "discord-py",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "gi": "pygobject",
    "git": "gitpython",
    "github": "pygithub",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "mysqldb": "mysqlclient",
    "nvidia": "nvidia-ml-py or one of the nvidia-…-cu12",
    "opencv": "opencv-python",
    "openssl": "pyopenssl",
    "pil": "pillow",
    "pptx": "python-pptx",
    "pytorch": "torch",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "telegram": "python-telegram-bot",
    "tensorflow-gpu": "tensorflow",
    "usb": "pyusb",
    "win32api": "pywin32",
    "wx": "wxpython",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
_NOT_PROJECTS = {
    "install": "the command of pip",
    "pip-install": "the command of pip",
    "pip-upgrade": "an option of pip",
    "pip2": "a command",
    "pip3": "a command",
    "pip3-install": "the command of pip",
    "pyproject-toml": "a file",
    "python": "a command",
    "python3": "a command",
    "requirements": "a file, for which pip has -r",
    "requirements-txt": "a file, for which pip has -r",
    "r": "the option -r",
    "requirement": "the option --requirement",
    "requirement-txt": "a file, for which pip has -r",
    "setup-py": "a file",
    "uninstall": "the command of pip",
    "upgrade": "an option of pip",
}


def run(candidate: Candidate) -> Iterator[Finding]:
    """Yield a finding for a name that is not what was meant."""
    release = candidate.release
    name = release.artifact.name
    meant = _meant(name)
    if meant is None or not release.requested or release.direct == "file":
        return
    popular = name in known()
    yield Finding(
        check="wrong-tool-name",
        severity=Severity.LOW if popular else Severity.HIGH,
        message=f"{name} {meant}",
        outcome=Outcome.DATA_ONLY if popular else Outcome.NEEDS_APPROVAL,
    )


def _meant(name: str) -> str | None:
    if name in _PROJECTS:
        return f"is the name of a module or an older name; its project is {_PROJECTS[name]}"
    if name in _NOT_PROJECTS:
        return f"is the name of {_NOT_PROJECTS[name]}, and hardly of the project that is meant"
    if name.replace("-", "_") in sys.stdlib_module_names:
        return "is a module that comes with Python and needs no project"
    return None
