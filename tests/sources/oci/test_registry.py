"""Registries that lie, told by the digests of what they deliver."""

from __future__ import annotations

import json

import pytest

from tests.sources.oci.fake import INDEX, MANIFEST, Said, digest_of, model_of
from weighlock.errors import DigestMismatchError, SourceError
from weighlock.sources.oci.registry import Registry
from weighlock.sources.transport import NotFoundError


def refused(fake, ref="v1", kind=SourceError):
    with pytest.raises(kind) as caught:
        Registry().lookup(fake.repository, ref)
    return str(caught.value)


def test_a_tag_leads_to_the_digest_of_the_bytes_that_came(fake):
    digest = fake.model("v1", **{"a.bin": b"a"})
    assert Registry().resolve(fake.repository, "v1") == digest
    assert Registry().manifest(fake.repository, digest).layers[0].digest == digest_of(b"a")


def test_other_bytes_for_a_digest_are_refused(fake):
    digest = fake.model(**{"a.bin": b"a"})
    other = json.dumps(model_of({"b.bin": digest_of(b"b")}, {"b.bin": b"b"})).encode()
    fake.rule(f"/v2/team/net/manifests/{digest}", Said(headers={"Docker-Content-Digest": digest}, data=other))
    assert digest in refused(fake, digest, DigestMismatchError)


def test_a_header_with_another_digest_is_refused(fake):
    digest = fake.model("v1", **{"a.bin": b"a"})
    _, data = fake.manifests[digest]
    fake.rule("/v2/team/net/manifests/v1", Said(headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"}, data=data))
    assert "says that it is" in refused(fake, kind=DigestMismatchError)


def test_a_header_without_a_digest_is_no_reason_to_believe_anything(fake):
    digest = fake.model("v1", **{"a.bin": b"a"})
    _, data = fake.manifests[digest]
    fake.rule("/v2/team/net/manifests/v1", Said(data=data))
    assert Registry().resolve(fake.repository, "v1") == digest


def test_a_page_with_200_for_what_is_missing_is_no_manifest(fake):
    fake.rule("/", Said(headers={"Content-Type": "text/html"}, data=b"<html>not found</html>"))
    assert "not JSON" in refused(fake)


def test_an_endless_manifest_is_cut_off(fake):
    fake.rule("/v2/team/net/manifests/v1", Said(data=b" " * (5 << 20)))
    assert "more than 4 MiB" in refused(fake)


def test_what_is_missing_is_missing(fake):
    refused(fake, kind=NotFoundError)
    with pytest.raises(NotFoundError):
        Registry().delete(fake.repository, digest_of(b""))


def test_an_error_of_a_registry_does_not_act_on_the_terminal(fake):
    errors = {"errors": [{"code": "DENIED", "message": "\x1b[2J\u202e" + "x" * 1000}]}
    fake.rule("/", Said(400, data=json.dumps(errors).encode()))
    told = refused(fake)
    assert told.isprintable()
    assert len(told) < 400


@pytest.mark.parametrize("repository", ["team/net", "evil.example/../x", "http://evil.example/x", "a.example/b?c", ""])
def test_a_name_that_is_none_asks_nobody(repository):
    with pytest.raises(Exception, match="HOST/REPOSITORY"):
        Registry().lookup(repository, "v1")


class TestIndexes:
    def entry(self, fake, digest, media_type=MANIFEST):
        return {"mediaType": media_type, "digest": digest, "size": len(fake.manifests[digest][1])}

    def put(self, fake, *entries, tag="v1"):
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}
        return fake.put(document, tag, media_type=INDEX)

    def test_an_index_with_one_manifest_leads_to_it(self, fake):
        digest = fake.model(**{"a.bin": b"a"})
        index = self.put(fake, self.entry(fake, digest))
        assert Registry().resolve(fake.repository, "v1") == digest
        assert Registry().resolve(fake.repository, index) == digest

    def test_which_of_two_is_meant_only_a_person_knows(self, fake):
        one, two = fake.model(**{"a.bin": b"a"}), fake.model(**{"a.bin": b"b"})
        self.put(fake, self.entry(fake, one), self.entry(fake, two))
        told = refused(fake)
        assert "index of 2 manifests" in told
        assert one in told

    def test_an_index_in_an_index_is_not_followed(self, fake):
        inner = self.put(fake, self.entry(fake, fake.model(**{"a.bin": b"a"})), tag="inner")
        self.put(fake, self.entry(fake, inner, INDEX))
        assert "without a manifest" in refused(fake)

    def test_an_empty_index_is_no_model(self, fake):
        self.put(fake)
        assert "without a manifest" in refused(fake)

    def test_an_index_where_a_manifest_was_promised_is_refused(self, fake):
        inner = self.put(fake, self.entry(fake, fake.model(**{"a.bin": b"a"})), tag="inner")
        self.put(fake, self.entry(fake, inner, MANIFEST))
        assert "is an index and not a manifest" in refused(fake)

    def test_a_manifest_by_digest_is_never_an_index(self, fake):
        index = self.put(fake, self.entry(fake, fake.model(**{"a.bin": b"a"})))
        with pytest.raises(SourceError, match="is an index"):
            Registry().manifest(fake.repository, index)


def test_a_tag_that_moves_between_two_requests_is_one_manifest_all_the_same(fake):
    """The tag is asked once; everything after that goes by digest."""
    first = fake.model("v1", **{"a.bin": b"a"})
    registry = Registry()
    manifest = registry.lookup(fake.repository, "v1")
    fake.model("v1", **{"a.bin": b"other"})
    assert registry.blob(fake.repository, manifest.layers[0].digest, 10) == b"a"
    assert registry.manifest(fake.repository, first).digest == first


def test_tags_come_over_pages_of_the_same_registry_only(fake):
    def pages(heard):
        if "last=" in heard.path:
            return Said(data=b'{"tags":["b"]}')
        return Said(headers={"Link": '</v2/team/net/tags/list?n=1&last=a>; rel="next"'}, data=b'{"tags":["a"]}')

    fake.rule("/v2/team/net/tags/list", pages)
    assert Registry().tags(fake.repository) == ("a", "b")
    elsewhere = Said(headers={"Link": '<http://127.0.0.2/>; rel="next"'}, data=b'{"tags":[]}')
    fake.rules.insert(0, ("/v2/team/net/tags", lambda _heard: elsewhere))
    with pytest.raises(SourceError, match="another host"):
        Registry().tags(fake.repository)


def test_pages_that_never_end_are_given_up(fake):
    fake.rule("/v2/", Said(headers={"Link": '</v2/team/net/tags/list?again>; rel="next"'}, data=b'{"tags":["a"]}'))
    with pytest.raises(SourceError, match="pages"):
        Registry().tags(fake.repository)


@pytest.mark.parametrize("data", [b"[]", b'{"tags":"a"}', b'{"tags":[1]}', b'{"tags":["a\\u0000"]}', b"x"])
def test_tags_that_are_none(fake, data):
    fake.rule("/v2/", Said(data=data))
    with pytest.raises(SourceError):
        Registry().tags(fake.repository)
