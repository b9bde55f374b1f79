"""What the metadata of an installed distribution say about it, as a bill of materials lists it.

Source:
    The core metadata specification (PEP 566, PEP 639, PEP 753), and "Recording installed projects" (PEP 376, PEP 610)
    of packaging.python.org.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import FormatError

if TYPE_CHECKING:
    from weighlock.formats.core_metadata import Headers

_LONGEST = 500
_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """An installed distribution, as it describes itself.

    Args:
        name: Canonical name of the project.
        version: As written.
        summary: One line.
        author: Who is said to have made it.
        expression: Its licence as an expression of SPDX, where it has one.
        license: Its licence in other words.
        classifiers: The names of licences among its classifiers.
        urls: Labels and addresses.
        requires: ``Requires-Dist``, as written.
        record: Digest of its RECORD, which has a digest of every other file.
        record_size: Bytes of it.
        files: Paths, digests and sizes in RECORD; a file without a SHA-256 there has none.
        archive: Digest of the file that it was installed from, where the installer recorded that.
        direct: Address that it was installed from, without credentials, if not from an index by its name.
        editable: Its code lies there, and not in the environment.
        installer: Who says to have installed it.
        requested: A person asked for it.
        problem: Why there is not more.
    """

    name: str
    version: str
    summary: str | None = None
    author: str | None = None
    expression: str | None = None
    license: str | None = None
    classifiers: tuple[str, ...] = ()
    urls: tuple[tuple[str, str], ...] = ()
    requires: tuple[str, ...] = ()
    record: Digest | None = None
    record_size: int = 0
    files: tuple[tuple[str, Digest | None, int | None], ...] = ()
    archive: Digest | None = None
    direct: str | None = None
    editable: bool = False
    installer: str | None = None
    requested: bool = False
    problem: str | None = None


def license_words(headers: Headers) -> str | None:
    """Return the field ``License`` where it is a name and not the text of a licence."""
    text = (headers.first("license") or "").strip()
    return text if text and len(text) <= 200 and "\n" not in text else None


def licenses_of_classifiers(headers: Headers) -> tuple[str, ...]:
    """Return the names of licences among the classifiers, without the one that only says "approved"."""
    found = [item.rpartition("::")[2].strip() for item in headers.all("classifier") if item.startswith("License ::")]
    return tuple(dict.fromkeys(name for name in found if name and name != "OSI Approved"))[:20]


def author_of(headers: Headers) -> str | None:
    """Return who is said to have made it: a name, else an address."""
    for key in ("author", "author-email", "maintainer", "maintainer-email"):
        if text := (headers.first(key) or "").strip():
            return " ".join(text.split())[:_LONGEST]
    return None


def urls_of(headers: Headers) -> tuple[tuple[str, str], ...]:
    """Return the project's addresses with their labels in lower case."""
    found = []
    for item in headers.all("project-url")[:_MOST]:
        label, comma, url = item.partition(",")
        if comma:
            found.append((label.strip().lower()[:_LONGEST], url.strip()))
    home = headers.first("home-page")
    return (*found, *([("homepage", home)] if home else []))


def archive_digest(data: bytes) -> Digest | None:
    """Return the digest of the archive that ``direct_url.json`` names, if it has one.

    Raises:
        FormatError: It is no such document.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError("direct_url.json is no JSON") from error
    archive = document.get("archive_info") if isinstance(document, dict) else None
    hashes = archive.get("hashes") if isinstance(archive, dict) else None
    value = hashes.get("sha256") if isinstance(hashes, dict) else None
    if value is None and isinstance(archive, dict) and isinstance(archive.get("hash"), str):
        algorithm, _, value = archive["hash"].partition("=")
        value = value if algorithm == "sha256" else None
    try:
        return Digest.sha256(value) if isinstance(value, str) else None
    except ValueError:
        return None
