"""The gate of ``weighlock verify --chain``: lockfile, bill of materials, signatures and ledger name the same digests.

One link after the other, each with its name:
    1. the files on this disk and the lockfile;
    2. the lockfile and its signatures;
    3. the bill of materials and the lockfile, both ways;
    4. the bill of materials and its signatures;
    5. the ledger, as it is and against a checkpoint that was kept elsewhere;
    6. every one of these documents, signatures included, and what the ledger says was written.

A link that is not there is said, and breaks nothing: whether it has to be there is for the policy to say.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import ForgedError, FormatError, WeighlockError
from weighlock.files import read_regular
from weighlock.gates.bill_models import judge_bill_models
from weighlock.gates.ledger import Numbered, Query, absorb_spools, search
from weighlock.gates.ledger import verify as verify_ledger
from weighlock.gates.model_signature import require_locked
from weighlock.gates.signatures import read_bundle_file, signatures_of, verify_document
from weighlock.gates.signed_lockfile import trust_of
from weighlock.gates.signing import SUFFIX, default_place
from weighlock.signing.oms import read_manifest
from weighlock.signing.oms_bundle import file_name
from weighlock.signing.verification import tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from weighlock.formats.inventory import Inventory
    from weighlock.gates.project import Project
    from weighlock.gates.verify import VerifyReport
    from weighlock.ledger.interface import Ledger
    from weighlock.lockfile import LockedModel, Lockfile
    from weighlock.signing.statement import Statement
    from weighlock.signing.trust import Trust

INTACT = "intact"
BROKEN = "broken"
ABSENT = "absent"
UNDECIDED = "undecided"
"""What can be said of a link. `UNDECIDED` is one that is there and could not be looked at."""

BILL = "models.cdx.json"
_WRITERS = frozenset({"written", "signed"})
_LARGEST = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two things that name the same digests, or do not.

    Args:
        name: Both of them, such as ``models.cdx.json -> models.lock``.
        status: One of the words above.
        message: What is wrong, or what it rests on; one sentence without a full stop.
        hint: The one next step.
    """

    name: str
    status: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """Every link."""

    links: tuple[Link, ...]

    @property
    def exit_code(self) -> int:
        """1 if a link is broken, else 2 if one could not be looked at, else 0."""
        statuses = {link.status for link in self.links}
        return 1 if BROKEN in statuses else 2 if UNDECIDED in statuses else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What the links are between.

    Args:
        project: Its policy and its lockfile.
        lockfile: As it was read.
        bill: Of the bill of materials, which need not be there.
        trust: Whose signatures count; by default the policy's signers.
        now: The time, for certificates.
    """

    project: Project
    lockfile: Lockfile
    bill: Path
    trust: Trust | None
    now: datetime

    def links(self, found: VerifyReport) -> Iterator[Link]:
        """Yield every link but those to the ledger.

        Args:
            found: What the files on this disk are.
        """
        lock = self.project.lock
        yield _files(found, lock.name)
        yield self._signed(lock)
        if not self.bill.is_file():
            yield Link(
                name=f"{self.bill.name} -> {lock.name}",
                status=ABSENT,
                message="there is no bill of materials",
                hint=f"weighlock bom --output {BILL}",
            )
            return
        yield _guarded(f"{self.bill.name} -> {lock.name}", self._described)
        yield self._signed(self.bill)

    def model_signatures(self) -> Iterator[Link]:
        """Yield a link for every model that has a bundle of its own."""
        for model in self.lockfile.models:
            bundle = self.project.folder / file_name(model.name)
            if bundle.is_file():
                look = partial(self._model_verified, model, bundle)
                yield _guarded(f"{bundle.name} -> {self.project.lock.name}", look)

    def recorded(self, ledger: Ledger, since: str | None) -> Iterator[Link]:
        """Yield the link inside of the ledger, and those of every document to it.

        Args:
            ledger: What processes recorded goes into it first, and is sealed.
            since: The file of a checkpoint that was kept elsewhere.
        """
        inside = _guarded("ledger -> checkpoint", lambda: _sealed(ledger, since, self.now))
        yield inside
        if inside.status != INTACT:
            return
        known = Documents.read(ledger)
        documents = self.documents
        for path in documents:
            yield _guarded(f"ledger -> {path.name}", partial(known.look_up, path))
        places = (self.bill, *map(default_place, (self.project.lock, self.bill)))
        for path in places:
            if path not in documents and (index := known.written(path)) is not None:
                message = f"it is not there any more, and entry {index} says that it was written"
                yield Link(name=f"ledger -> {path.name}", status=ABSENT, message=message)

    @property
    def documents(self) -> tuple[Path, ...]:
        """The documents that are there, and their signatures."""
        there = [path for path in (self.project.lock, self.bill) if path.is_file()]
        models = (self.project.folder / file_name(model.name) for model in self.lockfile.models)
        return (*there, *(bundle for path in there for bundle in signatures_of(path)), *filter(Path.is_file, models))

    def _signed(self, place: Path) -> Link:
        name = f"{place.name}{SUFFIX} -> {place.name}"
        if not signatures_of(place):
            required = self.project.policy.evidence.require_signature and place == self.project.lock
            return Link(
                name=name,
                status=BROKEN if required else ABSENT,
                message="it is not signed, and the policy requires it" if required else "it is not signed",
                hint=f"weighlock sign {place.name} --key FILE",
            )
        return _guarded(name, lambda: self._verified(place))

    def _verified(self, place: Path) -> str:
        trust = self.trust or trust_of(self.project.policy.evidence, self.project.policy_path)
        report = verify_document(place, trust, now=self.now)
        report.tally.require()
        return f"signed by {', '.join(sorted({one.signer for one in report.evidence}))}"

    def _model_verified(self, model: LockedModel, bundle: Path) -> str:
        trust = self.trust or trust_of(self.project.policy.evidence, self.project.policy_path)

        def accept(statement: Statement) -> None:
            require_locked(read_manifest(statement.to_bytes()), model)

        found = tally([(bundle.name, read_bundle_file(bundle))], trust, now=self.now, accept=accept)
        found.require()
        return f"signed by {', '.join(sorted({one.signer for _, one in found.counted}))}"

    def _described(self) -> str:
        require_described(read_regular(self.bill, _LARGEST), self.bill.name, self.lockfile)
        return f"it lists all {sum(len(model.files) for model in self.lockfile.models)} locked files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """What the ledger says about documents that were written.

    Args:
        last: The newest entry of each path.
        digests: The newest entry of each digest.
    """

    last: dict[str, Numbered]
    digests: dict[str, Numbered]

    @classmethod
    def read(cls, ledger: Ledger) -> Documents:
        """Read every entry of a ledger."""
        last, digests = dict[str, Numbered](), dict[str, Numbered]()
        for one in search(ledger, Query()):
            entry = one.entry
            # Who verifies records a document as well, and did not write it.
            written = entry is not None and entry.kind == "document" and entry.gate != "verify"
            if entry is not None and written and entry.digest is not None and _WRITERS & set(entry.rules):
                digests[str(entry.digest)] = one
                # Processes that end at the same time are absorbed in any order.
                if entry.subject not in last or _time(last[entry.subject]) <= entry.time:
                    last[entry.subject] = one
        return cls(last=last, digests=digests)

    def written(self, path: Path) -> int | None:
        """Return the number of the entry that says that something was written to a place."""
        found = self.last.get(os.path.realpath(path))
        return None if found is None else found.index

    def look_up(self, path: Path) -> str:
        """Return the entry of a document.

        Raises:
            ForgedError: The ledger says that another one was written there last.
            NotRecordedError: It does not know the document.
        """
        digest = f"sha256:{hashlib.sha256(read_regular(path, _LARGEST)).hexdigest()}"
        # Where a link now is, something was written before it was one; and something where it leads.
        places = (os.path.join(os.path.realpath(path.parent), path.name), os.path.realpath(path))
        written = [self.last[place] for place in dict.fromkeys(places) if place in self.last]
        for one in written:
            if one.entry is not None and str(one.entry.digest) != digest:
                raise ForgedError(
                    f"it has {digest}, and entry {one.index} says that {one.entry.digest} was written there last"
                )
        if written:
            return f"entry {written[0].index}"
        elsewhere = self.digests.get(digest)
        if elsewhere is None or elsewhere.entry is None:
            raise NotRecordedError("it was not written on this machine, as far as the ledger knows")
        return f"entry {elsewhere.index}, as which it was written to {elsewhere.entry.subject}"


class NotRecordedError(WeighlockError):
    """The ledger does not know a document, which may have come from another machine."""


def require_described(data: bytes, name: str, lockfile: Lockfile) -> Inventory:
    """Demand that a bill of materials is about exactly the files that are locked, and return what it lists.

    Args:
        data: Of the document.
        name: Of its file, for people.
        lockfile: With its digest.

    Raises:
        ForgedError: It was made from another lockfile, or gives other digests.
        FormatError: It is no bill of materials.
    """
    from weighlock.formats import bill

    document = bill.document_of(data)
    recorded = _lockfile_digest(document)
    if recorded is not None and f"sha256:{recorded}" != lockfile.digest:
        raise ForgedError(
            f"it was made from the lockfile with sha256 {recorded}, and this one has {lockfile.digest}",
            hint=f"weighlock bom --output {name} makes it anew",
        )
    inventory = bill.inventory_of(document)
    for judged in judge_bill_models(inventory.components, name, lockfile, {}):
        if not judged.verdict.allowed:
            raise ForgedError(f"{judged.path}: {judged.verdict.reasons[0].message}")
    _require_names(lockfile, inventory)
    _require_all(lockfile, inventory)
    return inventory


def _time(one: Numbered) -> datetime:
    return one.entry.time if one.entry is not None else datetime.min.replace(tzinfo=UTC)


def _sealed(ledger: Ledger, since: str | None, now: datetime) -> str:
    absorb_spools(ledger, now)
    if not ledger.size() and since is None:
        raise NotRecordedError("nothing was recorded yet")
    ledger.checkpoint()
    found = verify_ledger(ledger, None, since)
    kept = "" if since is None else f", and continues {found['continues']} that were kept elsewhere"
    return f"{found['entries']} entries under the checkpoint of {found['origin']}{kept}"


def _files(found: VerifyReport, lock: str) -> Link:
    name = f"files -> {lock}"
    if found.exit_code == 0:
        return Link(name=name, status=INTACT, message=f"{len(found.files)} files are as they were locked")
    wrong = [file for file in found.files if file.message and file.status not in {"beside", "left-out"}]
    status = UNDECIDED if found.exit_code == 2 else BROKEN
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return Link(name=name, status=status, message=f"{wrong[0].path}: {wrong[0].message}{more}", hint="weighlock sync")


def _guarded(name: str, look: Callable[[], str]) -> Link:
    """Return a link for what was verified, or for how it failed."""
    try:
        return Link(name=name, status=INTACT, message=look())
    except NotRecordedError as error:
        return Link(name=name, status=ABSENT, message=str(error))
    except (ForgedError, FormatError) as error:
        return Link(name=name, status=BROKEN, message=str(error), hint=error.hint)
    except WeighlockError as error:
        return Link(
            name=name, status=BROKEN if error.exit_code == 1 else UNDECIDED, message=str(error), hint=error.hint
        )
    except OSError as error:
        return Link(name=name, status=UNDECIDED, message=f"it cannot be read: {error.strerror}")


def _lockfile_digest(document: dict[str, object]) -> str | None:
    metadata = document.get("metadata")
    properties = metadata.get("properties") if isinstance(metadata, dict) else None
    for one in properties if isinstance(properties, list) else ():
        if isinstance(one, dict) and one.get("name") == "weighlock:lockfile:sha256":
            return str(one.get("value"))
    return None


def _require_names(lockfile: Lockfile, inventory: Inventory) -> None:
    """Demand that what has the name of a locked file has its digest, and not that of another one."""
    files = {(model.name, file.path): file.sha256 for model in lockfile.models for file in model.files}
    outer = {one.where: one.name for one in inventory.components}
    for one in inventory.components:
        name = (outer.get(one.parent, ""), one.name)
        if name in files and one.sha256 != (files[name],):
            raise ForgedError(f"it gives {':'.join(name)} another digest than {files[name]}, which is locked")


def _require_all(lockfile: Lockfile, inventory: Inventory) -> None:
    listed = {digest for component in inventory.components for digest in component.sha256}
    for model in lockfile.models:
        for file in model.files:
            if file.sha256 not in listed:
                raise ForgedError(f"it does not list {model.name}:{file.path}, which is locked")
