"""``weighlock push``: bring a locked model into a registry of containers."""

from __future__ import annotations

from pathlib import Path

import click

from weighlock._cli._options import (
    allow_http_option,
    format_option,
    is_offline,
    lockfile_option,
    output_option,
    project_of,
)
from weighlock._cli._terminal import TerminalProgress, emit
from weighlock.errors import UsageError


@click.command("push", short_help="Bring a locked model into a registry of containers.")
@click.argument("name", metavar="NAME")
@click.argument("target", metavar="oci:HOST/REPOSITORY:TAG")
@click.option(
    "--attach", multiple=True, metavar="FILE", help="Attach a Sigstore bundle, too; more than one may be given."
)
@allow_http_option
@lockfile_option
@format_option("text", "json")
@output_option
def command(
    *,
    name: str,
    target: str,
    attach: tuple[str, ...],
    allow_http: bool,
    lockfile: str | None,
    kind: str,
    output: str | None,
) -> int:
    """Push the model NAME of the lockfile, its exact locked bytes, and let the tag lead to it.

    Every file is hashed again while it is read; what the registry has is not sent. The signature that
    `weighlock sign NAME --oms` wrote is attached, and so is every --attach FILE. Logins are those of docker, oras and
    podman.

    \b
    Exit codes: 0 pushed, 1 bytes are not as locked, 2 could not be done.
    """
    from weighlock.gates.places import Places
    from weighlock.gates.push import push
    from weighlock.gates.request import parse_request
    from weighlock.model_source import OciRequest
    from weighlock.output.push import push_json, push_text

    project = project_of(lockfile)
    request = parse_request(target, project.folder).target if target.startswith("oci:") else None
    if not isinstance(request, OciRequest):
        raise UsageError("is not a place in a registry", where=target, hint="write oci:HOST/REPOSITORY:TAG")
    if is_offline(option=False):
        raise UsageError("cannot push: HF_HUB_OFFLINE forbids to ask a server", where=target, hint="unset it")
    with TerminalProgress() as progress:
        pushed = push(
            name,
            project.read(required=True),
            request,
            Places(folder=project.folder),
            attachments=[Path(file) for file in attach],
            allow_http=allow_http,
            progress=progress,
            decider=project.decider("push"),
        )
    emit((push_json if kind == "json" else push_text)(pushed), output)
    return 0
