"""Where verdicts come from, at every gate.

One sequence for every artifact:
1. the built-in policy decides; nothing switches it off;
2. if it allows, every further engine of the policy is asked, in their order, and each can only deny;
3. the verdict says who was asked, by which policy;
4. what is in quarantine is denied, whoever allows it;
5. it is recorded before anybody acts on it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import AdmissionError
from weighlock.evidence import LockEntry
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from weighlock.artifact import ModelFile
    from weighlock.engines.interface import Engine, Question
    from weighlock.evidence import Evidence
    from weighlock.finding import Inspection
    from weighlock.gates.packages import Judged, PackageReport
    from weighlock.gates.quarantined import Quarantine
    from weighlock.gates.recording import Recorder
    from weighlock.policy import Policy


class Decider:
    """Decides at one gate.

    Args:
        gate: Its name.
        policy: What is required.
        beside: The folder of the policy file, which the paths of engines begin at.
        recorder: Records verdicts; without one nothing is recorded, as in a rehearsal.
        quarantine: Says what is denied; the load gate asks it at each load instead.
    """

    def __init__(
        self,
        gate: str,
        policy: Policy,
        *,
        beside: str | None = None,
        recorder: Recorder | None = None,
        quarantine: Quarantine | None = None,
    ) -> None:
        self._gate = gate
        self.policy = policy
        self._recorder = recorder
        self._beside = beside
        self._quarantine = quarantine
        self._engines: tuple[Engine, ...] | None = None
        self._stamp = policy.stamp

    def decide(
        self,
        artifact: ModelFile,
        inspection: Inspection,
        evidence: Sequence[Evidence] = (),
        *,
        profile_names: Collection[str] = frozenset(),
    ) -> Verdict:
        """Judge a model file, see `Policy.decide`; nothing is recorded yet.

        Raises:
            PolicyError: An engine cannot be started at all.
        """
        verdict = self.policy.decide(artifact, inspection, evidence, profile_names=profile_names)

        def question() -> Question:
            from weighlock.gates.questions import about_model

            return about_model(self._gate, self.policy, artifact, inspection, evidence)

        verdict = self._asked(verdict, question)
        models = [item.model for item in evidence if isinstance(item, LockEntry)]
        return self.unless_quarantined(verdict, artifact.digest, models=models)

    def unless_quarantined(
        self, verdict: Verdict, digest: Digest | None, *, models: Iterable[str] = (), packages: Iterable[str] = ()
    ) -> Verdict:
        """Return a verdict, or that something is in quarantine, or that nobody knows whether it is.

        Args:
            verdict: Of everybody else.
            digest: Of the artifact.
            models: Every name of the models that it belongs to.
            packages: ``name==version``, where it is a distribution.
        """
        if self._quarantine is None or not verdict.allowed:
            return verdict
        reason = self._quarantine.reason((str(digest),) if digest else (), models=models, packages=packages)
        if reason is None:
            return verdict
        return replace(verdict, decision=Decision.DENY, reasons=(reason,))

    def require_unquarantined(self, subject: str, digest: Digest, models: Iterable[str]) -> None:
        """Refuse a locked file that is in quarantine, and record that.

        Args:
            subject: Model and path.
            digest: Of the file.
            models: Every name of its model.

        Raises:
            AdmissionError: It is in quarantine, or nobody knows.
            LedgerError: It cannot be recorded, and the policy requires that.
        """
        verdict = self.unless_quarantined(Verdict(decision=Decision.ALLOW), digest, models=models)
        if not verdict.allowed:
            self.record(subject, verdict, digest=digest)
            raise AdmissionError(verdict.reasons[0].message, where=subject, hint=verdict.reasons[0].remedy)

    def ask(self, verdict: Verdict, question: Callable[[], Question]) -> Verdict:
        """Ask the engines about something that the gate itself allows, and return the verdict of all.

        Args:
            verdict: Of the gate.
            question: Makes what is asked, where anybody is.

        Raises:
            PolicyError: An engine cannot be started at all.
        """
        return self._asked(verdict, question)

    def settle(self, report: PackageReport) -> PackageReport:
        """Ask the engines about everything that the built-in policy allows, and record all verdicts.

        Raises:
            PolicyError: An engine cannot be started at all.
            LedgerError: Nothing can be recorded, and the policy requires that.
        """
        packages = tuple(replace(one, verdict=self._settled(one)) for one in report.packages)
        files = tuple(replace(one, verdict=self._settled(one)) for one in report.files)
        return replace(report, packages=packages, files=files)

    def record(
        self,
        subject: str,
        verdict: Verdict,
        *,
        kind: str = "model",
        digest: Digest | None = None,
        size: int | None = None,
        enforced: bool = True,
        evidence: tuple[str, ...] = (),
        loader: str | None = None,
        actor: str | None = None,
    ) -> None:
        """Record a verdict, see `Entry` for the arguments; by default the actor is whose process this is.

        Raises:
            LedgerError: It cannot be recorded, and the policy requires that.
        """
        if self._recorder is not None:
            self._recorder.record(
                self._gate,
                subject,
                verdict if verdict.engines else replace(verdict, engines=(self._stamp,)),
                kind=kind,
                digest=digest,
                size=size,
                enforced=enforced,
                evidence=evidence,
                loader=loader,
                actor=actor,
            )

    def record_document(self, path: str, digest: str, rule: str) -> None:
        """Record that a document was written here, so that another one in its place is found.

        Args:
            path: Where it lies.
            digest: Of its bytes, ``sha256:…``.
            rule: What was done, such as ``written`` or ``signed``.

        Raises:
            LedgerError: It cannot be recorded, and the policy requires that.
        """
        verdict = Verdict(decision=Decision.ALLOW, reasons=(Reason(rule=rule, message=rule),))
        known = Digest.sha256(digest.removeprefix("sha256:"))
        self.record(os.path.realpath(path), verdict, kind="document", digest=known)

    def close(self) -> None:
        """End what was started: the engines, and the file of this process in the spool."""
        for engine in self._engines or ():
            engine.close()
        if self._recorder is not None:
            self._recorder.close()
        if self._quarantine is not None:
            self._quarantine.close()

    def _settled(self, judged: Judged) -> Verdict:
        def question() -> Question:
            from weighlock.gates.questions import about_package

            return about_package(self._gate, self.policy, judged)

        verdict = self._asked(judged.verdict, question)
        is_package = hasattr(judged, "release")
        verdict = self.unless_quarantined(verdict, judged.identity, packages=(judged.title,) if is_package else ())
        self.record(judged.title, verdict, kind="package", digest=judged.identity)
        return verdict

    def _asked(self, verdict: Verdict, question: Callable[[], Question]) -> Verdict:
        stamps = [self._stamp]
        if verdict.allowed and self.policy.evidence.engines:
            asked = question()
            for engine in self._opened():
                answer = engine.evaluate(asked)
                stamps.append(answer.stamp)
                if not answer.allow:
                    reasons = answer.reasons or ("it gave no reason",)
                    verdict = Verdict(
                        decision=Decision.DENY,
                        reasons=tuple(
                            Reason(rule=answer.stamp.engine, message=reason, remedy=answer.remedy) for reason in reasons
                        ),
                    )
                    break
        return replace(verdict, engines=tuple(stamps))

    def _opened(self) -> tuple[Engine, ...]:
        if self._engines is None:
            from weighlock.engines import open_engines

            self._engines = open_engines(self.policy.evidence.engines, self._beside)
        return self._engines


def open_decider(
    gate: str, policy: Policy, policy_path: str | None, environ: Mapping[str, str], *, quarantined: bool = True
) -> Decider:
    """Return what decides and records at a gate.

    Args:
        gate: Its name.
        policy: What is required.
        policy_path: Where it was read.
        environ: Says where the ledger is.
        quarantined: It denies what is in quarantine.

    Raises:
        WeighlockError: The policy names a quarantine list that can be nowhere.
    """
    from weighlock.gates.quarantined import open_quarantine
    from weighlock.gates.recording import Recorder

    beside = os.path.dirname(os.path.abspath(policy_path)) if policy_path else None
    recorder = Recorder(environ, policy.evidence.ledger, beside)
    quarantine = open_quarantine(environ, policy, policy_path) if quarantined else None
    return Decider(gate, policy, beside=beside, recorder=recorder, quarantine=quarantine)
