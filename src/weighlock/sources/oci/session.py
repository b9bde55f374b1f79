"""Requests to one registry, with the credentials that it asks for and that the user has for it, and no others.

1. ask as it is known to be wanted: with the token for this scope, or with nothing;
2. on 401, read the challenge once: a password goes to the registry itself, or to a realm that is as safe;
3. ask again; a second 401 is an answer.
"""

from __future__ import annotations

import json
import os
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from weighlock.errors import SourceError
from weighlock.sources.exchange import LARGEST, Answer, Exchange
from weighlock.sources.oci.challenge import Challenge, check_realm, parse_challenge
from weighlock.sources.oci.logins import DOCKER_HUB, IDENTITY, find_login
from weighlock.sources.transport import TransientError, UntrustedError
from weighlock.sources.trust import is_loopback, shown_url
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from weighlock.sources.credentials import Login
    from weighlock.sources.transport import Content

_CLIENT = "weighlock"
_LONGEST_TOKEN = 1 << 16
_DOCKER_HUB_HOST = "registry-1.docker.io"


class Session:
    """One registry.

    Args:
        host: With its port, as the lockfile has it.
        exchange: Makes the requests.
        allow_http: Another machine may be asked without encryption, where it has no https.
        environ: Says where logins are.
    """

    def __init__(
        self,
        host: str,
        exchange: Exchange,
        *,
        allow_http: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.host = host
        self.exchange = exchange
        self._allow_http = allow_http
        self._environ = os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._headers: dict[tuple[str, ...], dict[str, str]] = {}

    def ask(
        self,
        method: str,
        url: str,
        scopes: tuple[str, ...],
        *,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Content] | None = None,
        most: int = LARGEST,
    ) -> Answer:
        """Make a request.

        Args:
            method: Of HTTP.
            url: Absolute, or a path of the registry.
            scopes: What a token has to allow, such as ``repository:team/net:pull``.
            headers: Beside those of the login.
            body: Makes what is sent, anew for each attempt.
            most: Bytes of the answer.

        Raises:
            SourceError: The registry cannot be reached, or wants what must not be done.
        """
        url = url if "://" in url else f"{self.base}{url}"

        def attempt(login: Mapping[str, str]) -> Answer:
            sent = {**(headers or {}), **login}
            try:
                return self.exchange.ask(method, url, sent, body=body() if body else None, most=most)
            except TransientError as error:
                if url.startswith("https:") and not self._allow_http:
                    error.hint = "is the network up? A registry without https needs --allow-http"
                raise

        login = self.authorization(scopes)
        answer = attempt(login)
        if answer.status == 401 and self._learn(answer, scopes, login):
            return attempt(self.authorization(scopes))
        return answer

    @cached_property
    def base(self) -> str:
        """Where the registry is: https, except on this machine, or where it has none and that is allowed."""
        host = _DOCKER_HUB_HOST if self.host == DOCKER_HUB else self.host
        if is_loopback(urlsplit(f"//{host}").hostname or ""):
            return f"http://{host}"
        if self._allow_http:
            try:
                self.exchange.ask("GET", f"https://{host}/v2/", {})
            except UntrustedError:
                return f"https://{host}"  # where somebody may be in between, there is an https to go to
            except TransientError:
                return f"http://{host}"
        return f"https://{host}"

    def authorization(self, scopes: tuple[str, ...], *, anew: bool = False) -> dict[str, str]:
        """Return the header for a scope, empty as long as the registry asked for none.

        Args:
            scopes: What it has to allow.
            anew: The one that was made before was refused.
        """
        base = self.base
        with self._lock:
            if self._challenge is not None and (anew or scopes not in self._headers):
                self._headers[scopes] = self._answer(self._challenge, scopes, base)
            return dict(self._headers.get(scopes, {}))

    def _learn(self, answer: Answer, scopes: tuple[str, ...], sent: Mapping[str, str]) -> bool:
        """Make a login for a challenge; say whether another attempt makes sense."""
        with self._lock:
            if self._headers.get(scopes, {}) != sent:
                return True  # another thread made one in the meantime
            challenge = parse_challenge(answer.headers.get("www-authenticate"), self.host)
            header = self._answer(challenge, scopes, self.base)
            self._challenge, self._headers[scopes] = challenge, header
            return bool(header) and header != sent

    def _answer(self, challenge: Challenge, scopes: tuple[str, ...], base: str) -> dict[str, str]:
        path = next((scope.split(":")[1] for scope in scopes if scope.startswith("repository:")), "")
        login = find_login(self.host, path, self._environ)
        if challenge.scheme == "basic":
            return login.header if login is not None and login.user != IDENTITY else {}
        realm = check_realm(challenge.realm, base, allow_http=self._allow_http)
        answer = self._ask_realm(realm, challenge, scopes, login)
        return {"Authorization": f"Bearer {_token(answer, realm)}"} if answer.status == 200 else {}

    def _ask_realm(self, realm: str, challenge: Challenge, scopes: tuple[str, ...], login: Login | None) -> Answer:
        """Ask for a token of our own scope; the one that the challenge names is the registry's wish, not ours."""
        fields = [("service", challenge.service)] if challenge.service else []
        if login is not None and login.user == IDENTITY:
            fields += [("grant_type", "refresh_token"), ("client_id", _CLIENT), ("refresh_token", login.password)]
            form = urlencode([*fields, ("scope", " ".join(scopes))]).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(form))}
            return self.exchange.ask("POST", realm, headers, body=_Bytes(form))
        parts = urlsplit(realm)
        query = urlencode([*fields, *(("scope", scope) for scope in scopes)], quote_via=quote)
        url = urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, query))), fragment=""))
        return self.exchange.ask("GET", url, login.header if login is not None else {})


class _Bytes:
    """Bytes to be sent."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        end = len(self._data) if size < 0 else size
        part, self._data = self._data[:end], self._data[end:]
        return part


def content(data: bytes) -> Callable[[], Content]:
    """Return what makes a body of some bytes, as often as it is needed."""
    return lambda: _Bytes(data)


def complaint(answer: Answer) -> str:
    """Return what a registry says about a refusal, short and in a form that no terminal obeys.

    Source:
        OCI Distribution Specification 1.1, "Error Codes".
    """
    try:
        first = json.loads(answer.data)["errors"][0]
        said = f"{first['code']}: {first.get('message', '')}".rstrip(": ")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        said = ""
    said = said if is_printable(said) else ascii(said)
    return f"{answer.status}{f' {said[:200]}' if said else ''}"


def _token(answer: Answer, realm: str) -> str:
    try:
        document: Any = json.loads(answer.data)
        token = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        token = None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        raise SourceError("gives no token that can be sent", where=shown_url(realm))
    if len(token) > _LONGEST_TOKEN:
        raise SourceError("gives a token that is too long", where=shown_url(realm))
    return token
