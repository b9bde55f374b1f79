"""Documents, environments and registries that `where` looks into, each read once and again when it changed.

What cannot be read is kept with the reason, so that nobody takes it for empty.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.digest_cache import is_settled, key_of
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError, WeighlockError
from weighlock.formats.json_text import LARGEST
from weighlock.incidents.sources import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from weighlock.gates.places import Places
    from weighlock.incidents.index import Index
    from weighlock.incidents.interface import Promotions
    from weighlock.incidents.sources import Sources
    from weighlock.incidents.things import Item
    from weighlock.lockfile import LockedModel

LOCKFILE, BILL, ENVIRONMENT, PROMOTIONS = "lockfile", "bill", "environment", "promotions"

_ABOUT_BASES = frozenset({"README.md", "adapter_config.json"})
_LARGEST_LOCKFILE = 1 << 28
_FLAGS = sum((getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY")), os.O_RDONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What there is to say about a source, beside its items.

    Args:
        text: Such as how many models it has.
        missing: Places and stamps of model cards, which say what models were made from, that could not be read.
        models: How many models have such a card that is not here or could not be read.
    """

    text: str
    missing: tuple[tuple[str, str], ...] = ()
    models: int = 0

    @classmethod
    def of(cls, source: Source) -> Told:
        """Read what is kept."""
        text, missing, models = json.loads(source.told) if source.told else ("", [], 0)
        return cls(text=text, missing=tuple((place, stamp) for place, stamp in missing), models=models)

    def kept(self) -> str:
        """Return what is kept."""
        return json.dumps([self.text, self.missing, self.models])


class Reader:
    """Reads sources into an index.

    Args:
        index: That is open.
        sources: Of the same index.
    """

    def __init__(self, index: Index, sources: Sources) -> None:
        self._index, self._sources = index, sources

    def document(self, kind: str, place: str) -> Source:
        """Read a lockfile or a bill, where it is another one than it was.

        Args:
            kind: `LOCKFILE` or `BILL`.
            place: Its absolute path.

        Raises:
            FileNotFoundError: It is not there.
        """
        known = self._sources.find(kind, place)
        try:
            data, stamp = _read(place, known, _LARGEST_LOCKFILE if kind == LOCKFILE else LARGEST + 1)
        except FileNotFoundError:
            raise
        except OSError as error:
            return self._problem(kind, place, f"cannot be read: {error.strerror}")
        if known is not None and data is None and not self._has_cards(known):
            return known
        if data is None:
            data, stamp = _read(place, None, _LARGEST_LOCKFILE)
        return self._parsed(kind, place, data or b"", stamp, known)

    def environment(self, place: str, folders: Sequence[str]) -> Source:
        """Read what is installed in an environment.

        Args:
            place: What it is called.
            folders: Its library folders.
        """
        from weighlock.incidents.things import of_environment
        from weighlock.sources.installed import distributions

        try:
            names = sorted(name for folder in folders for name in os.listdir(folder) if name.endswith("-info"))
            digest = hashlib.sha256("\n".join([*folders, *names]).encode("utf-8", "surrogateescape")).digest()
            known = self._sources.find(ENVIRONMENT, place)
            if known is not None and known.digest == digest and not known.problem:
                return known
            found = {(name, version) for folder in folders for name, version, _ in distributions(folder)}
        except (OSError, WeighlockError) as error:
            return self._problem(ENVIRONMENT, place, str(error))
        told = Told(text=_amount(len(found), "package"))
        return self._keep(Source(0, ENVIRONMENT, place, "", digest, "", told.kept()), of_environment(found))

    def promotions(self, store: Promotions) -> Source:
        """Read what was promoted in a store."""
        from weighlock.incidents.things import of_promotions

        try:
            stamp = store.stamp()
            known = self._sources.find(PROMOTIONS, store.place)
            if known is not None and known.stamp == stamp and not known.problem:
                return known
            found = list(store.collect())
        except WeighlockError as error:
            return self._problem(PROMOTIONS, store.place, error.message)
        told = Told(text=_amount(len(found), "promoted version"))
        return self._keep(Source(0, PROMOTIONS, store.place, stamp, b"", "", told.kept()), of_promotions(found))

    def _parsed(self, kind: str, place: str, data: bytes, stamp: str, known: Source | None) -> Source:
        digest = hashlib.sha256(data).digest()
        if known is not None and known.digest == digest and not known.problem and not self._has_cards(known):
            with self._index.transaction():
                return self._sources.restamp(known, stamp)
        try:
            told, items = _lockfile(data, place) if kind == LOCKFILE else _bill(data)
            return self._keep(Source(0, kind, place, stamp, digest, "", told.kept()), items)
        except WeighlockError as error:
            return self._problem(kind, place, f"{error.where}: {error.message}" if error.where else error.message)

    @staticmethod
    def _has_cards(known: Source) -> bool:
        """Say whether a card that was not here, or could not be read, is here now, or is another one."""
        return any(_stamp_of(place) != stamp for place, stamp in Told.of(known).missing)

    def _keep(self, found: Source, items: Iterable[Item]) -> Source:
        with self._index.transaction():
            return self._sources.keep(found, items)

    def _problem(self, kind: str, place: str, why: str) -> Source:
        with self._index.transaction():
            return self._sources.keep(Source(0, kind, place, "", b"", why, ""), ())


def kind_of(data: bytes) -> str | None:
    """Return whether the beginning of a file is that of a lockfile or of a bill, or `None` where it is of neither."""
    start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"{", b"SPDXVersion:")):
        marks = (b'"bomFormat"', b'"spdxVersion"', b'"@context"', b"SPDXVersion:")
        return BILL if any(mark in data for mark in marks) else None
    return LOCKFILE if b"\nlock-version" in b"\n" + data and b"[[models]]" in data else None


def _read(place: str, known: Source | None, most: int) -> tuple[bytes | None, str]:
    """Return the bytes of a file and its stamp; no bytes where the stamp is as it was."""
    with open(os.open(place, _FLAGS), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(22, "it is not a regular file", place)
        stamp = ":".join(map(str, key_of(status))) if is_settled(status) else ""
        if known is not None and stamp and known.stamp == stamp and not known.problem:
            return None, stamp
        data = file.read(most)
        if len(data) == most:
            raise OSError(27, f"it is larger than {most} bytes", place)
        return data, stamp


def _bill(data: bytes) -> tuple[Told, Iterator[Item]]:
    # Nearly every question finds all documents as they were, and does without what parses them.
    from weighlock.formats import bill
    from weighlock.formats.bill_relations import relations_of
    from weighlock.incidents.things import of_bill

    try:
        document = bill.document_of(data)
        inventory, relations = bill.inventory_of(document), relations_of(document)
    except (FormatError, OverBudgetError, UnsupportedError) as error:
        raise WeighlockError(error.message, where=error.where) from error
    form = f"{inventory.form} {inventory.version}"
    told = Told(text=f"{form}, {_amount(len(inventory.components), 'component')}")
    return told, of_bill(inventory, relations)


def _lockfile(data: bytes, place: str) -> tuple[Told, Iterator[Item]]:
    from weighlock.files import parse_lockfile
    from weighlock.gates.places import Places
    from weighlock.incidents.things import of_lockfile

    lockfile = parse_lockfile(data, place)
    places = Places(folder=Path(place).parent)
    bases: dict[str, tuple[str, ...]] = {}
    missing: list[tuple[str, str]] = []
    models = 0
    for model in lockfile.models:
        unread = _bases(model, places, bases)
        missing += unread
        models += bool(unread)
    files = sum(len(model.files) for model in lockfile.models)
    text = f"{_amount(len(lockfile.models), 'model')}, {_amount(files, 'file')}"
    told = Told(text=text, missing=tuple(missing), models=models)
    return told, of_lockfile(lockfile, bases)


def _amount(count: int, one: str) -> str:
    return f"{count} {one if count == 1 else f'{one}s'}"


def _bases(model: LockedModel, places: Places, bases: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """Find what a model was made from, and return the places and stamps of cards that could not be read."""
    wanted = tuple(file for file in model.files if file.path in _ABOUT_BASES)
    if not wanted:
        return []
    try:
        there = {file.path: str(places.file(model, file.path)) for file in wanted}
    except WeighlockError:  # nothing of this kind is kept on this machine
        return [(f"{model.source.shown}:{file.path}", "") for file in wanted]
    stamps = {path: _stamp_of(place) for path, place in there.items()}
    unread = {path for path, stamp in stamps.items() if not stamp}
    if len(unread) < len(wanted):
        from weighlock.gates.bom_card import bases_of
        from weighlock.gates.bom_documents import read_documents

        documents = read_documents(wanted, lambda path: places.file(model, path))
        bases[model.name] = tuple(name for name, _ in bases_of(documents).names)
        unread |= documents.problems.keys() & stamps.keys()
    return [(there[path], stamps[path]) for path in sorted(unread)]


def _stamp_of(place: str) -> str:
    """Return what changes when a file does; empty where it is not there."""
    try:
        return ":".join(map(str, key_of(os.stat(place))))
    except (OSError, ValueError):
        return ""
