"""Where something is: the sequence that answers it.

1. Collect: the ledger with what waits in spools, lockfiles, bills of materials, environments, promoted versions. The
   index reads what is new; whatever could not be read is a gap.
2. Identify: what the subject can mean.
3. Find: where each of these is, what was made from it, and who accessed it.
4. Doubt: that nothing was found is not believed from the index alone, see `where_doubt`.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.errors import WeighlockError
from weighlock.gates.project import find_project
from weighlock.gates.where_collect import Collected, collect
from weighlock.gates.where_documents import LOCKFILE
from weighlock.gates.where_doubt import documents_with, entry_with
from weighlock.gates.where_find import Finder
from weighlock.gates.where_ledger import open_view
from weighlock.gates.where_subject import names_of_folder, senses_of, signers_of
from weighlock.incidents.entries import read
from weighlock.incidents.index import Index, place_of
from weighlock.incidents.reach import ADVISORY, SIGNER, Gap, Reach
from weighlock.incidents.search import Search
from weighlock.incidents.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from weighlock.gates.project import Project
    from weighlock.gates.where_ledger import LedgerView
    from weighlock.gates.where_subject import Sense


_BROKEN = (sqlite3.Error, ValueError, TypeError, KeyError, OverflowError)
"""What reading an index raises that is not what was written: by a disk, or by somebody who changed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, and where.

    Args:
        subject: A digest, a file, or a name.
        meaning: The one meaning that is asked for, see `weighlock.incidents.reach.MEANINGS`.
        derived: The digests of what was made from it count as its own.
        places: Files and folders to look into, beside the project and what the ledger recorded.
        lockfile: Of the project; by default the nearest.
        ledger: Its place, where that is not the usual one.
        environ: The variables of the user.
        now: The time.
        rebuild: Make the index anew.
        absorbs: Move into the ledger what processes recorded.
    """

    subject: str
    meaning: str | None = None
    derived: bool = False
    places: tuple[str, ...] = ()
    lockfile: str | None = None
    ledger: str | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    rebuild: bool = False
    absorbs: bool = True


def reach(
    subject: str,
    *,
    environ: Mapping[str, str] | None = None,
    now: datetime | None = None,
    meaning: str | None = None,
    derived: bool = False,
    places: tuple[str, ...] = (),
    lockfile: str | None = None,
) -> Reach:
    """Return where something is, for other gates: `Reach.digests` are the files that it stands for.

    Args:
        subject: A digest, a file, or a name.
        environ: The variables of the user.
        now: The time.
        meaning: The one meaning that is asked for.
        derived: The digests of what was made from it count as its own.
        places: Files and folders to look into, beside the project and what the ledger recorded.
        lockfile: Of the project; by default the nearest.

    Raises:
        UsageError: The subject can mean nothing, or begins several digests.
        WeighlockError: Nothing can be looked at at all.
    """
    question = Question(
        subject=subject,
        meaning=meaning,
        derived=derived,
        places=places,
        lockfile=lockfile,
        environ=os.environ if environ is None else environ,
        now=now or datetime.now(UTC),
    )
    return answer(question)


def answer(question: Question, progress: Callable[[int, int], None] = lambda _done, _all: None) -> Reach:
    """Answer a question.

    Args:
        question: What is asked.
        progress: Is told how many entries of the ledger were read, and how many there are.

    Raises:
        UsageError: The subject can mean nothing, or begins several digests.
        WeighlockError: Nothing can be looked at at all.
    """
    project = find_project(question.environ, question.lockfile)
    view = open_view(question.environ, question.ledger, absorbs=question.absorbs, now=question.now)
    with Index(place_of(question.environ, view.ledger.place), anew=question.rebuild) as index:
        asking = _Asking(question=question, project=project, view=view, index=index, progress=progress)
        try:
            return asking.doubted()
        except _BROKEN as error:
            view.gaps[:] = asking.before
            index.begin_anew(f"the index was broken, and made anew: {error}")
        try:
            return asking.doubted()
        except sqlite3.Error as error:
            hint = "make room there, or set WEIGHLOCK_STATE to another folder"
            raise WeighlockError(f"the index cannot be made: {error}", where=index.path, hint=hint) from None


class _Asking:
    """One question, with everything that it takes to answer it."""

    def __init__(
        self,
        *,
        question: Question,
        project: Project,
        view: LedgerView,
        index: Index,
        progress: Callable[[int, int], None],
    ) -> None:
        self._question, self._project, self._view, self._index = question, project, view, index
        self._progress = progress
        self.before = tuple(view.gaps)

    def doubted(self) -> Reach:
        """Answer, and where nothing was found, look whether any source mentions the subject after all."""
        found, collected = self._answered()
        if found.found:
            return found
        # 4. Doubt
        documents = documents_with(found.meanings, collected.sources)
        number, entry = entry_with(found.meanings, self._view.ledger) or (-1, b"")
        if entry and read(entry) is None:
            return self._with_gap(found, number)
        if not documents and not entry:
            return found
        self._view.gaps[:] = self.before
        if entry:
            self._index.begin_anew(f"the index did not have what entry {number} of the ledger says, and was made anew")
        else:
            with self._index.transaction():
                for one in documents:
                    Sources(self._index, 0).forget(one.kind, one.place)
        again, _ = self._answered()
        return again if again.found or not entry else self._with_gap(again, number)

    def _with_gap(self, found: Reach, number: int) -> Reach:
        why = f"entry {number} mentions it, in a way that is not understood"
        gap = Gap(place=self._view.ledger.place, why=why, remedy="weighlock ledger search")
        return replace(found, gaps=(*found.gaps, gap))

    def _answered(self) -> tuple[Reach, Collected]:
        # 1. Collect
        question, view = self._question, self._view
        collected = collect(question, self._project, view, self._index, self._progress)
        search = Search(self._index, collected.numbers)
        # 2. Identify
        signers = signers_of(self._project)
        folders = names_of_folder(question.subject, [one.place for one in collected.sources if one.kind == LOCKFILE])
        senses = senses_of(question.subject, search, chosen=question.meaning, signers=signers, folders=folders)
        # 3. Find
        finder = Finder(self._index, search)
        for sense in senses:
            self._add(finder, sense, search, collected)
        finder.follow()
        finds = finder.finds
        found = Reach(
            subject=question.subject,
            meanings=tuple(finds.meanings),
            digests=tuple(sorted(finds.digests | (finds.made if question.derived else set()))),
            locked=tuple(sorted(finds.locked.values(), key=lambda one: (one.place, one.model, one.path))),
            listed=tuple(sorted(finds.listed.values(), key=lambda one: (one.place, one.part, one.why))),
            installed=tuple(sorted(finds.installed.values(), key=lambda one: (one.place, one.name))),
            promoted=tuple(sorted(finds.promoted.values(), key=lambda one: (one.place, one.model, one.version))),
            derived=tuple(sorted(finds.derived.values(), key=lambda one: (one.steps, one.name, one.place))),
            accesses=finder.accesses(),
            looked=tuple(collected.looked),
            gaps=tuple(dict.fromkeys((*view.gaps, *collected.gaps_for(senses)))),
            notes=tuple(dict.fromkeys((*view.notes, *self._index.notes, *collected.notes))),
        )
        return found, collected

    def _add(self, finder: Finder, sense: Sense, search: Search, collected: Collected) -> None:
        question, project = self._question, self._project
        if sense.kind not in {ADVISORY, SIGNER}:
            finder.add(sense)
            return
        from weighlock.gates.where_others import advised, signed_by

        if sense.kind == ADVISORY:
            meant, hits = advised(sense, search, collected, project.policy, question)
            finder.add(meant, hits, why=sense.name)
        else:
            meant, hits = signed_by(sense, search, collected, project, question.now)
            finder.add(meant, hits, why="signed")
