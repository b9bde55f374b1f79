"""Real bundles of Sigstore, verified without a network, and what is made of them by changing a part."""

from __future__ import annotations

import base64
import json
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.signing.conftest import NOW, b64, changed
from weighlock.errors import ForgedError, UnsupportedError, UsageError, WeighlockError
from weighlock.signing import keyless_signer
from weighlock.signing.keyless import aged
from weighlock.signing.trust import TrustedIdentity
from weighlock.signing.verification import verify_bundle

RECORDED = Path(__file__).parent / "recorded"
PRODUCTION = (RECORDED / "sigstore-dsse.json").read_bytes()
STAGING = (RECORDED / "sigstore-dsse-rekor2-staging.json").read_bytes()
BEACON = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/"
    ".github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
ISSUER = "https://token.actions.githubusercontent.com"
SIGNED = "a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError("there is no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def beacon(**changes):
    return TrustedIdentity(**{"name": "beacon", "identity": BEACON, "issuer": ISSUER, **changes})


@pytest.mark.parametrize(("data", "staging"), [(PRODUCTION, False), (STAGING, True)])
def test_a_real_bundle_verifies_without_a_network(data, staging):
    verified = verify_bundle(data, [beacon(staging=staging)], now=NOW)
    assert (verified.signer, verified.identity) == ("beacon", BEACON)
    assert verified.statement.sha256s() == {SIGNED}


@pytest.mark.parametrize(
    "wanted",
    [
        beacon(identity=BEACON.removesuffix("main")),
        beacon(identity=f"{BEACON}-2"),
        beacon(identity=BEACON.upper()),
        beacon(identity="https://github.com/"),
        beacon(identity=".*"),
        beacon(identity="*"),
        beacon(issuer="https://accounts.google.com"),
        beacon(issuer=f"{ISSUER}/"),
        beacon(staging=True),
    ],
)
def test_another_identity_issuer_or_instance_is_not_the_pinned_one(wanted):
    with pytest.raises(ForgedError):
        verify_bundle(PRODUCTION, [wanted], now=NOW)


def _entry(document):
    return document["verificationMaterial"]["tlogEntries"][0]


def _flip(document):
    payload = bytearray(base64.b64decode(document["dsseEnvelope"]["payload"]))
    payload[200] ^= 1
    document["dsseEnvelope"]["payload"] = b64(payload)


def _swap_certificate(document):
    other = json.loads(STAGING)["verificationMaterial"]["certificate"]
    document["verificationMaterial"]["certificate"] = other


def _wrong_root(document):
    _entry(document)["inclusionProof"]["rootHash"] = b64(b"\0" * 32)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_flip, id="a changed byte of the payload"),
        pytest.param(_swap_certificate, id="a swapped certificate"),
        pytest.param(lambda it: _entry(it).pop("inclusionProof"), id="no inclusion proof"),
        pytest.param(lambda it: _entry(it)["inclusionProof"].pop("checkpoint"), id="no checkpoint"),
        pytest.param(lambda it: _entry(it)["inclusionProof"]["hashes"].pop(), id="a shorter proof"),
        pytest.param(_wrong_root, id="another root"),
        pytest.param(lambda it: _entry(it).pop("inclusionPromise"), id="no signed time"),
        pytest.param(lambda it: _entry(it).update(integratedTime="1893456000"), id="another time"),
        pytest.param(lambda it: _entry(it).update(logIndex="-1"), id="a negative index"),
        pytest.param(lambda it: it["verificationMaterial"].update(tlogEntries=[]), id="no log entry"),
        pytest.param(lambda it: it["verificationMaterial"].pop("tlogEntries"), id="no log entries"),
        pytest.param(
            lambda it: it["verificationMaterial"]["tlogEntries"].append(_entry(json.loads(STAGING))),
            id="a second log entry",
        ),
        pytest.param(
            lambda it: it["verificationMaterial"].update(tlogEntries=[_entry(json.loads(STAGING))]),
            id="the log entry of another signature",
        ),
        pytest.param(
            lambda it: it["verificationMaterial"].update(certificate={"rawBytes": b64(b"0\x03\x02\x01\x01")}),
            id="no certificate at all",
        ),
    ],
)
def test_a_real_bundle_with_one_part_changed_is_refused(change):
    with pytest.raises((ForgedError, UnsupportedError)):
        verify_bundle(changed(PRODUCTION, change), [beacon()], now=NOW)


def test_a_rekor_v2_bundle_without_its_timestamp_is_refused():
    without = changed(STAGING, lambda it: it["verificationMaterial"].pop("timestampVerificationData"))
    with pytest.raises(ForgedError):
        verify_bundle(without, [beacon(staging=True)], now=NOW)


def test_keys_of_sigstore_that_cannot_be_read_are_no_reason_to_believe():
    with pytest.raises(WeighlockError, match="cannot be read"):
        verify_bundle(PRODUCTION, [beacon(trusted_root=b"{}")], now=NOW)


def test_old_keys_are_said_to_be_old():
    assert aged(beacon(), datetime(2026, 11, 1, tzinfo=UTC)) is None
    assert "to be renewed by" in aged(beacon(), datetime(2099, 1, 1, tzinfo=UTC))
    assert aged(beacon(trusted_root=b"{}"), datetime(2099, 1, 1, tzinfo=UTC)) is None


def test_nothing_is_signed_over_sigstore_offline():
    with pytest.raises(UsageError, match="without asking Sigstore"):
        keyless_signer.open_identity({}, staging=True, offline=True, interactive=False)


def test_without_an_identity_nothing_is_asked(monkeypatch):
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "BUILDKITE", "GOOGLE_SERVICE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="no identity to sign with"):
        keyless_signer.open_identity({}, staging=True, offline=False, interactive=False)


@pytest.mark.parametrize("token", ["x", "a.b.c", "e30.e30.e30"])
def test_a_token_that_is_none_is_refused_before_anything_is_asked(token):
    with pytest.raises(UsageError, match="not accepted"):
        keyless_signer.open_identity({keyless_signer.TOKEN: token}, staging=True, offline=False, interactive=False)


def _token():
    now = int(time.time())
    claims = {"aud": "sigstore", "sub": "s", "email": "a@example.org", "iss": "https://oauth2.sigstage.dev/auth"}
    claims |= {"iat": now, "nbf": now, "exp": now + 600, "email_verified": True}
    parts = ({"alg": "none"}, claims)
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{text}.c2ln"


def test_with_an_identity_and_no_network_nothing_is_signed(tmp_path, monkeypatch, statement):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    signer = keyless_signer.open_identity(
        {keyless_signer.TOKEN: _token()}, staging=True, offline=False, interactive=False
    )
    assert signer.who == "a@example.org (https://oauth2.sigstage.dev/auth)"
    with pytest.raises(WeighlockError, match="Sigstore did not sign"):
        signer.sign(statement.to_bytes())


def test_the_signing_context_of_the_library_is_made_from_what_came_with_it(tmp_path, monkeypatch):
    from sigstore.sign import SigningContext

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for staging in (True, False):
        config = keyless_signer.trust_config(staging=staging, offline=True)
        assert SigningContext.from_trust_config(config)
