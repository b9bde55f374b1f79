"""Options that several commands share, and what they mean."""

from __future__ import annotations

import os
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.gates.project import Project

    Function = Callable[..., Any]

lockfile_option = click.option(
    "--lockfile", metavar="PATH", help="The lockfile; by default the nearest models.lock. [env: WEIGHLOCK_LOCK]"
)
offline_option = click.option("--offline", is_flag=True, help="Ask no server. [env: HF_HUB_OFFLINE]")
allow_http_option = click.option("--allow-http", is_flag=True, help="Accept URLs without encryption.")
output_option = click.option("--output", metavar="FILE", help="Write the report to FILE instead of standard output.")


def format_option(*kinds: str) -> Callable[[Function], Function]:
    """Return the option for the form of a report, of which the first is the default."""
    return click.option("--format", "kind", type=click.Choice(kinds), default=kinds[0], help="How to report.")


def report_options(function: Function) -> Function:
    """Take ``lockfile``, ``kind`` and ``output``."""
    return _all(function, lockfile_option, format_option("text", "json"), output_option)


def transfer_options(function: Function) -> Function:
    """Take ``lockfile``, ``offline``, ``allow_http``, ``kind`` and ``output``."""
    options = (lockfile_option, offline_option, allow_http_option, format_option("text", "json"), output_option)
    return _all(function, *options)


def project_of(lockfile: str | None) -> Project:
    """Return the project of the current folder."""
    from weighlock.gates.project import find_project

    return find_project(os.environ, lockfile)


def is_offline(*, option: bool) -> bool:
    """Whether servers may not be asked."""
    from weighlock.sources.hub import is_offline as hub_is_offline

    return option or hub_is_offline()


def _all(function: Function, *options: Callable[[Function], Function]) -> Function:
    """Apply options so that the help lists them in this order."""
    return reduce(lambda inner, option: option(inner), reversed(options), function)
