"""``weighlock policy test``: cases with the verdicts that a person expects, judged as the gates judge.

Nothing is recorded: a case is no artifact.
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.artifact import ModelFile
from weighlock.errors import PolicyError, UsageError
from weighlock.gates.deciding import Decider
from weighlock.gates.packages import JudgedPackage, PackageReport
from weighlock.gates.policy_files import checks_for, profiles_for, read_text
from weighlock.gates.profiles import names_of
from weighlock.policy import Policy
from weighlock.policy_case import PolicyCase
from weighlock.release import Release

if TYPE_CHECKING:
    from weighlock.verdict import Verdict

_MOST_CASES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a case.

    Args:
        path: Of its file.
        verdict: That was given.
        differences: From what was expected, one sentence each.
    """

    path: str
    verdict: Verdict
    differences: tuple[str, ...] = ()

    @property
    def matches(self) -> bool:
        """Whether the verdict is the expected one."""
        return not self.differences


def run_cases(folder: str, policy: Policy, policy_path: str | None) -> tuple[Outcome, ...]:
    """Judge every case of a folder and of those in it.

    Args:
        folder: With ``*.toml`` and ``*.json`` files, each of them a case.
        policy: The one that holds, for cases without their own.
        policy_path: Where it was read.

    Raises:
        UsageError: There is no case.
        PolicyError: A case is broken, or an engine cannot be started.
    """
    beside = os.path.dirname(os.path.abspath(policy_path)) if policy_path else None
    decider = Decider("policy-test", policy, beside=beside)
    return tuple(_run(path, decider) for path in _files(folder))


def _files(folder: str) -> list[str]:
    if not os.path.isdir(folder):
        raise UsageError("is no folder", where=folder, hint="name a folder with cases, *.toml or *.json")
    found: list[str] = []
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        folders.sort()
        found += [os.path.join(place, name) for name in sorted(names) if name.endswith((".toml", ".json"))]
    if not found or len(found) > _MOST_CASES:
        what = "there is no case in it" if not found else f"there are more than {_MOST_CASES} cases in it"
        raise UsageError(what, where=folder, hint="docs/policy.md says what a case is, under Cases")
    return found


def _unreadable(error: OSError) -> None:
    hint = "it has to be a folder that you may read"
    raise UsageError(f"cannot be read: {error.strerror}", where=str(error.filename), hint=hint) from error


def _run(path: str, decider: Decider) -> Outcome:
    try:
        case = PolicyCase.from_dict(_document(path))
        if case.policy is not None:
            tables = (case.policy,)
            policy = Policy.from_dict(case.policy, profiles=profiles_for(*tables), checks=checks_for(*tables))
            decider = Decider("policy-test", policy, beside=os.path.dirname(os.path.abspath(path)))
    except PolicyError as error:
        error.where = ", ".join(part for part in (path, error.where) if part)
        raise
    verdict = _verdict(case, decider)
    return Outcome(path=path, verdict=verdict, differences=_differences(case, verdict))


def _verdict(case: PolicyCase, decider: Decider) -> Verdict:
    if isinstance(case.artifact, ModelFile):
        names = names_of(decider.policy.profiles)
        return decider.decide(case.artifact, case.inspection, case.evidence, profile_names=names)
    findings = case.inspection.findings
    judged = JudgedPackage(
        release=Release(artifact=case.artifact),
        findings=findings,
        verdict=decider.policy.install.decide(case.artifact, findings, case.now),
    )
    return decider.settle(PackageReport(command="policy", packages=(judged,))).packages[0].verdict


def _differences(case: PolicyCase, verdict: Verdict) -> tuple[str, ...]:
    found = []
    if case.verdict != str(verdict.decision):
        found.append(f"expected {case.verdict}, and it is {verdict.decision}")
    rules = {reason.rule for reason in verdict.reasons}
    if case.rules is not None:
        found += [f"expected the rule {rule}, which did not apply" for rule in sorted(case.rules - rules)]
        found += [f"did not expect the rule {rule}" for rule in sorted(rules - case.rules)]
    return tuple(found)


def _document(path: str) -> Any:
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_once) if path.endswith(".json") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"not valid {path.rpartition('.')[2].upper()}: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key stands twice in it")
    return table
