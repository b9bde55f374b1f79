"""Summaries in tags of MLflow: what comes back is what was put in, and nothing else is taken for one."""

from __future__ import annotations

import base64
import zlib
from hashlib import sha256

import pytest

from weighlock.errors import ForgedError, UsageError
from weighlock.promotions.mlflow_tags import VSA, bundle_of, tag_of


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def test_a_bundle_comes_back():
    key, value = tag_of(b"a bundle")
    assert bundle_of(key, value) == b"a bundle"
    assert key == VSA + sha256(b"a bundle").hexdigest()


@pytest.mark.parametrize("key", [VSA, f"{VSA}{'A' * 64}", f"{VSA}{'a' * 63}", f"{VSA}{'a' * 64}\n", "weighlock.x"])
def test_a_key_that_is_none(key):
    with pytest.raises(ForgedError, match="is no tag"):
        bundle_of(key, packed(b"a bundle"))


@pytest.mark.parametrize(
    "value",
    ["", "%%%", "eA==", packed(b"another"), packed(b"a bundle")[:-8], "A" * 200_000, packed(bytes(64 << 20))],
    ids=["empty", "no base64", "not packed", "another", "cut off", "huge", "unpacks to something huge"],
)
def test_a_value_that_is_none(value):
    with pytest.raises(ForgedError):
        bundle_of(tag_of(b"a bundle")[0], value)


def test_something_behind_the_packed_bytes():
    key, value = tag_of(b"a bundle")
    with pytest.raises(ForgedError):
        bundle_of(key, base64.b64encode(base64.b64decode(value) + b"x").decode())


def test_more_than_a_tag_holds():
    import random

    with pytest.raises(UsageError, match="a tag of MLflow holds"):
        tag_of(random.Random(1).randbytes(100_000))
