"""The built-in policy behind the interface of the other engines: it judges what a question says.

Gates ask the policy itself, with all that they know. This is for comparing engines: it shows that the input document
holds all that the built-in rules look at, and that rules in Rego can say the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from weighlock.advisory import Advisory
from weighlock.artifact import ModelFile, PackageFile
from weighlock.engines.asking import question_bytes
from weighlock.engines.interface import Answer
from weighlock.errors import EngineError
from weighlock.evidence import Approval, LockEntry, OwnSave
from weighlock.finding import Finding, Inspection, Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.engines.interface import Question
    from weighlock.evidence import Evidence
    from weighlock.policy import Policy
    from weighlock.verdict import Verdict

_OUTCOMES = {str(outcome): outcome for outcome in Outcome}


class Builtin:
    """Asks the built-in policy.

    Args:
        policy: What is required.
    """

    name = "builtin"

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def evaluate(self, question: Question) -> Answer:
        """Answer, see `Engine.evaluate`; reasons begin with the name of their rule."""
        stamp = self._policy.stamp
        try:
            question_bytes(question.document)
            verdict = self._decide(question.document)
        except EngineError as error:
            return Answer(allow=False, stamp=stamp, reasons=(str(error),), remedy=error.hint)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return Answer(allow=False, stamp=stamp, reasons=(f"the question is of no use: {error}",))
        if verdict.allowed:
            return Answer(allow=True, stamp=stamp)
        remedy = next((reason.remedy for reason in verdict.reasons if reason.remedy), None)
        reasons = tuple(f"{reason.rule}: {reason.message}" for reason in verdict.reasons)
        return Answer(allow=False, stamp=stamp, reasons=reasons, remedy=remedy)

    def close(self) -> None:
        """Do nothing: it needs nothing."""

    def _decide(self, document: Mapping[str, Any]) -> Verdict:
        about = document["artifact"]
        findings = tuple(map(_finding, document["findings"]))
        if about["kind"] == "package":
            package = PackageFile(
                name=about["name"], version=about.get("version") or "", filename=about.get("filename") or ""
            )
            now = datetime.fromtimestamp(document["epoch"], UTC)
            return self._policy.install.decide(package, findings, now)
        inspection = Inspection(
            format=about.get("format"),
            outcome=_OUTCOMES[about["outcome"]],
            imports=tuple(about.get("imports", ())),
            needs=tuple(about.get("needs", ())),
            findings=findings,
        )
        model = ModelFile(path=about["name"], size=about["size"], format=about.get("format"))
        return self._policy.decide(model, inspection, [_evidence(item) for item in document["evidence"]])


def _finding(item: Mapping[str, Any]) -> Finding:
    severity, names = Severity(item["severity"]), item.get("advisory")
    return Finding(
        check=item["check"],
        severity=severity,
        message=item["message"],
        outcome=_OUTCOMES[item["outcome"]],
        imports=tuple(item.get("imports", ())),
        advisory=Advisory(id=names[0], aliases=tuple(names[1:]), severity=severity) if names else None,
    )


def _evidence(item: Mapping[str, Any]) -> Evidence:
    if item["kind"] == "lock-entry":
        return LockEntry(model=item["model"], path=item["path"])
    if item["kind"] == "approval":
        return Approval(imports=frozenset(item["imports"]), unsafe=item["unsafe"] is True)
    if item["kind"] == "own-save":
        return OwnSave()
    raise ValueError(f"evidence of the kind {item['kind']!r}")
