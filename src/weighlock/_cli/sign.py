"""``weighlock sign``: sign a lockfile, a bill of materials, a report, or a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from weighlock._cli._options import lockfile_option, project_of
from weighlock._cli._signer import new_passphrase, open_signer
from weighlock.errors import UsageError

if TYPE_CHECKING:
    from weighlock.signing.interface import Signer
    from weighlock.signing.public_key import PublicKey


@click.command("sign", short_help="Sign models.lock, a bill of materials, a report, or a model.")
@click.argument("target", required=False, metavar="[FILE|FOLDER]")
@click.option("--key", metavar="FILE", help="A private key (PEM), or pkcs11:URI. [env: WEIGHLOCK_SIGNING_KEY]")
@click.option("--certificate", metavar="FILE", help="Of the key, with those between it and the authority (PEM).")
@click.option("--keyless", is_flag=True, help="Sign with an identity, over Sigstore; it is published in a log.")
@click.option("--staging", is_flag=True, help="Use Sigstore's staging instance, whose signatures prove nothing.")
@click.option("--offline", is_flag=True, help="Ask no server; only keys can sign then.")
@click.option("--oms", is_flag=True, help="Sign a locked model (its name) in the format of OpenSSF Model Signing.")
@click.option("--model", metavar="NAME", help="What the model is called; by default as its file or folder.")
@click.option("--as", "label", metavar="NAME", help="Put it beside those of others, as FILE.NAME.sigstore.json.")
@click.option("--output", metavar="FILE", help="Where the signature is written; by default FILE.sigstore.json.")
@click.option("--generate-key", "new_key", metavar="FILE", help="Make a key pair: FILE, and FILE.pub.")
@click.option("--no-passphrase", is_flag=True, help="Leave the new key unencrypted.")
@lockfile_option
def command(
    *,
    target: str | None,
    key: str | None,
    certificate: str | None,
    keyless: bool,
    staging: bool,
    offline: bool,
    oms: bool,
    model: str | None,
    label: str | None,
    output: str | None,
    new_key: str | None,
    no_passphrase: bool,
    lockfile: str | None,
) -> int:
    """Sign what FILE is about: a lockfile with every file that it lists, a bill of materials with every component, a
    report, or a model, which is any other file or FOLDER. Only the files of a model are hashed.

    The passphrase of a key comes from WEIGHLOCK_KEY_PASSPHRASE, or is asked for. The signature is a Sigstore bundle
    beside FILE, and the old one of the same signer is replaced. Verify it with `weighlock verify --signature FILE`.

    \b
    Exit codes: 0 signed, 2 it could not be.
    """  # noqa: D205 - the help says it in one paragraph
    if new_key is not None:
        if target is not None:
            raise UsageError("makes a key and signs nothing", where="--generate-key", hint="sign in a second command")
        return _generate(Path(new_key), no_passphrase=no_passphrase)
    if target is None:
        raise UsageError("there is nothing to sign", where="sign", hint="weighlock sign models.lock --key FILE")
    _require_label(label, output)
    if oms and (model is not None or label is not None):
        hint = "leave out --model and --as"
        raise UsageError("signs a locked model under its own name, in its own place", where="--oms", hint=hint)
    signer, public = open_signer(key=key, certificate=certificate, keyless=keyless, staging=staging, offline=offline)
    place = Path(output) if output else None
    if oms:
        return _sign_locked(target, signer, public, place, lockfile)
    from weighlock.gates.signing import sign_document
    from weighlock.output.signatures import signed_text

    decider = project_of(lockfile).decider("sign")
    signed = sign_document(Path(target), signer, name=model, output=place, decider=decider, label=label)
    click.echo(signed_text(signed), nl=False)
    return 0


def _generate(place: Path, *, no_passphrase: bool) -> int:
    from weighlock.output.escape import printable
    from weighlock.signing.key_files import generate_pair, public_place

    key = generate_pair(place, new_passphrase(none=no_passphrase))
    click.echo(f"private key  {printable(str(place))}, keep it to yourself")
    click.echo(f"public key   {printable(str(public_place(place)))}, {key.public.digest}")
    return 0


def _sign_locked(name: str, signer: Signer, public: PublicKey | None, place: Path | None, lockfile: str | None) -> int:
    from weighlock.gates.signing import sign_locked_model
    from weighlock.output.signatures import signed_text

    project = project_of(lockfile)
    locked = project.read(required=True)
    signed = sign_locked_model(
        name, locked, signer, public, folder=project.folder, output=place, decider=project.decider("sign")
    )
    click.echo(signed_text(signed), nl=False)
    return 0


def _require_label(label: str | None, output: str | None) -> None:
    from weighlock.gates.signatures import is_label

    if label is not None and (output is not None or not is_label(label)):
        hint = "letters and digits; `oms` is that of another format"
        raise UsageError(
            "is no name for a place beside the file, or --output names one already", where="--as", hint=hint
        )
