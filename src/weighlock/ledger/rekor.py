"""Publishing a signature in Rekor v2, so that a checkpoint is kept where nobody of one's own can change it.

1. The digest of what the bundle signs (DSSE's encoding of it), the signature and the public key are sent.
2. What comes back is put into the bundle.
3. The bundle is verified like one from elsewhere: inclusion proof, signed checkpoint, digest and signature.

Source:
    Rekor v2's REST API (``POST /api/v2/log/entries``, ``hashedRekordRequestV002``); Sigstore's bundle v0.3.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from weighlock.errors import ForgedError, LedgerError, UsageError
from weighlock.ledger import verifier
from weighlock.ledger.tiles import verified

_PATH = "/api/v2/log/entries"
_LARGEST = 1 << 20
_SECONDS = 30.0


def publish(bundle: bytes, public: bytes, url: str, log: verifier.Key, *, seconds: float = _SECONDS) -> bytes:
    """Publish the signature of a bundle, and return the bundle with the proof of that.

    Args:
        bundle: Signed by an ECDSA P-256 key, and not published yet.
        public: That key (SubjectPublicKeyInfo, DER).
        url: Of the log; only a log on this machine may do without encryption.
        log: The public key of the log.
        seconds: So long may each step of the exchange take.

    Raises:
        UsageError: The address or the bundle is none.
        ForgedError: The signature is not by that key.
        TamperedError: What the log answered does not verify.
        LedgerError: It cannot be asked, or does not take it.
    """
    document = _bundle_of(bundle)
    envelope = document["dsseEnvelope"]
    name, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    signed = b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)
    signature = envelope["signatures"][0]["sig"]
    _require_signed(public, base64.b64decode(signature), signed)
    key = {"rawBytes": base64.b64encode(public).decode()}
    request = {
        "hashedRekordRequestV002": {
            "digest": base64.b64encode(hashlib.sha256(signed).digest()).decode(),
            "signature": {
                "content": signature,
                "verifier": {"publicKey": key, "keyDetails": "PKIX_ECDSA_P256_SHA_256"},
            },
        }
    }
    document["verificationMaterial"]["tlogEntries"] = [_asked(url, request, seconds)]
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    verified(lambda: verifier.verify_rekor(data, log))
    return data


def _bundle_of(data: bytes) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(data)
        envelope = document["dsseEnvelope"]
        is_whole = len(envelope["signatures"]) == 1 and isinstance(envelope["payloadType"], str)
        is_whole = is_whole and isinstance(document["verificationMaterial"], dict)
        base64.b64decode(envelope["payload"], validate=True)
        base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise UsageError("is no bundle with one signature", hint="weighlock sign FILE --key FILE makes one")
    if document["verificationMaterial"].get("tlogEntries"):
        raise UsageError("is published already", hint="sign again for another entry")
    return document


def _require_signed(public: bytes, signature: bytes, message: bytes) -> None:
    try:
        verifier.verify_p256(public, signature, message)
    except verifier.VerificationError:
        raise ForgedError("is not signed by that key") from None


def _asked(url: str, request: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Send one request, follow nowhere, and return the entry of the log."""
    address = urlsplit(url)
    try:
        host, port = address.hostname, address.port
    except ValueError:
        host, port = None, None
    is_here = host in {"127.0.0.1", "::1", "localhost"}
    if not host or address.scheme not in {"https", "http"} or (address.scheme == "http" and not is_here):
        raise UsageError("must be an https address", where=url, hint="such as https://LOG.rekor.sigstore.dev")
    if address.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=seconds, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    try:
        connection.request("POST", address.path.rstrip("/") + _PATH, json.dumps(request), headers)
        answer = connection.getresponse()
        data = answer.read(_LARGEST + 1)
    except (OSError, http.client.HTTPException) as error:
        raise LedgerError(f"the log cannot be asked: {str(error) or type(error).__name__}", where=url) from None
    finally:
        connection.close()
    if answer.status not in {200, 201} or len(data) > _LARGEST:
        why = f"status {answer.status}" if len(data) <= _LARGEST else f"more than {_LARGEST} bytes"
        raise LedgerError(f"the log does not take it: {why}", where=url, hint="nothing was written")
    try:
        entry = json.loads(data)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise LedgerError("the log answers something else than an entry", where=url, hint="nothing was written")
    return entry
