"""ONNX models: what their graphs ask for, and which files beside them hold their tensors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import protobuf

if TYPE_CHECKING:
    from weighlock.formats.protobuf import Data
    from weighlock.formats.source import Budget, RandomAccess

_DEPTH = 64

# Message -> number of a field -> the message in it. Only what leads to operators and tensors; from onnx.proto.
_INNER = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_WORD = re.compile(r"[A-Za-z]")


@dataclass(frozen=True, slots=True)
class External:
    """Where a tensor has its data outside of the model.

    Args:
        location: As it stands in the model; empty where it is missing.
        entries: All keys and values that describe it.
    """

    location: str
    entries: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class OnnxModel:
    """What a model asks for.

    Args:
        operators: Domains and names of all operators in all graphs, nested ones and functions included.
        functions: Domains and names of the functions that the model itself defines.
        external: Where tensors lie outside of the model.
    """

    operators: set[tuple[str, str]] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    external: set[External] = field(default_factory=set)


def looks_like_model(source: RandomAccess, budget: Budget) -> bool:
    """Tell whether bytes, which have no magic number, are a message whose graphs have operators or data elsewhere.

    Readers pass over fields that have another type than they should, so that nothing less can be demanded.

    Args:
        source: The bytes.
        budget: Pays for each field.

    Raises:
        OverBudgetError: That cannot be told within the budget.

    Source:
        onnx.proto, ``ModelProto`` and ``GraphProto``.
    """
    try:
        found = parse(source, budget)
    except FormatError:
        return False
    return bool(found.external) or any(_WORD.search(name) for _, name in found.operators)


def parse(source: RandomAccess, budget: Budget) -> OnnxModel:
    """Go through all graphs of a model.

    Args:
        source: The whole file; data of tensors are passed over.
        budget: Pays for each field.

    Raises:
        FormatError: It is no such message.
        OverBudgetError: Graphs are nested too deeply.

    Source:
        https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; docs/ExternalData.md there.
    """
    found = OnnxModel()
    pending: list[tuple[str, Data, int]] = [("model", source, 0)]
    while pending:
        kind, data, depth = pending.pop()
        if depth > _DEPTH:
            raise OverBudgetError("the graphs of the model are nested too deeply")
        texts: dict[int, list[str]] = {}
        entries: list[tuple[str, str]] = []
        for number, value in protobuf.fields(data, budget, numbers=False):
            if isinstance(value, int):
                continue  # of another type than any field that matters: readers pass over it
            inner = _INNER.get(kind, {}).get(number)
            if inner is not None:
                pending.append((inner, value, depth + 1))
            elif number in _NAMED.get(kind, ()):
                texts.setdefault(number, []).append(protobuf.text(value))
            elif kind == "tensor" and number == 13:
                entries.append(_entry(value, budget))
        _gather(kind, texts, entries, found)
    return found


# Message -> numbers of the fields with its domain and its name.
_NAMED = {"node": (7, 4), "function": (10, 1)}


def _gather(kind: str, texts: dict[int, list[str]], entries: list[tuple[str, str]], found: OnnxModel) -> None:
    if kind in _NAMED:
        domain, name = _NAMED[kind]
        # The last one counts for protobuf; whoever takes another one must not find more than was judged.
        pairs = {(one, other) for one in texts.get(domain, [""]) for other in texts.get(name, [""])}
        (found.operators if kind == "node" else found.functions).update(pairs)
    elif entries:
        locations = [value for key, value in entries if key == "location"] or [""]
        found.external.update(External(location, tuple(entries)) for location in locations)


def _entry(data: Data, budget: Budget) -> tuple[str, str]:
    key = value = ""
    for number, content in protobuf.fields(data, budget, numbers=False):
        if isinstance(content, int):
            continue
        if number == 1:
            key = protobuf.text(content)
        elif number == 2:
            value = protobuf.text(content)
    return key, value
