"""What a command that changes a lockfile says about its signatures."""

from __future__ import annotations

import os
from shlex import quote
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from weighlock.gates.project import Project


def warn_before(project: Project) -> None:
    """Say that a lockfile which is about to be changed was not signed as it is: who signs it next signs all of it."""
    from weighlock.gates.signed_lockfile import problem_of

    problem = problem_of(project.lock, project.policy.evidence, project.policy_path)
    if problem is not None:
        click.echo(
            f"warning: {project.lock}, as it was before: {problem}; review all of it before it is signed", err=True
        )


def warn_after(project: Project, *, written: bool) -> None:
    """Say that a lockfile which was changed has to be signed again."""
    from weighlock.gates.signed_lockfile import signatures_beside

    evidence = project.policy.evidence
    if written and (evidence.require_signature or signatures_beside(project.lock, evidence)):
        name = quote(os.path.relpath(project.lock))
        click.echo(f"changed: no signature of it holds any more; `weighlock sign {name} --key FILE` signs it", err=True)
