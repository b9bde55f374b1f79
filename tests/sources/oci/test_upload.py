"""Blobs on their way into a registry, real and hostile."""

from __future__ import annotations

import io

import pytest

from tests.sources.oci.fake import Said, digest_of
from weighlock.errors import DigestMismatchError, SourceError
from weighlock.sources.oci import upload as module
from weighlock.sources.oci.registry import Registry
from weighlock.sources.oci.upload import MOUNTED, PRESENT, UPLOADED, Blob, upload, upload_bytes

DATA = b"0123456789" * 1000


def blob(data=DATA, digest=None, size=None):
    return Blob(
        digest=digest or digest_of(data), size=len(data) if size is None else size, opened=lambda: io.BytesIO(data)
    )


def test_a_blob_is_sent_once(docker_registry):
    registry, repository = Registry(), f"{docker_registry.host}/once"
    assert upload(registry, repository, blob()) == UPLOADED
    assert upload(registry, repository, blob()) == PRESENT
    assert registry.blob(repository, digest_of(DATA), len(DATA)) == DATA
    assert upload(registry, f"{docker_registry.host}/other", blob(), mount=repository) == MOUNTED
    assert upload(registry, f"{docker_registry.host}/third", blob(), mount="elsewhere.example/x") == UPLOADED
    assert upload_bytes(registry, repository, b"") == UPLOADED


def test_what_cannot_be_mounted_is_sent(docker_registry):
    repository = f"{docker_registry.host}/nothing-to-mount"
    data = b"nobody has this"
    assert upload(Registry(), repository, blob(data), mount=f"{docker_registry.host}/absent") == UPLOADED


def test_a_large_blob_goes_in_parts_where_it_is_refused_whole(docker_registry, monkeypatch):
    """The registry itself takes parts; what stands before it says that the whole is too much."""
    monkeypatch.setattr(module, "_PART", 3000)
    registry, repository = Registry(), f"{docker_registry.host}/parts"
    send = Registry.send

    def strict(self, method, repository, url, headers, body):  # noqa: PLR0917 - as it is
        if int(headers["Content-Length"]) > 3000:
            return Said(413)
        return send(self, method, repository, url, headers, body)

    monkeypatch.setattr(Registry, "send", strict)
    data = DATA + b"parts"
    assert upload(registry, repository, blob(data)) == UPLOADED
    assert registry.blob(repository, digest_of(data), len(data)) == data


def test_other_bytes_than_were_promised_are_not_stored(docker_registry):
    registry, repository = Registry(), f"{docker_registry.host}/wrong"
    wrong = blob(b"x" * 100, digest=digest_of(b"y" * 100))
    with pytest.raises(DigestMismatchError, match="was read"):
        upload(registry, repository, wrong)
    assert not registry.has_blob(repository, digest_of(b"y" * 100))


def test_a_file_that_shrank_is_not_stored(docker_registry):
    registry, repository = Registry(), f"{docker_registry.host}/short"
    with pytest.raises(DigestMismatchError, match="ends after 100 of 200"):
        upload(registry, repository, blob(b"x" * 100, size=200))


@pytest.mark.parametrize(
    "place", ["http://127.0.0.2:1/upload", "https://evil.example/upload", None, "//evil.example/x"]
)
def test_an_upload_to_another_host_is_refused(fake, place):
    fake.rule("/v2/team/net/blobs/uploads/", Said(202, {"Location": place} if place else {}))
    with pytest.raises(SourceError, match="another host"):
        upload(Registry(), fake.repository, blob())
    assert not fake.asked("PUT")


def test_a_registry_that_stored_something_else_is_found_out(fake):
    fake.rule("/v2/team/net/blobs/uploads/", Said(202, {"Location": "/up?state=1"}))
    fake.rule("/up", Said(201, {"Docker-Content-Digest": f"sha256:{'0' * 64}"}))
    with pytest.raises(DigestMismatchError, match="stored"):
        upload(Registry(), fake.repository, blob())
    (put,) = fake.asked("PUT")
    assert put.path == f"/up?state=1&digest={digest_of(DATA)}"
    assert put.data == DATA


def test_a_manifest_that_was_stored_as_another_is_found_out(fake):
    fake.rule("/v2/team/net/manifests/", Said(201, {"Docker-Content-Digest": f"sha256:{'0' * 64}"}))
    with pytest.raises(DigestMismatchError, match="stored"):
        Registry().put_manifest(fake.repository, b"{}", "application/x", "v1")


@pytest.mark.parametrize("status", [200, 307, 400, 403, 500])
def test_a_registry_that_does_not_say_that_it_stored_did_not(fake, status):
    fake.rule("/v2/team/net/blobs/uploads/", Said(202, {"Location": "/up"}))
    fake.rule("/up", Said(status, {"Location": "/elsewhere"}))
    with pytest.raises(SourceError):
        upload(Registry(), fake.repository, blob())
    assert not fake.asked("PUT", "/elsewhere")
