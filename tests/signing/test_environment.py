"""What an environment without the extra can do: verify by a pinned key, and say what else it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.signing.documents import read_document
from weighlock.signing.key import private_pem

_CORE = """
import sys
for name in ("cryptography", "sigstore", "sigstore_models", "pkcs11", "OpenSSL", "pydantic"):
    sys.modules[name] = None
from weighlock._cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def project(tmp_path, alice):
    files = (LockedFile(path="x", size=1, sha256="a" * 64),)
    data = Lockfile(models=(LockedModel(name="m", source=PathSource(path="m"), files=files),)).dumps().encode()
    (tmp_path / "models.lock").write_bytes(data)
    statement = read_document(data, "models.lock").statement.to_bytes()
    (tmp_path / "models.lock.sigstore.json").write_bytes(alice.sign(statement).to_bytes())
    (tmp_path / "k.pub").write_bytes(alice.public.pem)
    (tmp_path / "k").write_bytes(private_pem(alice, None))
    (tmp_path / "k").chmod(0o600)
    return tmp_path


def core(folder, *arguments):
    command = [sys.executable, "-c", _CORE, *arguments]
    environ = {"PYTHONPATH": ":".join(sys.path), "WEIGHLOCK_STATE": str(folder / "state"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_pinned_key_is_enough_for_an_environment_that_has_nothing_else(project):
    done = core(project, "verify", "--signature", "models.lock", "--key", "k.pub")
    assert (done.returncode, done.stderr) == (0, "")
    (project / "models.lock").write_text((project / "models.lock").read_text() + "\n")
    assert core(project, "verify", "--signature", "models.lock", "--key", "k.pub").returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("sign", "models.lock", "--key", "k"),
        ("sign", "models.lock", "--keyless"),
        ("sign", "--generate-key", "new", "--no-passphrase"),
        ("sign", "models.lock", "--key", "pkcs11:object=x?module-path=m"),
    ],
)
def test_what_needs_an_extra_says_which(project, arguments):
    done = core(project, *arguments)
    assert (done.returncode, "hint: pip install 'weighlock[" in done.stderr) == (2, True), done.stderr
