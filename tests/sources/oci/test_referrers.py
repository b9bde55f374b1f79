"""What is attached to an artifact, with the referrers API and without, and what hostile registries list."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sources.oci.fake import INDEX, MANIFEST, Said, digest_of, model_of
from weighlock.errors import DigestMismatchError, SourceError
from weighlock.sources.oci.copying import copy
from weighlock.sources.oci.referrers import attach, attachments, fallback_tag, referrers
from weighlock.sources.oci.registry import Registry
from weighlock.sources.oci.upload import upload_bytes
from weighlock.sources.transport import NotFoundError, Transport

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@pytest.fixture
def model(docker_registry, request):
    """A model in a real registry: its repository and manifest."""
    registry, repository = Registry(), f"{docker_registry.host}/{request.node.name.replace('_', '-')[:100]}"
    upload_bytes(registry, repository, b"{}")
    upload_bytes(registry, repository, b"a")
    data = json.dumps(model_of({"a.bin": digest_of(b"a")}, {"a.bin": b"a"})).encode()
    registry.put_manifest(repository, data, MANIFEST, "v1")
    return repository, registry.lookup(repository, "v1").descriptor


def test_what_is_attached_is_found_in_a_registry_without_the_api(model):
    repository, subject = model
    registry = Registry()
    assert referrers(registry, repository, subject.digest) == ()
    digest = attach(registry, repository, subject, artifact_type=BUNDLE, data=b"signed", annotations={"a": "b"})
    (found,) = referrers(registry, repository, subject.digest)
    assert (found.digest, found.artifact_type, dict(found.annotations)) == (digest, BUNDLE, {"a": "b"})
    assert attachments(registry, repository, subject.digest, BUNDLE, 100) == (b"signed",)
    assert referrers(registry, repository, subject.digest, "application/other") == ()
    assert attach(registry, repository, subject, artifact_type=BUNDLE, data=b"signed", annotations={"a": "b"}) == digest
    attach(registry, repository, subject, artifact_type="application/other", data=b"x")
    assert len(referrers(registry, repository, subject.digest)) == 2
    assert fallback_tag(subject.digest) in registry.tags(repository)


def test_many_who_attach_at_once_are_all_listed(model):
    """Eight write the list under one tag, which the registry guards against nothing: whoever is lost writes again."""
    repository, subject = model
    ready = threading.Barrier(8)

    def one(number):
        ready.wait()
        return attach(Registry(), repository, subject, artifact_type=BUNDLE, data=b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(one, range(8)))
    assert {found.digest for found in referrers(Registry(), repository, subject.digest)} == digests


def test_a_copy_keeps_its_digest_and_its_attachments(model, docker_registry):
    repository, subject = model
    registry = Registry()
    attach(registry, repository, subject, artifact_type=BUNDLE, data=b"signed")
    target = f"{docker_registry.host}/prod/net"
    assert copy(registry, repository, target, subject.digest, "v1", transport=Transport()) == subject.digest
    assert registry.resolve(target, "v1") == subject.digest
    assert attachments(registry, target, subject.digest, BUNDLE, 100) == (b"signed",)


def test_a_copy_to_another_registry_is_sent(fake, docker_registry):
    digest = fake.model("v1", **{"a.bin": b"a" * 1000})
    fake.blob(b"{}")
    target = f"{docker_registry.host}/from-elsewhere"
    assert copy(Registry(), fake.repository, target, digest, "v1", transport=Transport()) == digest
    assert Registry().blob(target, digest_of(b"a" * 1000), 1000) == b"a" * 1000


def test_a_copy_of_other_bytes_than_the_manifest_names_leads_to_no_tag(fake, docker_registry):
    digest = fake.model("v1", **{"a.bin": b"a" * 1000})
    fake.blob(b"{}")
    fake.blobs[digest_of(b"a" * 1000)] = b"b" * 1000
    target = f"{docker_registry.host}/from-a-liar"
    with pytest.raises((DigestMismatchError, SourceError)):
        copy(Registry(), fake.repository, target, digest, "v1", transport=Transport())
    with pytest.raises(NotFoundError):
        Registry().resolve(target, "v1")


class TestHostile:
    def attached(self, fake, subject, data=b"signed", **more):
        layer = {"mediaType": BUNDLE, "digest": fake.blob(data), "size": len(data)}
        document = model_of({}, {}, artifactType=BUNDLE, layers=[layer], **more)
        if subject:
            document["subject"] = {"mediaType": MANIFEST, "digest": subject, "size": 1}
        return fake.put(document)

    def listed(self, fake, subject, *digests, api=False):
        manifests = [{"mediaType": MANIFEST, "digest": digest, "size": 1, "artifactType": BUNDLE} for digest in digests]
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        if api:
            data = json.dumps(document).encode()
            fake.rule(f"/v2/team/net/referrers/{subject}", Said(headers={"Content-Type": INDEX}, data=data))
        else:
            fake.put(document, fallback_tag(subject), media_type=INDEX)

    def read(self, fake, subject):
        return attachments(Registry(), fake.repository, subject, BUNDLE, 1 << 20)

    def test_both_places_are_read_and_each_attachment_counts_once(self, fake):
        subject = fake.model("v1", **{"a.bin": b"a"})
        one, two = self.attached(fake, subject, b"1"), self.attached(fake, subject, b"2")
        self.listed(fake, subject, one, two, api=True)
        self.listed(fake, subject, two)
        assert sorted(self.read(fake, subject)) == [b"1", b"2"]

    @pytest.mark.parametrize("api", [True, False])
    def test_the_signature_of_another_model_is_not_one_of_this(self, fake, api):
        subject, other = fake.model("v1", **{"a.bin": b"a"}), fake.model("v2", **{"a.bin": b"b"})
        self.listed(fake, subject, self.attached(fake, other), self.attached(fake, None), other, api=api)
        assert self.read(fake, subject) == ()

    def test_other_bytes_than_are_listed_are_refused(self, fake):
        subject = fake.model("v1", **{"a.bin": b"a"})
        digest = self.attached(fake, subject)
        self.listed(fake, subject, digest)
        media_type, data = fake.manifests[digest]
        fake.manifests[digest] = (media_type, data.replace(b"signed", b"forged") + b" ")
        with pytest.raises(DigestMismatchError):
            self.read(fake, subject)

    def test_another_blob_than_the_attachment_names_is_refused(self, fake):
        subject = fake.model("v1", **{"a.bin": b"a"})
        self.listed(fake, subject, self.attached(fake, subject))
        fake.blobs[digest_of(b"signed")] = b"forged"
        with pytest.raises(DigestMismatchError):
            self.read(fake, subject)

    def test_an_attachment_that_is_too_large_is_not_fetched(self, fake):
        subject = fake.model("v1", **{"a.bin": b"a"})
        self.listed(fake, subject, self.attached(fake, subject, b"x" * 2000))
        with pytest.raises(SourceError, match="at most"):
            attachments(Registry(), fake.repository, subject, BUNDLE, 1000)
        assert not fake.asked("GET", "/v2/team/net/blobs/")

    def test_what_is_listed_and_gone_is_nothing(self, fake):
        subject = fake.model("v1", **{"a.bin": b"a"})
        self.listed(fake, subject, f"sha256:{'1' * 64}")
        assert self.read(fake, subject) == ()

    def test_an_absurd_number_is_refused(self, fake):
        subject = fake.model("v1", **{"a.bin": b"a"})
        self.listed(fake, subject, *(f"sha256:{number:064x}" for number in range(501)))
        with pytest.raises(SourceError, match="more than 500"):
            self.read(fake, subject)

    @pytest.mark.parametrize("said", [Said(data=b"<html>"), Said(500), Said(403), Said(data=b"{}")])
    def test_a_list_that_cannot_be_read_is_not_an_empty_one(self, fake, said):
        subject = fake.model("v1", **{"a.bin": b"a"})
        fake.rule("/v2/team/net/referrers/", said)
        with pytest.raises(SourceError):
            self.read(fake, subject)

    def test_a_model_under_the_tag_of_the_list_is_not_overwritten(self, fake):
        subject = fake.model("v1", **{"a.bin": b"a"})
        fake.put(model_of({"b": fake.blob(b"b")}, {"b": b"b"}), fallback_tag(subject))
        with pytest.raises(SourceError, match="not a list"):
            self.read(fake, subject)

    def test_pages_lead_to_the_same_registry_only(self, fake):
        subject = fake.model("v1", **{"a.bin": b"a"})
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
        fake.rule("/v2/team/net/referrers/", Said(headers={"Link": '<http://127.0.0.2/x>; rel="next"'}, data=index))
        with pytest.raises(SourceError, match="another host"):
            self.read(fake, subject)

    def test_a_registry_with_the_api_is_not_given_a_list(self, fake):
        subject = fake.model("v1", **{"a.bin": b"a"})
        descriptor = Registry().lookup(fake.repository, "v1").descriptor
        fake.rule("/v2/team/net/blobs/uploads/", Said(202, {"Location": "/up"}))
        fake.rule("/up", Said(201))
        fake.rule(
            "/v2/team/net/manifests/",
            lambda heard: Said(201, {"OCI-Subject": subject}) if heard.method == "PUT" else None,
        )
        attach(Registry(), fake.repository, descriptor, artifact_type=BUNDLE, data=b"signed")
        (put,) = fake.asked("PUT", "/v2/")
        assert json.loads(put.data)["subject"]["digest"] == subject

    def test_an_attachment_that_is_lost_each_time_is_said(self, fake, monkeypatch):
        monkeypatch.setattr("weighlock.sources.oci.referrers.time.sleep", lambda _seconds: None)
        fake.model("v1", **{"a.bin": b"a"})
        descriptor = Registry().lookup(fake.repository, "v1").descriptor
        fake.rule("/v2/team/net/blobs/uploads/", Said(202, {"Location": "/up"}))
        fake.rule("/up", Said(201))
        fake.rule("/v2/team/net/manifests/", lambda heard: Said(201) if heard.method == "PUT" else None)
        with pytest.raises(SourceError, match="not listed"):
            attach(Registry(), fake.repository, descriptor, artifact_type=BUNDLE, data=b"signed")
