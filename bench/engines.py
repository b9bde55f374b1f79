"""What a decision costs: of the built-in policy, of Rego in its process, of a server; and what falls into the traps."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

from bench.row import NO_BAR, Row, report, spread
from tests.engines.asked import QUERY, cases, question
from tests.engines.loopback_opa import opa
from tests.engines.test_traps import asked, written
from weighlock.artifact import Digest, ModelFile
from weighlock.engines.builtin import Builtin
from weighlock.engines.opa import Opa
from weighlock.engines.rego import Rego
from weighlock.evidence import LockEntry
from weighlock.finding import Inspection, Outcome
from weighlock.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from weighlock.engines.interface import Engine

PART = "engines"
_ROUNDS = 7
_QUESTIONS = 200
_RULES = files("weighlock.engines") / "examples" / "builtin_model.rego"
_PLAIN = """
import json, sys
from regopy import Interpreter
told = json.load(sys.stdin)
engine = Interpreter()
engine.add_module("policy", told["module"])
engine.add_data(told["data"] or {})
engine.set_input(told["input"])
value = engine.query(sys.argv[1]).results[0].expressions[0]
print("admitted" if (value.get("allow") if isinstance(value, dict) else value) else "denied")
"""
_SAME = "the same question again and again, page cache warm"


def measure(folder: Path) -> list[Row]:
    """Measure all of them.

    Args:
        folder: For policies.
    """
    rego = Rego(str(_RULES), QUERY, 20)
    with opa({"builtin_model.rego": _RULES.read_text(encoding="utf-8")}) as (url, _):
        server = Opa(url, QUERY, 20, environ={})
        rows = [_builtin(), _rego(rego), _first(), _server(server)]
        rows += [_agreement([Builtin(Policy()), rego, server]), *_traps(folder), _plain()]
    rego.close()
    return rows


def _builtin() -> Row:
    policy, evidence = Policy(), [LockEntry(model="org/name", path="model.safetensors")]
    artifact = ModelFile(path="model.safetensors", size=12, digest=Digest.sha256("0" * 64))
    inspection = Inspection(format="safetensors", outcome=Outcome.DATA_ONLY)
    seconds = _each(lambda: policy.decide(artifact, inspection, evidence))
    return _row("a decision of the built-in policy", seconds, 0.1, f"`Policy.decide` about a locked file; {_SAME}")


def _rego(engine: Rego) -> Row:
    seconds = _each(lambda: engine.evaluate(question()))
    method = f"`builtin_model.rego` by regopy, process warm, the question checked and the files looked at; {_SAME}"
    return _row("a decision in Rego, warm", seconds, 10, method)


def _first() -> Row:
    values = []
    for _ in range(_ROUNDS):
        engine, begin = Rego(str(_RULES), QUERY, 20), time.perf_counter()
        engine.evaluate(question())
        values.append(time.perf_counter() - begin)
        engine.close()
    method = "a new process: interpreter, regopy, compilation, the question about nothing, and the answer"
    return _row("the first decision in Rego", values, None, method)


def _server(engine: Opa) -> Row:
    seconds = _each(lambda: engine.evaluate(question()), 20)
    method = (
        "a connection and three requests to a loopback server that answers from regopy (a Python server: not OPA's own "
        "speed, but the cost of asking)"
    )
    return _row("a decision of a server over its REST API", seconds, None, method)


def _agreement(engines: list[Engine]) -> Row:
    different = []
    questions = cases("questions")
    for case in questions:
        policy = case["change"].get("policy")
        chosen = [Builtin(Policy.from_dict(policy)), *engines[1:]] if policy else engines
        different += [
            f"{engine.name}: {case['name']}"
            for engine in chosen
            if engine.evaluate(question(**case["change"])).allow is not case["allow"]
        ]
    return Row(
        part=PART,
        name="questions that engines answer differently",
        bar="0",
        measured=f"{len(different)} of {len(questions)}, over three engines",
        method="`tests/engines/conformance/questions.json`: built-in policy, Rego embedded, server",
        met=not different,
        numbers={"different": different},
    )


def _traps(folder: Path) -> list[Row]:
    fallen: dict[str, list[str]] = {"rego": [], "opa": []}
    traps = cases("traps")
    shared = [trap for trap in traps if trap.get("only") != "rego"]
    for number, trap in enumerate(traps):
        place = folder / f"trap-{number}"
        place.mkdir()
        one = Rego(written(trap, place), trap.get("query", QUERY), trap.get("timeout", 10), memory=200 << 20)
        fallen["rego"] += [trap["name"]] * one.evaluate(asked(trap)).allow
        one.close()
    for trap in shared:
        with opa({"policy.rego": "\n".join(trap["module"])}, trap.get("data")) as (url, _):
            other = Opa(url, trap.get("query", QUERY), trap.get("timeout", 10), environ={})
            fallen["opa"] += [trap["name"]] * other.evaluate(asked(trap)).allow
    counts = {"rego": len(traps), "opa": len(shared)}
    return [
        Row(
            part=PART,
            name=f"fail-open traps that are admitted, {name}",
            bar="0 of at least 30",
            measured=f"{len(found)} of {counts[name]}",
            method="`tests/engines/conformance/traps.json`: policies, data and questions that would let something "
            "through by mistake",
            met=not found and counts[name] >= 30,
            numbers={"admitted": found},
        )
        for name, found in fallen.items()
    ]


def _plain() -> Row:
    admitted = []
    traps = [trap for trap in cases("traps") if trap["module"]]
    for trap in traps:
        document = trap.get("document", question().document | trap.get("change", {}))
        told = {"module": "\n".join(trap["module"]), "data": trap.get("data"), "input": document}
        command = [sys.executable, "-I", "-c", _PLAIN, trap.get("query", QUERY)]
        try:
            done = subprocess.run(
                command, input=json.dumps(told), capture_output=True, text=True, check=False, timeout=8
            )
        except subprocess.TimeoutExpired:
            continue
        admitted += [trap["name"]] * ("admitted" in done.stdout)
    return Row(
        part=PART,
        name="the same traps, asked of regopy as it comes",
        bar=NO_BAR,
        measured=f"{len(admitted)} of {len(traps)} admitted",
        method="default interpreter in a process that may take 8 seconds; `allow` counts where it is true to "
        "Python, other files of the folder are not read",
        met=None,
        numbers={"admitted": admitted},
    )


def _each(call: Callable[[], object], questions: int = _QUESTIONS) -> list[float]:
    """Return the mean seconds of one call, in several rounds."""
    call()
    values = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        for _ in range(questions):
            call()
        values.append((time.perf_counter() - begin) / questions)
    return values


def _row(name: str, seconds: list[float], limit: float | None, method: str) -> Row:
    median = statistics.median(seconds) * 1000
    row = Row(
        part=PART,
        name=name,
        bar=NO_BAR,
        measured=f"{median:.4f} ms" if median < 0.1 else f"{median:.2f} ms",
        method=f"{method}; median of {_ROUNDS} rounds",
        met=None,
        numbers={"seconds": spread(seconds)},
    )
    return row if limit is None else replace(row, bar=f"<= {limit:g} ms", met=median <= limit)


if __name__ == "__main__":
    report(PART, measure)
