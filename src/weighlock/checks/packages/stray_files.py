"""Files in the library folder of an environment that no distribution installed.

## What it does

It reports what lies in ``site-packages``, belongs to no distribution's RECORD and could be imported: modules, folders,
libraries, and above all files that Python obeys whenever it starts (``.pth`` with an import line, ``.start``,
``sitecustomize``, ``usercustomize``). An acceptance in the policy holds for exactly the bytes that were seen.

## Why it matters

One line in a ``.pth`` file runs in every interpreter of the environment, before any program, and no list of installed
packages shows it. The credential thief in litellm 1.82.8 began in such a file; one that is dropped by a running program
leaves no distribution behind that could be looked up.

## Known limits

Files that Python does not run by their names are counted and not listed. What lies in a folder that a ``.pth`` file
names is not looked at, and neither is the standard library of the interpreter. Tools that make environments may leave
files of their own: those of virtualenv are known by their bytes and noted, those of a version that is not are reported.

## Sources

The documentation of the `site` module; PEP 829; "Recording installed projects" of packaging.python.org.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.environment_tools import is_left_by_a_tool
from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.installed import StrayFile

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = StrayFile


def run(stray: StrayFile) -> Iterator[Finding]:
    """Yield what Python could do with it."""
    name = stray.path.replace("\\", "/").rpartition("/")[2]
    if stray.digest is not None and stray.files == 1 and is_left_by_a_tool(name, stray.digest.value):
        message = "a tool that makes environments left it there, which is known"
        yield Finding(check="stray-files", severity=Severity.LOW, message=message, outcome=Outcome.DATA_ONLY)
        return
    count = "" if stray.files == 1 else f" ({stray.files} files)"
    if stray.starting:
        message, severity = (
            f"no distribution installed it, and Python obeys it whenever it starts{count}",
            Severity.HIGH,
        )
    elif stray.extends:
        message, severity = f"no distribution installed it, and it adds folders to import from{count}", Severity.MEDIUM
    else:
        message, severity = f"no distribution installed it, and it can be imported{count}", Severity.MEDIUM
    yield Finding(check="stray-files", severity=severity, message=message, outcome=Outcome.NEEDS_APPROVAL)
