"""From a fresh folder to production, by commands alone, as an author, an approver and a pipeline type them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.gates.conftest import safetensors
from weighlock._cli import main
from weighlock.audit.parts import QUESTIONS

pytestmark = pytest.mark.e2e

PROMOTE = ("promote", "./net", "--to", "production")
APPROVE = ("approve-promotion", "./net", "--to", "Production", "--reason", "good")
POLICY = """
[promotion]
store = "store"
verifiers = ["ci"]
[[promotion.stages]]
name = "staging"
require = ["lock", "scan"]
[[promotion.stages]]
name = "production"
after = "staging"
approvers = ["bob"]
"""


class Folder:
    """A folder in which commands are typed; all but those that load run in this process."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.place, self.patch, self.capsys = place, monkeypatch, capsys
        monkeypatch.chdir(place)
        for name in [name for name in os.environ if name.startswith(("WEIGHLOCK_", "XDG_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(place))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def run(self, *words: str, code: int = 0) -> str:
        self.capsys.readouterr()
        found = main(words)
        said = self.capsys.readouterr()
        assert found == code, (words, said)
        return said.out if "json" in words else said.out + said.err

    def load(self) -> None:
        """Load what is locked, under the guard."""
        program = "from safetensors.torch import load_file\nassert load_file('net/model.safetensors')\n"
        (self.place / "program.py").write_text(program)
        subprocess.run([sys.executable, "-m", "weighlock", "run", "program.py"], cwd=self.place, check=True)


def answered(digest: str) -> str:
    day = datetime.now(UTC).date().isoformat()
    answers = "".join(
        f'[[models.answers]]\nitem = "{one.id}"\nanswer = "pass"\ntext = "t"\nby = "Jo"\nat = {day}\n'
        for one in QUESTIONS
        if one.assess is None or one.id == "source-known"
    )
    waivers = "".join(
        f'[[models.waivers]]\nitem = "{item}"\nreason = "r"\nby = "Jo"\napprover = "Ann"\nat = {day}\nexpires = {day}\n'
        for item in ("base-models", "packages-admitted", "no-advisories")
    )
    top = f'audit-version = "1.0"\nlicenses = ["mit"]\n[[models]]\nname = "./net"\ndigest = "{digest}"\n'
    return top + answers + waivers


def prepared(folder: Folder) -> None:
    folder.run("lock", "./net", "--all-formats")
    folder.run("sign", "models.lock", "--key", "alice.key")
    folder.run("bom", "--output", "models.cdx.json")
    audit = json.loads(folder.run("audit", "./net", "--format", "json", code=1))
    (folder.place / "audit.toml").write_text(answered(audit["model"]["digest"]))
    folder.run("promote", "./net", "--to", "staging", "--key", "ci.key")


def test_from_a_fresh_folder_to_production_and_back(tmp_path, monkeypatch, capsys):
    folder = Folder(tmp_path, monkeypatch, capsys)
    model = tmp_path / "net" / "model.safetensors"
    model.parent.mkdir()
    model.write_bytes(safetensors())
    (tmp_path / "net" / "README.md").write_text("---\nlicense: mit\nbase_model: o/b\ndatasets:\n- squad\n---\n# Net\n")
    signers = ""
    for name in ("alice", "bob", "ci"):
        folder.run("sign", "--generate-key", f"{name}.key", "--no-passphrase")
        signers += f'[[evidence.signers]]\nname = "{name}"\nkey = "{name}.key.pub"\n'
    (tmp_path / "weighlock.toml").write_text(signers + POLICY)
    folder.run("lock", "./net", "--all-formats")

    missing = folder.run(*PROMOTE, "--dry-run", code=1)
    for step in ("weighlock sign models.lock", "weighlock bom", "weighlock audit ./net --init", "approve-promotion"):
        assert step in missing
    assert "\x1b" not in missing
    prepared(folder)
    assert "no approver" in folder.run(*APPROVE, "--key", "alice.key", code=2)
    folder.run(*APPROVE, "--key", "bob.key")
    assert "no verifier" in folder.run(*PROMOTE, "--key", "alice.key", code=2)
    assert "nothing says who signs" in folder.run(*PROMOTE, code=2)
    monkeypatch.setenv("WEIGHLOCK_SIGNING_KEY", (tmp_path / "ci.key").read_text())
    document = json.loads(folder.run(*PROMOTE, "--format", "json"))
    assert document["allowed"]
    assert document["promoted"]["version"] == "1"
    folder.load()  # what is in force is what is locked

    first = model.read_bytes()
    model.write_bytes(safetensors())
    assert "no earlier version" in folder.run("rollback", "./net", code=1)
    prepared(folder)
    folder.run(*APPROVE, "--key", "bob.key")
    folder.run(*PROMOTE)
    assert "version 1 is in production, in place of 2" in folder.run("rollback", "./net", "--restore")
    assert model.read_bytes() == first
    folder.load()
    folder.run("ledger", "verify")
