"""HTTP requests with small answers: every status is an answer, and what it means is for who asked to say."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from weighlock.errors import SourceError
from weighlock.sources.transport import MOVED, REDIRECTS, TransientError, Transport
from weighlock.sources.trust import shown_url, why

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.sources.transport import Content

LARGEST = 4 << 20
"""Bytes of an answer."""

_STEP = 1 << 16
_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered.

    Args:
        status: The status code.
        headers: Lower-case names; of a name that stands several times, all values, joined with a comma.
        data: The whole body.
        url: Where it came from at last.
    """

    status: int
    headers: Mapping[str, str]
    data: bytes
    url: str

    def location(self) -> str | None:
        """Return the URL that the server names, absolute."""
        named = self.headers.get("location")
        return urljoin(self.url, named) if named else None


class Exchange(Transport):
    """Makes requests of any method."""

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        body: Content | None = None,
        most: int = LARGEST,
    ) -> Answer:
        """Make a request and read its answer. Only GET and HEAD follow redirects.

        Args:
            method: Of HTTP.
            url: An https URL, or an http one where that is allowed.
            headers: ``Authorization`` is sent to the first origin only; a body needs its ``Content-Length``.
            body: What is sent; read once.
            most: Bytes of the answer; more is an error.

        Raises:
            TransientError: The server cannot be reached, or the connection breaks.
            SourceError: It redirects to where it must not, or sends too much or too slowly.
        """
        sent = {**headers, "Accept-Encoding": "identity"}
        for _ in range(REDIRECTS):
            used, response = self._request(self._checked(url), sent, method, body)
            try:
                answer = _read(response, url, most)
            finally:
                response.close()
                self.forget(used)
            if answer.status not in MOVED or method not in ("GET", "HEAD"):
                return answer
            url, sent = self._next(url, answer.headers.get("location"), sent)
        raise SourceError(f"redirects more than {REDIRECTS} times", where=shown_url(url))


def is_same_origin(one: str, other: str) -> bool:
    """Whether two URLs are on one server."""
    first, second = urlsplit(one), urlsplit(other)
    ports = {"http": 80, "https": 443}
    return (first.scheme, first.hostname, first.port or ports.get(first.scheme)) == (
        second.scheme,
        second.hostname,
        second.port or ports.get(second.scheme),
    )


def _read(response: http.client.HTTPResponse, url: str, most: int) -> Answer:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    if headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise SourceError("the server sends a compressed answer that was not asked for", where=shown_url(url))
    parts, total, end, size = list[bytes](), 0, time.monotonic() + _SECONDS, response.length
    try:
        while part := response.read1(_STEP):
            total += len(part)
            parts.append(part)
            if total > most:
                raise SourceError(f"answers with more than {most >> 20} MiB", where=shown_url(url))
            if time.monotonic() > end:
                raise TransientError(f"did not answer within {_SECONDS:.0f} seconds", where=shown_url(url))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TransientError(f"the connection broke: {why(error)}", where=shown_url(url)) from None
    if size is not None and total != size:
        raise TransientError("the connection broke in the middle of an answer", where=shown_url(url))
    return Answer(status=response.status, headers=headers, data=b"".join(parts), url=url)
