"""Ways past the promotion gate before a real registry: none of them gets anything into production, or out of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import sqlite3
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from tests.issuer import PASSWORDS, ask, basic, claims_of, free_port, header_of, issuing, manifest_of, serving
from weighlock.formats.oci_manifest import INDEX, digest_of
from weighlock.registry.oci.keys import new_key, read_key
from weighlock.signing.key import generate

GOOD = {"model.safetensors": b"good weights", "config.json": b'{"a": 1}'}
EVIL = {"model.safetensors": b"evil weights", "config.json": b'{"a": 1}'}


@pytest.fixture(scope="module")
def resting(place):
    """A model in production that no test moves."""
    return Net(place, "resting", *place.promoted(GOOD | {"name": b"resting"}, name="resting"))


@pytest.fixture
def alone():
    """The test moves its model."""


@pytest.fixture
def net(request, place, name):
    """A model in production."""
    if "alone" not in request.fixturenames:
        return request.getfixturevalue("resting")
    return Net(place, name, *place.promoted(GOOD | {"name": name.encode()}, name=name))


class Net:
    def __init__(self, place, name, manifest, digest):
        self.place, self.name, self.manifest, self.digest = place, name, manifest, digest
        self.prod, self.staging = f"prod/{name}", f"staging/{name}"
        self.good = GOOD | {"name": name.encode()}

    def push(self, files, **words):
        return self.place.push(self.staging, files, **{"tag": "evil", **words})

    def summary(self, files, manifest, **words):
        return self.place.summary(files, manifest, **{"repository": self.prod, "previous": self.digest, **words})

    def promote(self, manifest, bundle, **words):
        return self.place.promote(manifest, bundle, **{"repository": self.prod, **words})

    def pulled(self):
        return self.place.tag(self.prod)

    def require_unmoved(self):
        found = self.pulled()
        assert (found.status, digest_of(found.data)) == (200, self.manifest)

    def refused(self, manifest, bundle, said, status=403, **words):
        reply = self.promote(manifest, bundle, **words)
        assert reply.status == status, reply
        assert said in reply.data.decode(), reply
        self.require_unmoved()


# Tokens


@pytest.mark.parametrize("user", [None, "dev", "ci", "viewer", "boss"])
def test_nobody_gets_a_token_that_pushes_to_or_deletes_from_production(net, user):
    for actions in ("push", "pull,push", "pull,push,delete", "*", "delete", "push,*", "PUSH"):
        for granted in net.place.access(user, f"repository:{net.prod}:{actions}"):
            assert granted["actions"] == ["pull"]


def test_a_token_of_a_developer_uploads_nothing_to_production(net):
    token = net.place.token("dev", f"repository:{net.prod}:pull,push", f"repository:{net.staging}:pull,push")
    assert net.place.blob(net.prod, b"evil", token).status == 401
    data = manifest_of(net.good)
    for ref in ("production", "v9", net.manifest, digest_of(data)):
        assert net.place.v2("PUT", f"{net.prod}/manifests/{ref}", token, body=data).status == 401
    net.require_unmoved()


@pytest.mark.parametrize(
    "scope",
    [
        "repository:{staging}/../../{prod}:pull,push",
        "repository:{prod}:pull,push repository:{prod}:*",
        "repository:./{prod}:push",
        "repository:{upper}:push",
        "repository:prod%2F{name}:push",
        "repository(plugin):{prod}:push",
        "repository:{prod}/:push",
        "repository:prod/*:push",
        "repository:**:push",
        "registry:catalog:*",
        "repository:{prod}:pull,push,repository:{staging}:push",
    ],
)
def test_scope_tricks_grant_nothing(net, scope):
    words = {"prod": net.prod, "staging": net.staging, "name": net.name, "upper": net.prod.upper()}
    token = net.place.token("dev", scope.format(**words))
    assert not [one for one in claims_of(token)["access"] if one["name"] != net.staging]
    assert net.place.v2("PUT", f"{net.prod}/manifests/production", token, body=manifest_of(EVIL)).status == 401


def test_paths_that_a_registry_normalises_lead_nowhere(net):
    token = net.place.token("dev", f"repository:{net.staging}:pull,push")
    for path in (
        f"{net.staging}/../../{net.prod}",
        f"{net.staging}/%2e%2e/%2e%2e/{net.prod}",
        f"staging%2f..%2f{net.prod}",
    ):
        reply = net.place.v2("PUT", f"{path}/manifests/production", token, body=manifest_of(net.good))
        assert reply.status >= 300, reply
    net.require_unmoved()


def test_a_token_for_one_repository_is_none_for_another(net):
    token = net.place.token("dev", f"repository:{net.staging}:pull,push")
    assert net.place.v2("GET", f"{net.prod}/manifests/production", token).status == 401
    assert net.place.v2("PUT", f"{net.prod}/manifests/production", token, body=manifest_of(net.good)).status == 401
    assert net.place.v2("DELETE", f"{net.staging}/manifests/{net.manifest}", token).status == 401


def test_nobody_mounts_from_production_who_may_not_pull_there(alone, net):
    secret, digest = {"secret": b"only in production"}, net.digest
    manifest = net.push(secret, tag="secret")
    assert net.promote(manifest, net.summary(secret, manifest, previous=digest)).status == 200
    token = net.place.token("dev", "repository:dev/theft:pull,push", f"repository:{net.prod}:pull")
    path = f"dev/theft/blobs/uploads/?mount={digest_of(secret['secret'])}&from={net.prod}"
    assert net.place.v2("POST", path, token, body=b"").status != 201


def test_nobody_mounts_into_production(net):
    for user in ("dev", "ci", "boss"):
        token = net.place.token(user, f"repository:{net.staging}:pull", f"repository:{net.prod}:pull,push")
        path = f"{net.prod}/blobs/uploads/?mount={digest_of(b'{}')}&from={net.staging}"
        assert net.place.v2("POST", path, token, body=b"").status == 401


def test_nobody_deletes_what_is_in_production(net):
    for user in PASSWORDS:
        token = net.place.token(user, f"repository:{net.prod}:pull,push,delete")
        assert net.place.v2("DELETE", f"{net.prod}/manifests/{net.manifest}", token).status == 401
    net.require_unmoved()


def test_nobody_lists_all_repositories_but_who_may(net):
    assert net.place.v2("GET", "_catalog", net.place.token("dev", "registry:catalog:*")).status == 401
    assert net.place.v2("GET", "_catalog", net.place.token("boss", "registry:catalog:*")).status == 200


def forgeries(place, good, folder):
    """Yield tokens that nobody issued, each with its name."""
    key = read_key(str(place.folder / "issuer.pem"))
    new_key(str(folder / "mallory.pem"), "tests")
    other = read_key(str(folder / "mallory.pem"))
    claims, now = claims_of(good), int(datetime.now(UTC).timestamp())
    access = [{"type": "repository", "name": "prod/net", "actions": ["pull", "push", "*"]}]
    claims = {**claims, "access": access, "exp": now + 300}
    chain = header_of(good)["x5c"]

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    yield "alg none", f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."
    yield "alg none, certificate", f"{part({'alg': 'none', 'typ': 'JWT', 'x5c': chain})}.{part(claims)}."
    for secret in (key.bundle(), base64.b64decode(chain[0])):
        text = f"{part({'alg': 'HS256', 'typ': 'JWT', 'x5c': chain})}.{part(claims)}"
        mac = hmac.digest(secret, text.encode(), "sha256")
        yield "HS256 by the public key", f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    yield "another key", other.sign(claims)
    yield "another key, our certificate", jwt.encode(claims, other.private, "ES256", headers={"x5c": chain})
    own = jwt.algorithms.ECAlgorithm.to_jwk(other.private.public_key(), as_dict=True)
    yield "a key of its own", jwt.encode(claims, other.private, "ES256", headers={"jwk": own, "kid": "x"})
    yield "no key at all", jwt.encode(claims, other.private, "ES256")
    yield "changed access", ".".join([good.split(".")[0], part(claims), good.split(".")[2]])
    yield "another audience", key.sign({**claims, "aud": "another registry"})
    yield "another issuer", key.sign({**claims, "iss": "somebody"})
    yield "expired", key.sign({**claims, "exp": now - 120})
    yield "not yet", key.sign({**claims, "nbf": now + 3600})
    yield "genuine", key.sign(claims)


def test_a_forged_token_is_none(net, tmp_path):
    good = net.place.token("dev", f"repository:{net.staging}:pull,push")
    seen = 0
    for called, token in forgeries(net.place, good, tmp_path):
        reply = net.place.v2("GET", "prod/net/tags/list", token)
        assert (reply.status == 401) == (called != "genuine"), called
        seen += 1
    assert seen == 14


def test_what_stands_for_a_password_is_no_token_for_the_registry_and_the_other_way_round(net):
    url = f"{net.place.url}/token?offline_token=true&service=tests"
    login = ask("GET", url, headers=basic("dev")).json["refresh_token"]
    assert net.place.v2("GET", f"{net.staging}/tags/list", login).status == 401
    for token in (net.place.token("dev"), login[:-6] + "AAAAAA", "", "a.b.c", "ü"):
        form = f"grant_type=refresh_token&service=tests&refresh_token={token}".encode()
        assert ask("POST", f"{net.place.url}/token", body=form).status == 401


def test_a_wrong_password_is_not_nobody(net):
    for header in (
        basic("viewer", "guess"),
        basic("nobody", ""),
        {"Authorization": "Basic ????"},
        {"Authorization": "Bearer x"},
    ):
        reply = ask("GET", f"{net.place.url}/token?scope=repository:public/x:pull", headers=header)
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith("Basic ")


# Promotions


def test_who_has_not_the_role_promotes_nothing(net):
    manifest = net.push(EVIL)
    bundle = net.summary(EVIL, manifest)
    for user in ("dev", "viewer", "boss"):
        net.refused(manifest, bundle, "may not promote", user=user)
    body = json.dumps({"repository": net.prod, "manifest": manifest, "bundle": base64.b64encode(bundle).decode()})
    assert ask("POST", f"{net.place.url}/promote", body=body.encode()).status == 401


def test_a_summary_that_was_used_before_moves_nothing(alone, net):
    second = net.push(EVIL)
    bundle = net.summary(EVIL, second)
    assert net.promote(second, bundle).status == 200
    back = net.summary(net.good, net.manifest, previous=digest_of(bundle))
    assert net.promote(net.manifest, back).status == 200
    net.refused(second, bundle, "used before")


def test_another_model_s_summary_moves_nothing(net):
    manifest = net.push(EVIL)
    net.refused(manifest, net.place.summary(EVIL, manifest, repository="prod/other", previous=net.digest), "is about")


def test_a_summary_of_another_registry_moves_nothing(net):
    from weighlock.promotion import Promotable, Resource

    manifest = net.push(EVIL)
    hashed = {path: hashlib.sha256(data).hexdigest() for path, data in EVIL.items()}
    resource = Resource(registry="oci", model=f"registry.example.org/{net.staging}", stage="production")
    bundle = net.summary(EVIL, manifest, promotable=Promotable(resource=resource, files=hashed))
    net.refused(manifest, bundle, "is about")


def test_a_summary_is_not_moved_to_another_name(net, place):
    manifest = net.push(EVIL)
    place.push("staging/swapped", EVIL)
    reply = place.promote(manifest, net.summary(EVIL, manifest, previous=None), repository="prod/swapped")
    assert reply.status == 403
    assert place.access("viewer", "repository:prod/swapped:pull") == []


def test_a_stranger_s_summary_moves_nothing(net):
    manifest = net.push(EVIL)
    net.refused(manifest, net.summary(EVIL, manifest, key=generate()), "")


@pytest.mark.parametrize("days", [-91, 1])
def test_a_summary_from_another_time_moves_nothing_so_a_clock_that_is_moved_back_gains_nothing(net, days):
    manifest = net.push(EVIL)
    bundle = net.summary(EVIL, manifest, made=datetime.now(UTC) + timedelta(days=days))
    net.refused(manifest, bundle, "too long ago" if days < 0 else "in the future")


def test_a_summary_by_looser_rules_moves_nothing(net):
    manifest = net.push(EVIL)
    net.refused(manifest, net.summary(EVIL, manifest, requirements=f"sha256:{'0' * 64}"), "other rules")


@pytest.mark.parametrize(
    "changed", [{"config": b'{"entrypoint": "evil"}'}, {"annotations": {"org.opencontainers.image.title": "evil"}}]
)
def test_the_same_files_in_another_manifest_are_not_what_was_promoted(net, place, changed):
    token = place.token("dev", f"repository:{net.staging}:pull,push")
    place.blob(net.staging, changed.get("config", b"{}"), token)
    other = net.push(net.good, **changed)
    assert other != net.manifest
    net.refused(other, net.summary(net.good, net.manifest), "is about")


@pytest.mark.parametrize("files", [GOOD | {"evil.py": b"1"}, {"config.json": GOOD["config.json"]}, EVIL])
def test_other_files_than_those_of_the_summary_are_not_promoted(net, files):
    manifest = net.push(files)
    net.refused(manifest, net.summary(GOOD, manifest), "")


def test_an_index_is_not_promoted_in_place_of_a_manifest(net, place):
    manifest = net.push(EVIL)
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": manifest,
        "size": len(manifest_of(EVIL)),
    }
    data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    token = place.token("dev", f"repository:{net.staging}:pull,push")
    assert place.v2("PUT", f"{net.staging}/manifests/index", token, body=data, kind=INDEX).status == 201
    net.refused(digest_of(data), net.summary(EVIL, digest_of(data)), "index", status=503)


@pytest.mark.parametrize("manifest", ["v1", "evil", "latest", "sha256:0", "", "../../prod/net/manifests/x"])
def test_a_tag_is_not_promoted_in_place_of_a_digest(net, manifest):
    net.push(EVIL)
    net.refused(manifest, net.summary(EVIL, manifest or "x"), "", status=503)


def test_what_is_in_another_repository_than_the_configured_one_is_not_promoted(net, place):
    files = EVIL | {"n": b"elsewhere"}
    manifest = place.push("dev/elsewhere", files)
    net.refused(manifest, net.summary(files, manifest), "is not there", status=503)


@pytest.mark.parametrize("repository", ["staging/net", "dev/net", "prod/a/b", "PROD/net", "prod/../prod/net", "prod"])
def test_what_is_not_gated_cannot_be_promoted_to(place, repository):
    assert place.promote(f"sha256:{'0' * 64}", b"{}", repository=repository).status in (400, 403)


def test_a_blob_that_was_changed_in_the_storage_before_is_not_promoted(net, place):
    manifest = net.push(EVIL | {"m": b"before the promotion"})
    stored = place.registry.blob(digest_of(b"before the promotion"))
    stored.write_bytes(b"BEFORE the promotion")
    net.refused(manifest, net.summary(EVIL | {"m": b"before the promotion"}, manifest), "the registry holds")


def test_of_two_promotions_at_once_by_two_issuers_one_counts(alone, net, place):
    port = free_port()
    offers = []
    for number in range(6):
        files = GOOD | {"n": str(number).encode()}
        manifest = net.push(files, tag=f"n{number}")
        offers.append((manifest, net.summary(files, manifest)))
    with serving(place, port), ThreadPoolExecutor(6) as pool:
        running = [
            pool.submit(net.promote, *offer, port=(place.port, port)[number % 2]) for number, offer in enumerate(offers)
        ]
        replies = [one.result() for one in running]
    assert sorted(reply.status for reply in replies) == [200, 403, 403, 403, 403, 403]
    (winner,) = [offer for offer, reply in zip(offers, replies, strict=True) if reply.status == 200]
    assert digest_of(net.pulled().data) == winner[0]


def test_a_request_that_is_too_large_is_not_read(place):
    try:
        assert ask("POST", f"{place.url}/promote", headers=basic("ci"), body=b"x" * (17 << 20)).status == 413
    except urllib.error.URLError as error:
        assert isinstance(error.reason, ConnectionError)  # noqa: PT017 - the server hangs up before all is sent
    assert ask("GET", f"{place.url}/token?scope=" + "a" * 20_000).status in (413, 431)
    many = "&".join(f"scope=repository:a{n}:pull" for n in range(50))
    assert ask("GET", f"{place.url}/token?{many}").status == 400


# Pulls


def test_nothing_is_pulled_from_where_nothing_was_promoted(place):
    assert place.access("viewer", "repository:prod/nothing:pull") == []


def test_a_tag_that_was_overwritten_in_the_storage_is_not_pulled(net, place):
    evil = net.push(EVIL)
    folder = place.registry.folder / "storage/docker/registry/v2/repositories" / net.prod / "_manifests"
    shutil.copytree(
        folder.parents[1].parent / net.staging / "_manifests/revisions/sha256" / evil[7:],
        folder / "revisions/sha256" / evil[7:],
    )
    link = folder / "tags/production/current/link"
    kept = link.read_text()
    link.write_text(evil)
    assert place.access("viewer", f"repository:{net.prod}:pull") == []
    (folder / "tags/other").mkdir()
    shutil.copytree(folder / "tags/production/current", folder / "tags/other/current")
    link.write_text(kept)
    assert place.access("viewer", f"repository:{net.prod}:pull") == []
    shutil.rmtree(folder / "tags/other")
    net.require_unmoved()


def test_a_tag_that_was_put_back_to_an_older_version_is_corrected(alone, net, place):
    second = net.push(GOOD | {"second": b"2"})
    assert net.promote(second, net.summary(GOOD | {"second": b"2"}, second)).status == 200
    folder = place.registry.folder / "storage/docker/registry/v2/repositories" / net.prod / "_manifests"
    (folder / "tags/production/current/link").write_text(net.manifest)
    assert digest_of(net.pulled().data) == second


def test_a_manifest_that_was_changed_in_the_storage_is_not_pulled(net, place):
    stored = place.registry.blob(net.manifest)
    kept = stored.read_bytes()
    stored.write_bytes(kept.replace(b"model.safetensors", b"model.pickle.....")[: len(kept)])
    assert place.access("viewer", f"repository:{net.prod}:pull") == []
    stored.write_bytes(kept)
    net.require_unmoved()


def test_what_is_in_quarantine_is_not_pulled_and_not_promoted(net, place):
    place.deny(digest_of(net.name.encode()))
    assert place.access("viewer", f"repository:{net.prod}:pull") == []
    manifest = net.push(net.good, annotations={"a": "b"})
    reply = net.promote(manifest, net.summary(net.good, manifest))
    assert (reply.status, b"quarantine" in reply.data) == (403, True)
    place.release()
    net.require_unmoved()


def test_an_older_version_that_went_into_quarantine_is_removed_before_anything_is_pulled(alone, net, place):
    second = net.push(GOOD | {"second": b"3"})
    assert net.promote(second, net.summary(GOOD | {"second": b"3"}, second)).status == 200
    before = place.token("viewer", f"repository:{net.prod}:pull")
    beside = digest_of(GOOD["model.safetensors"])
    blob = digest_of(net.name.encode())
    assert place.v2("GET", f"{net.prod}/blobs/{blob}", before).status == 200
    place.deny(blob)
    assert digest_of(net.pulled().data) == second
    for path in (f"manifests/{net.manifest}", f"blobs/{blob}"):
        assert place.v2("GET", f"{net.prod}/{path}", before).status == 404
    assert place.v2("GET", f"{net.prod}/blobs/{beside}", before).status == 200  # in force, too
    place.release()
    back = net.summary(net.good, net.manifest, previous=place.promotions(net.name)[0]["digest"])
    assert net.promote(net.manifest, back).status == 200
    assert digest_of(net.pulled().data) == net.manifest


def test_a_model_or_a_verifier_in_quarantine_is_not_pulled(net, place):
    for words in ({"models": (f"oci:{place.host}/{net.staging}",)}, {"models": (f"{place.host}/{net.prod}",)}):
        place.deny(**words)
        assert place.access("viewer", f"repository:{net.prod}:pull") == []
        place.release()
    place.deny(signers=("gate",))
    assert place.access("viewer", f"repository:{net.prod}:pull") == []
    place.release()
    net.require_unmoved()


def test_a_list_of_quarantine_that_somebody_took_away_or_forged_lets_nobody_pull(net, place):
    path = place.folder / "denied.json"
    kept = path.read_bytes()
    for data in (None, b"{}", kept[:-9]):
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)
        assert place.access("viewer", f"repository:{net.prod}:pull") == []
    path.write_bytes(kept)
    net.require_unmoved()


def test_a_login_that_docker_kept_ends_with_the_password(tmp_path):
    with issuing(tmp_path, served=False) as place:
        with serving(place):
            url = f"{place.url}/token?offline_token=true&service=tests"
            kept = ask("GET", url, headers=basic("dev")).json["refresh_token"]
            assert ask("GET", url, headers=basic("<token>", kept)).status == 200
        text = place.config.read_text()
        first, second = [line for line in text.splitlines() if line.startswith("password = ")][:2]
        place.config.write_text(text.replace(first, second))
        with serving(place):
            assert ask("GET", url, headers=basic("<token>", kept)).status == 401


def test_a_database_that_was_put_back_admits_nothing(tmp_path):
    with issuing(tmp_path) as place:
        first, digest = place.promoted(GOOD)
        state = tmp_path / "oci-tokens.db"
        with closing(sqlite3.connect(state)) as database, closing(sqlite3.connect(tmp_path / "old.db")) as old:
            database.backup(old)
        evil = place.push("staging/net", EVIL, tag="evil")
        withdrawn = place.summary(EVIL, evil, previous=digest)
        assert place.promote(evil, withdrawn).status == 200
        back = place.summary(GOOD, first, previous=digest_of(withdrawn))
        assert place.promote(first, back).status == 200
        with closing(sqlite3.connect(state)) as database, closing(sqlite3.connect(tmp_path / "old.db")) as old:
            old.backup(database)
        assert place.access("viewer", "repository:prod/net:pull") == []
        reply = place.promote(evil, withdrawn)
        assert (reply.status, b"was not promoted" in reply.data) == (403, True)


def test_where_the_registry_deletes_nothing_nothing_is_pulled_while_something_in_quarantine_is_there(tmp_path):
    options = {"storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry/storage")}}}
    with issuing(tmp_path, options=options) as place:
        _, digest = place.promoted({"bad": b"bad"})
        manifest = place.push("staging/net", GOOD, tag="v2")
        assert place.promote(manifest, place.summary(GOOD, manifest, previous=digest)).status == 200
        place.deny(digest_of(b"bad"))
        assert place.access("viewer", "repository:prod/net:pull") == []
        place.release()
        assert place.tag().status == 200


def test_a_registry_whose_issuer_is_down_lets_nobody_in(tmp_path):
    with issuing(tmp_path, served=False) as place:
        with serving(place):
            place.promoted(GOOD)
        reply = ask("GET", f"{place.registry.url}/v2/prod/net/manifests/production")
        assert (reply.status, "realm" in reply.headers["www-authenticate"]) == (401, True)
        with pytest.raises(OSError, match="refused"):
            place.token("viewer", "repository:prod/net:pull")
