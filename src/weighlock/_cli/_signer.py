"""Who signs, as the options and the environment say."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weighlock.errors import UsageError

if TYPE_CHECKING:
    from weighlock.signing.interface import Signer
    from weighlock.signing.key import LocalKey
    from weighlock.signing.pkcs11 import DeviceKey
    from weighlock.signing.public_key import PublicKey

KEY = "WEIGHLOCK_SIGNING_KEY"
PASSPHRASE = "WEIGHLOCK_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable


def open_signer(
    *, key: str | None, certificate: str | None, keyless: bool, staging: bool, offline: bool
) -> tuple[Signer, PublicKey | None]:
    """Return who signs, and the key if it is a bare one.

    Raises:
        UsageError: Nobody is named, or two at once.
    """
    if keyless:
        from weighlock.signing.keyless_signer import open_identity

        if key is not None or certificate is not None:
            raise UsageError("an identity signs, or a key, not both", where="--keyless", hint="leave one of them out")
        return open_identity(os.environ, staging=staging, offline=offline, interactive=sys.stdin.isatty()), None
    signer = _key(key)
    if certificate is None:
        return signer, signer.public
    from weighlock.gates.signatures import read_key_file
    from weighlock.signing.certificate_signer import with_certificate

    return with_certificate(signer, signer.public, read_key_file(Path(certificate)), where=certificate), None


def new_passphrase(*, none: bool) -> bytes | None:
    """Return the passphrase for a new key: from the environment, or asked twice.

    Raises:
        UsageError: There is none, and nobody said that there shall be none.
    """
    said = os.environ.get(PASSPHRASE)
    if none:
        return None
    if said is None and sys.stdin.isatty():
        said = click.prompt("Passphrase of the new key", hide_input=True, confirmation_prompt=True, err=True)
    if not said:
        raise UsageError(
            "a key without a passphrase signs for everybody who gets the file",
            where="--generate-key",
            hint=f"set {PASSPHRASE}, or say --no-passphrase",
        )
    return str(said).encode()


def _key(place: str | None) -> LocalKey | DeviceKey:
    if place is not None and place.startswith("pkcs11:"):
        from weighlock.signing.pkcs11 import open_device_key

        return open_device_key(place, lambda: _passphrase("PIN of the device"))
    if place is not None:
        from weighlock.signing.key_files import load_key

        signer, warning = load_key(Path(place), _passphrase)
        if warning:
            click.echo(f"warning: {warning}", err=True)
        return signer
    from weighlock.signing.key import read_key

    text = os.environ.get(KEY)
    if not text:
        hint = f"--key FILE, {KEY}, --keyless, or make a key with `weighlock sign --generate-key FILE`"
        raise UsageError("nothing says who signs", where="sign", hint=hint)
    return read_key(text.encode(), _passphrase, where=KEY)


def _passphrase(what: str = "Passphrase of the key") -> bytes:
    said = os.environ.get(PASSPHRASE)
    if said is None and sys.stdin.isatty():
        said = click.prompt(what, hide_input=True, err=True)
    if said is None:
        raise UsageError("it needs a passphrase or PIN", where="--key", hint=f"set {PASSPHRASE}, or use a terminal")
    return str(said).encode()
