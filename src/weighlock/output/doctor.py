"""The report of ``weighlock doctor`` for people."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from weighlock.output.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 110


def render(report: dict[str, Any], *, limits: bool = False) -> str:
    """Return the report as text, the answer first.

    Args:
        report: As `weighlock doctor --format json` prints it.
        limits: List what is not covered, instead of how much that is.
    """
    told = _limits(report) if limits else _count(report)
    lines = [*_summary(report), "", "Guarded libraries", *_libraries(report), "", "Not covered", *told]
    return "\n".join(printable(line) for line in lines) + "\n"


def _summary(report: dict[str, Any]) -> Iterator[str]:
    settings = report["settings"]
    yield f"{'guarded' if report['guarded'] else 'NOT GUARDED'}: {report['python']} (Python {report['version']})"
    for problem in (report["problem"], settings["problem"]):
        if problem:
            yield f"  problem       {problem}"
    if settings["hint"]:
        yield f"  hint          {settings['hint']}"
    if not report["active"] and not report["problem"]:
        yield "  problem       nothing activates the guard; below is what it would guard"
        yield "  hint          weighlock activate, weighlock run SCRIPT, or import weighlock.auto"
    yield f"  activated by  {'; '.join(report['activation']) or 'nothing'}"
    yield f"  mode          {settings['mode'] or 'unknown'}, unlocked files: {settings['unlocked'] or 'unknown'}"
    otherwise = "none, the defaults hold" if settings["mode"] else "cannot be read"
    yield f"  policy        {settings['policy'] or otherwise}"
    for path in settings["organisation"]:
        yield f"  organisation  {path}"
    models = "" if settings["models"] is None else f" ({settings['models']} models)"
    yield f"  lockfile      {settings['lock'] or 'none'}{models}"
    yield from _evidence(settings["evidence"])
    yield f"  digest cache  {settings['cache'] or 'in memory only'}"
    yield f"  saved files   {_saved(settings)}"
    yield f"  pip install   {_pip(report['pip'])}"
    for folder in report["unfinished"]:
        yield f"  cut off       an installation into {folder}; the next `weighlock install` rolls it back"


def _evidence(evidence: dict[str, Any] | None) -> Iterator[str]:
    """Say where verdicts are recorded, whose signatures the lockfile needs, and which engines are asked."""
    if evidence is None:
        return
    needed = ", required" if evidence["ledger-required"] else ""
    nowhere = "not recorded: no WEIGHLOCK_LEDGER, WEIGHLOCK_STATE, XDG_STATE_HOME or HOME says where"
    yield f"  ledger        {evidence['ledger'] or nowhere}{needed}"
    signed = f"required of models.lock: {evidence['threshold']} of {', '.join(evidence['signers'])}"
    yield f"  signatures    {signed if evidence['require-signature'] else 'not required of models.lock'}"
    yield f"  engines       {', '.join(evidence['engines'])}"


def _saved(settings: dict[str, Any]) -> str:
    """Say where what programs save is recorded, and how much of it is this project's."""
    if settings["saves"] is None:
        return "not trusted, as the policy says" if settings["mode"] else "unknown"
    if settings["saved"] is None:
        return "not recorded: no WEIGHLOCK_STATE, XDG_STATE_HOME or HOME says where"
    return f"{settings['saved']} ({settings['saves']} of this project)"


def _pip(gate: dict[str, Any]) -> str:
    """Say whether pip goes through the gate of packages."""
    if gate["problem"]:
        return f"NOT GATED, though it was activated: {gate['problem']}"
    if gate["gated"]:
        return f"goes through weighlock install, by {'; '.join(gate['activation'])}"
    return "not gated; `weighlock activate --pip` does it"


def _libraries(report: dict[str, Any]) -> Iterator[str]:
    for name, library in report["libraries"].items():
        if not library["installed"]:
            yield f"  {name}: not installed"
            continue
        yield f"  {name} {library['version'] or ''}".rstrip()
        for module, state in library["modules"].items():
            if state["problem"]:
                yield f"    MISSING {module}: {state['problem']}"
            elif "needs" in state:
                yield f"    {module}: cannot be imported here, for want of {state['needs']}"
            elif not state["choke_points"]:
                yield f"    {module}: nothing to guard in this version"
            else:
                yield from _wrapped(f"    {module}: ", ", ".join(state["choke_points"]), "      ")
    if report["audit_events"]:
        yield "  every unpickler (numpy, pandas, dill, cloudpickle, shelve and all others)"
        yield f"    audit events: {', '.join(report['audit_events'])}"


def _count(report: dict[str, Any]) -> Iterator[str]:
    """Say how many limits there are, and which hooks have them."""
    limits = {hook: items for hook, items in report["not_covered"].items() if items}
    total = sum(map(len, limits.values()))
    yield from _wrapped("  ", f"{total} limits of {', '.join(limits)}", "    ")
    yield "  `weighlock doctor --limits` lists them, as docs/limitations.md does"


def _limits(report: dict[str, Any]) -> Iterator[str]:
    for hook, items in report["not_covered"].items():
        yield f"  {hook}"
        for item in items:
            yield from _wrapped("    - ", item, "      ")


def _wrapped(first: str, text: str, rest: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False)
