"""Everything about what a subject means, put together from the index: the sequence behind `where`.

1. What has the names and the digests of the subject, and which files it stands for.
2. What was made from that, however many steps away; circles end where they close.
3. Who accessed any of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from weighlock.gates.where_subject import is_version
from weighlock.incidents import names
from weighlock.incidents.counts import Counts
from weighlock.incidents.reach import (
    ADVISORY,
    BASE_MODEL,
    DIGEST,
    MODEL,
    PACKAGE,
    SIGNER,
    Derived,
    Installed,
    Listed,
    Locked,
    Meaning,
    PromotedVersion,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighlock.gates.where_subject import Sense
    from weighlock.incidents.index import Index
    from weighlock.incidents.reach import Access
    from weighlock.incidents.search import Hit, Search

_DEEPEST = 64
"""Parts in parts that are followed."""


@dataclass(slots=True)
class Finds:
    """What was found so far.

    Args:
        meanings: What the subject means.
        locked: In lockfiles, by the item.
        listed: In bills.
        installed: In environments.
        promoted: In registries.
        derived: What was made from it.
        digests: Of the files that the subject stands for.
        made: Of the files of what was made from it.
    """

    meanings: list[Meaning] = field(default_factory=list)
    locked: dict[int, Locked] = field(default_factory=dict)
    listed: dict[tuple[int, str], Listed] = field(default_factory=dict)
    installed: dict[int, Installed] = field(default_factory=dict)
    promoted: dict[int, PromotedVersion] = field(default_factory=dict)
    derived: dict[int, Derived] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)


class Finder:
    """Answers about one subject.

    Args:
        index: That is up to date.
        search: Of the same index, for the sources that are asked.
    """

    def __init__(self, index: Index, search: Search) -> None:
        self._search = search
        self._counts = Counts(index, search)
        self.finds = Finds()
        self._roots: set[int] = set()
        self._own: set[int] = set()

    def add(self, sense: Sense, documents: Iterable[Hit] = (), why: str = "is") -> None:
        """Take up one meaning of the subject.

        Args:
            sense: The meaning.
            documents: Items that it stands for beside those of its names, such as all that a signer signed.
            why: How these items come to be it.
        """
        hits = [one for one in self._search.items(sense.words) if self._is_meant(one, sense)]
        whole = [*hits, *documents]
        digests = {sense.name} if sense.kind == DIGEST else set[str]()
        if sense.kind != BASE_MODEL:
            digests |= self._place(whole, sense, why)
        if sense.kind in {PACKAGE, ADVISORY} and sense.subjects:
            words = self._counts.digests_called(sense.subjects, "package")
            digests |= {self._search.text(word) for word in words}
        self.finds.meanings.append(
            Meaning(kind=sense.kind, name=sense.name, digests=tuple(sorted(digests)), known=sense.known)
        )
        self.finds.digests |= digests
        self._roots |= self._roots_of(sense, whole, digests)
        self._counts.about(self._words(digests))
        self._counts.called(sense.subjects)
        if sense.kind in {DIGEST, SIGNER}:
            self._counts.resting(sense.words)

    def follow(self) -> None:
        """Find what was made from the subject, and who accessed that."""
        words, steps = self._roots, 0
        seen = self._own
        while words:
            steps += 1
            fresh = [(word, one) for word, one in self._search.resting(words, "ancestor") if one.id not in seen]
            seen = seen | {one.id for _, one in fresh}
            hits = {one.id: one for _, one in fresh}
            inner = self._below(hits.values())
            for word, one in fresh:
                digests = {part.digest for part in (one, *inner.get(one.id, ())) if part.digest}
                self.finds.made |= digests - self.finds.digests
                base = self._search.text(word).removeprefix("model:")
                self.finds.derived.setdefault(
                    one.id,
                    Derived(name=one.name, base=base, steps=steps, place=one.place, digests=tuple(sorted(digests))),
                )
            found = self._search.keys_of(hits).values()
            words = set[int]().union(*found) - self._roots
            self._roots |= words
        made = self._words(self.finds.made)
        self._counts.about(made, derived=True)
        called = self._search.words(names.model(one.name) for one in self.finds.derived.values())
        for hit in self._search.items(made | called):
            if hit.kind == "promoted" and hit.id not in self.finds.promoted:
                self.finds.promoted[hit.id] = _promoted(hit, "derived")

    def accesses(self) -> tuple[Access, ...]:
        """Return who accessed any of it."""
        return self._counts.result()

    def _is_meant(self, one: Hit, sense: Sense) -> bool:
        if sense.kind == PACKAGE and sense.version:
            return is_version(one.version, sense.version)
        return True

    def _place(self, hits: Iterable[Hit], sense: Sense, why: str) -> set[str]:
        """Note where items are, and return the digests of the files that they stand for."""
        whole = list(hits)
        digests = {one.digest for one in whole if one.digest and sense.kind != DIGEST}
        inner = self._below(
            one for one in whole if one.kind in {"model", "component"} and sense.kind in {MODEL, SIGNER}
        )
        parents = self._search.parents(whole)
        for one in whole:
            self._note(one, parents.get(one.parent or -1), why)
            for part in inner.get(one.id, ()):
                digests |= {part.digest} - {""}
                self._note(part, one, "contains" if why == "is" else why)
            if one.kind == "promoted" and sense.kind != DIGEST:
                digests |= set(one.detail["digests"])
        self._note_needing([one for one in whole if one.kind == "component"])
        return digests

    def _note_needing(self, hits: list[Hit]) -> None:
        """Note what needs a component; what a document calls its parts means something in that document alone."""
        owners = {(word, one.source_id) for one in hits for word in self._search.keys_of([one.id]).get(one.id, ())}
        for word, one in self._search.resting({word for word, _ in owners}, "needs"):
            if (word, one.source_id) in owners:
                self.finds.listed.setdefault((one.id, "needs"), _listed(one, "needs"))

    def _note(self, one: Hit, parent: Hit | None, why: str) -> None:
        finds = self.finds
        if one.kind == "file" and parent is not None:
            finds.locked[one.id] = Locked(
                place=one.place,
                model=parent.name,
                source=str(parent.detail.get("source", "")),
                path=one.name,
                digest=one.digest,
                size=one.size or 0,
                approved=tuple(one.detail.get("approved", ())),
            )
        elif one.kind == "component":
            reason = "ancestor" if one.detail.get("ancestor") else why
            finds.listed.setdefault((one.id, reason), _listed(one, reason))
        elif one.kind == "package":
            finds.installed[one.id] = Installed(place=one.place, name=one.name, version=one.version, why=why)
        elif one.kind == "promoted":
            finds.promoted[one.id] = _promoted(one, why)

    def _below(self, hits: Iterable[Hit]) -> dict[int, list[Hit]]:
        """Return everything that lies in items, however deep, by the item."""
        owners = {one.id: one.id for one in hits}
        found: dict[int, list[Hit]] = {}
        level = set(owners)
        for _ in range(_DEEPEST):
            inner = [one for one in self._search.children(level) if one.id not in owners]
            for one in inner:
                owner = owners[one.parent or -1]
                owners[one.id] = owner
                found.setdefault(owner, []).append(one)
            level = {one.id for one in inner}
            if not level:
                break
        return found

    def _roots_of(self, sense: Sense, hits: list[Hit], digests: set[str]) -> set[int]:
        """Return the names and digests that something may have been made from."""
        if sense.kind == BASE_MODEL:
            return set(sense.words)
        if sense.kind not in {MODEL, DIGEST}:
            return set()
        held = self._search.parents(one for one in hits if one.kind == "file" and one.detail.get("format"))
        models = {one.id for one in hits if one.kind in {"model", "component", "promoted"}} | set(held)
        self._own |= models
        keys = self._search.keys_of(models).values()
        return set(sense.words).union(self._words(digests), *keys)

    def _words(self, digests: Iterable[str]) -> set[int]:
        return self._search.words(bytes.fromhex(digest.removeprefix("sha256:")) for digest in digests)


def _listed(one: Hit, why: str) -> Listed:
    return Listed(
        place=one.place,
        name=one.name,
        version=one.version,
        kind=str(one.detail.get("kind", "")),
        part=str(one.detail.get("part", "")),
        why=why,
        inside=str(one.detail.get("inside", "")),
    )


def _promoted(one: Hit, why: str) -> PromotedVersion:
    time = one.detail.get("time")
    return PromotedVersion(
        place=one.place,
        model=one.name,
        version=one.version,
        stage=str(one.detail.get("stage", "")),
        digests=tuple(one.detail.get("digests", ())),
        statement=str(one.detail.get("statement", "")),
        time=datetime.fromisoformat(time) if time else None,
        in_force=bool(one.detail.get("in_force", True)),
        why=why,
    )
