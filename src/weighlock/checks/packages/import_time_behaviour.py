"""What importing a package does besides defining things: it starts programs, reaches the network, changes what starts.

## What it does

It follows an import of every top-level package and module of a wheel through the wheel's own modules: down every
branch, into the functions and classes that are called on the way, in whatever module of the wheel these are, and into
the methods that expressions call without a name. It names
each call that starts a program or reaches the network. A file that reaches the network while it is imported and starts
a program which is no command of the system, a program that is given code of its own to run, and a change to what
starts by itself (profiles of shells, files that Python reads at its start, keys that let others in) need a person who
accepts them.

## Why it matters

An import is the first moment at which a stolen release runs, in a test, in a build, on a laptop. Reading a file and
defining classes needs neither a program nor the network. To fetch a program and start it is what such releases have
been made for.

## Known limits

Native code, calls whose target arrives at run time, properties and attributes that a class or a module makes up
(``__getattr__``), hooks that are put into lists or set (``sys.excepthook``), functions taken out of a list,
subclasses of ``Popen``, modules imported by computed names, and modules of other distributions are not followed. What
stands under a condition counts as if it were met, so that honest packages that ask for a version or a compiler under
rare conditions are named as well; that only informs. A module that no import of the package reaches is not followed:
the program that imports it by its own name runs it all the same.

## Sources

The reports about lightning 2.6.2 (April 2026), whose import fetched a JavaScript runtime and started it, and litellm
1.82.7 (March 2026). About one in twenty of 396 popular wheels starts a program or reaches the network while it is
imported, under some condition: to ask for a version, for a device, for a newer release of itself. None fetches and
starts a program of its own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Outcome, Severity, listing
from weighlock.formats.python.behaviour import NETWORK, STARTUP, Behaviour, ImportTime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STRUCTURE = ImportTime


def run(found: ImportTime) -> Iterator[Finding]:
    """Yield a finding for each file and kind, and for what could not be followed."""
    for why in found.unread:
        message = f"what its import runs could not be followed: {why}"
        yield Finding(
            check="import-time-behaviour", severity=Severity.HIGH, message=message, outcome=Outcome.UNVERIFIABLE
        )
    files: defaultdict[str, list[Behaviour]] = defaultdict(list)
    for behaviour in found.behaviours:
        files[behaviour.path].append(behaviour)
    for path, behaviours in files.items():
        kinds = {behaviour.kind for behaviour in behaviours}
        fetched = NETWORK in kinds and any(one.own_program for one in behaviours)
        asks = STARTUP in kinds or fetched or any(one.runs_code for one in behaviours)
        for kind in sorted(kinds):
            yield _finding(path, kind, [one for one in behaviours if one.kind == kind], asks=asks)


def _finding(path: str, kind: str, behaviours: Sequence[Behaviour], *, asks: bool) -> Finding:
    calls = [f"{behaviour.name} in line {behaviour.line}" for behaviour in behaviours]
    return Finding(
        check="import-time-behaviour",
        severity=Severity.HIGH if asks else Severity.MEDIUM,
        message=f"while it is imported it {kind}: {listing(calls)}",
        location=Location(members=(path,)),
        outcome=Outcome.NEEDS_APPROVAL if asks else Outcome.DATA_ONLY,
    )
