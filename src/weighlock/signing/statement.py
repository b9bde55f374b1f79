"""In-toto statements: what a signature is about, as digests, and what is said about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighlock.errors import ForgedError, UnsupportedError
from weighlock.signing.strict_json import canonical, fields, items, parse, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STATEMENT = "https://in-toto.io/Statement/v1"
LARGEST = 48 << 20
"""Bytes; what fits into the largest bundle."""

_MOST_PARTS = 3_000_000
_HEX = re.compile(r"(?:[0-9a-f]{2})+\Z")
_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
"""The digests that identify. A subject may have others besides, such as those of git, and they count for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing that a statement is about.

    Args:
        name: For people; the digests say what it is.
        digests: By algorithm, in lower-case hexadecimal.
    """

    name: str
    digests: Mapping[str, str] = field(hash=False)

    @classmethod
    def sha256(cls, name: str, value: str) -> Subject:
        """Return the subject of one SHA-256 digest."""
        return cls(name=name, digests={"sha256": value})

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What is compared: the name, and every digest."""
        return self.name, tuple(sorted(self.digests.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a signer says about some artifacts.

    Args:
        predicate_type: A URI that says how to understand the predicate.
        subjects: What it is about, at least one.
        predicate: What is said, as JSON.
    """

    predicate_type: str
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON, subjects in their order.

        Raises:
            ForgedError: No verifier would read it: it is empty or too large, or a name in it is no Unicode.
        """
        if not self.subjects:
            raise ForgedError("a statement about nothing cannot be signed")
        subjects = [{"name": subject.name, "digest": dict(subject.digests)} for subject in self.subjects]
        document = {
            "_type": STATEMENT,
            "predicateType": self.predicate_type,
            "subject": subjects,
            "predicate": dict(self.predicate),
        }
        try:
            data = canonical(document)
        except ValueError as error:
            raise ForgedError(f"a name or text in the statement cannot be written: {error}") from error
        if len(data) > LARGEST:
            raise ForgedError(f"the statement would have {len(data)} bytes, and {LARGEST} are read")
        return data

    def sha256s(self) -> frozenset[str]:
        """Return every SHA-256 digest among the subjects."""
        return frozenset(subject.digests["sha256"] for subject in self.subjects if "sha256" in subject.digests)


def read_statement(payload: bytes) -> Statement:
    """Parse the payload of an envelope.

    Raises:
        ForgedError: It is no statement, or one without subjects, or a subject has no digest that identifies it.
        UnsupportedError: It is a statement of another version.

    Source:
        in-toto Attestation Framework, spec/v1/statement.md, spec/v1/digest_set.md.
    """
    document = parse(payload, most=LARGEST, parts=_MOST_PARTS, what="the statement")
    kind = document.get("_type")
    if kind != STATEMENT:
        raise UnsupportedError(f"the payload is of the type {str(kind)[:80]!r}, and only {STATEMENT} is known")
    # A consumer of in-toto statements ignores what it does not know; only the predicate's type may demand more.
    predicate = document.get("predicate")
    if predicate is not None and not isinstance(predicate, dict):
        raise ForgedError("is not an object", where="statement.predicate")
    listed = items(document.get("subject"), "statement.subject")
    subjects = tuple(_subject(one, f"statement.subject[{number}]") for number, one in enumerate(listed))
    if not subjects:
        raise ForgedError("the statement is about nothing")
    kind = text(document.get("predicateType"), "statement.predicateType")
    return Statement(predicate_type=kind, subjects=subjects, predicate=predicate or {})


def unique(subjects: Iterable[Subject]) -> tuple[Subject, ...]:
    """Return subjects so that no two have one name: a repeated one is left out, another one gets a number."""
    known: dict[str, Subject] = {}
    seen: dict[tuple[str, tuple[tuple[str, str], ...]], None] = {}
    numbers: dict[str, int] = {}
    for subject in subjects:
        if subject.key in seen:
            continue
        seen[subject.key] = None
        name = subject.name
        while name in known:
            numbers[subject.name] = numbers.get(subject.name, 1) + 1
            name = f"{subject.name}#{numbers[subject.name]}"
        known[name] = Subject(name=name, digests=subject.digests)
    return tuple(known.values())


def _subject(value: Any, where: str) -> Subject:
    value = fields(value, where, required=("digest",), optional=_RESOURCE_DESCRIPTOR)
    listed = value["digest"]
    if not isinstance(listed, dict) or not listed:
        raise ForgedError("has no digest", where=where)
    digests = {name: _digest(name, said, f"{where}.digest") for name, said in listed.items()}
    if not digests.keys() & _LENGTHS.keys():
        raise ForgedError(f"has none of {', '.join(_LENGTHS)}", where=f"{where}.digest")
    return Subject(name=text(value.get("name", ""), f"{where}.name"), digests=digests)


def _digest(name: str, said: Any, where: str) -> str:
    value = text(said, where)
    if name in _LENGTHS and (len(value) != _LENGTHS[name] or not _HEX.match(value)):
        raise ForgedError(f"is no {name} in lower-case hexadecimal", where=where)
    return value


_RESOURCE_DESCRIPTOR = ("name", "uri", "content", "downloadLocation", "mediaType", "annotations")
"""The members that a subject may have; in-toto's resource_descriptor.md."""
