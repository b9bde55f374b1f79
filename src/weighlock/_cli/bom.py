"""``weighlock bom``: the bill of materials of packages and models."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from weighlock._cli._environment import interpreter
from weighlock._cli._options import format_option, lockfile_option, output_option, project_of
from weighlock._cli._terminal import TerminalProgress, emit, require_place
from weighlock.bom.cyclonedx import SPEC_VERSIONS

if TYPE_CHECKING:
    from weighlock.gates.bom import BomRequest
    from weighlock.gates.check_inputs import Inputs
    from weighlock.gates.project import Project


SCORE_FORMS = ("text", "json", "markdown")


@click.command("bom", short_help="Write a bill of materials of models and packages (CycloneDX, SPDX).")
@click.argument("subjects", nargs=-1, metavar="[PATH|MODEL]...")
@click.option("--env", "environment", is_flag=True, help="What is installed.")
@click.option("--python", metavar="PATH", help="Of the environment; by default the one that is active.")
@click.option("-r", "--requirement", "requirements", multiple=True, metavar="FILE", help="A requirements file.")
@click.option("--pylock", "pylocks", multiple=True, metavar="FILE", help="A pylock.toml.")
@click.option("--uv-lock", "uv_locks", multiple=True, metavar="FILE", help="A uv.lock.")
@lockfile_option
@click.option("--files", is_flag=True, help="List every file of installed packages, and not their RECORDs alone.")
@click.option("--author", metavar="TEXT", help="Who makes the document: a person or an organisation.")
@click.option("--spec-version", type=click.Choice(SPEC_VERSIONS), default=SPEC_VERSIONS[0], help="Of CycloneDX.")
@click.option("--offline", is_flag=True, help="Ask no server, which this command never does.")
@click.option("--score", "scored", metavar="FILE", help="Say how complete this document is, instead of writing one.")
@format_option("cyclonedx", "spdx", *SCORE_FORMS)
@output_option
def command(
    *,
    subjects: tuple[str, ...],
    environment: bool,
    python: str | None,
    requirements: tuple[str, ...],
    pylocks: tuple[str, ...],
    uv_locks: tuple[str, ...],
    lockfile: str | None,
    files: bool,
    author: str | None,
    spec_version: str,
    offline: bool,
    scored: str | None,
    kind: str,
    output: str | None,
) -> int:
    """Write a bill of materials: models with every file, their cards and their lineage, packages, and datasets.

    MODEL is a model of the lockfile; PATH is a file or a folder, which is hashed and inspected now. Without any, all
    of the lockfile and the lists of packages of this folder, as `weighlock check` finds them. What a source does not
    say is marked as unknown. The same inputs give the same bytes. --format spdx writes SPDX 3.0.1 with its AI profile.

    With --score, how complete a document of any generator is, measured by the 50 elements of the G7 and the fields of
    the EU AI Act: text, json or markdown.

    \b
    Exit codes: 0 it was written, 2 something that was named could not be read.
    """
    from weighlock.errors import UsageError
    from weighlock.gates.bom import describe, record
    from weighlock.gates.check_inputs import Inputs, grouped
    from weighlock.output import bom as render

    del offline
    require_place(output)
    if scored is not None:
        return _score(scored, kind, output)
    if kind in SCORE_FORMS:
        raise UsageError("is a form of a score", where=f"--format {kind}", hint="add --score FILE")
    project = project_of(lockfile)
    lists = Inputs(requirements=grouped(requirements), pylocks=pylocks, uv_locks=uv_locks, environment=environment)
    request = _request(subjects, lists, project, named=lockfile is not None, files=files, author=author)
    with TerminalProgress() as progress:
        found = describe(
            request,
            project,
            python=interpreter(python),
            environ=os.environ,
            now=datetime.now(UTC),
            progress=progress,
        )
    text = render.spdx(found) if kind == "spdx" else render.cyclonedx(found, spec_version)
    emit(text, output)
    if output is not None and os.path.isfile(output):
        record(project, output, text)
    click.echo(render.summary(found), nl=False, err=True)
    return 0


def _score(path: str, kind: str, output: str | None) -> int:
    from weighlock.gates.completeness import scored
    from weighlock.output.completeness import render

    emit(render(scored(path), path, kind if kind in SCORE_FORMS else "text"), output)
    return 0


def _request(
    subjects: tuple[str, ...], lists: Inputs, project: Project, *, named: bool, files: bool, author: str | None
) -> BomRequest:
    """Sort what was named into models of the lockfile and paths; a name that is both is the locked model."""
    from weighlock.errors import UsageError
    from weighlock.gates.bom import BomRequest
    from weighlock.gates.check_inputs import discover

    locked = project.read(required=named)
    names = tuple(one for one in subjects if locked.by_name(one) or locked.by_repo("model", one))
    paths = tuple(one for one in subjects if one not in names)
    everything = not subjects and not lists.names
    if everything:
        with suppress(UsageError):  # the lockfile of models may be all there is
            lists = discover(os.curdir)
    return BomRequest(
        locked=bool(names) or ((named or everything) and not paths and bool(locked.models)),
        names=names,
        paths=paths,
        lists=lists,
        files=files,
        author=author,
    )
