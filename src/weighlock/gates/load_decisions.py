"""Decisions of the load gate, each recorded before it is acted on; what cannot be recorded is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import AdmissionError, LoadRefused, WeighlockError
from weighlock.gates.load_settings import read_locked
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from weighlock.artifact import ModelFile
    from weighlock.evidence import Evidence
    from weighlock.finding import Inspection
    from weighlock.gates.deciding import Decider
    from weighlock.gates.load_settings import Settings
    from weighlock.lockfile import Lockfile


class LoadDecisions:
    """Decides and records for one process.

    Args:
        decider: By the policy.
        lockfile: Digest of the lockfile, which admitted loads rest on.
    """

    def __init__(self, decider: Decider, lockfile: str | None) -> None:
        self._decider = decider
        self._evidence = () if lockfile is None else (lockfile,)

    def decide(
        self,
        artifact: ModelFile,
        inspection: Inspection,
        evidence: Sequence[Evidence],
        profile_names: Collection[str],
    ) -> Verdict:
        """Judge, see `Decider.decide`.

        Raises:
            LoadRefused: An engine of the policy cannot be asked.
        """
        try:
            return self._decider.decide(artifact, inspection, evidence, profile_names=profile_names)
        except WeighlockError as error:
            raise unable(error) from error

    def record(
        self,
        label: str,
        loader: str,
        verdict: Verdict,
        *,
        digest: str | None,
        size: int | None = None,
        enforced: bool = True,
        evidence: tuple[str, ...] = (),
    ) -> None:
        """Record a verdict, or an access that rests on one.

        Args:
            label: The artifact's name.
            loader: Who loads it.
            verdict: The answer.
            digest: Of the bytes (SHA-256), where it is known.
            size: Bytes, where they are known.
            enforced: A denial stops the load.
            evidence: Digests of documents that it rests on, beside the lockfile.

        Raises:
            LoadRefused: It cannot be recorded, and the policy requires that.
        """
        try:
            self._decider.record(
                label,
                verdict,
                digest=None if digest is None else Digest.sha256(digest),
                size=size,
                enforced=enforced,
                evidence=(*self._evidence, *evidence),
                loader=loader,
            )
        except WeighlockError as error:
            raise unable(error) from error

    def record_locked(self, label: str, loader: str, *, digest: str, size: int | None = None) -> None:
        """Record that bytes with a lock entry are admitted, before they are handed on.

        Raises:
            LoadRefused: It cannot be recorded, and the policy requires that.
        """
        reason = Reason(rule="locked", message="its digest is in the lockfile")
        self.record(label, loader, Verdict(decision=Decision.ALLOW, reasons=(reason,)), digest=digest, size=size)

    def close(self) -> None:
        """End what was started for decisions."""
        self._decider.close()

    def record_denial(
        self,
        label: str,
        loader: str,
        digest: str | None,
        reasons: Iterable[tuple[str, str]],
        *,
        enforced: bool,
        evidence: tuple[str, ...] = (),
    ) -> None:
        """Record a denial by the rule and the message of each reason.

        Raises:
            LoadRefused: It cannot be recorded, and the policy requires that.
        """
        told = tuple(Reason(rule=rule, message=message) for rule, message in reasons)
        verdict = Verdict(decision=Decision.DENY, reasons=told)
        known = digest and digest.removeprefix("sha256:")
        self.record(label, loader, verdict, digest=known, enforced=enforced, evidence=evidence)


def read_recorded(settings: Settings, environ: Mapping[str, str], decider: Decider) -> Lockfile | None:
    """Return the lockfile, see `read_locked`, and record where it is not signed as it has to be: nothing loads then.

    Raises:
        WeighlockError: As for `read_locked`.
    """
    try:
        return read_locked(settings, environ)
    except AdmissionError as error:
        verdict = Verdict(decision=Decision.DENY, reasons=(Reason(rule="not-signed", message=error.message),))
        decider.record(os.path.realpath(settings.lock_path or os.curdir), verdict, kind="document")
        raise


def unable(error: WeighlockError) -> LoadRefused:
    """Return the refusal of a load about which nothing can be decided or recorded."""
    hint = f"\nhint: {error.hint}" if error.hint else ""
    return LoadRefused(f"weighlock cannot judge any load: {error}{hint}", exit_code=2)
