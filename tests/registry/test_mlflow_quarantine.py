"""Quarantine reaches an MLflow server that is running: at its next answer."""

from __future__ import annotations

import pytest

from tests.mlflow_rig import is_refused
from tests.quarantines import denial, release
from weighlock.quarantine import Subject

pytestmark = pytest.mark.e2e


def resolve(model, alias="production"):
    query = f"registered-models/alias?name={model.name}&alias={alias}"
    return model.rig.call(query, method="GET", user="viewer")


def locate(model):
    query = f"model-versions/get-download-uri?name={model.name}&version=1"
    return model.rig.call(query, method="GET", user="viewer")


def test_a_digest_in_quarantine_stops_resolves_and_moves_until_it_is_released(rig):
    model = rig.model()
    model.promote()
    assert (resolve(model)[0], locate(model)[0]) == (200, 200)
    digest = f"sha256:{model.files()['data/model.bin']}"
    name, other = f"Q{model.name}", rig.model(files={"data/model.bin": model.bytes("data/model.bin")})
    other.attach(other.summary())
    rig.quarantine(denial(id=name, subject=Subject(kind="digest", value=digest), digests=(digest,)))
    assert is_refused(resolve(model), "it opens a shell")
    assert is_refused(locate(model), "it opens a shell")
    assert is_refused(other.alias("production"), "it opens a shell")
    rig.quarantine(release(name, id=f"R{model.name}"))
    assert (resolve(model)[0], locate(model)[0]) == (200, 200)
    assert other.alias("production")[0] == 200


def test_a_model_in_quarantine_by_its_name(rig):
    model, other = rig.model(), rig.model()
    model.promote()
    rig.quarantine(
        denial(id=f"Q{model.name}", subject=Subject(kind="model", value=model.name), digests=(), models=(model.name,))
    )
    assert is_refused(resolve(model), "it opens a shell")
    assert is_refused(locate(model), "it opens a shell")
    assert locate(other)[0] == 200


def test_a_list_that_is_not_the_verifier_s_admits_nothing(rig):
    model = rig.model()
    model.promote()
    place = rig.folder / "quarantine.json"
    kept = place.read_bytes()
    try:
        place.write_bytes(kept.replace(b"a", b"b", 3))
        assert is_refused(resolve(model))
        place.unlink()
        assert is_refused(resolve(model))
    finally:
        place.write_bytes(kept)
    assert resolve(model)[0] == 200


@pytest.mark.parametrize("alias", ["candidate", "latest"])
@pytest.mark.parametrize("what", ["digest", "model"])
def test_what_is_in_quarantine_is_not_resolved_by_a_name_that_is_open(rig, alias, what):
    model = rig.model()
    model.promote()
    assert model.alias("candidate")[0] == 200
    assert resolve(model, alias)[0] == 200
    digest = f"sha256:{model.files()['data/model.bin']}"
    value = digest if what == "digest" else model.name
    digests, models = ((digest,), ()) if what == "digest" else ((), (model.name,))
    rig.quarantine(denial(id=f"O{model.name}", subject=Subject(kind=what, value=value), digests=digests, models=models))
    assert is_refused(resolve(model, alias), "it opens a shell")
