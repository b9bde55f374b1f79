"""Signing without a key of one's own: Sigstore certifies a key that lives for minutes, and logs the signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.errors import ForgedError, UnsupportedError, UsageError, WeighlockError
from weighlock.signing.bundle import Bundle, read_bundle
from weighlock.signing.keyless import require_sigstore
from weighlock.signing.library import first_line, quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN = "SIGSTORE_ID_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class KeylessSigner:
    """An identity, as an OpenID Connect token proves it.

    Args:
        token: As the library ``sigstore`` holds it.
        staging: Sign with Sigstore's staging instance, whose signatures prove nothing.
    """

    token: Any
    staging: bool = False

    @property
    def who(self) -> str:
        """The identity, and who vouches for it."""
        return f"{self.token.identity} ({self.token.federated_issuer})"

    def sign(self, statement: bytes) -> Bundle:
        """Sign an in-toto statement: this asks three servers, and publishes the identity for ever.

        Raises:
            WeighlockError: A server cannot be reached or refused.
        """
        from sigstore.dsse import Statement
        from sigstore.sign import SigningContext

        try:
            with quiet("sigstore"):
                context = SigningContext.from_trust_config(trust_config(staging=self.staging))
                with context.signer(self.token) as signer:
                    data = signer.sign_dsse(Statement(statement)).to_json().encode()
        except Exception as error:  # requests, TUF, Fulcio and Rekor have errors of their own
            raise WeighlockError(
                f"Sigstore did not sign: {type(error).__name__} {first_line(error)}".rstrip(),
                hint="it needs the network; a key signs without: --key FILE",
            ) from error
        bundle = read_bundle(data)
        if bundle.envelope.payload != statement:
            raise ForgedError("Sigstore's library signed something else")
        return bundle


def open_identity(environ: Mapping[str, str], *, staging: bool, offline: bool, interactive: bool) -> KeylessSigner:
    """Find the identity to sign with: a token in the environment, that of a CI system, or a person at a browser.

    Args:
        environ: ``SIGSTORE_ID_TOKEN`` may hold a token.
        staging: Sign with the staging instance.
        offline: Nothing may be asked.
        interactive: There is somebody to log in.

    Raises:
        UsageError: It is to be done offline, or there is no identity.
        UnsupportedError: The extra is not installed.
    """
    if offline:
        raise UsageError(
            "an identity cannot be certified without asking Sigstore", where="--keyless", hint="sign with --key FILE"
        )
    require_sigstore()
    from sigstore.oidc import IdentityError, IdentityToken, detect_credential

    try:
        raw = environ.get(TOKEN) or detect_credential()
        if raw is None and interactive:
            return KeylessSigner(_logged_in(staging=staging), staging)
        if raw is not None:
            return KeylessSigner(IdentityToken(raw), staging)
    except IdentityError as error:
        raise UsageError(f"the identity token is not accepted: {first_line(error)}", where=TOKEN) from error
    raise UsageError(
        "there is no identity to sign with",
        where="--keyless",
        hint=f"run it in CI with permission to ask for an identity token, or put one into {TOKEN}",
    )


def trust_config(*, staging: bool, offline: bool = False) -> Any:
    """Return Sigstore's keys and servers: current ones, or without a network those that came with the library."""
    from sigstore.models import ClientTrustConfig

    make = ClientTrustConfig.staging if staging else ClientTrustConfig.production
    return make(offline=offline)


def _logged_in(*, staging: bool) -> Any:
    from sigstore.errors import Error
    from sigstore.oidc import Issuer

    try:
        return Issuer(trust_config(staging=staging).signing_config.get_oidc_url()).identity_token()
    except Error as error:
        reason = f"nobody could log in: {type(error).__name__} {first_line(error)}"
        raise UnsupportedError(reason, hint="sign with --key FILE") from error
