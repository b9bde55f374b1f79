"""Policies above one another: organisations' first, the project's last; each can only tighten those above it.

A key that a layer does not write, it inherits. What it writes has to be at least as strict as in every layer above,
unless that layer delegates the key. A value that loosens is an error, and is never clamped: who wrote it has to know
that it does not hold.

Source:
    ``docs/policy.md``, "An organisation's policy".
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighlock.errors import PolicyError
from weighlock.policy import Policy
from weighlock.policy_keys import texts
from weighlock.policy_rules import DELEGATE, KEYS
from weighlock.quarantine_policy import LEDGER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from weighlock.policy_rules import Key

_NOT_WRITTEN = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A policy file as it was read.

    Args:
        path: Of the file.
        table: What stands in it, without ``delegate``.
        text: The whole file, to find lines in it.
        organisation: It binds the layers below.
        delegate: Names of the keys in which it does not.
    """

    path: str
    table: Mapping[str, Any]
    text: str = ""
    organisation: bool = False
    delegate: frozenset[str] = field(default=frozenset())

    def value(self, key: Key) -> Any:
        """Return what the file says about a key, or `_NOT_WRITTEN`."""
        found: Any = self.table
        for step in key.path:
            found = found.get(step, _NOT_WRITTEN) if isinstance(found, dict) else _NOT_WRITTEN
        return found

    def writes(self, key: Key) -> bool:
        """Say whether the file says something about a key."""
        return self.value(key) is not _NOT_WRITTEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosening:
    """A value of a lower layer that is less strict than one above it.

    Args:
        key: Of the value.
        upper: The layer that binds.
        lower: The layer that loosens.
        required: The binding value, as TOML's JSON form has it.
        found: The other.
    """

    key: Key
    upper: Layer
    lower: Layer
    required: Any
    found: Any

    def error(self) -> PolicyError:
        """Return the error that ends whatever reads these policies."""
        return PolicyError(
            f"{self.key.name} = {_shown(self.found)} is weaker than what the organisation requires in "
            f"{self.upper.path}, {_shown(self.required)}",
            where=f"{self.lower.path}, tool.weighlock.{self.key.name}",
            hint=f'ask whoever writes {self.upper.path} to add "{self.key.name}" to its `delegate`, or remove the line',
        )


def organisation_layer(path: str, table: Mapping[str, Any], text: str = "") -> Layer:
    """Make a layer of an organisation's file; its relative paths begin at its own folder from now on.

    Raises:
        PolicyError: It delegates a key that does not exist.
    """
    rest = {key: value for key, value in table.items() if key != DELEGATE}
    names = texts(table.get(DELEGATE, []), f"tool.weighlock.{DELEGATE}")
    known = [key.name for key in KEYS]
    for index, name in enumerate(names):
        if name not in known:
            raise PolicyError(
                f"there is no key {name!r}",
                where=f"tool.weighlock.{DELEGATE}[{index}]",
                hint=f"choose from {', '.join(known)}",
            )
    folder = os.path.dirname(path)
    return Layer(path=path, table=_based(rest, folder), text=text, organisation=True, delegate=frozenset(names))


def combine(
    layers: Sequence[Layer], *, profiles: Collection[str] | None = None, checks: Collection[str] | None = None
) -> Policy:
    """Return the policy that holds.

    Args:
        layers: From the top; a project's is the last one.
        profiles: As for `Policy.from_dict`.
        checks: As for `Policy.from_dict`.

    Raises:
        PolicyError: A layer is broken, or loosens.
    """
    for layer in layers:
        _parsed(layer.path, layer.table, profiles, checks)
    for found in loosenings(layers):
        raise found.error()
    last = layers[-1].path if layers else None
    return _parsed(last, merged(layers), profiles, checks)


def loosenings(layers: Sequence[Layer]) -> Iterator[Loosening]:
    """Yield every value of a layer that is weaker than one above it and was not delegated.

    Raises:
        PolicyError: What layers say together makes no sense.
    """
    # Paths are compared as whole paths, wherever the file is that names them.
    based = [_whole(layer) for layer in layers]
    effective = [_parsed(layer.path, merged(based[: depth + 1])) for depth, layer in enumerate(layers)]
    for lower in range(1, len(layers)):
        for upper in range(lower):
            for key in KEYS:
                if not layers[upper].organisation or key.name in layers[upper].delegate:
                    continue
                if not key.is_as_strict(effective[upper], effective[lower]):
                    yield Loosening(
                        key=key,
                        upper=layers[upper],
                        lower=_author(layers[: lower + 1], key),
                        required=value_in(effective[upper].to_dict(), key),
                        found=value_in(effective[lower].to_dict(), key),
                    )


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """Return the table that layers come to, without comparing them."""
    table: dict[str, Any] = {}
    for depth, layer in enumerate(layers):
        above = layers[:depth]
        for key in KEYS:
            value = layer.value(key)
            if key.written and value is not _NOT_WRITTEN:
                delegated = all(key.name in upper.delegate for upper in above)
                _put(table, key.path, value, add=key.adds and not delegated)
    return table


def sources(layers: Sequence[Layer], key: Key) -> tuple[Layer, ...]:
    """Return the layers from which the value of a key comes; none for a default."""
    writing = [layer for layer in layers if layer.writes(key)]
    if not key.adds:
        return tuple(writing[-1:])
    return tuple(writing)


def value_in(document: Mapping[str, Any], key: Key) -> Any:
    """Return the value of a key in what `Policy.to_dict` returns; `None` where it says nothing about it."""
    if key.name == "models.remote-code":
        return [name for name, model in document["models"].items() if model["remote-code"]]
    found: Any = document
    for step in key.path:
        found = None if found is None else found.get(step)
    return found


def _parsed(
    path: str | None,
    table: Mapping[str, Any],
    profiles: Collection[str] | None = None,
    checks: Collection[str] | None = None,
) -> Policy:
    try:
        return Policy.from_dict(table, profiles=profiles, checks=checks)
    except PolicyError as error:
        error.where = ", ".join(part for part in (path, error.where) if part)
        if DELEGATE in table and error.message.startswith(f"unknown key {DELEGATE!r}"):
            error.hint = "only an organisation's policy delegates; remove the line"
        raise


def _author(layers: Sequence[Layer], key: Key) -> Layer:
    """Return the lowest layer that says something about a key; `models` say which code may run."""
    name = "models" if key.name == "models.remote-code" else key.name
    written = next(other for other in KEYS if other.name == name)
    return next((layer for layer in reversed(layers) if layer.writes(written)), layers[-1])


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any, *, add: bool) -> None:
    for step in path[:-1]:
        table = table.setdefault(step, {})
    old = table.get(path[-1])
    if add and isinstance(old, dict) and isinstance(value, dict):
        value = {**old, **value}
    elif add and isinstance(old, list) and isinstance(value, list):
        value = [*old, *(row for row in value if row not in old)]
    table[path[-1]] = value


def _whole(layer: Layer) -> Layer:
    table = layer.table if layer.organisation else _based(layer.table, os.path.dirname(os.path.abspath(layer.path)))
    return Layer(path=layer.path, table=table, organisation=layer.organisation, delegate=layer.delegate)


def _based(table: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return a table whose paths are whole; what is of another kind than it should be is the parser's affair."""
    based = dict(table)
    if "lock" in based:
        based["lock"] = _at(folder, based["lock"])
    evidence = based.get("evidence")
    if isinstance(evidence, dict):
        based["evidence"] = evidence = dict(evidence)
        for name, keys in (("signers", ("key", "certificate")), ("engines", ("rego",))):
            if isinstance(evidence.get(name), list):
                evidence[name] = [_with_paths(row, keys, folder) for row in evidence[name]]
        if isinstance(evidence.get("ledger"), dict):
            evidence["ledger"] = _with_paths(evidence["ledger"], ("place",), folder)
    if isinstance(based.get("promotion"), dict):
        based["promotion"] = _with_paths(based["promotion"], ("store",), folder)
    quarantine = based.get("quarantine")
    if isinstance(quarantine, dict) and isinstance(quarantine.get("lists"), list):
        lists = [one if one == LEDGER else _at(folder, one) for one in quarantine["lists"]]
        based["quarantine"] = {**quarantine, "lists": lists}
    return based


def _with_paths(row: Any, keys: tuple[str, ...], folder: str) -> Any:
    if not isinstance(row, dict):
        return row
    return {key: _at(folder, value) if key in keys else value for key, value in row.items()}


def _at(folder: str, value: Any) -> Any:
    if not isinstance(value, str) or not value.strip() or "://" in value:
        return value
    # Not normalised: where a folder is a link, the way through ".." and its short form lead to two places.
    return os.path.join(folder, value)


def _shown(value: Any, most: int = 120) -> str:
    import json

    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    text = re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:…@", text)  # a password of a database
    return text if len(text) <= most else f"{text[:most]}…"
