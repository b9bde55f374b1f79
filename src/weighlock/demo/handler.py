"""One HTTP request to the loopback Hub."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from weighlock.demo import answers

if TYPE_CHECKING:
    from weighlock.demo.hub import LoopbackHub
    from weighlock.demo.repository import Commit, Repository
    from weighlock.demo.server import Server

_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
_TYPES = {"models": "model", "datasets": "dataset", "spaces": "space"}


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of the server
    """The request gets an error code of the Hub instead of what it asked for.

    Args:
        status: The HTTP status.
        code: The Hub's ``X-Error-Code``, by which clients choose their exception.
        commit: The commit in which something was not found, so that clients remember its absence.
    """

    status: HTTPStatus
    code: str
    commit: str | None = None


class HubHandler(BaseHTTPRequestHandler):
    """Answers the part of the Hub's interface that reading clients use."""

    server: Server
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes; without this, each answer would wait for a delayed acknowledgement.
    disable_nagle_algorithm = True

    @property
    def _hub(self) -> LoopbackHub:
        hub: LoopbackHub = self.server.owner
        return hub

    def do_GET(self) -> None:
        """Answer a download or a question."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer with the headers alone."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a question that comes with a body."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
        """Write nothing: the log of the hub is `LoopbackHub.requests`."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._authorize()
            self._route(body)
        except Refusal as refusal:
            headers = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.code}
            if refusal.commit:
                headers["X-Repo-Commit"] = refusal.commit
            self._send(refusal.status, json.dumps({"error": refusal.code}).encode(), headers)

    def _authorize(self) -> None:
        token = self._hub.token
        given = self.headers.get("Authorization")
        if token is None or given == f"Bearer {token}":
            return
        if given is None:
            # The real Hub does not tell a stranger whether a private repository exists.
            raise Refusal(HTTPStatus.UNAUTHORIZED, "RepoNotFound")
        raise Refusal(HTTPStatus.FORBIDDEN, "GatedRepo")

    def _route(self, body: bytes) -> None:
        segments = [unquote(segment) for segment in urlsplit(self.path).path.strip("/").split("/")]
        if segments == ["api", "whoami-v2"]:
            self._send_json(answers.whoami())
        elif segments[0] == "api" and len(segments) > 2 and segments[1] in _TYPES:
            repository, rest = self._find(_TYPES[segments[1]], segments[2:])
            self._api(repository, rest, body)
        else:
            kind = _TYPES.get(segments[0], "model")
            repository, rest = self._find(kind, segments[segments[0] in _TYPES :])
            if len(rest) < 3 or rest[0] != "resolve":
                raise Refusal(HTTPStatus.NOT_FOUND, "EntryNotFound")
            self._resolve(repository, self._commit(repository, rest[1]), "/".join(rest[2:]))

    def _find(self, kind: str, segments: list[str]) -> tuple[Repository, list[str]]:
        for length in (2, 1):
            repository = self._hub.repositories.get((kind, "/".join(segments[:length])))
            if repository is not None:
                return repository, segments[length:]
        raise Refusal(HTTPStatus.NOT_FOUND, "RepoNotFound")

    def _commit(self, repository: Repository, revision: str) -> Commit:
        commit = repository.find(revision)
        if commit is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        return commit

    def _api(self, repository: Repository, rest: list[str], body: bytes) -> None:
        query = parse_qs(urlsplit(self.path).query)
        match rest:
            case []:
                self._send_json(answers.info(repository, self._commit(repository, "main")))
            case ["revision", revision]:
                self._send_json(answers.info(repository, self._commit(repository, revision)))
            case ["refs"]:
                self._send_json(answers.refs(repository))
            case ["commits", revision]:
                self._commit(repository, revision)
                self._send_json(answers.commits(repository, revision))
            case ["paths-info", revision]:
                self._send_json(answers.paths_info(self._commit(repository, revision), self._paths(body)))
            case ["tree", revision, *folder]:
                commit = self._commit(repository, revision)
                recursive = query.get("recursive", ["false"])[0].lower() in {"true", "1"}
                entries = answers.tree(commit, "/".join(folder), recursive=recursive)
                if entries is None:
                    raise Refusal(HTTPStatus.NOT_FOUND, "EntryNotFound", commit.sha)
                self._send_json(entries)
            case _:
                raise Refusal(HTTPStatus.NOT_FOUND, "EntryNotFound")

    def _paths(self, body: bytes) -> list[str]:
        # Clients of version 0.x send a form, later ones JSON.
        if self.headers.get_content_type() == "application/json":
            paths = json.loads(body)["paths"]
        else:
            paths = parse_qs(body.decode()).get("paths", [])
        return [paths] if isinstance(paths, str) else list(paths)

    def _resolve(self, repository: Repository, commit: Commit, path: str) -> None:
        blob = commit.files.get(path)
        if blob is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "EntryNotFound", commit.sha)
        headers = {"X-Repo-Commit": commit.sha, "ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes"}
        if blob.lfs:
            headers |= {"X-Linked-Etag": f'"{blob.etag}"', "X-Linked-Size": str(blob.size)}
        if self.command == "HEAD":
            self._send(HTTPStatus.OK, b"", headers | {"Content-Length": str(blob.size)})
            return
        data = repository.served(path, blob)
        wanted = self.headers.get("Range")
        if wanted is None:
            self._send(HTTPStatus.OK, data, headers)
        else:
            self._send_range(data, wanted, headers)

    def _send_range(self, data: bytes, wanted: str, headers: dict[str, str]) -> None:
        match = _RANGE.match(wanted)
        first, last = match.groups() if match else ("", "")
        start = int(first) if first else max(0, len(data) - int(last or 0))
        stop = min(int(last) + 1, len(data)) if first and last else len(data)
        if start >= stop:
            self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        self._send(HTTPStatus.PARTIAL_CONTENT, data[start:stop], headers)

    def _send_json(self, answer: Any) -> None:
        self._send(HTTPStatus.OK, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _send(self, status: HTTPStatus, body: bytes, headers: dict[str, str]) -> None:
        self._hub.record(self.command, self.path, status)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
