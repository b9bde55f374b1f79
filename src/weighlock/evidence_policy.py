"""The policy about evidence, ``[tool.weighlock.evidence]``: signatures, the ledger, and further policy engines.

Source:
    ``docs/policy.md`` for the keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighlock.errors import PolicyError
from weighlock.policy_keys import boolean, count, require_keys, rows, text

if TYPE_CHECKING:
    from collections.abc import Iterable

DECISION = "data.weighlock.decision"
"""The rule that decides, unless the policy names another one."""

_TABLE = "tool.weighlock.evidence"
_SIGNER = ("name", "key", "certificate", "identity", "issuer")
_ENGINE = ("rego", "opa", "query", "timeout", "token")
_SECONDS = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,3})?) ?(?:s|seconds?)\Z")
_QUERY = re.compile(r"data(\.[A-Za-z_][A-Za-z0-9_]*)+\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Someone whose signature counts: by a pinned public key, or by an identity in a certificate.

    Args:
        name: For people; unique.
        key: Path of a public key (PEM), relative to the policy file.
        certificate: Path of the certificate of an authority (PEM), relative to the policy file.
        identity: What the certificate has to name, exactly: an e-mail address or a URI.
        issuer: Who vouched for that identity (an OpenID Connect issuer), where the certificate comes from Sigstore.
    """

    name: str
    key: str | None = None
    certificate: str | None = None
    identity: str | None = None
    issuer: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the table that says it."""
        return {key: getattr(self, key) for key in _SIGNER if getattr(self, key) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """A policy engine that is asked after the built-in policy.

    Args:
        rego: Path of a Rego file, or of a folder of them, relative to the policy file.
        opa: URL of a running Open Policy Agent.
        query: The rule that decides, as a path such as ``data.weighlock.decision``.
        timeout: Seconds; who has not answered by then has denied.
        token: Name of the environment variable that holds the bearer token of the server.
    """

    rego: str | None = None
    opa: str | None = None
    query: str = DECISION
    timeout: float = 2.0
    token: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the table that says it."""
        chosen = {
            key: getattr(self, key) for key in ("rego", "opa", "query", "token") if getattr(self, key) is not None
        }
        return {**chosen, "timeout": f"{self.timeout:g} seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPolicy:
    """Where verdicts are recorded.

    Args:
        place: A folder, or the URL of a PostgreSQL database; ``None`` is the default folder of the user.
        required: Where nothing can be recorded, nothing is admitted.
    """

    place: str | None = None
    required: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the table that says it."""
        place = {} if self.place is None else {"place": self.place}
        return {**place, "required": self.required}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePolicy:
    """What is required of the evidence itself.

    Args:
        require_signature: A lockfile counts only with the signatures of `threshold` signers.
        threshold: So many different signers have to sign.
        signers: Whose signatures count.
        ledger: Where verdicts are recorded.
        engines: Who is asked after the built-in policy, in this order.
    """

    require_signature: bool = False
    threshold: int = 1
    signers: tuple[Signer, ...] = ()
    ledger: LedgerPolicy = field(default_factory=LedgerPolicy)
    engines: tuple[EngineChoice, ...] = ()

    @classmethod
    def from_dict(cls, data: Any) -> EvidencePolicy:
        """Make the policy from the parsed table.

        Raises:
            PolicyError: A key or value is not known or makes no sense, with the path of the key.

        Source:
            ``docs/policy.md``.
        """
        require_keys(data, ("require-signature", "threshold", "signers", "ledger", "engines"), _TABLE)
        signers = rows(data.get("signers", []), _signer, f"{_TABLE}.signers")
        _require_unique([signer.name for signer in signers])
        policy = cls(
            require_signature=boolean(data.get("require-signature", False), f"{_TABLE}.require-signature"),
            threshold=count(data.get("threshold", 1), f"{_TABLE}.threshold"),
            signers=signers,
            ledger=_ledger(data.get("ledger", {}), f"{_TABLE}.ledger"),
            engines=rows(data.get("engines", []), _engine, f"{_TABLE}.engines"),
        )
        if policy.require_signature and len(policy.signers) < policy.threshold:
            raise PolicyError(
                f"{policy.threshold} of {len(policy.signers)} signers can never sign",
                where=f"{_TABLE}.signers",
                hint='add one: [[tool.weighlock.evidence.signers]] name = "…", key = "….pub"',
            )
        return policy

    def to_dict(self) -> dict[str, Any]:
        """Return the table that says all of it."""
        return {
            "require-signature": self.require_signature,
            "threshold": self.threshold,
            "signers": [signer.to_dict() for signer in self.signers],
            "ledger": self.ledger.to_dict(),
            "engines": [engine.to_dict() for engine in self.engines],
        }


def _signer(data: dict[str, Any], where: str) -> Signer:
    require_keys(data, _SIGNER, where)
    text(data.get("name"), f"{where}.name")
    signer = Signer(**{key: text(value, f"{where}.{key}") for key, value in data.items()})
    by_key = signer.key is not None and not (signer.certificate or signer.identity or signer.issuer)
    by_authority = signer.key is None and signer.identity and bool(signer.certificate) != bool(signer.issuer)
    if not by_key and not by_authority:
        raise PolicyError(
            "must have a key, or an identity with either an issuer or a certificate",
            where=where,
            hint="a certificate without the identity that it has to name would let everybody sign who has one",
        )
    return signer


def _engine(data: dict[str, Any], where: str) -> EngineChoice:
    require_keys(data, _ENGINE, where)
    if ("rego" in data) == ("opa" in data):
        raise PolicyError('must have either a "rego" path or the URL of an "opa" server', where=where)
    if "token" in data and ("opa" not in data or not _VARIABLE.match(text(data["token"], f"{where}.token"))):
        raise PolicyError("must name the environment variable with the token of an opa server", where=f"{where}.token")
    return EngineChoice(
        rego=None if "rego" not in data else text(data["rego"], f"{where}.rego"),
        opa=None if "opa" not in data else _server(data["opa"], f"{where}.opa"),
        query=_query(data.get("query", DECISION), f"{where}.query"),
        timeout=_seconds(data.get("timeout", "2 seconds"), f"{where}.timeout"),
        token=data.get("token"),
    )


def _ledger(data: Any, where: str) -> LedgerPolicy:
    require_keys(data, ("place", "required"), where)
    return LedgerPolicy(
        place=None if "place" not in data else text(data["place"], f"{where}.place"),
        required=boolean(data.get("required", False), f"{where}.required"),
    )


def _server(value: Any, where: str) -> str:
    url = text(value, where).rstrip("/")
    if not url.startswith(("http://", "https://")) or "@" in url or "?" in url or "#" in url:
        raise PolicyError("must be the address of a server, such as http://127.0.0.1:8181", where=where)
    return url


def _query(value: Any, where: str) -> str:
    if not _QUERY.match(text(value, where)):
        raise PolicyError("must be the path of a rule such as data.weighlock.decision", where=where)
    return str(value)


def _seconds(value: Any, where: str) -> float:
    match = _SECONDS.match(value) if isinstance(value, str) else None
    if not match or not float(match[1]):
        raise PolicyError(f'must be a time such as "2 seconds", not {value!r}', where=where)
    return float(match[1])


def _require_unique(names: Iterable[str]) -> None:
    seen = set[str]()
    for name in names:
        if name in seen:
            raise PolicyError(
                f"there are two signers {name!r}", where=f"{_TABLE}.signers", hint="give each its own name"
            )
        seen.add(name)
