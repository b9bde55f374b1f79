"""What a client asks a token for, read so that nothing but an exact name of a repository means anything.

Source:
    Docker Registry v2, "Token Scope Documentation"; OCI Distribution Specification 1.1, "Pulling manifests", for names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

PULL, PUSH, DELETE = "pull", "push", "delete"
ACTIONS = (PULL, PUSH, DELETE)

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
_LONGEST_NAME = 255
_LONGEST = 4096
_MOST = 32
_CATALOG = "registry:catalog:*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is asked for of one thing.

    Args:
        text: As it was written, for the ledger.
        repository: Its exact name; ``None`` where nothing can be granted, or for the catalog.
        actions: Those that are known, in their order.
        catalog: The list of all repositories is asked for.
    """

    text: str
    repository: str | None = None
    actions: tuple[str, ...] = ()
    catalog: bool = False


def is_repository(name: str) -> bool:
    """Say whether a text is the one spelling of the name of a repository."""
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def is_tag(text: str) -> bool:
    """Say whether a text can be a tag, and none that stands for a list of attachments."""
    return _TAG.fullmatch(text) is not None and not text.startswith("sha256-")


def parse_scopes(values: Iterable[str]) -> tuple[Scope, ...]:
    """Return what is asked for, each repository once.

    Args:
        values: Of every parameter ``scope``; one may hold several, with spaces between them.

    Raises:
        UsageError: It is more than any client asks for.
    """
    texts = [text for value in values for text in value.split(" ") if text]
    if len(texts) > _MOST or any(len(text) > _LONGEST for text in texts):
        raise UsageError(f"asks for more than {_MOST} scopes, or for one that is too long", where="scope")
    found: dict[tuple[bool, str], Scope] = {}
    for scope in map(_scope, texts):
        key = scope.repository is not None, scope.repository or scope.text
        before = found.get(key)
        found[key] = scope if before is None else _merged(before, scope)
    return tuple(found.values())


def _merged(one: Scope, other: Scope) -> Scope:
    """Return what two scopes of one repository ask for together."""
    if one.repository is None:
        return one
    actions = tuple(action for action in ACTIONS if action in {*one.actions, *other.actions})
    return replace(one, text=f"repository:{one.repository}:{','.join(actions)}", actions=actions)


def _scope(text: str) -> Scope:
    """Read one scope. What is not written exactly as a registry names it means nothing: it is not mended here."""
    if text == _CATALOG:
        return Scope(text=text, catalog=True)
    parts = text.split(":")
    if len(parts) != 3 or parts[0] != "repository" or not is_repository(parts[1]):
        return Scope(text=text)
    wanted = parts[2].split(",")
    # "*" means everything to a registry. It is granted to nobody, and so is an action that nobody knows.
    return Scope(text=text, repository=parts[1], actions=tuple(one for one in ACTIONS if one in wanted))
