"""The key of the issuer, and the tokens that it signs: for the registry, and for who logged in.

A registry takes a token by the certificate that stands in it (``x5c``) and that its bundle of roots holds. There is no
``kid``: versions of the registry compute it in three ways, and each of them takes the certificate.

Source:
    Docker Registry v2, "Token Authentication Implementation"; RFC 7515, RFC 7519.
"""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from weighlock.errors import PolicyError, UnsupportedError, UsageError
from weighlock.files import read_regular, unfinished_file_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_ALGORITHM = "ES256"
_LARGEST = 1 << 16
_YEARS = 10
_EARLIER = timedelta(seconds=10)
"""A token counts from a little before it was made, as the clock of the registry may be behind."""

_OWN_CLOCK = ("verify_exp", "verify_nbf", "verify_iat")
"""What the library would compare with its own clock; that a token is over is compared with the time that is given."""

_MISSING = 'install it with `pip install "weighlock[registry]"`'


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A private key and its certificates, the first of them its own.

    Args:
        private: On the curve P-256.
        certificates: In DER.
    """

    private: EllipticCurvePrivateKey
    certificates: Sequence[bytes]

    def sign(self, claims: Mapping[str, Any], *, kind: str = "JWT") -> str:
        """Return a token."""
        jwt = _library()
        chain = [base64.b64encode(one).decode() for one in self.certificates]
        return str(jwt.encode(dict(claims), self.private, algorithm=_ALGORITHM, headers={"x5c": chain, "typ": kind}))

    def claims(self, token: str, *, issuer: str, audience: str, now: datetime) -> dict[str, Any] | None:
        """Return what a token of this key says, or ``None`` for one that does not count."""
        jwt = _library()
        options = {"require": ["exp", "iss", "aud", "sub"], **dict.fromkeys(_OWN_CLOCK, False)}
        try:
            said = jwt.decode(
                token, self.private.public_key(), [_ALGORITHM], options=options, issuer=issuer, audience=audience
            )
            return dict(said) if now.timestamp() < float(said["exp"]) else None
        except (jwt.InvalidTokenError, TypeError, ValueError):
            return None

    def bundle(self) -> bytes:
        """Return the certificates as the registry reads them."""
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509 import load_der_x509_certificate

        return b"".join(load_der_x509_certificate(one).public_bytes(Encoding.PEM) for one in self.certificates)


def access_claims(
    *, issuer: str, service: str, subject: str, access: Sequence[Mapping[str, Any]], now: datetime, seconds: int
) -> dict[str, Any]:
    """Return what a token for the registry says.

    Args:
        issuer: As the registry knows it.
        service: The registry.
        subject: The user; empty for who did not log in.
        access: What is granted.
        now: The time.
        seconds: As long as it counts.
    """
    moment = int(now.timestamp())
    return {
        "iss": issuer,
        "sub": subject,
        "aud": service,
        "exp": moment + seconds,
        "nbf": moment - int(_EARLIER.total_seconds()),
        "iat": moment,
        "jti": os.urandom(16).hex(),
        "access": [dict(one) for one in access],
    }


def read_key(path: str) -> IssuerKey:
    """Read the key of the issuer.

    Raises:
        PolicyError: It cannot be read, others may read it, or it is no key on P-256 with its certificate.
        UnsupportedError: A library is missing.
    """
    _library()
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    hint = "make one with `weighlock registry new-key FILE`"
    try:
        data, mode = read_regular(path, _LARGEST), os.stat(path).st_mode
    except OSError as error:
        raise PolicyError(f"the key cannot be read: {error.strerror}", where=path, hint=hint) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PolicyError(
            "others may read this key, and whoever has it may do everything", where=path, hint="chmod 600"
        )
    try:
        private = load_pem_private_key(data, None)
        certificates = load_pem_x509_certificates(data)
    except (ValueError, TypeError) as error:
        raise PolicyError("is no private key with its certificate", where=path, hint=hint) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise PolicyError("is not on the curve P-256", where=path, hint=hint)
    if certificates[0].public_key() != private.public_key():
        raise PolicyError("the certificate is that of another key", where=path, hint=hint)
    return IssuerKey(private, [one.public_bytes(Encoding.DER) for one in certificates])


def new_key(path: str, name: str, *, now: datetime | None = None) -> None:
    """Make a key with a certificate of its own; nothing that is there is overwritten.

    Args:
        path: Of the new file.
        name: That the certificate has.
        now: The time.

    Raises:
        UsageError: There is a file.
        UnsupportedError: A library is missing.
    """
    _library()
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if os.path.lexists(path):
        raise UsageError("is there already, and keys are not overwritten", where=path, hint="name another place")
    moment = now or datetime.now(UTC)
    private = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    data = private.private_bytes(encoding, form, serialization.NoEncryption()) + certificate.public_bytes(encoding)
    from pathlib import Path

    with unfinished_file_errors(Path(path)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _library() -> Any:
    try:
        import jwt
    except ImportError:
        raise UnsupportedError("PyJWT is not installed", hint=_MISSING) from None
    return jwt
