"""Signatures without a key of one's own, over Sigstore: verified offline by the library ``sigstore``.

It comes with the extra ``weighlock[sign]`` and has Sigstore's keys with it. Those age: new logs and authorities get new
keys, which only a newer library, or a newer document (`TrustedIdentity.trusted_root`), knows.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from weighlock.artifact import Digest
from weighlock.errors import ForgedError, UnsupportedError, WeighlockError
from weighlock.signing.library import first_line, quiet

if TYPE_CHECKING:
    from weighlock.signing.bundle import Bundle
    from weighlock.signing.trust import TrustedIdentity

HINT = "pip install 'weighlock[sign]'"
_GRACE = timedelta(days=120)
"""After Sigstore meant to renew its list of keys; it does so about twice a year, and usually with the same keys."""
_PRODUCTION = "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
_STAGING = "https%3A%2F%2Ftuf-repo-cdn.sigstage.dev"


def verify(bundle: Bundle, data: bytes, signer: TrustedIdentity) -> Digest:
    """Verify a bundle of Sigstore: certificate, log entry with its proof, signed time, identity, signature.

    Args:
        bundle: As it was parsed here.
        data: The same, as bytes.
        signer: The identity, its issuer, and Sigstore's keys.

    Returns:
        The digest of the key in the certificate.

    Raises:
        ForgedError: A part does not verify, or the identity is another one.
        UnsupportedError: The extra is not installed, or the library does not know such a bundle.
        WeighlockError: The document with Sigstore's keys cannot be read.

    Source:
        Sigstore's client specification; sigstore-python's ``Verifier``.
    """
    require_sigstore()
    from sigstore.errors import Error
    from sigstore.models import Bundle as SigstoreBundle
    from sigstore.verify.policy import Identity

    verifier = _verifier(signer.trusted_root, staging=signer.staging, where=signer.name)
    wanted = Identity(identity=signer.identity, issuer=signer.issuer)
    with quiet("sigstore"):
        try:
            parsed = SigstoreBundle.from_json(data)
            kind, payload = verifier.verify_dsse(parsed, wanted)
        except Error as error:
            raise ForgedError(first_line(error)) from error
        except Exception as error:  # whatever a parser says about hostile bytes, they are not verified
            raise ForgedError(f"the verification ended with {type(error).__name__}") from error
    if (kind, payload) != (bundle.envelope.payload_type, bundle.envelope.payload):
        raise ForgedError("the bundle can be read in two ways")
    return _key_digest(parsed.signing_certificate)


def aged(signer: TrustedIdentity, now: datetime) -> str | None:
    """Return a warning where the keys of Sigstore that came with the library are old."""
    if signer.trusted_root is not None:
        return None
    expires = datetime.fromisoformat(json.loads(_embedded("root.json", staging=signer.staging))["signed"]["expires"])
    if now < expires + _GRACE:
        return None
    return (
        f"the keys of Sigstore that came with the library were to be renewed by {expires:%Y-%m-%d}: "
        "newer signatures may not verify (pip install -U sigstore)"
    )


def require_sigstore() -> None:
    """Demand the library.

    Raises:
        UnsupportedError: The extra is not installed.
    """
    from importlib.util import find_spec

    if find_spec("sigstore") is None:
        raise UnsupportedError("signatures by identity need the extra weighlock[sign]", hint=HINT)


@lru_cache(maxsize=8)
def _verifier(document: bytes | None, *, staging: bool, where: str) -> Any:
    from sigstore.models import TrustedRoot
    from sigstore.verify import Verifier
    from sigstore_models.trustroot.v1 import TrustedRoot as Document

    data = _embedded("trusted_root.json", staging=staging) if document is None else document
    with quiet("sigstore"):
        try:
            return Verifier(trusted_root=TrustedRoot(Document.from_json(data)))
        except Exception as error:
            hint = "it is the trusted_root.json of a Sigstore instance"
            raise WeighlockError("the document with Sigstore's keys cannot be read", where=where, hint=hint) from error


def _embedded(name: str, *, staging: bool) -> bytes:
    return files("sigstore").joinpath("_store", _STAGING if staging else _PRODUCTION, name).read_bytes()


def _key_digest(certificate: Any) -> Digest:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Digest.sha256(sha256(der).hexdigest())
