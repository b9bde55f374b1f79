"""The issuer as a web application: tokens, promotions, and what was promoted.

Source:
    Docker Registry v2, "Token Authentication Specification" and "Token Authentication using OAuth2"; PEP 3333.
"""

from __future__ import annotations

import base64
import binascii
import json
import sys
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from weighlock.errors import SourceError, UsageError, WeighlockError
from weighlock.output.escape import printable
from weighlock.registry.oci.issuer import Caller
from weighlock.registry.oci.passwords import BusyError, NotLoggedInError
from weighlock.registry.oci.scopes import is_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from weighlock.registry.oci.issuer import Grant, Issuer
    from weighlock.registry.oci.state import Admitted

_LARGEST_FORM = 1 << 16
LARGEST_BODY = 16 << 20
_LARGEST_QUERY = 1 << 14
_LONGEST_LOGIN = 4096
_LOGIN = "<token>"
"""Whoever says this name keeps a token in place of a password, as `docker login` does."""

_STATUS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    413: "Content Too Large", 429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip


class _Answer(Exception):  # noqa: N818 - an answer, and not an error
    """An answer other than a good one."""

    def __init__(self, status: int, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.document = {"errors": [{"code": code, "message": message, **({"detail": {"hint": hint}} if hint else {})}]}


class App:
    """Answers requests.

    Args:
        issuer: Grants and promotes.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._routes: dict[tuple[str, str], Callable[[WSGIEnvironment], dict[str, Any]]] = {
            ("GET", "/token"): self._token,
            ("POST", "/token"): self._oauth,
            ("POST", "/promote"): self._promote,
            ("GET", "/promotions"): self._promotions,
            ("GET", "/health"): lambda _environ: {},
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        status, document, headers = 200, dict[str, Any](), list[tuple[str, str]]()
        try:
            document = self._route(environ)(environ)
        except _Answer as answer:
            status, document = answer.status, answer.document
        except WeighlockError as error:
            refused = _refusal(error)
            status, document = refused.status, refused.document
        except Exception:  # noqa: BLE001 - nobody is let in by a mistake, and the server goes on
            sys.stderr.write(printable(traceback.format_exc()))
            status, document = 500, _Answer(500, "UNKNOWN", "the issuer failed; see its log").document
        if status == 401:
            headers.append(("WWW-Authenticate", f'Basic realm="{self._issuer.config.service}"'))
        if status in (429, 503):
            headers.append(("Retry-After", "10"))
        data = json.dumps(document).encode()
        headers += [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(data))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response(f"{status} {_STATUS[status]}", headers)
        return [data]

    def _route(self, environ: WSGIEnvironment) -> Callable[[WSGIEnvironment], dict[str, Any]]:
        method, path = str(environ["REQUEST_METHOD"]), str(environ.get("PATH_INFO", ""))
        if (method, path) in self._routes:
            return self._routes[method, path]
        known = any(path == one for _, one in self._routes)
        raise _Answer(405 if known else 404, "UNSUPPORTED", "there is no such thing here")

    def _token(self, environ: WSGIEnvironment) -> dict[str, Any]:
        asked = _query(environ)
        self._require_service(asked)
        caller = self._caller(environ)
        document = _granted(self._issuer.grant(caller, asked.get("scope", [])))
        document["token"] = document["access_token"]
        if caller.user is not None and asked.get("offline_token") == ["true"]:
            document |= self._refreshed(caller)
        return document

    def _oauth(self, environ: WSGIEnvironment) -> dict[str, Any]:
        asked = _fields(_body(environ, _LARGEST_FORM).decode("latin-1"))
        self._require_service(asked)
        kind, address = asked.get("grant_type", [""])[0], _address(environ)
        if kind == "password":
            caller = self._entered(asked.get("username", [""])[0], asked.get("password", [""])[0], address)
        elif kind == "refresh_token":
            user = self._issuer.user_of(asked.get("refresh_token", [""])[0])
            if user is None:
                error = NotLoggedInError("the login has ended")
                self._issuer.refuse_login("?", address, error)
                raise error
            caller = Caller(user=user, address=address)
        else:
            raise UsageError("must be password or refresh_token", where="grant_type")
        document = _granted(self._issuer.grant(caller, asked.get("scope", [])))
        if kind == "refresh_token":
            document["refresh_token"] = asked["refresh_token"][0]
        elif asked.get("access_type") == ["offline"]:
            document |= self._refreshed(caller)
        return document

    def _promote(self, environ: WSGIEnvironment) -> dict[str, Any]:
        caller = self._caller(environ)
        if caller.user is None:
            raise NotLoggedInError("only who logged in may ask for a promotion")
        try:
            asked = json.loads(_body(environ, LARGEST_BODY))
            repository, manifest = str(asked["repository"]), str(asked["manifest"])
            bundle = base64.b64decode(asked["bundle"], validate=True)
        except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
            raise UsageError(
                "must be JSON with repository, manifest and bundle (Base64)", where="the request"
            ) from None
        return _admitted(self._issuer.promote(caller, self._name(repository), manifest, bundle), with_bundle=False)

    def _promotions(self, environ: WSGIEnvironment) -> dict[str, Any]:
        asked, caller = _query(environ), self._caller(environ)
        origin, stage = self._name(asked.get("model", [""])[0]), asked.get("stage", [""])[0]
        resource, repository, history = self._issuer.standing(caller, origin, stage)
        return {"resource": resource, "repository": repository, "history": [_admitted(one) for one in history]}

    def _name(self, repository: str) -> str:
        """Return a repository without the host of this registry."""
        name = repository.removeprefix(f"{self._issuer.config.host}/")
        if not is_repository(name):
            raise UsageError("is no repository of this registry", where=repository[:300])
        return name

    def _require_service(self, asked: dict[str, list[str]]) -> None:
        service = self._issuer.config.service
        if asked.get("service", [service]) != [service]:
            raise UsageError("this issuer gives tokens for another service", where="service")

    def _refreshed(self, caller: Caller) -> dict[str, Any]:
        token = None if caller.user is None else self._issuer.refresh_token(caller.user)
        return {} if token is None else {"refresh_token": token}

    def _caller(self, environ: WSGIEnvironment) -> Caller:
        """Return who asks; a wrong password is not nobody."""
        header, address = str(environ.get("HTTP_AUTHORIZATION", "")), _address(environ)
        if not header:
            return Caller(user=None, address=address)
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "basic" or len(value) > _LONGEST_LOGIN:
            raise NotLoggedInError("log in with a name and a password")
        try:
            name, separator, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (ValueError, binascii.Error):
            name = password = separator = ""
        if not separator:
            raise NotLoggedInError("log in with a name and a password")
        return self._entered(name, password, address)

    def _entered(self, name: str, password: str, address: str) -> Caller:
        if name == _LOGIN and (user := self._issuer.user_of(password)) is not None:
            return Caller(user=user, address=address)
        try:
            return Caller(user=self._issuer.door.enter(name, password, address), address=address)
        except WeighlockError as error:
            self._issuer.refuse_login(name, address, error)
            raise


def _refusal(error: WeighlockError) -> _Answer:
    """Return the answer that says what went wrong."""
    if isinstance(error, NotLoggedInError):
        return _Answer(401, "UNAUTHORIZED", error.message)
    if isinstance(error, BusyError):
        return _Answer(429, "TOOMANYREQUESTS", error.message, error.hint)
    if error.exit_code == 1:
        return _Answer(403, "DENIED", str(error), error.hint)
    if isinstance(error, UsageError):
        return _Answer(400, "UNSUPPORTED", str(error), error.hint)
    kind = "UNAVAILABLE" if isinstance(error, SourceError) else "UNKNOWN"
    return _Answer(503, kind, str(error), error.hint)


def _granted(grant: Grant) -> dict[str, Any]:
    scopes = (f"{one['type']}:{one['name']}:{','.join(one['actions'])}" for one in grant.access)
    return {
        "access_token": grant.token,
        "expires_in": grant.seconds,
        "issued_at": grant.made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "scope": " ".join(scopes),
    }


def _admitted(one: Admitted, *, with_bundle: bool = True) -> dict[str, Any]:
    return {
        "resource": one.resource,
        "manifest": one.manifest,
        "digest": one.digest,
        "made": one.made.isoformat(),
        **({"bundle": base64.b64encode(one.bundle).decode()} if with_bundle else {}),
    }


def _query(environ: WSGIEnvironment) -> dict[str, list[str]]:
    query = str(environ.get("QUERY_STRING", ""))
    if len(query) > _LARGEST_QUERY:
        raise _Answer(413, "UNSUPPORTED", "the query is too long")
    return _fields(query)


def _fields(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=100)
    except ValueError:
        raise UsageError("cannot be read", where="the request") from None


def _body(environ: WSGIEnvironment, most: int) -> bytes:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise UsageError("has no length", where="the request") from None
    if not 0 <= length <= most:
        raise _Answer(413, "UNSUPPORTED", f"the request is larger than {most >> 10} KiB")
    return bytes(environ["wsgi.input"].read(length))


def _address(environ: WSGIEnvironment) -> str:
    return str(environ.get("REMOTE_ADDR", ""))[:100]
