"""The sequences around the ledger: find it, absorb what waits, search it, prove an entry, verify the whole."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighlock.entry import Entry
from weighlock.errors import FormatError, LedgerError, TamperedError, UsageError, WeighlockError
from weighlock.evidence_policy import LedgerPolicy
from weighlock.files import read_regular, write_atomically
from weighlock.gates.load_settings import find_policy, root_of
from weighlock.gates.recording import database_of, is_database, ledger_folder, shown
from weighlock.ledger import verifier
from weighlock.ledger.absorb import Absorbed, absorb
from weighlock.ledger.keys import key_of
from weighlock.ledger.spool import spool_of
from weighlock.ledger.store import FileLedger
from weighlock.ledger.tiles import verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from weighlock.ledger.interface import Ledger

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})\Z")
_EVENT = re.compile(rb',"event":"([0-9a-zA-Z:_-]{1,100})","evidence":\[')
"""In the canonical form of an entry: quotes of names are escaped in it, so that this stands in no name."""

_LAST = b',"version":1}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """One entry of a ledger.

    Args:
        index: Its number.
        data: Its bytes, which are what is under the tree.
        entry: What they say; `None` where they are no entry of a version that is known.
    """

    index: int
    data: bytes
    entry: Entry | None

    @classmethod
    def parse(cls, index: int, data: bytes) -> Numbered:
        """Read the bytes, whatever they are."""
        try:
            return cls(index=index, data=data, entry=Entry.from_bytes(data))
        except FormatError:
            return cls(index=index, data=data, entry=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched for; everything that is given has to hold.

    Args:
        digest: 64 hexadecimal digits of the artifact, or of evidence.
        subject: A part of the name, in any case.
        verdict: ``ALLOW`` or ``DENY``.
        gate: The gate.
        actor: Whose process it was.
        since: Not before.
        until: Before.
    """

    digest: str | None = None
    subject: str | None = None
    verdict: str | None = None
    gate: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.digest is not None and not _DIGEST.match(self.digest):
            raise UsageError(f"{self.digest!r:.100} is no SHA-256 digest", where="--digest")

    def matches(self, numbered: Numbered) -> bool:
        """Say whether an entry is searched for; bytes that are no entry match a search without conditions only."""
        entry = numbered.entry
        if entry is None:
            return self == Query()
        return (
            self._is_about(entry)
            and self.verdict in {None, str(entry.verdict)}
            and self.gate in {None, entry.gate}
            and self.actor in {None, entry.actor}
            and (self.since is None or entry.time >= self.since)
            and (self.until is None or entry.time < self.until)
            and (self.subject is None or self.subject.casefold() in entry.subject.casefold())
        )

    def _is_about(self, entry: Entry) -> bool:
        if self.digest is None:
            return True
        value = self.digest.removeprefix("sha256:")
        return f"sha256:{value}" in entry.evidence or (entry.digest is not None and entry.digest.value == value)


def host_name() -> str:
    """Return the name of this machine."""
    return os.uname().nodename if hasattr(os, "uname") else "host"


def open_ledger(environ: Mapping[str, str], place: str | None = None) -> Ledger:
    """Return the ledger of this folder, or of this database.

    Args:
        environ: ``WEIGHLOCK_LEDGER`` and ``WEIGHLOCK_LEDGER_KEY``, or what says where state is kept.
        place: A folder or a database that was named instead.

    Raises:
        LedgerError: Nothing says where it is.
    """
    policy, beside = LedgerPolicy(place=os.path.abspath(place) if place and not is_database(place) else place), None
    if place is None:
        found, path = find_policy(environ)
        policy = found.evidence.ledger
        beside = os.path.dirname(os.path.abspath(path)) if path else root_of(environ)
    named = {name: value for name, value in environ.items() if place is None or name != "WEIGHLOCK_LEDGER"}
    folder = ledger_folder(named, policy, beside)
    if folder is None:
        raise LedgerError(
            "nothing says where the ledger is", hint="set WEIGHLOCK_LEDGER to a folder that is yours alone"
        )
    database = database_of(named, policy)
    if database is None:
        return FileLedger(folder, key_of(folder, environ), host_name())
    from weighlock.ledger.postgres import PostgresLedger

    return PostgresLedger(database, shown(database), key_of(folder, environ), spool=spool_of(folder), host=host_name())


def absorb_spools(ledger: Ledger, now: datetime) -> Absorbed:
    """Move what processes recorded into the ledger."""
    return absorb(ledger, ledger.spool, now)


def seal(place: str, environ: Mapping[str, str], now: datetime) -> None:
    """Move what was recorded into a ledger, and seal it, so that a command leaves nothing behind that is not.

    Args:
        place: Of the ledger, a folder or a database.
        environ: Says where its key is.
        now: The time.

    Raises:
        TamperedError: It is not what was sealed before.
        LedgerError: It cannot be written; what was recorded waits in the spool.
    """
    ledger = open_ledger(environ, place)
    absorb_spools(ledger, now)
    if ledger.seals():
        ledger.checkpoint()


def publish_bundle(bundle: str, key: str, url: str, log: str) -> None:
    """Publish the signature of a bundle in Rekor, and put the proof into it.

    Args:
        bundle: The file, which is replaced once the proof verifies.
        key: The file of the public key that it is signed by.
        url: Of the log.
        log: The file of the log's public key.

    Raises:
        WeighlockError: It was not published, or what came back does not verify; the file is as it was.
    """
    from weighlock.ledger.rekor import publish
    from weighlock.signing.public_key import P256, read_public_key

    public = read_public_key(_file(key, "key"), where=key)
    if public.kind != P256:
        raise UsageError(f"is a key of the kind {public.kind}", where=key, hint="Rekor takes signatures of P-256 keys")
    trusted = verified(lambda: verifier.read_key(_file(log, "key of the log").decode("latin-1")))
    try:
        data = publish(_file(bundle, "bundle"), public.der, url, trusted)
    except WeighlockError as error:
        error.where = error.where or bundle
        raise
    write_atomically(Path(bundle), data)


def _file(path: str, what: str) -> bytes:
    try:
        return read_regular(path, 1 << 26)
    except OSError as error:
        raise UsageError(f"the {what} cannot be read: {error.strerror}", where=path) from None


def status(ledger: Ledger) -> dict[str, Any]:
    """Return what there is to know about a ledger, without changing it."""
    key, note = ledger.key.read() if ledger.key.exists() else None, ledger.published()
    if note is not None and key is not None:
        verified(lambda: verifier.verify_checkpoint(note, key.public))
    size, sealed = ledger.size(), ledger.sealed()
    return {
        "place": ledger.place,
        "origin": None if key is None else key.name,
        "key": None if key is None else key.vkey,
        "entries": size,
        "sealed": sealed,
        "unsealed": size - sealed,
        "checkpoint": None if note is None else note.decode("utf-8", "replace"),
        "waiting_bytes": _waiting(ledger.spool),
    }


def tail(ledger: Ledger, count: int) -> Iterator[Numbered]:
    """Yield the last entries."""
    size = ledger.size()
    return _numbered(ledger, max(0, size - count), size)


def search(ledger: Ledger, query: Query, start: int = 0) -> Iterator[Numbered]:
    """Yield the entries that match, reading all of them."""
    return filter(query.matches, _numbered(ledger, start, ledger.size()))


def prove(ledger: Ledger, wanted: str) -> dict[str, Any]:
    """Return the portable proof of an entry, after sealing it where that has to be done.

    Args:
        ledger: Of the entry.
        wanted: Its index, the name of its event, or the digest of an artifact, whose last entry is proved.

    Raises:
        LedgerError: There is no such entry.
    """
    size = ledger.size()
    is_index = wanted.isdecimal() and wanted.isascii() and len(wanted) < 19
    index = int(wanted) if is_index else _find(ledger, wanted, size)
    if not 0 <= index < size:
        raise LedgerError(
            f"there is no entry {wanted}", where=ledger.place, hint="`weighlock ledger search` finds them"
        )
    note = ledger.published()
    if note is None or index >= ledger.sealed():
        note = ledger.checkpoint()
    checkpoint = verified(lambda: verifier.verify_checkpoint(note, ledger.key.read().public))
    return {
        "kind": verifier.PROOF_KIND,
        "version": 1,
        "index": index,
        "entry": base64.b64encode(next(ledger.read(index, index + 1))).decode(),
        "inclusion": [base64.b64encode(one).decode() for one in ledger.inclusion(index, checkpoint.size)],
        "checkpoint": note.decode(),
    }


def verify(ledger: Ledger, key: str | None, since: str | None) -> dict[str, Any]:
    """Verify every entry, every tile, and the checkpoint, and that it continues an older one.

    Args:
        ledger: Only what is sealed is looked at; how much is not, is counted.
        key: A vkey or a file with a key; by default this user's own.
        since: The file of an older checkpoint.

    Raises:
        TamperedError: It is not what was sealed.
        LedgerError: It cannot be read.
    """
    if not key and not ledger.key.exists():
        hint = "name the key to trust with --key; whoever made the ledger prints it with `weighlock ledger key`"
        raise LedgerError("this user has no key of it", where=ledger.place, hint=hint)
    trusted = verified(lambda: verifier.read_key(key)) if key else ledger.key.read().public
    old = None if since is None else _read(since)
    if old is not None:
        _at(since, lambda: verifier.verify_checkpoint(old, trusted))
    last = None if key else _remembered(ledger)
    now = _at(ledger.place, lambda: ledger.verify(trusted, old))
    if last is not None:
        _require_continued(ledger, last, now)
    return {
        "place": ledger.place,
        "origin": now.origin,
        "entries": now.size,
        "root": base64.b64encode(now.root).decode(),
        "continues": None if old is None else verifier.verify_checkpoint(old, trusted).size,
        "unsealed": ledger.size() - now.size,
        "missing": _missing(ledger, now.size),
        "key": "given" if key else "this user's",
    }


def _at(where: str | None, read: Callable[[], verifier.Checkpoint]) -> verifier.Checkpoint:
    """Return what was verified; errors say where."""
    try:
        return verified(read)
    except LedgerError as error:
        error.where = error.where or where
        raise


def _remembered(ledger: Ledger) -> verifier.Checkpoint | None:
    """Return the last checkpoint that the key of this user signed: whoever puts an older ledger back has not that."""
    note = ledger.key.last()
    if note is None:
        return None
    key, size = ledger.key.read().public, ledger.size()
    last = _at(ledger.key.path, lambda: verifier.verify_checkpoint(note, key))
    if size < last.size:
        why = f"rollback: the ledger has {size} entries, and its key signed that it had {last.size}"
        raise TamperedError(why, where=ledger.place)
    return last


def _require_continued(ledger: Ledger, last: verifier.Checkpoint, now: verifier.Checkpoint) -> None:
    """Demand that a ledger begins with what its key signed last; who was killed while sealing did not publish that."""
    if last.size > now.size:
        root = verifier.root_of([verifier.leaf_hash(entry) for entry in ledger.read(0, last.size)])
    else:
        root = ledger.root(last.size)
    if root != last.root:
        why = f"fork: the first {last.size} entries are not those that the key of this ledger signed"
        raise TamperedError(why, where=ledger.place)


def _missing(ledger: Ledger, size: int) -> int:
    """Return how many records of processes never came: each process counts what it records, from one on."""
    seen: dict[bytes, tuple[int, set[int]]] = {}  # up to which count all came, and which came beyond that
    for data in ledger.read(0, size):
        match = _EVENT.search(data) if data.endswith(_LAST) else None
        process, separator, count = match[1].rpartition(b":") if match is not None else (b"", b"", b"")
        if not separator or not count.isdigit() or process.endswith(b":broken"):  # that one counts bytes
            continue
        complete, beyond = seen.setdefault(process, (0, set()))
        if int(count) > complete:  # one that is there twice makes up for no other
            beyond.add(int(count))
        while complete + 1 in beyond:
            complete += 1
            beyond.remove(complete)
        seen[process] = complete, beyond
    return sum(max(beyond, default=complete) - complete - len(beyond) for complete, beyond in seen.values())


def _numbered(ledger: Ledger, start: int, stop: int) -> Iterator[Numbered]:
    for index, data in enumerate(ledger.read(start, stop), start):
        yield Numbered.parse(index, data)


def _find(ledger: Ledger, wanted: str, size: int) -> int:
    digest, found = _DIGEST.match(wanted), -1
    for one in _numbered(ledger, 0, size):
        entry = one.entry
        if entry is None:
            continue
        if entry.event == wanted or (digest and entry.digest is not None and entry.digest.value == digest[1]):
            found = one.index
    return found


def _read(path: str) -> bytes:
    try:
        return verified(lambda: verifier.read_regular(path, 1 << 20))
    except TamperedError:
        raise
    except LedgerError as error:
        why = error.message.removeprefix(f"{path} ") if os.path.lexists(path) else "is not there"
        hint = "name the file that `weighlock ledger checkpoint` wrote"
        raise LedgerError(f"the checkpoint {why}", where=path, hint=hint) from None


def _waiting(folder: str) -> int:
    try:
        with os.scandir(folder) as found:
            return sum(one.stat(follow_symlinks=False).st_size for one in found if one.name.endswith(".jsonl"))
    except OSError:
        return 0
