"""Bundles are read in one way or not at all."""

from __future__ import annotations

import base64
import json

import pytest

from tests.signing.conftest import b64, changed
from weighlock.errors import ForgedError, UnsupportedError
from weighlock.signing import bundle as bundles
from weighlock.signing.bundle import CertificateMaterial, read_bundle
from weighlock.signing.dsse import pae


def test_the_bytes_that_are_signed_are_those_of_the_specification():
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_are_of_bytes_so_that_a_type_of_other_letters_takes_nothing_from_the_payload():
    assert pae("tüp", b"x").startswith(b"DSSEv1 4 t")


def test_a_bundle_is_written_as_it_is_read(bundle):
    assert read_bundle(bundle).to_bytes() == bundle


def test_sigstore_reads_what_is_written(bundle):
    from sigstore_models.bundle.v1 import Bundle

    assert Bundle.from_json(bundle).media_type == bundles.MEDIA_TYPE


def _duplicate_key(data):
    return data.replace(b'{"dsseEnvelope":', b'{"mediaType":"x","dsseEnvelope":', 1)


def _two_signatures(data):
    return changed(data, lambda it: it["dsseEnvelope"]["signatures"].append(it["dsseEnvelope"]["signatures"][0]))


def _set(*path):
    *keys, last, value = path

    def change(document):
        for key in keys:
            document = document[key]
        document[last] = value

    return lambda data: changed(data, change)


def _respell(alphabet):
    def change(document):
        signature = document["dsseEnvelope"]["signatures"][0]
        signature["sig"] = alphabet(signature["sig"])

    return lambda data: changed(data, change)


def _loose_bits(data):
    """Spell the payload's last letter in another way that decodes to the same bytes."""
    document = json.loads(data)
    envelope = document["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    while len(payload) % 3 != 1:
        payload += b" "
    text = b64(payload)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    envelope["payload"] = text[:-3] + letters[letters.index(text[-3]) + 1] + "=="
    assert base64.b64decode(envelope["payload"]) == payload
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(_duplicate_key, id="a key twice"),
        pytest.param(lambda data: data + b"{}", id="trailing data"),
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="a byte order mark"),
        pytest.param(lambda data: data.replace(b'"keyid":"', b'"keyid":"\xff', 1), id="not UTF-8"),
        pytest.param(lambda data: data.replace(b'"keyid":"', b'"keyid":"\\ud800', 1), id="half a surrogate pair"),
        pytest.param(lambda data: b"[" * 100_000, id="deep"),
        pytest.param(lambda data: b"[" + data + b"]", id="not an object"),
        pytest.param(lambda data: data + b" " * bundles.LARGEST, id="huge"),
        pytest.param(
            lambda data: data.replace(b'"tlogEntries":[]', b'"tlogEntries":[' + b"[]," * 30_000 + b"[]]"),
            id="small and large in memory",
        ),
        pytest.param(_two_signatures, id="a second signature"),
        pytest.param(_set("dsseEnvelope", "signatures", []), id="no signature"),
        pytest.param(_set("dsseEnvelope", "signatures", {}), id="signatures are an object"),
        pytest.param(_set("dsseEnvelope", "signatures", 0, "sig", ""), id="an empty signature"),
        pytest.param(_set("dsseEnvelope", "signatures", 0, "extra", 1), id="an unknown member of a signature"),
        pytest.param(_set("dsseEnvelope", "payload", ""), id="an empty payload"),
        pytest.param(_set("dsseEnvelope", "payload", 7), id="a payload that is a number"),
        pytest.param(_set("extra", 1), id="an unknown member"),
        pytest.param(_set("verificationMaterial", "extra", 1), id="unknown material"),
        pytest.param(_set("verificationMaterial", {"tlogEntries": []}), id="no material"),
        pytest.param(_set("verificationMaterial", "certificate", {"rawBytes": "AAAA"}), id="a key and a certificate"),
        pytest.param(_set("verificationMaterial", "tlogEntries", "x"), id="log entries are a text"),
        pytest.param(_set("verificationMaterial", {"x509CertificateChain": {"certificates": []}}), id="an empty chain"),
        pytest.param(
            _set("verificationMaterial", {"x509CertificateChain": {"certificates": [{"rawBytes": "AAAA"}] * 11}}),
            id="a chain without end",
        ),
        pytest.param(_respell(lambda text: text.replace("=", "") + "=" * 4), id="base64 with more padding"),
        pytest.param(_respell(lambda text: "-" + text[1:]), id="base64url"),
        pytest.param(_respell(lambda text: text[:8] + "\n" + text[8:]), id="base64 with a line break"),
        pytest.param(_loose_bits, id="base64 with loose bits"),
    ],
)
def test_a_bundle_that_could_be_read_otherwise_is_refused(attack, bundle):
    with pytest.raises(ForgedError):
        read_bundle(attack(bundle))


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(_set("mediaType", "application/vnd.dev.sigstore.bundle.v0.4+json"), id="a newer version"),
        pytest.param(_set("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.1"), id="an older version"),
        pytest.param(_set("mediaType", ["application/vnd.dev.sigstore.bundle.v0.3+json"]), id="a list of versions"),
        pytest.param(lambda data: changed(data, lambda it: it.pop("mediaType")), id="no version"),
        pytest.param(_set("dsseEnvelope", "payloadType", "text/plain"), id="another payload type"),
        pytest.param(_set("messageSignature", {}), id="a signature of bare bytes"),
    ],
)
def test_a_bundle_of_another_kind_is_not_guessed_at(attack, bundle):
    with pytest.raises(UnsupportedError):
        read_bundle(attack(bundle))


def test_a_chain_is_written_as_one(bundle):
    from dataclasses import replace

    chain = replace(read_bundle(bundle), material=CertificateMaterial(certificates=(b"leaf", b"between")))
    assert read_bundle(chain.to_bytes()).material == CertificateMaterial(
        certificates=(b"leaf", b"between"), as_chain=True
    )
