"""``weighlock policy check``: whether policy files are valid, hold, and say nothing that has no effect.

1. read the file; 2. look for unknown keys, all of them; 3. parse it; 4. compare it with the organisation's policy;
5. look for what has expired, what can accept nothing, and for files that it names and that are not there;
6. compile the Rego that it names, and ask it about nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from weighlock.errors import EngineError, PolicyError
from weighlock.gates.organisation import combined, read_organisation, read_project
from weighlock.gates.policy_files import known_checks, organisation_files
from weighlock.gates.profiles import known_profiles
from weighlock.install_policy import canonical_name
from weighlock.policy_layers import loosenings
from weighlock.policy_rules import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date, datetime

    from weighlock.policy import Policy
    from weighlock.policy_layers import Layer

BROKEN = "broken"
LOOSENS = "loosens"
EXPIRED = "expired"
WITHOUT_EFFECT = "without-effect"
MISSING = "missing-file"
DENIES = "denies-everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong with a policy file.

    Args:
        kind: One of the words above; with `BROKEN` the file is no policy.
        message: One sentence without a full stop.
        where: The path of the key.
        hint: The one next step.
    """

    kind: str
    message: str
    where: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What was found in one file."""

    path: str
    problems: tuple[Problem, ...] = ()

    @property
    def exit_code(self) -> int:
        """2 where it is no policy, 1 where something is wrong with it, else 0."""
        if any(problem.kind == BROKEN for problem in self.problems):
            return 2
        return 1 if self.problems else 0


def check_file(path: str, environ: Mapping[str, str], now: datetime, *, organisation: bool = False) -> FileReport:
    """Look at one policy file.

    Args:
        path: Of the file.
        environ: Says where the organisation's policy is.
        now: The time, with a time zone, for what expires.
        organisation: It is an organisation's policy and not a project's.

    Raises:
        PolicyError: The organisation's policy is broken, so that nothing can be compared with it.
    """
    above: list[Layer] = []
    if not organisation:
        above = [read_organisation(one) for one in organisation_files(environ)]
        combined(above)
    try:
        layer = read_organisation(path) if organisation else read_project(path)
    except PolicyError as error:
        return FileReport(path=path, problems=(_broken(error, path),))
    unknown = tuple(_unknown_keys(layer.table))
    if unknown:
        return FileReport(path=path, problems=unknown)
    try:
        policy = combined([layer])
    except PolicyError as error:
        return FileReport(path=path, problems=(_broken(error, path),))
    problems = [
        *_loosening([*above, layer]),
        *_stale(policy, now.date()),
        *_missing(policy, path),
        *_rules(policy, path),
    ]
    return FileReport(path=path, problems=tuple(problems))


def _broken(error: PolicyError, path: str) -> Problem:
    where = (error.where or "").removeprefix(path).removeprefix(os.path.abspath(path)).lstrip(", ")
    wrong = error.message.partition("'")[2].rpartition("'")[0]
    near = get_close_matches(wrong, [*known_checks(), *known_profiles()], 1) if wrong else []
    hint = f"do you mean {near[0]!r}?" if near and "there is no" in error.message else error.hint
    return Problem(kind=BROKEN, message=error.message, where=where or None, hint=hint)


def _unknown_keys(table: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield every key of the policy's own tables that does not exist, with the one that was meant."""
    paths = [key.path for key in KEYS if key.written]
    tables = {path[:depth] for path in paths for depth in range(len(path))}
    for where in sorted(tables):
        inner: Any = table
        for step in where:
            inner = inner.get(step) if isinstance(inner, dict) else None
        known = {path[len(where)] for path in paths if path[: len(where)] == where and len(path) > len(where)}
        for key in inner if isinstance(inner, dict) else ():
            if key not in known:
                yield _unknown(key, where, known, paths)


def _unknown(key: str, where: tuple[str, ...], known: set[str], paths: Iterable[tuple[str, ...]]) -> Problem:
    elsewhere = [".".join(path) for path in paths if path[-1] == key]
    near = elsewhere or get_close_matches(key.lower(), sorted(known), 1, 0.5)
    hint = f"do you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
    if key == "delegate":
        hint = "only an organisation's policy delegates; check one with --organisation"
    return Problem(kind=BROKEN, message=f"unknown key {key!r}", where=".".join(("tool.weighlock", *where)), hint=hint)


def _loosening(layers: list[Layer]) -> Iterator[Problem]:
    try:
        for found in loosenings(layers):
            error = found.error()
            yield Problem(
                kind=LOOSENS, message=error.message, where=f"tool.weighlock.{found.key.name}", hint=error.hint
            )
    except PolicyError as error:
        yield Problem(kind=LOOSENS, message=error.message, where=error.where, hint=error.hint)


def _stale(policy: Policy, today: date) -> Iterator[Problem]:
    table = "tool.weighlock.install"
    for number, row in enumerate(policy.install.accept):
        where = f"{table}.accept[{number}]"
        if row.expires is not None and row.expires < today:
            yield Problem(
                kind=EXPIRED, message=f"expired on {row.expires}", where=where, hint="remove it, or decide anew"
            )
        yield from _names_nothing(row.package, row.version, where)
    for number, ignored in enumerate(policy.install.ignore_advisories):
        where = f"{table}.ignore-advisories[{number}]"
        if ignored.expires < today:
            message = f"{ignored.id} has been ignored until {ignored.expires}"
            yield Problem(kind=EXPIRED, message=message, where=where, hint="remove it, or decide anew")


def _names_nothing(package: str, version: str | None, where: str) -> Iterator[Problem]:
    from packaging.version import InvalidVersion, Version

    canonical = canonical_name(package)
    # A file that no release brought goes by its own name, and its version is a digest.
    if package != canonical and not (version or "").startswith("sha256:"):
        message = f"no package is spelled {package!r} there"
        yield Problem(kind=WITHOUT_EFFECT, message=message, where=f"{where}.package", hint=f'write "{canonical}"')
    if version is None or version.startswith("sha256:"):
        return
    try:
        normal: str | None = str(Version(version))
    except InvalidVersion:
        normal = None
    if normal != version:
        hint = 'write one version, such as "1.0"' if normal is None else f'write "{normal}"'
        message = f"no version is spelled {version!r} there"
        yield Problem(kind=WITHOUT_EFFECT, message=message, where=f"{where}.version", hint=hint)


def _missing(policy: Policy, path: str) -> Iterator[Problem]:
    folder = os.path.dirname(os.path.abspath(path))
    evidence = policy.evidence
    named = [("lock", policy.lock)]
    for number, signer in enumerate(evidence.signers):
        named += [(f"evidence.signers[{number}].{key}", getattr(signer, key)) for key in ("key", "certificate")]
    named += [(f"evidence.engines[{number}].rego", engine.rego) for number, engine in enumerate(evidence.engines)]
    for where, place in named:
        if place is not None and not os.path.exists(os.path.join(folder, place)):
            message = f"{place} is not there"
            hint = f"paths begin at {folder}"
            yield Problem(kind=MISSING, message=message, where=f"tool.weighlock.{where}", hint=hint)


def _rules(policy: Policy, path: str) -> Iterator[Problem]:
    """Yield what is wrong with the Rego that a policy names: with such rules everything is denied."""
    from weighlock.engines.rego import Rego

    folder = os.path.dirname(os.path.abspath(path))
    for number, choice in enumerate(policy.evidence.engines):
        place = os.path.join(folder, choice.rego or "")
        if choice.rego is None or not os.path.exists(place):
            continue
        try:
            engine = Rego(place, choice.query, choice.timeout)
            try:
                engine.prove()
            finally:
                engine.close()
        except (EngineError, PolicyError) as error:
            where = f"tool.weighlock.evidence.engines[{number}].rego"
            yield Problem(kind=DENIES, message=str(error), where=where, hint=error.hint)
