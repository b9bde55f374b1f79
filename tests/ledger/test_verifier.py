"""The separate verifier: what its cryptography and its proofs refuse, and real entries of Rekor."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from weighlock.ledger import verifier
from weighlock.ledger.verifier import UndecidedError, VerificationError

RECORDED = Path(__file__).parents[1] / "signing" / "recorded"
DOCUMENTS = sorted(RECORDED.glob("*.provenance"))
REKOR = verifier.parse_key((RECORDED / "rekor.sigstore.dev.pem").read_text())
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# RFC 8032, section 7.1, test 3
PUBLIC = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
SIGNATURE = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)
MESSAGE = bytes.fromhex("af82")


def der(r: int, s: int) -> bytes:
    numbers = [number.to_bytes(number.bit_length() // 8 + 1, "big") for number in (r, s)]
    body = b"".join(b"\x02" + bytes([len(number)]) + number for number in numbers)
    return b"\x30" + bytes([len(body)]) + body


@pytest.fixture(scope="module")
def p256():
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    signature = key.sign(b"message", ec.ECDSA(hashes.SHA256()))
    return public, signature, decode_dss_signature(signature)


def test_a_signature_of_rfc_8032_verifies():
    verifier.verify_ed25519(PUBLIC, SIGNATURE, MESSAGE)


@pytest.mark.parametrize(
    ("public", "signature", "message"),
    [
        (PUBLIC, SIGNATURE, b"other"),
        (PUBLIC, SIGNATURE[:-1], MESSAGE),
        (PUBLIC, SIGNATURE[:32] + bytes(32), MESSAGE),
        (PUBLIC, bytes([SIGNATURE[0] ^ 1]) + SIGNATURE[1:], MESSAGE),
        (bytes(32), SIGNATURE, MESSAGE),
        (bytes([PUBLIC[0] ^ 1]) + PUBLIC[1:], SIGNATURE, MESSAGE),
    ],
)
def test_another_message_key_or_signature_of_ed25519_is_refused(public, signature, message):
    with pytest.raises(VerificationError):
        verifier.verify_ed25519(public, signature, message)


def test_a_second_spelling_of_an_ed25519_signature_is_refused():
    scalar = int.from_bytes(SIGNATURE[32:], "little") + verifier.ED25519_ORDER
    with pytest.raises(VerificationError, match="one form"):
        verifier.verify_ed25519(PUBLIC, SIGNATURE[:32] + scalar.to_bytes(32, "little"), MESSAGE)


@pytest.mark.parametrize(
    "public",
    [
        (1).to_bytes(32, "little"),  # the neutral point, for which R = [S]B is a signature of everything
        (2**255 - 20).to_bytes(32, "little"),
        bytes(32),
        (2**255 - 18).to_bytes(32, "little"),  # 1, spelled p + 1
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        (1 | 1 << 255).to_bytes(32, "little"),  # x is zero, and negative
    ],
)
def test_an_ed25519_key_of_small_order_or_a_second_spelling_is_refused(public):
    point = verifier.ed25519_encode(verifier.ed25519_multiply(7, verifier.ED25519_BASE))
    with pytest.raises(VerificationError, match="point"):
        verifier.verify_ed25519(public, point + (7).to_bytes(32, "little"), b"anything")


def test_ed25519_agrees_with_another_implementation():
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for number in range(5):
        key, message = Ed25519PrivateKey.generate(), bytes(number)
        verifier.verify_ed25519(key.public_key().public_bytes_raw(), key.sign(message), message)


def test_p256_agrees_with_another_implementation(p256):
    public, signature, numbers = p256
    verifier.verify_p256(public, signature, b"message")
    verifier.verify_p256(public[-65:], der(*numbers), b"message")


def test_another_message_is_refused_by_p256(p256):
    with pytest.raises(VerificationError, match="does not verify"):
        verifier.verify_p256(p256[0], p256[1], b"other")


@pytest.mark.parametrize("numbers", [(0, 0), (0, 1), (1, 0), (ORDER, 1), (1, ORDER), (1, 1)])
def test_numbers_of_ecdsa_that_are_zero_or_out_of_range_are_refused(p256, numbers):
    with pytest.raises(VerificationError):
        verifier.verify_p256(p256[0], der(*numbers), b"message")


def test_signatures_that_are_not_in_strict_der_are_refused(p256):
    public, signature, (r, s) = p256
    padded = b"\x02\x22\x00\x00" + (r >> 8).to_bytes(32, "big")
    body = der(r, s)[2:]
    for broken in (
        b"",
        signature + b"\x00",
        signature[:-1],
        b"\x31" + signature[1:],
        b"\x30\x81" + signature[1:],
        b"\x30" + bytes([len(body) + 3]) + body + b"\x02\x01\x01",
        b"\x30" + bytes([len(padded) + 3]) + padded + b"\x02\x01\x01",
        b"\x30\x06\x02\x01\x81\x02\x01\x01",
    ):
        with pytest.raises(VerificationError):
            verifier.verify_p256(public, broken, b"message")


def test_points_that_are_not_on_the_curve_are_refused(p256):
    public = p256[0]
    for broken in (public[:-1], public[:-1] + bytes([public[-1] ^ 1]), b"\x04" + bytes(64), b"\x02" + public[-64:-32]):
        with pytest.raises(VerificationError, match="P-256"):
            verifier.verify_p256(broken, p256[1], b"message")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name[:20])
def test_real_entries_of_rekor_verify(document):
    assert [one.origin.split()[0] for one in verifier.verify_rekor(document.read_bytes(), REKOR)]


def _entry(document):
    attestation = document["attestation_bundles"][0]["attestations"][0]
    return attestation, attestation["verification_material"]["transparency_entries"][0]


def _other_statement(document):
    attestation, _ = _entry(document)
    attestation["envelope"]["statement"] = base64.b64encode(b"{}").decode()


def _other_signature(document):
    _entry(document)[0]["envelope"]["signature"] = "AAAA"


def _other_index(document):
    proof = _entry(document)[1]["inclusionProof"]
    proof["logIndex"] = str(int(proof["logIndex"]) - 1)


def _other_sibling(document):
    _entry(document)[1]["inclusionProof"]["hashes"][3] = base64.b64encode(bytes(32)).decode()


def _shorter_proof(document):
    _entry(document)[1]["inclusionProof"]["hashes"].pop()


def _longer_proof(document):
    hashes = _entry(document)[1]["inclusionProof"]["hashes"]
    hashes.append(hashes[0])


def _other_body(document):
    _entry(document)[1]["canonicalizedBody"] = base64.b64encode(b"{}").decode()


def _larger_tree(document):
    checkpoint = _entry(document)[1]["inclusionProof"]["checkpoint"]
    lines = checkpoint["envelope"].split("\n")
    lines[1] = str(int(lines[1]) + 1)
    checkpoint["envelope"] = "\n".join(lines)


def _no_signature(document):
    checkpoint = _entry(document)[1]["inclusionProof"]["checkpoint"]
    checkpoint["envelope"] = checkpoint["envelope"].partition("\n\n")[0] + "\n\n"


@pytest.mark.parametrize(
    "change",
    [
        _other_statement,
        _other_signature,
        _other_index,
        _other_sibling,
        _shorter_proof,
        _longer_proof,
        _other_body,
        _larger_tree,
        _no_signature,
    ],
    ids=lambda function: function.__name__,
)
def test_a_changed_entry_of_rekor_is_refused(change):
    document = json.loads(DOCUMENTS[0].read_bytes())
    change(document)
    with pytest.raises(VerificationError):
        verifier.verify_rekor(json.dumps(document).encode(), REKOR)


def test_an_entry_of_rekor_under_another_log_is_refused():
    other = verifier.parse_key((RECORDED / "log2025-1.rekor.sigstore.dev.pem").read_text())
    with pytest.raises(VerificationError, match="swapped key"):
        verifier.verify_rekor(DOCUMENTS[0].read_bytes(), other)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"attestation_bundles": [{"attestations": [{}]}]}',
        b'{"attestation_bundles": [{"attestations": []}]}',
        b"[" * 100_000,
        DOCUMENTS[0].read_bytes().replace(b"{", b'{"version": 1, "version": 2, ', 1),
    ],
)
def test_documents_without_an_entry_are_undecided(document):
    with pytest.raises(UndecidedError):
        verifier.verify_rekor(document, REKOR)


@pytest.mark.parametrize(
    "key", ["", "a+b", "name+00000000+AQ==", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
)
def test_what_is_no_key_is_undecided(key):
    with pytest.raises(UndecidedError):
        verifier.parse_key(key)


def tree_proofs(size):
    """Return all inclusion and consistency proofs of a small tree, as the recursion of RFC 6962 makes them."""
    leaves = [verifier.leaf_hash(bytes([number])) for number in range(size)]

    def split(count):
        return 1 << (count - 1).bit_length() - 1

    def path(index, part):
        if len(part) == 1:
            return []
        k = split(len(part))
        if index < k:
            return [*path(index, part[:k]), verifier.root_of(part[k:])]
        return [*path(index - k, part[k:]), verifier.root_of(part[:k])]

    def sub(old, part, whole=True):  # noqa: FBT002 - as RFC 6962 writes it
        if old == len(part):
            return [] if whole else [verifier.root_of(part)]
        k = split(len(part))
        if old <= k:
            return [*sub(old, part[:k], whole=whole), verifier.root_of(part[k:])]
        return [*sub(old - k, part[k:], whole=False), verifier.root_of(part[:k])]

    return leaves, path, sub


@pytest.mark.parametrize("size", range(1, 18))
def test_proofs_verify_for_their_own_index_and_sizes_only(size):
    leaves, path, sub = tree_proofs(size)
    root = verifier.root_of(leaves)
    for index in range(size):
        proof = path(index, leaves)
        verifier.verify_inclusion(leaves[index], index, size, proof, root)
        for other in set(range(-1, size + 1)) - {index}:
            with pytest.raises(VerificationError):
                verifier.verify_inclusion(leaves[index], other, size, proof, root)
    for old in range(1, size + 1):
        proof, before = sub(old, leaves), verifier.root_of(leaves[:old])
        verifier.verify_consistency(old, size, proof, before, root)
        for wrong in ([*proof, bytes(32)], proof[:-1] if proof else [bytes(31)]):
            with pytest.raises(VerificationError):
                verifier.verify_consistency(old, size, wrong, before, root)
        with pytest.raises(VerificationError):
            verifier.verify_consistency(old, size, proof, hashlib.sha256(b"fork").digest(), root)


def test_roots_are_those_of_rfc_6962():
    # the tree of the test data of Certificate Transparency
    data = [b"", b"\x00", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"]
    root = verifier.root_of([verifier.leaf_hash(one) for one in data])
    assert root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_the_verifier_is_one_file_that_runs_alone(tmp_path):
    copy = tmp_path / "verifier.py"
    copy.write_bytes(Path(verifier.__file__).read_bytes())
    assert b"import weighlock" not in copy.read_bytes()
    assert b"from weighlock" not in copy.read_bytes()
    command = [
        sys.executable,
        "-I",
        str(copy),
        "rekor",
        str(DOCUMENTS[0]),
        "--key",
        str(RECORDED / "rekor.sigstore.dev.pem"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    command[-1] = str(RECORDED / "log2025-1.rekor.sigstore.dev.pem")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    assert subprocess.run([*command[:-1], "nowhere"], capture_output=True, check=False).returncode == 2


def encoded(data):
    return base64.b64encode(data).decode()


def logged(kind, version, spec, **more):
    """Return a bundle with an entry in a log of one entry, and that log's key."""
    from weighlock.ledger.note import SigningKey

    log = SigningKey(name="log.example", seed=bytes(range(32)))
    body = json.dumps({"apiVersion": version, "kind": kind, "spec": spec}).encode()
    checkpoint = log.checkpoint(1, verifier.leaf_hash(body)).decode()
    proof = {"treeSize": "1", "checkpoint": {"envelope": checkpoint}}
    entry = {"canonicalizedBody": encoded(body), "inclusionProof": proof}
    return {"verificationMaterial": {"tlogEntries": [entry]}} | more, verifier.parse_key(log.vkey)


CONTENT, SIGNED = b"content", "c2lnbmF0dXJl"
DIGEST = hashlib.sha256(CONTENT).digest()
DSSE = {"dsseEnvelope": {"payloadType": "text/plain", "payload": encoded(CONTENT), "signatures": [{"sig": SIGNED}]}}
BLOB = {"messageSignature": {"messageDigest": {"digest": encoded(DIGEST)}, "signature": SIGNED}}


def specs(digest, signature):
    of_envelope = hashlib.sha256(b"DSSEv1 10 text/plain 7 content").digest() if digest == DIGEST else digest
    hashed, of_v2 = {"algorithm": "sha256", "value": digest.hex()}, {"algorithm": "SHA2_256", "digest": encoded(digest)}
    return [
        ("dsse", "0.0.1", {"payloadHash": hashed, "signatures": [{"signature": signature}]}, DSSE),
        ("dsse", "0.0.2", {"dsseV002": {"payloadHash": of_v2, "signatures": [{"content": signature}]}}, DSSE),
        ("hashedrekord", "0.0.1", {"data": {"hash": hashed}, "signature": {"content": signature}}, BLOB),
        ("hashedrekord", "0.0.2", {"hashedRekordV002": {"data": of_v2, "signature": {"content": signature}}}, BLOB),
        (
            "hashedrekord",
            "0.0.2",
            {
                "hashedRekordV002": {
                    "data": {"algorithm": "SHA2_256", "digest": encoded(of_envelope)},
                    "signature": {"content": signature},
                }
            },
            DSSE,
        ),
    ]


@pytest.mark.parametrize("case", range(5))
def test_entries_of_each_kind_are_bound_to_content_and_signature(case):
    def verify(digest, signature):
        kind, version, spec, bundle = specs(digest, signature)[case]
        document, key = logged(kind, version, spec, **bundle)
        verifier.verify_rekor(json.dumps(document).encode(), key)

    verify(DIGEST, SIGNED)
    for other in ((bytes(32), SIGNED), (DIGEST, "b3RoZXI=")):
        with pytest.raises(VerificationError, match="another content or signature"):
            verify(*other)


@pytest.mark.parametrize("kind", [("intoto", "0.0.2"), ("dsse", "0.0.3"), (None, None)])
def test_an_entry_of_an_unknown_kind_is_undecided(kind):
    document, key = logged(*kind, {}, **DSSE)
    with pytest.raises(UndecidedError, match="not known"):
        verifier.verify_rekor(json.dumps(document).encode(), key)


def test_a_bundle_with_a_promise_and_no_proof_is_undecided():
    document, key = logged(*specs(DIGEST, SIGNED)[0][:3], **DSSE)
    for remove in ("inclusionProof", None):
        entries = document["verificationMaterial"]["tlogEntries"]
        entries[0].pop(remove) if remove else entries.clear()
        with pytest.raises(UndecidedError):
            verifier.verify_rekor(json.dumps(document).encode(), key)
