"""One visit to an OPA server: a connection, a few requests, and an end that no server can put off.

Redirects are not followed, nothing is unpacked, and a proxy of the environment is not asked for this machine.
"""

from __future__ import annotations

import http.client
import socket
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from weighlock.errors import EngineError, SourceError
from weighlock.sources.trust import Trust, proxy_headers, shown_url, why

if TYPE_CHECKING:
    from collections.abc import Mapping

_STEP = 1 << 16


class StatusError(EngineError):
    """The server answers with another status than 200.

    Args:
        status: Which.
    """

    def __init__(self, status: int, where: str) -> None:
        hint = "is the token right?" if status in (401, 403) else None
        super().__init__(f"the server answers {status}", where=where, hint=hint)
        self.status = status


class Visit:
    """A connection to a server, a context manager.

    Args:
        url: Of the server, which a path may follow.
        headers: For every request.
        seconds: All of it together may take so long.
    """

    def __init__(self, url: str, headers: Mapping[str, str], seconds: float) -> None:
        self._url, self._seconds = url, seconds
        self._headers = {**headers, "Accept": "application/json", "Accept-Encoding": "identity"}
        self._path = urlsplit(url).path.rstrip("/")
        self._connection = _connection(url, seconds)
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._socket: socket.socket | None = None
        self._over = False

    def __enter__(self) -> Self:
        """Start the clock."""
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connection."""
        self._timer.cancel()
        self._connection.close()

    def get(self, path: str, most: int) -> bytes:
        """Return the body of a resource, see `_request`."""
        return self._request("GET", path, None, most)

    def post(self, path: str, body: bytes, most: int) -> bytes:
        """Send a body and return that of the answer, see `_request`."""
        return self._request("POST", path, body, most)

    def _request(self, method: str, path: str, body: bytes | None, most: int) -> bytes:
        """Return the body of a good answer.

        Raises:
            StatusError: It is not 200.
            EngineError: It is late, large, broken or no JSON.
        """
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        try:
            if self._connection.sock is None:
                self._connection.connect()
                self._socket = self._connection.sock  # the connection lets go of it when the server wants to close
            self._connection.request(method, self._path + path, body, headers)
            with self._connection.getresponse() as response:
                self._require_good(response, path)
                return self._body(response, most)
        except EngineError:
            self._connection.close()  # the rest of a bad answer is nothing that the next one begins with
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._over or isinstance(error, TimeoutError):
                raise EngineError(f"it took longer than {self._seconds:g} seconds", where=self._where()) from None
            hint = "is it running?" if isinstance(error, ConnectionError) else None
            raise EngineError(f"cannot be reached: {why(error)}", where=self._where(), hint=hint) from None

    def _require_good(self, response: http.client.HTTPResponse, path: str) -> None:
        where = self._where() + path.partition("?")[0]
        if response.status != 200:
            raise StatusError(response.status, where)
        kind = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json" or response.getheader("Content-Encoding", "identity").lower() != "identity":
            raise EngineError("the server answers with something else than JSON", where=where)

    def _body(self, response: http.client.HTTPResponse, most: int) -> bytes:
        parts, total = list[bytes](), 0
        while part := response.read1(_STEP):
            parts.append(part)
            total += len(part)
            if total > most:
                raise EngineError(f"its answer is larger than {most >> 20} MB", where=self._where())
        if response.length:
            raise EngineError("its answer breaks off", where=self._where())
        if self._over:
            raise TimeoutError
        return b"".join(parts)

    def _cut(self) -> None:
        self._over = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it was closed in the meantime

    def _where(self) -> str:
        return shown_url(self._url)


def _connection(url: str, seconds: float) -> http.client.HTTPConnection:
    parts, trust = urlsplit(url), Trust()
    host = parts.hostname or ""
    if parts.scheme == "http":  # this machine, as `Opa` made sure
        return http.client.HTTPConnection(host, parts.port, timeout=seconds)
    try:
        context, proxy = trust.context(blind=False), trust.proxy_for(parts)
    except SourceError as error:
        raise EngineError(error.message, where=error.where, hint=error.hint) from None
    if proxy is None:
        return http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=context)
    tunnel = http.client.HTTPSConnection(proxy.hostname or "", proxy.port, timeout=seconds, context=context)
    tunnel.set_tunnel(host, parts.port or 443, proxy_headers(proxy))
    return tunnel
