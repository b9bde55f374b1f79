"""The report about an incident, from ledgers that are whole, and from some that are not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests import postgres
from tests.incidents.world import NOW, World, digest, locked
from weighlock.artifact import Digest
from weighlock.errors import UsageError
from weighlock.gates import incident as gate
from weighlock.gates.incident import Asked, report
from weighlock.gates.incident_proofs import name_of, write_proofs
from weighlock.verdict import Decision


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def made(world: World, subject: str, **options):
    return report(Asked(subject=subject, environ=world.environ, now=NOW, **options))


def story(world: World) -> None:
    """Lock, load, quarantine, refuse."""
    world.lock(locked("org/base", "base:w"))
    evidence = (f"sha256:{digest('base:w')}",)
    world.record(
        world.entry("base:w", gate="lock", loader=None),
        *(world.entry("base:w") for _ in range(5)),
        world.entry("base:w", actor="bob@train-2"),
        replace(
            world.entry("list", gate="quarantine", kind="document", loader=None, rules=("quarantined",)),
            evidence=evidence,
        ),
        world.entry("base:w", verdict=Decision.DENY, rules=("quarantined",)),
        world.entry("other:w"),
    )


def test_the_timeline_has_every_deed_and_divides_uses_by_them(world):
    story(world)
    found = made(world, "org/base")
    assert [(one.action, one.count) for one in found.steps] == [
        ("locked", 1), ("loaded", 5), ("loaded", 1), ("quarantined", 1), ("refused", 1),
    ]  # fmt: skip
    assert found.gaps == () or all("train" not in gap.place for gap in found.gaps)
    assert found.times.unseen == ("train-2",)
    assert found.times.to_refuse == timedelta(minutes=1)
    assert found.ledger.sealed == 10


def test_the_same_is_found_by_its_digest(world):
    story(world)
    assert [one.action for one in made(world, digest("base:w")).steps] == [
        one.action for one in made(world, "org/base").steps
    ]


def test_proofs_verify_with_the_separate_verifier_alone(world, tmp_path):
    story(world)
    found = made(world, "org/base")
    assert {"first locked", "first used", "last used", "quarantined", "first refused"} <= {
        one.why for one in found.proofs
    }
    write_proofs(found, str(tmp_path / "proofs"))
    for one in found.proofs:
        words = [sys.executable, "-I", "verifier.py", "proof", name_of(one), "--key", "ledger.vkey"]
        ended = subprocess.run(words, cwd=tmp_path / "proofs", capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr


def test_a_proof_that_was_changed_does_not_verify(world, tmp_path):
    story(world)
    found = made(world, "org/base")
    write_proofs(found, str(tmp_path / "proofs"))
    path = tmp_path / "proofs" / name_of(found.proofs[0])
    changed = json.loads(path.read_text())
    changed["index"] += 1
    path.write_text(json.dumps(changed))
    words = [sys.executable, "-I", "verifier.py", "proof", path.name, "--key", "ledger.vkey"]
    assert subprocess.run(words, cwd=path.parent, capture_output=True, check=False).returncode == 1


def test_what_waits_to_be_sealed_is_sealed_first(world):
    world.record(world.entry("base:w"), sealed=False)
    found = made(world, digest("base:w"))
    assert found.entries == found.ledger.sealed == 1


def test_an_entry_that_was_changed_on_the_disk_leaves_nothing_proved(world):
    story(world)
    bundles = sorted(Path(world.environ["WEIGHLOCK_LEDGER"]).glob("tile/entries/**/*"))
    path = next(one for one in bundles if one.is_file())
    path.write_bytes(path.read_bytes().replace(b"train-2", b"train-9"))
    found = made(world, "org/base")
    assert found.ledger.problem
    assert found.proofs == ()
    assert found.gaps


def test_records_that_never_came_are_a_gap(world):
    world.record(world.entry("base:w", event="p:1"), world.entry("base:w", event="p:4"))
    assert any("2 records of processes never came" in gap.why for gap in made(world, digest("base:w")).gaps)


def test_a_name_that_looks_like_an_event_hides_no_record_that_never_came(world):
    name = ',"event":"p:2","evidence":['
    world.record(world.entry("base:w", event="p:1", subject=name), world.entry("base:w", event="p:3", loader=name))
    assert any("1 records of processes never came" in gap.why for gap in made(world, digest("base:w")).gaps)


def test_a_ledger_that_was_put_back_leaves_nothing_proved(world, tmp_path):
    story(world)
    shutil.copytree(world.environ["WEIGHLOCK_LEDGER"], tmp_path / "kept")
    world.record(world.entry("base:w"))
    shutil.rmtree(world.environ["WEIGHLOCK_LEDGER"])
    shutil.copytree(tmp_path / "kept", world.environ["WEIGHLOCK_LEDGER"])
    found = made(world, "org/base")
    assert "rollback" in found.ledger.problem
    assert found.proofs == ()


def test_a_ledger_that_is_changed_after_it_was_verified_leaves_nothing_proved(world, monkeypatch):
    story(world)
    known = gate.verify

    def verify_and_wait(ledger, *arguments):
        done = known(ledger, *arguments)
        path = next(one for one in Path(ledger.place).glob("tile/entries/**/*") if one.is_file())
        path.write_bytes(path.read_bytes().replace(b"train-2", b"train-9"))
        return done

    monkeypatch.setattr(gate, "verify", verify_and_wait)
    found = made(world, "org/base")
    assert found.ledger.problem
    assert found.proofs == ()


def test_the_ledger_of_many_hosts_is_reported_and_one_that_lost_an_entry_is_not(world):
    with postgres.server() as url:
        world.environ["WEIGHLOCK_LEDGER"] = url
        world.record(world.entry("base:w"), world.entry("base:w", actor="bob@far"), world.entry("other:w"))
        found = made(world, digest("base:w"))
        assert (found.entries, found.ledger.problem, len(found.proofs)) == (2, "", 2)
        import psycopg

        with psycopg.connect(url) as database:
            database.execute("delete from weighlock_entries where index = 1")
        found = made(world, digest("base:w"))
        assert found.ledger.problem
        assert found.proofs == ()


def test_a_quarantine_list_that_was_forged_is_a_gap(world):
    story(world)
    (Path(world.environ["WEIGHLOCK_LEDGER"]) / "quarantine.sigstore.json").write_text("{}")
    found = made(world, "org/base")
    assert any("quarantine.sigstore.json" in gap.place for gap in found.gaps)
    assert found.denials == ()


def test_times_that_were_asked_for_are_kept_to(world):
    story(world)
    whole = made(world, "org/base").steps
    some = made(world, "org/base", since=whole[3].first.time)
    assert [one.action for one in some.steps] == ["quarantined", "refused"]
    assert made(world, "org/base", until=whole[0].first.time).steps == ()


def test_an_entry_that_only_says_the_digest_as_a_name_is_not_about_it(world):
    story(world)
    world.record(world.entry("third:w", subject=f"sha256:{digest('base:w')}"))
    assert made(world, digest("base:w")).entries == 9


def test_what_an_attacker_records_in_many_spellings_is_cut_and_said(world, monkeypatch):
    monkeypatch.setattr("weighlock.incidents.watch._MOST_KINDS", 3)
    world.record(*(world.entry("base:w", loader=f"loader{one}") for one in range(9)))
    found = made(world, digest("base:w"))
    assert len(found.steps) == 3
    assert any("too many kinds" in gap.why for gap in found.gaps)


def test_a_package_is_found_by_its_name_and_no_longer_one(world):
    for name in ("numpy==1.26.4", "numpy-extra==1.0", "numpy==2.0"):
        world.record(world.entry(gate="install", kind="package", subject=name, loader=None))
    assert made(world, "numpy").entries == 2
    assert made(world, "numpy==2.0").entries == 1


def test_a_promotion_is_found_by_its_statement_resource(world):
    entry = world.entry(gate="promotion", kind="promotion", subject="weighlock:org/base#production", loader=None)
    world.record(replace(entry, digest=Digest.sha256(digest("vsa"))))
    world.lock(locked("org/base", "base:w"))
    assert [one.action for one in made(world, "org/base").steps] == ["promoted"]


def test_the_id_of_a_quarantine_that_is_not_there_is_an_error(world):
    with pytest.raises(UsageError, match="there is no entry"):
        made(world, "Q-000000000000")
