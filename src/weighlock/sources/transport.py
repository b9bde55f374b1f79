"""HTTP GET for large files: bounded redirects, ranges, no silent decoding, and it can be stopped at any moment.

Other requests, whose answers are small, are those of `weighlock.sources.exchange`.

The Hub's own client is used for its API. Bodies go through this file, because huggingface_hub 0.30, 1.x and 2.x
stand on different HTTP clients, and because every redirect and every byte of a download has to be in our hands.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import zlib
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import SplitResult, urljoin, urlsplit

from weighlock.errors import SourceError, WeighlockError
from weighlock.sources.addresses import Addresses
from weighlock.sources.trust import Trust, is_loopback, port_of, proxy_headers, shown_url, why
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

REDIRECTS = 8
_STEP = 1 << 16
_SENT = 1 << 20
_TIMEOUT = 30.0
MOVED = frozenset({301, 302, 303, 307, 308})
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class TransientError(SourceError):
    """Trying again may help."""


class UntrustedError(TransientError):
    """Nobody vouches for the certificate of the server."""


class NoSuchRangeError(TransientError):
    """The file has no bytes from there on; only starting over can help."""


class NotFoundError(SourceError):
    """The server says that there is no such thing."""


class UnauthorizedError(SourceError):
    """The server wants to know who asks."""


class RefusedError(SourceError):
    """The server refuses what was asked; `said` is the beginning of what it answered."""

    said: bytes = b""


class NotModifiedError(SourceError):
    """The server says that nothing has changed since what the request names."""


class Content(Protocol):
    """A body that is sent: read once, in parts."""

    def read(self, size: int = ..., /) -> bytes:
        """Return the next bytes, nothing at the end."""


_ANSWERS = {304: NotModifiedError, 400: RefusedError, 401: UnauthorizedError, 403: RefusedError, 404: NotFoundError}
_SAID = 4096


class Transport:
    """Makes GET requests.

    Args:
        allow_http: Whether other hosts than this machine may be asked without encryption.
        timeout: Seconds of silence after which a server counts as unreachable.
        trust: Certificates and proxies that are not those of this system.
    """

    def __init__(self, *, allow_http: bool = False, timeout: float = _TIMEOUT, trust: Trust | None = None) -> None:
        self._allow_http = allow_http
        self._trust = trust or Trust()
        self._timeout = timeout
        self._stopped = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._tls: dict[bool, ssl.SSLContext] = {}
        self._addresses = Addresses()

    def get(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        offset: int = 0,
        validator: str | None = None,
        packed: bool = False,
    ) -> Body:
        """Start a GET request and follow its redirects.

        Args:
            url: An https URL, or an http one where that is allowed.
            headers: ``Authorization`` is sent to the first origin only.
            offset: Ask for the bytes from there; the answer may still start at 0.
            validator: A strong ETag, so that the rest of other bytes is not taken for the rest of these.
            packed: The body may come compressed; only `Body.read_all` unpacks it.

        Raises:
            SourceError: The server cannot be reached, refuses, or redirects to where it must not.
        """
        sent = {**headers, "Accept-Encoding": "gzip" if packed else "identity"}
        if offset:
            sent["Range"] = f"bytes={offset}-"
            if validator:
                sent["If-Range"] = validator
        seen: dict[str, str] = {}
        for _ in range(REDIRECTS):
            parts = self._checked(url)
            used, response = self._request(parts, sent)
            seen = {**{key.lower(): value for key, value in response.getheaders()}, **_linked(seen)}
            if response.status not in MOVED:
                return _body(self, used, response, seen, offset=offset, url=url, packed=packed)
            response.close()
            self.forget(used)
            url, sent = self._next(url, response.getheader("Location"), sent)
        raise SourceError(f"redirects more than {REDIRECTS} times", where=shown_url(url))

    def stop(self) -> None:
        """End every running request; the threads that read them get an error at once."""
        self._stopped.set()
        with self._lock:
            for open_socket in self._sockets:
                _shut(open_socket)

    def wait(self, seconds: float) -> None:
        """Sleep, unless stopped.

        Raises:
            SourceError: Stopped.
        """
        if self._stopped.wait(seconds):
            raise SourceError("stopped")

    def forget(self, used: socket.socket) -> None:
        """Close the socket of a finished request."""
        with self._lock:
            self._sockets.discard(used)
        used.close()

    def _checked(self, url: str) -> SplitResult:
        if self._stopped.is_set():
            raise SourceError("stopped")
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise SourceError("is not a URL", where=shown_url(url)) from None
        if not host or not is_printable(url) or not url.isascii() or " " in url:
            raise SourceError("is not a URL", where=shown_url(url))
        allowed = self._allow_http or is_loopback(host) or self._trust.believes(parts)
        if parts.scheme == "http" and not allowed:
            raise SourceError(
                "would be fetched without encryption",
                where=shown_url(url),
                hint="use https, or allow it with --allow-http",
            )
        if parts.scheme not in ("http", "https"):
            raise SourceError("is neither https nor http", where=shown_url(url))
        return parts

    def _next(self, url: str, location: str | None, sent: dict[str, str]) -> tuple[str, dict[str, str]]:
        if not location:
            raise SourceError("redirects to nowhere", where=shown_url(url))
        try:
            target = urljoin(url, location)
        except ValueError:
            raise SourceError("redirects to what is not a URL", where=shown_url(url)) from None
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise SourceError("redirects away from https", where=shown_url(url))
        if _origin(self._checked(target)) != _origin(urlsplit(url)):
            sent = {key: value for key, value in sent.items() if key.lower() not in ("authorization", "cookie")}
        return target, sent

    def _request(
        self, parts: SplitResult, headers: Mapping[str, str], method: str = "GET", body: Content | None = None
    ) -> tuple[socket.socket, http.client.HTTPResponse]:
        connection, target = self._connection(parts)
        connection._create_connection = self._addresses.connect  # type: ignore[attr-defined]  # noqa: SLF001 - its own seam
        headers = {**headers, **self._proxy_headers(connection, parts)}
        used: socket.socket | None = None
        try:
            connection.connect()
            used = connection.sock  # The connection lets go of it when the server wants to close after this answer.
            self._remember(used)
            connection.blocksize = _SENT
            connection.request(method, target, body=body, headers=headers)
            return used, connection.getresponse()
        except (OSError, http.client.HTTPException, WeighlockError) as error:
            if used is not None:
                self.forget(used)
            if isinstance(error, WeighlockError):
                raise  # what was to be sent is not what it should be
            if self._stopped.is_set():
                raise SourceError("stopped") from None
            kind = UntrustedError if isinstance(error, ssl.SSLCertVerificationError) else TransientError
            raise kind(
                f"cannot be reached: {why(error)}", where=shown_url(parts.geturl()), hint="is the network up?"
            ) from None

    def _connection(self, parts: SplitResult) -> tuple[http.client.HTTPConnection, str]:
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        host, port, wait = parts.hostname or "", parts.port, self._timeout
        proxy = self._trust.proxy_for(parts)
        if parts.scheme == "http":
            if proxy is None:
                return http.client.HTTPConnection(host, port, timeout=wait), target
            whole = parts._replace(fragment="").geturl()
            return http.client.HTTPConnection(proxy.hostname or "", proxy.port, timeout=wait), whole
        context = self._context(blind=self._trust.believes(parts))
        if proxy is None:
            return http.client.HTTPSConnection(host, port, timeout=wait, context=context), target
        tunnel = http.client.HTTPSConnection(proxy.hostname or "", proxy.port, timeout=wait, context=context)
        tunnel.set_tunnel(host, port, proxy_headers(proxy))
        return tunnel, target

    def _context(self, *, blind: bool) -> ssl.SSLContext:
        with self._lock:
            if blind not in self._tls:
                self._tls[blind] = self._trust.context(blind=blind)
            return self._tls[blind]

    def _proxy_headers(self, connection: http.client.HTTPConnection, parts: SplitResult) -> dict[str, str]:
        proxy = self._trust.proxy_for(parts) if parts.scheme == "http" else None
        return proxy_headers(proxy) if proxy is not None and connection.host == proxy.hostname else {}

    def _remember(self, used: socket.socket) -> None:
        with self._lock:
            self._sockets.add(used)
            if self._stopped.is_set():
                _shut(used)


class Body:
    """The body of an answer, a context manager.

    Attributes:
        offset: Where in the whole its first byte stands.
        size: Bytes of the whole, where the server says so.
        headers: Lower-case names; ``x-linked-etag`` also from before a redirect.
        url: Where it came from at last.
    """

    def __init__(
        self,
        transport: Transport,
        used: socket.socket,
        response: http.client.HTTPResponse,
        *,
        headers: Mapping[str, str],
        offset: int,
        size: int | None,
        url: str,
    ) -> None:
        self.offset = offset
        self.url = url
        self.size = size
        self.headers = headers
        self._transport = transport
        self._socket = used
        self._response = response

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._response.close()
        self._transport.forget(self._socket)

    def read_into(self, buffer: memoryview) -> int:
        """Fill `buffer` as far as one reading goes and return how many bytes came, 0 at the end.

        Raises:
            TransientError: The connection broke.
        """
        try:
            return self._response.readinto(buffer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TransientError(f"the connection broke: {why(error)}") from None

    def read_all(self, most: int, seconds: float) -> bytes:
        """Return the whole body.

        Args:
            most: Bytes; a larger body is an error.
            seconds: As long as it may take, however often something comes.

        Raises:
            SourceError: It is larger, slower or shorter than it should be.
        """
        if (self.size or 0) > most:
            raise SourceError(f"is larger than {most >> 20} MB", where=shown_url(self.url))
        parts, total, end = list[bytes](), 0, time.monotonic() + seconds
        unpacked = _Unpacked(most) if self.headers.get("content-encoding", "").strip().lower() == "gzip" else None
        while part := self._some():
            total += len(part)
            parts.append(part if unpacked is None else unpacked.feed(part))
            if total > most or (unpacked is not None and unpacked.total > most):
                raise SourceError(f"is larger than {most >> 20} MB", where=shown_url(self.url))
            if time.monotonic() > end:
                raise TransientError(f"did not come within {seconds:.0f} seconds", where=shown_url(self.url))
        if (self.size is not None and total != self.size) or (unpacked is not None and not unpacked.is_whole):
            raise TransientError("the connection broke in the middle", where=shown_url(self.url))
        return b"".join(parts)

    def _some(self) -> bytes:
        try:
            return self._response.read1(_STEP)  # what is there, and not as much as fits: a slow server is noticed
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TransientError(f"the connection broke: {why(error)}") from None


class _Unpacked:
    """Unpacks gzip piece by piece, and never more than was asked for."""

    def __init__(self, most: int) -> None:
        self.total = 0
        self._most = most
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def is_whole(self) -> bool:
        return self._stream.eof and not self._stream.unused_data

    def feed(self, data: bytes) -> bytes:
        try:
            part = self._stream.decompress(data, self._most + 1 - self.total)
        except zlib.error:
            raise SourceError("the server sends bytes that cannot be unpacked") from None
        self.total += len(part)
        return part


def _body(
    transport: Transport,
    used: socket.socket,
    response: http.client.HTTPResponse,
    headers: Mapping[str, str],
    *,
    offset: int,
    url: str,
    packed: bool,
) -> Body:
    try:
        start, size = _extent(response, headers, offset, url)
        _require_encoding(headers, url, packed=packed)
    except SourceError:
        response.close()
        transport.forget(used)
        raise
    return Body(transport, used, response, headers=headers, offset=start, size=size, url=url)


def _extent(
    response: http.client.HTTPResponse, headers: Mapping[str, str], offset: int, url: str
) -> tuple[int, int | None]:
    where = shown_url(url)
    if response.status == 416 and offset:
        raise NoSuchRangeError("has no bytes from there on", where=where)
    if response.status not in (200, 206):
        kind = TransientError if response.status in _TRANSIENT else _ANSWERS.get(response.status, SourceError)
        error = kind(f"the server answers {response.status} {response.reason}", where=where, hint=_remedy(response))
        if isinstance(error, RefusedError):
            error.said = _said(response)
        raise error
    length = response.length
    if response.status == 200:
        return 0, length
    start, _, total = headers.get("content-range", "").removeprefix("bytes ").partition("-")
    whole = total.rpartition("/")[2]
    if not offset or start != str(offset):
        raise SourceError("the server sends another range than was asked for", where=where)
    return offset, int(whole) if whole.isdecimal() else None


def _require_encoding(headers: Mapping[str, str], url: str, *, packed: bool) -> None:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity" and not (packed and encoding == "gzip"):
        raise SourceError("the server sends encoded bytes that were not asked for", where=shown_url(url))


def _said(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_SAID)
    except (OSError, http.client.HTTPException):
        return b""


def _remedy(response: http.client.HTTPResponse) -> str | None:
    if response.status in (401, 403):
        return "log in with `hf auth login`, or set HF_TOKEN to a token that may read it"
    return None


def _linked(seen: Mapping[str, str]) -> dict[str, str]:
    return {"x-linked-etag": seen["x-linked-etag"]} if "x-linked-etag" in seen else {}


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, port_of(parts)


def _shut(used: socket.socket) -> None:
    try:
        used.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # It was closed in the meantime.
