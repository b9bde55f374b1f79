"""What lockfiles of packages have in common: the packages that they list, and how their text is read.

Source:
    PEP 751 for the words; TOML 1.0.0.
"""

from __future__ import annotations

import os.path
import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from weighlock.artifact import Digest
from weighlock.errors import FormatError, OverBudgetError
from weighlock.install_policy import canonical_name

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST = 64 << 20
"""Bytes; a lockfile of a thousand packages has some 3 MB."""

_MOST_PACKAGES = 20_000
_MOST_FILES = 5_000
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,254}[A-Za-z0-9])?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedDistribution:
    """A wheel or an sdist that a lockfile lists.

    Args:
        filename: As listed, or the last part of its URL or path.
        url: Where it lies, if not in a folder.
        path: Relative to the lockfile.
        digest: That the installer demands; `None` where none of SHA-256 is there.
        size: Bytes.
        uploaded: When it came to the index, where the lockfile says so.
    """

    filename: str
    url: str | None = None
    path: str | None = None
    digest: Digest | None = None
    size: int | None = None
    uploaded: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """A package that a lockfile lists.

    Args:
        name: Canonical.
        version: As written; `None` where the lockfile leaves it to a build.
        line: Where its table begins, from 1; `None` where that is not certain.
        kind: ``index``, ``archive``, ``vcs``, ``directory``, or ``project`` for the very project that is locked.
        index: URL of its index.
        where: What a build would be made of: a URL with its commit, or a path.
        marker: When it is installed at all.
        wheels: That may be installed, of which an installer takes one.
        sdist: What a build would be made of.
    """

    name: str
    version: str | None
    line: int | None
    kind: str
    index: str | None = None
    where: str | None = None
    marker: str | None = None
    wheels: tuple[LockedDistribution, ...] = ()
    sdist: LockedDistribution | None = None


def load(text: str) -> dict[str, Any]:
    """Return the document.

    Raises:
        FormatError: It is not TOML.
        OverBudgetError: It is too large or nested too deeply.
    """
    if len(text) > LARGEST:
        raise OverBudgetError(f"is larger than {LARGEST >> 20} MB")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"is not valid TOML: {error}") from error
    except RecursionError:
        raise OverBudgetError("is nested too deeply") from None


def lines_of(text: str, header: str, number: int) -> list[int | None]:
    """Return the line of each table of an array of tables.

    Args:
        text: The document.
        header: The name of the array.
        number: How many tables the parser found. Where another number of lines looks like a header, because one lies
            inside a string, no line is certain.
    """
    pattern = re.compile(rf"[ \t]*\[\[[ \t]*{header}[ \t]*\]\]")
    found = [index for index, line in enumerate(text.split("\n"), 1) if pattern.match(line)]
    return list(found) if len(found) == number else [None] * number


def tables(value: Any, where: str, most: int = _MOST_PACKAGES) -> Sequence[dict[str, Any]]:
    """Return a list of tables; what is absent is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise FormatError("must be a list of tables", where=where)
    if len(value) > most:
        raise OverBudgetError(f"lists more than {most}", where=where)
    return value


def files(value: Any, where: str) -> Sequence[dict[str, Any]]:
    """Return the tables of the files of one package."""
    return tables(value, where, _MOST_FILES)


def table(value: Any, where: str) -> dict[str, Any]:
    """Return a table."""
    if not isinstance(value, dict):
        raise FormatError("must be a table", where=where)
    return value


def text_of(data: dict[str, Any], key: str, where: str) -> str | None:
    """Return a string, or `None` where it is absent."""
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise FormatError("must be a string", where=f"{where}.{key}")
    return value


def name_of(data: dict[str, Any], where: str) -> str:
    """Return the canonical name of a package."""
    name = text_of(data, "name", where)
    if name is None or not _NAME.match(name):
        raise FormatError(f"is not the name of a project: {str(name)[:100]!r}", where=f"{where}.name")
    return canonical_name(name)


def size_of(data: dict[str, Any], where: str) -> int | None:
    """Return the size of a file."""
    size = data.get("size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise FormatError("must be a number of bytes", where=f"{where}.size")
    return size


def uploaded_of(data: dict[str, Any], where: str) -> datetime | None:
    """Return when a file came to its index; PEP 751 has a TOML time, uv a string."""
    value = data.get("upload-time", data.get("upload_time"))
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = 0
    if value is not None and not isinstance(value, datetime):
        raise FormatError("must be a time", where=f"{where}.upload-time")
    return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


def digest_of(value: Any, where: str) -> Digest | None:
    """Return the SHA-256 digest out of the hexadecimal digits of it."""
    if value is None:
        return None
    try:
        return Digest.sha256(value.lower())
    except (ValueError, AttributeError):
        raise FormatError("must be a SHA-256 digest in hexadecimal", where=where) from None


def is_inside(path: str) -> bool:
    """Say whether a path is one of the project that is locked, and not one of somebody else's beside it."""
    parts = os.path.normpath(path.replace("\\", "/")).split("/")
    return not os.path.isabs(path) and ".." not in parts and ":" not in path


def last_part(location: str) -> str:
    """Return the file name at the end of a URL or a path."""
    try:
        path = urlsplit(location).path if "://" in location else location
    except ValueError:
        return ""
    return unquote(path.replace("\\", "/").rpartition("/")[2])


def without_credentials(url: str) -> str:
    """Return a URL without the part in which people write passwords."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}" if separator else url
