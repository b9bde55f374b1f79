"""One quarantine list that is looked at again and again, and what was last verified of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from weighlock.errors import ForgedError, PolicyError, WeighlockError
from weighlock.evidence_policy import LedgerPolicy
from weighlock.gates.quarantine_memory import Memory, Seen
from weighlock.gates.quarantine_places import FilePlace, LedgerPlace, Place, Sight, UrlPlace
from weighlock.gates.recording import database_of, ledger_folder, shown
from weighlock.quarantine_policy import LEDGER, is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from weighlock.evidence_policy import Signer
    from weighlock.policy import Policy
    from weighlock.quarantine import QuarantineList
    from weighlock.signing.trust import TrustedSigner

FILE = "quarantine.sigstore.json"
"""The list of this user, in the folder of the ledger."""

_AHEAD = timedelta(minutes=5)
"""How far the clocks of who signs and who loads may differ."""

_FORGET = "remove its entry from {path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why nobody knows what a list denies.

    Args:
        message: With the place of the list.
        hint: The one next step.
        always: No policy may overlook it.
    """

    message: str
    hint: str | None = None
    always: bool = False


class WatchedList:
    """A list in a place.

    Args:
        place: Where it is.
        trust: Whose signatures count; asked when there is something to verify.
        memory: What this user saw before.
        required: The policy names it: it has to be there, and new.
        own: It is that of this user.
        max_age: One that was signed longer ago is stale.
        apart: It is that of this user, beside another ledger than the one of the project.
    """

    def __init__(
        self,
        place: Place,
        trust: Callable[[], tuple[TrustedSigner, ...]],
        memory: Memory,
        *,
        required: bool,
        own: bool,
        max_age: timedelta,
        apart: bool = False,
    ) -> None:
        self.name = place.name
        self.own, self.apart = own, apart
        self.known: QuarantineList | None = None
        self.digest: str | None = None
        """Of the signed list that was verified last."""
        self._place, self._trust, self._memory = place, trust, memory
        self._required = required
        self._max_age = max_age
        self._seen: Seen | None = None
        self._problem: Problem | None = None
        self._again: Sight | None = None
        self._last_seen = datetime.fromtimestamp(0, UTC)
        self._new_from = self._new_until = 0.0  # seconds since the epoch between which it is new

    def look(self, now: Callable[[], float]) -> bool:
        """Look at the place, and say whether there is another list that counts from now on."""
        sight = self._place.look() or self._again
        if sight is None:
            return False
        before, self._again = self.digest, None
        try:
            self._problem = self._taken(sight, now)
        except WeighlockError as error:  # the memory or a key cannot be read, which no stamp of the list tells
            self._problem = Problem(message=f"{self.name}: {error}", hint=error.hint, always=True)
            self._again = sight
        return self.digest != before

    def problem(self, now: Callable[[], float]) -> Problem | None:
        """Return why nobody knows what it denies, as of the last look."""
        if self._problem is not None or not self._required or self.known is None:
            return self._problem
        if self._new_from <= now() <= self._new_until:
            return None
        moment = datetime.fromtimestamp(now(), UTC)
        age = moment - self.known.issued
        if now() < self._new_from:
            what = "signed" if self.known.issued > moment + _AHEAD else "seen here"
            hint = "set the clock of this machine, or of the one where it is signed"
            if what == "seen here":
                hint = (
                    f"set the clock of this machine; or, if it was wrong then, {_FORGET.format(path=self._memory.path)}"
                )
            return Problem(message=f"{self.name} was {what} in the future, as the clock says now", hint=hint)
        hint = "whoever signs it says that it is still all: `weighlock quarantine --refresh`"
        return Problem(message=f"{self.name} is stale: it was signed {_days(age)} ago", hint=hint)

    def forget(self) -> None:
        """Let the next look be a whole one; what was verified still counts."""
        self._place.forget()

    def begin_in_child(self, *, anew: bool) -> None:
        """Go on in a child of ``fork``; what was verified still counts.

        Args:
            anew: Another thread of the parent was looking just then, so that the next look has to be a whole one.
        """
        self._place.begin_in_child()
        if anew:
            self._place.forget()

    def close(self) -> None:
        """Let go of the server or database."""
        self._place.close()

    def _taken(self, sight: Sight, now: Callable[[], float]) -> Problem | None:
        if sight.data is None:
            return self._missing(sight)
        from weighlock.signing.quarantine_statement import head_of, read_list
        from weighlock.signing.verification import verify_bundle

        try:
            verified = verify_bundle(sight.data, self._trust(), now=datetime.fromtimestamp(now(), UTC))
            known = read_list(verified.statement)
        except ForgedError as error:
            return Problem(message=f"{self.name} does not verify: {error}", hint=error.hint or _RESTORE, always=True)
        except WeighlockError as error:
            return Problem(message=f"{self.name} cannot be verified: {error}", hint=error.hint, always=self.own)
        problem = self._not_continued(known)
        if problem is None:
            self._seen = Seen(id=known.id, number=len(known.events), head=head_of(known.events), at=int(now()))
            self._memory.remember(self.name, self._seen)
            self.known, self.digest = known, str(verified.bundle)
            self._new_from = max(known.issued, self._last_seen).timestamp() - _AHEAD.total_seconds()
            self._new_until = known.issued.timestamp() + self._max_age.total_seconds()
        return problem

    def _not_continued(self, known: QuarantineList) -> Problem | None:
        """Return why a list does not continue what was seen in its place, or ``None`` where it does."""
        from weighlock.signing.quarantine_statement import require_continued

        for seen in (self._seen, self._memory.recall(self.name)):
            if seen is None:
                continue
            self._last_seen = max(self._last_seen, datetime.fromtimestamp(seen.at, UTC))
            if seen.id != known.id:
                message = f"{self.name} is another list than the one that was there"
                hint = f"if whoever signs it began another one, {_FORGET.format(path=self._memory.path)}"
                return Problem(message=message, hint=hint, always=True)
            try:
                require_continued(known, seen.number, seen.head)
            except ForgedError as error:
                return Problem(message=f"{self.name} {error}", hint=_RESTORE, always=True)
        return None

    def _missing(self, sight: Sight) -> Problem | None:
        if sight.why:
            return Problem(message=f"{self.name} {sight.why}", hint=sight.hint, always=self.own)
        seen = self._seen or self._memory.recall(self.name)
        if seen is not None:
            return Problem(message=f"{self.name} is gone: it had {seen.number} events", hint=_RESTORE, always=self.own)
        if self._required:
            hint = "`weighlock quarantine --refresh` makes one without entries, or correct the policy"
            return Problem(message=f"{self.name} is not there", hint=hint)
        return None


_RESTORE = "restore the newest one; whoever signs it can publish it again"


def lists_of(
    environ: Mapping[str, str], policy: Policy, policy_path: str | None, memory: Memory
) -> tuple[WatchedList, ...]:
    """Return the lists that hold: that of this user, where there is a place for one, and those of the policy.

    Raises:
        WeighlockError: The policy names a list in a ledger that is nowhere.
    """
    own = own_place(environ, policy.evidence.ledger, policy_path)
    found: dict[str, WatchedList] = {}

    def watch(place: Place, *, required: bool, apart: bool = False) -> None:
        is_own = apart or place.name == own

        def trust() -> tuple[TrustedSigner, ...]:
            if apart:
                return ledger_signer(environ, LedgerPolicy())
            return signers_of(environ, policy, policy_path, own=is_own)

        found[place.name] = WatchedList(
            place, trust, memory, required=required, own=is_own, apart=apart, max_age=policy.quarantine.max_age
        )

    # A project that keeps its ledger elsewhere takes nothing back that this user denied everywhere.
    apart = own_place(environ, LedgerPolicy(), None)
    if apart is not None and apart != own:
        watch(FilePlace(apart), required=False, apart=True)
    if own is not None:
        watch(FilePlace(own), required=False)
    for text in policy.quarantine.lists:
        watch(place_of(text, environ, policy, policy_path), required=True)
    return tuple(found.values())


def place_of(text: str, environ: Mapping[str, str], policy: Policy, policy_path: str | None) -> Place:
    """Return the place that the policy, or a person, names.

    Args:
        text: A path relative to the policy file, a URL, or ``ledger``.
        environ: Says where the ledger is.
        policy: The same.
        policy_path: Where it was read.

    Raises:
        PolicyError: The ledger is nowhere.
    """
    if is_url(text):
        return UrlPlace(text)
    if text != LEDGER:
        return FilePlace(os.path.abspath(os.path.join(_folder(policy_path), text)))
    database = database_of(environ, policy.evidence.ledger)
    if database is not None:
        from weighlock.ledger.quarantine_table import QuarantineTable

        return LedgerPlace(QuarantineTable(database, shown(database)))
    own = own_place(environ, policy.evidence.ledger, policy_path)
    if own is None:
        hint = "set WEIGHLOCK_LEDGER to a folder that is yours alone"
        raise PolicyError("nothing says where the ledger is", where="tool.weighlock.quarantine.lists", hint=hint)
    return FilePlace(own)


def own_place(environ: Mapping[str, str], policy: LedgerPolicy, policy_path: str | None) -> str | None:
    """Return where the list of this user is: in the folder of the ledger, or of its spools."""
    folder = ledger_folder(environ, policy, _folder(policy_path))
    return None if folder is None else os.path.join(os.path.abspath(folder), FILE)


def signers_of(
    environ: Mapping[str, str], policy: Policy, policy_path: str | None, *, own: bool
) -> tuple[TrustedSigner, ...]:
    """Return whose lists count: the policy's signers, and for the list of this user, the key of the ledger.

    Where the policy names no signers at all, the key of the ledger counts for every list.

    Raises:
        WeighlockError: A key cannot be read.
    """
    from weighlock.gates.signed_lockfile import trusted_signers

    signers = trusted_signers(_named(policy), policy_path)
    if own or not signers:
        signers += ledger_signer(environ, policy.evidence.ledger, policy_path)
    return signers


def ledger_signer(
    environ: Mapping[str, str], policy: LedgerPolicy, policy_path: str | None = None
) -> tuple[TrustedSigner, ...]:
    """Return the key of the ledger as a signer; nobody, where there is none."""
    from weighlock.ledger.keys import key_of
    from weighlock.signing.ledger_key import LedgerSigner
    from weighlock.signing.trust import TrustedKey

    folder = ledger_folder(environ, policy, _folder(policy_path))
    key = None if folder is None else key_of(folder, environ)
    if key is None or not key.exists():
        return ()
    return (TrustedKey(name="the key of the ledger", key=LedgerSigner(key.read()).public),)


def _named(policy: Policy) -> tuple[Signer, ...]:
    evidence, names = policy.evidence, policy.quarantine.signers
    for name in names:
        if name not in [signer.name for signer in evidence.signers]:
            hint = f'[[tool.weighlock.evidence.signers]] name = "{name}", key = "….pub"'
            raise PolicyError(f"there is no signer {name!r}", where="tool.weighlock.quarantine.signers", hint=hint)
    return tuple(signer for signer in evidence.signers if not names or signer.name in names)


def _folder(policy_path: str | None) -> str:
    return os.path.dirname(os.path.abspath(policy_path)) if policy_path else os.curdir


def _days(age: timedelta) -> str:
    hours = int(age.total_seconds()) // 3600
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"
