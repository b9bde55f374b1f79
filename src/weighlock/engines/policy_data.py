"""Data beside rules: JSON and YAML that mean one thing only, each file at the place that its folder names."""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Any

from weighlock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEEPEST = 64
_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)


def parse_data(name: str, data: bytes) -> dict[str, Any]:
    """Return the object that a file of data holds.

    Args:
        name: Relative to the folder of the policy; its end says whether it is YAML.
        data: Its bytes.

    Raises:
        EngineError: It is none, or says something twice.
    """
    try:
        text = data.decode("utf-8")
        value = _json(text) if name.endswith(".json") else _yaml(text)
    except RecursionError:
        raise EngineError("is nested too deeply", where=name) from None
    except ValueError as error:
        raise EngineError(f"cannot be read: {error}", where=name) from None
    if not isinstance(value, dict):
        raise EngineError("must hold an object", where=name)
    _require_plain(value, name)
    return value


def merged(files: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return the data of all files together, that of ``a/b/data.json`` under ``a`` and ``b``.

    Raises:
        EngineError: Two files say something about the same place.
    """
    whole: dict[str, Any] = {}
    for name, value in files:
        place = whole
        for part in filter(None, posixpath.dirname(name).split("/")):
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise EngineError("stands where another file has something else", where=name)
        for key, item in value.items():
            if key in place:
                raise EngineError(f"says {key!r}, which another file says", where=name)
            place[key] = item
    return whole


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)


def _yaml(text: str) -> Any:
    import yaml

    try:
        # An alias stands for all that it names, again and again; nobody needs one in a list of names.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise ValueError("aliases are not read")
        return _plain(yaml.compose(text, yaml.SafeLoader), yaml)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise ValueError(f"it is not YAML{where}") from None


def _plain(node: Any, yaml: Any) -> Any:
    """Return the value of a node, whose keys are strings and stand once."""
    if node is not None and node.tag not in _TAGS:
        raise ValueError(f"a value is tagged {node.tag}")
    if isinstance(node, yaml.MappingNode):
        pairs = [(key.value, _plain(value, yaml)) for key, value in node.value]
        if any(key.tag != "tag:yaml.org,2002:str" for key, _ in node.value):
            raise ValueError("a key is not a string: put it in quotes")
        return _object(pairs)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, yaml) for item in node.value]
    if node is None:
        return None
    return yaml.SafeLoader("").construct_object(node)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _require_plain(value: Any, name: str, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise EngineError("is nested too deeply", where=name)
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _require_plain(item, name, depth + 1)
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise EngineError(f"holds a {type(value).__name__}, which is not JSON", where=name, hint="put it in quotes")
    elif isinstance(value, float) and value * 0 != 0:
        raise EngineError("holds a number that is none", where=name)
