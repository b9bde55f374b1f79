"""``weighlock lock``: resolve models to commits and digests, inspect them, write the lockfile."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from weighlock._cli._options import is_offline, project_of, transfer_options
from weighlock._cli._signatures import warn_after, warn_before
from weighlock._cli._terminal import TerminalProgress, emit
from weighlock.errors import UsageError

if TYPE_CHECKING:
    from weighlock.gates.project import Project
    from weighlock.gates.request import ModelRequest
    from weighlock.lockfile import Lockfile

_EVERYTHING = "*"


@click.command("lock", short_help="Resolve models to commits and digests, and write models.lock.")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--ref", metavar="REF", help="Branch, tag or commit of the repositories on the command line.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Lock only files that match, in any format.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out files that match.")
@click.option("--all-formats", is_flag=True, help="Also lock weights that safetensors files cover.")
@click.option("--remote-code", is_flag=True, help="The models' own Python files may be executed.")
@click.option(
    "--upgrade", multiple=True, is_flag=False, flag_value=_EVERYTHING, metavar="[NAME]",
    help="Resolve the ref of NAME, or of every model, anew.",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if the lockfile is stale.")
@transfer_options
def command(
    *,
    models: tuple[str, ...],
    ref: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    all_formats: bool,
    remote_code: bool,
    upgrade: tuple[str, ...],
    check: bool,
    lockfile: str | None,
    offline: bool,
    allow_http: bool,
    kind: str,
    output: str | None,
) -> int:
    """Resolve models to commits and digests, inspect every file, and write models.lock.

    MODEL is a repository of a Hub (org/name, org/name@ref, hf:datasets/org/name) or of a registry
    (oci:host/path:tag), a URL, or a path (./checkpoint-500).
    Without MODEL, the models of [tool.weighlock.models] are locked. A model that is locked already stays at its
    commit unless --upgrade is given. Nothing is written if a file is refused; a file that needs an approval is
    written, and cannot be loaded before `weighlock approve`.

    \b
    Exit codes: 0 locked, 1 a file is refused or the lockfile is stale, 2 could not decide.
    """
    from weighlock.gates.organisation import require_code_of
    from weighlock.gates.request import parse_request

    project = project_of(lockfile)
    old = project.read(required=False) if check else project.unsafe_read()
    requests = [
        replace(
            parse_request(model, project.folder, ref=ref), include=include, exclude=exclude, remote_code=remote_code
        )
        for model in models
    ]
    if remote_code:
        require_code_of([request.name for request in requests], "--remote-code", os.environ)
    if not models:
        if ref or include or exclude or remote_code:
            raise UsageError(
                "--ref, --include, --exclude and --remote-code need a MODEL",
                hint="name one, or write them for a model in [tool.weighlock.models] of pyproject.toml",
            )
        if check and not project.policy.models:
            raise UsageError(
                "the policy names no model that the lockfile could be compared with",
                hint="name a MODEL, or write [tool.weighlock.models] in pyproject.toml; "
                "`weighlock verify` compares the lockfile with this disk",
            )
        requests = _known_requests(project, old, upgrade)
    if check:
        return _check(
            project, old, requests, all_formats=all_formats, offline=offline, allow_http=allow_http, kind=kind,
            output=output,
        )  # fmt: skip
    return _lock(
        project, requests, upgrade=frozenset(upgrade), all_formats=all_formats,
        offline=offline, allow_http=allow_http, kind=kind, output=output,
    )  # fmt: skip


def _known_requests(project: Project, old: Lockfile, upgrade: tuple[str, ...]) -> list[ModelRequest]:
    """Return what the policy asks for, and what is locked beyond it and shall be upgraded."""
    from weighlock.gates.request import find, intent_request, locked_request

    requests = [intent_request(intent, project.folder) for intent in project.policy.models]
    asked = {model.name for request in requests if (model := find(old, request)) is not None}
    for name in upgrade:
        if name != _EVERYTHING and old.by_name(name) is None:
            known = ", ".join(model.name for model in old.models) or "none"
            raise UsageError("is not in the lockfile", where=name, hint=f"locked are: {known}")
    chosen = set(upgrade)
    requests += [
        locked_request(model) for model in old.models if model.name not in asked and {model.name, _EVERYTHING} & chosen
    ]
    if not requests:
        raise UsageError(
            "there is nothing to lock", hint="name a MODEL, or write [tool.weighlock.models] in pyproject.toml"
        )
    return requests


def _check(
    project: Project,
    old: Lockfile,
    requests: list[ModelRequest],
    *,
    offline: bool,
    allow_http: bool,
    all_formats: bool,
    kind: str,
    output: str | None,
) -> int:
    from weighlock.gates.stale import check
    from weighlock.output.lockfile import stale_json, stale_text

    offline = is_offline(option=offline)
    differences = check(requests, old, project.folder, offline=offline, allow_http=allow_http, all_formats=all_formats)
    render = stale_json if kind == "json" else stale_text
    emit(render(differences, str(project.lock), offline=offline), output)
    return 1 if differences else 0


def _lock(
    project: Project,
    requests: list[ModelRequest],
    *,
    upgrade: frozenset[str],
    all_formats: bool,
    offline: bool,
    allow_http: bool,
    kind: str,
    output: str | None,
) -> int:
    from weighlock.gates.lock import LockOptions, lock
    from weighlock.output.lockfile import lock_json, lock_text

    options = LockOptions(
        upgrade=upgrade, all_formats=all_formats, offline=is_offline(option=offline), allow_http=allow_http
    )
    warn_before(project)
    with TerminalProgress() as progress:
        report = lock(requests, project, options, progress)
    render = lock_json if kind == "json" else lock_text
    emit(render(report, str(project.lock)), output)
    warn_after(project, written=report.written)
    return 0
