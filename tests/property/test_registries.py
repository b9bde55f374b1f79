"""What registries send: whatever it is, it is understood as others understand it, or refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighlock.errors import FormatError, SourceError, UnsupportedError, WeighlockError
from weighlock.formats.oci_files import layers_of
from weighlock.formats.oci_manifest import Manifest, parse
from weighlock.lockfile_schema import check_path
from weighlock.sources.interface import Silence
from weighlock.sources.oci.archive import OpenArchive
from weighlock.sources.oci.challenge import parse_challenge

NAMES = st.text(st.sampled_from("ab./\\-~\x1b\u202eé"), min_size=1, max_size=8)
KINDS = st.sampled_from([tarfile.REGTYPE] * 6 + [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
FORMATS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
MEMBERS = st.lists(st.tuples(NAMES, KINDS, st.binary(max_size=20)), min_size=1, max_size=5)


def packed(members, form: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "a" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def tarfile_reads(data: bytes) -> dict[str, str]:
    """Return the files that Python's own reader would unpack, the last of a name, with their digests."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = [one for one in archive.getmembers() if one.isreg()]
        return {
            one.name.removeprefix("./"): hashlib.sha256(archive.extractfile(one).read()).hexdigest() for one in files
        }


def unpacked(tmp_path, data: bytes, codec: str | None) -> dict[str, str]:
    place = tmp_path / "layer.part"
    place.write_bytes(data)
    archive = OpenArchive(place, codec, "layer", Silence())
    found = {member.path: member.sha256 for member in archive.members}
    for path, sha256 in found.items():
        check_path(path, path)
        fetched = archive.extract(path, tmp_path / "file.part", Silence())
        assert fetched.sha256 == sha256 == hashlib.sha256((tmp_path / "file.part").read_bytes()).hexdigest()
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(members=MEMBERS, form=FORMATS, codec=st.sampled_from([None, "gzip"]))
def test_an_archive_is_unpacked_as_tarfile_unpacks_it_or_not_at_all(tmp_path, members, form, codec):
    try:
        data = packed(members, form)
    except (ValueError, UnicodeError):
        return
    try:
        found = unpacked(tmp_path, gzip.compress(data) if codec else data, codec)
    except SourceError:
        return
    assert found == tarfile_reads(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(
    members=MEMBERS,
    form=FORMATS,
    changes=st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), min_size=1, max_size=4),
    codec=st.sampled_from([None, "gzip"]),
)
def test_a_damaged_archive_is_unpacked_as_tarfile_unpacks_it_or_not_at_all(tmp_path, members, form, changes, codec):
    try:
        data = bytearray(packed(members, form))
    except (ValueError, UnicodeError):
        return
    for offset, value in changes:
        data[offset % len(data)] = value
    try:
        found = unpacked(tmp_path, gzip.compress(data) if codec else bytes(data), codec)
    except SourceError:
        return
    assert found == tarfile_reads(bytes(data))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=3000), codec=st.sampled_from([None, "gzip"]))
def test_any_bytes_are_an_archive_or_an_error_of_ours(tmp_path, data, codec):
    place = tmp_path / "layer.part"
    place.write_bytes(data)
    try:
        OpenArchive(place, codec, "layer", Silence())
    except WeighlockError as error:
        told = str(error)
        if not told.isprintable():
            pytest.fail(told)


@given(st.text(max_size=200) | st.text(st.sampled_from('Bearer realm="https://a/t", \\\tBasic=;'), max_size=200))
def test_any_challenge_is_one_or_an_error_of_ours(header):
    try:
        found = parse_challenge(header, "registry")
    except SourceError:
        return
    assert found.scheme in ("basic", "bearer")


TYPES = st.sampled_from(
    [
        "application/octet-stream", "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.empty.v1+json",
        "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.cncf.model.weight.v1.raw",
        "application/vnd.cncf.model.weight.v1.tar+zstd", "application/vnd.kitops.modelkit.model.v1.tar+gzip",
    ]
)  # fmt: skip
KEYS = st.sampled_from(
    ["org.opencontainers.image.title", "org.cncf.model.filepath", "io.deis.oras.content.unpack", "x"]
)
LAYERS = st.lists(st.tuples(TYPES, st.dictionaries(KEYS, NAMES | st.just("true"), max_size=3)), max_size=4)


@given(LAYERS)
def test_layers_are_files_inside_the_model_each_at_a_place_of_its_own(layers):
    digest = f"sha256:{'a' * 64}"
    descriptors = [
        {"mediaType": kind, "digest": digest, "size": 1, "annotations": annotations} for kind, annotations in layers
    ]
    config = {"mediaType": "application/x", "digest": digest, "size": 1}
    manifest = parse(json.dumps({"schemaVersion": 2, "config": config, "layers": descriptors}).encode())
    assert isinstance(manifest, Manifest)
    try:
        found = layers_of(manifest)
    except (FormatError, UnsupportedError):
        return
    paths = [layer.path for layer in found if layer.path is not None]
    assert len(set(paths)) == len(paths)
    for path in paths:
        check_path(path, path)
