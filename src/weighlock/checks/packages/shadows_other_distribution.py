"""Files that another distribution owns.

## What it does

It compares where every file and every command of a wheel would be installed with the files that distributions in the
environment own, and with those of the wheels that are installed at the same time, where both are named. A person has to
accept that code or a command of another distribution is overwritten, that a module stands where Python finds it first,
and the same for modules of nobody that start-up files of the environment name; other files, tests that lie at the top,
and the families and variants of one project that share their files are told of. Where only the top name is shared, that
is told.

## Why it matters

A package can replace a module of another one that the program trusts, without ever being imported itself. What was
judged of the other package then no longer holds, and uninstalling either breaks both.

## Known limits

It knows what is installed when it is asked, and nothing where no environment was given. A file without content
overwrites nothing. A command whose code lies in no file of the wheel runs other code than the wheel's, and is told of.

## Sources

Of 396 popular wheels three families and two pairs share files: mlflow and mlflow-skinny on purpose, haystack-ai and
farm-haystack, and tests at the top.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Outcome, Severity, listing
from weighlock.formats.wheel import Placement
from weighlock.formats.wheel_place import GENERIC, command_key, is_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from weighlock.formats.wheel import Member, Wheel

STRUCTURE = Placement

# Distributions that are installed together and own the same files, and variants of one project by the same people, of
# which a dependency often brings a second one.
_FAMILIES = tuple(
    frozenset(names.split())
    for names in (
        "mlflow mlflow-skinny mlflow-tracing",
        "opencv-python opencv-python-headless opencv-contrib-python opencv-contrib-python-headless",
        "onnxruntime onnxruntime-gpu onnxruntime-directml onnxruntime-openvino",
        "tensorflow tensorflow-cpu tensorflow-gpu tensorflow-intel tf-nightly",
        "faiss-cpu faiss-gpu",
        "psycopg2 psycopg2-binary",
        "xgboost xgboost-cpu",
        "fastapi fastapi-cli fastapi-cloud-cli fastapi-slim",
        "typer typer-cli typer-slim",
        "tensorboard tb-nightly",
    )
)


def run(placement: Placement) -> Iterator[Finding]:
    """Yield a finding for each distribution that would lose a file, and for shared top names."""
    taken: dict[str, list[Member]] = defaultdict(list)
    wheel, owners = placement.wheel, placement.owners
    for member in wheel.files if owners else ():
        keys = member.place.replaces if member.place is not None else ()
        for owner in {owners[key]: None for key in keys if key in owners}:
            if owner != wheel.name and member.size:
                taken[owner].append(member)
    for owner, members in sorted(taken.items()):
        yield _overwrites(wheel.name, owner, members)
    yield from _commands(wheel, owners)
    tops = {key.partition("/")[0]: owner for key, owner in owners.items() if "/" in key and not key.startswith("../")}
    for top in wheel.top_levels.keys() & tops.keys():
        if tops[top] not in {wheel.name, *taken}:
            message = f"the package {top} belongs to {tops[top]} as well"
            yield Finding(check="shadows-other-distribution", severity=Severity.INFO, message=message)


def _commands(wheel: Wheel, owners: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each command of another distribution that an entry point would replace."""
    for entry in wheel.entry_points:
        owner = owners.get(command_key(entry.name)) if entry.is_script else None
        if owner is None or owner == wheel.name:
            continue
        own = entry.value.partition(":")[0].partition(".")[0].strip() in wheel.top_levels
        grave = own and not any({wheel.name, owner} <= family for family in _FAMILIES)
        yield Finding(
            check="shadows-other-distribution",
            severity=Severity.HIGH if grave else Severity.LOW,
            message=f"it would overwrite the command {entry.name} of {owner}",
            outcome=Outcome.NEEDS_APPROVAL if grave else Outcome.DATA_ONLY,
        )


def _overwrites(name: str, owner: str, members: list[Member]) -> Finding:
    names = [member.name for member in members]
    code = [member.name for member in members if _counts(member)]
    related = any({name, owner} <= family for family in _FAMILIES)
    return Finding(
        check="shadows-other-distribution",
        severity=Severity.HIGH if code and not related else Severity.LOW,
        message=f"it would overwrite files of {owner}: {listing(code or names)}",
        location=Location(members=((code or names)[0],)),
        outcome=Outcome.NEEDS_APPROVAL if code and not related else Outcome.DATA_ONLY,
    )


def _counts(member: Member) -> bool:
    """Say whether a file is code or a command, and not one of the tests that people forget at the top."""
    place = member.place
    if place is None or (place.top_level or "") in GENERIC:
        return False
    return place.script is not None or is_code(member.name)
