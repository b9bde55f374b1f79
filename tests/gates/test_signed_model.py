"""Whole verifications of signed models: the signature, whoever made it, and the folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.signing.signed_models import FILES, Key, model_signing, sign_statement, sign_stock, statement, write_model
from weighlock.errors import ForgedError, PolicyError, UnsupportedError, UsageError
from weighlock.gates.model_signature import verify_model
from weighlock.signing.public_key import read_public_key
from weighlock.signing.trust import Trust, TrustedCertificate, TrustedKey

NOW = datetime.now(UTC)
RELEASE = "release@publisher.example"
INTERN = "intern@publisher.example"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {name: Key.make(folder, name) for name in ("alice", "bob")}


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "model")


def trust(keys, *names, threshold=1):
    signers = tuple(
        TrustedKey(name=name, key=read_public_key(keys[name].public.read_bytes(), where=name)) for name in names
    )
    return Trust(signers=signers, threshold=threshold)


def test_a_model_that_was_signed_by_the_library(tmp_path, folder, keys):
    bundle = sign_stock(folder, tmp_path / "model.sig", keys["alice"])
    verified = verify_model([bundle], folder, trust(keys, "alice"), now=NOW)
    assert verified.report.exit_code == 0
    assert len(verified.report.files) == len(FILES)
    assert [one.signer for _, one in verified.tally.counted] == ["alice"]


def test_the_key_of_somebody_else(tmp_path, folder, keys):
    bundle = sign_stock(folder, tmp_path / "model.sig", keys["bob"])
    with pytest.raises(ForgedError, match="does not verify"):
        verify_model([bundle], folder, trust(keys, "alice"), now=NOW)


def test_a_file_that_was_changed(tmp_path, folder, keys):
    bundle = sign_stock(folder, tmp_path / "model.sig", keys["alice"])
    (folder / "config.json").write_bytes(b"{}")
    assert verify_model([bundle], folder, trust(keys, "alice"), now=NOW).report.exit_code == 1


def test_a_threshold_of_signers(tmp_path, folder, keys):
    one = sign_stock(folder, tmp_path / "a.sig", keys["alice"])
    two = sign_stock(folder, tmp_path / "b.sig", keys["bob"])
    both = trust(keys, "alice", "bob", threshold=2)
    assert verify_model([one, two], folder, both, now=NOW).report.exit_code == 0
    with pytest.raises(ForgedError, match="1 of the 2"):
        verify_model([one], folder, both, now=NOW)
    with pytest.raises(ForgedError, match="1 of the 2"):
        verify_model([one, one], folder, both, now=NOW)


def test_two_signers_who_signed_different_files_do_not_add_up(tmp_path, folder, keys):
    one = sign_stock(folder, tmp_path / "a.sig", keys["alice"])
    two = sign_statement(statement({"config.json": b"{}"}), tmp_path / "b.sig", keys["bob"])
    with pytest.raises(ForgedError, match="signs other files"):
        verify_model([one, two], folder, trust(keys, "alice", "bob", threshold=2), now=NOW)


def test_a_statement_that_is_not_about_a_model_cannot_be_decided(tmp_path, folder, keys):
    document = {**statement(FILES), "predicateType": "https://slsa.dev/provenance/v1"}
    bundle = sign_statement(document, tmp_path / "a.sig", keys["alice"])
    with pytest.raises(UnsupportedError, match="not about a model"):
        verify_model([bundle], folder, trust(keys, "alice"), now=NOW)


def test_a_signature_that_is_not_there(tmp_path, folder, keys):
    with pytest.raises(UsageError, match="cannot be read"):
        verify_model([tmp_path / "none.sig"], folder, trust(keys, "alice"), now=NOW)


# -- certificates: weak spot 6, every holder of one counts


class Authority:
    """Certificates as a company makes them for its releases, and for everybody else in it."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Publisher Root")])
        usage = {"digital_signature": False, "key_cert_sign": True, "crl_sign": True}
        self.root = self._made(self.name, self.key, NOW + timedelta(days=3650), usage, authority=True)
        self.path = folder / "root.pem"
        self.path.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))

    def sign(self, model, place, identity, *, valid=timedelta(days=30)):
        """Sign a model with the real library and a certificate for an identity."""
        key = Key.make(self.folder, identity.partition("@")[0])
        private = serialization.load_pem_private_key(key.private.read_bytes(), None)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, identity)])
        usage = {"digital_signature": True, "key_cert_sign": False, "crl_sign": False}
        made = self._made(name, private, NOW + valid, usage, authority=False, identity=identity)
        path = self.folder / f"{identity}.pem"
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        config = model_signing.signing.Config().use_certificate_signer(
            private_key=key.private, signing_certificate=path, certificate_chain=[self.path]
        )
        config.sign(model, place)
        return place

    def stock_accepts(self, model, bundle):
        config = model_signing.verifying.Config().use_certificate_verifier(certificate_chain=[self.path])
        config.verify(model, bundle)
        return True

    def _made(self, name, key, until, usage, *, authority, identity=None):
        others = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        ) | {"encipher_only": False, "decipher_only": False}
        own = x509.SubjectKeyIdentifier.from_public_key
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=60))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage, **others), critical=True)
            .add_extension(own(key.public_key()), critical=False)
        )
        if identity is not None:
            issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            builder = (
                builder.add_extension(issuer, critical=False)
                .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(identity)]), critical=False)
                .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            )
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "authority").mkdir()
    return Authority(tmp_path / "authority")


def pinned(authority, identity=RELEASE):
    return Trust(signers=(TrustedCertificate(name="publisher", roots=authority.path.read_bytes(), identity=identity),))


def test_a_model_that_was_signed_with_a_certificate(tmp_path, folder, authority):
    bundle = authority.sign(folder, tmp_path / "model.sig", RELEASE)
    verified = verify_model([bundle], folder, pinned(authority), now=NOW)
    assert verified.report.exit_code == 0
    assert verified.tally.counted[0][1].identity == RELEASE


def test_the_certificate_of_anybody_else_under_the_authority(tmp_path, folder, authority):
    bundle = authority.sign(folder, tmp_path / "model.sig", INTERN)
    assert authority.stock_accepts(folder, bundle)
    with pytest.raises(ForgedError, match=f"not for '{RELEASE}' but for '{INTERN}'"):
        verify_model([bundle], folder, pinned(authority), now=NOW)


@pytest.mark.parametrize("identity", ["", " "])
def test_a_certificate_without_an_identity_is_no_policy(authority, identity):
    with pytest.raises(PolicyError, match="identity"):
        pinned(authority, identity)


def test_a_certificate_that_has_expired(tmp_path, folder, authority):
    bundle = authority.sign(folder, tmp_path / "model.sig", RELEASE, valid=timedelta(days=-30))
    assert authority.stock_accepts(folder, bundle)
    with pytest.raises(ForgedError, match="is valid"):
        verify_model([bundle], folder, pinned(authority), now=NOW)


def test_the_certificate_of_another_authority(tmp_path, folder, authority):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    bundle = other.sign(folder, tmp_path / "model.sig", RELEASE)
    with pytest.raises(ForgedError, match="does not lead to the authority"):
        verify_model([bundle], folder, pinned(authority), now=NOW)
