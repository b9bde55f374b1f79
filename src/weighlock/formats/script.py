"""Scripts: files that another program than Python would run, known by their names or their first line."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENDINGS = {
    ".sh": "a shell",
    ".bash": "a shell",
    ".zsh": "a shell",
    ".fish": "a shell",
    ".csh": "a shell",
    ".ps1": "PowerShell",
    ".psm1": "PowerShell",
    ".bat": "Windows",
    ".cmd": "Windows",
    ".vbs": "Windows",
    ".pl": "Perl",
    ".rb": "Ruby",
    ".php": "PHP",
    ".lua": "Lua",
}
_FIRST_LINE = re.compile(rb"#![^\n]{0,200}?\b(?P<name>(?:ba|z|da|k|c|tc|fi)?sh|perl|ruby|node|bun|deno|php|lua|pwsh)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignScript:
    """A script.

    Args:
        path: In the package.
        language: What it is for, in words.
    """

    path: str
    language: str


def recognise(path: str, data: bytes) -> ForeignScript | None:
    """Say what a file is a script for.

    Args:
        path: In the package.
        data: Its beginning.

    Returns:
        `None` for everything else, Python included.

    Source:
        ``execve(2)`` for the first line.
    """
    language = _ENDINGS.get(path[path.rfind(".") :].lower()) if "." in path else None
    if language is None and data.startswith(b"#!"):
        match = _FIRST_LINE.match(data)
        name = match["name"].decode("ascii") if match else ""
        language = "a shell" if name.endswith("sh") and name != "pwsh" else name
    return ForeignScript(path=path, language=language) if language else None
