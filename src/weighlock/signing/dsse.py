"""DSSE: what exactly is signed when a statement is signed, and the envelope around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from weighlock.errors import ForgedError, UnsupportedError
from weighlock.signing.strict_json import decoded, encoded, fields, items, text

IN_TOTO = "application/vnd.in-toto+json"
"""The only payload type that is known here."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: type and payload with their lengths, so that neither can be moved.

    Source:
        DSSE v1.0.2, protocol.md, "Signature Definition".
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload with its one signature.

    Args:
        payload: The statement, byte for byte as it was signed.
        signature: Over `to_sign`.
        keyid: A hint that nobody vouches for; nothing here decides by it.
        payload_type: What the payload is.
    """

    payload: bytes
    signature: bytes
    keyid: str = ""
    payload_type: str = IN_TOTO

    @property
    def to_sign(self) -> bytes:
        """The bytes that the signature has to be over."""
        return pae(self.payload_type, self.payload)

    @classmethod
    def from_dict(cls, document: Any, where: str = "dsseEnvelope") -> Envelope:
        """Read an envelope.

        Raises:
            ForgedError: It is not built as it has to be, or has not exactly one signature.
            UnsupportedError: Its payload is no in-toto statement.

        Source:
            DSSE v1.0.2, envelope.md; Sigstore's bundle allows one signature.
        """
        value = fields(document, where, required=("payload", "payloadType", "signatures"))
        kind = text(value["payloadType"], f"{where}.payloadType")
        if kind != IN_TOTO:
            raise UnsupportedError(
                f"the payload is of the type {kind[:80]!r}, and only {IN_TOTO} is known", where=where
            )
        signatures = items(value["signatures"], f"{where}.signatures")
        if len(signatures) != 1:
            raise ForgedError(f"has {len(signatures)} signatures, and a bundle has exactly one", where=where)
        one = f"{where}.signatures[0]"
        signature = fields(signatures[0], one, required=("sig",), optional=("keyid",))
        return cls(
            payload=decoded(value["payload"], f"{where}.payload"),
            signature=decoded(signature["sig"], f"{one}.sig"),
            # Protocol Buffers write what is not set as null, and so did model_signing before 1.1.
            keyid=text(signature.get("keyid") or "", f"{one}.keyid"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `from_dict` reads."""
        signature = {"sig": encoded(self.signature)}
        if self.keyid:
            signature["keyid"] = self.keyid
        return {"payload": encoded(self.payload), "payloadType": self.payload_type, "signatures": [signature]}
