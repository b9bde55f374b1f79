"""What a release brings that the one before it did not have.

## What it does

It compares a wheel with the previous release of its project. A new file that Python reads when it starts, an import
that starts programs or reaches the network where the previous one did not, and a first large file that is not Python
(5 MB or more, and most of the release) need a person who accepts them. A first file of native code, other large files,
new commands, new names that can be imported, new dependencies and a release that is several times as large are told.

## Why it matters

A stolen project releases what it always did and one thing more. Against what is usual for packages that thing may be
unremarkable; against what is usual for this project it is not.

## Known limits

It needs a previous release: one that was admitted on this machine, or that an index has. Changes of Python code that
no import reaches are not compared, nor is native code with other native code.

## Sources

The reports about lightning 2.6.2 (11 MB of JavaScript and a download at import), litellm 1.82.8 (a ``.pth`` file) and
ultralytics 8.3.41 (a download and a program at run time).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity, listing
from weighlock.formats.wheel_profile import ReleaseChange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STRUCTURE = ReleaseChange

_HUGE = 5 << 20
_MUCH_LARGER = 4
_NOTABLE = 1 << 20


def run(change: ReleaseChange) -> Iterator[Finding]:
    """Yield a finding for each kind of news."""
    old, new = change.previous, change.new
    since = f"that {old.version} did not have"
    yield from _asked(f"it has start-up files {since}", set(new.startup) - set(old.startup))
    kinds = {kind for kind, _ in new.behaviours} - {kind for kind, _ in old.behaviours}
    calls = {f"{name} ({kind})" for kind, name in new.behaviours if kind in kinds}
    yield from _asked(f"its import does what that of {old.version} did not", calls)
    yield from _large(change, since)
    if new.native and not old.native:
        yield from _told(f"it has native code {since}", new.native, Severity.MEDIUM)
    yield from _told(f"it has commands {since}", set(new.scripts) - set(old.scripts))
    yield from _told(f"it has top-level names {since}", set(new.top_levels) - set(old.top_levels))
    yield from _told(f"it has dependencies {since}", set(new.requires) - set(old.requires))
    if new.size > _MUCH_LARGER * old.size and new.size - old.size > _NOTABLE:
        yield from _told(f"it is {new.size // max(old.size, 1)} times as large as {old.version}", [f"{new.size} bytes"])


def _large(change: ReleaseChange, since: str) -> Iterator[Finding]:
    """Yield a finding for large files that are new, by their names or their size."""
    before = dict(change.previous.large)
    fresh = {name: size for name, size in change.new.large if size > 2 * before.get(name, 0)}
    rest = change.new.size - sum(fresh.values())
    huge = {name for name, size in fresh.items() if size >= _HUGE and size > rest and not before}
    yield from _asked(f"most of it is a large file {since}", huge)
    yield from _told(f"it has large files {since}", sorted(set(fresh) - huge))


def _asked(message: str, names: Iterable[str]) -> Iterator[Finding]:
    yield from _finding(message, sorted(names), Severity.HIGH, Outcome.NEEDS_APPROVAL)


def _told(message: str, names: Iterable[str], severity: Severity = Severity.INFO) -> Iterator[Finding]:
    yield from _finding(message, sorted(names), severity, Outcome.DATA_ONLY)


def _finding(message: str, names: list[str], severity: Severity, outcome: Outcome) -> Iterator[Finding]:
    if names:
        yield Finding(
            check="new-in-release", severity=severity, message=f"{message}: {listing(names)}", outcome=outcome
        )
