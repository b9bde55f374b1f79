"""Bundles of OpenSSF Model Signing: signed for everybody's verifiers, and read from anybody's signers."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from weighlock.signing.bundle import KeyMaterial
from weighlock.signing.oms import statement_of

if TYPE_CHECKING:
    from weighlock.lockfile import LockedModel
    from weighlock.signing.bundle import Bundle
    from weighlock.signing.interface import Signer
    from weighlock.signing.public_key import PublicKey

SUFFIX = ".oms.sigstore.json"


def file_name(model: str) -> str:
    """Return what the bundle of a model is called beside the lockfile."""
    return f"{model.removeprefix('./').replace('/', '--').replace(chr(92), '--')}{SUFFIX}"


def sign_model(model: LockedModel, signer: Signer, public: PublicKey | None = None) -> Bundle:
    """Sign a locked model so that stock `model_signing` verifies it; no file of the model is read.

    Args:
        model: From the lockfile.
        signer: Who signs.
        public: Their key, where they sign with a bare one.

    Raises:
        WeighlockError: The signer did not sign, or the model cannot be signed.

    Source:
        ``model_signing`` 1.1.1, ``_signing/sign_ec_key.py``: it takes a key for the right one if the hint is the
        digest of its PEM text, where other tools of Sigstore write that of its DER form.
    """
    bundle = signer.sign(statement_of(model).to_bytes())
    if not isinstance(bundle.material, KeyMaterial) or public is None:
        return bundle
    return replace(bundle, material=KeyMaterial(hint=sha256(public.pem).hexdigest()))
