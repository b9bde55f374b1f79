"""Options that several commands share, and what they mean."""

from __future__ import annotations

import os
from functools import reduce, wraps
from typing import TYPE_CHECKING, Any

import click

from weighlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.executors.interface import Engine
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


def engine_options(function: Function) -> Function:
    """Take ``engine``, which is ``None`` where everything is to be done in this process."""
    processes = click.option(
        "-j",
        "processes",
        type=click.IntRange(0, 256),
        default=1,
        metavar="N",
        help="Use N processes; 0 is one per core.",
    )
    executor = click.option(
        "--executor",
        metavar="dask://HOST:PORT",
        help="Use a Dask cluster whose workers see the same files under the same names.",
    )

    @wraps(function)
    def with_engine(*, processes: int, executor: str | None, **options: Any) -> Any:
        return function(engine=_engine(processes, executor), **options)

    return _all(with_engine, processes, executor)


def _engine(processes: int, executor: str | None) -> Engine | None:
    if executor is not None:
        from weighlock.executors.dask import parse_address

        if processes != 1:
            raise UsageError("-j is for processes of this machine", where="--executor", hint="leave one of them out")
        return parse_address(executor)
    if processes == 1:
        return None
    from weighlock.digests import cores
    from weighlock.executors.processes import Processes

    return Processes(processes or cores())


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
