"""`weighlock doctor`: what is guarded in an interpreter, at which choke points, and what is not."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import weighlock
from weighlock._cli._environment import ask, problem_of_shim
from weighlock._cli._options import format_option
from weighlock.errors import UsageError
from weighlock.runtime._finder import HOOKS
from weighlock.sources.pip.transaction import unfinished

if TYPE_CHECKING:
    from weighlock.gates.load_settings import Settings

_LOCATION = os.path.dirname(os.path.dirname(os.path.abspath(weighlock.__file__)))

# The guard's own copy goes first: it must be the one that is asked. Without a guard, weighlock may not be there.
_QUESTION = f"""\
import sys
if "weighlock" not in sys.modules:
    sys.path.insert(0, {_LOCATION!r})
from weighlock.runtime import _report
import json
answer = json.dumps(_report.report())
print("\\n" + answer)
"""

_TIMEOUT = 600


@click.command("doctor", short_help="Say what is guarded in an interpreter, and what is not.")
@click.option("--python", type=click.Path(dir_okay=False), help="The interpreter; by default this one.")
@click.option("--limits", is_flag=True, help="List what is not covered, and not only how much it is.")
@format_option("text", "json")
def command(*, python: str | None, limits: bool, kind: str) -> int:
    """Say which libraries are guarded in a new interpreter, at which choke points, and what is not covered.

    Every guarded library is imported there. Where nothing activates the guard, the report shows what it would guard.

    \b
    Exit codes: 0 guarded, 1 not guarded, or a choke point or an activated gate of pip is missing, 2 it cannot be asked.
    """
    from weighlock.output.doctor import render

    report = examine(python or sys.executable)
    click.echo(json.dumps(report, indent=2) if kind == "json" else render(report, limits=limits), nl=kind == "json")
    return 0 if report["guarded"] and not report["pip"]["problem"] else 1


def examine(python: str) -> dict[str, Any]:
    """Ask an interpreter what is guarded in it.

    Args:
        python: Its path.

    Returns:
        The report, as `weighlock doctor --format json` prints it.

    Raises:
        UsageError: It cannot be asked.
    """
    answer, problem = _ask(python, dict(os.environ)), None
    if isinstance(answer, str):
        # The guard ended the interpreter. Under ``warn`` it starts without a lockfile, and the rest can be told.
        problem, answer = answer, _ask(python, {**os.environ, "WEIGHLOCK_MODE": "warn"})
        if isinstance(answer, str):
            raise UsageError(f"cannot be asked: {answer}", where=python)
        answer["environment"].pop("WEIGHLOCK_MODE", None)
        answer["active"] = False
    if os.environ.get("WEIGHLOCK_MODE") == "off":
        problem = "WEIGHLOCK_MODE is off"
    answer["problem"] = problem or answer["problem"]
    settings = _settings({**os.environ, **answer.pop("environment")})
    modules = [module for library in answer["libraries"].values() for module in library["modules"].values()]
    problems = [settings["problem"], *(module["problem"] for module in modules)]
    packages, shim = answer.pop("packages"), answer.pop("pip_shim")
    problem = problem_of_shim(python) if shim else None
    answer["pip"] = {"gated": bool(shim) and problem is None, "activation": shim, "problem": problem}
    answer["unfinished"] = unfinished(os.environ, packages)
    guarded = answer["active"] and settings["mode"] != "off" and not any(problems)
    return {
        "weighlock": weighlock.__version__,
        "command": "doctor",
        "guarded": guarded,
        **answer,
        "settings": settings,
        "not_covered": _not_covered(answer["libraries"]),
    }


def _ask(python: str, environ: dict[str, str]) -> dict[str, Any] | str:
    """Return the interpreter's report, or the last words of one that ended without one."""
    done = ask(python, "-c", _QUESTION, environ=environ, timeout=_TIMEOUT)
    if done.returncode == 0:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("hint:")]
    return lines[-1].removeprefix("weighlock: ") if lines else f"it ended with status {done.returncode}"


def _settings(environ: dict[str, str]) -> dict[str, Any]:
    """Return mode and places as a guarded program in this folder finds them."""
    from weighlock.digest_cache import place
    from weighlock.errors import WeighlockError
    from weighlock.gates.load_settings import find_settings, project_of
    from weighlock.gates.policy_files import organisation_files
    from weighlock.gates.signed_lockfile import read_signed
    from weighlock.own_saves import OwnSaves

    answer: dict[str, Any] = {
        "mode": None,
        "unlocked": None,
        "policy": None,
        "lock": None,
        "models": None,
        "saved": None,
        "saves": None,
        "organisation": [],
        "evidence": None,
        "problem": None,
        "hint": None,
    }
    answer["cache"] = place(environ)
    try:
        found = find_settings(environ)
        answer |= {"mode": found.mode, "unlocked": found.policy.unlocked, "policy": found.policy_path}
        answer["lock"] = found.lock_path
        answer |= {"organisation": list(organisation_files(environ)), "evidence": _evidence(found, environ)}
        if found.policy.trust_saved:
            saves = OwnSaves(environ, project_of(found, environ))
            answer |= {"saved": saves.folder, "saves": saves.count()}
        if found.lock_path:
            answer["models"] = len(read_signed(found.lock_path, found.policy.evidence, found.policy_path).models)
    except WeighlockError as error:
        answer |= {"problem": str(error), "hint": error.hint}
    return answer


def _evidence(found: Settings, environ: dict[str, str]) -> dict[str, Any]:
    """Return where verdicts are recorded, whose signatures a lockfile needs, and who is asked besides."""
    from weighlock.gates.policy_files import root_of
    from weighlock.gates.recording import Recorder

    policy = found.policy.evidence
    beside = os.path.dirname(os.path.abspath(found.policy_path)) if found.policy_path else root_of(environ)
    place = Recorder(environ, policy.ledger, beside).place or ""
    if place.startswith("postgresql://"):  # without user, password and options
        place = f"postgresql://{place.removeprefix('postgresql://').rpartition('@')[2].partition('?')[0]}"
    return {
        "ledger": place or None,
        "ledger-required": policy.ledger.required,
        "require-signature": policy.require_signature,
        "threshold": policy.threshold,
        "signers": [signer.name for signer in policy.signers],
        "engines": ["builtin", *(choice.rego or choice.opa for choice in policy.engines)],
    }


def _not_covered(libraries: dict[str, Any]) -> dict[str, list[str]]:
    """Collect from the documentation of the hooks whose libraries are there what they do not cover."""
    there = {
        hook
        for module, hooks in HOOKS.items()
        if libraries[module.partition(".")[0]]["installed"]
        for hook in ((hooks,) if isinstance(hooks, str) else hooks)
    }
    answer = {}
    for path in sorted((Path(weighlock.__file__).parent / "runtime" / "hooks").glob("[!_]*.py")):
        if path.stem not in there:
            continue
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        section = text.partition("## Does not cover")[2].partition("\n## ")[0]
        items = re.split(r"^- ", section, flags=re.MULTILINE)[1:]
        answer[path.stem] = [" ".join(item.split()) for item in items]
    return answer
