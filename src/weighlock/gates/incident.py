"""The report about an incident: the sequence that makes it.

1. Absorb what processes recorded, seal it, and verify the whole ledger; whatever is wrong is a gap.
2. Say what the subject means, and where it is, as `where` does.
3. Read every entry, and keep those about it: no index is believed for that.
4. Read the quarantine list, measure, and prove the entries that matter most.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.errors import LedgerError, WeighlockError
from weighlock.gates.incident_denials import denials_about, lists_of, meant
from weighlock.gates.incident_proofs import prove_steps
from weighlock.gates.ledger import absorb_spools, open_ledger, verify
from weighlock.gates.where import Question, answer
from weighlock.incidents.frontier import Frontier
from weighlock.incidents.measures import measure
from weighlock.incidents.reach import Gap
from weighlock.incidents.timeline import Incident, Vouched
from weighlock.incidents.watch import Events, Watch
from weighlock.ledger import verifier
from weighlock.ledger.tiles import verified

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from weighlock.incidents.reach import Reach
    from weighlock.ledger.interface import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the report is about.

    Args:
        subject: A digest, a file, a name, or the id of a quarantine.
        meaning: The one meaning that is asked for.
        since: Not before.
        until: Before.
        lockfile: Of the project.
        ledger: Its place, where that is not the usual one.
        environ: The variables of the user.
        now: The time.
    """

    subject: str
    meaning: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    lockfile: str | None = None
    ledger: str | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def covers(self, time: datetime) -> bool:
        """Say whether a time is asked for."""
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


def report(asked: Asked, progress: Callable[[int, int], None] = lambda _done, _all: None) -> Incident:
    """Make the report.

    Args:
        asked: What it is about.
        progress: Is told how many entries of the ledger were read, and how many there are.

    Raises:
        UsageError: The subject can mean nothing.
        WeighlockError: Nothing can be looked at at all.
    """
    gaps: list[Gap] = []
    notes: list[str] = []
    ledger = open_ledger(asked.environ, asked.ledger)
    lists = lists_of(asked.environ, asked.lockfile, asked.now, gaps, notes)
    subject, more = meant(asked.subject, lists)
    vouched, root = _verified(ledger, asked, gaps)  # 1
    reach = _reach(asked, subject, progress)  # 2
    reach = replace(reach, digests=tuple(sorted({*reach.digests, *more})))
    promoted = [one for one in reach.promoted if one.why == "is"]
    statements = {one.statement for one in promoted if one.statement}
    watch = Watch({*reach.digests, *statements}, reach.meanings, sorted({one.model for one in promoted}))
    events = Events(watch, asked.covers)
    vouched = _read(ledger, vouched, root, events, gaps)  # 3
    steps = events.steps()
    denials = denials_about(lists, reach, steps)
    notes += reach.notes
    if events.dropped:
        notes.append(
            f"{events.dropped} entries about it are of too many kinds to be told apart, and not in the timeline"
        )
        gaps.append(Gap(place=ledger.place, why=notes[-1], remedy="weighlock ledger search"))
    proofs = () if vouched.problem or not vouched.checkpoint else prove_steps(ledger, steps)  # 4
    return Incident(
        subject=asked.subject,
        now=asked.now,
        since=asked.since,
        until=asked.until,
        reach=reach,
        steps=steps,
        denials=denials,
        times=measure(steps, denials, events.last_seen),
        proofs=proofs,
        ledger=vouched,
        gaps=tuple(dict.fromkeys((*gaps, *reach.gaps))),
        notes=tuple(dict.fromkeys(notes)),
    )


def _verified(ledger: Ledger, asked: Asked, gaps: list[Gap]) -> tuple[Vouched, bytes]:
    """Seal what there is, verify all of it, and return the root that its entries have to have."""
    found = Vouched(place=ledger.place)
    try:
        unreadable = absorb_spools(ledger, asked.now).unreadable
        if unreadable:
            why = f"{unreadable} spools of others cannot be read, and what waits in them is left out"
            gaps.append(Gap(place=ledger.place, why=why, remedy="run it as the user that owns them"))
        if ledger.seals() and ledger.size() > ledger.sealed():
            ledger.checkpoint()
        found = replace(found, entries=ledger.size())
        done = verify(ledger, None, None)
        key, note = ledger.key.read(), ledger.published() or b""
        checkpoint = verified(lambda: verifier.verify_checkpoint(note, key.public))
    except (LedgerError, OSError) as error:
        why = error.message if isinstance(error, WeighlockError) else str(error)
        gaps.append(Gap(place=ledger.place, why=f"not verified: {why}", remedy="weighlock ledger verify"))
        return replace(found, problem=why), b""
    found = replace(
        found, sealed=checkpoint.size, missing=done["missing"], checkpoint=note.decode("utf-8", "replace"), key=key.vkey
    )
    if done["missing"]:
        why = f"{done['missing']} records of processes never came: they were lost, or taken out before they were sealed"
        gaps.append(Gap(place=ledger.place, why=why, remedy="ask who runs those hosts for their spools"))
    if done["unsealed"]:
        why = f"{done['unsealed']} entries are not sealed, and are left out"
        gaps.append(Gap(place=ledger.place, why=why, remedy="weighlock ledger checkpoint, as who has its key"))
    return found, checkpoint.root


def _reach(asked: Asked, subject: str, progress: Callable[[int, int], None]) -> Reach:
    question = Question(
        subject=subject,
        meaning=asked.meaning,
        lockfile=asked.lockfile,
        ledger=asked.ledger,
        environ=asked.environ,
        now=asked.now,
        absorbs=False,  # that was done, and sealed
    )
    found = answer(question, progress)
    told = "what running processes recorded was left in their spools and not looked at"
    return replace(found, notes=tuple(one for one in found.notes if one != told))


def _read(ledger: Ledger, vouched: Vouched, root: bytes, events: Events, gaps: list[Gap]) -> Vouched:
    """Read every entry; what was verified before somebody changed it proves nothing, so the tree is computed anew."""
    tree, size = Frontier(), vouched.entries if vouched.problem else vouched.sealed
    try:
        for number, data in enumerate(ledger.read(0, size)):
            events.add(number, data)
            tree.add(data)
    except (LedgerError, OSError) as error:
        why = f"cannot be read to its end: {error.message if isinstance(error, WeighlockError) else error}"
    else:
        why = "" if vouched.problem or tree.root() == root else "edited: it was changed while it was read"
    if why:
        gaps.append(Gap(place=ledger.place, why=why, remedy="weighlock ledger verify"))
    return replace(vouched, problem=vouched.problem or why)
