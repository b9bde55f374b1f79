"""Signing with a key that does not leave its device: PKCS #11, over the library ``python-pkcs11``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_to_bytes

from weighlock.errors import UnsupportedError, UsageError, WeighlockError
from weighlock.signing.bundle import Bundle, KeyMaterial
from weighlock.signing.dsse import Envelope
from weighlock.signing.library import first_line
from weighlock.signing.public_key import P256, PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCHEME = "pkcs11:"
_PATH = ("token", "serial", "object", "id", "type")
_QUERY = ("module-path",)
_HINT = "pip install 'weighlock[pkcs11]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUri:
    """Which key on which token, and the library that talks to it.

    Args:
        module: Path of the device's library.
        token: Label of the token.
        serial: Its serial number.
        label: Of the key.
        id: Of the key.
    """

    module: str
    token: str | None = None
    serial: bytes | None = None
    label: str | None = None
    id: bytes | None = None


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A private key on a device.

    Args:
        uri: Where it is.
        pin: Asked for each session.
        public: Its public half.
    """

    uri: KeyUri
    pin: str
    public: PublicKey

    @property
    def who(self) -> str:
        """The digest of the public key."""
        return f"key {self.public.digest}"

    def sign(self, statement: bytes) -> Bundle:
        """Sign an in-toto statement.

        Raises:
            WeighlockError: The device did not.
        """
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        unsigned = Envelope(payload=statement, signature=b"", keyid=self.public.hint)
        raw = _with_session(self.uri, self.pin, lambda session: _raw(session, self.uri, unsigned.to_sign))
        half = len(raw) // 2
        signature = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
        signed = Envelope(payload=statement, signature=signature, keyid=self.public.hint)
        self.public.verify(signature, signed.to_sign)  # what a device answers is not believed
        return Bundle(envelope=signed, material=KeyMaterial(hint=self.public.hint))


def parse_uri(text: str, environ: Mapping[str, str]) -> KeyUri:
    """Parse the URI of a key.

    Args:
        text: ``pkcs11:token=…;object=…?module-path=…``.
        environ: ``PKCS11_MODULE_PATH`` names the library if the URI does not.

    Raises:
        UsageError: It names no key, says something that is not known, or holds a PIN.

    Source:
        RFC 7512.
    """
    path, _, query = text.removeprefix(SCHEME).partition("?")
    said = [pair.partition("=") for pair in (*filter(None, path.split(";")), *filter(None, query.split("&")))]
    values = {key: value for key, _, value in said}
    if values.keys() & {"pin-value", "pin-source"}:
        hint = "give it in WEIGHLOCK_KEY_PASSPHRASE, or when you are asked"
        raise UsageError("a PIN in a URI is seen by everybody", where="--key", hint=hint)
    unknown = sorted(values.keys() - {*_PATH, *_QUERY})
    if unknown or len(values) != len(said) or not values.keys() & {"object", "id"}:
        what = f"does not know {unknown[0]!r}" if unknown else "names no key, or says something twice"
        raise UsageError(f"the URI {what}", where="--key", hint="pkcs11:token=NAME;object=NAME?module-path=LIBRARY.so")
    module = unquote(values["module-path"]) if "module-path" in values else environ.get("PKCS11_MODULE_PATH")
    if not module:
        raise UsageError(
            "nothing says which library talks to the device", where="--key", hint="?module-path=LIBRARY.so"
        )
    return KeyUri(
        module=module,
        token=unquote(values["token"]) if "token" in values else None,
        serial=unquote_to_bytes(values["serial"]) if "serial" in values else None,
        label=unquote(values["object"]) if "object" in values else None,
        id=unquote_to_bytes(values["id"]) if "id" in values else None,
    )


def open_device_key(text: str, pin: Callable[[], bytes], environ: Mapping[str, str] = os.environ) -> DeviceKey:
    """Find a key on a device.

    Raises:
        UsageError: The URI, the PIN or the key is wrong.
        UnsupportedError: The extra is not installed.
    """
    uri = parse_uri(text, environ)
    _library()
    secret = pin().decode()
    der = _with_session(uri, secret, lambda session: _public_der(session, uri))
    try:
        public = PublicKey(der)
    except UnsupportedError:
        public = None
    if public is None or public.kind != P256:
        raise UsageError("only ECDSA keys over P-256 sign here: every verifier knows them", where="--key")
    return DeviceKey(uri, secret, public)


def _with_session(uri: KeyUri, pin: str, work: Callable[[Any], bytes]) -> bytes:
    library = _library()
    try:
        token = library.lib(uri.module).get_token(
            **{key: value for key, value in (("token_label", uri.token), ("token_serial", uri.serial)) if value}
        )
        with token.open(user_pin=pin) as session:
            return work(session)
    except WeighlockError:
        raise
    except (library.exceptions.PKCS11Error, RuntimeError, OSError) as error:
        reason = f"{type(error).__name__} {first_line(error)}".strip()
        raise UsageError(
            f"the device does not sign: {reason}", where="--key", hint="check the URI and the PIN"
        ) from error


def _key(session: Any, uri: KeyUri, kind: str) -> Any:
    library = _library()
    return session.get_key(
        object_class=getattr(library.ObjectClass, kind), key_type=library.KeyType.EC, label=uri.label, id=uri.id
    )


def _public_der(session: Any, uri: KeyUri) -> bytes:
    from pkcs11.util.ec import encode_ec_public_key

    der: bytes = encode_ec_public_key(_key(session, uri, "PUBLIC_KEY"))
    return der


def _raw(session: Any, uri: KeyUri, message: bytes) -> bytes:
    mechanism = _library().Mechanism.ECDSA
    signature: bytes = _key(session, uri, "PRIVATE_KEY").sign(sha256(message).digest(), mechanism=mechanism)
    return signature


def _library() -> Any:
    try:
        import cryptography
        import pkcs11
    except ImportError:
        raise UnsupportedError("keys on devices need the extra weighlock[pkcs11]", hint=_HINT) from None
    del cryptography
    return pkcs11
