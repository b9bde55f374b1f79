"""Attacks on a lockfile that has to be signed: by whoever can write it, and by whoever can write beside it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from tests.signing.signed_models import Key, sign_bytes, sign_statement, statement
from weighlock.entry import Entry
from weighlock.errors import AdmissionError, GuardError, LockfileError, PolicyError, UnsupportedError, WeighlockError
from weighlock.files import parse_lockfile
from weighlock.gates.load import open_gate
from weighlock.gates.project import find_project
from weighlock.gates.signed_lockfile import problem_of, require_signatures, signatures_beside
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.policy import Policy
from weighlock.signing.lockfile_statement import statement_of

DATA = b"N."


def lockfile_of(**files):
    locked = tuple(
        LockedFile(
            path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest(), format="pickle", outcome="data-only"
        )
        for name, data in files.items()
    )
    model = LockedModel(name="m", source=PathSource(path="m"), files=locked)
    return Lockfile(models=(model,)).dumps().encode()


LOCK = lockfile_of(data=DATA)
OTHER = lockfile_of(data=b"\x80\x04N.")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {name: Key.make(folder, name) for name in ("alice", "bob", "mallory")}


@pytest.fixture
def project(tmp_path, keys):
    (tmp_path / "keys").mkdir()
    for name, key in keys.items():
        (tmp_path / "keys" / f"{name}.pub").write_bytes(key.public.read_bytes())
    (tmp_path / "models.lock").write_bytes(LOCK)
    policy(tmp_path, "alice")
    return tmp_path


def policy(folder, *signers, threshold=1, more=""):
    rows = "".join(
        f'[[evidence.signers]]\nname = "{name.partition("=")[0]}"\nkey = "keys/{name.rpartition("=")[2]}.pub"\n'
        for name in signers
    )
    text = f"{more}\n[evidence]\nrequire-signature = true\nthreshold = {threshold}\n{rows}"
    (folder / "weighlock.toml").write_text(text, encoding="utf-8")


def sign(folder, key, data=LOCK, name=None):
    place = folder / f"models.lock{f'.{name}' if name else ''}.sigstore.json"
    return sign_bytes(statement_of(data, parse_lockfile(data, "models.lock")).to_bytes(), place, key)


def environ(folder, **more):
    return {"WEIGHLOCK_ROOT": str(folder), "WEIGHLOCK_CACHE": str(folder / "cache"), **more}


def read(folder):
    return find_project(environ(folder)).read(required=True)


def refused(folder, match, error=AdmissionError):
    """Demand that neither the guard nor a command reads the lockfile."""
    with pytest.raises(error, match=match) as caught:
        read(folder)
    with pytest.raises(WeighlockError, match=match):
        open_gate(environ(folder))
    assert caught.value.hint
    return caught.value


# -- what is admitted


def test_a_signed_lockfile_is_read(project, keys):
    sign(project, keys["alice"])
    assert read(project).by_name("m")
    assert open_gate(environ(project)).lockfile == read(project)


def test_a_signature_under_the_name_of_its_signer_is_read(project, keys):
    sign(project, keys["alice"], name="alice")
    assert read(project).by_name("m")


def test_two_of_three_signers(project, keys):
    policy(project, "alice", "bob", "mallory", threshold=2)
    sign(project, keys["mallory"])
    sign(project, keys["bob"], name="bob")
    assert read(project).by_name("m")


def test_a_broken_signature_besides_enough_good_ones_decides_nothing(project, keys):
    policy(project, "alice", "bob")
    sign(project, keys["alice"])
    (project / "models.lock.bob.sigstore.json").write_text("{}")
    assert read(project).by_name("m")


def test_who_requires_nothing_reads_no_signature(project):
    (project / "weighlock.toml").write_text("")
    (project / "models.lock.sigstore.json").write_text("broken")
    assert read(project).by_name("m")


# -- what is refused


def test_no_signature(project):
    error = refused(project, "requires the signatures of 1 of alice, and none counts")
    assert error.exit_code == 1
    assert "weighlock sign models.lock" in error.hint
    assert "alice" in error.hint


def test_a_lockfile_that_was_changed_after_it_was_signed(project, keys):
    sign(project, keys["alice"])
    (project / "models.lock").write_bytes(LOCK.replace(b'"m"', b'"n"'))
    refused(project, "models.lock.sigstore.json: .*signs other bytes")


def test_the_signature_of_another_lockfile(project, keys):
    sign(project, keys["alice"], OTHER)
    refused(project, "signs other bytes")


def test_line_ends_are_bytes_too(project, keys):
    sign(project, keys["alice"])
    (project / "models.lock").write_bytes(LOCK.replace(b"\n", b"\r\n"))
    refused(project, "signs other bytes")


def test_the_key_of_somebody_else(project, keys):
    sign(project, keys["mallory"])
    refused(project, r"models\.lock\.sigstore\.json: .*does not verify")


def test_one_changed_byte_of_the_statement(project, keys):
    place = sign(project, keys["alice"])
    document = json.loads(place.read_bytes())
    payload = document["dsseEnvelope"]["payload"]
    document["dsseEnvelope"]["payload"] = payload[:40] + ("A" if payload[40] != "A" else "B") + payload[41:]
    place.write_text(json.dumps(document))
    refused(project, "does not verify")


def test_a_model_file_that_is_a_lockfile_is_not_the_lockfile_that_was_signed(project, keys):
    """A repository holds a ready lockfile; whoever locks and signs it has signed those bytes as a file of a model."""
    locked = lockfile_of(**{"models.lock": OTHER})
    sign(project, keys["alice"], locked)
    (project / "models.lock").write_bytes(OTHER)
    refused(project, "signs other bytes")


def test_a_statement_of_another_type_about_the_same_bytes(project, keys):
    document = statement({"models.lock": LOCK})
    document["subject"] = [{"name": "models.lock", "digest": {"sha256": hashlib.sha256(LOCK).hexdigest()}}]
    sign_statement(document, project / "models.lock.sigstore.json", keys["alice"])
    refused(project, "signs no lockfile")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "{", '{"mediaType": "x"}', "\0", '{"a": 1, "a": 1}', "[" * 10_000]
)
def test_a_signature_that_is_none(project, text):
    (project / "models.lock.sigstore.json").write_text(text)
    refused(project, r"models\.lock\.sigstore\.json", WeighlockError)


def test_a_signature_that_is_a_folder_cannot_be_decided(project):
    (project / "models.lock.sigstore.json").mkdir()
    assert refused(project, "cannot be read", UnsupportedError).exit_code == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes in folders")
def test_a_signature_that_is_a_pipe_is_not_waited_for(project):
    os.mkfifo(project / "models.lock.sigstore.json")
    refused(project, "cannot be read", UnsupportedError)


def test_one_signer_is_not_two(project, keys):
    policy(project, "alice", "bob", threshold=2)
    sign(project, keys["alice"])
    sign(project, keys["alice"], name="alice")
    refused(project, r"signatures of 2 of alice, bob, and 1 \(alice\) counts")


def test_one_key_under_two_names_is_not_two_signers(project, keys):
    policy(project, "alice", "bob=alice", threshold=2)
    sign(project, keys["alice"], name="alice")
    sign(project, keys["alice"], name="bob")
    with pytest.raises(PolicyError, match="can never be reached"):
        read(project)


def test_removing_the_lockfile_does_not_remove_the_requirement(project):
    (project / "models.lock").unlink()
    for more in ("", 'unlocked = "inspect"', 'mode = "warn"'):
        policy(project, "alice", more=more)
        with pytest.raises(GuardError, match="the policy requires a signed one"):
            open_gate(environ(project))
        with pytest.raises(LockfileError, match="there is no lockfile"):
            read(project)


def test_a_mode_that_does_not_enforce_reads_no_unsigned_lockfile(project):
    policy(project, "alice", more='mode = "warn"')
    refused(project, "and none counts")


def test_another_lockfile_of_the_environment_has_to_be_signed_as_well(project, keys):
    sign(project, keys["alice"])
    (project / "other.lock").write_bytes(OTHER)
    with pytest.raises(AdmissionError, match="and none counts"):
        open_gate(environ(project, WEIGHLOCK_LOCK=str(project / "other.lock")))


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", None])
def test_a_pinned_key_that_cannot_be_read(project, keys, content):
    sign(project, keys["alice"])
    (project / "keys" / "alice.pub").unlink()
    if content is not None:
        (project / "keys" / "alice.pub").write_bytes(content)
    with pytest.raises(WeighlockError, match=r"alice\.pub") as caught:
        read(project)
    assert caught.value.exit_code == 2


def test_a_name_of_a_signer_that_leads_out_of_the_folder_names_no_file(project, keys):
    policy(project, "../alice=alice")
    sign(project, keys["alice"]).rename(project / "models.lock.sigstore.bak")
    refused(project, "and none counts")


def test_the_bytes_that_are_verified_are_the_bytes_that_are_parsed(project, keys, monkeypatch):
    sign(project, keys["alice"])
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest, **more: opened.append(str(path)) or real(path, *rest, **more))
    read(project)
    assert opened.count(str(project / "models.lock")) == 1


def test_a_lockfile_that_is_about_to_be_changed(project, keys):
    evidence = Policy.from_dict(
        {"evidence": {"require-signature": True, "signers": [{"name": "alice", "key": "keys/alice.pub"}]}}
    ).evidence
    lock, place = project / "models.lock", str(project / "weighlock.toml")
    assert "and none counts" in problem_of(lock, evidence, place)
    sign(project, keys["alice"])
    assert problem_of(lock, evidence, place) is None
    assert signatures_beside(lock, evidence) == (f"{lock}.sigstore.json",)
    assert problem_of(project / "nowhere.lock", evidence, place) is None
    assert require_signatures(LOCK, str(lock), evidence, place) == ("alice",)


def test_the_keys_of_an_organisation_are_not_looked_for_in_the_project(project, keys, tmp_path_factory):
    """Both have a key of the same name, and the project may not put its own in the place of the organisation's."""
    organisation = tmp_path_factory.mktemp("organisation")
    (organisation / "keys").mkdir()
    (organisation / "keys" / "alice.pub").write_bytes(keys["bob"].public.read_bytes())
    policy(organisation, "alice")
    (project / "weighlock.toml").write_text("")
    found = environ(project, WEIGHLOCK_ORG_POLICY=str(organisation / "weighlock.toml"))
    sign(project, keys["alice"])
    with pytest.raises(AdmissionError, match="does not verify"):
        open_gate(found)
    sign(project, keys["bob"])
    assert open_gate(found).lockfile.by_name("m")


def test_a_project_cannot_do_without_the_signatures_that_its_organisation_requires(project, keys, tmp_path_factory):
    organisation = tmp_path_factory.mktemp("organisation")
    (organisation / "keys").mkdir()
    (organisation / "keys" / "alice.pub").write_bytes(keys["alice"].public.read_bytes())
    policy(organisation, "alice")
    (project / "weighlock.toml").write_text("[evidence]\nrequire-signature = false\n")
    with pytest.raises(PolicyError):
        open_gate(environ(project, WEIGHLOCK_ORG_POLICY=str(organisation / "weighlock.toml")))


# -- the guarded program


LOAD = """
import sys, weighlock
weighlock.activate()
import pickle
with open("data", "rb") as file:
    print(pickle.load(file))
for name in ("cryptography", "sigstore", "click"):
    assert name not in sys.modules, name
"""


def run(project):
    (project / "data").write_bytes(DATA)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHLOCK_")}
    return subprocess.run(
        [sys.executable, "-c", LOAD], cwd=project, env=clean, capture_output=True, text=True, check=False
    )


def test_a_guarded_program_loads_with_a_signed_lockfile_and_the_standard_library_alone(project, keys):
    sign(project, keys["alice"])
    done = run(project)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr


def test_a_guarded_program_with_an_unsigned_lockfile_loads_nothing(project):
    done = run(project)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "weighlock cannot judge any load" in done.stderr
    assert "the policy requires the signatures of 1 of alice" in done.stderr
    assert "hint: `weighlock sign models.lock --key FILE`" in done.stderr


def test_a_lockfile_that_is_not_signed_leaves_a_trace_in_the_ledger(project, keys):
    sign(project, keys["mallory"])
    ledger = project / "ledger"
    with pytest.raises(AdmissionError):
        open_gate(environ(project, WEIGHLOCK_LEDGER=str(ledger)))
    (spool,) = (ledger / "spool").glob("*.jsonl")
    (line,) = spool.read_bytes().splitlines()
    entry = Entry.from_bytes(line)
    assert (entry.kind, entry.verdict, entry.rules) == ("document", "DENY", ("not-signed",))
    assert entry.subject == str(project / "models.lock")
