"""Why an artifact passes or does not, rule by rule, for people and as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

from weighlock.output.escape import encodable, printable
from weighlock.output.policy import said, without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.policy_explain import Explanation, Step

_NARROWEST = 40
_WIDEST = 120
_INDENT = " " * 8


def render(found: Explanation, *, width: int = 80) -> str:
    """Return the explanation as text: the verdict first, then each rule with its answer.

    Args:
        found: What is explained.
        width: Columns.
    """
    width = min(max(width, _NARROWEST), _WIDEST)
    decided = f" by {', '.join(found.deciding)}" if found.deciding else ""
    lines = [f"{found.verdict.decision}  {printable(found.subject)}{printable(decided)}"]
    if found.digest:
        lines.append(f"  digest {found.digest}")
    lines.append(f"  policy {found.policy}")
    if found.mode != "enforce":
        lines.append(f"  mode   {found.mode}: a program that loads it is not stopped")
    for number, step in enumerate(found.steps, 1):
        lines += ["", *_step(number, step, width)]
    if not found.steps:
        lines += ["", "Nothing was found that a rule is about."]
    for note in found.notes:
        lines += ["", *_wrapped(f"note: {note}", width, "")]
    return without_password("\n".join(lines) + "\n")


def render_json(found: Explanation) -> str:
    """Return the explanation as JSON."""
    document = {
        "subject": found.subject,
        "digest": found.digest,
        "gate": found.gate,
        "mode": found.mode,
        "verdict": str(found.verdict.decision),
        "decided_by": list(found.deciding),
        "policy": found.policy,
        "engines": [{"engine": stamp.engine, "policy": stamp.policy} for stamp in found.verdict.engines],
        "steps": [
            {
                "rule": step.rule,
                "answer": step.answer,
                "message": step.message,
                "values": {
                    value.key.name: {"value": value.value, "origins": [one.to_dict() for one in value.origins]}
                    for value in step.values
                },
                "remedy": step.remedy,
            }
            for step in found.steps
        ],
        "notes": list(found.notes),
    }
    return without_password(json.dumps(encodable(document), indent=2) + "\n")


def _step(number: int, step: Step, width: int) -> Iterator[str]:
    yield printable(f"{number:>3}. {step.rule}: {step.answer}")
    yield from _wrapped(step.message, width, _INDENT)
    for value in step.values:
        origins = ", ".join(map(str, value.origins))
        yield from _wrapped(f"{value.key.name} = {said(value.value)}  ({origins})", width, _INDENT)
    if step.remedy:
        yield printable(f"{_INDENT}change it: {step.remedy}")


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
