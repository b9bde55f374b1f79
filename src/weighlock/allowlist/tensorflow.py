"""What graphs of TensorFlow and TFLite may hold without anyone's approval: ops that only compute.

Three ops of every SavedModel write and read files: those that save and restore its variables. They pass where the name
of the file comes from whoever runs them, and not from the model; so does the op that reads a vocabulary, where its file
is an asset of the model.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from weighlock.formats.tflite import CUSTOM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighlock.formats.savedmodel import Graph, Node, Scope
    from weighlock.formats.tflite import TfliteOp

_FILE = os.path.join(os.path.dirname(__file__), "tensorflow.txt")

# Op -> its inputs that name files.
_NAMES_FILES = {
    "InitializeTableFromTextFileV2": (1,),
    "MergeV2Checkpoints": (0, 1),
    "RestoreV2": (0,),
    "SaveV2": (0,),
}

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})

# They hand on the beginning of the name that is their first input.
_HANDED_ON = frozenset({"Identity", "ShardedFilename", "StringJoin"})
_DEEPEST = 64

# tensorflow/lite/core/kernels/register.cc and schema.fbs of TensorFlow 2.21.
_LAST_BUILTIN = 209
_BUNDLED = frozenset({"AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess"})
_FLEX = "Flex"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpNeeds:
    """What a graph does that needs an approval.

    Args:
        names: ``tensorflow:op NAME``, ``tensorflow:file NAME`` or ``tflite:op NAME``.
    """

    names: tuple[str, ...]


@cache
def _listed() -> frozenset[str]:
    with open(_FILE, encoding="utf-8") as file:
        return frozenset(line.strip() for line in file if line[0] != "#")


def examine(graphs: Iterable[Graph]) -> OpNeeds:
    """Compare graphs with the allowlist."""
    names: set[str] = set()
    for graph in graphs:
        names |= {f"tensorflow:op {name}" for name in _Examination(graph).names()}
        # TensorFlow joins the name of an asset to that of the folder, wherever it leads.
        names |= {f"tensorflow:file {name}" for name in graph.assets if set(name) & set("/\\") or name in {"", ".."}}
    return OpNeeds(names=tuple(sorted(names)))


def examine_tflite(ops: Iterable[TfliteOp]) -> OpNeeds:
    """Compare the ops of a TFLite model with the allowlist."""
    names = {name for op in ops if (name := _tflite_name(op))}
    return OpNeeds(names=tuple(sorted(f"tflite:op {name}" for name in names)))


def _tflite_name(op: TfliteOp) -> str | None:
    """Return what an op needs an approval as, or ``None``."""
    if op.code != CUSTOM:
        return f"builtin {op.code}" if op.code > _LAST_BUILTIN else None
    if op.name in _BUNDLED or (op.name.startswith(_FLEX) and op.name.removeprefix(_FLEX) in _listed()):
        return None
    return op.name or "custom"


class _Examination:
    """Goes through one graph.

    Args:
        graph: With its functions.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._functions = {scope.name: scope for scope in graph.functions if scope.name.startswith("__")}
        self._nodes = {id(scope): {node.name: node for node in scope.nodes} for scope in (graph.top, *graph.functions)}
        self._callers: dict[str, list[tuple[Scope, Node]]] = {}
        for scope in (graph.top, *graph.functions):
            for node in scope.nodes:
                for name in (*node.calls, *node.ops):
                    self._callers.setdefault(name, []).append((scope, node))

    def names(self) -> set[str]:
        """Return the ops that need an approval."""
        found: set[str] = set()
        for scope in (self._graph.top, *self._graph.functions):
            for node in scope.nodes:
                found.update(op for op in node.ops if not self._is_plain(scope, node, op))
        return found

    def _is_plain(self, scope: Scope, node: Node, op: str) -> bool:
        if op in _listed() or op in self._functions:
            return True
        if op not in _NAMES_FILES or len(node.ops) != 1:
            return False
        inputs = _NAMES_FILES[op]
        asset = op.startswith("InitializeTable")
        return len(node.inputs) > max(inputs) and all(
            self._is_given(scope, node.inputs[index], asset=asset) for index in inputs
        )

    def _is_given(self, scope: Scope, name: str, *, asset: bool, depth: int = 0) -> bool:
        """Tell whether a value comes from whoever runs the graph, or is an asset."""
        node = self._nodes[id(scope)].get(name)
        if depth > _DEEPEST:
            return False
        if node is None:
            return name in scope.arguments and self._is_handed_over(scope, name, asset=asset, depth=depth + 1)
        if len(node.ops) != 1:
            return False
        op = node.ops[0]
        if op == "Placeholder":
            # A signature may have values of its own for what nobody passes.
            return scope is self._graph.top and name not in self._graph.fed
        if op in _HANDED_ON:
            wanted = node.inputs[:1]
        elif op == "Pack":
            wanted = node.inputs
        elif op == "ReadVariableOp" and scope is self._graph.top:
            wanted = tuple(self._assigned(node.inputs[:1]))
        else:
            return False
        return bool(wanted) and all(self._is_given(scope, each, asset=asset, depth=depth + 1) for each in wanted)

    def _assigned(self, variable: tuple[str, ...]) -> Iterable[str]:
        """Return what is assigned to a variable of the graph itself."""
        for node in self._graph.top.nodes:
            if node.ops == ("AssignVariableOp",) and node.inputs[:1] == variable and len(node.inputs) > 1:
                yield node.inputs[1]

    def _is_handed_over(self, scope: Scope, argument: str, *, asset: bool, depth: int) -> bool:
        """Tell whether all callers of a function hand over such a value."""
        index = scope.arguments.index(argument)
        bound = self._graph.bound.get(scope.name)
        if bound is not None:
            # A program calls it; what it does not pass itself was captured when the function was made.
            captured = index - (len(scope.arguments) - len(bound))
            if not (asset and captured >= 0 and bound[captured]):
                return False
        callers = self._callers.get(scope.name, [])
        return (bool(callers) or bound is not None) and all(
            caller is self._graph.top
            and len(node.ops) == 1
            and node.ops[0] in _CALLS
            and index < len(node.inputs)
            and self._is_given(caller, node.inputs[index], asset=asset, depth=depth)
            for caller, node in callers
        )
