"""Statements of OpenSSF Model Signing: what is read of them, and what nobody may be made to believe."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.signing.signed_models import (
    FILES,
    Key,
    payload_of,
    sign_bytes,
    sign_statement,
    sign_stock,
    statement,
    stock_accepts,
    write_model,
)
from weighlock.errors import ForgedError, UnsupportedError
from weighlock.lockfile import HubSource, LockedFile, LockedModel, PathSource
from weighlock.signing.oms import Part, read_manifest, statement_of

SHARDS = "0123456789" * 3


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return Key.make(tmp_path_factory.mktemp("key"))


def read(document):
    return read_manifest(json.dumps(document).encode())


def locked(files=FILES, name="org/model", source=None):
    return LockedModel(
        name=name,
        source=source or PathSource(path="model"),
        files=tuple(
            LockedFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
            for path, data in files.items()
        ),
    )


def named(*names):
    return statement({name: name.encode("utf-8", "replace") for name in names})


# -- what the real library writes


def test_a_model_that_the_library_signed_is_read(tmp_path, key):
    folder = write_model(tmp_path / "bert")
    manifest = read_manifest(payload_of(sign_stock(folder, tmp_path / "model.sig", key)))
    assert manifest.name == "bert"
    assert manifest.algorithm == "sha256"
    assert manifest.files == {
        path: (Part(path=path, digest=hashlib.sha256(data).hexdigest()),) for path, data in FILES.items()
    }
    assert not manifest.sizes
    assert {".git", ".gitattributes", ".github", ".gitignore"} <= set(manifest.ignored)


@pytest.mark.parametrize(("algorithm", "called"), [("sha256", "sha256"), ("blake2", "blake2b"), ("blake3", "blake3")])
def test_every_digest_of_the_library_is_read(tmp_path, key, algorithm, called):
    from model_signing.hashing import Config

    hashing = Config().use_file_serialization(hashing_algorithm=algorithm)
    folder = write_model(tmp_path / "bert")
    manifest = read_manifest(payload_of(sign_stock(folder, tmp_path / "model.sig", key, hashing)))
    assert manifest.algorithm == called
    assert set(manifest.files) == set(FILES)


def test_shards_of_the_library_are_read(tmp_path, key):
    from model_signing.hashing import Config

    hashing = Config().use_shard_serialization(shard_size=300, hashing_algorithm="sha256")
    folder = write_model(tmp_path / "bert")
    manifest = read_manifest(payload_of(sign_stock(folder, tmp_path / "model.sig", key, hashing)))
    assert [(part.start, part.end) for part in manifest.files["model.safetensors"]] == [
        (0, 300),
        (300, 600),
        (600, 700),
    ]
    assert manifest.sizes == {path: len(data) for path, data in FILES.items()}


# -- what weighlock writes, from a lockfile


def test_the_library_accepts_what_is_signed_from_the_lockfile(tmp_path, key):
    folder = write_model(tmp_path / "anywhere")
    bundle = tmp_path / "model.sig"
    sign_statement(json.loads(statement_of(locked()).to_bytes()), bundle, key)
    assert stock_accepts(folder, bundle, key)
    (folder / "config.json").write_bytes(b"{}")
    assert not stock_accepts(folder, bundle, key)


def test_the_name_the_source_and_the_sizes_are_signed():
    source = HubSource(repo="org/model", revision="a" * 40)
    manifest = read_manifest(statement_of(locked(source=source)).to_bytes())
    assert manifest.name == "org/model"
    assert manifest.source == {"hf": "org/model", "ref": "main", "revision": "a" * 40, "type": "model"}
    assert manifest.sizes == {path: len(data) for path, data in FILES.items()}


def test_signing_reads_no_file_of_the_model(tmp_path):
    statement_of(locked(source=PathSource(path=str(tmp_path / "not there"))))


def test_locked_files_that_the_library_skips_are_signed_for_weighlock(tmp_path, key):
    files = {**FILES, ".gitattributes": b"* text\n", ".github/run.py": b"import os"}
    payload = statement_of(locked(files)).to_bytes()
    manifest = read_manifest(payload)
    assert set(manifest.files) == set(files)
    assert manifest.sizes == {path: len(data) for path, data in files.items()}
    folder = write_model(tmp_path / "model", files)
    assert stock_accepts(folder, sign_bytes(payload, tmp_path / "model.sig", key), key)


def test_a_model_of_files_that_the_library_skips_is_not_signed():
    with pytest.raises(ForgedError, match="no file that other verifiers"):
        statement_of(locked({".gitattributes": b"* text\n"}))


def test_a_locked_model_whose_names_collide_is_not_signed():
    with pytest.raises(ForgedError, match=r"the same as .* on some systems"):
        statement_of(locked({"Readme": b"1", "README": b"2"}))


# -- statements that are not believed


def test_a_model_without_files_says_nothing(tmp_path, key):
    document = statement({})
    folder = tmp_path / "empty"
    folder.mkdir()
    assert stock_accepts(folder, sign_statement(document, tmp_path / "model.sig", key), key)
    with pytest.raises(ForgedError, match="a model without files is signed"):
        read(document)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../up",
        "a/../../up",
        "a//b",
        "./a",
        "a/.",
        "",
        "C:/a",
        "C:a",
        "a\\b",
        "..\\up",
        "a\nb",
        "\u202egpj.a",
    ],
)
def test_a_name_that_leaves_the_folder_or_misleads_is_refused(name):
    with pytest.raises(ForgedError):
        read(named("ok", name))


@pytest.mark.parametrize(
    "names",
    [("A", "a"), ("é", "e\u0301"), ("ß", "SS"), ("dir/x", "DIR/X"), ("a", "a/b"), ("A/b", "a"), ("\u212a", "k")],
)
def test_names_that_are_one_name_on_some_system_are_refused(names):
    with pytest.raises(ForgedError, match=r"on some systems|lies below"):
        read(named(*names))


def test_a_file_that_is_named_twice_is_refused():
    document = named("a", "b")
    resources = document["predicate"]["resources"]
    resources[1]["name"] = "a"
    with pytest.raises(ForgedError, match="named twice"):
        read(document)


def test_a_root_digest_that_is_not_that_of_the_files_is_refused():
    document = statement(FILES)
    document["subject"][0]["digest"]["sha256"] = "0" * 64
    with pytest.raises(ForgedError, match="root digest"):
        read(document)


def skipping(**said):
    row = {"name": ".gitignore", "algorithm": "sha256", "digest": "0" * 64, "size": 3, **said}
    return {"model": "model", "source": {}, "sizes": [1, 2, 3], "skipped": [row]}


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["subject"].append(d["subject"][0]),
        lambda d: d["subject"][0]["digest"].update(sha512="0" * 128),
        lambda d: d["predicate"].pop("serialization"),
        lambda d: d["predicate"].pop("resources"),
        lambda d: d["predicate"].update(resources={}),
        lambda d: d["predicate"]["resources"][0].pop("digest"),
        lambda d: d["predicate"]["resources"][0].update(digest="0" * 63),
        lambda d: d["predicate"]["resources"][0].update(digest=d["predicate"]["resources"][0]["digest"].upper() + ""),
        lambda d: d["predicate"]["resources"][0].update(algorithm="sha1"),
        lambda d: d["predicate"]["resources"][0].update(algorithm="blake3"),
        lambda d: d["predicate"]["resources"][0].update(more=1),
        lambda d: d["predicate"]["resources"][0].update(name=1),
        lambda d: d["predicate"]["serialization"].update(ignore_paths="*"),
        lambda d: d["predicate"].update(weighlock={"model": "other", "source": {}, "sizes": [1, 2, 3], "skipped": []}),
        lambda d: d["predicate"].update(weighlock={"model": "model", "source": {}, "sizes": [1, 2], "skipped": []}),
        lambda d: d["predicate"].update(
            weighlock={"model": "model", "source": {}, "sizes": [1, 2, True], "skipped": []}
        ),
        lambda d: d["predicate"].update(weighlock={"model": "model", "source": {}, "sizes": [1, 2, 3], "skipped": [1]}),
        lambda d: d["predicate"].update(weighlock=skipping(name="../up")),
        lambda d: d["predicate"].update(weighlock=skipping(name="CONFIG.json")),
        lambda d: d["predicate"].update(weighlock=skipping(name="config.json")),
        lambda d: d["predicate"].update(weighlock=skipping(size=-1)),
        lambda d: d["predicate"].update(weighlock=skipping(size=None)),
        lambda d: d["predicate"].update(weighlock=skipping(digest="00")),
        lambda d: d["predicate"].update(weighlock=skipping(more=1)),
        lambda d: d["predicate"].update(weighlock={"model": "model", "source": {}}),
    ],
)
def test_a_statement_that_is_built_in_another_way_is_refused(change):
    document = statement(FILES)
    change(document)
    with pytest.raises(ForgedError):
        read(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(predicateType="https://slsa.dev/provenance/v1"),
        lambda d: d.update(predicateType="https://model_signing/Digests/v0.1"),
        lambda d: d.update(predicateType="https://model_signing/signature/v2.0"),
        lambda d: d["predicate"]["serialization"].update(hash_type="md5"),
        lambda d: d["predicate"]["serialization"].update(method="tensors"),
    ],
)
def test_what_is_not_known_cannot_be_decided(change):
    document = statement(FILES)
    change(document)
    with pytest.raises(UnsupportedError):
        read(document)


def shards(*names, size=10):
    document = statement({}, method="shards", shard_size=size)
    digests = [hashlib.sha256(name.encode()).digest() for name in names]
    document["predicate"]["resources"] = [
        {"name": name, "algorithm": f"sha256-sharded-{size}", "digest": digest.hex()}
        for name, digest in zip(names, digests, strict=True)
    ]
    document["subject"][0]["digest"]["sha256"] = hashlib.sha256(b"".join(digests)).hexdigest()
    return document


def test_shards_cover_a_file_from_its_first_byte_to_its_last():
    assert read(shards("a:0:10", "a:10:15")).sizes == {"a": 15}


@pytest.mark.parametrize(
    "names",
    [
        ("a:10:15",),  # the first bytes are anybody's
        ("a:0:10", "a:20:25"),  # a hole
        ("a:0:10", "a:5:15"),  # an overlap
        ("a:0:10", "a:0:10"),
        ("a:0:5", "a:5:15"),  # a short one before the last
        ("a:0:20",),  # larger than a shard
        ("a:0:0",),
        ("a:5:0",),
        ("a:0:-1",),
        ("a:0:1_0",),
        ("a:0: 10",),
        ("a:00:10",),
        ("a:0:10:x",),
        ("a:0",),
        ("a",),
        ("../a:0:10",),
        ("A:0:10", "a:0:10"),
    ],
)
def test_shards_with_holes_are_refused(names):
    with pytest.raises(ForgedError):
        read(shards(*names))


@pytest.mark.parametrize("size", [0, -1, 1.5, float("inf"), "10", None, True])
def test_a_shard_size_that_is_none_is_refused(size):
    document = shards("a:0:10")
    document["predicate"]["serialization"]["shard_size"] = size
    with pytest.raises(ForgedError, match="number of bytes"):
        read_manifest(json.dumps(document).replace("Infinity", "1e999").encode())
