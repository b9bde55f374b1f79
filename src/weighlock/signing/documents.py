"""What is signed about a document: its own digest, and every digest that it names.

A signed lockfile vouches for every file of every model in it, and a bill of materials for every component that it has
a digest of; whoever has one of those files can look for its digest among the subjects, without the document.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from weighlock.errors import ForgedError, FormatError
from weighlock.files import parse_lockfile
from weighlock.signing.lockfile_statement import statement_of
from weighlock.signing.statement import Statement, Subject, unique

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LOCKFILE = "lockfile"
BOM = "bom"
REPORT = "report"
MODEL = "model"
LARGEST = 256 << 20
"""Bytes of a document that is read whole; a model may be larger."""

_ALGORITHMS = {"SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_SPDX_ALGORITHMS = {"SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}
_VERSION = re.compile(rb"^[ \t]*lock-version[ \t]*=", re.MULTILINE)
_PACKAGES = re.compile(rb"^[ \t]*(?:\[\[packages\]\]|packages[ \t]*=)", re.MULTILINE)
_MOST_PARTS = 8_000_000  # a bill of materials of 100,000 components has three
_DEEPEST = 100  # components in components


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Something to sign or to verify, reduced to digests.

    Args:
        kind: `LOCKFILE`, `BOM`, `REPORT` or `MODEL`.
        name: Of the file, or of the model.
        subjects: Every digest that has to be signed; that of the document first, where there is one.
        predicate: What else is said about it.
    """

    kind: str
    name: str
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def statement(self) -> Statement:
        """What is signed."""
        return Statement(
            predicate_type=predicate_type(self.kind), subjects=self.subjects, predicate=dict(self.predicate)
        )

    def require(self, statement: Statement) -> None:
        """Demand that a statement is about exactly this.

        The file of a lockfile, a bill of materials or a report may have another name by now, since what it is
        stands in it; a model may not: its name is all that tells it from another one of the same signer.

        Raises:
            ForgedError: It is about something else, about less or about more.
        """
        expected = self.statement
        if statement.predicate_type != expected.predicate_type:
            said = statement.predicate_type[:100]
            raise ForgedError(f"the signature is about {said!r}, and this is a {self.kind} ({expected.predicate_type})")
        if dict(statement.predicate) != dict(expected.predicate):
            raise self._other(statement.predicate)
        ours, theirs = list(expected.subjects), list(statement.subjects)
        if self.kind != MODEL and theirs[0].digests == ours[0].digests:
            ours, theirs = ours[1:], theirs[1:]
        _require_same(ours, theirs)

    def _other(self, predicate: Mapping[str, Any]) -> ForgedError:
        """Return how a statement about another thing of the same kind is refused."""
        if self.kind == MODEL:
            name = str(predicate.get("model"))[:200]
            return ForgedError(
                f"the model was signed as {name!r}, and this is {self.name!r} with {len(self.subjects)} files",
                hint="if it is that model under another name, give the signed one with --model",
            )
        said = predicate.get(self.kind)
        digest = str(said.get("sha256"))[:16] if isinstance(said, dict) else "nothing"
        own = self.subjects[0].digests["sha256"][:16]
        return ForgedError(
            f"the signature is about other bytes: it names sha256:{digest}…, and {self.name} is sha256:{own}…",
            hint=f"get the {self.kind} that was signed, or have this one reviewed and signed",
        )


def predicate_type(kind: str) -> str:
    """Return the URI that says how a statement of ours is to be understood; nobody fetches it."""
    return f"https://weighlock.dev/{kind}/v1"


def read_document(data: bytes, name: str) -> Document | None:
    """Recognise a lockfile, a bill of materials or a report by what it holds.

    Args:
        data: All bytes of a file.
        name: Of the file, for people.

    Returns:
        The document; ``None`` for any other file, which is a model's.

    Raises:
        LockfileError: It is a lockfile, and broken.
        FormatError: It is a bill of materials, and broken.
    """
    if data.lstrip()[:1] == b"{":
        found = _json_document(data)
        return None if found is None else _document(found[0], data, name, found[1])
    if not _is_lockfile(data):
        return None
    signed = statement_of(data, parse_lockfile(data, name))
    return Document(kind=LOCKFILE, name=name, subjects=signed.subjects, predicate=signed.predicate)


def broken_document(data: bytes, name: str, kind: str) -> Document:
    """Return what is known of a document that cannot be read any more: its digest, which is not the signed one."""
    return _document(kind, data, name, ())


def model_document(name: str, files: Iterable[tuple[str, str]]) -> Document:
    """Return what is signed about a model.

    Args:
        name: Of the model.
        files: Path in the model, and SHA-256, of each.

    Raises:
        ForgedError: There is no file: a signature of nothing would fit to anything.
    """
    subjects = tuple(Subject.sha256(f"{name}:{path}", digest) for path, digest in sorted(files))
    if not subjects:
        raise ForgedError("there is no file in it, and a signature of nothing fits to anything", where=name)
    return Document(kind=MODEL, name=name, subjects=subjects, predicate={"model": name, "files": len(subjects)})


def _require_same(ours: list[Subject], theirs: list[Subject]) -> None:
    said = {subject.name: dict(subject.digests) for subject in theirs}
    for subject in ours:
        digests = said.pop(subject.name, None)
        if digests is None:
            raise ForgedError(f"{subject.name[:200]} is not signed")
        if digests != dict(subject.digests):
            raise ForgedError(f"{subject.name[:200]} has another digest than the signed one")
    if said or len(theirs) != len(ours):
        extra = next(iter(said), theirs[-1].name)
        raise ForgedError(f"{extra[:200]} is signed and is not here")


def _document(kind: str, data: bytes, name: str, subjects: Iterable[Subject]) -> Document:
    digest = sha256(data).hexdigest()
    own = Subject.sha256(name, digest)
    return Document(kind=kind, name=name, subjects=unique([own, *subjects]), predicate={kind: {"sha256": digest}})


def _is_lockfile(data: bytes) -> bool:
    """Tell ours from the lockfiles of packages (PEP 751), which have a version under the same key."""
    return bool(_VERSION.search(data)) and not _PACKAGES.search(data)


def _json_document(data: bytes) -> tuple[str, list[Subject]] | None:
    if sum(map(data.count, (b",", b"[", b"{"))) > _MOST_PARTS:
        raise FormatError(f"the document has more than {_MOST_PARTS} parts")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if document.get("bomFormat") == "CycloneDX":
        return BOM, _built(_cyclonedx, document)
    if "spdxVersion" in document:
        return BOM, _built(_spdx2, document)
    if "@graph" in document and "spdx" in str(document.get("@context", "")):
        return BOM, _built(_spdx3, document)
    return (REPORT, []) if "weighlock" in document and "command" in document else None


def _built(reader: Any, document: dict[str, Any]) -> list[Subject]:
    try:
        return list(reader(document))
    except (AttributeError, KeyError, TypeError) as error:
        raise FormatError("the bill of materials is not built as it has to be") from error


def _cyclonedx(document: dict[str, Any]) -> Iterator[Subject]:
    main = document.get("metadata", {}).get("component")
    for component in [*([main] if main else []), *document.get("components", [])]:
        yield from _component(component, 0)


def _component(component: dict[str, Any], depth: int) -> Iterator[Subject]:
    if depth > _DEEPEST:
        raise FormatError(f"components are nested more than {_DEEPEST} deep")
    version = f"@{component['version']}" if component.get("version") else ""
    name = component.get("bom-ref") or component.get("purl") or f"{component['name']}{version}"
    yield from _subject(str(name), ((one["alg"], one["content"]) for one in component.get("hashes", [])), _ALGORITHMS)
    for inner in component.get("components", []):
        yield from _component(inner, depth + 1)


def _spdx2(document: dict[str, Any]) -> Iterator[Subject]:
    for element in [*document.get("packages", []), *document.get("files", [])]:
        pairs = ((one["algorithm"], one["checksumValue"]) for one in element.get("checksums", []))
        yield from _subject(element["SPDXID"], pairs, _SPDX_ALGORITHMS)


def _spdx3(document: dict[str, Any]) -> Iterator[Subject]:
    for element in document["@graph"]:
        pairs = (
            (str(one["algorithm"]).upper(), one["hashValue"])
            for one in element.get("verifiedUsing", [])
            if isinstance(one, dict) and "hashValue" in one
        )
        yield from _subject(str(element.get("spdxId") or element.get("@id")), pairs, _SPDX_ALGORITHMS)


def _subject(name: str, pairs: Iterable[tuple[str, str]], algorithms: Mapping[str, str]) -> Iterator[Subject]:
    """Yield the subject of the digests that identify, if there is one."""
    digests = {algorithms[algorithm]: value.lower() for algorithm, value in pairs if algorithm in algorithms}
    if digests:
        yield Subject(name=name, digests=digests)
