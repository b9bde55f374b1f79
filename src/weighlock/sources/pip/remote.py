"""Requirements files behind URLs, fetched by ourselves and bounded; and what is refused where nobody may be asked."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote, urlsplit

from weighlock.errors import SourceError, UsageError
from weighlock.sources.pip.reading import MOST_BYTES
from weighlock.sources.pip.redaction import redacted
from weighlock.sources.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.sources.pip.interface import Network, PipRequest


def fetcher(network: Network) -> Callable[[str], bytes]:
    """Return what gets the bytes behind an http or https URL."""

    def fetch(url: str) -> bytes:
        try:
            parts = urlsplit(url)
        except ValueError:
            raise SourceError("is no URL", where=redacted(url)) from None
        transport = Transport(allow_http=parts.hostname in {host.partition(":")[0] for host in network.trusted_hosts})
        headers = {}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
        return _body(transport, bare, headers, redacted(url))

    return fetch


def refuse(url: str) -> NoReturn:
    """Fetch nothing, where no server may be asked.

    Raises:
        UsageError: Always.
    """
    raise UsageError("a server would have to be asked", where=redacted(url), hint="fetch it first, and name its path")


def require_local(request: PipRequest) -> None:
    """Refuse what pip would ask a server for, though it asks no index.

    Raises:
        UsageError: A requirement, a constraint or a place of links is behind a URL.
    """
    wanted = [one.url for one in (*request.requirements, *request.constraints) if one.url is not None]
    for place in (*request.indexes, *request.find_links, *request.links, *wanted):
        if "://" in place and urlsplit(place).scheme.lower() != "file":
            refuse(place)


def _body(transport: Transport, url: str, headers: dict[str, str], shown: str) -> bytes:
    content = bytearray()
    buffer = bytearray(1 << 16)
    with transport.get(url, headers) as body:
        while count := body.read_into(memoryview(buffer)):
            content += buffer[:count]
            if len(content) > MOST_BYTES:
                raise SourceError("is too large for a requirements file", where=shown)
    return bytes(content)
