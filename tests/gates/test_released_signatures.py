"""Models that past releases of `model_signing` signed verify, offline, and say no more than they did then."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from weighlock.errors import ForgedError
from weighlock.gates.model_signature import verify_model
from weighlock.signing.public_key import read_public_key
from weighlock.signing.trust import Trust, TrustedIdentity, TrustedKey

RECORDED = Path(__file__).parents[1] / "signing" / "recorded" / "models"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
IDENTITY, ISSUER = "stefanb@us.ibm.com", "https://sigstore.verify.ibm.com/oauth2"
FILES = {
    "v1.0.1-elliptic-key": {"signme-1": b"signme-1\n", "signme-2": b"signme-2"},
    "v1.1.0-elliptic-key": {"signme-1": b"signme-1\n", "signme-2": b"signme-2"},
    "v1.0.0-sigstore": {"signme-1": b"signme-1", "signme-2": b"signme-2"},
    "v1.1.0-sigstore": {"signme-1": b"signme-1", "signme-2": b"signme-2"},
}


def trust(release, **other):
    if release.endswith("-key"):
        key = read_public_key((RECORDED / "p384.pub").read_bytes(), where="p384.pub")
        return Trust(signers=(TrustedKey(name="key", key=key),))
    pytest.importorskip("sigstore")
    who = {"identity": IDENTITY, "issuer": ISSUER, **other}
    return Trust(signers=(TrustedIdentity(name="identity", **who),))


@pytest.fixture(params=FILES)
def release(request):
    return request.param


@pytest.fixture
def folder(tmp_path, release):
    for name, data in FILES[release].items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def verify(release, folder, **other):
    return verify_model([RECORDED / f"{release}.sig"], folder, trust(release, **other), now=NOW)


def test_what_was_signed_is_what_is_there(release, folder):
    verified = verify(release, folder)
    assert verified.report.exit_code == 0
    assert len(verified.report.files) == len(FILES[release])
    assert verified.manifest.name == release


def test_a_changed_file(release, folder):
    (folder / "signme-1").write_bytes(b"signme-2")
    assert verify(release, folder).report.exit_code == 1


def test_a_file_that_the_signature_says_to_ignore(release, folder):
    """Some of the signers left out ``ignore-me``, and stock `model_signing` lets it be anything."""
    (folder / "ignore-me").write_bytes(b"\x80\x04N.")
    verified = verify(release, folder)
    assert verified.report.exit_code == 1
    assert [file.status for file in verified.report.files if file.path.endswith("ignore-me")] == ["extra"]


def test_one_changed_byte_of_what_was_signed(release, folder, tmp_path):
    document = json.loads((RECORDED / f"{release}.sig").read_bytes())
    payload = document["dsseEnvelope"]["payload"]
    document["dsseEnvelope"]["payload"] = payload[:40] + ("A" if payload[40] != "A" else "B") + payload[41:]
    place = tmp_path / "changed.sig"
    place.write_text(json.dumps(document))
    with pytest.raises(ForgedError):
        verify_model([place], folder, trust(release), now=NOW)


@pytest.mark.parametrize("other", [{"identity": "somebody@example.org"}, {"issuer": "https://example.org"}])
def test_another_identity(folder, release, other):
    if release.endswith("-sigstore"):
        with pytest.raises(ForgedError):
            verify(release, folder, **other)
