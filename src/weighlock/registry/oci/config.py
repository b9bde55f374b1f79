"""The configuration of the issuer: one TOML file.

Source:
    ``docs/oci-gate.md``.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from weighlock.errors import PolicyError
from weighlock.files import read_regular
from weighlock.policy_keys import boolean, require_keys, rows, text, texts
from weighlock.promotion_policy import folded
from weighlock.registry.oci.passwords import check_hash
from weighlock.registry.oci.scopes import is_repository
from weighlock.sources.trust import is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence

ANONYMOUS = "anonymous"
"""The role of who does not log in; no user has it by name."""

_LARGEST = 1 << 20
_SECONDS = (60, 3600)
_TABLES = ("server", "users", "repositories")
_SERVER = (
    "issuer", "service", "realm", "host", "registry", "key", "policy", "state", "listen", "behind-proxy", "allow-http",
    "token-seconds", "login-hours", "catalog",
)  # fmt: skip
_USER = ("name", "password", "roles")
_REPOSITORY = ("pattern", "stage", "from", "pull", "push", "delete", "promote")
_USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may log in.

    Args:
        name: Of them.
        password: Its hash, see `weighlock.registry.oci.passwords`.
        roles: That they have.
    """

    name: str
    password: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who may do what in the repositories of a pattern.

    Args:
        pattern: A name in which ``*`` stands for one part and ``**``, at the end, for one or more.
        stage: They are gated, and hold what was promoted to that stage; ``None`` for open ones.
        origin: Pattern of the repositories that they are promoted from, with as many ``*``.
        pull: Roles that may download.
        push: Roles that may upload; nobody may in a gated one.
        delete: Roles that may remove; nobody may in a gated one.
        promote: Roles that may ask for a promotion; only into a gated one.
    """

    pattern: str
    stage: str | None = None
    origin: str | None = None
    pull: frozenset[str] = frozenset()
    push: frozenset[str] = frozenset()
    delete: frozenset[str] = frozenset()
    promote: frozenset[str] = frozenset()

    def is_about(self, repository: str) -> bool:
        """Say whether a repository, by its exact name, is one of the pattern."""
        return _matched(self.pattern, repository) is not None

    def origin_of(self, repository: str) -> str:
        """Return the repository that one of the pattern is promoted from."""
        return _filled(self.origin or self.pattern, _matched(self.pattern, repository) or [])

    def target_of(self, origin: str) -> str | None:
        """Return the gated repository that one is promoted to, or ``None`` where it is not one to promote from."""
        found = None if self.origin is None else _matched(self.origin, origin)
        return None if found is None else _filled(self.pattern, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of it.

    Args:
        issuer: Of the tokens, as the registry knows it.
        service: Name of the registry in tokens.
        realm: URL at which clients get tokens.
        host: Of the registry, with its port, as clients write it in front of a repository.
        registry: URL at which the issuer reaches the registry.
        key: File with the private key and its certificate.
        policy: File with the policy of promotions; ``None`` to look for it as every command does.
        state: File of the database, or ``postgresql://…``.
        listen: Address and port.
        behind_proxy: Something in front encrypts, so that this may listen to other machines.
        allow_http: The registry, on another machine, is asked without encryption.
        token_seconds: As long as a token counts.
        login_hours: As long as a token counts that stands for a password.
        catalog: Roles that may list all repositories.
        users: Who may log in.
        rules: About repositories.
    """

    issuer: str
    service: str
    realm: str
    host: str
    registry: str
    key: str
    policy: str | None
    state: str
    listen: tuple[str, int]
    behind_proxy: bool
    allow_http: bool
    token_seconds: int
    login_hours: int
    catalog: frozenset[str]
    users: tuple[User, ...]
    rules: tuple[Rule, ...]

    def rule(self, repository: str) -> Rule | None:
        """Return the rule about a repository: one that gates it, else the first.

        An open pattern that stands before opens nothing. Of two that gate it by different stages, neither counts, and
        two repositories that would be one stage of one model are nobody's.
        """
        about = [rule for rule in self.rules if rule.is_about(repository)]
        gated = [rule for rule in about if rule.stage is not None]
        if len({rule.stage for rule in gated}) > 1:
            return None
        rule = next(iter(gated or about), None)
        if rule is None or rule.stage is None:
            return rule
        return rule if self._targets(rule.origin_of(repository), rule.stage) == {repository} else None

    def target(self, origin: str, stage: str) -> str | None:
        """Return the gated repository to which a repository is promoted for a stage."""
        found = self._targets(origin, stage)
        name = next(iter(found)) if len(found) == 1 else None
        return name if name is not None and self.rule(name) is not None else None

    def _targets(self, origin: str, stage: str) -> set[str]:
        rules = [rule for rule in self.rules if rule.stage is not None and folded(rule.stage) == folded(stage)]
        return {found for rule in rules if (found := rule.target_of(origin)) is not None}


def read_config(path: str) -> Config:
    """Read the configuration.

    Args:
        path: Of the file; other files lie relative to it.

    Raises:
        PolicyError: It cannot be read, or a key or value is not known or makes no sense.
    """
    try:
        document = tomllib.loads(read_regular(path, _LARGEST).decode())
    except OSError as error:
        raise PolicyError(f"cannot be read: {error.strerror}", where=path) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"is not TOML: {error}", where=path) from error
    try:
        return _config(document, os.path.dirname(os.path.abspath(path)))
    except PolicyError as error:
        error.where = f"{path}, {error.where}" if error.where else path
        raise


def _config(document: dict[str, Any], folder: str) -> Config:
    require_keys(document, _TABLES, "the file")
    server = document.get("server", {})
    require_keys(server, _SERVER, "server")
    registry = _url(server, "registry")
    state = text(server.get("state", "oci-tokens.db"), "server.state")
    allow_http, proxied = (boolean(server.get(key, False), f"server.{key}") for key in ("allow-http", "behind-proxy"))
    if registry.startswith("http://") and not allow_http and not is_loopback(urlsplit(registry).hostname or ""):
        hint = "use https, or set allow-http = true for a network that is yours alone"
        raise PolicyError("would be asked without encryption", where="server.registry", hint=hint)
    return Config(
        issuer=text(server.get("issuer"), "server.issuer"),
        service=text(server.get("service"), "server.service"),
        realm=_url(server, "realm"),
        host=_host(server.get("host")),
        registry=registry.rstrip("/"),
        key=os.path.join(folder, text(server.get("key"), "server.key")),
        policy=os.path.join(folder, text(server["policy"], "server.policy")) if "policy" in server else None,
        state=state if "://" in state else os.path.join(folder, state),
        listen=_listen(server.get("listen", "127.0.0.1:5001"), proxied=proxied),
        behind_proxy=proxied,
        allow_http=allow_http,
        token_seconds=_number(server.get("token-seconds", 120), *_SECONDS, "server.token-seconds"),
        login_hours=_number(server.get("login-hours", 12), 0, 24 * 90, "server.login-hours"),
        catalog=_roles(server, "catalog", "server"),
        users=_users(rows(document.get("users", []), _user, "users")),
        rules=rows(document.get("repositories", []), _rule, "repositories"),
    )


def _user(data: dict[str, Any], where: str) -> User:
    require_keys(data, _USER, where)
    name = text(data.get("name"), f"{where}.name")
    if not _USER_NAME.fullmatch(name):
        raise PolicyError("must be letters, digits, '.', '_', '@' and '-'", where=f"{where}.name")
    roles = _roles(data, "roles", where)
    if ANONYMOUS in roles:
        raise PolicyError(f"{ANONYMOUS!r} is who does not log in", where=f"{where}.roles")
    return User(name=name, password=check_hash(text(data.get("password"), f"{where}.password"), where), roles=roles)


def _users(users: Sequence[User]) -> tuple[User, ...]:
    names = [user.name for user in users]
    if twice := [name for name in names if names.count(name) > 1]:
        raise PolicyError(f"the user {twice[0]!r} stands there twice", where="users")
    return tuple(users)


def _rule(data: dict[str, Any], where: str) -> Rule:
    require_keys(data, _REPOSITORY, where)
    pattern = text(data.get("pattern"), f"{where}.pattern")
    _require_pattern(pattern, f"{where}.pattern")
    stage = None if "stage" not in data else text(data["stage"], f"{where}.stage")
    rule = Rule(
        pattern=pattern,
        stage=stage,
        origin=None if "from" not in data else text(data["from"], f"{where}.from"),
        **{key: _roles(data, key, where) for key in ("pull", "push", "delete", "promote")},
    )
    if stage is not None and (rule.push or rule.delete):
        hint = "leave out push and delete; a promotion is the only way in"
        raise PolicyError("nobody may push to or delete from a gated repository", where=where, hint=hint)
    if stage is None and (rule.promote or rule.origin is not None):
        raise PolicyError("only what has a stage can be promoted to", where=where)
    if stage is not None:
        _require_origin(rule, where)
    if ANONYMOUS in rule.push | rule.delete | rule.promote:
        raise PolicyError(f"{ANONYMOUS!r} may pull and nothing else", where=where)
    return rule


def _require_pattern(pattern: str, where: str) -> None:
    *parts, last = pattern.split("/")
    if not is_repository("/".join("a" if part == "*" else part for part in (*parts, last.replace("**", "*")))):
        hint = "write parts of lower-case letters and digits; * for one part, ** at the end for all below"
        raise PolicyError(f"is no pattern of repositories: {pattern[:100]!r}", where=where, hint=hint)


def _require_origin(rule: Rule, where: str) -> None:
    """Refuse a gated pattern whose origin is missing, or is not one repository for each of it."""
    if rule.origin is None:
        hint = 'from = "staging/*", with the same *'
        raise PolicyError("says not where it is promoted from", where=f"{where}.from", hint=hint)
    _require_pattern(rule.origin, f"{where}.from")
    wild = [[part for part in one.split("/") if part in ("*", "**")] for one in (rule.pattern, rule.origin)]
    if wild[0] != wild[1] or rule.origin == rule.pattern:
        raise PolicyError(f"must be another pattern with the same * as {rule.pattern!r}", where=f"{where}.from")


def _matched(pattern: str, repository: str) -> list[str] | None:
    """Return what stands for each ``*`` of a pattern, or ``None`` where a repository is not one of it."""
    wanted, given = pattern.split("/"), repository.split("/")
    if wanted[-1] == "**" and len(given) >= len(wanted):
        given = [*given[: len(wanted) - 1], "/".join(given[len(wanted) - 1 :])]
    if len(wanted) != len(given) or any(one not in ("*", "**", part) for one, part in zip(wanted, given, strict=True)):
        return None
    return [part for one, part in zip(wanted, given, strict=True) if one in ("*", "**")]


def _filled(pattern: str, parts: Sequence[str]) -> str:
    left = iter(parts)
    return "/".join(next(left) if one in ("*", "**") else one for one in pattern.split("/"))


def _roles(data: dict[str, Any], key: str, where: str) -> frozenset[str]:
    return frozenset(texts(data.get(key, []), f"{where}.{key}"))


def _url(server: dict[str, Any], key: str) -> str:
    url = text(server.get(key), f"server.{key}")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        raise PolicyError("must be an http or https URL without credentials", where=f"server.{key}")
    return url


def _host(value: Any) -> str:
    host = text(value, "server.host")
    if "/" in host or "://" in host or not urlsplit(f"//{host}").hostname:
        hint = "write it as clients do, without https://"
        raise PolicyError("must be a host, with its port where it has one", where="server.host", hint=hint)
    return host


def _listen(value: Any, *, proxied: bool) -> tuple[str, int]:
    address, separator, port = text(value, "server.listen").rpartition(":")
    address = address.strip("[]")
    if not separator or not address or not port.isdecimal() or int(port) > 65535:
        raise PolicyError("must be ADDRESS:PORT", where="server.listen")
    if not is_loopback(address) and not proxied:
        hint = "listen on 127.0.0.1, or set behind-proxy = true where something in front encrypts"
        raise PolicyError("passwords would travel without encryption", where="server.listen", hint=hint)
    return address, int(port)


def _number(value: Any, least: int, most: int, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise PolicyError(f"must be a number from {least} to {most}", where=where)
    return value
