"""What `where` looks into, read: which sources are asked, how fresh each is, and which could not be read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.gates.ledger import host_name
from weighlock.gates.where_documents import BILL, ENVIRONMENT, LOCKFILE, PROMOTIONS, Reader, Told
from weighlock.gates.where_ledger import follow
from weighlock.gates.where_places import Found, named, of_environment, of_project, recorded_kind
from weighlock.gates.where_promotions import stores_of
from weighlock.incidents.accesses import Accesses
from weighlock.incidents.reach import BASE_MODEL, ELSEWHERE, GONE, MODEL, READ, UNREADABLE, Gap, Looked
from weighlock.incidents.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from weighlock.gates.project import Project
    from weighlock.gates.where import Question
    from weighlock.gates.where_ledger import LedgerView
    from weighlock.gates.where_subject import Sense
    from weighlock.incidents.index import Index
    from weighlock.incidents.sources import Source

_REMEDIES = {
    LOCKFILE: "restore it, or `weighlock lock`",
    BILL: "write it anew: `weighlock bom --output FILE`",
    ENVIRONMENT: "let this user read it",
    PROMOTIONS: "let this user write to the folder of the store, or mend it",
}


@dataclass(slots=True)
class Collected:
    """What was looked into.

    Args:
        sources: That are asked.
        looked: What was looked at, or was to be.
        gaps: What could not be read.
        notes: What else a person should know.
        blind: How many models have a card that says what they were made from and that is not here.
    """

    sources: list[Source] = field(default_factory=list)
    looked: list[Looked] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    blind: int = 0

    @property
    def numbers(self) -> set[int]:
        """The numbers of the sources that are asked."""
        return {one.id for one in self.sources}

    def add(self, source: Source) -> None:
        """Take up a source that was read, or could not be."""
        told, fresh = Told.of(source), _fresh(source)
        self.sources.append(source)
        self.blind += told.models
        state = UNREADABLE if source.problem else READ
        self.looked.append(
            Looked(kind=source.kind, place=source.place, state=state, told=source.problem or told.text, fresh=fresh)
        )
        if source.problem:
            self.gaps.append(Gap(place=source.place, why=source.problem, remedy=_REMEDIES[source.kind]))

    def gaps_for(self, senses: Iterable[Sense]) -> tuple[Gap, ...]:
        """Return the gaps that matter for what a subject means."""
        if not self.blind or not {MODEL, BASE_MODEL} & {one.kind for one in senses}:
            return tuple(self.gaps)
        why = f"the cards of {self.blind} locked models are not on this machine: what these were made from is not known"
        return (*self.gaps, Gap(place="lineage", why=why, remedy="weighlock sync"))


def collect(
    question: Question, project: Project, view: LedgerView, index: Index, progress: Callable[[int, int], None]
) -> Collected:
    """Read everything that is new.

    Raises:
        UsageError: A place that was named is not there, or is nothing that could be read.
        sqlite3.Error: The index is broken.
    """
    found = Collected()
    follow(view, Accesses(index), index, progress)
    if view.looked is not None:
        found.looked.append(view.looked)
    sources = Sources(index, int(question.now.timestamp()))
    reader = Reader(index, sources)
    places = _places(question, project)
    for one in places:
        found.gaps += one.gaps
    documents = {key: None for one in places for key in one.documents}
    _add_recorded(documents, index, sources, found)
    for kind, place in documents:
        try:
            found.add(reader.document(kind, place))
        except FileNotFoundError:  # it went away this moment, or is a link to nothing
            found.gaps.append(Gap(place=place, why="is not there", remedy="look again"))
    for prefix, folders in {key: value for one in places for key, value in one.environments.items()}.items():
        found.add(reader.environment(prefix, folders))
    for store in stores_of(project, question.environ):
        found.add(reader.promotions(store))
    with index.transaction():
        sources.used(found.numbers)
    return found


def _places(question: Question, project: Project) -> list[Found]:
    places = [of_project(project.lock)]
    active = of_environment(question.environ.get("VIRTUAL_ENV"))
    return [*places, active, *map(named, question.places)]


def _add_recorded(documents: dict[tuple[str, str], None], index: Index, sources: Sources, found: Collected) -> None:
    """Add documents that the ledger recorded and that are here, and say which are not."""
    here, known = host_name(), {place for _, place in documents}
    gone, elsewhere = list[str](), list[tuple[str, str]]()
    for path, host, digest in list(index.rows("SELECT path, host, digest FROM document ORDER BY path")):
        if path in known:
            continue
        if host != here:
            if sources.holding(digest) is None:
                elsewhere.append((path, host))
            continue
        try:
            kind = recorded_kind(path)
        except FileNotFoundError:
            gone.append(path)
            continue
        except (OSError, ValueError) as error:
            why = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            found.gaps.append(Gap(place=path, why=why, remedy="let this user read it"))
            continue
        if kind is not None:
            documents[kind, path] = None
            known.add(path)
    found.looked += [Looked(kind="document", place=path, state=GONE, told="recorded here, and gone") for path in gone]
    for path, host in elsewhere:
        found.looked.append(Looked(kind="document", place=path, state=ELSEWHERE, told=f"recorded on {host}"))
    if gone:
        count = (
            f"{len(gone)} documents that the ledger recorded here are"
            if len(gone) > 1
            else "a document that the ledger recorded here is"
        )
        found.notes.append(f"{count} gone: what was locked and loaded by it still stands in the ledger, by its digests")
    if elsewhere:
        hosts = sorted({host for _, host in elsewhere})
        why = f"{len(elsewhere)} documents that were recorded on {', '.join(hosts[:5])} are not here"
        found.gaps.append(Gap(place="documents of other hosts", why=why, remedy="name copies of them with --in"))


def _fresh(source: Source) -> datetime | None:
    """Return when a document was changed last, as its stamp has it."""
    if source.kind in {LOCKFILE, BILL}:
        try:
            status = os.stat(source.place)
        except OSError:
            return None
        return datetime.fromtimestamp(status.st_mtime, UTC)
    return None
