"""``weighlock verify``: hash what is on disk again and compare it with the lockfile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weighlock._cli._chain import verify_chain
from weighlock._cli._options import engine_options, project_of, report_options
from weighlock._cli._signature_options import signature_options, verify_signatures
from weighlock._cli._terminal import TerminalProgress, emit
from weighlock.errors import UsageError
from weighlock.lockfile import PathSource

if TYPE_CHECKING:
    from weighlock._cli._signature_options import SignatureOptions
    from weighlock.executors.interface import Engine
    from weighlock.gates.places import Places
    from weighlock.lockfile import Lockfile


@click.command("verify", short_help="Re-hash what is on disk against models.lock.")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--deep", is_flag=True, help="Also inspect the files again, and compare with what was locked.")
@click.option("--chain", is_flag=True, help="Also lockfile, bill of materials, signatures and ledger, link by link.")
@click.option("--bom", "bill", metavar="FILE", help="The bill of --chain; by default models.cdx.json by the lockfile.")
@click.option("--since", metavar="FILE", help="With --chain: a checkpoint of the ledger that was kept elsewhere.")
@signature_options
@engine_options
@report_options
def command(
    *,
    paths: tuple[str, ...],
    deep: bool,
    chain: bool,
    bill: str | None,
    since: str | None,
    signature: SignatureOptions | None,
    engine: Engine | None,
    lockfile: str | None,
    kind: str,
    output: str | None,
) -> int:
    """Hash the locked files on this machine again, or the files of PATH, and compare them with the lockfile.

    PATH is a file, a folder, or the name of a locked model. Unlocked files beside a locked model that a loader
    would take are a mismatch, too; in the Hub cache, which other projects share, they are listed only, and so are
    files that `weighlock lock` leaves out.

    With --signature, who signed PATH: `--signature models.lock` takes the signatures beside that file, and
    `--signature BUNDLE PATH` a certain one. They count by --key, by --certificate or --issuer with --identity, or
    else by the signers of the policy. Nothing is looked up on a network.

    With --chain, every link from the files on this disk to the checkpoint of the ledger: a byte that was changed in a
    file, the lockfile, the bill of materials, a signature or the ledger is found, and the link that it breaks is named.

    \b
    Exit codes: 0 as locked or signed, 1 missing, changed or extra files, or not signed, 2 something could not be read.
    """
    from weighlock.gates.places import Places
    from weighlock.gates.sync import choose
    from weighlock.gates.verify import VerifiedFile, VerifyReport, record, verify_models, verify_paths
    from weighlock.gates.verify_quarantine import quarantined
    from weighlock.output.lockfile import verify_json, verify_text

    project = project_of(lockfile)
    if not chain and (bill or since):
        raise UsageError("means nothing without --chain", where="--bom" if bill else "--since")
    if signature is not None and not chain:
        return verify_signatures(paths, signature, project, kind=kind, output=output)
    locked = project.read(required=True)
    places = Places(folder=project.folder)
    known = {path: name for path in paths if (name := _model_at(path, locked, places)) is not None}
    names = list(dict.fromkeys(known.values()))
    others = [Path(path) for path in paths if path not in known]
    files: list[VerifiedFile] = []
    with TerminalProgress() as progress:
        if names or not paths:
            models = choose(locked, names)
            intents = project.policy.models
            files += verify_models(
                models, locked, places, intents=intents, deep=deep, engine=engine, progress=progress
            ).files
        if others:
            files += verify_paths(others, locked, deep=deep, engine=engine, progress=progress).files
    report = quarantined(VerifyReport(files=tuple(files)), locked, project.quarantine())
    record(report, project.decider("verify"))
    if chain:
        return verify_chain(report, locked, project, signature, bill=bill, since=since, kind=kind, output=output)
    render = verify_json if kind == "json" else verify_text
    emit(render(report), output)
    return report.exit_code


def _model_at(path: str, locked: Lockfile, places: Places) -> str | None:
    """Return the locked model of a name, or the one whose folder a path is, however it is spelled."""
    if locked.by_name(path) is not None:
        return path
    for model in locked.models:
        root = places.root(model)
        if isinstance(model.source, PathSource) and root.is_dir() and os.path.isdir(path) and root.samefile(path):
            return model.name
    return None
