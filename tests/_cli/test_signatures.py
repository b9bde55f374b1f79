"""Commands over a lockfile that has to be signed: who acts on it demands the signatures, who changes it says so."""

from __future__ import annotations

import pytest

from tests.signing.signed_models import Key, sign_bytes
from weighlock._cli import main
from weighlock._cli.doctor import _settings
from weighlock.files import parse_lockfile
from weighlock.signing.lockfile_statement import statement_of

POLICY = """
[evidence]
require-signature = true
signers = [{ name = "alice", key = "alice.pub" }]
"""


@pytest.fixture
def alice(tmp_path):
    return Key.make(tmp_path, "alice")


@pytest.fixture
def project(tmp_path, alice, monkeypatch, capsys):
    for name in ("WEIGHLOCK_MODE", "WEIGHLOCK_LOCK", "WEIGHLOCK_POLICY", "WEIGHLOCK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WEIGHLOCK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "data.pkl").write_bytes(b"N.")
    (tmp_path / "weighlock.toml").write_text(POLICY)
    assert main(["lock", "./model"]) == 0
    capsys.readouterr()
    return tmp_path


def sign(project, alice):
    data = (project / "models.lock").read_bytes()
    statement = statement_of(data, parse_lockfile(data, "models.lock"))
    sign_bytes(statement.to_bytes(), project / "models.lock.sigstore.json", alice)


ACTING = (["verify"], ["sync", "--offline"], ["lock", "--check", "--offline", "./model"])


@pytest.mark.parametrize("command", ACTING, ids=lambda command: " ".join(command))
def test_who_acts_on_an_unsigned_lockfile_refuses(project, command, capsys):
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "models.lock: the policy requires the signatures of 1 of alice, and none counts" in error
    assert "hint: `weighlock sign models.lock --key FILE`" in error


@pytest.mark.parametrize("command", ACTING, ids=lambda command: " ".join(command))
def test_who_acts_on_a_signed_lockfile_goes_on(project, alice, command, capsys):
    sign(project, alice)
    assert main(command) == 0, capsys.readouterr().err


def test_doctor_says_that_a_lockfile_is_not_signed(project, alice):
    assert "requires the signatures of 1 of alice" in _settings({})["problem"]
    sign(project, alice)
    assert _settings({})["problem"] is None


def test_who_changes_a_signed_lockfile_says_that_it_has_to_be_signed_again(project, alice, capsys):
    sign(project, alice)
    (project / "model" / "data.pkl").write_bytes(b"\x80\x04N.")
    assert main(["lock", "./model"]) == 0
    error = capsys.readouterr().err
    assert "`weighlock sign models.lock --key FILE`" in error
    assert "as it was before" not in error
    assert main(["verify"]) == 1


def test_who_changes_a_lockfile_that_somebody_changed_is_warned_of_what_was_there(project, alice, capsys):
    """The next signature is over all of it, and so over what was slipped in."""
    sign(project, alice)
    text = (project / "models.lock").read_text()
    (project / "models.lock").write_text(text.replace('created-by = "weighlock"', 'created-by = "mallory"'))
    (project / "model" / "data.pkl").write_bytes(b"\x80\x04N.")
    assert main(["lock", "./model"]) == 0
    error = capsys.readouterr().err
    assert "as it was before" in error
    assert "signs other bytes" in error
    assert "review all of it before it is signed" in error


def test_an_approval_has_to_be_signed(project, alice, capsys):
    sign(project, alice)
    (project / "model" / "data.pkl").write_bytes(b"cmypackage.training\nArguments\n)R.")
    assert main(["lock", "./model"]) == 0
    sign(project, alice)
    capsys.readouterr()
    assert main(["approve", "./model:data.pkl", "--yes"]) == 0, capsys.readouterr().err
    assert "no signature of it holds any more" in capsys.readouterr().err


def test_a_lockfile_that_did_not_change_keeps_its_signature(project, alice, capsys):
    sign(project, alice)
    assert main(["lock", "./model"]) == 0
    assert "sign" not in capsys.readouterr().err
    assert main(["verify"]) == 0


def test_a_project_without_signatures_hears_nothing_of_them(project, capsys):
    (project / "weighlock.toml").write_text("")
    (project / "model" / "data.pkl").write_bytes(b"\x80\x04N.")
    assert main(["lock", "./model"]) == 0
    assert "sign" not in capsys.readouterr().err
