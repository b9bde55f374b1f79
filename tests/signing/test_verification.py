"""Whose signature it is, and how many different signers there are."""

from __future__ import annotations

import json
import sys

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.signing.conftest import NOW, b64, changed
from weighlock.errors import ForgedError, PolicyError, UnsupportedError, WeighlockError
from weighlock.signing.bundle import Bundle, KeyMaterial, read_bundle
from weighlock.signing.dsse import Envelope, pae
from weighlock.signing.key import private_pem, read_key
from weighlock.signing.public_key import ED25519, P256, PublicKey, read_public_key
from weighlock.signing.statement import Statement, Subject
from weighlock.signing.trust import Trust, TrustedCertificate, TrustedIdentity, TrustedKey
from weighlock.signing.verification import tally, verify_bundle

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _trusted(key, name="alice"):
    return TrustedKey(name=name, key=key.public)


def _ed25519(statement):
    private = ed25519.Ed25519PrivateKey.generate()
    key = PublicKey(private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    payload = statement.to_bytes()
    envelope = Envelope(payload=payload, signature=private.sign(pae("application/vnd.in-toto+json", payload)))
    return key, Bundle(envelope=envelope, material=KeyMaterial(hint=key.hint)).to_bytes()


def _anything(_statement):
    pass


def test_a_bundle_of_a_pinned_key_verifies(alice, bundle, statement):
    verified = verify_bundle(bundle, [_trusted(alice)], now=NOW)
    assert (verified.signer, verified.statement) == ("alice", statement)
    assert verified.identity == f"key {alice.public.digest}"


def test_a_bundle_of_a_pinned_ed25519_key_verifies(statement):
    key, data = _ed25519(statement)
    assert key.kind == ED25519
    assert verify_bundle(data, [TrustedKey(name="ed", key=key)], now=NOW).statement == statement


def test_the_hint_of_a_trusted_key_makes_no_signature_of_it(alice, bob, statement):
    forged = bob.sign(statement.to_bytes()).to_bytes()

    def disguise(document):
        document["verificationMaterial"]["publicKey"]["hint"] = alice.public.hint
        document["dsseEnvelope"]["signatures"][0]["keyid"] = alice.public.hint

    with pytest.raises(ForgedError):
        verify_bundle(changed(forged, disguise), [_trusted(alice)], now=NOW)


def test_a_wrong_hint_takes_nothing_from_a_good_signature(alice, bundle):
    def disguise(document):
        document["verificationMaterial"]["publicKey"]["hint"] = "../../etc/passwd"
        document["dsseEnvelope"]["signatures"][0]["keyid"] = "\x1b[2J"

    assert verify_bundle(changed(bundle, disguise), [_trusted(alice)], now=NOW).signer == "alice"


@pytest.mark.parametrize("place", range(0, 200, 11))
def test_one_changed_byte_of_the_payload_is_found(alice, bundle, place):
    def flip(document):
        payload = bytearray(read_bundle(bundle).envelope.payload)
        payload[place] ^= 1
        document["dsseEnvelope"]["payload"] = b64(payload)

    with pytest.raises(ForgedError):
        verify_bundle(changed(bundle, flip), [_trusted(alice)], now=NOW)


def test_a_signature_over_another_type_is_none(alice, statement):
    payload = statement.to_bytes()
    signature = alice.raw_signature(pae("application/json", payload))
    data = Bundle(envelope=Envelope(payload=payload, signature=signature), material=KeyMaterial()).to_bytes()
    with pytest.raises(ForgedError):
        verify_bundle(data, [_trusted(alice)], now=NOW)


def test_a_signature_over_the_bare_payload_is_none(alice, statement):
    payload = statement.to_bytes()
    envelope = Envelope(payload=payload, signature=alice.raw_signature(payload))
    with pytest.raises(ForgedError):
        verify_bundle(Bundle(envelope=envelope, material=KeyMaterial()).to_bytes(), [_trusted(alice)], now=NOW)


def test_one_kind_of_key_does_not_verify_for_the_other(alice, statement, bundle):
    key, data = _ed25519(statement)
    for attempt, trusted in ((data, alice.public), (bundle, key)):
        with pytest.raises(ForgedError):
            verify_bundle(attempt, [TrustedKey(name="x", key=trusted)], now=NOW)


@pytest.mark.parametrize(
    "respell",
    [
        pytest.param(lambda der: der + b"\0", id="trailing"),
        pytest.param(lambda der: der[:1] + b"\x81" + der[1:], id="long length"),
        pytest.param(lambda der: b"\x30\x06\x02\x01\x00\x02\x01\x00", id="zeros"),
        pytest.param(lambda der: b"\x30\x06\x02\x01\x01\x02\x01\x01", id="ones"),
        pytest.param(lambda der: b"\0" * 64, id="raw zeros"),
        pytest.param(
            lambda der: b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der)), id="raw"
        ),
        pytest.param(
            lambda der: encode_dss_signature(decode_dss_signature(der)[0] + _ORDER, decode_dss_signature(der)[1]),
            id="r out of range",
        ),
    ],
)
def test_another_spelling_of_a_signature_is_none(alice, bundle, respell):
    def change(document):
        document["dsseEnvelope"]["signatures"][0]["sig"] = b64(respell(read_bundle(bundle).envelope.signature))

    with pytest.raises(ForgedError):
        verify_bundle(changed(bundle, change), [_trusted(alice)], now=NOW)


def test_nobody_is_trusted_with_an_empty_policy(bundle):
    with pytest.raises(PolicyError):
        Trust(signers=())
    with pytest.raises(ForgedError):
        verify_bundle(bundle, [], now=NOW)


def test_a_key_does_not_stand_for_a_certificate(bundle):
    signers = [
        TrustedCertificate(name="ca", roots=b"", identity="a@example.org"),
        TrustedIdentity(name="id", identity="a@example.org", issuer="https://example.org"),
    ]
    with pytest.raises(ForgedError):
        verify_bundle(bundle, signers, now=NOW)


@pytest.mark.parametrize("identity", ["", " "])
def test_a_certificate_without_an_identity_is_no_policy(identity):
    with pytest.raises(PolicyError):
        Trust(signers=(TrustedCertificate(name="ca", roots=b"x", identity=identity),))
    with pytest.raises(PolicyError):
        Trust(signers=(TrustedIdentity(name="id", identity="a@example.org", issuer=identity),))


def _tally(trust, *bundles, accept=_anything):
    return tally([(f"{number}", data) for number, data in enumerate(bundles)], trust, now=NOW, accept=accept)


def _malleated(bundle):
    """Return the other signature that everybody can make of one of ECDSA."""
    r, s = decode_dss_signature(read_bundle(bundle).envelope.signature)

    def change(document):
        document["dsseEnvelope"]["signatures"][0]["sig"] = b64(encode_dss_signature(r, _ORDER - s))

    return changed(bundle, change)


def test_two_signers_are_two(alice, bob, statement, bundle):
    trust = Trust(signers=(_trusted(alice), _trusted(bob, "bob")), threshold=2)
    done = _tally(trust, bundle, bob.sign(statement.to_bytes()).to_bytes())
    done.require()
    assert done.signers == 2


def test_the_same_bundle_twice_and_its_malleated_copy_are_one_signer(alice, bob, bundle):
    trust = Trust(signers=(_trusted(alice), _trusted(bob, "bob")), threshold=2)
    done = _tally(trust, bundle, bundle, _malleated(bundle))
    assert (len(done.counted), done.signers) == (3, 1)
    with pytest.raises(ForgedError, match="signed by 1 of the 2"):
        done.require()


def test_one_key_under_two_names_can_never_be_two(alice):
    with pytest.raises(PolicyError):
        Trust(signers=(_trusted(alice), _trusted(alice, "bob")), threshold=2)


def test_one_person_with_two_keys_is_one(alice, bob, statement, bundle):
    from weighlock.signing.key import generate

    carol = generate()
    trust = Trust(signers=(_trusted(alice), _trusted(bob, "Alice "), _trusted(carol, "carol")), threshold=2)
    assert _tally(trust, bundle, bob.sign(statement.to_bytes()).to_bytes()).signers == 1


def test_one_identity_by_two_authorities_is_one_person():
    signers = (
        TrustedCertificate(name="ca", roots=b"x", identity="A@example.org"),
        TrustedIdentity(name="id", identity="a@example.org", issuer="https://example.org"),
    )
    with pytest.raises(PolicyError):
        Trust(signers=signers, threshold=2)


def test_an_outsider_is_named_and_counts_for_nothing(alice, bob, statement, bundle):
    trust = Trust(signers=(_trusted(alice),), threshold=1)
    done = _tally(trust, bob.sign(statement.to_bytes()).to_bytes(), bundle)
    assert ([one.bundle for one in done.not_counted], done.signers) == (["0"], 1)
    done.require()


def test_a_good_signature_about_something_else_counts_for_nothing(alice, bundle):
    def refuse(_statement):
        raise ForgedError("about something else")

    done = _tally(Trust(signers=(_trusted(alice),)), bundle, accept=refuse)
    with pytest.raises(ForgedError, match="about something else"):
        done.require()


def test_what_could_not_be_looked_at_is_not_called_forged(alice, bundle):
    newer = changed(bundle, lambda it: it.update(mediaType="application/vnd.dev.sigstore.bundle.v9+json"))
    with pytest.raises(UnsupportedError):
        _tally(Trust(signers=(_trusted(alice),)), newer).require()


def test_no_bundle_is_no_signature(alice):
    with pytest.raises(ForgedError):
        _tally(Trust(signers=(_trusted(alice),))).require()


@pytest.mark.parametrize("threshold", [0, -1, 2])
def test_a_threshold_that_nobody_or_everybody_reaches_is_refused(alice, threshold):
    with pytest.raises(PolicyError):
        Trust(signers=(_trusted(alice),), threshold=threshold)


def test_securesystemslib_agrees_about_a_signature(alice, bundle):
    from securesystemslib.dsse import Envelope as Theirs
    from securesystemslib.signer import SSlibKey

    pem = alice.public.pem.decode()
    key = SSlibKey(alice.public.hint, "ecdsa", "ecdsa-sha2-nistp256", {"public": pem})
    envelope = Theirs.from_dict(json.loads(bundle)["dsseEnvelope"])
    assert list(envelope.verify([key], 1)) == [alice.public.hint]


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1(), ec.BrainpoolP384R1()], ids=lambda curve: curve.name)
def test_keys_of_other_kinds_are_not_pinned(curve):
    other = ec.generate_private_key(curve).public_key()
    with pytest.raises(UnsupportedError):
        PublicKey(other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(UnsupportedError):
        read_public_key(pem, where="k.pub")


@pytest.mark.parametrize(
    ("curve", "algorithm", "other"),
    [(ec.SECP384R1(), hashes.SHA384(), hashes.SHA256()), (ec.SECP521R1(), hashes.SHA512(), hashes.SHA384())],
    ids=["p384", "p521"],
)
def test_longer_curves_are_verified_by_the_library_and_with_their_own_hash(curve, algorithm, other, monkeypatch):
    private = ec.generate_private_key(curve)
    key = read_public_key(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), where="k")
    key.verify(private.sign(b"message", ec.ECDSA(algorithm)), b"message")
    for signature, message in (
        (private.sign(b"message", ec.ECDSA(algorithm)), b"messagE"),
        (private.sign(b"message", ec.ECDSA(other)), b"message"),
        (b"", b"message"),
    ):
        with pytest.raises(ForgedError):
            key.verify(signature, message)
    off_the_curve = PublicKey(key.der[:-1] + bytes([key.der[-1] ^ 1]))
    with pytest.raises(ForgedError):
        off_the_curve.verify(private.sign(b"message", ec.ECDSA(algorithm)), b"message")
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(UnsupportedError, match="extra weighlock\\[sign\\]"):
        key.verify(private.sign(b"message", ec.ECDSA(algorithm)), b"message")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pem: b"",
        lambda pem: pem + pem,
        lambda pem: b"x" + pem,
        lambda pem: pem.replace(b"PUBLIC KEY", b"CERTIFICATE"),
        lambda pem: pem + b" " * 70_000,
        lambda pem: pem.replace(b"\nM", b"\n*", 1),
    ],
)
def test_a_file_with_anything_else_than_one_public_key_is_refused(alice, spoil):
    with pytest.raises(WeighlockError):
        read_public_key(spoil(alice.public.pem), where="k.pub")


def test_a_private_key_is_not_taken_for_a_public_one(alice):
    with pytest.raises(WeighlockError, match="holds a private key"):
        read_public_key(private_pem(alice, None), where="k")


def test_a_public_key_is_read_as_it_was_written(alice):
    assert read_public_key(alice.public.pem, where="k.pub") == alice.public
    assert alice.public.kind == P256


def test_a_private_key_is_encrypted_and_its_passphrase_is_needed(alice):
    pem = private_pem(alice, b"correct horse")
    assert b"ENCRYPTED" in pem
    assert read_key(pem, lambda: b"correct horse", where="k").public == alice.public
    with pytest.raises(WeighlockError, match="cannot be opened with this passphrase") as caught:
        read_key(pem, lambda: b"wrong", where="k")
    assert "wrong" not in str(caught.value)


def test_only_p256_signs():
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    pem = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(WeighlockError, match="P-256"):
        read_key(pem, bytes, where="k")


def test_what_is_no_key_is_not_repeated_in_the_message():
    with pytest.raises(WeighlockError) as caught:
        read_key(b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----", bytes, where="k")
    assert "secret" not in str(caught.value)


def test_a_statement_is_signed_byte_for_byte(alice):
    payload = Statement(predicate_type="t", subjects=(Subject.sha256("a", "0" * 64),)).to_bytes()
    assert alice.sign(payload).envelope.payload == payload
