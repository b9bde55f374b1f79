"""What gates record: each verdict goes into the spool of the ledger before it is acted on.

Where nothing can be recorded, a policy with ``ledger.required`` admits nothing; by default a person is told, once.
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING

from weighlock.entry import Entry
from weighlock.errors import LedgerError
from weighlock.ledger.spool import Spool, actor, spool_of
from weighlock.output.escape import printable
from weighlock.own_saves import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from weighlock.artifact import Digest
    from weighlock.evidence_policy import LedgerPolicy
    from weighlock.verdict import Verdict

_STATE = "set WEIGHLOCK_LEDGER to a folder that is yours alone"


_used: list[Recorder] = []
"""Those by which this process recorded something."""


class Recorder:
    """Records what the gates of this process decide.

    Args:
        environ: ``WEIGHLOCK_LEDGER``, or what else says where state is kept.
        policy: About the ledger.
        beside: The folder of the policy file, which a relative place begins at.
    """

    def __init__(self, environ: Mapping[str, str], policy: LedgerPolicy, beside: str | None = None) -> None:
        self.environ = dict(environ)
        self.required = policy.required
        self._actor = actor(environ)
        folder = ledger_folder(environ, policy, beside)
        self.place = database_of(environ, policy) or folder
        self._folder = folder
        self._spool = Spool(spool_of(folder)) if folder else None
        self._told = False

    def record(
        self,
        gate: str,
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
        """Record one verdict, see `Entry` for the arguments; by default the actor is whose process this is.

        Raises:
            LedgerError: It cannot be recorded, and the policy requires that.
        """

        def make(event: str, time: datetime) -> Entry:
            return Entry(
                time=time,
                event=event,
                gate=gate,
                kind=kind,
                subject=subject,
                verdict=verdict.decision,
                digest=digest,
                size=size,
                enforced=enforced,
                rules=tuple(dict.fromkeys(reason.rule for reason in verdict.reasons)),
                engines=verdict.engines,
                evidence=evidence,
                actor=actor or self._actor,
                loader=loader,
            )

        if self._spool is None:
            self._failed("no WEIGHLOCK_LEDGER, WEIGHLOCK_STATE, XDG_STATE_HOME or HOME says where the ledger is")
            return
        try:
            self._spool.add(make)
            if self not in _used:
                _used.append(self)
        except OSError as error:
            self._failed(f"the ledger cannot be written: {error.strerror or error} ({self._folder})")

    def close(self) -> None:
        """End the file of this process; what is recorded afterwards goes into another one."""
        if self._spool is not None:
            self._spool.close()

    def _failed(self, why: str) -> None:
        if self.required:
            raise LedgerError(f"{why}, and the policy requires it", hint=_STATE)
        if not self._told and sys.stderr is not None:
            self._told = True
            sys.stderr.write(f"{printable(f'weighlock: verdicts are not recorded: {why}')}\n{f'hint: {_STATE}'}\n")


def take_used() -> tuple[Recorder, ...]:
    """Return the recorders by which this process recorded something since it was asked last, and end their files."""
    taken = tuple(_used)
    _used.clear()
    for recorder in taken:
        recorder.close()
    return taken


def is_database(place: str) -> bool:
    """Say whether a place is the address of a database, and no folder."""
    return place.startswith(("postgresql://", "postgres://"))


def database_of(environ: Mapping[str, str], policy: LedgerPolicy) -> str | None:
    """Return the address of the database of the ledger, or ``None`` where it is a folder."""
    place = environ.get("WEIGHLOCK_LEDGER") or policy.place or ""
    return place if is_database(place) else None


def ledger_folder(environ: Mapping[str, str], policy: LedgerPolicy, beside: str | None = None) -> str | None:
    """Return the folder of the ledger and its spools; one in a database has the spools in the folder of the user.

    Args:
        environ: ``WEIGHLOCK_LEDGER`` comes first.
        policy: Names a place next.
        beside: The folder of the policy file.
    """
    named = environ.get("WEIGHLOCK_LEDGER")
    place = named or policy.place
    if place and not is_database(place):
        return os.path.abspath(named) if named else os.path.join(beside or os.curdir, place)
    state = state_folder(environ)
    if state is None:
        return None
    if place is None or not is_database(place):
        return os.path.join(state, "ledger")
    # What waits for one database must not end in another, nor in the ledger of this user.
    name = hashlib.sha256(shown(place).encode()).hexdigest()[:16]
    return os.path.join(state, "ledgers", name)


def shown(database: str) -> str:
    """Return the address of a database without user, password and settings."""
    return f"postgresql://{database.partition('://')[2].rpartition('@')[2].partition('?')[0]}"
