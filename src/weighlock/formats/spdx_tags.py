"""SPDX 2 as tags and values: lines such as ``PackageName: click``, turned into what the JSON of the same document is.

Source:
    SPDX 2.3, the tags of clauses 6 to 11; text of several lines stands between ``<text>`` and ``</text>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.inventory import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPEN, _CLOSE = "<text>", "</text>"
_PACKAGE = {
    "SPDXID": "SPDXID",
    "PackageVersion": "versionInfo",
    "PackageDownloadLocation": "downloadLocation",
    "PackageSupplier": "supplier",
    "PackageOriginator": "originator",
    "PackageLicenseDeclared": "licenseDeclared",
    "PackageLicenseConcluded": "licenseConcluded",
    "PackageDescription": "description",
    "PackageSummary": "summary",
    "PackageHomePage": "homepage",
    "PrimaryPackagePurpose": "primaryPackagePurpose",
    "ReleaseDate": "releaseDate",
    "BuiltDate": "builtDate",
}
_DOCUMENT = {"SPDXVersion": "spdxVersion", "DocumentName": "name", "DocumentNamespace": "documentNamespace"}
_ONCE = frozenset({*_PACKAGE, *_DOCUMENT})


def parse(data: bytes) -> dict[str, Any]:
    """Return the document as the JSON form has it, as far as it is judged.

    Args:
        data: All bytes of the document.

    Raises:
        FormatError: A line is no tag with a value, a text does not end, or what may stand once stands twice; `where` is
            the line.
        OverBudgetError: It is too large.
    """
    if len(data) > LARGEST:
        raise OverBudgetError(f"is larger than {LARGEST >> 20} MB")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8") from None
    if "\r" in text:
        raise FormatError("has a carriage return alone, and readers differ in whether that ends a line")
    document: dict[str, Any] = {"creationInfo": {"creators": []}, "packages": [], "files": [], "relationships": []}
    document["externalDocumentRefs"] = []
    section: dict[str, Any] = document
    for number, tag, value in _tags(text):
        if tag in {"PackageName", "FileName", "SnippetSPDXID", "LicenseID"}:
            section = _section(document, tag, value)
        else:
            _add(document, section, tag, value, f"line {number}")
    return document


def _tags(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number of the line, the tag and the value of each; a text of several lines is one value."""
    lines = iter(enumerate(text.split("\n"), 1))
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        tag, colon, value = line.partition(":")
        if not colon or not tag.strip().isalnum():
            raise FormatError("is no tag with a value", where=f"line {number}")
        value = value.strip()
        if value.startswith(_OPEN):  # elsewhere it is a word, and swallows no lines
            parts = [value]
            while _CLOSE not in parts[-1]:
                following = next(lines, None)
                if following is None:
                    raise FormatError("begins a text that does not end", where=f"line {number}")
                parts.append(following[1])
            value = "\n".join(parts).removeprefix(_OPEN).partition(_CLOSE)[0]
        yield number, tag.strip(), value


def _section(document: dict[str, Any], tag: str, value: str) -> dict[str, Any]:
    """Begin what the next tags are about."""
    if tag == "PackageName":
        document["packages"].append({"name": value, "externalRefs": [], "checksums": []})
        return document["packages"][-1]  # type: ignore[no-any-return]
    if tag == "FileName":
        document["files"].append({"fileName": value, "checksums": []})
        return document["files"][-1]  # type: ignore[no-any-return]
    return {}


def _add(document: dict[str, Any], section: dict[str, Any], tag: str, value: str, where: str) -> None:
    if tag in {"PackageChecksum", "FileChecksum"}:
        algorithm, _, digest = value.partition(":")
        section.setdefault("checksums", []).append({"algorithm": algorithm.strip(), "checksumValue": digest.strip()})
    elif tag == "ExternalRef":
        parts = value.split(None, 2)
        if len(parts) != 3:
            raise FormatError("is no category, type and locator", where=where)
        reference = dict(zip(("referenceCategory", "referenceType", "referenceLocator"), parts, strict=True))
        section.setdefault("externalRefs", []).append(reference)
    elif tag == "Relationship":
        parts = value.split()
        if len(parts) != 3:
            raise FormatError("is no relationship of two elements", where=where)
        keys = ("spdxElementId", "relationshipType", "relatedSpdxElement")
        document["relationships"].append(dict(zip(keys, parts, strict=True)))
    elif tag == "ExternalDocumentRef":
        document["externalDocumentRefs"].append({"externalDocumentId": value})
    elif tag == "Creator":
        document["creationInfo"]["creators"].append(value)
    elif tag == "Created":
        document["creationInfo"]["created"] = value
    elif tag in _ONCE:
        _set(section, document, tag, value, where)


def _set(section: dict[str, Any], document: dict[str, Any], tag: str, value: str, where: str) -> None:
    """Set what may stand once: readers differ in which of two counts."""
    holder = document if tag in _DOCUMENT else section
    key = _DOCUMENT.get(tag) or _PACKAGE[tag]
    if key in holder:
        raise FormatError(f"says {tag} a second time", where=where)
    holder[key] = value
