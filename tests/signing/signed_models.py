"""Models that are signed by the real `model_signing`, and by statements that it would not write but reads."""

from __future__ import annotations

import base64
import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("model_signing.signing", reason="model_signing and pyopenssl are not installed")
    import model_signing.hashing
    import model_signing.signing
    import model_signing.verifying

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from weighlock.signing.bundle import Bundle, KeyMaterial
from weighlock.signing.dsse import IN_TOTO, Envelope, pae

FILES = {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"weights" * 100, "vocab/words.txt": b"a\nb\n"}


@dataclass(frozen=True)
class Key:
    """A P-256 key on disk."""

    private: Path
    public: Path

    @classmethod
    def make(cls, folder: Path, name: str = "a") -> Key:
        key = ec.generate_private_key(ec.SECP256R1())
        made = cls(folder / f"{name}.key", folder / f"{name}.pub")
        made.private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        made.public.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return made

    def sign(self, data: bytes) -> bytes:
        key = serialization.load_pem_private_key(self.private.read_bytes(), None)
        return key.sign(data, ec.ECDSA(hashes.SHA256()))

    @property
    def hint(self) -> str:
        return hashlib.sha256(self.public.read_bytes()).hexdigest()


def write_model(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    for path, data in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return folder


def sign_stock(folder: Path, place: Path, key: Key, hashing=None) -> Path:
    """Sign as everybody does who uses the library."""
    config = model_signing.signing.Config().use_elliptic_key_signer(private_key=key.private)
    if hashing is not None:
        config.set_hashing_config(hashing)
    config.sign(folder, place)
    return place


def sign_bytes(payload: bytes, place: Path, key: Key) -> Path:
    """Sign any payload."""
    envelope = Envelope(payload=payload, signature=key.sign(pae(IN_TOTO, payload)))
    place.write_bytes(Bundle(envelope=envelope, material=KeyMaterial(hint=key.hint)).to_bytes())
    return place


def statement(files: dict[str, bytes], *, name: str = "model", **serialization) -> dict:
    """Return the statement that `model_signing` writes about files."""
    digests = {path: hashlib.sha256(data).digest() for path, data in sorted(files.items())}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": hashlib.sha256(b"".join(digests.values())).hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, **serialization},
            "resources": [
                {"name": path, "algorithm": "sha256", "digest": value.hex()} for path, value in digests.items()
            ],
        },
    }


def sign_statement(document: dict, place: Path, key: Key) -> Path:
    return sign_bytes(json.dumps(document).encode(), place, key)


def payload_of(bundle: Path) -> bytes:
    return base64.b64decode(json.loads(bundle.read_bytes())["dsseEnvelope"]["payload"])


def stock_accepts(folder: Path, bundle: Path, key: Key, *, ignore_unsigned: bool = False, hashing=None) -> bool:
    """Say whether the real library accepts a folder."""
    config = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=key.public)
    config.set_ignore_unsigned_files(ignore_unsigned)
    if hashing is not None:
        config.set_hashing_config(hashing)
    try:
        config.verify(folder, bundle)
    except ValueError:
        return False
    return True
