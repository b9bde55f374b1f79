"""``weighlock sign`` and ``weighlock verify --signature`` from end to end."""

from __future__ import annotations

import base64
import json
import os
import pty
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from weighlock._cli import main
from weighlock.signing.dsse import pae
from weighlock.signing.key import generate, private_pem


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    for name in ("WEIGHLOCK_MODE", "WEIGHLOCK_LOCK", "WEIGHLOCK_POLICY", "WEIGHLOCK_ROOT", "WEIGHLOCK_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("WEIGHLOCK_KEY_PASSPHRASE", raising=False)
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WEIGHLOCK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "data.pkl").write_bytes(b"N.")
    assert main(["lock", "./model"]) == 0
    for name in ("alice", "bob"):
        key = generate()
        (tmp_path / name).write_bytes(private_pem(key, None))
        (tmp_path / name).chmod(0o600)
        (tmp_path / f"{name}.pub").write_bytes(key.public.pem)
    capsys.readouterr()
    return tmp_path


def run(capsys, *arguments):
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def verify(capsys, *arguments):
    return run(capsys, "verify", "--signature", *arguments)


def test_a_signed_lockfile_verifies_and_a_changed_one_does_not(project, capsys):
    assert run(capsys, "sign", "models.lock", "--key", "alice")[0] == 0
    code, out, _ = verify(capsys, "models.lock", "--key", "alice.pub")
    assert (code, out.startswith("VERIFIED lockfile models.lock: 1 of 1")) == (0, True)
    with (project / "models.lock").open("a") as file:
        file.write("# one more line\n")
    code, out, _ = verify(capsys, "models.lock", "--key", "alice.pub")
    assert (code, "other bytes" in out) == (1, True)
    assert verify(capsys, "models.lock", "--key", "bob.pub")[0] == 1


def test_nothing_verifies_without_saying_whose_signature_counts(project, capsys):
    run(capsys, "sign", "models.lock", "--key", "alice")
    code, _, err = verify(capsys, "models.lock")
    assert (code, "nobody's signature counts" in err) == (2, True)


@pytest.mark.parametrize(
    "options",
    [
        ("--certificate", "alice.pub"),
        ("--identity", "a@example.org"),
        ("--issuer", "https://example.org"),
        ("--certificate", "c", "--issuer", "https://example.org", "--identity", "a@example.org"),
        ("--key", "alice.pub", "--threshold", "2"),
        ("--key", "alice"),
        ("--key", "nothing.pub"),
    ],
)
def test_half_a_policy_is_none(project, capsys, options):
    run(capsys, "sign", "models.lock", "--key", "alice")
    code, out, err = verify(capsys, "models.lock", *options)
    assert (code, out, err.startswith("error: ")) == (2, "", True)


def test_options_about_signatures_alone_verify_nothing(project, capsys):
    code, _, err = run(capsys, "verify", "--key", "alice.pub")
    assert (code, "--signature" in err) == (2, True)


def test_the_policy_says_who_counts_and_how_many(project, capsys):
    rows = "".join(f'[[evidence.signers]]\nname = "{name}"\nkey = "{name}.pub"\n' for name in ("alice", "bob"))
    (project / "weighlock.toml").write_text(f"[evidence]\nthreshold = 2\n{rows}")
    assert run(capsys, "sign", "models.lock", "--key", "alice")[0] == 0
    assert verify(capsys, "models.lock")[0] == 1
    code, _, err = run(capsys, "sign", "models.lock", "--key", "bob")
    assert (code, "--as NAME" in err) == (2, True)
    assert run(capsys, "sign", "models.lock", "--key", "alice", "--as", "again")[0] == 0
    assert verify(capsys, "models.lock")[0] == 1
    assert run(capsys, "sign", "models.lock", "--key", "bob", "--as", "bob")[0] == 0
    code, out, _ = run(capsys, "verify", "--signature", "models.lock", "--format", "json")
    report = json.loads(out)
    assert (code, report["verified"], report["signers"], len(report["signatures"])) == (0, True, 2, 3)


def test_an_outsider_is_named_and_takes_nothing_away(project, capsys):
    run(capsys, "sign", "models.lock", "--key", "alice")
    run(capsys, "sign", "models.lock", "--key", "bob", "--as", "\N{LATIN SMALL LETTER E WITH ACUTE}")
    code, out, _ = verify(capsys, "models.lock", "--key", "alice.pub")
    assert (code, "not counted  models.lock.é.sigstore.json" in out) == (0, True)


@pytest.mark.parametrize("label", ["../x", "a/b", "oms", "", "a.b", "\x1b[2J"])
def test_a_label_cannot_lead_elsewhere(project, capsys, label):
    assert run(capsys, "sign", "models.lock", "--key", "alice", "--as", label)[0] == 2
    assert not [name for name in os.listdir(project) if name.endswith(".sigstore.json")]


def test_a_new_signature_of_the_same_signer_replaces_the_old_one(project, capsys):
    run(capsys, "sign", "models.lock", "--key", "alice")
    first = (project / "models.lock.sigstore.json").read_bytes()
    assert run(capsys, "sign", "models.lock", "--key", "alice")[0] == 0
    assert (project / "models.lock.sigstore.json").read_bytes() != first


def test_a_certain_bundle_can_be_named(project, capsys):
    run(capsys, "sign", "models.lock", "--key", "alice", "--output", "elsewhere.json")
    assert verify(capsys, "elsewhere.json", "models.lock", "--key", "alice.pub")[0] == 0
    assert verify(capsys, "models.lock", "--key", "alice.pub")[0] == 2
    assert verify(capsys, "weighlock.toml", "models.lock", "--key", "alice.pub")[0] == 2


def test_a_model_is_signed_with_every_file_and_an_added_one_is_found(project, capsys):
    assert run(capsys, "sign", "model", "--key", "alice", "--model", "org/name")[0] == 0
    assert verify(capsys, "model", "--key", "alice.pub")[0] == 1
    assert verify(capsys, "model", "--key", "alice.pub", "--model", "org/name")[0] == 0
    (project / "model" / "__pycache__").mkdir()
    (project / "model" / "__pycache__" / "x.pyc").write_bytes(b"")
    code, out, _ = verify(capsys, "model", "--key", "alice.pub", "--model", "org/name")
    assert (code, "x.pyc" in out or "2 files" in out) == (1, True)


def test_a_link_out_of_a_model_is_not_signed(project, capsys):
    (project / "model" / "link").symlink_to("/etc/hostname")
    assert run(capsys, "sign", "model", "--key", "alice")[0] == 2


def test_a_locked_model_is_signed_for_model_signing_and_verified_in_its_folder(project, capsys):
    assert run(capsys, "sign", "--oms", "./model", "--key", "alice", "--output", "m.sig")[0] == 0
    assert verify(capsys, "m.sig", "model", "--key", "alice.pub")[0] == 0
    assert verify(capsys, "m.sig", "model", "--key", "bob.pub")[0] == 1
    (project / "model" / "modeling_x.py").write_text("")
    assert verify(capsys, "m.sig", "model", "--key", "alice.pub")[0] == 1


def test_a_bill_of_materials_and_a_report_are_signed(project, capsys):
    run(capsys, "bom", "--output", "models.cdx.json")
    run(capsys, "scan", "model", "--format", "json", "--output", "scan.json")
    for name, kind in (("models.cdx.json", "bom"), ("scan.json", "report")):
        assert run(capsys, "sign", name, "--key", "alice")[0] == 0
        code, out, _ = verify(capsys, name, "--key", "alice.pub")
        assert (code, f"VERIFIED {kind}" in out) == (0, True)
        (project / name).write_text((project / name).read_text() + " ")
        assert verify(capsys, name, "--key", "alice.pub")[0] == 1


def test_a_key_pair_is_made_for_its_owner_alone_and_encrypted(project, capsys, monkeypatch):
    monkeypatch.setenv("WEIGHLOCK_KEY_PASSPHRASE", "correct horse")
    assert run(capsys, "sign", "--generate-key", "new")[0] == 0
    assert stat.S_IMODE((project / "new").stat().st_mode) == 0o600
    assert b"ENCRYPTED" in (project / "new").read_bytes()
    assert run(capsys, "sign", "--generate-key", "new")[0] == 2
    assert run(capsys, "sign", "models.lock", "--key", "new")[0] == 0
    assert verify(capsys, "models.lock", "--key", "new.pub")[0] == 0
    monkeypatch.setenv("WEIGHLOCK_KEY_PASSPHRASE", "wrong")
    code, _, err = run(capsys, "sign", "models.lock", "--key", "new")
    assert (code, "wrong" in err.replace("with this passphrase", "")) == (2, False)


def test_a_key_without_a_passphrase_has_to_be_asked_for(project, capsys):
    code, _, err = run(capsys, "sign", "--generate-key", "new")
    assert (code, "--no-passphrase" in err, (project / "new").exists()) == (2, True, False)
    assert run(capsys, "sign", "--generate-key", "new", "--no-passphrase")[0] == 0


def test_a_key_that_others_may_read_is_warned_about(project, capsys):
    (project / "alice").chmod(0o644)
    code, _, err = run(capsys, "sign", "models.lock", "--key", "alice")
    assert (code, "others may read" in err) == (0, True)


def test_a_key_comes_from_the_environment(project, capsys, monkeypatch):
    monkeypatch.setenv("WEIGHLOCK_SIGNING_KEY", (project / "alice").read_text())
    assert run(capsys, "sign", "models.lock")[0] == 0
    assert verify(capsys, "models.lock", "--key", "alice.pub")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("models.lock",),
        ("models.lock", "--key", "nothing"),
        ("models.lock", "--key", "alice.pub"),
        ("models.lock", "--keyless", "--offline"),
        ("models.lock", "--keyless", "--key", "alice"),
        ("nothing", "--key", "alice"),
        ("--oms", "nothing", "--key", "alice"),
        ("--oms", "./model", "--key", "alice", "--model", "x"),
        ("--oms", "./model", "--key", "alice", "--as", "x"),
        ("models.lock", "--generate-key", "new"),
        ("models.lock", "--key", "pkcs11:object=x?pin-value=1"),
    ],
)
def test_what_cannot_be_signed_is_told_in_two_lines(project, capsys, arguments):
    code, out, err = run(capsys, "sign", *arguments)
    assert (code, out, err.startswith("error: ")) == (2, "", True)
    assert not [name for name in os.listdir(project) if name.endswith(".sigstore.json")]


def test_signing_reads_no_file_of_a_locked_model(project, capsys):
    (project / "model" / "data.pkl").unlink()
    assert run(capsys, "sign", "models.lock", "--key", "alice")[0] == 0
    assert run(capsys, "sign", "--oms", "./model", "--key", "alice")[0] == 0


def test_an_option_does_not_lower_what_the_policy_demands(project, capsys):
    rows = "".join(f'[[evidence.signers]]\nname = "{name}"\nkey = "{name}.pub"\n' for name in ("alice", "bob"))
    (project / "weighlock.toml").write_text(f"[evidence]\nthreshold = 2\n{rows}")
    run(capsys, "sign", "models.lock", "--key", "alice")
    assert verify(capsys, "models.lock", "--threshold", "1")[0] == 1


@pytest.mark.parametrize(
    "spoil", [lambda data: data + b"\n= broken", lambda data: data[:-20], lambda data: b"\xff" + data]
)
def test_a_change_that_breaks_a_lockfile_is_found_as_a_change(project, capsys, spoil):
    run(capsys, "sign", "models.lock", "--key", "alice")
    place = project / "models.lock"
    place.write_bytes(spoil(place.read_bytes()))
    code, out, _ = verify(capsys, "models.lock", "--key", "alice.pub")
    assert (code, out.startswith("NOT VERIFIED")) == (1, True)


def test_a_named_pipe_in_place_of_a_file_is_not_waited_for(project, capsys):
    os.mkfifo(project / "pipe")
    assert run(capsys, "sign", "pipe", "--key", "alice")[0] == 2
    run(capsys, "sign", "models.lock", "--key", "alice")
    assert verify(capsys, "pipe", "models.lock", "--key", "alice.pub")[0] == 2


@pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("bash")), reason="openssl or bash is not installed")
def test_the_recipe_for_certificates_in_the_documentation_works(project, capsys):
    documented = (Path(__file__).parents[2] / "docs" / "signatures.md").read_text()
    recipe = documented.partition("$ openssl")[2].partition("```")[0].replace("$ openssl", "openssl")
    (project / "release.key").write_bytes((project / "alice").read_bytes())
    subprocess.run(
        [shutil.which("bash"), "-c", f"set -e -o pipefail\nopenssl{recipe}"],
        cwd=project,
        check=True,
        capture_output=True,
        timeout=60,
    )
    code, out, err = run(capsys, "sign", "models.lock", "--key", "release.key", "--certificate", "release.pem")
    assert (code, "release@example.org" in out) == (0, True), err
    trusted = ("--certificate", "ca.pem", "--identity")
    assert verify(capsys, "models.lock", *trusted, "release@example.org")[0] == 0
    assert verify(capsys, "models.lock", *trusted, "elease@example.org")[0] == 1
    assert verify(capsys, "models.lock", *trusted, "release")[0] == 1
    assert run(capsys, "sign", "models.lock", "--key", "release.key", "--certificate", "release.pem")[0] == 0
    assert run(capsys, "sign", "models.lock", "--key", "release.key")[0] == 2


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_opens_an_encrypted_key_and_finds_it_costly(project, capsys, monkeypatch):
    monkeypatch.setenv("WEIGHLOCK_KEY_PASSPHRASE", "correct horse")
    run(capsys, "sign", "--generate-key", "new")
    shown = subprocess.run(
        [shutil.which("openssl"), "pkey", "-in", "new", "-passin", "env:WEIGHLOCK_KEY_PASSPHRASE", "-pubout"],
        cwd=project,
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert shown.stdout == (project / "new.pub").read_bytes()
    parsed = subprocess.run(
        [shutil.which("openssl"), "asn1parse", "-in", "new"], cwd=project, check=True, capture_output=True, timeout=60
    )
    assert f"INTEGER           :{600_000:06X}".encode() in parsed.stdout


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize("kind", [("EC", "ec_paramgen_curve:P-256"), ("ED25519", None)])
def test_openssl_and_weighlock_agree_about_keys_and_signatures(project, capsys, kind):
    def openssl(*arguments):
        return subprocess.run(
            [shutil.which("openssl"), *arguments], cwd=project, check=True, capture_output=True, timeout=60
        )

    options = ("-pkeyopt", kind[1]) if kind[1] else ()
    openssl("genpkey", "-algorithm", kind[0], *options, "-out", "theirs")
    openssl("pkey", "-in", "theirs", "-pubout", "-out", "theirs.pub")
    run(capsys, "sign", "models.lock", "--key", "alice")
    bundle = json.loads((project / "models.lock.sigstore.json").read_bytes())
    envelope = bundle["dsseEnvelope"]
    signed = pae(envelope["payloadType"], base64.b64decode(envelope["payload"]))
    (project / "signed").write_bytes(signed)
    how = ("-digest", "sha256") if kind[1] else ()
    openssl("pkeyutl", "-sign", "-inkey", "theirs", "-rawin", *how, "-in", "signed", "-out", "signature")
    envelope["signatures"] = [{"sig": base64.b64encode((project / "signature").read_bytes()).decode()}]
    (project / "theirs.json").write_text(json.dumps(bundle))
    assert verify(capsys, "theirs.json", "models.lock", "--key", "theirs.pub")[0] == 0
    assert verify(capsys, "theirs.json", "models.lock", "--key", "alice.pub")[0] == 1


def test_a_passphrase_is_asked_for_on_a_terminal_and_not_shown(project):
    program = "import sys; from weighlock._cli import main; sys.exit(main(sys.argv[1:]))"
    environ = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    here, there = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", program, "sign", "--generate-key", "asked"],
        cwd=project,
        env=environ,
        stdin=there,
        stdout=there,
        stderr=there,
        start_new_session=True,
    )
    os.close(there)
    shown = b""
    try:
        for question in (b"Passphrase of the new key", b"Repeat"):
            while question not in shown:
                shown += os.read(here, 4096)
            os.write(here, b"correct horse\n")
        assert child.wait(timeout=60) == 0
    finally:
        child.kill()
        child.wait()
        os.close(here)
    assert b"horse" not in shown
    assert b"ENCRYPTED" in (project / "asked").read_bytes()
