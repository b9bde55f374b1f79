"""Options that promotions share: the stage, the registry, and who signs."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import reduce, wraps
from typing import TYPE_CHECKING, Any

import click

from weighlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.signing.interface import Signer
    from weighlock.signing.public_key import PublicKey

_DURATION = re.compile(r"([0-9]{1,4}) ?(d|days?|h|hours?)\Z")
_OPTIONS = (
    click.option("--key", metavar="FILE", help="A private key (PEM), or pkcs11:URI. [env: WEIGHLOCK_SIGNING_KEY]"),
    click.option("--certificate", metavar="FILE", help="Of the key, with those between it and the authority (PEM)."),
    click.option("--keyless", is_flag=True, help="Sign with an identity, over Sigstore; it is published in a log."),
    click.option("--staging", is_flag=True, help="Use Sigstore's staging instance, whose signatures prove nothing."),
)

registry_option = click.option(
    "--registry",
    type=click.Choice(["weighlock", "mlflow", "oci"]),
    help="Where the name moves; by default where the model comes from.",
)


def signer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take ``sign_by``, which opens who signs; nothing is asked for before it is called."""

    @wraps(function)
    def with_signer(*, key: str | None, certificate: str | None, keyless: bool, staging: bool, **options: Any) -> Any:
        from weighlock._cli._options import is_offline
        from weighlock._cli._signer import open_signer

        def sign_by() -> tuple[Signer, PublicKey | None]:
            offline = is_offline(option=False)
            return open_signer(key=key, certificate=certificate, keyless=keyless, staging=staging, offline=offline)

        sign_by.logged = keyless  # type: ignore[attr-defined]
        return function(sign_by=sign_by, **options)

    return reduce(lambda inner, option: option(inner), reversed(_OPTIONS), with_signer)


def duration(text: str, where: str) -> timedelta:
    """Return a time such as ``7d`` or ``12 hours``.

    Raises:
        UsageError: It is none.
    """
    match = _DURATION.match(text)
    if match is None:
        raise UsageError(f"is no time such as 7d: {text[:40]!r}", where=where, hint="write 7d, or 12h")
    return timedelta(hours=int(match[1]) * (24 if match[2].startswith("d") else 1))
