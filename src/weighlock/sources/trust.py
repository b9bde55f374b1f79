"""Whom a request believes and through whom it goes: certificates, proxies, this machine itself."""

from __future__ import annotations

import base64
import os
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from weighlock.errors import SourceError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom to believe, where it is not the authorities of this system.

    Args:
        authorities: A file or folder of certificates, in place of the system's.
        client_certificate: A file with a certificate and its key, to be shown to servers.
        hosts: Hosts, as ``name`` or ``name:port``, that a person chose to believe without a certificate.
        proxy: URL of the proxy, in place of the environment's.
        environment: Whether a proxy of the environment counts where none is given.
    """

    authorities: str | None = None
    client_certificate: str | None = None
    hosts: frozenset[str] = frozenset()
    proxy: str | None = field(default=None, repr=False)
    environment: bool = True

    def believes(self, parts: SplitResult) -> bool:
        """Say whether a host is believed without a certificate."""
        host = parts.hostname or ""
        return host in self.hosts or f"{host}:{port_of(parts)}" in self.hosts

    def proxy_for(self, parts: SplitResult) -> SplitResult | None:
        """Return the proxy to ask for a URL, or None where there is none to be asked.

        Raises:
            SourceError: It speaks something else than HTTP.
        """
        host = parts.hostname or ""
        proxies = getproxies() if self.environment else {}
        url = self.proxy or proxies.get(parts.scheme) or proxies.get("all")
        if not url or is_loopback(host) or proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
            return None
        proxy = urlsplit(url if "://" in url else f"http://{url}")
        if proxy.scheme not in ("http", "https"):
            raise SourceError("only HTTP proxies are known", where=shown_url(url))
        return proxy

    def context(self, *, blind: bool) -> ssl.SSLContext:
        """Return the settings of TLS.

        Args:
            blind: For a host that is believed without a certificate.

        Raises:
            SourceError: A certificate cannot be read.
        """
        try:
            context = _own_context(self.authorities) if self.authorities else _system_context()
            if self.client_certificate:
                context.load_cert_chain(self.client_certificate)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            message = f"a certificate cannot be read: {why(error)}"
            raise SourceError(message, hint="look at --cert and --client-cert") from None
        if blind:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine."""
    return host in _LOOPBACK


def shown_url(url: str) -> str:
    """Return a URL without credentials and query, which may be secrets."""
    head, separator, rest = url.partition("://")
    rest = rest.partition("?")[0].partition("#")[0]
    host, slash, path = rest.partition("/")
    return f"{head}{separator}{host.rpartition('@')[2]}{slash}{path}"


def port_of(parts: SplitResult) -> int | None:
    """Return the port that a URL means."""
    return parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def proxy_headers(proxy: SplitResult) -> dict[str, str]:
    """Return the headers that tell a proxy who asks."""
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def why(error: Exception) -> str:
    """Return what a person can do something with, of an error of the network."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _own_context(authorities: str) -> ssl.SSLContext:
    if os.path.isdir(authorities):
        return ssl.create_default_context(capath=authorities)
    return ssl.create_default_context(cafile=authorities)


def _system_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        bundle = os.environ.get(variable)
        if bundle:
            context.load_verify_locations(**({"capath": bundle} if os.path.isdir(bundle) else {"cafile": bundle}))
    paths = ssl.get_default_verify_paths()
    if not context.cert_store_stats()["x509_ca"] and not paths.capath:
        import certifi  # huggingface_hub brings it; a Python without a system store needs it

        context.load_verify_locations(cafile=certifi.where())
    return context
