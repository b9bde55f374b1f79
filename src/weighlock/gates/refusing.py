"""How the load gate refuses: recorded first, said in one form, and let through where the mode is ``warn``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from weighlock.errors import LoadRefused
from weighlock.gates.load_quarantine import names_of_model
from weighlock.gates.quarantined import RULE
from weighlock.gates.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from weighlock.gates.load_decisions import LoadDecisions
    from weighlock.gates.load_quarantine import LoadQuarantine
    from weighlock.lockfile import Located


class Refusing:
    """A gate that refuses loads.

    Args:
        mode: ``enforce``, ``warn`` or ``off``.
        decisions: Record.
        quarantine: Says what is denied now, whatever the lockfile admits; ``None`` where nothing is.
    """

    def __init__(self, mode: str, decisions: LoadDecisions, quarantine: LoadQuarantine | None = None) -> None:
        self.mode = mode
        self.decisions = decisions
        self._quarantine = quarantine
        self._told: set[str] = set()

    def close(self) -> None:
        """End what was started for this gate; it is not asked any more."""
        self.decisions.close()
        if self._quarantine is not None:
            self._quarantine.close()

    def passes_quarantine(
        self, label: str, loader: str, digests: Callable[[], Sequence[str]], located: Iterable[Located] = ()
    ) -> bool:
        """Say whether bytes that are about to be admitted are in no quarantine; it is asked at every load.

        Args:
            label: The artifact's name.
            loader: Who loads it.
            digests: Returns its digests (SHA-256); called where anything is denied at all.
            located: Every lock entry for these bytes.

        Returns:
            Whether they are not; where they are, and the gate only warns, that is recorded and said.

        Raises:
            LoadRefused: They are, or nobody knows, and the gate enforces.
        """
        if self._quarantine is None or self.mode == "off":
            return True
        stop = self._quarantine.stop(digests, lambda: (name for model, _ in located for name in names_of_model(model)))
        if stop is None:
            return True
        known = next(iter(digests()), None) if stop.rule == RULE else None  # else nobody had to hash it
        reasons = [(stop.rule, stop.message)]
        self.refuse(label, loader, f"sha256:{known}" if known else None, reasons, stop.remedy, evidence=stop.evidence)
        return False

    def refuse(
        self,
        label: str,
        loader: str,
        digest: str | None,
        reasons: Iterable[tuple[str, str]],
        remedy: str | None,
        *,
        evidence: tuple[str, ...] = (),
    ) -> None:
        """Refuse, or in ``warn`` mode say so once and let through.

        Args:
            label: The artifact's name.
            loader: Who loads it.
            digest: Of the artifact, with its algorithm, if it is known.
            reasons: Rule and message of each reason.
            remedy: The one command or line that would approve it on purpose.
            evidence: Digests of documents that it rests on.

        Raises:
            LoadRefused: The gate enforces.
        """
        reasons, enforced = tuple(reasons), self.mode == "enforce"
        self.decisions.record_denial(label, loader, digest, reasons, enforced=enforced, evidence=evidence)
        if enforced:
            raise LoadRefused(refusal(label, loader, digest, reasons, remedy))
        self._tell(f"warning: {refusal(label, loader, digest, reasons, remedy, enforced=False)}")

    def refuse_always(
        self, label: str, loader: str, reasons: Iterable[tuple[str, str]], remedy: str | None = None
    ) -> NoReturn:
        """Refuse for a reason that no mode can overlook.

        Raises:
            LoadRefused: Always.
        """
        reasons = tuple(reasons)
        self.decisions.record_denial(label, loader, None, reasons, enforced=True)
        raise LoadRefused(refusal(label, loader, None, reasons, remedy))

    def _tell(self, text: str) -> None:
        """Say something once."""
        if text not in self._told and sys.stderr is not None:
            self._told.add(text)
            sys.stderr.write(f"{text}\n")
