"""TensorFlow's SavedModels and graphs: which ops they are made of, and which functions call which."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.formats.protobuf import content, fields, message, text, varint

if TYPE_CHECKING:
    from weighlock.formats.protobuf import Data
    from weighlock.formats.source import Budget, RandomAccess

_LARGEST_METADATA = 64 << 20


@dataclass(frozen=True, slots=True)
class Node:
    """An op in a graph.

    Args:
        name: Of the node.
        ops: What it computes; one name, unless the file says several.
        inputs: Names of nodes and arguments, without outputs; those that only say when are left out.
        calls: Functions that its attributes name.
    """

    name: str
    ops: tuple[str, ...]
    inputs: tuple[str, ...]
    calls: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Scope:
    """A graph or the body of a function.

    Args:
        name: Of the function, empty for the graph itself.
        arguments: Names of the function's arguments.
        nodes: Its ops.
    """

    name: str = ""
    arguments: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Graph:
    """A graph with its functions.

    Args:
        top: The graph itself.
        functions: Every function of its library.
        bound: Function that a program can call -> for each captured input, whether it is an asset of the model.
        assets: Names of files in the folder ``assets``.
        fed: Nodes that the model's own signatures hand their inputs to.
        metadata: What Keras wrote down about its objects, as JSON.
    """

    top: Scope = field(default_factory=Scope)
    functions: list[Scope] = field(default_factory=list)
    bound: dict[str, list[bool]] = field(default_factory=dict)
    assets: list[str] = field(default_factory=list)
    fed: set[str] = field(default_factory=set)
    metadata: list[bytes] = field(default_factory=list)


def parse(source: RandomAccess, budget: Budget) -> list[Graph]:
    """Read a SavedModel.

    Args:
        source: ``saved_model.pb``.
        budget: Pays for each field.

    Raises:
        FormatError: It is not one.
        OverBudgetError: It has more ops than the budget allows.

    Source:
        ``tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph}.proto``.
    """
    return [_meta_graph(message(value), budget) for number, value in fields(source, budget) if number == 2]


def parse_graph(data: Data, budget: Budget, graph: Graph | None = None) -> Graph:
    """Read a GraphDef by itself.

    Raises:
        FormatError: It is not one.
        OverBudgetError: It has more ops than the budget allows.

    Source:
        ``tensorflow/core/framework/{graph,function,node_def,op_def}.proto``.
    """
    graph = graph or Graph()
    for number, value in fields(data, budget):
        if number == 1:
            graph.top.nodes.append(_node(message(value), budget))
        elif number == 2:
            for inner, function in fields(message(value), budget):
                if inner == 1:
                    graph.functions.append(_function(message(function), budget))
    return graph


def keras_metadata(source: RandomAccess, budget: Budget) -> list[bytes]:
    """Return the JSON texts of ``keras_metadata.pb``, one for each object.

    Raises:
        FormatError: It is not such a file.

    Source:
        ``keras/protobuf/saved_metadata.proto`` of Keras 2.
    """
    return [
        content(value, _LARGEST_METADATA)
        for number, node in fields(source, budget)
        if number == 1
        for inner, value in fields(message(node), budget)
        if inner == 5
    ]


def _meta_graph(data: Data, budget: Budget) -> Graph:
    graph = Graph()
    for number, value in fields(data, budget):
        if number == 2:
            parse_graph(message(value), budget, graph)
        elif number == 5:
            graph.fed |= _fed(message(value), budget)
        elif number == 6:
            graph.assets += [text(name) for inner, name in fields(message(value), budget) if inner == 2]
        elif number == 7:
            _objects(message(value), budget, graph)
    return graph


def _fed(data: Data, budget: Budget) -> set[str]:
    """Return the nodes that a signature, an entry of a map, hands its inputs to."""
    infos = [
        message(info)
        for number, signature in fields(data, budget)
        if number == 2
        for inner, entry in fields(message(signature), budget)
        if inner == 1
        for key, info in fields(message(entry), budget)
        if key == 2
    ]
    return {text(name).partition(":")[0] for info in infos for key, name in fields(info, budget) if key == 1}


def _objects(data: Data, budget: Budget, graph: Graph) -> None:
    """Read what a program sees of the model: its objects, and the functions that it can call."""
    assets: list[bool] = []
    functions: list[tuple[str, list[int]]] = []
    for number, value in fields(data, budget):
        if number == 1:
            kinds = list(fields(message(value), budget))
            assets.append(any(kind == 5 for kind, _ in kinds) and not any(kind in {4, 6, 7} for kind, _ in kinds))
            for kind, user in kinds:
                if kind == 4:
                    graph.metadata += _metadata(message(user), budget)
        elif number == 2:
            functions.append(_concrete(message(value), budget))
    for name, inputs in functions:
        graph.bound[name] = [each < len(assets) and assets[each] for each in inputs]


def _metadata(data: Data, budget: Budget) -> list[bytes]:
    found = [content(value, _LARGEST_METADATA) for number, value in fields(data, budget) if number == 3]
    return [each for each in found if each]


def _concrete(data: Data, budget: Budget) -> tuple[str, list[int]]:
    name, inputs = "", []
    for number, value in fields(data, budget):
        if number == 1:
            name = text(value)
        elif number == 2:
            for inner, bound in fields(message(value), budget):
                if inner == 2:
                    inputs += _numbers(bound)
    return name, inputs


def _numbers(value: int | Data) -> list[int]:
    """Return numbers that stand one by one or packed."""
    if isinstance(value, int):
        return [value]
    data, offset, found = memoryview(content(value)), 0, []
    while offset < len(data):
        number, offset = varint(data, offset)
        found.append(number)
    return found


def _function(data: Data, budget: Budget) -> Scope:
    scope = Scope()
    for number, value in fields(data, budget):
        if number == 1:
            for inner, part in fields(message(value), budget):
                if inner == 1:
                    scope.name = text(part)
                elif inner == 2:
                    scope.arguments += [text(name) for key, name in fields(message(part), budget) if key == 1]
        elif number == 3:
            scope.nodes.append(_node(message(value), budget))
    return scope


def _node(data: Data, budget: Budget) -> Node:
    name, ops, inputs, calls = "", [], [], []
    for number, value in fields(data, budget):
        if number == 1:
            name = text(value)
        elif number == 2:
            ops.append(text(value))
        elif number == 3:
            inputs.append(text(value))
        elif number == 5:
            calls += _attribute(message(value), budget)
    budget.spend("retained", 200 + len(name) + sum(map(len, inputs)))
    sources = tuple(each.partition(":")[0] for each in inputs if not each.startswith("^"))
    return Node(name=name, ops=tuple(dict.fromkeys(ops)), inputs=sources, calls=tuple(calls))


def _attribute(data: Data, budget: Budget) -> list[str]:
    """Return the functions that an attribute names, by itself or in a list."""
    calls = []
    for number, value in fields(data, budget):
        if number != 2:
            continue
        for kind, part in fields(message(value), budget):
            if kind == 10:
                calls += _named(message(part), budget)
            elif kind == 1:
                for each, function in fields(message(part), budget):
                    if each == 9:
                        calls += _named(message(function), budget)
    return calls


def _named(data: Data, budget: Budget) -> list[str]:
    """Return the name of a function, and those in its own attributes."""
    calls = []
    for number, value in fields(data, budget):
        if number == 1:
            calls.append(text(value))
        elif number == 2:
            calls += _attribute(message(value), budget)
    return calls
