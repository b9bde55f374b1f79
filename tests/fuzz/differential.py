"""What the real readers find in mutated files, our parsers find as well: onnx, Jinja and gguf against ours.

``python -m tests.fuzz.differential --seed N --count N`` prints how many files both took, and each that gives the lie.
A file that ours refuses to read to its end is unverifiable, and so no lie.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import seeds
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.formats import gguf, jinja, onnx
from weighlock.formats.source import Budget, BytesSource

_LIMITS = (FormatError, OverBudgetError, UnsupportedError)


def onnx_lie(data: bytes) -> str | None:
    """Compare operators and places of tensors with those that onnx parses; raise what onnx raises."""
    import onnx as real

    model = real.load_model_from_string(data)
    operators, places = set(), set()
    pending = [model.graph, *model.functions]
    pending += [graph for info in model.training_info for graph in (info.initialization, info.algorithm)]
    while pending:
        graph = pending.pop()
        tensors = [*getattr(graph, "initializer", ())]
        sparse = [*getattr(graph, "sparse_initializer", ())]
        for node in graph.node:
            if any("A" <= each <= "z" for each in _text(node.op_type)):  # nothing runs an operator without a name
                operators.add((_text(node.domain), _text(node.op_type)))
            for attribute in node.attribute:
                pending += [attribute.g, *attribute.graphs]
                tensors += [attribute.t, *attribute.tensors]
                sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
        tensors += [tensor for each in sparse for tensor in (each.values, each.indices)]
        places |= {
            _text(entry.value) for tensor in tensors for entry in tensor.external_data if entry.key == "location"
        }
    source = BytesSource(data)
    try:
        ours = onnx.parse(source, Budget())
    except _LIMITS:
        return None
    if (operators or places) and not onnx.looks_like_model(source, Budget()):
        return "it is not recognised"
    missing = (operators - ours.operators) or (places - {external.location for external in ours.external})
    return f"onnx finds {missing}" if missing else None


def _text(value: str | bytes) -> str:
    """Return a text of protobuf, which hands out bytes where they are not UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def jinja_lie(data: bytes) -> str | None:
    """Compare tokens with those of Jinja's lexer; raise what Jinja raises."""
    from jinja2.lexer import reverse_operators
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    text = data.decode("utf-8", "backslashreplace")
    theirs: list[list[str]] = []
    for token in environment.lexer.tokenize(text):
        if token.type in {"block_begin", "variable_begin"}:
            theirs.append([])
        elif token.type in reverse_operators:
            theirs[-1].append(reverse_operators[token.type])
        elif token.type in {"name", "string"}:
            theirs[-1].append(token.value)
    template = jinja.parse(text)
    kinds = {"operator", "name", "string"}
    ours = [[token.text for token in tag.tokens if token.kind in kinds] for tag in template.tags]
    if template.broken or ours == theirs:
        return None
    return "Jinja reads other tokens"


def gguf_lie(data: bytes) -> str | None:
    """Compare chat templates with those that gguf reads; raise what gguf raises."""
    import gguf as real

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.gguf")
        path.write_bytes(data)
        fields = real.GGUFReader(path).fields
    named = [field for key, field in fields.items() if key.startswith(gguf.TEMPLATE)]
    templates = {field.contents() for field in named if [int(kind) for kind in field.types] == [8]}
    try:
        ours = gguf.parse(BytesSource(data), Budget())
    except _LIMITS:
        return None
    if ours.overflows or ours.oddities or templates <= {text for _, text in ours.templates}:
        return None
    return f"gguf finds {templates}"


LIES: dict[str, Callable[[bytes], str | None]] = {"onnx": onnx_lie, "jinja": jinja_lie, "gguf": gguf_lie}


def run(name: str, seed: int, count: int) -> dict[str, object]:
    """Compare `count` inputs of a format."""
    files = seeds(name)
    if name == "onnx":
        from tests.vectors.build import vectors

        files += [(path, data) for path, data in vectors().items() if path.endswith(".onnx")]
    pool = [data for _, data in files]
    seen: Counter[str] = Counter()
    lies = []
    for number in range(count):
        random = Random(f"{seed}:{name}:{number}")
        data = mutated(random.choice(pool), random, pool)
        try:
            lie = LIES[name](data)
        except Exception:  # noqa: BLE001 - the real reader may fail in any way, and then has found nothing
            seen["refused by the real reader"] += 1
            continue
        seen["lie" if lie else "taken by both"] += 1
        if lie:
            lies.append({"number": number, "lie": lie, "data": data.hex()})
    return {"seen": dict(seen), "lies": lies}


def main() -> None:
    """Read the command line; status 1 when ours missed anything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--format", action="append", choices=sorted(LIES), dest="names")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found = {name: run(name, options.seed, options.count) for name in options.names or LIES}
    sys.stdout.write(json.dumps(found) + "\n")
    raise SystemExit(any(result["lies"] for result in found.values()))


if __name__ == "__main__":
    main()
