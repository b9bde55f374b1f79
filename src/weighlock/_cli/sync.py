"""``weighlock sync``: download what the lockfile lists, verified before it is published to the cache."""

from __future__ import annotations

from pathlib import Path

import click

from weighlock._cli._options import is_offline, project_of, transfer_options
from weighlock._cli._terminal import TerminalProgress, emit
from weighlock.errors import UsageError


@click.command("sync", short_help="Download what models.lock lists, verified first.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--local-dir", metavar="DIR", help="Put the files of one model there instead of into the caches.")
@transfer_options
def command(
    *,
    names: tuple[str, ...],
    local_dir: str | None,
    lockfile: str | None,
    offline: bool,
    allow_http: bool,
    kind: str,
    output: str | None,
) -> int:
    """Download the models of the lockfile, or only those named, verified before anything can load them.

    What lies in the caches already is hashed again, and replaced where its bytes are not the locked ones. An
    interrupted sync goes on where it stopped.

    \b
    Exit codes: 0 everything is there, 1 a source delivers other bytes, 2 could not be done.
    """
    from weighlock.gates.places import Places
    from weighlock.gates.sync import choose, sync
    from weighlock.output.lockfile import sync_json, sync_text

    project = project_of(lockfile)
    models = choose(project.read(required=True), names)
    if local_dir is not None and len(models) != 1:
        raise UsageError(
            "--local-dir takes the files of one model", hint="name it: weighlock sync NAME --local-dir DIR"
        )
    places = Places(folder=project.folder, local=Path(local_dir).absolute() if local_dir is not None else None)
    with TerminalProgress() as progress:
        files = sync(
            models,
            places,
            offline=is_offline(option=offline),
            allow_http=allow_http,
            progress=progress,
            decider=project.decider("sync"),
        )
    render = sync_json if kind == "json" else sync_text
    emit(render(files), output)
    return 0
