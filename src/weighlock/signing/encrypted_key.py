"""Private keys encrypted with a passphrase, PKCS #8: 600,000 rounds, where libraries write 2,048 by default.

Whoever finds the file can try passphrases on a machine of their own; each try should cost something.
"""

from __future__ import annotations

import base64
import hashlib
import os

_ROUNDS = 600_000
"""Of PBKDF2 with HMAC-SHA-256: OWASP Password Storage Cheat Sheet, 2023."""

_BLOCK = 16
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
_HMAC_SHA256 = bytes.fromhex("06082a864886f70d0209") + b"\x05\x00"
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
_SEQUENCE, _INTEGER, _OCTETS = 0x30, 0x02, 0x04


def encrypted_pem(der: bytes, passphrase: bytes) -> bytes:
    """Return a private key (PKCS #8, DER) as an encrypted PEM file, which every library with PKCS #8 reads.

    Source:
        RFC 5958, section 3 (EncryptedPrivateKeyInfo); RFC 8018, sections 6.2, A.2 and A.4 (PBES2).
    """
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    salt, start = os.urandom(16), os.urandom(_BLOCK)
    key = hashlib.pbkdf2_hmac("sha256", passphrase, salt, _ROUNDS, 32)
    padding = _BLOCK - len(der) % _BLOCK
    encryptor = Cipher(AES(key), CBC(start)).encryptor()
    closed = encryptor.update(der + bytes([padding]) * padding) + encryptor.finalize()
    rounds = _ROUNDS.to_bytes(3, "big")
    derivation = _der(_SEQUENCE, _der(_OCTETS, salt), _der(_INTEGER, rounds), _der(_SEQUENCE, _HMAC_SHA256))
    scheme = _der(_SEQUENCE, _der(_SEQUENCE, _PBKDF2, derivation), _der(_SEQUENCE, _AES_256_CBC, _der(_OCTETS, start)))
    document = _der(_SEQUENCE, _der(_SEQUENCE, _PBES2, scheme), _der(_OCTETS, closed))
    return _pem(document)


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 0x80 else (b"\x81" if size < 0x100 else b"\x82") + _bytes_of(size)
    return bytes([tag]) + length + content


def _bytes_of(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _pem(der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    marks = b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"-----END ENCRYPTED PRIVATE KEY-----"
    return b"\n".join([marks[0], *lines, marks[1], b""])
