"""Verify a bundle with somebody else's code, in a process without sockets: ``python verify.py HOW BUNDLE KEY PORT``.

It says on one line of JSON whether it could reach a server on this machine, and what the verification came to.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import warnings
from base64 import b64decode
from pathlib import Path


def refuse_sockets(event: str, _: object) -> None:
    """End every attempt to connect or to resolve a name; an audit hook cannot be removed."""
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        raise PermissionError("sockets are blocked")


def reaches(port: int) -> bool:
    """Say whether a server on this machine can be reached."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def by_securesystemslib(bundle: Path, key: Path) -> bytes:
    """Verify the envelope, as in-toto and TUF do."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    document = json.loads(bundle.read_bytes())["dsseEnvelope"]
    public = SSlibKey.from_crypto(load_pem_public_key(key.read_bytes()))
    # Its envelopes name their keys; a bundle has its one signature by whatever key the verifier knows.
    document["signatures"] = [{**signature, "keyid": public.keyid} for signature in document["signatures"]]
    envelope = Envelope.from_dict(document)
    if set(envelope.verify([public], threshold=1)) != {public.keyid}:
        raise ValueError("nobody signed")
    return envelope.payload


def by_model_signing(bundle: Path, key: Path) -> bytes:
    """Verify the bundle and the folder beside it, as its command line does."""
    import model_signing.verifying

    config = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=key)
    config.verify(bundle.parent / "model", bundle)
    return b64decode(json.loads(bundle.read_bytes())["dsseEnvelope"]["payload"])


def by_in_toto_attestation(bundle: Path, key: Path) -> bytes:
    """Verify the signature with OpenSSL's program, and the statement with in-toto's own reader."""
    from google.protobuf import json_format
    from in_toto_attestation.v1 import statement
    from in_toto_attestation.v1.statement_pb2 import Statement

    document = json.loads(bundle.read_bytes())["dsseEnvelope"]
    payload, kind = b64decode(document["payload"]), document["payloadType"].encode()
    with tempfile.TemporaryDirectory() as folder:
        signature = Path(folder, "signature")
        signature.write_bytes(b64decode(document["signatures"][0]["sig"]))
        command = ["openssl", "dgst", "-sha256", "-verify", str(key), "-signature", str(signature)]
        signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
        subprocess.run(command, input=signed, capture_output=True, check=True)
    message = json_format.Parse(payload, Statement())
    statement.Statement.copy_from_pb(message).validate()
    return payload


def main(how: str, bundle: str, key: str, port: str) -> None:
    """Verify, and say what came of it."""
    if os.environ.get("WEIGHLOCK_INTEROP_SOCKETS") != "open":
        sys.addaudithook(refuse_sockets)
    answer = {"reached": reaches(int(port)), "verified": False, "payload": None, "error": None}
    warnings.simplefilter("ignore")
    try:
        payload = globals()[f"by_{how}"](Path(bundle), Path(key))
        answer |= {"verified": True, "payload": payload.decode()}
    except Exception as error:  # noqa: BLE001 - however another library says no
        answer["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(answer))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
