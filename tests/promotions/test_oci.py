"""A registry of containers and its issuer, as a place in which models are promoted."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from tests.docker_registry import DockerRegistry
from tests.issuer import VERIFIER, ask, basic, environ_of, issuing, serving
from weighlock._cli import main
from weighlock.errors import DigestMismatchError, ForgedError, SourceError, UsageError
from weighlock.formats.oci_manifest import digest_of
from weighlock.promotion import Promoted, Resource, Vsa
from weighlock.promotions.oci import OciPromotions
from weighlock.signing.bundle import read_bundle
from weighlock.signing.key import private_pem
from weighlock.signing.statement import read_statement
from weighlock.signing.vsa import read_vsa

FILES = {"model.bin": b"weights", "config.json": b"{}"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with issuing(tmp_path_factory.mktemp("oci")) as place:
        yield place


@pytest.fixture
def opened(place, tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHLOCK_CACHE", str(tmp_path / "cache"))
    return lambda user: OciPromotions({"HOME": str(tmp_path), **place.logins(tmp_path / user, user)})


@pytest.fixture
def net(place, request):
    name = f"n{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    return Resource(registry="oci", model=f"{place.host}/staging/{name}", stage="production")


def promoted(place, resource, files, manifest, *, previous=None, **changed) -> Promoted:
    repository = f"prod/{resource.model.rpartition('/')[2]}"
    bundle = place.summary(files, manifest, previous=previous, repository=repository, **changed)
    vsa: Vsa = read_vsa(read_statement(read_bundle(bundle).envelope.payload))
    return Promoted(vsa=vsa, bundle=bundle, digest=digest_of(bundle), verifier="gate", identity="key")


def push(place, resource, files, tag="v1"):
    return place.push(resource.model.partition("/")[2], files, tag=tag)


def test_a_model_is_moved_and_what_is_in_force_and_was_is_known(place, opened, net):
    registry = opened("ci")
    assert (registry.in_force(net), list(registry.history(net))) == (None, [])
    manifest = push(place, net, FILES)
    assert registry.files(net.model, manifest) == {
        path: hashlib.sha256(data).hexdigest() for path, data in FILES.items()
    }
    first = promoted(place, net, FILES, manifest)
    registry.move(first)
    standing = registry.in_force(net)
    assert (standing.version, standing.digest, standing.bundle) == (manifest, first.digest, first.bundle)
    other = push(place, net, FILES | {"b": b"2"}, tag="v2")
    registry.move(promoted(place, net, FILES | {"b": b"2"}, other, previous=first.digest))
    assert [one.version for one in registry.history(net)] == [other, manifest]
    assert digest_of(place.tag(f"prod/{net.model.rpartition('/')[2]}").data) == other


def test_a_refusal_of_the_issuer_is_one_and_moves_nothing(place, opened, net):
    manifest = push(place, net, FILES)
    with pytest.raises(ForgedError, match="is not in the verification summary"):
        opened("ci").move(promoted(place, net, {"config.json": b"{}"}, manifest))
    with pytest.raises(ForgedError, match="refuses"):
        opened("dev").move(promoted(place, net, FILES, manifest))
    assert opened("ci").in_force(net) is None


def test_bytes_that_were_changed_in_the_storage_are_not_files(place, opened, net):
    manifest = push(place, net, {"a.bin": b"only here"})
    stored = place.registry.blob(digest_of(b"only here"))
    stored.write_bytes(b"ONLY here")
    with pytest.raises(DigestMismatchError, match="the registry holds"):
        opened("ci").files(net.model, manifest)


def test_a_token_that_docker_keeps_in_place_of_a_password_promotes(place, net, tmp_path):
    reply = ask("GET", f"{place.url}/token?service=tests&offline_token=true", headers=basic("ci"))
    login = {"auth": base64.b64encode(b"<token>:").decode(), "identitytoken": reply.json["refresh_token"]}
    (tmp_path / "config.json").write_text(json.dumps({"auths": {place.host: login}}))
    registry = OciPromotions({"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)})
    registry.move(promoted(place, net, FILES, push(place, net, FILES)))
    assert registry.in_force(net) is not None


def test_who_is_not_logged_in_is_told_how(place, net, tmp_path):
    with pytest.raises((SourceError, ForgedError)) as caught:
        OciPromotions({"HOME": str(tmp_path)}).in_force(net)
    assert "is not promoted to production by this user" in str(caught.value)


def test_a_registry_without_an_issuer_is_none_to_promote_in(tmp_path):
    with DockerRegistry(tmp_path / "plain") as plain:
        net = Resource(registry="oci", model=f"{plain.host}/team/net", stage="production")
        with pytest.raises(UsageError, match="has no issuer"):
            OciPromotions({"HOME": str(tmp_path)}).in_force(net)


def test_what_the_issuer_says_about_another_resource_is_not_believed(place, opened, net, monkeypatch):
    registry = opened("ci")
    monkeypatch.setattr(registry, "_ask", lambda *_words, **_more: {"resource": "oci:other#production", "history": []})
    with pytest.raises(SourceError, match="cannot be understood"):
        registry.in_force(net)


STAGE = '[[promotion.stages]]\nname = "production"\nrequire = ["lock", "scan"]\n'


def test_as_a_person_types_it(tmp_path, monkeypatch, capsys):
    with issuing(tmp_path, served=False) as place:
        policy = tmp_path / "weighlock.toml"
        policy.write_text(policy.read_text() + STAGE)
        (tmp_path / "ci.key").write_bytes(private_pem(VERIFIER, None))
        (tmp_path / "ci.key").chmod(0o600)
        (tmp_path / "work").mkdir()
        monkeypatch.chdir(tmp_path / "work")
        for key, value in {**environ_of(tmp_path / "work"), **place.logins(tmp_path / "docker", "ci")}.items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("WEIGHLOCK_POLICY", str(policy))
        with serving(place):
            versions = []
            for number in (1, 2):
                versions.append(place.push("staging/net", {"a.bin": b"%d" % number}, tag="v1"))
                assert main(["lock", f"oci:{place.host}/staging/net:v1", *(["--upgrade"] if number > 1 else [])]) == 0
                model = f"oci:{place.host}/staging/net"
                done = main(["promote", model, "--to", "production", "--key", str(tmp_path / "ci.key")])
                assert done == 0, capsys.readouterr()
                assert digest_of(place.tag().data) == versions[-1]
            back = ["rollback", model, "--to", "previous", "--key", str(tmp_path / "ci.key")]
            assert main(back) == 0, capsys.readouterr()
            assert digest_of(place.tag().data) == versions[0]
            assert main(["promote", model, "--to", "production", "--dry-run"]) == 0
