"""Legitimate flows through a real registry and its issuer, with unmodified clients."""

from __future__ import annotations

import pytest

from tests.issuer import issuing


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with issuing(tmp_path_factory.mktemp("oci")) as place:
        yield place


def test_dev_pushes_ci_promotes_and_viewer_pulls(place):
    files = {"model.safetensors": b"weights 1", "config.json": b"{}"}
    manifest, first = place.promoted(files)
    found = place.tag()
    assert (found.status, found.headers["docker-content-digest"]) == (200, manifest)
    second, digest = place.promoted({**files, "model.safetensors": b"weights 2"}, previous=first, tag="v2")
    assert place.tag().headers["docker-content-digest"] == second
    again = place.promote(manifest, place.summary(files, manifest, previous=digest))
    assert again.status == 200, again
    assert place.tag().headers["docker-content-digest"] == manifest
