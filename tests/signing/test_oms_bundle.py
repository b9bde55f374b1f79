"""Models signed from the lockfile, for stock `model_signing`."""

from __future__ import annotations

import hashlib

import pytest

from tests.signing.signed_models import FILES, Key, stock_accepts, write_model
from weighlock.lockfile import LockedFile, LockedModel, PathSource
from weighlock.signing.key import generate, read_key
from weighlock.signing.oms_bundle import file_name, sign_model


@pytest.fixture
def model():
    files = tuple(
        LockedFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()) for path, data in FILES.items()
    )
    return LockedModel(name="org/model", source=PathSource(path="not there"), files=files)


def test_the_library_verifies_what_was_signed_without_a_file(tmp_path, model):
    key = Key.make(tmp_path)
    signer = read_key(key.private.read_bytes(), lambda: b"", where="a.key")
    place = tmp_path / "model.sig"
    place.write_bytes(sign_model(model, signer, signer.public).to_bytes())
    folder = write_model(tmp_path / "model")
    assert stock_accepts(folder, place, key)
    assert not stock_accepts(folder, place, Key.make(tmp_path, "b"))
    (folder / "vocab" / "words.txt").write_bytes(b"other")
    assert not stock_accepts(folder, place, key)


def test_another_key_is_not_hinted_at(model):
    one, other = generate(), generate()
    assert sign_model(model, one, one.public).material != sign_model(model, other, other.public).material


def test_the_bundle_of_a_local_model_is_not_hidden():
    assert file_name("./model") == "model.oms.sigstore.json"


@pytest.mark.parametrize("name", ["org/model", "datasets/org/name", "a\\b", "../up"])
def test_the_file_of_a_bundle_stays_beside_the_lockfile(name):
    assert "/" not in file_name(name)
    assert "\\" not in file_name(name)
    assert file_name(name).endswith(".oms.sigstore.json")
