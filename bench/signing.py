"""Rows about signing a lockfile and verifying it: `python -m bench.signing` writes `results/signing.json`."""

from __future__ import annotations

import hashlib
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.row import NO_BAR, Row, report, spread
from weighlock.gates.signatures import verify_document
from weighlock.gates.signing import sign_document
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.signing.key import generate, private_pem, read_key
from weighlock.signing.trust import Trust, TrustedIdentity, TrustedKey
from weighlock.signing.verification import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

PART = "signing"
_ROUNDS = 21
_RECORDED = Path(__file__).parent.parent / "tests" / "signing" / "recorded" / "sigstore-dsse.json"
_BEACON = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/"
    ".github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)


def measure(folder: Path) -> list[Row]:
    """Sign and verify lockfiles of files that do not exist, and verify a real bundle of Sigstore.

    Args:
        folder: For the lockfiles and the key.
    """
    (folder / "a.key").write_bytes(private_pem(generate(), None))
    return [_sign(folder, 100), *_verify(folder, 100), *_large(folder), _identity()]


def _lockfile(folder: Path, files: int) -> Path:
    place = folder / f"{files}.lock"
    locked = tuple(
        LockedFile(path=f"shards/{n:06}.safetensors", size=1 << 30, sha256=hashlib.sha256(b"%d" % n).hexdigest())
        for n in range(files)
    )
    model = LockedModel(name="org/model", source=PathSource(path="not there"), files=locked)
    place.write_text(Lockfile(models=(model,)).dumps(), encoding="utf-8")
    return place


def _key(folder: Path) -> TrustedKey:
    return TrustedKey(name="a", key=read_key((folder / "a.key").read_bytes(), lambda: b"", where="a.key").public)


def _signing(folder: Path, place: Path) -> Callable[[], object]:
    def sign() -> object:
        return sign_document(place, read_key((folder / "a.key").read_bytes(), lambda: b"", where="a.key"))

    return sign


def _sign(folder: Path, files: int) -> Row:
    times = _times(_signing(folder, _lockfile(folder, files)))
    return Row(
        part=PART,
        name=f"signing a lockfile of {files} files",
        bar="<= 0.1 s, nothing re-hashed",
        measured=f"{statistics.median(times) * 1000:.1f} ms",
        method="reads key and lockfile, signs every digest in it, writes the bundle to the disk (fsync); the files do "
        f"not exist; in one process, median of {_ROUNDS}",
        met=statistics.median(times) <= 0.1,
        numbers=spread(times),
    )


def _verify(folder: Path, files: int) -> list[Row]:
    place, now = folder / f"{files}.lock", datetime.now(UTC)
    trust = Trust(signers=(_key(folder),))

    def verify() -> None:
        verify_document(place, trust, now=now).tally.require()

    times = _times(verify)
    return [
        Row(
            part=PART,
            name=f"verifying the signature of a lockfile of {files} files, by a pinned key",
            bar=NO_BAR,
            measured=f"{statistics.median(times) * 1000:.1f} ms",
            method="ECDSA P-256 in the standard library alone; the whole statement is compared with the lockfile; "
            f"median of {_ROUNDS}",
            met=None,
            numbers=spread(times),
        )
    ]


def _large(folder: Path) -> list[Row]:
    place = _lockfile(folder, 10_000)
    times = _times(_signing(folder, place), 5)
    size = place.with_name(f"{place.name}.sigstore.json").stat().st_size
    return [
        Row(
            part=PART,
            name="signing a lockfile of 10,000 files",
            bar=NO_BAR,
            measured=f"{statistics.median(times) * 1000:.0f} ms, {size / 1e6:.1f} MB",
            method="as above; most of it is reading the TOML; median of 5",
            met=None,
            numbers={**spread(times), "bytes": size},
        )
    ]


def _identity() -> Row:
    data, now = _RECORDED.read_bytes(), datetime.now(UTC)
    issuer = "https://token.actions.githubusercontent.com"
    signers = [TrustedIdentity(name="beacon", identity=_BEACON, issuer=issuer)]
    first = _times(lambda: verify_bundle(data, signers, now=now), 1)[0]
    times = _times(lambda: verify_bundle(data, signers, now=now))
    return Row(
        part=PART,
        name="verifying a real bundle of Sigstore, offline",
        bar=NO_BAR,
        measured=f"{statistics.median(times) * 1000:.1f} ms, the first one {first * 1000:.0f} ms",
        method=f"by sigstore-python with the keys that came with it; the first one imports it; median of {_ROUNDS}",
        met=None,
        numbers={**spread(times), "first": first},
    )


def _times(work: Callable[[], object], rounds: int = _ROUNDS) -> list[float]:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    report(PART, measure)
