"""Members of wheels that are programs: Python, which is looked through, and scripts for others, which are named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock import checks
from weighlock.formats import script
from weighlock.formats.python import source as python_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.finding import Finding
    from weighlock.formats.source import Budget
    from weighlock.formats.wheel import Content

_PYTHON = (".py", ".pyw")
_COMPILED = ".pyc"
_UNCACHED = "it is compiled, and runs without the source that could be read"
_FIRST_LINE = re.compile(rb"#![^\n]{0,200}?python")


def read_code(content: Content, _budget: Budget) -> Iterator[Finding]:
    """Yield what the checks find in a member that is a program.

    Args:
        content: The member.
    """
    path, lower = content.member.name, content.member.name.lower()
    if lower.endswith(_PYTHON) or _FIRST_LINE.match(content.data):
        if content.is_whole:
            found = python_source.read(path, content.data)
        else:
            found = python_source.PythonFile(path=path, problem=f"it has {content.member.size} bytes of Python")
        yield from checks.run(found, checks.PACKAGES)
    elif lower.endswith(_COMPILED):
        if _runs_by_itself(lower, content.data):
            found = python_source.PythonFile(path=path, problem=_UNCACHED)
            yield from checks.run(found, checks.PACKAGES)
    else:
        foreign = script.recognise(path, content.data[:256])
        if foreign is not None:
            yield from checks.run(foreign, checks.PACKAGES)


def _runs_by_itself(lower: str, data: bytes) -> bool:
    """Say whether Python runs a compiled file whatever its source says.

    One outside of ``__pycache__`` needs no source. One in it that is valid by a digest of the source (PEP 552) holds
    whatever it was made to hold; one that is valid by the time of the source is stale as soon as that is installed.
    """
    return "/__pycache__/" not in f"/{lower}" or data[4:8] != bytes(4)
