"""Which files the layers of an artifact are, for each of those who write such artifacts."""

from __future__ import annotations

import json

import pytest

from weighlock.errors import FormatError, UnsupportedError
from weighlock.formats.oci_files import layers_of, license_of
from weighlock.formats.oci_manifest import parse

TITLE = "org.opencontainers.image.title"
FILEPATH = "org.cncf.model.filepath"
RAW = "application/vnd.cncf.model.weight.v1.raw"
TAR = "application/vnd.oci.image.layer.v1.tar"


def layer(media_type="application/octet-stream", number=0, **more):
    digest = f"sha256:{number:064x}"
    annotations = more.pop("annotations", {TITLE: f"f{number}"})
    return {"mediaType": media_type, "digest": digest, "size": 1, "annotations": annotations, **more}


def of(*layers, **more):
    config = {"mediaType": "application/vnd.example", "digest": f"sha256:{'0' * 64}", "size": 2}
    return parse(json.dumps({"schemaVersion": 2, "config": config, "layers": layers, **more}).encode())


def read(*layers):
    return [(one.path, one.codec) for one in layers_of(of(*layers))]


@pytest.mark.parametrize(
    ("media_type", "annotations", "expected"),
    [
        ("application/octet-stream", {TITLE: "a.bin"}, ("a.bin", None)),
        ("application/octet-stream", {TITLE: "./sub/a.bin"}, ("sub/a.bin", None)),
        (TAR, {TITLE: "a.bin"}, ("a.bin", None)),  # oras-py calls every file so
        (f"{TAR}+gzip", {TITLE: "a.tar.gz"}, ("a.tar.gz", None)),
        (f"{TAR}+gzip", {TITLE: "folder", "io.deis.oras.content.unpack": "false"}, ("folder", None)),
        (f"{TAR}+gzip", {TITLE: "folder"}, (None, "gzip")),
        (f"{TAR}+gzip", {TITLE: "a.tar.gz", "io.deis.oras.content.unpack": "true"}, (None, "gzip")),
        (TAR, {TITLE: "folder", "io.deis.oras.content.unpack": "true"}, (None, None)),
        (RAW, {FILEPATH: "model.safetensors"}, ("model.safetensors", None)),
        (RAW, {FILEPATH: "m", TITLE: "m"}, ("m", None)),
        ("application/vnd.cncf.model.weight.config.v1.tar", {FILEPATH: "config.json"}, (None, None)),
        ("application/vnd.cncf.model.code.v1.tar+gzip", {FILEPATH: "x"}, (None, "gzip")),
        ("application/vnd.cnai.model.layer.v1.tar", {"org.cnai.model.filepath": "x"}, (None, None)),
        ("application/vnd.kitops.modelkit.model.v1.tar+gzip", {}, (None, "gzip")),
        ("application/vnd.kitops.modelkit.docs.v1.tar", {}, (None, None)),
    ],
)
def test_what_a_layer_is(media_type, annotations, expected):
    assert read(layer(media_type, annotations=annotations)) == [expected]


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (layer(annotations={}), "without a name"),
        (layer("application/vnd.ollama.image.model", annotations={}), "without a name"),
        (layer(f"{TAR}+gzip", annotations={}), "container image"),
        (layer("application/vnd.docker.image.rootfs.diff.tar.gzip", annotations={}), "container image"),
        (layer(f"{TAR}+zstd", annotations={TITLE: "x", "io.deis.oras.content.unpack": "true"}), "tar\\+zstd"),
        (layer("application/vnd.cncf.model.weight.v1.tar+zstd", annotations={FILEPATH: "x"}), "tar\\+zstd"),
        (layer(annotations={TITLE: "x", "io.deis.oras.content.unpack": "true"}), "does not say how"),
        (layer(urls=["https://evil.example/x"]), "lies elsewhere"),
        (layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "lies elsewhere"),
        (layer("application/vnd.oci.image.layer.nondistributable.v1.tar"), "lies elsewhere"),
    ],
)
def test_what_is_not_unpacked(one, told):
    with pytest.raises(UnsupportedError, match=told):
        read(one)


@pytest.mark.parametrize(
    "path", ["../a", "/a", "a/../b", "a//b", "C:a", "a\\b", "a\nb", "a\u202eb", ".", "..", "./../a", "a/"]
)
def test_a_path_that_leaves_the_model_is_refused(path):
    with pytest.raises(FormatError) as caught:
        read(layer(annotations={TITLE: path}))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "layers",
    [
        [layer(annotations={TITLE: "a"}), layer(number=1, annotations={TITLE: "a"})],
        [layer(annotations={TITLE: "a"}), layer(annotations={TITLE: "a"})],
        [layer(annotations={TITLE: "a"}), layer(number=1, annotations={TITLE: "./a"})],
        [layer(annotations={TITLE: "a"}), layer(number=1, annotations={TITLE: "a/b"})],
        [layer(annotations={TITLE: "a", FILEPATH: "b"})],
        [layer(RAW, annotations={FILEPATH: "a", "org.cnai.model.filepath": "b"})],
    ],
)
def test_layers_that_two_readers_would_take_for_two_models_are_refused(layers):
    with pytest.raises(FormatError):
        read(*layers)


def test_an_artifact_without_files_is_no_model():
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{'0' * 64}", "size": 2}
    for layers in ([], [empty]):
        with pytest.raises(UnsupportedError, match="no layer"):
            read(*layers)
    assert read(empty, layer()) == [("f0", None)]


def test_licences():
    assert license_of(of(layer(), annotations={"org.opencontainers.image.licenses": "MIT"})) == "MIT"
    for text in ("", "a\x1b", "x" * 300):
        assert license_of(of(layer(), annotations={"org.opencontainers.image.licenses": text})) is None
