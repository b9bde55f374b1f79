"""The ledger as `where` reads it: what waits in spools is moved into it, and what was sealed has to be there.

1. Spools are absorbed, so that what runs now is in it.
2. The checkpoint is verified, and compared with the last one that the key of this user signed.
3. The index follows; whatever is wrong is a gap, and what can be read is read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import LedgerError, TamperedError, WeighlockError
from weighlock.gates.ledger import absorb_spools, open_ledger
from weighlock.gates.recording import is_database
from weighlock.incidents.accesses import Seal
from weighlock.incidents.reach import READ, UNREADABLE, Gap, Looked
from weighlock.ledger import verifier
from weighlock.ledger.store import size_of
from weighlock.ledger.tiles import verified

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from weighlock.incidents.accesses import Accesses
    from weighlock.incidents.index import Index
    from weighlock.ledger.interface import Ledger

_CHECK = "weighlock ledger verify"


@dataclass(slots=True)
class LedgerView:
    """A ledger, as far as it can be read.

    Args:
        ledger: That is open.
        gaps: What is wrong with it.
        notes: What else a person should know.
        looked: That it was looked at.
    """

    ledger: Ledger
    gaps: list[Gap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    looked: Looked | None = None

    def gap(self, why: str, remedy: str = _CHECK) -> None:
        """Note that something is wrong."""
        self.gaps.append(Gap(place=self.ledger.place, why=why, remedy=remedy))


def open_view(environ: Mapping[str, str], place: str | None, *, absorbs: bool, now: datetime) -> LedgerView:
    """Open the ledger, and move into it what processes recorded.

    Raises:
        LedgerError: Nothing says where it is, or it was named and is not there.
    """
    if place and not is_database(place) and not os.path.isdir(place):
        raise LedgerError("there is no ledger", where=place, hint="is the path right?")
    view = LedgerView(ledger=open_ledger(environ, place))
    if not absorbs:
        view.notes.append("what running processes recorded was left in their spools and not looked at")
        return view
    try:
        done = absorb_spools(view.ledger, now)
    except (LedgerError, OSError) as error:
        view.gap(f"what processes recorded cannot be moved into it: {_told(error)}", "let this user write the ledger")
        return view
    if done.unreadable:
        view.gap(f"{done.unreadable} spools of others cannot be read", "run it as the user that owns them")
    if done.broken:
        view.notes.append(f"{done.broken} lines of spools were no entries, and are recorded as such")
    return view


def follow(view: LedgerView, accesses: Accesses, index: Index, progress: Callable[[int, int], None]) -> None:
    """Bring the index up to date.

    Raises:
        sqlite3.Error: The index is broken.
    """
    ledger = view.ledger
    try:
        done = accesses.follow(ledger, _seal_of(view), progress)
    except (LedgerError, OSError) as error:
        view.gap(_told(error))
        view.looked = Looked(kind="ledger", place=ledger.place, state=UNREADABLE, told=_told(error))
        return
    if done.differs:
        view.gap("edited: its entries are not those that its checkpoint signs")
    if done.strange:
        view.gap(f"{done.strange} of its entries are none that this weighlock knows", "weighlock ledger search")
    lost = index.get("lost")
    if lost:
        view.gap(str(lost), "find out why; then `weighlock where --rebuild` begins a new index")
    told = f"{done.entries} {'entry' if done.entries == 1 else 'entries'}, {done.sealed} of them sealed"
    view.looked = Looked(kind="ledger", place=ledger.place, state=READ, told=told)


def _seal_of(view: LedgerView) -> Seal | None:
    """Return what is sealed, after whatever can be verified of it was; another process may seal more meanwhile."""
    ledger, note = view.ledger, view.ledger.published()
    try:
        if not ledger.key.exists():
            if note is not None:
                view.notes.append("this user has no key of the ledger: nothing vouches for its entries here")
            size = 0 if note is None else size_of(note, ledger.place)
            return Seal(size, ledger.root(size)) if size else None
        key, last = ledger.key.read().public, ledger.key.last()
        own = None if last is None else verified(lambda: verifier.verify_checkpoint(last, key))
        if own is not None and ledger.size() < own.size:
            view.gap(f"rollback: it has {ledger.size()} entries, and its key signed that it had {own.size}")
        if note is None:
            return None
        now = verified(lambda: verifier.verify_checkpoint(note, key))
        if own is not None and own.size <= now.size and ledger.root(own.size) != own.root:
            view.gap(f"fork: the first {own.size} entries are not those that its key signed")
    except TamperedError as error:
        view.gap(_told(error))
        return None
    return Seal(now.size, now.root)


def _told(error: Exception) -> str:
    if isinstance(error, WeighlockError):
        return error.message
    return getattr(error, "strerror", None) or str(error)
