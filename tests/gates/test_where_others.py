"""Where advisories, signers and environments are, and the ledger of many hosts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests import osv, postgres
from tests.incidents.world import NOW, World, digest, locked
from tests.signing.signed_models import Key, sign_bytes
from weighlock.files import parse_lockfile
from weighlock.signing.lockfile_statement import statement_of


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path)
    monkeypatch.chdir(made.project)
    return made


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {name: Key.make(folder, name) for name in ("alice", "mallory")}


def install(world, name: str, *pins: str):
    """Make an environment with these distributions."""
    prefix = world.folder / name
    library = prefix / "lib" / "python3.11" / "site-packages"
    library.mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\n")
    for pin in pins:
        (library / f"{pin.replace('==', '-')}.dist-info").mkdir()
    return prefix


def test_an_advisory_leads_to_the_versions_that_it_is_about(world):
    record = osv.record("GHSA-aaaa-bbbb-cccc", "gantry", fixed="2.0", aliases=("CVE-2026-7",), modified=NOW)
    osv.database(world.folder, record, now=NOW)
    install(world, "old", "gantry==1.5", "other==1.0")
    install(world, "new", "gantry==2.0")
    bad = world.entry("gantry.whl", kind="package", gate="install", subject="gantry==1.9")
    world.record(bad, world.entry("good.whl", kind="package", gate="install", subject="gantry==2.1"))
    for name in ("CVE-2026-7", "cve-2026-7", "GHSA-aaaa-bbbb-cccc"):
        found = world.where(name, places=(str(world.folder),))
        assert [(one.place, one.version) for one in found.installed] == [(str(world.folder / "old"), "1.5")]
        assert [one.names for one in found.accesses] == [("gantry==1.9",)]
        assert found.digests == (f"sha256:{digest('gantry.whl')}",)
        assert not found.gaps
    for name in ("CVE-2026-", "CVE-2026-77", "%", "GHSA%"):
        assert not world.where(name, meaning="advisory", places=(str(world.folder),)).found


def test_an_old_database_of_advisories_decides_nothing(world):
    osv.database(world.folder, osv.record("PYSEC-2026-1", modified=NOW - timedelta(days=90)), now=NOW)
    found = world.where("CVE-2026-1")
    assert not found.found
    assert any("old" in gap.why for gap in found.gaps)


def test_an_environment_that_is_named_is_not_run(world):
    prefix = install(world, "env", "gantry==1.5")
    (prefix / "bin").mkdir()
    program = prefix / "bin" / "python"
    program.write_text(f"#!/bin/sh\ntouch {world.folder}/was-run\n")
    program.chmod(0o755)
    assert [one.version for one in world.where("gantry", places=(str(prefix),)).installed] == ["1.5"]
    assert not (world.folder / "was-run").exists()


def test_an_environment_that_changed_is_read_again(world):
    prefix = install(world, "env", "gantry==1.5")
    assert world.where("gantry", places=(str(prefix),)).installed
    (prefix / "lib" / "python3.11" / "site-packages" / "gantry-1.5.dist-info").rmdir()
    assert not world.where("gantry", places=(str(prefix),)).installed


def sign(world, key, lock):
    data = lock.read_bytes()
    statement = statement_of(data, parse_lockfile(data, "models.lock"))
    sign_bytes(statement.to_bytes(), lock.with_name("models.lock.sigstore.json"), key)


def trust(world, key):
    (world.project / "alice.pub").write_bytes(key.public.read_bytes())
    text = '[[evidence.signers]]\nname = "alice"\nkey = "alice.pub"\n'
    (world.project / "weighlock.toml").write_text(text)


def test_a_signer_stands_for_everything_in_what_they_signed(world, keys):
    trust(world, keys["alice"])
    lock = world.lock(locked("org/base", "base:w"))
    other = world.lock(locked("org/other", "other:w"), place=world.folder / "other" / "models.lock")
    sign(world, keys["alice"], lock)
    sign(world, keys["mallory"], other)
    lockfile = parse_lockfile(lock.read_bytes(), "models.lock").digest
    world.record(world.entry("base:w", evidence=(lockfile,)), world.entry("other:w"))
    found = world.where("Alice", places=(str(world.folder),))
    assert [one.model for one in found.locked] == ["org/base"]
    assert found.digests == (f"sha256:{digest('base:w')}",)
    assert [(one.count, one.rests) for one in found.accesses] == [(1, False)]
    assert not found.gaps


def test_a_signature_that_does_not_verify_makes_nobody_a_signer(world, keys):
    trust(world, keys["alice"])
    lock = world.lock(locked("org/base", "base:w"))
    sign(world, keys["alice"], lock)
    world.lock(locked("org/base", "evil:w"))
    assert not world.where("alice").found


def test_a_bundle_that_is_none_makes_nobody_a_signer(world, keys):
    trust(world, keys["alice"])
    lock = world.lock(locked("org/base", "base:w"))
    lock.with_name("models.lock.sigstore.json").write_bytes(b"{")
    found = world.where("alice")
    assert not found.found


def test_the_ledger_of_many_hosts_is_followed(world, monkeypatch):
    with postgres.server() as url:
        world.environ["WEIGHLOCK_LEDGER"] = url
        world.record(world.entry("w"), world.entry("w", actor="bob@far"))
        world.record(world.entry("w"), sealed=False)
        found = world.where(digest("w"))
        assert sum(one.count for one in found.accesses) == 3
        assert {one.host for one in found.accesses} == {"train-1", "far"}
        world.record(world.entry("w"))
        assert sum(one.count for one in world.where(digest("w")).accesses) == 4
        assert "weighlock@" not in str(world.where(digest("w")).looked)
        import psycopg

        with psycopg.connect(url) as database:
            database.execute("delete from weighlock_entries where index = 3")
        found = world.where(digest("w"))
        assert found.gaps
