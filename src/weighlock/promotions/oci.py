"""Models in a registry of containers whose tokens weighlock issues: promoted by its issuer, which is asked over HTTP.

A model is the repository that it is pushed to, and a version of it the digest of a manifest there. The issuer knows
which repository a stage is, and is found as every client of the registry finds it. What it says is not believed: who
gets a summary here verifies it.

Source:
    ``docs/oci-gate.md``.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

from weighlock.errors import ForgedError, SourceError, UsageError
from weighlock.promotion import OCI
from weighlock.promotions.interface import Standing
from weighlock.sources.exchange import Exchange
from weighlock.sources.oci.cache import OciCache
from weighlock.sources.oci.challenge import check_realm, parse_challenge
from weighlock.sources.oci.logins import find_login
from weighlock.sources.oci.registry import Registry
from weighlock.sources.oci.session import complaint, content
from weighlock.sources.oci.verified import verified_files
from weighlock.sources.transport import NotFoundError, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from weighlock.promotion import Promoted, Resource
    from weighlock.sources.exchange import Answer

_LARGEST = 64 << 20
_PATIENCE = 3600.0
"""Seconds; the issuer reads a whole model before it answers."""


class OciPromotions:
    """Registries of containers, as a place in which models are promoted.

    Args:
        environ: Says where logins are.
        allow_http: Other machines may be asked without encryption.
    """

    registry = OCI
    place = "the issuer of the registry"

    def __init__(self, environ: Mapping[str, str], *, allow_http: bool = False) -> None:
        self._environ = environ
        self._allow_http = allow_http
        self._exchange = Exchange(allow_http=allow_http, timeout=_PATIENCE)
        self._registry = Registry(allow_http=allow_http, environ=environ)
        self._promoted_to: dict[str, str] = {}

    def files(self, model: str, version: str) -> dict[str, str]:
        """Return the SHA-256 of each file of a manifest, all bytes of it read now.

        Raises:
            DigestMismatchError: The registry holds other bytes.
            SourceError: It is not there, or cannot be read.
        """
        try:
            return self._files(model, version)
        except NotFoundError:  # what was promoted once need not be kept where it came from
            if model not in self._promoted_to:
                raise
            return self._files(self._promoted_to[model], version)

    def in_force(self, resource: Resource) -> Standing | None:
        """Return what a stage of a model was moved to last.

        Raises:
            SourceError: It cannot be read.
        """
        return next(iter(self.history(resource)), None)

    def history(self, resource: Resource) -> Sequence[Standing]:
        """Return everything that was in force, the newest first.

        Raises:
            SourceError: It cannot be read.
        """
        _, rows = self._standing(resource)
        try:
            return tuple(_standing(resource, row) for row in rows)
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise SourceError("the issuer says what cannot be understood", where=resource.uri) from None

    def move(self, promoted: Promoted) -> None:
        """Ask the issuer to promote a manifest.

        Raises:
            ForgedError: It refuses.
            SourceError: It cannot be reached, or cannot decide; whether it promoted has to be asked with `in_force`.
        """
        resource = promoted.vsa.promotable.resource
        repository, _ = self._standing(resource)
        asked = {
            "repository": repository,
            "manifest": promoted.vsa.version,
            "bundle": base64.b64encode(promoted.bundle).decode(),
        }
        said = self._ask("POST", "promote", resource, body=json.dumps(asked).encode())
        if said.get("digest") != promoted.digest:
            raise SourceError("the issuer promoted something else", where=resource.uri)

    def _files(self, repository: str, version: str) -> dict[str, str]:
        self._registry.resolve(repository, version)  # which also finds out what login is wanted
        transport, waiting = Transport(allow_http=self._allow_http), Path(OciCache().quarantine)
        _, files = verified_files(self._registry, repository, version, transport=transport, waiting=waiting)
        return files

    def _standing(self, resource: Resource) -> tuple[str, list[dict[str, Any]]]:
        """Return the repository that a stage of a model is, and its history as the issuer says it."""
        query = urlencode({"model": resource.model, "stage": resource.stage})
        said = self._ask("GET", f"promotions?{query}", resource)
        if said.get("resource") != resource.uri or not isinstance(said.get("history"), list):
            raise SourceError("the issuer says what cannot be understood", where=resource.uri)
        repository = str(said.get("repository"))
        if repository.partition("/")[0] == resource.model.partition("/")[0]:
            self._promoted_to[resource.model] = repository
        return repository, said["history"]

    def _ask(self, method: str, path: str, resource: Resource, *, body: bytes | None = None) -> dict[str, Any]:
        url, headers = urljoin(self._issuer(resource.model), path), dict[str, str]()
        host, _, name = resource.model.partition("/")
        login = find_login(host, name, self._environ)
        if login is not None:
            headers |= login.header
        if body is not None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        made = None if body is None else content(body)()
        return _said(self._exchange.ask(method, url, headers, body=made, most=_LARGEST), resource, host)

    def _issuer(self, model: str) -> str:
        """Return where the issuer of a registry is: where the registry sends everybody."""
        session = self._registry.session(model)
        answer = self._exchange.ask("GET", f"{session.base}/v2/", {})
        challenge = (
            parse_challenge(answer.headers.get("www-authenticate"), session.host) if answer.status == 401 else None
        )
        if challenge is None or challenge.scheme != "bearer":
            hint = "`weighlock registry serve` issues them, see docs/oci-gate.md; --registry weighlock needs none"
            raise UsageError("has no issuer of tokens, so that nothing guards a stage", where=session.host, hint=hint)
        return check_realm(challenge.realm, session.base, allow_http=self._allow_http)


def _said(answer: Answer, resource: Resource, host: str) -> dict[str, Any]:
    if answer.status == 401:
        hint = f"log in with `docker login {host}` or `oras login {host}`"
        raise SourceError("the issuer does not know this user", where=resource.uri, hint=hint)
    if answer.status == 404:
        raise NotFoundError("the tokens of this registry are not issued by weighlock", where=host)
    if answer.status == 403:
        hint = "whoever has a role of `promote` for that repository may, with a summary about what is there now"
        raise ForgedError(f"the issuer refuses: {complaint(answer)}", where=resource.uri, hint=hint)
    try:
        said = json.loads(answer.data)
    except (ValueError, RecursionError):
        said = None
    if answer.status != 200 or not isinstance(said, dict):
        raise SourceError(f"the issuer did not do it: {complaint(answer)}", where=resource.uri)
    return said


def _standing(resource: Resource, row: dict[str, Any]) -> Standing:
    return Standing(
        resource=resource,
        version=str(row["manifest"]),
        digest=str(row["digest"]),
        bundle=base64.b64decode(row["bundle"], validate=True),
        time=datetime.fromisoformat(row["made"]),
    )
