"""RECORD: the list of files in a wheel or an installed distribution, with their digests."""

from __future__ import annotations

import base64
import binascii
import csv
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STRONG = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b"})
"""Algorithms that `hashlib` always has and that nobody can make two files for."""

# What str.splitlines takes for the end of a line, and a reader of CSV files does not.
_OTHER_ENDS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]|\r(?!\n)")
_MOST_LINES = 200_000
_MOST_ODD = 20


@dataclass(frozen=True, slots=True)
class Row:
    """What RECORD says about one file.

    Args:
        path: As written.
        algorithm: Of the digest, in lower case; empty where there is none.
        digest: Its bytes.
        size: Of the file, or ``None`` where it is not said.
    """

    path: str
    algorithm: str = ""
    digest: bytes = b""
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A parsed RECORD.

    Args:
        rows: By their paths; of two rows with one path the first.
        twice: Paths that have several rows which do not say the same.
        odd: What is wrong with lines that are no proper rows, a few of them.
    """

    rows: Mapping[str, Row] = field(default_factory=dict)
    twice: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()


def parse(data: bytes) -> Record:
    """Read a RECORD file.

    Args:
        data: All of it; the caller bounds it.

    Raises:
        FormatError: It is not CSV in UTF-8, or its readers would not agree about its lines.

    Source:
        The binary distribution format and "Recording installed projects" of packaging.python.org (PEP 376, PEP 427);
        ``pip/_internal/operations/install/wheel.py``, which reads the lines of `str.splitlines`.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("it is not UTF-8") from error
    if _OTHER_ENDS.search(text):
        raise FormatError("it holds characters that some readers take for the end of a line")
    rows: dict[str, Row] = {}
    twice: dict[str, None] = {}
    odd: list[str] = []
    lines = text.splitlines()
    if len(lines) > _MOST_LINES:
        raise FormatError("it has more lines than a wheel has files")
    try:
        for number, fields in enumerate(csv.reader(lines), 1):
            if not fields:
                continue
            row = _row(fields, f"line {number}", odd)
            if rows.setdefault(row.path, row) != row:
                twice[row.path] = None
    except csv.Error as error:
        raise FormatError(f"it is not CSV: {error}") from error
    return Record(rows=rows, twice=tuple(twice), odd=tuple(odd[:_MOST_ODD]))


def _row(fields: list[str], where: str, odd: list[str]) -> Row:
    path, digest, size = (*fields[:3], "", "")[:3]
    if len(fields) != 3:
        odd.append(f"{where} has {len(fields)} fields")
    algorithm, _, value = digest.partition("=")
    decoded = _decoded(value)
    if decoded is None or bool(algorithm) != bool(decoded):
        odd.append(f"{where} has no proper digest")
        algorithm, decoded = algorithm or "none", b""
    if size and not (size.isascii() and size.isdigit() and len(size) < 20):
        odd.append(f"{where} has a size that is no number")
        size = "-1"  # no file has it
    return Row(path, algorithm.lower(), decoded, int(size) if size else None)


def _decoded(value: str) -> bytes | None:
    """Return the bytes of a digest in the URL-safe alphabet, without padding or with it."""
    try:
        return base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def owner_key(path: str) -> str:
    """Return a path of an installed RECORD in the form in which a wheel's files are compared with it.

    Files of the library folder keep their path; scripts, which RECORD names relative to that folder, become
    ``bin/NAME``; what lies elsewhere in the prefix stays below it, such as ``share/man/man1/x.1``.

    Args:
        path: As in RECORD, with ``/``.
    """
    parts = path.replace("\\", "/").split("/")
    if parts[0] != "..":
        return path
    rest = [part for part in parts if part != ".."]
    if len(rest) == 2 and rest[0] in {"bin", "Scripts"}:
        rest[0] = "bin"
    return "../" + "/".join(rest)


def keys(paths: Iterable[str], owner: str) -> dict[str, str]:
    """Return the files of one installed distribution for the `owners` of an inspection.

    Args:
        paths: The paths of its RECORD.
        owner: Its canonical name.
    """
    return {owner_key(path): owner for path in paths}
