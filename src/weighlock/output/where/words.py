"""What a reach is called for people, in every form of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.incidents.reach import ADVISORY, BASE_MODEL, DIGEST, MODEL, PACKAGE, SIGNER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from weighlock.incidents.reach import Access, PromotedVersion, Reach

FOUND, NOWHERE, UNDECIDED = "FOUND", "NOWHERE KNOWN", "NOT DECIDED"

_MOST_STAGES, _LONGEST_STAGE = 4, 40

_KINDS = {
    DIGEST: "a digest",
    MODEL: "a model",
    BASE_MODEL: "a base model",
    PACKAGE: "a package",
    ADVISORY: "an advisory",
    SIGNER: "a signer",
}
_WHY = {
    "contains": "contains it",
    "ancestor": "was made from it",
    "needs": "needs it",
    "signed": "was signed by them",
    "derived": "was made from it",
}
_SOURCES = {
    "lockfile": "lockfile",
    "bill": "bill of materials",
    "environment": "environment",
    "ledger": "ledger",
    "promotions": "registry",
    "advisories": "advisory database",
    "document": "recorded document",
}


def word(found: Reach) -> str:
    """Return the answer in a word or two."""
    if found.found:
        return FOUND
    return UNDECIDED if found.gaps else NOWHERE


def exit_code(found: Reach) -> int:
    """Return 1 where it was found, 2 where it was not and not everything could be looked at, and 0 otherwise."""
    return {FOUND: 1, UNDECIDED: 2, NOWHERE: 0}[word(found)]


def kind(name: str) -> str:
    """Return what a subject is, with its article."""
    return _KINDS.get(name, name)


def source(name: str) -> str:
    """Return what kind of place a source is."""
    return _SOURCES.get(name, name)


def why(name: str) -> str:
    """Return how something is related to the subject; empty where it is the subject."""
    return "" if name == "is" else _WHY.get(name, name)


def standing(one: PromotedVersion) -> str:
    """Return the stage of a promoted version, and whether it is still in force there."""
    stage = one.stage or "a stage"
    return f"{stage}, in force" if one.in_force else f"{stage} before"


def sentence(found: Reach) -> str:
    """Return the answer in a sentence without a full stop."""
    if not found.found:
        looked = sum(one.state == "read" for one in found.looked)
        if found.gaps:
            return (
                f"not in {amount(looked, 'place')} that could be read, and {amount(len(found.gaps), 'gap')} left open"
            )
        return f"not in {amount(looked, 'place')}, and everything could be read"
    return "; ".join(_parts(found))


def _parts(found: Reach) -> Iterator[str]:
    places = {one.place for one in found.locked}
    if places:
        yield f"{amount(len(found.locked), 'file')} in {amount(len(places), 'lockfile')}"
    bills = {one.place for one in found.listed}
    if bills:
        yield f"listed in {amount(len(bills), 'bill')}"
    if found.installed:
        yield f"installed in {amount(len({one.place for one in found.installed}), 'environment')}"
    if found.promoted:
        stages = sorted({standing(one)[:_LONGEST_STAGE] for one in found.promoted})
        yield f"{amount(len(found.promoted), 'promoted version')} ({'; '.join(stages[:_MOST_STAGES])})"
    if found.derived:
        yield f"{amount(len({one.name for one in found.derived}), 'model')} made from it"
    uses = [one for one in found.accesses if one.is_use and not one.rests]
    if uses:
        hosts = {one.host for one in uses}
        count = sum(one.count for one in uses)
        yield f"used {times(count)} on {amount(len(hosts), 'host')}, last {moment(max(one.last for one in uses))}"
    elif found.accesses:
        yield f"{amount(sum(one.count for one in found.accesses), 'entry', 'entries')} of the ledger"


def after_denial(accesses: Iterable[Access]) -> int:
    """Return how often something was used although it had been denied before."""
    return sum(one.after_denial for one in accesses)


def counted(accesses: Iterable[Access]) -> str:
    """Return how often something was used, denied, or only judged."""
    sums = {"used": 0, "denied": 0, "judged": 0}
    for one in accesses:
        sums["used" if one.is_use else "denied" if one.verdict == "DENY" else "judged"] += one.count
    return ", ".join(f"{name} {times(count)}" for name, count in sums.items() if count)


def moment(time: datetime) -> str:
    """Return a time, to the minute."""
    return f"{time:%Y-%m-%d %H:%M}Z"


def amount(count: int, one: str, many: str | None = None) -> str:
    """Return a number of things."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def times(count: int) -> str:
    """Return how often."""
    return "once" if count == 1 else f"{count:,} times"


def runs(entries: Iterable[tuple[int, int]], most: int, count: int) -> str:
    """Return numbers of entries; the first runs of them.

    Args:
        entries: First and last number of each run.
        most: Runs that are shown.
        count: How many entries there are.
    """
    found = list(entries)
    shown = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in found[:most])
    known = sum(last - first + 1 for first, last in found[:most])
    return f"{shown}, …" if known < count else shown
