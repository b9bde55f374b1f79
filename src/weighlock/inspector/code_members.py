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
    else:
        foreign = script.recognise(path, content.data[:256])
        if foreign is not None:
            yield from checks.run(foreign, checks.PACKAGES)
