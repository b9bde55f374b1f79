"""A package index on the loopback interface, for the demonstration and for tests.

One server holds any number of indexes under prefixes, so that a name can be served by two of them. Each speaks the
simple repository API as pip and uv read it, in JSON or in HTML, whichever the client asks for.

Source:
    PEP 503 and 691 (pages), 592 (yanked), 658 and 714 (metadata), 700 (size, upload time), 708 (tracks), 740
    (provenance), 792 (status).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from weighlock.demo import pages
from weighlock.demo.packages import canonical
from weighlock.demo.server import Loopback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from email.message import Message

    from weighlock.demo.packages import Package
    from weighlock.demo.server import Server

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
_FILES = "-/files"
_PROVENANCE = "-/provenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file as a page lists it, which need not be the truth.

    Args:
        package: The file.
        uploaded: ``upload-time``, or `None` where the page does not say.
        yanked: The reason, which may be empty; `None` for a file that is not yanked.
        sha256: The digest that the page lists, or `None` where it lists none.
        size: The size that the page lists, or `None`.
        metadata: Whether the metadata is served on its own (PEP 658).
        provenance: The provenance document (PEP 740), where there is one.
    """

    package: Package
    uploaded: datetime | None = LONG_AGO
    yanked: str | None = None
    sha256: str | None = None
    size: int | None = None
    metadata: bool = True
    provenance: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Project:
    """A project of one index.

    Args:
        name: As the page spells it.
        files: In the order of the page.
        status: Of the project (PEP 792).
        reason: For the status.
        tracks: Indexes that the project says it follows (PEP 708).
    """

    name: str
    files: list[Listed] = field(default_factory=list)
    status: str | None = None
    reason: str | None = None
    tracks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One request that the index answered; it holds no headers, so no credentials either.

    Args:
        method: ``GET`` or ``HEAD``.
        path: Path and query, as they were sent.
        status: The HTTP status of the answer.
    """

    method: str
    path: str
    status: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back.

    Args:
        status: The HTTP status.
        body: Its bytes.
        headers: Without the length.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


NOT_FOUND = Answer(HTTPStatus.NOT_FOUND, b"not found\n", {"Content-Type": "text/plain"})


class IndexHandler(BaseHTTPRequestHandler):
    """Passes a request on to the index."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer a download or a question."""
        index: LoopbackIndex = self.server.owner
        index.deliver(self, index.answer(self.path, self.headers))

    def do_HEAD(self) -> None:
        """Answer with the headers alone."""
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Write nothing: the log of the index is `LoopbackIndex.requests`."""


class LoopbackIndex(Loopback):
    """Package indexes on 127.0.0.1, empty at first; a context manager that serves while it is entered.

    Attributes:
        requests: Every request that was answered, in order.
        projects: By prefix and canonical name.
        html_only: Prefixes that serve pages as HTML alone, as old indexes do.
    """

    handler = IndexHandler
    scheme = "http"

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.projects: dict[tuple[str, str], Project] = {}
        self.html_only: set[str] = set()

    def url(self, prefix: str = "simple", *, user: str = "") -> str:
        """Return the value for ``--index-url``.

        Args:
            prefix: Which of the indexes.
            user: ``name:password``, to stand in the URL.
        """
        return f"{self.scheme}://{f'{user}@' if user else ''}127.0.0.1:{self.port}/{prefix}/"

    def file_url(self, package: Package, prefix: str = "simple") -> str:
        """Return where a file can be fetched, for requirements that are a URL."""
        return f"{self.url(_FILES)}{prefix}/{quote(package.filename)}"

    def add(self, package: Package, /, prefix: str = "simple", **listed: Any) -> Package:
        """List a file, with the right digest and size and as uploaded long ago where nothing else is said.

        Args:
            package: The file; the project is made where it is new.
            prefix: Which of the indexes.
            **listed: Fields of `Listed`.

        Returns:
            The package.
        """
        truth = {"sha256": package.sha256, "size": len(package.data)}
        project = self.project(package.project, prefix)
        project.files = [file for file in project.files if file.package.filename != package.filename]
        project.files.append(Listed(package=package, **{**truth, **listed}))
        return package

    def change(self, package: Package, /, prefix: str = "simple", **listed: Any) -> None:
        """Say something else about a file that is listed; ``package=`` serves other bytes under the old digest."""
        project = self.project(package.project, prefix)
        project.files = [
            replace(file, **listed) if file.package.filename == package.filename else file for file in project.files
        ]

    def project(self, name: str, prefix: str = "simple") -> Project:
        """Return a project, made where it is new, to set its status and what it tracks."""
        return self.projects.setdefault((prefix, canonical(name)), Project(name))

    def paths(self) -> list[str]:
        """Return the paths that were asked for, in order."""
        return [request.path for request in self.requests]

    def answer(self, path: str, headers: Message) -> Answer:
        """Return the answer to a request."""
        plain = unquote(urlsplit(path).path).lstrip("/")
        if plain.startswith(f"{_FILES}/"):
            return self._file(plain.removeprefix(f"{_FILES}/"))
        if plain.startswith(f"{_PROVENANCE}/"):
            return self._provenance(plain.removeprefix(f"{_PROVENANCE}/"))
        accept = headers.get("Accept") or ""
        if not plain.endswith("/"):
            return Answer(HTTPStatus.MOVED_PERMANENTLY, headers={"Location": f"/{quote(plain)}/"})
        prefix, _, name = plain.rstrip("/").rpartition("/")
        project = self.projects.get((prefix, canonical(name)))
        if project is not None:
            return self.page(project, prefix, as_json=self._as_json(accept, prefix))
        return self._root(plain.rstrip("/"), accept)

    def page(self, project: Project, prefix: str, *, as_json: bool) -> Answer:
        """Return the page of a project."""
        base, provenance = f"/{_FILES}/{prefix}/", f"{self.url(_PROVENANCE)}{prefix}/"
        if as_json:
            body = json.dumps(pages.project_json(project, base, provenance)).encode()
            return Answer(HTTPStatus.OK, body, {"Content-Type": pages.JSON})
        return Answer(
            HTTPStatus.OK, pages.project_html(project, base, provenance).encode(), {"Content-Type": pages.HTML}
        )

    def deliver(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        """Send an answer and write it into the log."""
        self.record(handler, answer)
        handler.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(answer.body)

    def record(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        """Write a request into the log."""
        self.requests.append(Request(handler.command, handler.path, int(answer.status)))

    def _as_json(self, accept: str, prefix: str) -> bool:
        return pages.JSON in accept and prefix not in self.html_only

    def _root(self, prefix: str, accept: str) -> Answer:
        names = sorted(name for where, name in self.projects if where == prefix)
        if not names:
            return NOT_FOUND
        if self._as_json(accept, prefix):
            return Answer(HTTPStatus.OK, json.dumps(pages.root_json(names)).encode(), {"Content-Type": pages.JSON})
        return Answer(HTTPStatus.OK, pages.root_html(names).encode(), {"Content-Type": pages.HTML})

    def _file(self, path: str) -> Answer:
        binary = {"Content-Type": "application/octet-stream"}
        listed = self._listed(path)
        if listed is not None:
            return Answer(HTTPStatus.OK, listed.package.data, binary)
        owner = self._listed(path.removesuffix(".metadata"))
        if owner is None or not path.endswith(".metadata") or not owner.metadata:
            return NOT_FOUND
        return Answer(HTTPStatus.OK, owner.package.metadata, binary)

    def _provenance(self, path: str) -> Answer:
        listed = self._listed(path)
        if listed is None or listed.provenance is None:
            return NOT_FOUND
        headers = {"Content-Type": "application/vnd.pypi.integrity.v1+json"}
        return Answer(HTTPStatus.OK, json.dumps(listed.provenance).encode(), headers)

    def _listed(self, path: str) -> Listed | None:
        prefix, _, filename = path.rpartition("/")
        files = (file for (where, _), project in self.projects.items() if where == prefix for file in project.files)
        return next((file for file in files if file.package.filename == filename), None)
