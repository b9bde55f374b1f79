"""How verification summaries travel to an MLflow server and back: in a tag of the model version, named by its digest.

Source:
    MLflow 3, `mlflow/utils/validation.py`: a tag of a model version holds at most 100,000 characters.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from hashlib import sha256

from weighlock.errors import ForgedError, UsageError

OURS = "weighlock."
VSA = "weighlock.vsa."
"""Begins the tag of a model version with one verification summary; its SHA-256 follows."""
IN_FORCE = "weighlock.in-force."
"""Begins the tag that the server shows on a registered model for each stage; no client can write it."""

_LONGEST = 100_000
_LARGEST = 4 << 20
_KEY = re.compile(re.escape(VSA) + r"[0-9a-f]{64}\Z")


def tag_of(bundle: bytes) -> tuple[str, str]:
    """Return the key and the value of the tag that holds a bundle.

    Raises:
        UsageError: It is larger than a tag can be.
    """
    value = base64.b64encode(zlib.compress(bundle, 9)).decode()
    if len(value) > _LONGEST or len(bundle) > _LARGEST:
        raise UsageError(
            f"the verification summary takes {len(value)} characters, and a tag of MLflow holds {_LONGEST}",
            hint="promote a model with fewer files: about a thousand fit",
        )
    return f"{VSA}{sha256(bundle).hexdigest()}", value


def bundle_of(key: str, value: str) -> bytes:
    """Return the bundle that a tag holds; who signed it is not verified yet.

    Raises:
        ForgedError: The tag is broken, or holds another bundle than it says.
    """
    if not _KEY.match(key):
        raise ForgedError(f"is no tag of a verification summary, which are called {VSA}SHA-256", where=key[:100])
    try:
        packed = base64.b64decode(value, validate=True) if len(value) <= _LONGEST else b""
        inflate = zlib.decompressobj()
        bundle = inflate.decompress(packed, _LARGEST)
    except (binascii.Error, ValueError, zlib.error):
        raise ForgedError("the verification summary cannot be unpacked", where=key[:100]) from None
    if not inflate.eof or inflate.unused_data or sha256(bundle).hexdigest() != key.removeprefix(VSA):
        raise ForgedError("the tag holds another verification summary than its name says", where=key[:100])
    return bundle
