"""The policy that holds in a folder, each value with its origin."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.gates.load_settings import find_settings
from weighlock.gates.organisation import combined, read_layers
from weighlock.policy_layers import sources, value_in
from weighlock.policy_rules import KEYS
from weighlock.toml import line_of_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.policy import Policy
    from weighlock.policy_layers import Layer
    from weighlock.policy_rules import Key

_VARIABLES = {"mode": "WEIGHLOCK_MODE", "lock": "WEIGHLOCK_LOCK", "evidence.ledger.place": "WEIGHLOCK_LEDGER"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value comes from.

    Args:
        kind: ``default``, ``organisation``, ``project`` or ``environment``.
        place: Path of the file, or name of the variable.
        line: In the file, where it could be found.
    """

    kind: str
    place: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.place is None:
            return self.kind
        return self.place if self.line is None else f"{self.place}:{self.line}"

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--format json`` prints."""
        return {"kind": self.kind, "place": self.place, "line": self.line}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value of the policy that holds.

    Args:
        key: Whose.
        value: As TOML would say it; ``None`` where nothing is said.
        origins: Where it comes from; several where files add to each other.
    """

    key: Key
    value: Any
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """The policy that holds.

    Args:
        policy: What the files come to; a variable such as ``WEIGHLOCK_MODE`` is no part of it.
        layers: The files, the highest first.
        values: Every key, in the order of the documentation.
    """

    policy: Policy
    layers: tuple[Layer, ...]
    values: tuple[Value, ...]

    @property
    def digest(self) -> str:
        """What verdicts and the ledger name it by."""
        return self.policy.stamp.policy

    def value(self, name: str) -> Value:
        """Return the value of one key."""
        return next(value for value in self.values if value.key.name == name)


def view(environ: Mapping[str, str]) -> PolicyView:
    """Return the policy that holds in this environment.

    Raises:
        PolicyError: A file cannot be read, or loosens.
        GuardError: A variable is wrong, or loosens.
    """
    find_settings(environ)  # says what loosens, the environment included
    layers = read_layers(environ)
    policy = combined(layers)
    document = policy.to_dict()
    values = tuple(_value(key, document, layers, environ) for key in KEYS if key.written)
    return PolicyView(policy=policy, layers=layers, values=values)


def _value(key: Key, document: dict[str, Any], layers: tuple[Layer, ...], environ: Mapping[str, str]) -> Value:
    variable = _VARIABLES.get(key.name)
    if variable and environ.get(variable):
        return Value(key=key, value=environ[variable], origins=(Origin(kind="environment", place=variable),))
    found = tuple(origin_of(layer, key) for layer in sources(layers, key))
    return Value(key=key, value=value_in(document, key), origins=found or (Origin(kind="default"),))


def origin_of(layer: Layer, key: Key) -> Origin:
    """Return where a file says something about a key."""
    # In weighlock.toml, both forms may stand; the longer path is the one that is written.
    lines = [line_of_path(layer.text, path) for path in (("tool", "weighlock", *key.path), key.path)]
    kind = "organisation" if layer.organisation else "project"
    return Origin(kind=kind, place=os.path.abspath(layer.path), line=next((line for line in lines if line), None))
