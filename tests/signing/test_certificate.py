"""Certificates of one's own authority: attacks by whoever has another certificate of it, or none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.signing.conftest import NOW
from weighlock.errors import ForgedError, UsageError, WeighlockError
from weighlock.signing.bundle import CertificateMaterial, read_bundle
from weighlock.signing.certificate_signer import with_certificate
from weighlock.signing.trust import Trust, TrustedCertificate, TrustedKey
from weighlock.signing.verification import tally, verify_bundle

ALICE = "alice@example.org"
_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
_DAY = timedelta(days=1)
_ALICE = (x509.RFC822Name(ALICE),)


def usage(*names):
    every = (*_USAGES, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in names for name in every})


class Authority:
    """A certificate authority, or one below another."""

    def __init__(self, name="authority", parent=None, **changes):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        options = {"usages": ("key_cert_sign", "crl_sign"), "ca": True, "purposes": None, "names": None, **changes}
        self.certificate = (parent or self).issue(self.key.public_key(), subject=self.name, **options)

    @property
    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        public,
        *,
        subject=None,
        usages=("digital_signature",),
        ca=False,
        purposes=(ExtendedKeyUsageOID.CODE_SIGNING,),
        names=_ALICE,
        days=(-_DAY, _DAY),
    ):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ALICE)]))
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + days[0])
            .not_valid_after(NOW + days[1])
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if usages is not None:
            builder = builder.add_extension(usage(*usages), critical=True)
        if purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if names is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def trusted(authority):
    return TrustedCertificate(name="alice", roots=authority.pem, identity=ALICE)


def signed(key, statement, *chain):
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
    return with_certificate(key, key.public, pem, where="c.pem").sign(statement.to_bytes()).to_bytes()


def forced(key, statement, *chain):
    """Return the bundle of a signer that does not look at its certificates."""
    ders = tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)
    bundle = key.sign(statement.to_bytes())
    return replace(bundle, material=CertificateMaterial(certificates=ders)).to_bytes()


def test_the_pinned_holder_of_a_certificate_is_believed(alice, authority, trusted, statement):
    data = signed(alice, statement, authority.issue(alice.private.public_key()))
    assert verify_bundle(data, [trusted], now=NOW).identity == ALICE
    assert "certificate" in read_bundle(data).to_bytes().decode()


def test_an_authority_between_is_followed(alice, authority, trusted, statement):
    between = Authority("between", authority)
    data = signed(alice, statement, between.issue(alice.private.public_key()), between.certificate)
    assert verify_bundle(data, [trusted], now=NOW).signer == "alice"
    with pytest.raises(ForgedError):
        verify_bundle(signed(alice, statement, between.issue(alice.private.public_key())), [trusted], now=NOW)


def test_an_uri_can_be_pinned(alice, authority, statement):
    uri = "https://ci.example.org/release"
    leaf = authority.issue(alice.private.public_key(), names=(x509.UniformResourceIdentifier(uri),))
    pin = TrustedCertificate(name="ci", roots=authority.pem, identity=uri)
    assert verify_bundle(signed(alice, statement, leaf), [pin], now=NOW).identity == uri


@pytest.mark.parametrize(
    "names",
    [
        pytest.param((x509.RFC822Name("mallory@example.org"),), id="another holder"),
        pytest.param((x509.RFC822Name("malice@example.org"),), id="one that ends alike"),
        pytest.param((x509.RFC822Name("alice@example.org.evil.example"),), id="one that begins alike"),
        pytest.param((x509.RFC822Name("Alice@example.org"),), id="other letters"),
        pytest.param((x509.DNSName(ALICE.replace("@", ".")),), id="a host"),
        pytest.param((x509.UniformResourceIdentifier("mailto:alice@example.org"),), id="an URI of the address"),
        pytest.param(None, id="the common name alone"),
    ],
)
def test_only_exactly_the_pinned_identity_counts(alice, authority, trusted, statement, names):
    with pytest.raises(ForgedError):
        verify_bundle(
            forced(alice, statement, authority.issue(alice.private.public_key(), names=names)), [trusted], now=NOW
        )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"days": (-3 * _DAY, -_DAY)}, id="expired"),
        pytest.param({"days": (_DAY, 3 * _DAY)}, id="not yet valid"),
        pytest.param({"usages": ("key_encipherment",)}, id="for encryption"),
        pytest.param({"usages": None}, id="without a usage"),
        pytest.param({"usages": ("digital_signature", "key_cert_sign")}, id="that may certify"),
        pytest.param({"purposes": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, id="of a TLS client"),
        pytest.param({"purposes": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)}, id="for everything"),
        pytest.param({"purposes": None}, id="without a purpose"),
        pytest.param({"ca": True}, id="of an authority"),
    ],
)
def test_a_certificate_that_is_not_for_this_is_refused(alice, authority, trusted, statement, changes):
    leaf = authority.issue(alice.private.public_key(), **changes)
    with pytest.raises(ForgedError):
        verify_bundle(forced(alice, statement, leaf), [trusted], now=NOW)


def test_an_authority_of_the_same_name_is_another_one(alice, trusted, statement):
    mallory = Authority()
    leaf = mallory.issue(alice.private.public_key())
    for chain in ((leaf,), (leaf, mallory.certificate)):
        with pytest.raises(ForgedError):
            verify_bundle(signed(alice, statement, *chain), [trusted], now=NOW)


def test_a_holder_of_a_certificate_is_no_authority(alice, bob, authority, trusted, statement):
    mallory = Authority.__new__(Authority)
    mallory.key, mallory.name = bob.private, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ALICE)])
    between = authority.issue(bob.private.public_key(), names=(x509.RFC822Name("bob@example.org"),))
    leaf = mallory.issue(alice.private.public_key())
    with pytest.raises(ForgedError):
        verify_bundle(signed(alice, statement, leaf, between), [trusted], now=NOW)


def test_a_swapped_certificate_does_not_verify(alice, bob, authority, trusted, statement):
    leaf = authority.issue(alice.private.public_key())
    with pytest.raises(ForgedError, match="does not verify"):
        verify_bundle(forced(bob, statement, leaf), [trusted], now=NOW)


def test_another_kind_of_key_in_a_certificate_is_refused(alice, authority, trusted, statement):
    leaf = authority.issue(ec.generate_private_key(ec.SECP384R1()).public_key())
    with pytest.raises(ForgedError):
        verify_bundle(forced(alice, statement, leaf), [trusted], now=NOW)


@pytest.mark.parametrize("der", [b"x", b"\x30\x03\x02\x01\x01", b"0" * 60_000])
def test_bytes_that_are_no_certificate_are_refused(alice, trusted, statement, der):
    bundle = replace(alice.sign(statement.to_bytes()), material=CertificateMaterial(certificates=(der,)))
    with pytest.raises(ForgedError):
        verify_bundle(bundle.to_bytes(), [trusted], now=NOW)


def test_a_pinned_key_is_not_found_in_a_certificate(alice, authority, statement):
    data = signed(alice, statement, authority.issue(alice.private.public_key()))
    with pytest.raises(ForgedError):
        verify_bundle(data, [TrustedKey(name="alice", key=alice.public)], now=NOW)


def test_one_key_with_and_without_a_certificate_is_one_signer(alice, bob, authority, trusted, statement):
    signers = (trusted, TrustedKey(name="bare", key=alice.public), TrustedKey(name="bob", key=bob.public))
    leaf = authority.issue(alice.private.public_key())
    bundles = [("a", signed(alice, statement, leaf)), ("b", alice.sign(statement.to_bytes()).to_bytes())]
    found = tally(bundles, Trust(signers=signers, threshold=2), now=NOW, accept=lambda _statement: None)
    assert (len(found.counted), found.signers) == (2, 1)


def test_an_authority_that_cannot_be_read_is_an_error(alice, authority, statement):
    data = signed(alice, statement, authority.issue(alice.private.public_key()))
    with pytest.raises(WeighlockError, match="certificates of an authority"):
        verify_bundle(data, [TrustedCertificate(name="a", roots=b"", identity=ALICE)], now=NOW)


def test_nobody_signs_with_the_certificate_of_another_key_or_of_nobody(alice, bob, authority, statement):
    with pytest.raises(UsageError, match="not that of the key"):
        signed(bob, statement, authority.issue(alice.private.public_key()))
    with pytest.raises(UsageError, match="no identity"):
        signed(alice, statement, authority.issue(alice.private.public_key(), names=(x509.DNSName("a.example"),)))
