"""What a registry wants to see before it answers, and whether its answer to that question can be acted on.

Source:
    RFC 9110, section 11; the Distribution project, "Token Authentication Specification".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from weighlock.errors import SourceError
from weighlock.sources.trust import is_loopback, shown_url
from weighlock.toml import is_printable

_LONGEST = 8192
_PART = re.compile(
    r'[\s,]*(?:(?P<name>[A-Za-z0-9_-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))'
    r"|(?P<scheme>[A-Za-z][A-Za-z0-9_-]*)(?=[\s,]|\Z))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What is wanted.

    Args:
        scheme: ``basic`` or ``bearer``.
        realm: Of a bearer: the URL that gives tokens.
        service: As tokens shall name the registry.
    """

    scheme: str
    realm: str = ""
    service: str = ""


def parse_challenge(header: str | None, where: str) -> Challenge:
    """Return the challenge to act on: a bearer if there is one, else basic.

    Args:
        header: ``WWW-Authenticate``, several joined with commas.
        where: The registry, for messages.

    Raises:
        SourceError: There is none that is known.
    """
    schemes = _schemes(header or "")
    bearer = schemes.get("bearer", {})
    if bearer.get("realm"):
        return Challenge(scheme="bearer", realm=bearer["realm"], service=bearer.get("service", ""))
    if "basic" in schemes:
        return Challenge(scheme="basic")
    raise SourceError("asks for a kind of login that is not known", where=where)


def _schemes(header: str) -> dict[str, dict[str, str]]:
    """Return the parameters of each scheme up to what cannot be understood."""
    found: dict[str, dict[str, str]] = {}
    if len(header) > _LONGEST:
        return found
    scheme, position = "", 0
    while part := _PART.match(header, position):
        position = part.end()
        if part["scheme"]:
            scheme = part["scheme"].lower()
            found.setdefault(scheme, {})
        elif scheme:
            value = part["plain"] if part["quoted"] is None else re.sub(r"\\(.)", r"\1", part["quoted"])
            found[scheme].setdefault(part["name"].lower(), value)
    return found


def check_realm(realm: str, registry: str, *, allow_http: bool) -> str:
    """Return a realm if what is sent there, a password among it, is as safe as what is sent to the registry.

    Args:
        realm: As the registry names it.
        registry: The URL of the registry.
        allow_http: A person allowed requests without encryption.

    Raises:
        SourceError: It is no URL, or nobody may send a password there.
    """
    try:
        parts, asked = urlsplit(realm), urlsplit(registry)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SourceError("names a realm that is not a URL", where=shown_url(registry)) from None
    if not host or not realm.isascii() or not is_printable(realm) or " " in realm or parts.username is not None:
        raise SourceError("names a realm that is not a URL", where=shown_url(registry))
    if parts.scheme == "https":
        return realm
    same = host == asked.hostname or (is_loopback(host) and is_loopback(asked.hostname or ""))
    if parts.scheme == "http" and asked.scheme == "http" and same and (is_loopback(host) or allow_http):
        return realm
    raise SourceError(
        f"wants a password to be sent to {shown_url(realm)} without encryption",
        where=shown_url(registry),
        hint="ask who runs the registry to serve its tokens over https",
    )
