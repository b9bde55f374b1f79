"""Sigstore bundles, version 0.3: one file with a statement, its signature, and what is needed to verify it."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from weighlock.artifact import Digest
from weighlock.errors import ForgedError, UnsupportedError
from weighlock.signing.dsse import Envelope
from weighlock.signing.strict_json import canonical, decoded, encoded, fields, items, parse, text

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
LARGEST = 64 << 20
"""Bytes; a statement about 200,000 files has some 30 MB, and its base64 a third more."""

_MEDIA_TYPES = (MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3")
_MOST_PARTS = 20_000  # log entries have some hundred; the statement is one text
_MOST_CERTIFICATES = 10
_LARGEST_CERTIFICATE = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMaterial:
    """The signature is by a bare key, which the verifier has to know.

    Args:
        hint: Which key, for people; nothing here decides by it.
    """

    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateMaterial:
    """The signature is by the key in a certificate.

    Args:
        certificates: DER, the signer's first, then those between it and a root.
        as_chain: They stand in a chain, even if it is one.
    """

    certificates: tuple[bytes, ...]
    as_chain: bool = False


Material = KeyMaterial | CertificateMaterial


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A statement, its signature and the material to verify it.

    Args:
        envelope: With the statement.
        material: Who signed it, as the bundle says.
        log_entries: Of transparency logs; only Sigstore's verification looks into them.
        timestamps: By authorities; likewise.
        media_type: As it was spelled.
    """

    envelope: Envelope
    material: Material
    log_entries: tuple[Any, ...] = field(default=(), hash=False)
    timestamps: Any = field(default=None, hash=False)
    media_type: str = MEDIA_TYPE

    def to_bytes(self) -> bytes:
        """Return the file: canonical, with a line end.

        Raises:
            ForgedError: No verifier would read it, since it is too large.
        """
        material = {**_material_to_dict(self.material), "tlogEntries": list(self.log_entries)}
        if self.timestamps is not None:
            material["timestampVerificationData"] = self.timestamps
        document = {
            "mediaType": self.media_type,
            "verificationMaterial": material,
            "dsseEnvelope": self.envelope.to_dict(),
        }
        data = canonical(document) + b"\n"
        if len(data) > LARGEST:
            raise ForgedError(
                f"the bundle would have {len(data)} bytes, and {LARGEST} are read", hint="sign fewer files"
            )
        return data


def read_bundle(data: bytes) -> Bundle:
    """Parse a bundle.

    Raises:
        ForgedError: It is not built as it has to be.
        UnsupportedError: It is of another version, or signs something else than a statement.

    Source:
        sigstore/protobuf-specs, sigstore_bundle.proto, 0.3; the JSON form of Protocol Buffers, without its leniency.
    """
    document = parse(data, most=LARGEST, parts=_MOST_PARTS, what="the bundle")
    kind = document.get("mediaType")
    if kind not in _MEDIA_TYPES:
        said = f"of the media type {kind[:80]!r}" if isinstance(kind, str) else "without a media type"
        raise UnsupportedError(f"the bundle is {said}, and only {MEDIA_TYPE} is known")
    if "messageSignature" in document:
        raise UnsupportedError("the bundle signs bare bytes, and not a statement", hint="sign with `weighlock sign`")
    document = fields(document, "bundle", required=("mediaType", "verificationMaterial", "dsseEnvelope"))
    where = "verificationMaterial"
    material = fields(
        document[where],
        where,
        optional=("publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData"),
    )
    return Bundle(
        envelope=Envelope.from_dict(document["dsseEnvelope"]),
        material=_material_from_dict(material, where),
        log_entries=tuple(items(material.get("tlogEntries", []), f"{where}.tlogEntries")),
        timestamps=material.get("timestampVerificationData"),
        media_type=kind,
    )


def digest_of(data: bytes) -> Digest:
    """Return the digest by which a bundle is named in evidence and in the ledger."""
    return Digest.sha256(sha256(data).hexdigest())


def _material_from_dict(material: dict[str, Any], where: str) -> Material:
    said = [key for key in ("publicKey", "certificate", "x509CertificateChain") if key in material]
    if len(said) != 1:
        raise ForgedError(
            f"has {len(said)} of publicKey, certificate and x509CertificateChain, and one is needed", where=where
        )
    where = f"{where}.{said[0]}"
    value = material[said[0]]
    if said[0] == "publicKey":
        # model_signing wrote the key itself before 1.1; a key that a bundle brings along decides nothing.
        value = fields(value, where, optional=("hint", "rawBytes", "keyDetails"))
        return KeyMaterial(hint=text(value.get("hint") or "", f"{where}.hint"))
    if said[0] == "certificate":
        return CertificateMaterial(certificates=(_certificate(value, where),))
    where = f"{where}.certificates"
    listed = items(fields(value, where, required=("certificates",))["certificates"], where)
    if not 1 <= len(listed) <= _MOST_CERTIFICATES:
        raise ForgedError(f"holds {len(listed)} certificates, and 1 to {_MOST_CERTIFICATES} are read", where=where)
    chain = tuple(_certificate(one, f"{where}[{number}]") for number, one in enumerate(listed))
    return CertificateMaterial(certificates=chain, as_chain=True)


def _certificate(value: Any, where: str) -> bytes:
    data = decoded(fields(value, where, required=("rawBytes",))["rawBytes"], where)
    if len(data) > _LARGEST_CERTIFICATE:
        raise ForgedError(f"is larger than {_LARGEST_CERTIFICATE} bytes", where=where)
    return data


def _material_to_dict(material: Material) -> dict[str, Any]:
    if isinstance(material, KeyMaterial):
        return {"publicKey": {"hint": material.hint}}
    certificates = [{"rawBytes": encoded(data)} for data in material.certificates]
    if material.as_chain or len(certificates) > 1:
        return {"x509CertificateChain": {"certificates": certificates}}
    return {"certificate": certificates[0]}
