"""The gate of ``weighlock quarantine``: a list is verified, continued, signed, recorded and replaced, or is as it was.

1. One change of a list at a time: its folder, or the database, is held.
2. What is there is verified like at a load, and has to continue what this user saw.
3. The event is appended, the whole list signed, and the signature verified by whoever will have to believe it.
4. It is recorded, and the list replaced in one step: who is killed leaves the old list or the new one.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import ForgedError, UsageError, WeighlockError
from weighlock.files import exclusive, read_regular, write_atomically
from weighlock.gates.quarantine_memory import Memory
from weighlock.gates.quarantine_places import LedgerPlace, Sight, UrlPlace
from weighlock.gates.watched_list import WatchedList, own_place, place_of, signers_of
from weighlock.quarantine import Denial, QuarantineList, Release
from weighlock.quarantine_policy import LEDGER, is_url
from weighlock.signing.bundle import LARGEST, digest_of
from weighlock.signing.quarantine_statement import read_list, statement_of
from weighlock.signing.verification import verify_bundle
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from weighlock.gates.project import Project
    from weighlock.gates.quarantine_plan import Plan
    from weighlock.ledger.quarantine_table import QuarantineTable
    from weighlock.signing.interface import Signer
    from weighlock.signing.trust import TrustedSigner

_MOST_EVIDENCE = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A list after a change.

    Args:
        known: The list.
        place: Where it is.
        digest: Of the signed list.
        who: Who signed it.
    """

    known: QuarantineList
    place: str
    digest: str
    who: str


class Given:
    """A list whose bytes are at hand, as a place.

    Args:
        name: Of the place that they are from, or are for.
        data: The bytes; ``None`` where there are none.
    """

    def __init__(self, name: str, data: bytes | None) -> None:
        self.name = name
        self._data = data

    def look(self) -> Sight:
        """Return them."""
        return Sight(data=self._data)

    def forget(self) -> None:
        """Nothing is remembered."""

    def begin_in_child(self) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""


class Keeper:
    """Whoever changes one list.

    Args:
        project: Its policy, which says whose lists count.
        environ: Says where the ledger and the state of this user are.
        place: A path, or ``ledger``; by default the first list of the policy that is no URL, else that of this user.
        now: The time.
        reads: It is only read, which a list behind a URL can be, too.
    """

    def __init__(
        self,
        project: Project,
        environ: Mapping[str, str],
        place: str | None,
        now: Callable[[], datetime],
        *,
        reads: bool = False,
    ) -> None:
        self._project, self._environ, self._now, self._reads = project, environ, now, reads
        policy, self._path = project.policy, project.policy_path
        self._own = own_place(environ, policy.evidence.ledger, self._path)
        self._table: QuarantineTable | None = None
        self.place = self._found(place)
        self.is_own = self.place == self._own
        self._memory = Memory(environ)

    @property
    def is_watched(self) -> bool:
        """Whether the guards of this project look at the list."""
        lists = self._project.policy.quarantine.lists
        named = {place_of(one, self._environ, self._project.policy, self._path).name for one in lists}
        return self.is_own or self.place in named

    @property
    def others(self) -> tuple[str, ...]:
        """The other lists that the guards of this project look at, as ``--list`` takes them."""
        names = {
            one: place_of(one, self._environ, self._project.policy, self._path).name
            for one in self._project.policy.quarantine.lists
        }
        found = [one for one, name in names.items() if name != self.place]
        own = [self._own] if self._own and not self.is_own and os.path.lexists(self._own) else []
        return tuple(dict.fromkeys((*found, *own)))

    def ledger_signer(self) -> Signer:
        """Return the key of the ledger, which is made where there is none.

        Raises:
            LedgerError: It cannot be read or made.
        """
        from weighlock.gates.ledger import host_name
        from weighlock.ledger.keys import key_of
        from weighlock.signing.ledger_key import LedgerSigner

        if self._own is None:
            raise UsageError("there is no ledger whose key could sign", where="--key", hint="sign with --key FILE")
        return LedgerSigner(key_of(os.path.dirname(self._own), self._environ).make(host=host_name()))

    def read(self) -> QuarantineList | None:
        """Return the list that is there, verified; ``None`` where there is none.

        Raises:
            WeighlockError: It does not verify, or does not continue what this user saw.
        """
        return self._verified(self._bytes())

    def export(self) -> bytes:
        """Return the signed list, to be published.

        Raises:
            WeighlockError: There is none, or it does not verify.
        """
        data = self._bytes()
        if self._verified(data) is None or data is None:
            raise UsageError("there is no list", where=self.place, hint="`weighlock quarantine --refresh` makes one")
        return data

    def quarantine(self, plan: Plan, signer: Signer, *, reason: str, by: str, expires: datetime | None) -> Changed:
        """Deny what a plan says."""
        now = self._moment()
        denial = Denial(
            id=f"Q-{secrets.token_hex(6)}",
            time=now,
            subject=plan.subject,
            digests=plan.digests,
            models=plan.models,
            packages=plan.packages,
            signers=plan.signers,
            reason=reason,
            by=by,
            expires=expires,
        )
        return self._change(
            lambda known: replace(known, events=(*known.events, denial)), signer, "quarantined", denial.id
        )

    def release(self, wanted: str, signer: Signer, *, reason: str, by: str) -> Changed:
        """Take a denial back.

        Raises:
            UsageError: There is none of that id, or it is taken back already.
        """
        event = Release(id=f"R-{secrets.token_hex(6)}", of=wanted, time=self._moment(), reason=reason, by=by)
        return self._change(lambda known: _released(known, event, self.place), signer, "released", wanted)

    def refresh(self, signer: Signer) -> Changed:
        """Say anew that the list is all there is, or begin one."""
        return self._change(lambda known: known, signer, "refreshed")

    def _change(
        self,
        change: Callable[[QuarantineList], QuarantineList],
        signer: Signer,
        rule: str,
        about: str | None = None,
    ) -> Changed:
        made: list[Changed] = []

        def continued(data: bytes | None) -> bytes:
            known = self._verified(data) or QuarantineList(id=secrets.token_hex(16), issued=self._moment())  # 2
            new = replace(change(known), issued=self._moment())
            bundle = self._signed(new, signer)  # 3
            digest = str(digest_of(bundle))
            self._record(digest, rule, None if about is None else new.denial(about))  # 4
            made.append(Changed(known=new, place=self.place, digest=digest, who=signer.who))
            return bundle

        if self._table is not None:
            self._table.change(continued)
        else:
            path = Path(self.place)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with exclusive(path):  # 1
                write_atomically(path, continued(self._bytes()))
        self._verified(self._bytes())  # so that this user remembers it
        return made[-1]

    def _signed(self, known: QuarantineList, signer: Signer) -> bytes:
        """Sign a list, and demand that whoever asks it will believe it."""
        bundle = signer.sign(statement_of(known).to_bytes()).to_bytes()
        try:
            read_list(verify_bundle(bundle, self._trusted(), now=self._now()).statement)
        except WeighlockError as error:
            names = self._project.policy.quarantine.signers or [
                one.name for one in self._project.policy.evidence.signers
            ]
            hint = (
                f"sign with the key of {', '.join(names)}"
                if names
                else "name its signer in the policy: [[tool.weighlock.evidence.signers]]"
            )
            raise UsageError(f"no guard would believe it: {error}", where=signer.who, hint=hint) from error
        return bundle

    def _verified(self, data: bytes | None) -> QuarantineList | None:
        watched = WatchedList(
            Given(self.place, data),
            self._trusted,
            self._memory,
            required=False,
            own=self.is_own,
            max_age=self._project.policy.quarantine.max_age,
        )
        watched.look(lambda: self._now().timestamp())
        problem = watched.problem(lambda: self._now().timestamp())
        if problem is not None:
            kind = ForgedError if problem.always else WeighlockError
            raise kind(problem.message, where="quarantine list", hint=problem.hint)
        return watched.known

    def _trusted(self) -> tuple[TrustedSigner, ...]:
        return signers_of(self._environ, self._project.policy, self._path, own=self.is_own)

    def _bytes(self) -> bytes | None:
        if self._table is not None:
            try:
                return self._table.read()
            finally:
                self._table.close()
        if is_url(self.place):
            return self._asked()
        try:
            return read_regular(self.place, LARGEST + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            hint = "it has to be a file that this user may read"
            raise WeighlockError(f"cannot be read: {error.strerror}", where=self.place, hint=hint) from None

    def _asked(self) -> bytes | None:
        sight = UrlPlace(self.place).look()
        if sight is None or sight.why:
            why, hint = (sight.why, sight.hint) if sight is not None else ("does not answer", None)
            raise WeighlockError(why, where=self.place[:200], hint=hint)
        return sight.data

    def _record(self, digest: str, rule: str, denial: Denial | None) -> None:
        from weighlock.artifact import Digest

        verdict = Verdict(decision=Decision.ALLOW, reasons=(Reason(rule=rule, message=rule),))
        evidence = denial.digests[:_MOST_EVIDENCE] if denial is not None else ()
        known = Digest.sha256(digest.removeprefix("sha256:"))
        decider = self._project.decider("quarantine")
        decider.record(self.place, verdict, kind="document", digest=known, evidence=evidence)

    def _found(self, named: str | None) -> str:
        """Return the place that was named, or the one that is changed by default.

        Raises:
            UsageError: It is a URL, or there is no place for one.
        """
        policy, text = self._project.policy, named
        if text is None:
            text = next((one for one in policy.quarantine.lists if not is_url(one)), None)
        if text is None:
            if self._own is None:
                hint = "set WEIGHLOCK_LEDGER to a folder that is yours alone, or name a list with --list FILE"
                raise UsageError("nothing says where the list of this user is", where="--list", hint=hint)
            return self._own
        if is_url(text) and self._reads:
            return text
        if is_url(text):
            hint = "change the file that is published there, and publish it again with --export FILE"
            raise UsageError("a list behind a URL cannot be changed from here", where=text[:200], hint=hint)
        if text == LEDGER or text in policy.quarantine.lists:
            place = place_of(text, self._environ, policy, self._path)
            if isinstance(place, LedgerPlace):
                self._table = place.table
            return place.name
        return os.path.abspath(text)

    def _moment(self) -> datetime:
        return self._now().astimezone(UTC).replace(microsecond=0)


def _released(known: QuarantineList, event: Release, place: str) -> QuarantineList:
    if known.denial(event.of) is None:
        hint = "`weighlock quarantine --show` lists them"
        raise UsageError(f"there is no entry {event.of[:100]}", where=place, hint=hint)
    if event.of in known.released:
        raise UsageError(f"{event.of} is released already", where=place)
    return replace(known, events=(*known.events, event))
