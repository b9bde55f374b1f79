"""``weighlock quarantine``: deny something that turned out bad, and take that back."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weighlock._cli._options import format_option, lockfile_option, output_option, project_of
from weighlock._cli._terminal import Bar, emit, require_place
from weighlock.errors import UsageError
from weighlock.incidents.reach import MEANINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import ProgressColumn

    from weighlock.gates.project import Project
    from weighlock.gates.quarantine import Changed, Keeper
    from weighlock.gates.quarantine_plan import Plan
    from weighlock.signing.interface import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signing:
    """Who signs, as the options say."""

    key: str | None
    certificate: str | None
    keyless: bool
    staging: bool

    @property
    def is_named(self) -> bool:
        return any((self.key, self.certificate, self.keyless))


@click.command("quarantine", short_help="Deny a digest, model, package, advisory or signer everywhere; take it back.")
@click.argument("subject", required=False)
@click.option("--reason", metavar="TEXT", help="Why; everybody who is refused reads it.")
@click.option("--as", "meaning", type=click.Choice(MEANINGS), help="What SUBJECT means, where that is not clear.")
@click.option("--derived", is_flag=True, help="Deny what was made from it, too.")
@click.option("--expires", metavar="TIME", help='When it denies no more, such as "30d" or "12 hours" from now.')
@click.option("--release", metavar="ID", help="Take an entry back.")
@click.option("--show", is_flag=True, help="Show the list.")
@click.option("--refresh", is_flag=True, help="Sign the list anew, so that it is not stale; begin one where none is.")
@click.option("--export", metavar="FILE", help="Write the signed list to FILE, to be published.")
@click.option("--list", "place", metavar="PLACE", help="A file, or `ledger`; by default the policy's, else your own.")
@click.option("--key", metavar="FILE", help="A private key (PEM), or pkcs11:URI. [env: WEIGHLOCK_SIGNING_KEY]")
@click.option("--certificate", metavar="FILE", help="Of the key, with those between it and the authority (PEM).")
@click.option("--keyless", is_flag=True, help="Sign with an identity, over Sigstore; it is published in a log.")
@click.option("--staging", is_flag=True, help="Use Sigstore's staging instance, whose signatures prove nothing.")
@click.option("--dry-run", is_flag=True, help="Only say what it would stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@lockfile_option
@format_option("text", "json")
@output_option
def command(
    *,
    subject: str | None,
    reason: str | None,
    meaning: str | None,
    derived: bool,
    expires: str | None,
    release: str | None,
    show: bool,
    refresh: bool,
    export: str | None,
    place: str | None,
    key: str | None,
    certificate: str | None,
    keyless: bool,
    staging: bool,
    dry_run: bool,
    yes: bool,
    lockfile: str | None,
    kind: str,
    output: str | None,
) -> int:
    """Deny SUBJECT: programs under the guard are refused at their next load, also those that run already.

    SUBJECT is a digest, a file, a model, a base model, package==version, an advisory, or a signer; every digest that is
    known of it is denied with it. The list is signed and only grows. Yours, beside the ledger, is signed by the key
    of the ledger; one that the policy names takes the key of a signer of the policy.

    \b
    Exit codes: 0 done, 1 the list was forged or rolled back, 2 it could not be done.
    """
    from weighlock.gates.quarantine import Keeper

    _require_one(subject, release, export, show=show, refresh=refresh)
    require_place(output)
    project = project_of(lockfile)
    keeper = Keeper(project, os.environ, place, lambda: datetime.now(UTC), reads=show)
    signing = _Signing(key=key, certificate=certificate, keyless=keyless, staging=staging)
    task = _Task(keeper=keeper, project=project, signing=signing, reason=reason, kind=kind, output=output)
    if show:
        task.show()
    elif export is not None:
        task.export(Path(export))
    elif release is not None:
        task.release(release)
    elif subject is None:
        task.refresh()
    else:
        plan = _plan(subject, meaning, lockfile, project, derived=derived)
        task.quarantine(plan, _until(expires), dry_run=dry_run, yes=yes)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is to be done with one list, and how it is reported."""

    keeper: Keeper
    project: Project
    signing: _Signing
    reason: str | None
    kind: str
    output: str | None

    def quarantine(self, plan: Plan, until: datetime | None, *, dry_run: bool, yes: bool) -> None:
        from weighlock.output.quarantine import changed_text, plan_json, plan_text

        place = self.keeper.place
        if dry_run:
            self._emit(plan_json(plan, place, None) if self.kind == "json" else plan_text(plan, place))
            return
        reason = self._said()
        click.echo(plan_text(plan, place), nl=False, err=True)
        _warn(self.keeper)
        _confirm(yes=yes)
        changed = self.keeper.quarantine(plan, self._signer(), reason=reason, by=_actor(), expires=until)
        self._emit(plan_json(plan, place, changed) if self.kind == "json" else changed_text(changed, "quarantined"))

    def release(self, wanted: str) -> None:
        reason = self._said()
        self._changed(self.keeper.release(wanted, self._signer(), reason=reason, by=_actor()), "released")

    def refresh(self) -> None:
        self._changed(self.keeper.refresh(self._signer()), "refreshed")

    def show(self) -> None:
        from weighlock.output.escape import printable
        from weighlock.output.quarantine import list_json, list_text

        known, now = self.keeper.read(), datetime.now(UTC)
        others = [f"`weighlock quarantine --show --list {shlex.quote(one)}`" for one in self.keeper.others]
        if known is None:
            hint = "; ".join(["nothing is in quarantine by it", *(f"another list holds here: {one}" for one in others)])
            raise UsageError("there is no list", where=self.keeper.place, hint=hint)
        self._emit((list_json if self.kind == "json" else list_text)(known, self.keeper.place, now))
        for one in others:
            click.echo(printable(f"another list holds here, too: {one}"), err=True)

    def export(self, place: Path) -> None:
        from weighlock.files import write_atomically
        from weighlock.output.escape import printable

        write_atomically(place, self.keeper.export())
        click.echo(printable(f"{self.keeper.place} is written to {place}"), err=True)

    def _changed(self, changed: Changed, what: str) -> None:
        from weighlock.output.quarantine import changed_json, changed_text

        self._emit(changed_json(changed) if self.kind == "json" else changed_text(changed, what))

    def _emit(self, text: str) -> None:
        emit(text, self.output)

    def _said(self) -> str:
        if self.reason is None or not self.reason.strip():
            raise UsageError("nothing says why", where="--reason", hint="everybody who is refused reads it")
        return self.reason.strip()

    def _signer(self) -> Signer:
        """Return who signs: the key of the ledger where nobody is named and nobody has to be."""
        from weighlock._cli._signer import KEY, open_signer

        signing = self.signing
        named = signing.is_named or os.environ.get(KEY)
        if not named and (self.keeper.is_own or not self.project.policy.evidence.signers):
            return self.keeper.ledger_signer()
        signer, _ = open_signer(
            key=signing.key,
            certificate=signing.certificate,
            keyless=signing.keyless,
            staging=signing.staging,
            offline=False,
        )
        return signer


def _plan(subject: str, meaning: str | None, lockfile: str | None, project: Project, *, derived: bool) -> Plan:
    from weighlock.gates.quarantine_plan import plan
    from weighlock.gates.where import Question

    question = Question(subject=subject, meaning=meaning, derived=derived, lockfile=lockfile, environ=os.environ)
    with Bar(_columns) as bar:
        return plan(question, project, bar)


def _require_one(subject: str | None, release: str | None, export: str | None, *, show: bool, refresh: bool) -> None:
    if sum((subject is not None, release is not None, export is not None, show, refresh)) != 1:
        hint = 'weighlock quarantine SUBJECT --reason "…"'
        raise UsageError(
            "takes SUBJECT, or one of --release, --show, --refresh and --export", where="quarantine", hint=hint
        )


def _until(expires: str | None) -> datetime | None:
    from weighlock.policy_keys import age

    if expires is None:
        return None
    span = age(expires.strip(), "--expires")
    if not span:
        raise UsageError("would be over at once", where="--expires", hint='such as "30d"')
    return (datetime.now(UTC) + span).replace(microsecond=0)


def _warn(keeper: Keeper) -> None:
    if not keeper.is_watched:
        line = "no guard of this project looks at that list; publish it, or name it in tool.weighlock.quarantine.lists"
        click.echo(f"warning: {line}", err=True)


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "nobody is there to be asked", where="quarantine", hint="say --yes, or look first with --dry-run"
        )
    click.confirm("Deny it?", abort=True, err=True)


def _actor() -> str:
    from weighlock.ledger.spool import actor

    return actor(os.environ)


def _columns() -> Sequence[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    return TextColumn("entries of the ledger"), BarColumn(), MofNCompleteColumn()
