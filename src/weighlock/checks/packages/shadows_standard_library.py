"""Modules that are called like modules of Python's standard library.

## What it does

It refuses a wheel that installs a top module or package with the name of one of the standard library of any Python
from 2 to 3.15, and one that writes into the folder of the standard library itself. Projects that are known to bring
back a module under its name are told of and not refused.

## Why it matters

Python looks for a module in the standard library first, but not every Python has every module: some were removed, some
are not built everywhere, and ``import _lzma`` in a ``try`` then takes whatever is called so.

## Known limits

A project that brings back a module and is not on the list here has to be accepted once.

## Sources

`sys.stdlib_module_names` of the releases; PEP 594. None of 396 popular wheels shadows one; the list of known projects
was verified with their newest wheels in November 2026.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.dangerous import STANDARD_LIBRARY
from weighlock.finding import Finding, Location, Outcome, Severity
from weighlock.formats.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Wheel

# Start-up files have a check of their own; `test` is what people call the tests that they forgot to leave out.
_NAMES = STANDARD_LIBRARY - {"sitecustomize", "usercustomize", "test", "__main__"}

_RETURNED = (
    "aifc asynchat asyncore cgi cgitb chunk distutils imghdr mailcap nntplib pipes smtpd sndhdr sunau telnetlib uu "
    "xdrlib"
)
_KNOWN: dict[str, frozenset[str]] = {
    **{f"standard-{name}": frozenset({name}) for name in _RETURNED.split()},
    "argparse": frozenset({"argparse"}),
    "audioop-lts": frozenset({"audioop"}),
    "dataclasses": frozenset({"dataclasses"}),
    "enum34": frozenset({"enum"}),
    "gnureadline": frozenset({"readline"}),
    "graphlib-backport": frozenset({"graphlib"}),
    "ipaddress": frozenset({"ipaddress"}),
    "legacy-cgi": frozenset({"cgi", "cgitb"}),
    "pathlib": frozenset({"pathlib"}),
    "pyasynchat": frozenset({"asynchat"}),
    "pyasyncore": frozenset({"asyncore"}),
    "pyreadline3": frozenset({"readline"}),
    "python-msilib": frozenset({"msilib"}),
    "statistics": frozenset({"statistics"}),
    "telnetlib3": frozenset({"telnetlib"}),
    "typing": frozenset({"typing"}),
    "windows-curses": frozenset({"_curses", "_curses_panel"}),
    "zombie-imp": frozenset({"imp"}),
}


def run(wheel: Wheel) -> Iterator[Finding]:
    """Yield a finding for each name of the standard library that it takes."""
    known = _KNOWN.get(wheel.name, frozenset())
    for name in sorted(wheel.top_levels.keys() & _NAMES):
        message = f"it installs a module called {name} like one of the standard library"
        yield _finding(message, wheel.top_levels[name].name, known=name in known)
    for member in wheel.files:
        if member.place is not None and member.place.standard_library is not None:
            yield _finding("it would lie in the folder of the standard library", member.name, known=False)
            return


def _finding(message: str, member: str, *, known: bool) -> Finding:
    return Finding(
        check="shadows-standard-library",
        severity=Severity.INFO if known else Severity.HIGH,
        message=message,
        location=Location(members=(member,)),
        outcome=Outcome.DATA_ONLY if known else Outcome.REFUSED,
    )
