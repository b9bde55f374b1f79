"""Which access a user is granted: as much of what they ask for as the rules and the gate allow, each answer recorded.

Source:
    Docker Registry v2, "Token Authentication Specification": what is not allowed is left out of the token, and is no
    error.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from weighlock.artifact import Digest
from weighlock.errors import AdmissionError, WeighlockError
from weighlock.registry.oci.config import ANONYMOUS
from weighlock.registry.oci.keys import access_claims
from weighlock.registry.oci.scopes import DELETE, PULL, PUSH, parse_scopes
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighlock.gates.deciding import Decider
    from weighlock.registry.oci.config import Config, Rule, User
    from weighlock.registry.oci.gate import Asked, OciGate
    from weighlock.registry.oci.keys import IssuerKey
    from weighlock.registry.oci.passwords import Door
    from weighlock.registry.oci.scopes import Scope
    from weighlock.registry.oci.state import Admitted

GATE = "oci"
_OWN = "weighlock"
_OWN_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks.

    Args:
        user: ``None`` for who did not log in.
        address: From where.
    """

    user: User | None
    address: str

    @property
    def roles(self) -> frozenset[str]:
        """The roles of the user, and that of everybody."""
        return frozenset({ANONYMOUS}) | (self.user.roles if self.user is not None else frozenset())

    @property
    def actor(self) -> str:
        """How the ledger calls them."""
        return f"{GATE}:{self.user.name if self.user is not None else ANONYMOUS}@{self.address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token.

    Args:
        token: For the registry.
        made: When.
        seconds: As long as it counts.
        access: What it allows.
    """

    token: str
    made: datetime
    seconds: int
    access: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """What is recorded.

    Args:
        subject: What was asked for.
        reason: Why it was granted or refused.
        actor: Who asked.
        kind: ``promotion`` or ``model``.
        allowed: Whether it was granted.
        digests: Of what it is about first, then of what is there besides.
    """

    subject: str
    reason: Reason
    actor: str
    kind: str = "model"
    allowed: bool = False
    digests: tuple[str, ...] = ()


class Issuer:
    """Grants access.

    Args:
        config: Who may do what.
        key: Signs tokens.
        door: Knows passwords.
        gate: Says what may be pulled and promoted.
        decider: Records.
    """

    def __init__(self, config: Config, key: IssuerKey, door: Door, gate: OciGate, decider: Decider) -> None:
        self.config = config
        self.door = door
        self._key = key
        self._gate = gate
        self._decider = decider

    def grant(self, caller: Caller, scopes: Iterable[str]) -> Grant:
        """Return a token for as much of what is asked for as is allowed.

        Raises:
            UsageError: It is more than any client asks for.
            LedgerError: It cannot be recorded, and the policy requires that.
        """
        asked = parse_scopes(scopes)
        access = tuple(granted for scope in asked if (granted := self._granted(caller, scope)) is not None)
        now = datetime.now(UTC)
        claims = access_claims(
            issuer=self.config.issuer,
            service=self.config.service,
            subject=caller.user.name if caller.user is not None else "",
            access=access,
            now=now,
            seconds=self.config.token_seconds,
        )
        return Grant(token=self._key.sign(claims), made=now, seconds=self.config.token_seconds, access=access)

    def promote(self, caller: Caller, repository: str, manifest: str, bundle: bytes) -> Admitted:
        """Promote a manifest into a gated repository.

        Raises:
            WeighlockError: It may not be, or cannot be decided.
        """
        from weighlock.registry.oci.gate import Asked

        subject = f"{GATE}:{self.config.host}/{repository}@{manifest}"
        try:
            user, rule = self._require_user(caller), self.require_gated(repository)
            subject = self._gate.resource(repository, rule).uri
            asked = Asked(repository=repository, manifest=manifest, bundle=bundle, user=user, actor=caller.actor)
            return self._promote(asked, rule, subject)
        except WeighlockError as error:
            digests = (f"sha256:{hashlib.sha256(bundle).hexdigest()}",)
            refused = _Event(
                subject=subject, reason=_reason(error), actor=caller.actor, kind="promotion", digests=digests
            )
            self._record(refused)
            raise

    def standing(self, caller: Caller, origin: str, stage: str) -> tuple[str, str, tuple[Admitted, ...]]:
        """Return the resource that a stage of a model is, the repository that it is in, and its history.

        Raises:
            WeighlockError: It is not gated, or the caller may not know.
        """
        repository = self.config.target(origin, stage)
        rule = None if repository is None else self.config.rule(repository)
        if repository is None or rule is None or not caller.roles & (rule.pull | rule.promote):
            hint = "[[repositories]] in the configuration of the issuer says from where to where, and who"
            raise AdmissionError(f"is not promoted to {stage[:100]} by this user", where=origin[:300], hint=hint)
        uri = self._gate.resource(repository, rule).uri
        return uri, f"{self.config.host}/{repository}", self._gate.state.history(uri)

    def refresh_token(self, user: User) -> str | None:
        """Return a token that stands for a password for some hours; it ends early when the password is changed."""
        hours = self.config.login_hours
        if not hours:
            return None
        moment = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": self.config.issuer,
            "aud": self._login_audience,
            "sub": user.name,
            "iat": moment,
            "exp": moment + hours * 3600,
            "password": _fingerprint(user),
        }
        return self._key.sign(claims, kind="weighlock-login+jwt")

    def user_of(self, refresh_token: str) -> User | None:
        """Return the user whose token that stands for a password this is."""
        now = datetime.now(UTC)
        said = self._key.claims(refresh_token, issuer=self.config.issuer, audience=self._login_audience, now=now)
        user = None if said is None else self.door.user(str(said.get("sub")))
        return user if user is not None and said is not None and said.get("password") == _fingerprint(user) else None

    def require_gated(self, repository: str) -> Rule:
        """Return the rule of a gated repository.

        Raises:
            AdmissionError: It is none.
        """
        rule = self.config.rule(repository)
        if rule is None or rule.stage is None:
            hint = "see [[repositories]] in the configuration of the issuer"
            raise AdmissionError("is no repository that can be promoted to", where=repository[:300], hint=hint)
        return rule

    def refuse_login(self, name: str, address: str, error: WeighlockError) -> None:
        """Record that somebody was not let in."""
        subject = f"{GATE}:{self.config.host}"
        self._record(_Event(subject=subject, reason=_reason(error), actor=f"{GATE}:{name[:100]}@{address}"))

    def close(self) -> None:
        """Let go of the database, the lists of quarantine and the ledger."""
        self._gate.close()
        self._decider.close()

    @property
    def _login_audience(self) -> str:
        """What a registry is never called, so that none takes such a token."""
        return f"{self.config.issuer}#login"

    def _promote(self, asked: Asked, rule: Rule, subject: str) -> Admitted:
        def record(digest: str, evidence: tuple[str, ...]) -> None:
            event = _Event(
                subject=subject,
                reason=Reason(rule="promoted", message="promoted"),
                actor=asked.actor,
                kind="promotion",
                allowed=True,
                digests=(digest, *evidence),
            )
            self._record(event)

        return self._gate.promote(asked, rule, record)

    def _granted(self, caller: Caller, scope: Scope) -> dict[str, Any] | None:
        """Return what is granted of one scope, if anything, and record the answer."""
        if scope.catalog:
            return self._catalog(caller, scope)
        rule = None if scope.repository is None else self.config.rule(scope.repository)
        if scope.repository is None or rule is None:
            self._refuse(caller, scope.text, Reason(rule="unknown", message="no rule is about it"))
            return None
        allowed = tuple(action for action in scope.actions if _may(caller, rule, action))
        subject = f"{GATE}:{self.config.host}/{scope.repository}:{','.join(scope.actions)}"
        if not allowed:
            self._refuse(caller, subject, Reason(rule="role", message="no role of the user allows it"))
            return None
        digests: tuple[str, ...] = ()
        if rule.stage is not None:
            try:
                digests = self._gate.require_pull(scope.repository, rule)
            except WeighlockError as error:
                self._refuse(caller, subject, _reason(error))
                return None
        granted = Reason(rule="granted", message=",".join(allowed))
        subject = f"{GATE}:{self.config.host}/{scope.repository}:{','.join(allowed)}"
        self._record(_Event(subject=subject, reason=granted, actor=caller.actor, allowed=True, digests=digests))
        return {"type": "repository", "name": scope.repository, "actions": list(allowed)}

    def _catalog(self, caller: Caller, scope: Scope) -> dict[str, Any] | None:
        if not caller.roles & self.config.catalog:
            self._refuse(caller, scope.text, Reason(rule="role", message="no role of the user allows it"))
            return None
        granted = Reason(rule="granted", message="*")
        self._record(_Event(subject=scope.text, reason=granted, actor=caller.actor, allowed=True))
        return {"type": "registry", "name": "catalog", "actions": ["*"]}

    def _refuse(self, caller: Caller, subject: str, reason: Reason) -> None:
        self._record(_Event(subject=subject, reason=reason, actor=caller.actor))

    def _record(self, event: _Event) -> None:
        verdict = Verdict(decision=Decision.ALLOW if event.allowed else Decision.DENY, reasons=(event.reason,))
        first = next(iter(event.digests), None)
        self._decider.record(
            event.subject,
            verdict,
            kind=event.kind,
            digest=None if first is None else Digest.sha256(first.removeprefix("sha256:")),
            evidence=event.digests[1:] if event.kind == "promotion" else event.digests,
            actor=event.actor,
        )

    def _require_user(self, caller: Caller) -> User:
        if caller.user is None:
            raise AdmissionError(
                "somebody who did not log in may not promote", hint="log in with a name and a password"
            )
        return caller.user


def mint(config: Config, key: IssuerKey, scopes: tuple[str, ...]) -> str:
    """Return a token of the issuer's own, for one request."""
    access = []
    for scope in scopes:
        kind, name, actions = scope.split(":")
        access.append({"type": kind, "name": name, "actions": actions.split(",")})
    claims = access_claims(
        issuer=config.issuer,
        service=config.service,
        subject=_OWN,
        access=access,
        now=datetime.now(UTC),
        seconds=_OWN_SECONDS,
    )
    return key.sign(claims)


def _may(caller: Caller, rule: Rule, action: str) -> bool:
    """Say whether a role allows an action; a registry wants to see pull as well where somebody pushes."""
    if rule.stage is not None:
        return action == PULL and bool(caller.roles & rule.pull)
    roles = {PULL: rule.pull | rule.push, PUSH: rule.push, DELETE: rule.delete}[action]
    return bool(caller.roles & roles)


def _reason(error: WeighlockError) -> Reason:
    return Reason(rule=type(error).__name__.removesuffix("Error").lower(), message=str(error))


def _fingerprint(user: User) -> str:
    return hashlib.sha256(f"login {user.password}".encode()).hexdigest()[:32]
