"""``weighlock advisories``: the local database of vulnerabilities and malicious packages."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from weighlock._cli._options import allow_http_option, format_option, is_offline, output_option, project_of
from weighlock._cli._terminal import TerminalProgress, emit
from weighlock.errors import UsageError

if TYPE_CHECKING:
    from weighlock.advisories.interface import Status


@click.group("advisories", short_help="Fill the local database of advisories, and say how old it is.")
def command() -> None:
    """Fill the local database of vulnerabilities and malicious packages, and say what is in it.

    `weighlock install` and `weighlock check` ask it about every package, without a network.
    """


@command.command("update", short_help="Fetch the database, or make it from files.")
@click.option(
    "--from", "files", multiple=True, metavar="FILE", help="Make it from OSV's zip files on this disk; may be repeated."
)
@click.option("--url", "addresses", multiple=True, metavar="URL", help="Fetch it from there; may be repeated.")
@click.option("--offline", is_flag=True, help="Ask no server. [env: HF_HUB_OFFLINE]")
@allow_http_option
def update(*, files: tuple[str, ...], addresses: tuple[str, ...], offline: bool, allow_http: bool) -> int:
    """Replace the database by a new one, all or nothing, while others go on reading the old one.

    By default it comes from OSV (https://osv.dev), or from the URLs in WEIGHLOCK_ADVISORIES_URL. Where nothing
    has changed there, nothing is fetched.

    \b
    Exit codes: 0 the database is there, 2 it could not be made; the old one is untouched.
    """
    from weighlock.advisories import database
    from weighlock.advisories import update as updates
    from weighlock.output import advisories
    from weighlock.sources.transport import Transport

    path, now = database.place(os.environ), datetime.now(UTC)
    if files and addresses:
        raise UsageError("--from and --url exclude each other", hint="leave one of them out")
    if files:
        done = updates.from_files(path, files, now=now)
    elif is_offline(option=offline):
        raise UsageError("the network is switched off", where="advisories update", hint="give a file with --from FILE")
    else:
        transport = Transport(allow_http=allow_http)
        with TerminalProgress() as progress:
            wanted = addresses or updates.urls(os.environ)
            done = updates.from_network(path, wanted, transport, now=now, progress=progress)
    click.echo("" if done.changed else "nothing has changed there\n", nl=False)
    click.echo(advisories.render(_report(done.status, now)), nl=False)
    return 0


@command.command("status", short_help="Say what is in the database, and how old it is.")
@format_option("text", "json")
@output_option
def status(*, kind: str, output: str | None) -> int:
    """Say where the database is, what is in it, how old it is, and whether the policy takes it.

    \b
    Exit codes: 0 it can be relied on, 2 it is missing, broken or too old.
    """
    from weighlock.advisories.database import Database, place
    from weighlock.output import advisories

    with Database(place(os.environ)) as database:
        report = _report(database.status, datetime.now(UTC))
    emit(json.dumps(report, indent=2) + "\n" if kind == "json" else advisories.render(report), output)
    return 0 if report["problem"] is None else 2


def _report(found: Status, now: datetime) -> dict[str, object]:
    """Return what is known about a database, in the form of ``--format json``."""
    age = found.age(now)
    return {
        "source": found.name,
        "path": found.place,
        "as_of": None if found.as_of is None else found.as_of.isoformat(),
        "age_seconds": None if age is None else int(age.total_seconds()),
        "made": found.made.isoformat(),
        "records": found.records,
        "packages": found.packages,
        "malware": found.malware,
        "withdrawn": found.withdrawn,
        "not_understood": found.unclear,
        "origins": [
            {
                "label": origin.label,
                "fetched": origin.fetched.isoformat(),
                "newest": None if origin.newest is None else origin.newest.isoformat(),
                "records": origin.records,
            }
            for origin in found.origins
        ],
        "warning": found.warning(now),
        "problem": found.problem(now, project_of(None).policy.install.advisory_max_age),
    }
