"""skops files: the tree of nodes in ``schema.json``, and the names that building it imports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats import json_text
from weighlock.formats.json_text import JsonObject

if TYPE_CHECKING:
    from weighlock.formats.source import Budget, Source

SCHEMA = "schema.json"

# Loaders that call nothing which their state names: they read JSON, bytes or arrays, or import what `names` tells.
_LOADERS = frozenset(
    """
    DictNode DefaultDictNode ListNode SetNode TupleNode BytesNode BytearrayNode SliceNode FunctionNode MethodNode
    PartialNode TypeNode ConstructorFromReduceNode ObjectNode JsonNode OperatorFuncNode NdArrayNode MaskedArrayNode
    RandomStateNode RandomGeneratorNode DTypeNode SparseMatrixNode TreeNode LossNode QuantileForestNode ReduceNode
    _DictWithDeprecatedKeysNode CachedNode
    """.split()
)


@dataclass(slots=True)
class SkopsTree:
    """What a skops file builds.

    Args:
        names: ``module.name`` of all that is imported, and of all methods that are bound.
        loaders: Kinds of nodes that nobody knows.
        lies: Nodes that say one name and load another, as no writer makes them.
    """

    names: set[str] = field(default_factory=set)
    loaders: set[str] = field(default_factory=set)
    lies: list[str] = field(default_factory=list)


def parse(source: Source, budget: Budget) -> SkopsTree:
    """Read a schema.

    Args:
        source: ``schema.json``.
        budget: What it may cost.

    Raises:
        FormatError: It is no object of JSON.

    Source:
        skops/io/_audit.py, `get_tree`, and the nodes of skops/io/_general.py, _numpy.py, _scipy.py and _sklearn.py.
    """
    value = json_text.parse(source, budget)
    if not isinstance(value, JsonObject):
        raise FormatError("the schema is no object")
    found = SkopsTree()
    pending: list[object] = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, JsonObject):
            budget.spend("opcodes", 1 + len(current))
            _node(current, found)
            pending.extend(inner for _, inner in current)
        elif isinstance(current, list):
            budget.spend("opcodes", 1 + len(current))
            pending.extend(current)
    return found


def _node(node: JsonObject, found: SkopsTree) -> None:
    """Note every name that a reader could take from a node, whichever of repeated keys it takes."""
    classes, modules = _texts(node, "__class__"), _texts(node, "__module__")
    names = [f"{module}.{name}" for module in modules for name in classes]
    found.names.update(names)
    for loader in _texts(node, "__loader__"):
        if loader not in _LOADERS:
            found.loaders.add(loader)
        if loader == "OperatorFuncNode":
            found.names.update(f"operator.{name}" for name in classes)
            if any(module != "operator" for module in modules):
                found.lies.append(f"{', '.join(names)} is a function of operator")
        if loader == "MethodNode":
            for content in node.every("content"):
                _method(content, names, found)


def _method(content: object, names: list[str], found: SkopsTree) -> None:
    if not isinstance(content, JsonObject):
        return
    for target in content.every("obj"):
        if not isinstance(target, JsonObject):
            continue
        owners = [f"{one}.{other}" for one in _texts(target, "__module__") for other in _texts(target, "__class__")]
        found.names.update(f"{owner}.{method}" for owner in owners for method in _texts(content, "func"))
        found.lies.extend(f"{name} is a method of {owner}" for name in names for owner in owners if name != owner)


def _texts(node: JsonObject, key: str) -> list[str]:
    return [value for value in node.every(key) if isinstance(value, str)]
