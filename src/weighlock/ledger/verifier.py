"""Verify a ledger, a proof from one, or an inclusion proof of Rekor: this one file, the standard library, no network.

It has everything that a doubter needs, and nothing that could sign or write; copy it, read it, and run it elsewhere:

    python verifier.py ledger FOLDER --key VKEY [--since CHECKPOINT]
    python verifier.py proof FILE --key VKEY
    python verifier.py rekor FILE --key PEM

Exit codes: 0 it verifies, 1 it does not, 2 it could not be decided.

Source:
    RFC 6962, section 2, and RFC 9162, section 2.1 (tree and proofs); C2SP signed-note, tlog-checkpoint and tlog-tiles;
    RFC 8032 (Ed25519); FIPS 186-5 and SEC 1 (ECDSA on P-256); RFC 5480 (keys).
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
import sys

TYPE_CHECKING = False  # typing costs more than the rest of a start
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

HASH_SIZE = 32
TILE_WIDTH = 256
LARGEST_ENTRY = 65_535
EMPTY_ROOT = hashlib.sha256(b"").digest()

_LARGEST_NOTE = 1 << 20
_LARGEST_DOCUMENT = 64 << 20


class VerificationError(ValueError):
    """What was signed, and what is there, are two things; the message begins with the kind of the difference."""


class UndecidedError(ValueError):
    """It could not be looked at: a file is missing or unreadable, or a key is none."""


# -- The tree (RFC 6962)


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry as a leaf of the tree."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over hashes of leaves, or of complete subtrees of one size of which the last may be smaller."""
    level = list(hashes)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [node_hash(left, right) for left, right in pairs] + level[len(level) & ~1 :]
    return level[0] if level else EMPTY_ROOT


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Verify that a leaf stands at an index of the tree with that size and root (RFC 9162, section 2.1.3.2).

    Raises:
        VerificationError: It does not.
    """
    if not 0 <= index < size or any(len(one) != HASH_SIZE for one in proof):
        raise VerificationError("forged: the inclusion proof is not built as it has to be")
    number, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise VerificationError("forged: the inclusion proof is too long")
        if number & 1 or number == last:
            computed = node_hash(sibling, computed)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        number, last = number >> 1, last >> 1
    if last or computed != root:
        raise VerificationError(f"forged: the entry is not number {index} of the {size} that the checkpoint signs")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Verify that a tree begins with all that an older one had (RFC 9162, section 2.1.4.2).

    Raises:
        VerificationError: It does not.
    """
    if new < old:
        raise VerificationError(f"rollback: the ledger has {new} entries and had {old}")
    if old in {0, new}:
        if proof or old_root != (EMPTY_ROOT if old == 0 else new_root):
            raise VerificationError(f"fork: two checkpoints of {old} entries have different roots")
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path or any(len(one) != HASH_SIZE for one in path):
        raise VerificationError("forged: the consistency proof is not built as it has to be")
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise VerificationError("forged: the consistency proof is too long")
        if number & 1 or number == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        number, last = number >> 1, last >> 1
    if last or first != old_root or second != new_root:
        raise VerificationError(f"fork: the {new} entries do not begin with the {old} of the older checkpoint")


# -- Ed25519 (RFC 8032); points are (X, Y, Z, T) with x = X/Z, y = Y/Z and x*y = T/Z

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def ed25519_add(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """Add two points; the formula holds for equal ones, too."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c, d = 2 * one[3] * other[3] * _D % _P, 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def ed25519_multiply(scalar: int, point: tuple[int, ...]) -> tuple[int, ...]:
    """Add a point to itself so many times."""
    total: tuple[int, ...] = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = ed25519_add(total, point)
        point, scalar = ed25519_add(point, point), scalar >> 1
    return total


def ed25519_encode(point: tuple[int, ...]) -> bytes:
    """Return the 32 bytes of a point."""
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _ed25519_decode(data: bytes) -> tuple[int, ...]:
    """Return a point that has one spelling only, and is not one of the eight that any signature would fit."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if len(data) != 32 or y >= _P:
        raise VerificationError("forged: a point of Ed25519 is not in its one form")
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (x == 0 and sign):
        raise VerificationError("forged: bytes are no point of Ed25519")
    x = _P - x if x & 1 != sign else x
    point = (x, y, 1, x * y % _P)
    if ed25519_multiply(8, point)[0] == 0:
        raise VerificationError("forged: a point of Ed25519 has a small order")
    return point


ED25519_BASE = _ed25519_decode((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))


def verify_ed25519(public: bytes, signature: bytes, message: bytes) -> None:
    """Verify a signature (RFC 8032, section 5.1.7), without a cofactor and without second spellings.

    Raises:
        VerificationError: It is not the signature of this message by this key.
    """
    if len(signature) != 64:
        raise VerificationError("forged: a signature of Ed25519 has 64 bytes")
    key, _ = _ed25519_decode(public), _ed25519_decode(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if scalar >= ED25519_ORDER:
        raise VerificationError("forged: a signature of Ed25519 is not in its one form")
    hashed = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ED25519_ORDER
    minus = ed25519_multiply(ED25519_ORDER - hashed, key)
    total = ed25519_add(ed25519_multiply(scalar, ED25519_BASE), minus)
    if ed25519_encode(total) != signature[:32]:
        raise VerificationError("forged: the signature does not verify")


# -- ECDSA on P-256 with SHA-256; points are (x, y), and None is the one at infinity

_Q = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_P256_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


def _p256_add(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    if one is None or other is None:
        return one or other
    if one[0] == other[0]:
        if (one[1] + other[1]) % _Q == 0:
            return None
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, _Q)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, _Q)
    x = (slope * slope - one[0] - other[0]) % _Q
    return x, (slope * (one[0] - x) - one[1]) % _Q


def _p256_point(public: bytes) -> tuple[int, int]:
    data = public.removeprefix(_P256_SPKI)
    x, y = int.from_bytes(data[1:33], "big"), int.from_bytes(data[33:], "big")
    if len(data) != 65 or data[0] != 4 or x >= _Q or y >= _Q or (y * y - x * x * x + 3 * x - _B) % _Q:
        raise VerificationError("forged: bytes are no public key of P-256")
    return x, y


def _der_integers(data: bytes) -> tuple[int, int]:
    """Return the two numbers of a signature in DER, which has one spelling for each."""
    numbers = []
    if len(data) < 8 or data[0] != 0x30 or data[1] != len(data) - 2 or data[1] > 0x7F:
        raise VerificationError("forged: a signature of ECDSA is not in DER")
    rest = data[2:]
    while rest:
        length = rest[1] if len(rest) > 1 and rest[0] == 2 else 0
        value, rest = rest[2 : 2 + length], rest[2 + length :]
        if not 0 < length == len(value) or value[0] > 0x7F or (length > 1 and value[0] == 0 and value[1] < 0x80):
            raise VerificationError("forged: a number of a signature of ECDSA is not in DER")
        numbers.append(int.from_bytes(value, "big"))
    if len(numbers) != 2:
        raise VerificationError("forged: a signature of ECDSA has two numbers")
    return numbers[0], numbers[1]


def verify_p256(public: bytes, signature: bytes, message: bytes) -> None:
    """Verify a signature of ECDSA on P-256 with SHA-256 (FIPS 186-5, section 6.4.2).

    Args:
        public: The key: a point without compression (65 bytes), or the same in SubjectPublicKeyInfo (DER).
        signature: In DER.
        message: What was signed.

    Raises:
        VerificationError: It is not the signature of this message by this key.
    """
    key = _p256_point(public)
    r, s = _der_integers(signature)
    if not (0 < r < _N and 0 < s < _N):
        raise VerificationError("forged: a number of a signature of ECDSA is out of range")
    inverse = pow(s, -1, _N)
    first = int.from_bytes(hashlib.sha256(message).digest(), "big") * inverse % _N
    second = r * inverse % _N
    both, total = _p256_add(_G, key), None
    for bit in range(255, -1, -1):
        total = _p256_add(total, total)
        step = (None, _G, key, both)[(first >> bit & 1) | (second >> bit & 1) << 1]
        total = _p256_add(total, step)
    if total is None or total[0] % _N != r:
        raise VerificationError("forged: the signature does not verify")


# -- Keys and signed notes (C2SP)


class Key:
    """A public key that somebody trusts.

    Args:
        name: The name that its signatures have to bear; None where the key came without one.
        algorithm: ``ed25519`` or ``p256``.
        public: The 32 bytes of Ed25519, or the SubjectPublicKeyInfo (DER) of P-256.
    """

    __slots__ = ("algorithm", "name", "public")

    def __init__(self, name: str | None, algorithm: str, public: bytes) -> None:
        self.name, self.algorithm, self.public = name, algorithm, public

    def id(self, name: str) -> bytes:
        """Return the four bytes that name this key in a signature, made from the name or, as Rekor does, without."""
        named = self.public if self.algorithm == "p256" else name.encode() + b"\n\x01" + self.public
        return hashlib.sha256(named).digest()[:4]

    def verify(self, signature: bytes, message: bytes) -> None:
        """Verify one signature.

        Raises:
            VerificationError: It is not by this key, or of another message.
        """
        (verify_p256 if self.algorithm == "p256" else verify_ed25519)(self.public, signature, message)


def parse_key(text: str) -> Key:
    """Parse a key: ``name+hash+base64`` of signed notes (Ed25519), or PEM.

    Raises:
        UndecidedError: It is neither, or of another algorithm.
    """
    text = text.strip()
    pem = re.fullmatch(r"-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----", text)
    try:
        data = _decoded(re.sub(r"\s", "", pem[1])) if pem else _decoded(text.split("+", 2)[2])
    except (IndexError, VerificationError):
        raise UndecidedError("the key is neither a vkey nor PEM") from None
    if pem and data.startswith(_ED25519_SPKI):
        return _usable(Key(None, "ed25519", data.removeprefix(_ED25519_SPKI)))
    if pem:
        return _usable(Key(None, "p256", data))
    name, hashed, _ = text.split("+", 2)
    key = Key(name, "ed25519", data[1:])
    if data[:1] != b"\x01" or not _is_name(name) or key.id(name).hex() != hashed:
        raise UndecidedError("the vkey is of another algorithm than Ed25519, or its parts do not fit each other")
    return _usable(key)


def _usable(key: Key) -> Key:
    try:
        _p256_point(key.public) if key.algorithm == "p256" else _ed25519_decode(key.public)
    except VerificationError as error:
        raise UndecidedError(f"the key cannot be used: {error}") from None
    return key


class Checkpoint:
    """What a signed note says about a tree.

    Args:
        origin: The name of the log.
        size: Entries.
        root: Of the tree.
        text: What was signed.
    """

    __slots__ = ("origin", "root", "size", "text")

    def __init__(self, origin: str, size: int, root: bytes, text: str) -> None:
        self.origin, self.size, self.root, self.text = origin, size, root, text


def verify_note(note: bytes, key: Key) -> str:
    """Verify a signed note, and return its text.

    Raises:
        VerificationError: It is no note, or the key did not sign it.
    """
    try:
        text, separator, block = note.decode().rpartition("\n\n")
    except UnicodeDecodeError:
        raise VerificationError("forged: a signed note is text") from None
    lines = block.removesuffix("\n").split("\n")
    signatures = [re.fullmatch(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+=*)", line) for line in lines]
    is_text = re.fullmatch(r"[\n -~\u0080-\U0010ffff]+", text)
    if not separator or not block.endswith("\n") or not all(signatures) or not is_text:
        raise VerificationError("forged: it is not built as a signed note has to be")
    ours = []
    for name, encoded in (one.groups() for one in signatures if one):
        data = _decoded(encoded)
        if key.name in {None, name} and data[:4] == key.id(name):
            ours.append(data[4:])
    if len(ours) != 1:
        raise VerificationError("swapped key: the note is not signed by the key that you trust")
    key.verify(ours[0], f"{text}\n".encode())
    return f"{text}\n"


def verify_checkpoint(note: bytes, key: Key) -> Checkpoint:
    """Verify a signed checkpoint of a log.

    Raises:
        VerificationError: It is none, another key signed it, or it is of another log than the key's.
    """
    text = verify_note(note, key)
    origin, size, root, *_ = [*text.split("\n"), "", "", ""]
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", size) or len(hashed := _decoded(root)) != HASH_SIZE or not origin:
        raise VerificationError("forged: the note is no checkpoint")
    if key.algorithm == "ed25519" and key.name not in {None, origin}:
        raise VerificationError("swapped key: the checkpoint is of another log than the key's")
    return Checkpoint(origin, int(size), hashed, text)


def _is_name(name: str) -> bool:
    return re.fullmatch(r"[^\s+]+", name) is not None


def _decoded(text: Any) -> bytes:
    """Return what base64 says, which has one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise VerificationError("forged: something is not in base64") from None
    if base64.b64encode(data).decode() != text:
        raise VerificationError("forged: something is not in the one form of base64")
    return data


# -- A ledger folder (C2SP tlog-tiles)


def tile_path(level: int | str, number: int, width: int = TILE_WIDTH) -> str:
    """Return the place of a tile in a ledger; of a bundle of entries where the level is ``entries``."""
    parts = [f"{number % 1000:03}"]
    while number := number // 1000:
        parts.insert(0, f"x{number % 1000:03}")
    return "/".join(["tile", str(level), *parts]) + (f".p/{width}" if width < TILE_WIDTH else "")


def split_bundle(bundle: bytes, width: int, where: str) -> list[bytes]:
    """Return the entries of a bundle, each of which follows its length in 16 bits.

    Raises:
        VerificationError: It does not hold that many, to the byte.
    """
    entries, offset = [], 0
    while offset < len(bundle):
        stop = offset + 2 + int.from_bytes(bundle[offset : offset + 2], "big")
        entries.append(bundle[offset + 2 : stop])
        offset = stop
    if offset != len(bundle) or len(entries) != width:
        raise VerificationError(f"truncated: {where} does not hold exactly {width} entries")
    return entries


def verify_folder(folder: str, key: Key, since: bytes | None = None) -> Checkpoint:
    """Verify all of a ledger: every entry, every tile, the checkpoint, and that it continues an older one.

    Args:
        folder: The ledger's.
        key: The key that its checkpoint has to be signed with.
        since: A checkpoint of the same ledger that was kept elsewhere.

    Returns:
        The checkpoint, which every entry was found to be under.

    Raises:
        VerificationError: The message begins with ``deleted``, ``reordered``, ``edited``, ``truncated``, ``fork``,
            ``rollback``, ``swapped key`` or ``forged``.
        UndecidedError: It cannot be read, or nothing was ever sealed.
    """
    old = None if since is None else verify_checkpoint(since, key)
    if not os.path.isdir(folder):
        raise UndecidedError(f"{folder} is no folder")
    try:
        now = verify_checkpoint(read_regular(os.path.join(folder, "checkpoint"), _LARGEST_NOTE), key)
    except FileNotFoundError:
        if old is None:
            raise UndecidedError("nothing was sealed yet: there is no checkpoint") from None
        raise VerificationError("deleted: the ledger has no checkpoint any more") from None
    if old is not None and old.origin != now.origin:
        raise VerificationError("swapped key: the older checkpoint is of another log")
    if old is not None and old.size > now.size:
        raise VerificationError(f"rollback: the ledger has {now.size} entries and had {old.size}")
    tiles: list[bytes] = []  # the roots of all that are full
    before, last = EMPTY_ROOT, EMPTY_ROOT
    for number in range((now.size + TILE_WIDTH - 1) // TILE_WIDTH):
        last = root_of(leaves := _leaves(folder, number, min(TILE_WIDTH, now.size - number * TILE_WIDTH)))
        if old is not None and number == (old.size - 1) // TILE_WIDTH:
            before = root_of([*tiles, root_of(leaves[: old.size - number * TILE_WIDTH])])
        tiles += [last] * (len(leaves) == TILE_WIDTH)
    _verify_upper_tiles(folder, tiles)
    if root_of([*tiles, last] if now.size % TILE_WIDTH else tiles) != now.root:
        raise VerificationError("edited: the entries are not those that the checkpoint signs")
    if old is not None and before != old.root:
        raise VerificationError(f"fork: the first {old.size} entries are not those of the older checkpoint")
    return now


def _require_same_beginnings(folder: str, level: int | str, number: int, width: int) -> None:
    """Demand that what a tile was when it was narrower, as readers with older checkpoints take it, is its beginning."""
    path, whole = tile_path(level, number), _tile(folder, level, number, width)
    beside = os.path.join(folder, f"{path}.p")
    for name in sorted(os.listdir(beside)) if os.path.isdir(beside) else ():
        if not name.isdecimal() or int(name) >= width:  # not sealed yet, or being written
            continue
        data = read_regular(os.path.join(beside, name), TILE_WIDTH * (LARGEST_ENTRY + 2))
        entries = len(split_bundle(data, int(name), name)) if level == "entries" else len(data) // HASH_SIZE
        if entries != int(name) or not whole.startswith(data):
            raise VerificationError(f"edited: {path}.p/{name} is not how {path} began")


def _leaves(folder: str, number: int, width: int) -> list[bytes]:
    """Return the hashes of the entries of one bundle, which its tile has to hold, too."""
    hashes = read_hashes(folder, 0, number, width)
    leaves = [leaf_hash(entry) for entry in read_bundle(folder, number, width)]
    for level in (0, "entries"):
        _require_same_beginnings(folder, level, number, width)
    for place, (leaf, expected) in enumerate(zip(leaves, hashes, strict=True)):
        if leaf == expected:
            continue
        index, next_one = number * TILE_WIDTH + place, hashes[place + 1 : place + 2]
        if sorted(leaves) == sorted(hashes):
            raise VerificationError(f"reordered: the entries from number {index} on stand in another order than sealed")
        if [leaf] == next_one:
            raise VerificationError(f"deleted: entry {index} is missing, and the next one stands in its place")
        raise VerificationError(f"edited: entry {index} is not the one that was sealed")
    return leaves


def _verify_upper_tiles(folder: str, hashes: list[bytes]) -> None:
    level = 1
    while hashes:
        for number in range((len(hashes) + TILE_WIDTH - 1) // TILE_WIDTH):
            expected = hashes[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
            if read_hashes(folder, level, number, len(expected)) != expected:
                place = tile_path(level, number, len(expected))
                raise VerificationError(f"edited: {place} does not hold the hashes of the tiles below it")
            _require_same_beginnings(folder, level, number, len(expected))
        full = range(0, len(hashes) - TILE_WIDTH + 1, TILE_WIDTH)
        hashes, level = [root_of(hashes[start : start + TILE_WIDTH]) for start in full], level + 1


def read_bundle(folder: str, number: int, width: int) -> list[bytes]:
    """Return the first entries of a bundle of a ledger.

    Raises:
        VerificationError: They are not there.
        UndecidedError: They cannot be read.
    """
    return split_bundle(_tile(folder, "entries", number, width), width, tile_path("entries", number, width))


def read_hashes(folder: str, level: int, number: int, width: int) -> list[bytes]:
    """Return the first hashes of a tile of a ledger.

    Raises:
        VerificationError: They are not there.
        UndecidedError: They cannot be read.
    """
    data = _tile(folder, level, number, width)
    if len(data) != width * HASH_SIZE:
        place = tile_path(level, number, width)
        raise VerificationError(f"truncated: {place} has {len(data)} bytes and not {width * HASH_SIZE}")
    return [data[start : start + HASH_SIZE] for start in range(0, len(data), HASH_SIZE)]


def _tile(folder: str, level: int | str, number: int, width: int) -> bytes:
    """Return a tile; one that became full since then begins with what it was."""
    most = TILE_WIDTH * (LARGEST_ENTRY + 2)
    path = tile_path(level, number, width)
    try:
        return read_regular(os.path.join(folder, path), most)
    except FileNotFoundError:
        if width == TILE_WIDTH:
            raise VerificationError(f"deleted: {path} is not there") from None
    try:
        full = read_regular(os.path.join(folder, tile_path(level, number)), most)
    except FileNotFoundError:
        raise VerificationError(f"deleted: {path} is not there") from None
    if level != "entries":
        return full[: width * HASH_SIZE]
    entries = split_bundle(full, TILE_WIDTH, tile_path(level, number))
    return b"".join(len(one).to_bytes(2, "big") + one for one in entries[:width])


def read_regular(path: str, most: int) -> bytes:
    """Return the bytes of a regular file; a pipe would let its reader wait for ever.

    Raises:
        FileNotFoundError: It is not there.
        UndecidedError: It cannot be read, or is larger than it may be.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            data = file.read(most + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise UndecidedError(f"{path} cannot be read: {error.strerror}") from None
    if data is None or len(data) > most:
        raise UndecidedError(f"{path} is no regular file of at most {most} bytes")
    return data


# -- Portable proofs


PROOF_KIND = "weighlock.ledger-proof"


def verify_proof(document: bytes, key: Key) -> tuple[bytes, int, Checkpoint]:
    """Verify a portable proof, and return the entry, its index, and the checkpoint that it is under.

    Raises:
        VerificationError: It does not prove anything.
        UndecidedError: It is no document of this kind and version.
    """
    proof = _parsed(document)
    if proof.get("kind") != PROOF_KIND or proof.get("version") != 1:
        raise UndecidedError(f"it is no {PROOF_KIND} of version 1")
    checkpoint = verify_checkpoint(_text(proof.get("checkpoint")), key)
    entry, index = _decoded(proof.get("entry")), proof.get("index")
    if not isinstance(index, int) or isinstance(index, bool) or len(entry) > LARGEST_ENTRY:
        raise VerificationError("forged: the proof is not built as it has to be")
    verify_inclusion(leaf_hash(entry), index, checkpoint.size, _siblings(proof.get("inclusion")), checkpoint.root)
    return entry, index, checkpoint


def _parsed(document: bytes) -> dict[str, Any]:
    import json

    try:
        parsed = json.loads(document, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise UndecidedError("it is not in JSON, or says something twice") from None
    if not isinstance(parsed, dict):
        raise UndecidedError("it is not a document that this verifier knows")
    return parsed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; of a member that is there twice, readers take the first or the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise VerificationError("forged: there is no checkpoint")
    return value.encode("utf-8", "surrogatepass")


def _siblings(value: Any) -> list[bytes]:
    if not isinstance(value, list) or len(value) > 64:
        raise VerificationError("forged: the inclusion proof is not built as it has to be")
    return [_decoded(one) for one in value]


# -- Rekor: Sigstore bundles, and attestations of packages (PEP 740)


def verify_rekor(document: bytes, key: Key) -> list[Checkpoint]:
    """Verify that what a document signs was logged: each of its entries is under a checkpoint, and about its content.

    The signature itself, and whose it is, are not looked at.

    Args:
        document: A Sigstore bundle, an attestation, or the provenance of a file with several (PEP 740).
        key: The log's.

    Raises:
        VerificationError: An entry is not under a signed checkpoint, or about something else.
        UndecidedError: There is no entry, or one of a kind that this verifier does not know.
    """
    try:
        logged = [_verify_logged(*one, key) for one in _logged(_parsed(document))]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise UndecidedError(f"the document is not built as it has to be: {type(error).__name__}") from None
    if not logged:
        raise UndecidedError("the document has no attestation")
    return logged


def _logged(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, str], list[str]]]:
    """Yield each entry of a log with what it has to be about: the digest of a content by kind, and signatures of it."""
    bundles = document.get("attestation_bundles")
    attestations = [one for bundle in bundles for one in bundle["attestations"]] if bundles else [document]
    for one in attestations:
        if "envelope" in one:  # PEP 740
            material, entries = one["verification_material"], "transparency_entries"
            digests = _signed("application/vnd.in-toto+json", one["envelope"]["statement"])
            signatures = [one["envelope"]["signature"]]
        elif "dsseEnvelope" in one:
            material, entries = one["verificationMaterial"], "tlogEntries"
            envelope = one["dsseEnvelope"]
            digests = _signed(envelope["payloadType"], envelope["payload"])
            signatures = [signed["sig"] for signed in envelope["signatures"]]
        else:
            material, entries = one["verificationMaterial"], "tlogEntries"
            message = one["messageSignature"]
            digests = {"hashedrekord": _decoded(message["messageDigest"]["digest"]).hex()}
            signatures = [message["signature"]]
        if not material.get(entries):
            raise UndecidedError("an attestation has no entry of a log")
        for entry in material[entries]:
            yield entry, digests, signatures


def _signed(kind: str, encoded: str) -> dict[str, str]:
    """Return the digests of a payload, and of what is signed in its place (DSSE), which Rekor v2 logs."""
    payload, name = _decoded(encoded), kind.encode()
    signed = b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)
    return {"dsse": hashlib.sha256(payload).hexdigest(), "hashedrekord": hashlib.sha256(signed).hexdigest()}


def _verify_logged(entry: dict[str, Any], digests: dict[str, str], signatures: list[str], key: Key) -> Checkpoint:
    proof = entry.get("inclusionProof")
    if not proof:
        raise UndecidedError("an entry has no inclusion proof, but a promise at most")
    checkpoint = verify_checkpoint(_text(proof["checkpoint"]["envelope"]), key)
    body = _decoded(entry["canonicalizedBody"])
    index = str(proof.get("logIndex", "0"))  # what is zero is left out of such documents
    if not re.fullmatch(r"[0-9]{1,19}", index):
        raise VerificationError("forged: the index of an entry is no number")
    siblings = _siblings(proof.get("hashes", []))
    verify_inclusion(leaf_hash(body), int(index), checkpoint.size, siblings, checkpoint.root)
    logged = _parsed(body)
    if _about(logged) != (digests.get(logged["kind"]), sorted(signatures)):
        raise VerificationError("forged: the logged entry is about another content or signature")
    return checkpoint


def _about(body: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the digest of what an entry of Rekor is about, and its signatures."""
    kind, spec = (body.get("kind"), body.get("apiVersion")), body["spec"]
    if kind == ("dsse", "0.0.1") and spec["payloadHash"]["algorithm"] == "sha256":
        return spec["payloadHash"]["value"], sorted(one["signature"] for one in spec["signatures"])
    if kind == ("dsse", "0.0.2") and spec["dsseV002"]["payloadHash"]["algorithm"] == "SHA2_256":
        spec = spec["dsseV002"]
        return _decoded(spec["payloadHash"]["digest"]).hex(), sorted(one["content"] for one in spec["signatures"])
    if kind == ("hashedrekord", "0.0.1") and spec["data"]["hash"]["algorithm"] == "sha256":
        return spec["data"]["hash"]["value"], [spec["signature"]["content"]]
    if kind == ("hashedrekord", "0.0.2") and spec["hashedRekordV002"]["data"]["algorithm"] == "SHA2_256":
        spec = spec["hashedRekordV002"]
        return _decoded(spec["data"]["digest"]).hex(), [spec["signature"]["content"]]
    raise UndecidedError(f"entries of Rekor of the kind {kind!r:.100} are not known")


# -- The command line


def read_key(text: str) -> Key:
    """Return the key that an argument names: a vkey, or a file that holds one or PEM.

    Raises:
        UndecidedError: It is neither.
    """
    is_vkey = text.count("+") >= 2 and not os.path.exists(text)
    return parse_key(text if is_vkey else _named(text, _LARGEST_NOTE).decode("latin-1"))


def _named(path: str, most: int = _LARGEST_DOCUMENT) -> bytes:
    try:
        return read_regular(path, most)
    except FileNotFoundError:
        raise UndecidedError(f"{path} is not there") from None


def _run(arguments: Sequence[str] | None) -> str:
    from argparse import ArgumentParser

    parser = ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("what", choices=("ledger", "proof", "rekor"), help="what to verify")
    parser.add_argument("place", help="the folder of a ledger, or the file of a proof, bundle or attestation")
    parser.add_argument("--key", required=True, help="the key that you trust: a vkey, or a file with it or with PEM")
    parser.add_argument("--since", metavar="CHECKPOINT", help="a checkpoint of the ledger that you kept")
    given = parser.parse_args(arguments)
    key = read_key(given.key)
    if given.what != "ledger" and given.since:
        parser.error("--since is for a ledger")
    if given.what == "ledger":
        old = _named(given.since, _LARGEST_NOTE) if given.since else None
        now = verify_folder(given.place, key, old)
        return f"verified: {now.size} entries of {now.origin}" + (", which continue the checkpoint" if old else "")
    if given.what == "proof":
        entry, index, now = verify_proof(_named(given.place), key)
        return f"verified: entry {index} of {now.size} of {now.origin}\n{ascii(entry.decode('utf-8', 'replace'))[1:-1]}"
    logged = verify_rekor(_named(given.place), key)
    return "\n".join(f"verified: logged in {one.origin}, which had {one.size} entries" for one in logged)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify what the arguments name, and return the exit code."""
    try:
        line, code = _run(arguments), 0
    except VerificationError as error:
        line, code = f"does not verify: {error}", 1
    except UndecidedError as error:
        line, code = f"could not be decided: {error}", 2
    print(line.encode("ascii", "backslashreplace").decode(), file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
