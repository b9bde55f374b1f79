"""``weighlock ledger``: what was decided and accessed, and the proofs of it."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from weighlock._cli._options import format_option, output_option
from weighlock._cli._terminal import emit, require_place
from weighlock.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from weighlock.gates.ledger import Numbered
    from weighlock.ledger.interface import Ledger

_PAUSE = 0.5
"""Seconds between two looks at a ledger that is followed."""

_place = click.option("--ledger", "place", metavar="PLACE", help="Its folder. [env: WEIGHLOCK_LEDGER]")
_no_absorb = click.option("--no-absorb", is_flag=True, help="Leave what running processes recorded in their spools.")


@click.group("ledger", short_help="Read, search, seal, verify and prove the log of verdicts.")
def command() -> None:
    """Read, search, seal, verify and prove the ledger: every verdict and every access, in a tamper-evident log.

    Keep checkpoints elsewhere: only against one of those can a rewritten history be found.
    """


@command.command("show", short_help="Say what is in the ledger, and print its last checkpoint.")
@_place
@_no_absorb
@format_option("text", "json")
@output_option
def show(*, place: str | None, no_absorb: bool, kind: str, output: str | None) -> int:
    """Say how many entries there are, how many are sealed, and print the key and the last checkpoint.

    \b
    Exit codes: 0 printed, 1 it was tampered with, 2 it cannot be read.
    """
    from weighlock.gates.ledger import status
    from weighlock.output import ledger as rendered

    report = status(_open(place, absorbs=not no_absorb))
    emit(_json(report) if kind == "json" else rendered.render_status(report), output)
    return 0


@command.command("tail", short_help="Print the last entries.")
@click.option(
    "-n", "count", type=click.IntRange(0, 1_000_000), default=10, metavar="N", help="How many; 10 by default."
)
@click.option("--follow", is_flag=True, help="Go on with what comes.")
@_place
@_no_absorb
@format_option("text", "json")
def tail(*, count: int, follow: bool, place: str | None, no_absorb: bool, kind: str) -> int:
    """Print the last entries, the newest last; as JSON, one a line.

    \b
    Exit codes: 0 printed, 1 it was tampered with, 2 it cannot be read.
    """
    from weighlock.gates import ledger as gate

    ledger = _open(place, absorbs=not no_absorb)
    after = _print(gate.tail(ledger, count), kind, ledger.size() if count == 0 else 0)
    while follow:
        time.sleep(_PAUSE)
        if not no_absorb:
            gate.absorb_spools(ledger, datetime.now(UTC))
        after = _print(gate.search(ledger, gate.Query(), after), kind, after)
    return 0


@command.command("search", short_help="Print the entries that match.")
@click.option("--digest", metavar="SHA256", help="About that artifact, or resting on that document.")
@click.option("--subject", metavar="TEXT", help="Whose name contains that, in any case.")
@click.option("--verdict", type=click.Choice(["allow", "deny"], case_sensitive=False), help="With that verdict.")
@click.option("--gate", metavar="NAME", help="Of that gate: install, check, load, scan, lock, ….")
@click.option("--actor", metavar="USER@HOST", help="Of that user.")
@click.option(
    "--since", metavar="TIME", help="Not before that time: 2026-11-30, 2026-11-30T12:00:00Z, or 7d, 12h, 30m."
)
@click.option("--until", metavar="TIME", help="Before that time.")
@_place
@_no_absorb
@format_option("text", "json")
def search(*, place: str | None, no_absorb: bool, kind: str, **conditions: Any) -> int:
    """Print the entries for which every condition holds, the oldest first; as JSON, one a line.

    \b
    Exit codes: 0 searched, whether something was found or not, 1 it was tampered with, 2 it cannot be read.
    """
    from weighlock.gates import ledger as gate

    now = datetime.now(UTC)
    conditions |= {name: time_of(conditions[name], now, f"--{name}") for name in ("since", "until")}
    conditions["verdict"] = (conditions["verdict"] or "").upper() or None
    query = gate.Query(**conditions)
    _print(gate.search(_open(place, absorbs=not no_absorb), query), kind, 0)
    return 0


@command.command("verify", short_help="Verify everything that is sealed.")
@click.option("--since", metavar="CHECKPOINT", help="A checkpoint that was kept elsewhere, which has to be continued.")
@click.option("--key", metavar="VKEY", help="The key to trust, or a file with it; by default that of this user.")
@_place
@format_option("text", "json")
@output_option
def verify(*, since: str | None, key: str | None, place: str | None, kind: str, output: str | None) -> int:
    """Verify every entry, every tile and the checkpoint, and that an older checkpoint is continued.

    Nothing is changed. `weighlock ledger verifier` prints the program that does the same without weighlock.

    \b
    Exit codes: 0 it is what was sealed, 1 it is not, and how is said, 2 it cannot be read.
    """
    from weighlock.gates import ledger as gate
    from weighlock.output import ledger as rendered

    report = gate.verify(_open(place, absorbs=False), key, since)
    emit(_json(report) if kind == "json" else rendered.render_verified(report), output)
    return 0


@command.command("prove", short_help="Write the portable proof of one entry.")
@click.argument("entry")
@_place
@_no_absorb
@output_option
def prove(*, entry: str, place: str | None, no_absorb: bool, output: str | None) -> int:
    """Write a proof that ENTRY is in the ledger: its index, the name of its event, or the digest of an artifact.

    The proof is one JSON file with the entry, the path to the root and the signed checkpoint. The program that
    `weighlock ledger verifier` prints checks it, anywhere. An entry that is not sealed yet is sealed.

    \b
    Exit codes: 0 written, 1 the ledger was tampered with, 2 there is no such entry.
    """
    from weighlock.gates import ledger as gate

    require_place(output)
    emit(_json(gate.prove(_open(place, absorbs=not no_absorb), entry)), output)
    return 0


@command.command("checkpoint", short_help="Seal everything, and print the signed note to be kept elsewhere.")
@_place
@_no_absorb
@output_option
def checkpoint(*, place: str | None, no_absorb: bool, output: str | None) -> int:
    """Seal everything that was recorded, and print the signed checkpoint.

    Keep it where whoever can write the ledger cannot: in a commit, in an artifact of the CI system, in a mail.

    \b
    Exit codes: 0 sealed, 1 the ledger does not continue its last checkpoint, 2 it cannot be written.
    """
    require_place(output)
    emit(_open(place, absorbs=not no_absorb, reads=False).checkpoint().decode(), output)
    return 0


@command.command("key", short_help="Print the public key of the ledger.")
@click.option("--origin", metavar="NAME", help="The name of the ledger, where its key is made now.")
@_place
@output_option
def key(*, origin: str | None, place: str | None, output: str | None) -> int:
    """Print the public key as verifiers take it (name+hash+base64); it is made where there is none.

    The private key lies with the state of this user, or where WEIGHLOCK_LEDGER_KEY says, and never in the ledger.

    \b
    Exit codes: 0 printed, 2 it cannot be read or made.
    """
    require_place(output)
    from weighlock.gates.ledger import host_name

    emit(f"{_open(place, absorbs=False, reads=False).key.make(origin, host_name()).vkey}\n", output)
    return 0


@command.command("publish", short_help="Publish the signature of a checkpoint in Rekor.")
@click.argument("bundle", metavar="BUNDLE", type=click.Path(dir_okay=False))
@click.option("--key", "key", required=True, metavar="FILE", help="The public key (PEM) that it is signed by.")
@click.option("--rekor", "url", required=True, metavar="URL", help="The log, Rekor v2.")
@click.option("--rekor-key", "log", required=True, metavar="FILE", help="The public key of the log (PEM).")
@click.option("--offline", is_flag=True, help="Ask no server, so that nothing can be published.")
def publish(*, bundle: str, key: str, url: str, log: str, offline: bool) -> int:
    """Publish the signature in BUNDLE, and put the proof into it, once that verifies.

    BUNDLE comes from `weighlock sign kept.note --key FILE`. A digest, the signature and the public key are sent.

    \b
    Exit codes: 0 published, 1 what came back does not verify, 2 it could not be published.
    """
    from weighlock._cli._options import is_offline
    from weighlock.gates.ledger import publish_bundle

    if is_offline(option=offline):
        raise UsageError("publishes over a network", where="weighlock ledger publish", hint="leave out --offline")
    publish_bundle(bundle, key, url, log)
    click.echo(f"published: {bundle} holds the proof", err=True)
    return 0


@command.command("export", short_help="Write a ledger in a database as files.")
@click.argument("folder", metavar="FOLDER")
@_place
def export(*, folder: str, place: str | None) -> int:
    """Write what is sealed in a database into FOLDER, which `weighlock ledger verifier` prints the verifier of.

    \b
    Exit codes: 0 written, 1 it was tampered with, 2 it cannot be read or written.
    """
    from weighlock.ledger.postgres import PostgresLedger

    ledger = _open(place, absorbs=False)
    if not isinstance(ledger, PostgresLedger):
        raise UsageError("the ledger is a folder already, which can be copied", where=ledger.place)
    if os.path.lexists(folder) and os.listdir(folder):
        raise UsageError("is not empty", where=folder, hint="name a folder that is not there")
    os.makedirs(folder, exist_ok=True)
    click.echo(f"{ledger.export(folder)} entries", err=True)
    return 0


@command.command("verifier", short_help="Print the separate verifier, one file.")
@output_option
def verifier(*, output: str | None) -> int:
    """Print the verifier, which needs Python and nothing else, to be copied to whoever wants to check.

    \b
    Exit codes: 0 printed.
    """
    from importlib import resources

    emit(resources.files("weighlock.ledger").joinpath("verifier.py").read_text(encoding="utf-8"), output)
    return 0


def _open(place: str | None, *, absorbs: bool, reads: bool = True) -> Ledger:
    """Open a ledger; one that is read has to be there, or a wrong path would look like a clean one."""
    from weighlock.gates.ledger import absorb_spools, open_ledger
    from weighlock.gates.recording import is_database

    if reads and place and not is_database(place) and not os.path.isdir(place):
        raise LedgerError("there is no ledger", where=place, hint="is the path right?")
    ledger = open_ledger(os.environ, place)
    if absorbs:
        done = absorb_spools(ledger, datetime.now(UTC))
        if done.broken:
            click.echo(f"warning: {done.broken} lines of spools are no entries, and are recorded as such", err=True)
        if done.unreadable:
            click.echo(f"warning: {done.unreadable} spools of others cannot be read", err=True)
    return ledger


def _print(entries: Iterable[Numbered], kind: str, after: int) -> int:
    """Print entries as they come, and return the index after the last one."""
    from weighlock.output.ledger import render_entry, render_entry_json

    render: Callable[[Numbered], str] = render_entry_json if kind == "json" else render_entry
    for one in entries:
        click.echo(render(one), nl=False)
        after = one.index + 1
    sys.stdout.flush()
    return after


def time_of(text: str | None, now: datetime, where: str) -> datetime | None:
    """Return a time that an option names, or one that is so long ago.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    units = {"d": "days", "h": "hours", "m": "minutes"}
    try:
        if text[-1:] in units and text[:-1].isdecimal():
            return now - timedelta(**{units[text[-1]]: int(text[:-1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r:.50} is no time", where=where, hint="write 2026-11-30T12:00:00Z or 7d") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json(report: object) -> str:
    return json.dumps(report, indent=2) + "\n"
