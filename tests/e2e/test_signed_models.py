"""The whole way: lock, sign, verify by our commands and by those of others, load; and an attack at each step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.signing.signed_models import Key, write_model
from weighlock._cli import main

pytestmark = pytest.mark.e2e

STOCK = Path(sys.executable).with_name("model_signing")
LOAD = """
import weighlock; weighlock.activate()
import pickle
with open("model/data.pkl", "rb") as file:
    print(pickle.load(file))
"""
POLICY = '[evidence]\nrequire-signature = true\nsigners = [{ name = "alice", key = "alice.pub" }]\n'
FILES = {"config.json": b"{}", "data.pkl": b"N.", "sub/words.txt": b"a\n", ".gitattributes": b"* text\n"}


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    for name in list(os.environ):
        if name.startswith("WEIGHLOCK_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WEIGHLOCK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model", FILES)
    Key.make(tmp_path, "alice")
    Key.make(tmp_path, "mallory")
    assert main(["lock", "./model"]) == 0
    capsys.readouterr()
    return tmp_path


def stock(project, bundle, key="alice"):
    """Verify with the command line of the real library."""
    command = [STOCK, "verify", "key", "model", "--signature", bundle, "--public_key", f"{key}.pub"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False).returncode


def load(project):
    done = subprocess.run([sys.executable, "-c", LOAD], cwd=project, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_lockfile_is_signed_and_then_a_program_loads(project, capsys):
    (project / "weighlock.toml").write_text(POLICY)
    assert load(project)[0] == 2
    assert main(["sign", "models.lock", "--key", "alice.key"]) == 0
    assert load(project)[:2] == (0, "None\n")
    assert main(["verify"]) == 0
    assert main(["verify", "--signature", "models.lock"]) == 0


def test_a_lockfile_that_mallory_signed_loads_nothing(project):
    (project / "weighlock.toml").write_text(POLICY)
    assert main(["sign", "models.lock", "--key", "mallory.key"]) == 0
    code, out, error = load(project)
    assert (code, out) == (2, "")
    assert "does not verify" in error
    assert main(["verify"]) == 1


def test_a_locked_model_is_signed_for_everybody(project, capsys):
    """The file of git is locked and signed, and stock `model_signing` does not look at it."""
    (project / "elsewhere").mkdir()
    (project / "model").rename(project / "elsewhere" / "model")  # nothing is hashed again, so nothing need be there
    assert main(["sign", "./model", "--oms", "--key", "alice.key", "--output", "model.sig"]) == 0
    (project / "elsewhere" / "model").rename(project / "model")
    assert stock(project, "model.sig") == 0
    assert stock(project, "model.sig", "mallory") != 0
    capsys.readouterr()
    assert main(["verify", "--signature", "model.sig", "model", "--key", "alice.pub"]) == 0
    assert "VERIFIED model ./model: 1 of 1 signers" in capsys.readouterr().out
    command = ["verify", "--signature", "model.sig", "model", "--key", "alice.pub", "--format", "json"]
    assert main([*command, "--model", "./model"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["verified"]
    assert {file["status"] for file in answer["artifacts"]} == {"good"}
    assert main([*command, "--model", "another"]) == 1


@pytest.mark.parametrize(
    ("path", "data", "accepted"),
    [
        ("config.json", b"[]", False),
        ("modeling_x.py", b"import os", False),
        (".github/x.py", b"import os", True),
        (".gitattributes", b"* -text\n", True),
        (".git/hooks/post-checkout", b"import os", True),
    ],
)
def test_what_was_put_into_a_signed_model_is_found(project, path, data, accepted, capsys):
    assert main(["sign", "./model", "--oms", "--key", "alice.key", "--output", "model.sig"]) == 0
    write_model(project / "model", {path: data})
    assert (stock(project, "model.sig") == 0) is accepted
    capsys.readouterr()
    assert main(["verify", "--signature", "model.sig", "model", "--key", "alice.pub"]) == 1
    assert os.path.basename(path) in capsys.readouterr().out


def test_a_model_that_the_library_signed_is_verified_by_our_command(project, capsys):
    done = subprocess.run(
        [STOCK, "sign", "key", "model", "--signature", "model.sig", "--private_key", "alice.key"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert main(["verify", "--signature", "model.sig", "model", "--key", "alice.pub"]) == 0
    assert "unsigned" in capsys.readouterr().out
    assert main(["verify", "--signature", "model.sig", "model", "--key", "mallory.pub"]) == 1
