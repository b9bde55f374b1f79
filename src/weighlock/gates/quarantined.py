"""Whether something is in quarantine: the lists that hold here, verified, and looked at again before each answer.

1. look: has a list changed? A file says so by its stamps, a server by a conditional answer, a database by a number;
2. verify: the signature, by whoever the policy trusts with lists, with the standard library alone for pinned keys;
3. continue: the list begins with what was seen of it before, in this process and by this user;
4. answer: by digest, by the name of a model, a package or a signer.

A list that cannot be verified does not replace the one that could: what was denied stays denied. Whether anything is
admitted meanwhile is the policy's ``stale``, except where somebody forged or rolled back a list: then nothing is.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import RLock
from typing import TYPE_CHECKING

from weighlock.errors import AdmissionError
from weighlock.gates.quarantine_memory import Memory
from weighlock.output.escape import printable
from weighlock.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from weighlock.gates.quarantine_denied import Denied, Index
    from weighlock.gates.watched_list import Problem, WatchedList
    from weighlock.policy import Policy
    from weighlock.quarantine_policy import QuarantinePolicy

RULE = "quarantined"
"""The rule of a refusal because something is in quarantine."""

UNKNOWN_RULE = "quarantine-list"
"""The rule of a refusal because nobody knows what is in quarantine."""


class Quarantine:
    """The lists that hold in one process; it may be asked by several threads, and after a ``fork``.

    Args:
        lists: Each is looked at before each answer.
        policy: What a list that is stale, or cannot be had, does.
        now: The time.
    """

    def __init__(
        self,
        lists: Sequence[WatchedList] = (),
        policy: QuarantinePolicy | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.lists = tuple(lists)
        self.generation = 0
        """Counts the changes of what is denied."""
        self._warns = policy is not None and policy.stale == "warn"
        self._clock = _Clock(now)
        self._lock = RLock()
        self._process = os.getpid()
        self._index: Index | None = None
        self._is_looking = self._was_interrupted = False
        self._told: set[str] = set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is denied, so that nothing needs a digest."""
        return self._index is None

    def look(self) -> None:
        """Look whether a list changed, and take it over if it may be."""
        if self._process != os.getpid():
            self._begin_in_child()
        with self._lock:
            self._is_looking = True
            try:
                self._look_at_all()
            except BaseException:  # a key on the keyboard, too: what was seen and not taken over is looked at again
                self._was_interrupted = True
                raise
            self._is_looking = self._was_interrupted = False

    def denied(
        self,
        digests: Iterable[str] = (),
        *,
        models: Iterable[str] = (),
        packages: Iterable[str] = (),
        signers: Iterable[str] = (),
    ) -> Denied | None:
        """Return the denial of any of these, or ``None`` where none of them is in quarantine now.

        Args:
            digests: SHA-256, with their algorithm or without.
            models: Names of models, and of where they come from.
            packages: ``name==version``.
            signers: Names of signers, or ``key sha256:…``.
        """
        self.look()
        return self.known(digests, models=models, packages=packages, signers=signers)

    def known(
        self,
        digests: Iterable[str] = (),
        *,
        models: Iterable[str] = (),
        packages: Iterable[str] = (),
        signers: Iterable[str] = (),
    ) -> Denied | None:
        """Return what `denied` does, as of the last look."""
        index = self._index
        if index is None:
            return None
        now = self._clock.now()
        return (
            index.by_digests(digests, now)
            or index.by_models(models, now)
            or index.by_packages(packages, now)
            or index.by_signers(signers, now)
        )

    def signers_now(self) -> dict[str, Denied]:
        """Return every signer that is denied as of the last look, by the folded name."""
        return {} if self._index is None else self._index.signers_now(self._clock.now())

    def problem(self) -> Problem | None:
        """Return why nobody knows what is denied, as of the last look; what is only warned about is said once."""
        for one in self.lists:
            problem = one.problem(self._clock.now)
            if problem is None:
                continue
            if problem.always or not self._warns:
                return problem
            self._tell(f"warning: quarantine list {problem.message}")
        return None

    def refuse(
        self,
        digests: Iterable[str] = (),
        *,
        model: str | None = None,
        models: Iterable[str] = (),
        packages: Iterable[str] = (),
        signers: Iterable[str] = (),
        where: str | None = None,
    ) -> None:
        """Refuse what is in quarantine, and everything where nobody knows what is.

        Args:
            digests: As for `denied`.
            model: The name of one model.
            models: As for `denied`.
            packages: As for `denied`.
            signers: As for `denied`.
            where: What is asked about, for the message.

        Raises:
            AdmissionError: It is denied; or a list was forged or rolled back; or one that the policy names is not
                there, cannot be read, or is stale, and the policy does not say that this only warns.
        """
        named = (*models, *((model,) if model is not None else ()))
        found = self.denied(digests, models=named, packages=packages, signers=signers)
        if found is not None:
            raise AdmissionError(found.message, where=where or found.what, hint=found.remedy)
        problem = self.problem()
        if problem is not None:
            raise AdmissionError(problem.message, where="quarantine list", hint=problem.hint)

    def reason(
        self, digests: Iterable[str] = (), *, models: Iterable[str] = (), packages: Iterable[str] = ()
    ) -> Reason | None:
        """Return why a verdict has to deny any of these, or ``None`` where no list is against it."""
        found = self.denied(digests, models=models, packages=packages)
        if found is not None:
            return Reason(rule=RULE, message=found.message, remedy=found.remedy)
        problem = self.problem()
        return None if problem is None else Reason(rule=UNKNOWN_RULE, message=problem.message, remedy=problem.hint)

    @property
    def evidence(self) -> tuple[str, ...]:
        """Digests of the lists that answers rest on."""
        return tuple(one.digest for one in self.lists if one.digest is not None)

    def close(self) -> None:
        """Let go of servers and databases; the next question asks them anew."""
        for one in self.lists:
            one.close()

    def _look_at_all(self) -> None:
        changed = self._was_interrupted
        for one in self.lists:
            if self._was_interrupted:
                one.forget()
            changed = one.look(self._clock.now) or changed
        if changed:
            from weighlock.gates.quarantine_denied import index_of

            self._index = index_of(self.lists)
            self.generation += 1

    def _begin_in_child(self) -> None:
        """Begin anew in a child of ``fork``: another thread of the parent may have held the lock, and connections."""
        self._lock, self._process = RLock(), os.getpid()
        for one in self.lists:
            one.begin_in_child(anew=self._is_looking)

    def _tell(self, text: str) -> None:
        if text not in self._told and sys.stderr is not None:
            self._told.add(text)
            sys.stderr.write(f"{printable(text)}\n")


class _Clock:
    """The time, which in one process does not go back: a list does not become new again.

    Args:
        wall: Seconds since the epoch.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._begun = wall() - time.monotonic()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return max(self._wall(), self._begun + time.monotonic())


def open_quarantine(environ: Mapping[str, str], policy: Policy, policy_path: str | None) -> Quarantine:
    """Return the quarantine that holds for a policy; a list is read when it is asked for the first time.

    Args:
        environ: Says where the ledger and the state of this user are.
        policy: Its ``quarantine`` says which lists hold, and who signs them.
        policy_path: Where it was read; lists and keys lie relative to it.

    Raises:
        WeighlockError: A key cannot be read, or a list is to be in a ledger that is nowhere.
    """
    from weighlock.gates.watched_list import lists_of

    return Quarantine(lists_of(environ, policy, policy_path, Memory(environ)), policy.quarantine)
