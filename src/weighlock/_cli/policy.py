"""``weighlock policy``: what is required here, by whom, and whether it says what was meant."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib import resources

import click

from weighlock._cli._environment import interpreter
from weighlock._cli._options import format_option, is_offline, output_option
from weighlock._cli._terminal import Stage, emit, width


@click.group("policy", short_help="Show, check, test and explain the policy.")
def command() -> None:
    """Show what is required here and by whom, check policy files, test them with cases, explain a verdict."""


@command.command("show", short_help="Print the policy that holds, each value with its origin.")
@format_option("text", "json", "toml")
@output_option
def show(*, kind: str, output: str | None) -> int:
    """Print the policy that holds in this folder: every value, and which file and line, or variable, it comes from.

    \b
    Exit codes: 0 printed, 2 a policy is broken, or loosens what the organisation requires.
    """
    from weighlock.gates.policy_view import view
    from weighlock.output import policy

    renderers = {"text": policy.render_view, "json": policy.render_view_json, "toml": policy.render_view_toml}
    emit(renderers[kind](view(os.environ)), output)
    return 0


@command.command("check", short_help="Say whether policy files are valid and hold.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--organisation", is_flag=True, help="They are an organisation's policies, and not projects'.")
@format_option("text", "json")
@output_option
def check(*, files: tuple[str, ...], organisation: bool, kind: str, output: str | None) -> int:
    """Say whether policy files are valid, are as strict as the organisation's policy, and say nothing without effect.

    Unknown keys, profiles and checks are found, and acceptances that have expired or can accept nothing, and files
    that a policy names and that are not there.

    \b
    Exit codes: 0 nothing was found, 1 something was, 2 a file is no policy.
    """
    from weighlock.gates.policy_check import check_file
    from weighlock.output import policy

    now = datetime.now(UTC)
    reports = tuple(check_file(path, os.environ, now, organisation=organisation) for path in files)
    emit((policy.render_checks_json if kind == "json" else policy.render_checks)(reports), output)
    return max(report.exit_code for report in reports)


@command.command("test", short_help="Judge cases and compare the verdicts with the expected ones.")
@click.argument("folder", metavar="DIR")
@format_option("text", "json")
@output_option
def test(*, folder: str, kind: str, output: str | None) -> int:
    """Judge every case (*.toml, *.json) in a folder by the policy that holds here, or by the case's own, and compare.

    A case is an artifact with what was found in it and what was verified about it, and the verdict that you expect.
    Engines of the policy are asked as well. Nothing is recorded.

    \b
    Exit codes: 0 every verdict is the expected one, 1 one is not, 2 a case is broken or there is none.
    """
    from weighlock.gates.load_settings import find_policy
    from weighlock.gates.policy_test import run_cases
    from weighlock.output import policy

    outcomes = run_cases(folder, *find_policy(os.environ))
    emit((policy.render_outcomes_json if kind == "json" else policy.render_outcomes)(outcomes), output)
    return 0 if all(outcome.matches for outcome in outcomes) else 1


@command.command("explain", short_help="Say which rule decides about an artifact, and why.")
@click.argument("artifact", metavar="ARTIFACT")
@click.option("--python", metavar="PATH", help="Of the environment; by default the one that is active.")
@click.option("--offline", is_flag=True, help="Ask no server. [env: HF_HUB_OFFLINE]")
@format_option("text", "json")
@output_option
def explain(*, artifact: str, python: str | None, offline: bool, kind: str, output: str | None) -> int:
    """Inspect an artifact, and print every rule in the order in which it was asked, and which one decides.

    ARTIFACT is a model file, a wheel, or name==version. With each rule stand the values of the policy that it rests on,
    where they come from, and the line or command that would change it. Nothing is recorded.

    \b
    Exit codes: 0 it is ALLOW, 1 it is DENY, 2 it cannot be judged.
    """
    from weighlock.gates import policy_explain, policy_explain_package
    from weighlock.output import policy_explanation

    if ("==" in artifact and not os.path.exists(artifact)) or artifact.endswith(".whl"):
        with Stage() as stage:
            found = policy_explain_package.explain_package(
                artifact,
                os.environ,
                python=interpreter(python),
                now=datetime.now(UTC),
                progress=stage,
                offline=is_offline(option=offline),
            )
    else:
        found = policy_explain.explain_model(artifact, os.environ)
    if kind == "json":
        emit(policy_explanation.render_json(found), output)
    else:
        emit(policy_explanation.render(found, width=width()), output)
    return 0 if found.verdict.allowed else 1


@command.command("schema", short_help="Print the JSON Schema of a policy.")
@click.option("--organisation", is_flag=True, help="Of an organisation's policy.")
@output_option
def schema(*, organisation: bool, output: str | None) -> int:
    """Print the JSON Schema (draft 2020-12) of the table [tool.weighlock], which is also that of weighlock.toml.

    \b
    Exit code: 0.
    """
    if not organisation:
        emit(resources.files("weighlock").joinpath("policy.schema.json").read_text("utf-8"), output)
        return 0
    import json

    from weighlock import policy_schema
    from weighlock.gates.policy_files import known_checks
    from weighlock.gates.profiles import known_profiles

    document = policy_schema.schema(profiles=known_profiles(), checks=known_checks(), organisation=True)
    emit(json.dumps(document, indent=2) + "\n", output)
    return 0
