"""The policy that holds, with the origin of each value, for people, as JSON and as TOML."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from weighlock.gates.recording import shown
from weighlock.output.escape import encodable, printable
from weighlock.toml import is_printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.policy_check import FileReport
    from weighlock.gates.policy_test import Outcome
    from weighlock.gates.policy_view import PolicyView, Value

_KEY_WIDTH = 28
_DATABASE = re.compile(r"postgres(?:ql)?://[^\s\"'<>]*")


def render_view(view: PolicyView) -> str:
    """Return the policy as text: one value a line, and where it comes from on the next where it is no default."""
    lines = [f"policy {view.digest}"]
    for layer in view.layers:
        kind = "organisation" if layer.organisation else "project"
        lines.append(f"  {kind:<14}{layer.path}")
        if layer.delegate:
            lines.append(f"  {'delegates':<14}{', '.join(sorted(layer.delegate))}")
    if not view.layers:
        lines.append("  no policy file; every value is a default")
    lines.append("")
    for value in view.values:
        lines += _value_lines(value)
    return without_password("\n".join(printable(line) for line in lines) + "\n")


def render_view_json(view: PolicyView) -> str:
    """Return the policy as JSON."""
    document = {
        "digest": view.digest,
        "files": [
            {
                "kind": "organisation" if layer.organisation else "project",
                "path": layer.path,
                "delegate": sorted(layer.delegate),
            }
            for layer in view.layers
        ],
        "values": {
            value.key.name: {"value": value.value, "origins": [origin.to_dict() for origin in value.origins]}
            for value in view.values
        },
        "policy": view.policy.to_dict(),
    }
    return without_password(json.dumps(encodable(document), indent=2, default=str) + "\n")


def render_view_toml(view: PolicyView) -> str:
    """Return the policy as a TOML document that says every value; what the environment says is a comment."""
    origins = {value.key.name: ", ".join(map(str, value.origins)) for value in view.values}
    lines = [f"# policy {view.digest}"]
    _toml_table(view.policy.to_dict(), (), origins, lines)
    return without_password("\n".join(lines) + "\n")


def render_checks(reports: tuple[FileReport, ...]) -> str:
    """Return what was found in policy files, as text."""
    lines: list[str] = []
    for report in reports:
        lines.append(f"{'ok' if not report.problems else 'FAIL':<5}{report.path}")
        for problem in report.problems:
            lines.append(f"     {problem.kind}: {problem.where + ': ' if problem.where else ''}{problem.message}")
            if problem.hint:
                lines.append(f"       hint: {problem.hint}")
    return "\n".join(printable(line) for line in lines) + "\n"


def render_checks_json(reports: tuple[FileReport, ...]) -> str:
    """Return what was found in policy files, as JSON."""
    document = [
        {
            "path": report.path,
            "problems": [
                {"kind": one.kind, "where": one.where, "message": one.message, "hint": one.hint}
                for one in report.problems
            ],
        }
        for report in reports
    ]
    return json.dumps(encodable(document), indent=2) + "\n"


def render_outcomes(outcomes: tuple[Outcome, ...]) -> str:
    """Return what became of test cases, as text: each mismatch with what differs."""
    lines: list[str] = []
    for outcome in outcomes:
        lines.append(f"{'ok' if outcome.matches else 'FAIL':<5}{outcome.path}")
        lines += [f"     {difference}" for difference in outcome.differences]
        if not outcome.matches:
            lines += [f"     {reason.rule}: {reason.message}" for reason in outcome.verdict.reasons]
    failed = sum(not outcome.matches for outcome in outcomes)
    lines += ["", f"{len(outcomes)} cases, {failed} failed"]
    return "\n".join(printable(line) for line in lines) + "\n"


def render_outcomes_json(outcomes: tuple[Outcome, ...]) -> str:
    """Return what became of test cases, as JSON."""
    document = [
        {
            "path": outcome.path,
            "matches": outcome.matches,
            "differences": list(outcome.differences),
            "verdict": str(outcome.verdict.decision),
            "rules": [reason.rule for reason in outcome.verdict.reasons],
            "engines": [{"engine": stamp.engine, "policy": stamp.policy} for stamp in outcome.verdict.engines],
        }
        for outcome in outcomes
    ]
    return json.dumps(encodable(document), indent=2) + "\n"


def said(value: Any) -> str:
    """Return a value as a person would write it in TOML, on one line."""
    if value is None:
        return "(not set)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(said, value))}]"
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_key(key)} = {said(inner)}" for key, inner in value.items()) + " }" if value else "{}"
        )
    return str(value)


def _value_lines(value: Value) -> Iterator[str]:
    name, found = value.key.name, value.value
    default = value.origins[0].kind == "default"
    if isinstance(found, list | dict) and len(said(found)) > 50:
        yield name
        rows = found if isinstance(found, list) else [{key: inner} for key, inner in found.items()]
        for row in rows:
            yield f"    {said(row) if isinstance(found, list) else said(row)[2:-2]}"
    else:
        yield f"{name:<{_KEY_WIDTH}}{said(found)}{'  (default)' if default else ''}"
    if not default:
        for origin in value.origins:
            yield f"    from {origin}"


def _toml_table(table: dict[str, Any], path: tuple[str, ...], origins: dict[str, str], lines: list[str]) -> None:
    inner = {}
    for key, value in table.items():
        name = ".".join((*path, key))
        if isinstance(value, dict) and name not in origins:
            inner[key] = value
        else:
            lines.append(f"# {printable(origins[name])}" if name in origins else "#")
            lines.append(f"{_key(key)} = {said(value)}")
    for key, value in inner.items():
        lines += ["", f"[{'.'.join((*path, key))}]"]
        _toml_table(value, (*path, key), origins, lines)


def without_password(text: str) -> str:
    """Return a report in which addresses of databases have no user, no password and no settings."""
    return _DATABASE.sub(lambda address: shown(address[0]), text)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum() and is_printable(key)
    return key if bare else quoted(key)
