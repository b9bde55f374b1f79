"""Pages of package indexes, the simple repository API as JSON and as HTML: what they say, and nothing that they do not.

An index may lie about everything but what it leaves out: that is `None`, and a check that needs it says so. Where pip
reads a page in one way only, it is read in that way here, since pip chose the file from the same page: the name of a
file is the last part of its URL, and HTML goes through Python's own parser.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from weighlock.errors import FormatError, OverBudgetError
from weighlock.install_policy import canonical_name
from weighlock.release import IndexFile, ProjectPage
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
ACCEPT = f"{JSON}, {HTML}; q=0.1, text/html; q=0.01"
"""What to ask an index for, as pip does."""

LARGEST = 64 << 20
"""Bytes of a page; the largest of the public index, those of projects with a release each night, have some 20 MB."""

_NOTHING: Mapping[str, object] = {}
_MOST_FILES = 200_000
_METADATA = ("core-metadata", "dist-info-metadata", "data-dist-info-metadata")
_LONGEST = 4096  # characters of a URL, a name or a reason
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_FRAGMENT = re.compile(r"(?:^|&)sha256=([0-9a-fA-F]{64})(?:&|$)")
_VERSION = re.compile(r"([0-9]{1,6})\.[0-9]{1,6}\Z")
_MEDIA = re.compile(r"application/vnd\.pypi\.simple\.v([0-9]{1,6})\+(?:json|html)\Z")
# What nearly every link of a large index looks like: nothing in it has to be joined, quoted or taken away.
_PLAIN = re.compile(r"(https?://[a-z0-9.-]+/(?:[A-Za-z0-9._~-]+/)*([A-Za-z0-9._+-]+))(?:#sha256=([0-9a-f]{64}))?\Z")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tlz", ".tar.lz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where a page comes from.

    Args:
        url: Of the page, after redirects: what its links are relative to.
        index: URL of the index, without credentials.
        name: The project that was asked for.
        links: It is a page of links to files of any project (``--find-links``), and only those of this one count.
    """

    url: str
    index: str
    name: str
    links: bool = False


def parse(data: bytes, content_type: str, page: Page) -> ProjectPage:
    """Read a page.

    Args:
        data: All its bytes.
        content_type: As the server says.
        page: Where it comes from.

    Raises:
        FormatError: It is no page of a project, of a newer major version, or of another project.
        OverBudgetError: It is too large or nested too deeply.

    Source:
        PEP 503, 691 (JSON), 629 (versions), 592, 658, 700, 708, 714, 740, 792; `pip._internal.index.collector`.
    """
    if len(data) > LARGEST:
        raise OverBudgetError("the page is larger than 64 MB")
    kind = content_type.partition(";")[0].strip().lower()
    newer = _MEDIA.match(kind)
    if newer and newer[1] != "1":
        _require_major(newer[1])
    if kind == JSON:
        return _from_json(data, page)
    if kind in (HTML, "text/html"):
        return _from_html(data, page)
    raise FormatError(f"the index answers with {content_type[:100]!r}, which is no page of a package index")


def belongs(filename: str, name: str) -> bool:
    """Say whether a file is one of a project's, by its name alone.

    Args:
        filename: Of a wheel or an sdist.
        name: Canonical name of the project.

    Source:
        The binary distribution format, and PEP 625 with the older sdists that pip takes: the name may have dashes.
    """
    if filename.lower().endswith(".whl"):
        return canonical_name(filename.partition("-")[0]) == name
    stem = next((filename[: -len(end)] for end in _ARCHIVES if filename.lower().endswith(end)), "")
    return canonical_name(stem).startswith(f"{name}-")


def is_archive(filename: str) -> bool:
    """Say whether pip would take a file for a package."""
    return filename.lower().endswith(_ARCHIVES)


def _from_json(data: bytes, page: Page) -> ProjectPage:
    try:
        body = json.loads(data)
    except RecursionError:
        raise OverBudgetError("the page is nested too deeply") from None
    except ValueError as error:
        raise FormatError("the page is not JSON") from error
    if not isinstance(body, dict) or not isinstance(body.get("files"), list):
        raise FormatError("the page lists no files")
    meta, status = _table(body.get("meta")), _table(body.get("project-status"))
    _require_version(meta.get("api-version", "1.0"))
    _require_name(body.get("name"), page)
    rows = (_file_of_json(_table(row), page.url) for row in body["files"])
    tracks = meta.get("tracks")
    return _page(
        page,
        rows,
        status=_text(status.get("status")),
        reason=_text(status.get("reason")),
        tracks=tracks if isinstance(tracks, list) else (),
    )


def _file_of_json(row: Mapping[str, object], base: str) -> IndexFile | None:
    link = _Link.resolve(row.get("url"), base)
    # uv goes by this name and pip by the URL: a file with two names is one that nobody can judge.
    if link is None or row.get("filename") != link.filename:
        return None
    size = row.get("size")
    metadata = next((row[key] for key in _METADATA if key in row), None)
    return IndexFile(
        filename=link.filename,
        url=link.url,
        sha256=_digest(_table(row.get("hashes")).get("sha256")),
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        uploaded=_time(row.get("upload-time")),
        yanked=_yanked(row.get("yanked")),
        requires_python=_text(row.get("requires-python")),
        metadata_url=f"{link.url}.metadata" if metadata else None,
        metadata_sha256=_digest(_table(metadata).get("sha256")),
        provenance_url=_provenance(row.get("provenance"), base),
    )


def _from_html(data: bytes, page: Page) -> ProjectPage:
    parser = _Parser()
    parser.feed(data.decode("utf-8", "replace"))
    parser.close()
    _require_version(parser.meta.get("pypi:repository-version", ["1.0"])[0])
    base = urljoin(page.url, parser.base) if parser.base else page.url
    return _page(
        page,
        (_file_of_html(row, base) for row in parser.anchors),
        status=_text(parser.meta.get("pypi:project-status", [None])[0]),
        reason=_text(parser.meta.get("pypi:project-status-reason", [None])[0]),
        tracks=parser.meta.get("pypi:tracks", []),
    )


def _file_of_html(row: Mapping[str, str | None], base: str) -> IndexFile | None:
    link = _Link.resolve(row.get("href"), base)
    if link is None:
        return None
    metadata = row.get("data-core-metadata", row.get("data-dist-info-metadata"))
    digest = _FRAGMENT.search(metadata or "")
    return IndexFile(
        filename=link.filename,
        url=link.url,
        sha256=link.sha256,
        yanked=(_text(row["data-yanked"]) or "") if "data-yanked" in row else None,
        requires_python=_text(row.get("data-requires-python")),
        metadata_url=f"{link.url}.metadata" if metadata and metadata.lower() != "false" else None,
        metadata_sha256=digest[1].lower() if digest else None,
        provenance_url=_provenance(row.get("data-provenance"), base),
    )


def _page(
    page: Page, rows: Iterable[IndexFile | None], *, status: str | None, reason: str | None, tracks: Iterable[object]
) -> ProjectPage:
    return ProjectPage(
        index=page.index,
        name=page.name,
        files=tuple(_some(rows, page)),
        status=status.strip().lower() if status else None,
        status_reason=reason,
        tracks=tuple(without_credentials(url) for url in map(_text, tracks) if url),
    )


def _some(rows: Iterable[IndexFile | None], page: Page) -> Iterator[IndexFile]:
    for number, file in enumerate(rows):
        if number >= _MOST_FILES:
            raise OverBudgetError(f"the page lists more than {_MOST_FILES} files")
        if file is not None and (not page.links or belongs(file.filename, page.name)):
            yield file


@dataclass(frozen=True, slots=True)
class _Link:
    url: str
    filename: str
    sha256: str | None

    @classmethod
    def resolve(cls, href: object, base: str) -> _Link | None:
        """Return where a link leads, or None where that is no file that an installer would fetch."""
        plain = _PLAIN.match(href) if isinstance(href, str) and len(href) <= _LONGEST else None
        if plain is not None and "/." not in plain[1]:
            return cls(plain[1], plain[2], plain[3]) if is_archive(plain[2]) else None
        parts = _absolute(href, base)
        if parts is None:
            return None
        filename = unquote(parts.path.rpartition("/")[2])
        if not is_archive(filename) or not is_printable(filename) or "/" in filename or "\\" in filename:
            return None
        digest = _FRAGMENT.search(parts.fragment)
        url = parts._replace(fragment="").geturl()
        return cls(url, filename, digest[1].lower() if digest else None)


class _Parser(HTMLParser):
    """Collects links and what the head says."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base: str | None = None
        self.anchors: list[dict[str, str | None]] = []
        self.meta: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        row = dict(attrs)
        if tag == "a":
            if len(self.anchors) >= _MOST_FILES:
                raise OverBudgetError(f"the page has more than {_MOST_FILES} links")
            self.anchors.append(row)
        elif tag == "base" and self.base is None:
            self.base = row.get("href")
        elif tag == "meta" and (row.get("name") or "").startswith("pypi:"):
            self.meta.setdefault(row["name"] or "", []).append(row.get("content") or "")


def without_credentials(url: str) -> str:
    """Return a URL without the user and the password in it, for values that people get to see."""
    head, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{head}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else url


def _absolute(href: object, base: str) -> SplitResult | None:
    if not isinstance(href, str) or not href or len(href) > _LONGEST or not is_printable(href):
        return None
    try:
        url = urljoin(base, quote(href.strip(), safe="%/:=&?~#+!$,;'@()*[]"))
        parts = urlsplit(without_credentials(url))
        parts.port  # noqa: B018 - it raises where there is no port number
    except ValueError:
        return None
    # What comes over the network must not make anybody read this machine's files.
    local = parts.scheme == "file" and urlsplit(base).scheme == "file"
    return parts if local or (parts.scheme in ("http", "https") and parts.hostname) else None


def _provenance(value: object, base: str) -> str | None:
    parts = _absolute(value, base)
    return None if parts is None or parts.scheme == "file" else parts.geturl()


def _require_version(value: object) -> None:
    match = _VERSION.match(value) if isinstance(value, str) else None
    if match is None:
        raise FormatError("the page does not say which version of the index interface it speaks")
    _require_major(match[1])


def _require_major(major: str) -> None:
    if major != "1":
        raise FormatError(f"the index speaks version {major} of the index interface, and only version 1 is known")


def _require_name(name: object, page: Page) -> None:
    if name is not None and (not isinstance(name, str) or canonical_name(name[:_LONGEST]) != page.name):
        raise FormatError(f"the index answers with the page of another project than {page.name}")


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else _NOTHING


def _text(value: object) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) and value else None


def _digest(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and _SHA256.match(value) else None


def _yanked(value: object) -> str | None:
    return (_text(value) or "") if value else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
