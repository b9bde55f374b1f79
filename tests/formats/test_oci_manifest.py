"""Manifests and indexes: what one reader would take for something else than another is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighlock.errors import FormatError, UnsupportedError, WeighlockError
from weighlock.formats.oci_manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    INDEX,
    LARGEST,
    MANIFEST,
    Index,
    Manifest,
    digest_of,
    parse,
)

DIGEST = f"sha256:{'a' * 64}"
LAYER = {"mediaType": "application/octet-stream", "digest": DIGEST, "size": 1}
CONFIG = {"mediaType": "application/vnd.example.config", "digest": DIGEST, "size": 2}


def manifest(**more):
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": CONFIG, "layers": [LAYER], **more}
    return {key: value for key, value in document.items() if value is not ...}


def encoded(document) -> bytes:
    return json.dumps(document).encode()


def refused(document, served_as=None, kind=FormatError):
    data = document if isinstance(document, bytes) else encoded(document)
    with pytest.raises(kind) as caught:
        parse(data, served_as)
    return str(caught.value)


def test_a_manifest():
    data = encoded(manifest(annotations={"a": "b"}, subject=LAYER, artifactType="application/x"))
    found = parse(data, MANIFEST)
    assert isinstance(found, Manifest)
    assert (found.digest, found.artifact_type) == (digest_of(data), "application/x")
    assert found.subject is not None
    assert found.descriptor.size == len(data)


def test_the_configuration_stands_for_a_missing_type():
    assert parse(encoded(manifest())).artifact_type == CONFIG["mediaType"]
    assert parse(encoded(manifest(artifactType=""))).artifact_type == CONFIG["mediaType"]


@pytest.mark.parametrize(
    ("said", "served", "found"),
    [
        (..., MANIFEST, MANIFEST), (..., None, MANIFEST), (..., "text/plain", MANIFEST), (MANIFEST, None, MANIFEST),
        (DOCKER_MANIFEST, DOCKER_MANIFEST, DOCKER_MANIFEST), (..., f"{MANIFEST}; charset=utf-8", MANIFEST),
    ],
)  # fmt: skip
def test_the_type_of_a_manifest(said, served, found):
    assert parse(encoded(manifest(mediaType=said)), served).media_type == found


def test_an_index():
    data = encoded({"schemaVersion": 2, "manifests": [LAYER]})
    found = parse(data, DOCKER_INDEX)
    assert isinstance(found, Index)
    assert found.media_type == DOCKER_INDEX


@pytest.mark.parametrize(
    "document",
    [
        manifest(manifests=[LAYER]),
        manifest(manifests=[]),
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [LAYER], "layers": []},
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [LAYER], "config": CONFIG},
        {"schemaVersion": 2, "mediaType": MANIFEST},
    ],
)
def test_a_document_that_is_a_manifest_and_an_index_is_neither(document):
    assert "exactly one" in refused(document)


@pytest.mark.parametrize(
    ("document", "served"),
    [
        (manifest(mediaType=INDEX), None), (manifest(), INDEX), (manifest(), DOCKER_MANIFEST),
        ({"schemaVersion": 2, "manifests": [LAYER]}, MANIFEST),
        ({"schemaVersion": 2, "mediaType": MANIFEST, "manifests": [LAYER]}, None),
        (manifest(mediaType="application/vnd.example"), None),
    ],
)  # fmt: skip
def test_a_document_that_is_served_as_something_else_is_refused(document, served):
    refused(document, served)


@pytest.mark.parametrize(
    ("document", "served"),
    [
        ({"schemaVersion": 1, "fsLayers": []}, None),
        ({"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        (manifest(), "application/vnd.docker.distribution.manifest.v1+json"),
    ],
)
def test_schema_1_is_not_read(document, served):
    assert "schema 1" in refused(document, served, UnsupportedError)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"null", b"{", b'"x"', b"\xff", b'{"schemaVersion": NaN}', b"[" * 100_000,
        b'{"schemaVersion":2,"layers":[],"layers":[],"config":{}}',
        b'{"schemaVersion":2,"layers":[],"Layers":[],"config":{}}',  # Go takes either
    ],
)  # fmt: skip
def test_what_is_no_document(data):
    refused(data)


def test_a_huge_document_is_not_parsed():
    assert "larger" in refused(b" " * (LARGEST + 1))


@pytest.mark.parametrize(
    "layer",
    [
        None, [], "x", {}, {**LAYER, "digest": "sha256:abc"}, {**LAYER, "digest": DIGEST.upper()},
        {**LAYER, "digest": f"{DIGEST}\n"}, {**LAYER, "digest": f"md5:{'a' * 32}"}, {**LAYER, "digest": None},
        {**LAYER, "size": -1}, {**LAYER, "size": 1.5}, {**LAYER, "size": True}, {**LAYER, "size": "1"},
        {**LAYER, "size": 1 << 60}, {**LAYER, "mediaType": "x"}, {**LAYER, "mediaType": None},
        {**LAYER, "mediaType": "a/b\n"}, {**LAYER, "urls": "x"}, {**LAYER, "urls": [1]},
        {**LAYER, "annotations": []}, {**LAYER, "annotations": {"a": 1}},
    ],
)  # fmt: skip
def test_a_layer_that_is_none(layer):
    refused(manifest(layers=[layer]))
    refused(manifest(config=layer))
    refused({"schemaVersion": 2, "manifests": [layer]})
    if layer is not None:
        refused(manifest(subject=layer))


def test_other_digests_than_sha256_are_not_locked():
    refused(manifest(layers=[{**LAYER, "digest": f"sha512:{'a' * 128}"}]), kind=UnsupportedError)


@pytest.mark.parametrize(
    "more",
    [
        {"layers": {}},
        {"layers": None},
        {"config": ...},
        {"annotations": "x"},
        {"artifactType": 5},
        {"schemaVersion": 3},
    ],
)  # fmt: skip
def test_a_manifest_that_is_none(more):
    refused(manifest(**more))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([DIGEST, MANIFEST, INDEX, LAYER, CONFIG]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "annotations", "x"])


@given(st.dictionaries(KEYS, VALUES, max_size=8), st.none() | st.sampled_from([MANIFEST, INDEX]))
def test_whatever_comes_is_a_value_or_an_error_of_ours(document, served):
    try:
        found = parse(encoded({"schemaVersion": 2, **document}), served)
    except WeighlockError:
        return
    assert isinstance(found, Manifest) != ("manifests" in document)
