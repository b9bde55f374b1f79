"""Rows about signing models from the lockfile, and about what a lockfile that has to be signed costs a program."""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.correctness import ROOT, count_passed
from bench.row import NO_BAR, Row, report, spread
from weighlock.files import parse_lockfile, read_lockfile
from weighlock.gates.signed_lockfile import read_signed
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.policy import Policy
from weighlock.signing.key import generate, private_pem, read_key
from weighlock.signing.lockfile_statement import statement_of
from weighlock.signing.oms_bundle import sign_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PART = "signed_models"
_ROUNDS = 21
_FILES = 100
_INTEROP = "tests/interop/test_interop.py"


def measure(folder: Path) -> list[Row]:
    """Sign and read a lockfile of one model with 100 files, none of which exists.

    Args:
        folder: For the lockfile and the key.
    """
    files = tuple(
        LockedFile(path=f"shards/{n:03}.safetensors", size=1 << 30, sha256=hashlib.sha256(b"%d" % n).hexdigest())
        for n in range(_FILES)
    )
    model = LockedModel(name="org/model", source=PathSource(path="not there"), files=files)
    (folder / "models.lock").write_text(Lockfile(models=(model,)).dumps(), encoding="utf-8")
    (folder / "a.key").write_bytes(private_pem(generate(), None))
    (folder / "a.key").chmod(0o600)
    return [_interop(folder), _sign(folder), _read(folder)]


def _interop(folder: Path) -> Row:
    place = folder / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", _INTEROP, f"--junitxml={place}"]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    passed, total = count_passed(place)
    return Row(
        part=PART,
        name="one bundle verified by independent implementations, sockets blocked",
        bar="at least three",
        measured="four: model_signing, sigstore-js, securesystemslib, and OpenSSL with in-toto's own reader; "
        f"{passed} of {total} tests",
        method=f"`{_INTEROP}`: the bundle of a model, and all but the first that of a lockfile; each also refuses one "
        "changed byte of the statement, one of the signature, and another key; a server on the machine is out of reach",
        met=passed == total > 0,
    )


def _sign(folder: Path) -> Row:
    def sign() -> None:
        locked = read_lockfile(folder / "models.lock").models[0]
        key = read_key((folder / "a.key").read_bytes(), lambda: b"", where="a.key")
        (folder / "model.sig").write_bytes(sign_model(locked, key, key.public).to_bytes())

    def command() -> None:
        arguments = ["sign", "org/model", "--oms", "--key", "a.key", "--lockfile", "models.lock"]
        environ = {**os.environ, "WEIGHLOCK_LEDGER": str(folder / "ledger"), "WEIGHLOCK_STATE": str(folder / "state")}
        program = [sys.executable, "-m", "weighlock", *arguments]
        subprocess.run(program, cwd=folder, env=environ, stdout=subprocess.DEVNULL, check=True)

    times = _times(sign)
    whole = _times(command)
    return Row(
        part=PART,
        name="signing a locked 100-file model",
        bar="<= 0.1 s, nothing re-hashed",
        measured=f"{statistics.median(times) * 1000:.1f} ms; none of the files is on this machine; "
        f"the whole command, from start to exit: {statistics.median(whole):.2f} s",
        method="reads the lockfile and the key, writes the bundle that stock `model_signing` verifies; the files that "
        f"would have 100 GB do not exist; in one process, median of {_ROUNDS}",
        met=statistics.median(times) <= 0.1,
        numbers={"signing": spread(times), "command": spread(whole)},
    )


def _read(folder: Path) -> Row:
    place = folder / "models.lock"
    key = read_key((folder / "a.key").read_bytes(), lambda: b"", where="a.key")
    (folder / "a.pub").write_bytes(key.public.pem)
    data = place.read_bytes()
    bundle = key.sign(statement_of(data, parse_lockfile(data, "models.lock")).to_bytes())
    (folder / "models.lock.sigstore.json").write_bytes(bundle.to_bytes())
    signers = [{"name": "a", "key": "a.pub"}]
    required = Policy.from_dict({"evidence": {"require-signature": True, "signers": signers}}).evidence
    policy_path = str(folder / "weighlock.toml")
    signed = _times(lambda: read_signed(place, required, policy_path))
    plain = _times(lambda: read_signed(place, Policy().evidence, None))
    added = statistics.median(signed) - statistics.median(plain)
    return Row(
        part=PART,
        name="reading a lockfile that has to be signed: added once in a program",
        bar=NO_BAR,
        measured=f"{added * 1000:.1f} ms for one signer",
        method="ECDSA P-256 in the standard library alone; before the first guarded load, not at start-up; "
        f"median of {_ROUNDS}",
        met=None,
        numbers={"signed": spread(signed), "plain": spread(plain)},
    )


def _times(work: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    report(PART, measure)
