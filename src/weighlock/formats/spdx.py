"""SPDX 2: a bill of materials as JSON, of any generator.

Source:
    ISO/IEC 5962:2021 (SPDX 2.2.1) and SPDX 2.3: clauses 6 (document), 7 (packages), 8 (files), 11 (relationships), and
    their JSON schema.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError
from weighlock.formats.inventory import (
    CONTEXT,
    FILE,
    PACKAGE,
    Component,
    Inventory,
    purl_of,
    required,
    tables,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.purl import Purl

VERSIONS = ("SPDX-2.2", "SPDX-2.3")

_KINDS = {"DEVICE": CONTEXT, "OPERATING-SYSTEM": CONTEXT, "FILE": FILE}
_NOTHING = frozenset({"", "NOASSERTION", "NONE"})
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")


def parse(document: dict[str, Any]) -> Inventory:
    """Return what a document lists.

    Args:
        document: As `weighlock.formats.inventory.load` returns it.

    Raises:
        FormatError: It is of a version that is not known, or a member is broken; `where` is its path.
        OverBudgetError: It lists too much.
    """
    version = text(document, "spdxVersion", "")
    if version not in VERSIONS:
        raise FormatError(f"is {version[:40]!r}, and {' and '.join(VERSIONS)} are known", where="spdxVersion")
    subject = _subject(document)
    packages = tables(document.get("packages"), "packages")
    files = tables(document.get("files"), "files")
    found = [_package(item, f"packages[{index}]", subject) for index, item in enumerate(packages)]
    found += [_file(item, f"files[{index}]") for index, item in enumerate(files)]
    inside = _parents(document, {one.ref: one.where for one in found})
    found = [replace(one, parent=inside.get(one.ref, "")) for one in found]
    outside = len(tables(document.get("externalDocumentRefs"), "externalDocumentRefs"))
    return Inventory(
        form="SPDX",
        version=version.removeprefix("SPDX-"),
        components=tuple(found),
        beside=(("other documents that it refers to", outside),) if outside else (),
    )


def _subject(document: dict[str, Any]) -> str | None:
    """Return the one element that the document is about; where it describes several, each is one of its components."""
    described = document.get("documentDescribes")
    names = set(described if isinstance(described, list) and all(isinstance(one, str) for one in described) else ())
    for index, item in enumerate(tables(document.get("relationships"), "relationships")):
        path = f"relationships[{index}]"
        ends = [text(item, key, path) for key in ("spdxElementId", "relatedSpdxElement")]
        if text(item, "relationshipType", path) == "DESCRIBED_BY":
            ends.reverse()
        elif text(item, "relationshipType", path) != "DESCRIBES":
            continue
        if ends[0] == "SPDXRef-DOCUMENT":
            names.add(ends[1])
    return names.pop() if len(names) == 1 else None


def _parents(document: dict[str, Any], places: dict[str, str]) -> dict[str, str]:
    """Return the path of what each element lies in."""
    inside = {}
    for index, item in enumerate(tables(document.get("relationships"), "relationships")):
        path = f"relationships[{index}]"
        ends = [text(item, key, path) for key in ("spdxElementId", "relatedSpdxElement")]
        kind = text(item, "relationshipType", path)
        if kind in {"CONTAINS", "CONTAINED_BY"} and all(ends):
            outer, inner = ends if kind == "CONTAINS" else ends[::-1]
            inside[inner] = places.get(outer, "")
    return inside


def _package(data: dict[str, Any], where: str, subject: str | None) -> Component:
    word = text(data, "primaryPackagePurpose", where)
    purls: list[Purl] = []
    problems: list[str] = []
    for address in _addresses(data, where):
        read, problem = purl_of(address)
        purls += read
        problems += [problem] if problem else []
    digests = dict(_checksums(data, where))
    downloaded = text(data, "downloadLocation", where) not in _NOTHING
    own = digests.get("SHA256", ())
    version = text(data, "versionInfo", where)
    return Component(
        name=required(data, "name", where),
        version=None if version in _NOTHING else version,
        kind=_KINDS.get(word, PACKAGE),
        word=word.lower() or "package",
        purls=tuple(purls),
        problem=problems[0] if problems else None,
        where=where,
        ref=text(data, "SPDXID", where),
        sha256=own,
        # The checksum of a package that was downloaded is that of the file that came.
        files_sha256=own if downloaded else (),
        algorithms=tuple(sorted(digests)),
        subject=subject is not None and text(data, "SPDXID", where) == subject,
    )


def _addresses(data: dict[str, Any], where: str) -> Iterator[str]:
    for index, item in enumerate(tables(data.get("externalRefs"), f"{where}.externalRefs")):
        path = f"{where}.externalRefs[{index}]"
        if text(item, "referenceType", path) in {"purl", "http://spdx.org/rdf/references/purl"}:
            yield required(item, "referenceLocator", path)


def _checksums(data: dict[str, Any], where: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    found: dict[str, tuple[str, ...]] = {}
    for index, item in enumerate(tables(data.get("checksums"), f"{where}.checksums")):
        path = f"{where}.checksums[{index}]"
        algorithm, value = required(item, "algorithm", path), required(item, "checksumValue", path)
        if algorithm == "SHA256" and not _SHA256.match(value):
            raise FormatError("must be a SHA-256 digest in hexadecimal", where=f"{path}.checksumValue")
        found[algorithm] = (*found.get(algorithm, ()), value.lower())
    yield from found.items()


def _file(data: dict[str, Any], where: str) -> Component:
    digests = dict(_checksums(data, where))
    return Component(
        name=required(data, "fileName", where),
        kind=FILE,
        word="file",
        where=where,
        ref=text(data, "SPDXID", where),
        sha256=digests.get("SHA256", ()),
        algorithms=tuple(sorted(digests)),
    )
