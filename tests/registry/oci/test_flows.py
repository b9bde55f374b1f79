"""Legitimate flows through a real registry and its issuer, with unmodified clients."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.parse
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from tests.issuer import ask, basic, claims_of, environ_of, header_of, issuing, serving
from weighlock._cli import commands
from weighlock.errors import SourceError
from weighlock.formats.oci_manifest import digest_of
from weighlock.gates.ledger import Query, absorb_spools, open_ledger, search
from weighlock.registry.oci.gate import OciGate
from weighlock.signing.bundle import MEDIA_TYPE
from weighlock.sources.oci.referrers import attachments
from weighlock.sources.oci.registry import Registry

FILES = {"model.safetensors": b"weights 1", "config.json": b"{}"}


@pytest.fixture
def promoted(place, name):
    manifest, digest = place.promoted(FILES | {"name": name.encode()}, name=name)
    return manifest, digest


def test_dev_pushes_ci_promotes_and_viewer_pulls_and_a_rollback_is_a_new_summary(place, name):
    prod = f"prod/{name}"
    manifest, first = place.promoted(FILES, name=name)
    found = place.tag(prod)
    assert (found.status, found.headers["docker-content-digest"]) == (200, manifest)
    second, digest = place.promoted({**FILES, "model.safetensors": b"weights 2"}, previous=first, tag="v2", name=name)
    assert digest_of(place.tag(prod).data) == second
    bundle = place.summary(FILES, manifest, previous=digest, repository=prod)
    assert place.promote(manifest, bundle, repository=prod).status == 200
    assert digest_of(place.tag(prod).data) == manifest
    query = f"model={place.host}/staging/{name}&stage=Production"
    said = ask("GET", f"{place.url}/promotions?{query}", headers=basic("viewer")).json
    assert [one["manifest"] for one in said["history"]] == [manifest, second, manifest]
    assert said["repository"] == f"{place.host}/{prod}"
    assert ask("GET", f"{place.url}/promotions?{query}", headers=basic("dev")).status == 403


def test_the_same_promotion_twice_is_one(place, name):
    prod, manifest = f"prod/{name}", place.push(f"staging/{name}", FILES)
    bundle = place.summary(FILES, manifest, repository=prod)
    assert [place.promote(manifest, bundle, repository=prod).status for _ in range(2)] == [200, 200]
    query = f"model=staging/{name}&stage=production"
    said = ask("GET", f"{place.url}/promotions?{query}", headers=basic("ci")).json
    assert len(said["history"]) == 1


def test_a_rollback_needs_no_copy_in_staging(place, name):
    manifest, first = place.promoted(FILES, name=name)
    second, digest = place.promoted(FILES | {"b": b"2"}, previous=first, tag="v2", name=name)
    token = place.token("boss", f"repository:staging/{name}:delete")
    assert place.v2("DELETE", f"staging/{name}/manifests/{manifest}", token).status == 202
    bundle = place.summary(FILES, manifest, previous=digest, repository=f"prod/{name}")
    assert place.promote(manifest, bundle, repository=f"prod/{name}").status == 200
    assert digest_of(place.tag(f"prod/{name}").data) == manifest != second


def test_the_summary_is_attached_for_clients(place, name, promoted, tmp_path):
    registry = Registry(environ=place.logins(tmp_path, "viewer"))
    repository = f"{place.host}/prod/{name}"
    (bundle,) = attachments(registry, repository, promoted[0], MEDIA_TYPE, 1 << 20)
    assert digest_of(bundle) == promoted[1]


def test_oras_pushes_to_staging_and_pulls_from_production(place, name, tmp_path, monkeypatch):
    oras = pytest.importorskip("oras.client")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"by oras")
    client = oras.OrasClient(insecure=True)
    # It uses its first token for everything, and what it asks for first is a pull.
    client.auth.set_token_auth(place.token("dev", f"repository:staging/{name}:pull,push"))
    client.push(target=f"{place.host}/staging/{name}:v1", files=["model.bin"])
    token = place.token("dev", f"repository:staging/{name}:pull")
    manifest = digest_of(place.v2("GET", f"staging/{name}/manifests/v1", token).data)
    bundle = place.summary({"model.bin": b"by oras"}, manifest, repository=f"prod/{name}")
    assert place.promote(manifest, bundle, repository=f"prod/{name}").status == 200
    config = place.logins(tmp_path / "viewer", "viewer")["REGISTRY_AUTH_FILE"]
    where, out = f"{place.host}/prod/{name}:production", tmp_path / "out"
    oras.OrasClient(insecure=True).pull(target=where, outdir=str(out), config_path=config)
    assert (out / "model.bin").read_bytes() == b"by oras"
    client.auth.set_token_auth(place.token("dev", f"repository:prod/{name}:pull,push"))
    with pytest.raises(ValueError, match="authentication required"):
        client.push(target=where, files=["model.bin"])


def test_skopeo_copies_to_staging_and_from_production_and_not_into_it(place, name, promoted, tmp_path):
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        pytest.skip("skopeo is not installed")

    def run(user, *words):
        environ = {**os.environ, **place.logins(tmp_path / user, user)}
        command = [skopeo, *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    prod = f"docker://{place.host}/prod/{name}:production"
    down = run("viewer", "copy", "--src-tls-verify=false", prod, f"dir:{tmp_path}/model")
    assert down.returncode == 0, down.stderr
    assert digest_of((tmp_path / "model" / "manifest.json").read_bytes()) == promoted[0]
    up = f"docker://{place.host}/staging/{name}:v7"
    assert run("dev", "copy", "--dest-tls-verify=false", f"dir:{tmp_path}/model", up).returncode == 0
    for user in ("dev", "ci", "viewer", "boss"):
        refused = run(user, "copy", "--dest-tls-verify=false", f"dir:{tmp_path}/model", prod)
        assert refused.returncode != 0, user
    assert run("viewer", "delete", "--tls-verify=false", prod).returncode != 0
    assert run("dev", "inspect", "--tls-verify=false", prod).returncode != 0


def test_weighlock_locks_and_syncs_from_production_and_refuses_what_was_changed_in_the_storage(
    place, name, tmp_path, monkeypatch
):
    place.promoted({"data.bin": b"as promoted"}, name=name)
    monkeypatch.chdir(tmp_path)
    for key, value in {**environ_of(tmp_path), **place.logins(tmp_path / "docker", "viewer")}.items():
        monkeypatch.setenv(key, value)
    locked = CliRunner().invoke(commands, ["lock", f"oci:{place.host}/prod/{name}:production"])
    assert locked.exit_code == 0, locked.output
    stored = place.registry.blob(digest_of(b"as promoted"))
    stored.write_bytes(b"as attacked")
    assert place.tag(f"prod/{name}").status == 200  # a registry compares nothing, and neither does a token
    monkeypatch.setenv("WEIGHLOCK_CACHE", str(tmp_path / "another machine"))
    assert "sha256" in str(CliRunner().invoke(commands, ["sync"]).exception)
    stored.write_bytes(b"as promoted")
    assert CliRunner().invoke(commands, ["sync"]).exit_code == 0


def test_docker_s_login_leaves_a_token_that_stands_for_the_password(place, name, promoted):
    form = {"grant_type": "password", "service": "tests", "client_id": "docker", "access_type": "offline"}
    login = {**form, "username": "viewer", "password": "of viewer"}
    said = ask("POST", f"{place.url}/token", body=urllib.parse.urlencode(login).encode()).json
    assert claims_of(said["access_token"])["access"] == []
    again = {
        "grant_type": "refresh_token",
        "service": "tests",
        "client_id": "docker",
        "refresh_token": said["refresh_token"],
        "scope": f"repository:prod/{name}:pull repository:staging/{name}:push",
    }
    token = ask("POST", f"{place.url}/token", body=urllib.parse.urlencode(again).encode()).json["access_token"]
    assert place.v2("GET", f"prod/{name}/manifests/production", token).status == 200
    assert [one["name"] for one in claims_of(token)["access"]] == [f"prod/{name}"]


def test_everybody_pulls_what_is_open_to_everybody(place):
    place.push("public/demo/net", FILES)
    token = place.token(None, "repository:public/demo/net:pull,push", "repository:dev/secret:pull")
    assert claims_of(token)["access"] == [{"type": "repository", "name": "public/demo/net", "actions": ["pull"]}]
    assert place.v2("GET", "public/demo/net/manifests/v1", token).status == 200


def test_a_token_says_who_for_whom_and_how_long(place):
    token = place.token("dev", "repository:dev/a:pull,push")
    said = claims_of(token)
    assert (said["iss"], said["aud"], said["sub"]) == ("weighlock-tests", "tests", "dev")
    assert said["nbf"] < said["iat"] < said["exp"] == said["iat"] + 60
    assert set(header_of(token)) == {"alg", "typ", "x5c"}


def test_a_role_is_enough_where_the_stage_names_no_actors_and_else_it_is_not(tmp_path):
    with issuing(tmp_path, served=False) as place:
        text = (tmp_path / "weighlock.toml").read_text()
        stages = '[[promotion.stages]]\nname = "production"\nactors = ["somebody"]\n'
        (tmp_path / "weighlock.toml").write_text(text + stages)
        with serving(place):
            manifest = place.push("staging/net", FILES)
            reply = place.promote(manifest, place.summary(FILES, manifest))
    assert (reply.status, b"may not promote" in reply.data) == (403, True)


def test_every_grant_and_every_refusal_is_in_the_ledger(place, name, promoted):
    place.tag(f"prod/{name}")
    place.access("dev", f"repository:prod/{name}:push")
    place.promote(promoted[0], b"{}", repository=f"prod/{name}")
    ask("GET", f"{place.url}/token", headers=basic("dev", "guess"))
    ledger = open_ledger(environ_of(place.folder), None)
    absorb_spools(ledger, datetime.now(UTC))
    found = [one.entry for one in search(ledger, Query(gate="oci")) if one.entry is not None]
    about = [one for one in found if name in one.subject]
    pulls = [one for one in about if one.actor == "oci:viewer@127.0.0.1" and one.verdict == "ALLOW"]
    assert (str(pulls[-1].digest), pulls[-1].evidence[0]) == (promoted[0], promoted[0])
    assert [one.verdict for one in about if one.actor == "oci:dev@127.0.0.1"][-1] == "DENY"
    moves = [(one.verdict, one.subject) for one in about if one.kind == "promotion"]
    uri = f"oci:{place.host.replace(':', '%3A')}/staging/{name}#production"
    assert moves == [("ALLOW", uri), ("DENY", uri)]
    assert [one for one in found if one.rules == ("notloggedin",)]


def test_as_a_person_types_it(tmp_path):
    with issuing(tmp_path, served=False) as place:
        environ = {**os.environ, **environ_of(tmp_path)}
        words = [sys.executable, "-m", "weighlock", "registry"]
        config = ["--config", str(place.config)]

        def run(*more, stdin=None):
            return subprocess.run(
                [*words, *more], env=environ, input=stdin, capture_output=True, text=True, check=False
            )

        checked = run("check-config", *config)
        assert (checked.returncode, "prod/* (gated: production, from staging/*)" in checked.stdout) == (0, True), (
            checked
        )
        assert json.dumps(f"{place.url}/token") in run("config", *config).stdout
        assert run("config", *config, "--bundle").stdout == (tmp_path / "roots.pem").read_text()
        assert run("hash-password", stdin="secret\n").stdout.startswith("scrypt:15:8:1:")
        assert run("hash-password", stdin="\n").returncode == 2
        assert run("new-key", str(tmp_path / "issuer.pem")).returncode == 2
        server = subprocess.Popen([*words, "serve", *config], env=environ, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            assert "tokens for tests" in server.stderr.readline()
            place.promoted(FILES)
            assert place.tag().status == 200
            assert run("serve", *config).returncode == 2  # the port is taken
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=20)
        assert server.returncode == 0


def test_a_key_that_others_may_read_is_not_used(tmp_path):
    with issuing(tmp_path, served=False) as place:
        (tmp_path / "issuer.pem").chmod(0o640)
        done = CliRunner().invoke(commands, ["registry", "check-config", "--config", str(place.config)])
    assert "others may read this key" in str(done.exception)


def test_a_promotion_that_was_interrupted_is_finished_by_the_next_pull(place, name, monkeypatch):
    prod, manifest = f"prod/{name}", place.push(f"staging/{name}", FILES)

    def broken(*_words):
        raise SourceError("the cable was pulled")

    with monkeypatch.context() as patch:
        patch.setattr(OciGate, "_put", broken)
        assert place.promote(manifest, place.summary(FILES, manifest, repository=prod), repository=prod).status == 503
        assert place.access("viewer", f"repository:{prod}:pull") == []
    assert digest_of(place.tag(prod).data) == manifest
