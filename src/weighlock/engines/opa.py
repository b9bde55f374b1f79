"""A running Open Policy Agent, asked over its REST API.

1. Its modules are listed, so that it is known which policy answers.
2. The question is asked; a built-in that fails has to be an error, and an answer without a result denies.
3. A policy that has not been seen before is asked about nothing, which it has to deny.
4. Its modules are listed again: they have to be the same, or the answer is nobody's.

Source:
    Open Policy Agent, REST API: Data API, Policy API, Provenance.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from weighlock.engines.asking import NO_POLICY, NOTHING, question_bytes, require_denial
from weighlock.engines.interface import Answer
from weighlock.engines.opa_visit import StatusError, Visit
from weighlock.engines.ruling import LARGEST, Ruling, parse_strictly, ruling
from weighlock.errors import EngineError, PolicyError
from weighlock.sources.trust import is_loopback
from weighlock.verdict import Stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.engines.interface import Question

_POLICIES = "/v1/policies"
_LARGEST_POLICY = 32 << 20  # the list holds every module twice: as text, and as a tree that is many times larger
_NOT_FOR_US = (401, 403, 404)


@dataclass(frozen=True, slots=True)
class _Reply:
    """What a server answered: the value of the rule, who answered, and under which name it remembers it."""

    value: Any
    bundles: tuple[tuple[str, str], ...]
    reference: str | None


class Opa:
    """Asks a server.

    Args:
        url: Of the server, such as ``http://127.0.0.1:8181``.
        query: The rule that decides, such as ``data.weighlock.decision``.
        timeout: Seconds for one question.
        token: Name of the variable that holds the bearer token.
        environ: Where that variable is.

    Raises:
        PolicyError: It would be asked over an open network without encryption.
    """

    name = "opa"

    def __init__(
        self, url: str, query: str, timeout: float, *, token: str | None = None, environ: Mapping[str, str]
    ) -> None:
        self._url, self._timeout, self._token, self._environ = _checked(url), timeout, token, environ
        path = "/".join(query.split(".")[1:])
        self._path = f"/v1/data/{path}?provenance=true&strict-builtin-errors=true"
        self._query = query
        self._denies_nothing = set[str]()  # digests of policies that deny what says nothing

    def evaluate(self, question: Question) -> Answer:
        """Answer, see `Engine.evaluate`."""
        stamp, reply = Stamp(engine=self.name, policy=NO_POLICY), None
        try:
            data = question_bytes(question.document)
            with Visit(self._url, self._headers(), self._timeout) as visit:
                modules = _modules(visit)
                reply = self._ask(visit, data)
                stamp = Stamp(engine=self.name, policy=_digest(modules, reply.bundles))
                decided = self._decided(reply)
                self._require_denial(visit, stamp.policy, reply)
                _require_same(_modules(visit), modules)
        except EngineError as error:
            decided = Ruling(allow=False, reasons=(str(error),), remedy=error.hint)
        return Answer(
            allow=decided.allow,
            stamp=stamp,
            reasons=decided.reasons,
            remedy=None if decided.allow else decided.remedy or f"show what the rules at {self._url} require",
            reference=None if reply is None else reply.reference,
        )

    def close(self) -> None:
        """Do nothing: a connection lives as long as a question."""

    def _headers(self) -> dict[str, str]:
        if self._token is None:
            return {}
        token = self._environ.get(self._token, "")
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise EngineError(f"the variable {self._token} holds no token", hint=f"set {self._token}")
        return {"Authorization": f"Bearer {token}"}

    def _ask(self, visit: Visit, data: bytes) -> _Reply:
        answer = parse_strictly(visit.post(self._path, b'{"input":' + data + b"}", LARGEST))
        if not isinstance(answer, dict):
            raise EngineError("the server does not answer as an OPA does", where=self._url)
        for key in ("warning", "errors", "code"):
            if key in answer:
                raise EngineError(f"the server answers with {key}: {json.dumps(answer[key])[:200]}", where=self._url)
        reference = answer.get("decision_id")
        known = isinstance(reference, str) and len(reference) <= 200 and reference.isprintable()
        return _Reply(answer.get("result", _Reply), _bundles(answer), reference if known else None)

    def _decided(self, reply: _Reply) -> Ruling:
        if reply.value is _Reply:
            hint = "has the server this policy? Give the rule a default that denies"
            raise EngineError(f"{self._query} is undefined", where=self._url, hint=hint)
        return ruling(reply.value)

    def _require_denial(self, visit: Visit, digest: str, reply: _Reply) -> None:
        if digest in self._denies_nothing:
            return

        require_denial(self._about_nothing(visit, reply))
        self._denies_nothing.add(digest)

    def _about_nothing(self, visit: Visit, reply: _Reply) -> Ruling | None:
        try:
            about_nothing = self._ask(visit, NOTHING)
        except StatusError as error:
            if error.status == 500:  # so it says that the rules came to an error
                return None
            raise
        _require_same(about_nothing.bundles, reply.bundles)
        try:
            return self._decided(about_nothing)
        except EngineError:
            return None


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or not url.isascii() or not url.isprintable() or parts.query or parts.fragment or parts.username:
        raise PolicyError("is not the URL of a server", where=url, hint="such as http://127.0.0.1:8181")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise PolicyError(
            "would be asked without encryption", where=url, hint="use https; http is for a server on this machine"
        )
    return url.rstrip("/")


def _modules(visit: Visit) -> tuple[tuple[str, str], ...] | None:
    """Return the name and digest of every module; `None` where the server does not show them to us."""
    try:
        answer = parse_strictly(visit.get(_POLICIES, _LARGEST_POLICY), _LARGEST_POLICY)
    except StatusError as error:
        if error.status in _NOT_FOR_US:
            return None
        raise
    found = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(map(_is_module, found)):
        raise EngineError("the server does not list its policies as an OPA does")
    return tuple(sorted((one["id"], hashlib.sha256(one["raw"].encode()).hexdigest()) for one in found))


def _require_same(now: object, before: object) -> None:
    if now != before:
        raise EngineError("the policy changed while the server answered", hint="try again")


def _is_module(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str) and isinstance(value.get("raw"), str)


def _bundles(answer: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    told = answer.get("provenance")
    bundles = told.get("bundles") if isinstance(told, dict) else None
    if not isinstance(bundles, dict):
        return ()
    revisions = {name: one.get("revision") if isinstance(one, dict) else None for name, one in bundles.items()}
    return tuple(sorted((name, value) for name, value in revisions.items() if isinstance(value, str) and value))


def _digest(modules: tuple[tuple[str, str], ...] | None, bundles: tuple[tuple[str, str], ...]) -> str:
    if not modules and not bundles:
        raise EngineError(
            "which policy answered cannot be known",
            hint="let the token read /v1/policies, or give the bundle a revision",
        )
    table = {"bundles": dict(bundles), "modules": modules}
    text = json.dumps(table, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
