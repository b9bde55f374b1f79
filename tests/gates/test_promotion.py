"""The promotion gate with the built-in store: what passes, and each attack that must not."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests import postgres
from tests.gates.promotion_room import KEYS, Room, unmet
from weighlock._cli import main
from weighlock.errors import AdmissionError, DigestMismatchError, ForgedError, PolicyError, UsageError, WeighlockError
from weighlock.files import read_lockfile
from weighlock.gates.ledger import Query, absorb_spools, open_ledger, search
from weighlock.gates.places import Places
from weighlock.gates.promotion.approval import approve
from weighlock.gates.promotion.before import require_free
from weighlock.gates.promotion.case import verifiers_of
from weighlock.gates.promotion.gate import promote, rehearse
from weighlock.gates.promotion.rollback import Request as RollbackRequest
from weighlock.gates.promotion.rollback import roll_back
from weighlock.gates.promotion.verifier import require_verifier
from weighlock.gates.signing import sign_locked_model
from weighlock.model_source import HubSource
from weighlock.sources.interface import Silence

TWO_ALIKE = '[[evidence.signers]]\nname = "alias"\nkey = "{}.pub"\n'
STRICT = """
[[promotion.stages]]
name = "staging"
require = ["lock", "scan"]
[[promotion.stages]]
name = "production"
after = "staging"
"""


RULES = """
package weighlock
import rego.v1
default decision := {"allow": false, "reasons": ["only on weekdays"], "required": ["known"], "passed": []}
decision := {"allow": true, "reasons": [], "required": ["known"], "passed": ["known"]} if {
    input.artifact.kind == "model"
    startswith(input.artifact.digest, "sha256:")
}
decision := {"allow": true, "reasons": [], "required": ["known"], "passed": ["known"]} if {
    input.artifact.kind == "promotion"
    input.artifact.stage == "staging"
    count(input.artifact.files) > 0
}
"""


@pytest.fixture
def room(tmp_path, monkeypatch):
    return made(tmp_path, monkeypatch)


def made(folder, monkeypatch, **words):
    monkeypatch.chdir(folder)
    for name, value in (("WEIGHLOCK_STATE", folder / "state"), ("WEIGHLOCK_POLICY", folder / "weighlock.toml")):
        monkeypatch.setenv(name, str(value))
    return Room(folder, **words)


def locked(room):
    return read_lockfile(room.folder / "models.lock").models


def entries(room):
    ledger = open_ledger(room.environ)
    absorb_spools(ledger, datetime.now(UTC))
    found = [one.entry for one in search(ledger, Query()) if one.entry is not None]
    return sorted(found, key=lambda entry: entry.time)


def test_a_model_with_everything_goes_through_both_stages(room):
    done = room.through()
    assert unmet(done) == {}
    assert done.promoted.vsa.version == "1"
    standing = room.in_force()
    assert standing.digest == done.promoted.digest
    assert room.store().files("./m", "1") == dict(done.promoted.vsa.promotable.files)
    recorded = [entry for entry in entries(room) if entry.kind == "promotion" and entry.verdict == "ALLOW"]
    assert standing.digest in {str(entry.digest) for entry in recorded}
    kinds = [one.kind for one in done.promoted.vsa.inputs]
    assert kinds == ["lockfile", "signature", "bom", "audit", "vsa", "approval", *["person"] * 4, "entry"]


def test_a_rehearsal_names_what_is_missing_and_writes_nothing(room):
    for name in ("models.lock.sigstore.json", "models.cdx.json", "audit.toml"):
        (room.folder / name).unlink()
    before = sorted(room.folder.rglob("*"))
    done = room.rehearse()
    assert not done.verdict.allowed
    assert set(unmet(done)) == {"signature", "bom", "audit", "after", "approval"}
    assert all(one.hint and "weighlock" in one.hint for one in done.requirements if not one.met)
    assert room.in_force() is None
    assert sorted(room.folder.rglob("*")) == before


def test_who_is_no_verifier_is_refused_before_anything_else(room):
    key = KEYS["bob"]
    with pytest.raises(UsageError, match="no verifier"):
        require_verifier(key, key.public, verifiers_of(room.project), room.project, logged=False)
    with pytest.raises(UsageError, match="no verifier"):
        require_verifier(key, None, verifiers_of(room.project), room.project, logged=False)
    require_verifier(KEYS["ci"], None, verifiers_of(room.project), room.project, logged=False)


def test_a_summary_that_a_stranger_signs_moves_nothing(room):
    with pytest.raises(ForgedError):
        room.promote("staging", by="mallory")
    assert room.in_force("staging") is None


def test_self_approval(room):
    room.promote("staging")
    room.approve("alice")
    assert "alice is an author" in unmet(room.promote())["approval"]
    assert room.in_force() is None


def test_self_approval_under_another_name(tmp_path, monkeypatch):
    room = made(tmp_path, monkeypatch, signers=TWO_ALIKE.format("alice"))
    room.promote("staging")
    room.approve("alice")
    assert "an author" in unmet(room.promote())["approval"]


def test_the_same_signer_twice_under_two_names(tmp_path, monkeypatch):
    stages = STRICT + "approvals = 2\n"
    room = made(tmp_path, monkeypatch, signers=TWO_ALIKE.format("bob"), stages=stages)
    room.promote("staging")
    place = room.approve("bob")
    shutil.copy(place, place.with_name("alias.sigstore.json"))
    assert "approved by 1 of the 2" in unmet(room.promote())["approval"]
    room.approve("carol")
    assert unmet(room.promote()) == {}


def test_the_same_author_twice_under_two_names(tmp_path, monkeypatch):
    stages = STRICT + "signatures = 2\n"
    room = made(tmp_path, monkeypatch, signers=TWO_ALIKE.format("alice"), stages=stages)
    room.sign("alice", label="alias")
    assert "signed by 1 of the 2" in unmet(room.rehearse())["signature"]
    room.sign("bob", label="bob")
    assert "signature" not in unmet(room.rehearse())


def test_an_approver_who_is_none(tmp_path, monkeypatch):
    room = made(tmp_path, monkeypatch, stages=STRICT + 'approvers = ["carol"]\n')
    room.promote("staging")
    with pytest.raises(UsageError, match="no approver"):
        room.approve("bob")
    room.approve("carol")
    assert unmet(room.promote()) == {}


def test_an_expired_approval(room):
    room.promote("staging")
    room.approve(days=1)
    later = datetime.now(UTC) + timedelta(days=2)
    assert "expired" in unmet(room.rehearse(now=later))["approval"]


def test_a_clock_that_is_moved_back_revives_no_approval(room):
    room.promote("staging")
    room.approve()
    earlier = datetime.now(UTC) - timedelta(days=2)
    assert "future" in unmet(room.rehearse(now=earlier))["approval"]


def test_an_expired_waiver(room):
    room.promote("staging")
    room.audit(expires=(datetime.now(UTC).date() + timedelta(days=1)).isoformat())
    room.approve()
    later = datetime.now(UTC) + timedelta(days=3)
    assert "expired" in unmet(room.rehearse(now=later))["audit"]


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_approval_that_says_not_why(room, reason):
    assert room.promote("staging").verdict.allowed
    with pytest.raises(UsageError, match="nothing says why"):
        approve(room.asked(), room.project, Places(folder=room.folder), Silence(), KEYS["bob"], reason=reason,
                lasts=timedelta(days=1))  # fmt: skip


@pytest.mark.parametrize("spelled", ["./m", "m", "m/", "./m/", "{}/m", "../{name}/m"])
def test_a_model_is_promoted_and_rolled_back_however_its_path_is_written(room, spelled, monkeypatch):
    asked = replace(room.asked("staging"), model=spelled.format(room.folder, name=room.folder.name))
    assert promote(asked, room.project, Places(folder=room.folder), Silence(), KEYS["ci"]).verdict.allowed
    (room.folder / "src").mkdir()
    monkeypatch.chdir(room.folder / "src")
    assert promote(
        replace(asked, model="../m"), room.project, Places(folder=room.folder), Silence(), KEYS["ci"]
    ).verdict.allowed
    back = RollbackRequest(model="../m", to="previous", stage="staging", environ=room.environ)
    with pytest.raises(AdmissionError, match="no earlier version"):
        roll_back(back, room.project, KEYS["ci"])


def test_a_model_that_is_not_locked_names_those_that_are(room):
    with pytest.raises(UsageError) as error:
        rehearse(replace(room.asked(), model="n"), room.project, Places(folder=room.folder), Silence())
    assert "locked are: ./m" in error.value.hint


def test_a_replayed_approval(room):
    room.through()
    kept = room.folder / "promotions"
    shutil.copytree(kept, room.folder / "kept")
    room.change()
    room.through()
    # Back to the first version with its own approval, which moved the name once.
    shutil.rmtree(kept)
    shutil.copytree(room.folder / "kept", kept)
    assert "used before" in unmet(room.rehearse())["approval"]


def test_an_approval_of_another_model(room):
    room.promote("staging")
    place = room.approve()
    data = place.read_bytes()
    room.change()
    room.promote("staging")
    place.write_bytes(data)
    assert "model.safetensors is sha256" in unmet(room.rehearse())["approval"]


def test_an_approval_for_staging_used_for_production(tmp_path, monkeypatch):
    stages = STRICT.replace('["lock", "scan"]', '["lock", "scan", "signature", "approval"]')
    room = made(tmp_path, monkeypatch, stages=stages)
    place = room.approve(stage="staging")
    target = place.parent.parent / "production" / place.name
    target.parent.mkdir()
    shutil.copy(place, target)
    assert "approves weighlock:./m#staging" in unmet(room.rehearse())["approval"]


def test_a_policy_that_is_loosened_between_approval_and_promotion(tmp_path, monkeypatch):
    room = made(tmp_path, monkeypatch, stages=STRICT + "approvals = 2\n")
    room.promote("staging")
    room.approve("bob")
    room.policy(stages=STRICT + "approvals = 1\n")
    assert "other rules" in unmet(room.rehearse())["approval"]


def test_a_policy_that_is_tightened_makes_the_stage_before_count_no_more(room):
    room.promote("staging")
    room.policy(stages=STRICT.replace('["lock", "scan"]', '["lock", "scan", "bom"]'))
    assert "other rules" in unmet(room.rehearse())["after"]


def test_an_artifact_that_is_changed_on_disk_before_the_summary(room):
    data = bytearray(room.model.read_bytes())
    data[-1] ^= 1
    room.model.write_bytes(data)
    assert "sha256" in unmet(room.promote("staging"))["lock"]
    assert room.in_force("staging") is None


def test_an_artifact_that_is_exchanged_after_it_was_looked_at(room, monkeypatch):
    from weighlock.gates.promotion import gate

    def exchanged(movement, *rest, **more):
        room.model.write_bytes(b"other bytes")
        return moved(movement, *rest, **more)

    moved = gate.move
    monkeypatch.setattr(gate, "move", exchanged)
    with pytest.raises(DigestMismatchError):
        room.promote("staging")
    assert room.in_force("staging") is None


def test_a_file_that_was_added_beside_the_locked_ones(room):
    (room.folder / "m" / "code.py").write_text("print()")
    assert "code.py" in unmet(room.promote("staging"))["lock"]


def test_a_blob_that_was_changed_in_the_store(room):
    room.through()
    (sha256,) = {one.sha256 for one in room.store().version("./m", "1") if one.path.endswith("safetensors")}
    blob = room.folder / "store" / "blobs" / "sha256" / sha256[:2] / sha256
    blob.write_bytes(b"x" * 100)
    with pytest.raises(DigestMismatchError):
        room.store().files("./m", "1")
    room.change()
    room.through()
    with pytest.raises(AdmissionError, match="its bytes were changed"):
        room.roll_back()
    assert room.in_force().version == "2"


def test_another_model_s_summary_in_the_store(room):
    done = room.through()
    room.change()
    again = room.through()
    store = room.store()
    with pytest.raises(ForgedError):
        store.move(done.promoted)
    assert room.in_force().digest == again.promoted.digest


def test_a_name_swap_in_a_summary(room):
    done = room.promote("staging")
    vsa = done.promoted.vsa
    resource = replace(vsa.promotable.resource, stage="production")
    swapped = replace(done.promoted, vsa=replace(vsa, promotable=replace(vsa.promotable, resource=resource)))
    with pytest.raises(ForgedError, match="is about"):
        room.store().move(swapped)
    assert room.in_force() is None


def test_a_bill_of_materials_that_was_changed_after_it_was_written(room):
    place = room.folder / "models.cdx.json"
    place.write_bytes(place.read_bytes().replace(b'"version": 1', b'"version": 2', 1))
    assert "was written there last" in unmet(room.rehearse())["bom"]


def forged(room, **members):
    """Return a bill of materials that was written elsewhere."""
    document = json.loads((room.folder / "models.cdx.json").read_text())
    place = room.folder / "forged.cdx.json"
    place.write_text(json.dumps({**document, **members}))
    return place


def test_a_bill_of_materials_about_other_digests(room):
    document = (room.folder / "models.cdx.json").read_text()
    (sha256,) = {one.sha256 for one in room.project.read(required=True).models[0].files if "safe" in one.path}
    place = room.folder / "forged.cdx.json"
    place.write_text(document.replace(sha256, "0" * 64))
    assert "another digest" in unmet(room.rehearse(bom=place))["bom"]


@pytest.mark.parametrize("severity", ["critical", "Critical", "CRITICAL", " critical", "krytyczny", None])
def test_an_advisory_spelled_in_another_way(room, severity):
    ref = json.loads((room.folder / "models.cdx.json").read_text())["components"][0]["bom-ref"]
    rating = [{"severity": severity}] if severity else []
    vulnerability = {"id": "CVE-2026-1", "ratings": rating, "affects": [{"ref": ref}]}
    found = unmet(room.rehearse(bom=forged(room, vulnerabilities=[vulnerability])))
    assert "bom" in found


def test_a_bill_that_says_of_itself_that_an_advisory_does_not_apply(room):
    ref = json.loads((room.folder / "models.cdx.json").read_text())["components"][0]["bom-ref"]
    vulnerability = {
        "id": "CVE-2026-1",
        "ratings": [{"severity": "critical"}],
        "affects": [{"ref": ref}],
        "analysis": {"state": "not_affected"},
    }
    place = forged(room, vulnerabilities=[vulnerability])
    assert "CVE-2026-1" in unmet(room.rehearse(bom=place))["bom"]
    ignored = '[[install.ignore-advisories]]\nid = "CVE-2026-1"\nreason = "not_affected"\nexpires = {}\n'
    room.policy(more=ignored.format("2020-01-01"))
    assert "CVE-2026-1" in unmet(room.rehearse(bom=place))["bom"]
    room.policy(more=ignored.format("2099-01-01"))
    assert "bom" not in unmet(room.rehearse(bom=place))


def test_an_unsigned_lockfile_has_no_author_and_no_approval_counts(room):
    room.promote("staging")
    room.approve()
    (room.folder / "models.lock.sigstore.json").unlink()
    assert "signed by 0 of the 1" in unmet(room.promote())["signature"]


def test_a_lockfile_that_was_changed_after_it_was_signed(room):
    lockfile = room.folder / "models.lock"
    lockfile.write_text(lockfile.read_text() + "# nothing\n")
    assert "signature" in unmet(room.rehearse())


def test_production_without_staging(room):
    room.approve()
    assert "nothing was ever promoted" in unmet(room.promote())["after"]


def test_a_stage_that_the_policy_does_not_have(room):
    with pytest.raises(PolicyError, match="no stage"):
        room.promote("pr0duction")


def test_a_policy_engine_denies_and_one_that_fails_denies_too(tmp_path, monkeypatch):
    more = '[[evidence.engines]]\nrego = "rules"\n'
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "promotion.rego").write_text(RULES)
    room = made(tmp_path, monkeypatch)
    room.policy(more=more)
    assert unmet(room.promote("staging")) == {}
    room.approve()
    assert unmet(room.promote()) == {"engines": "rego: only on weekdays"}
    (tmp_path / "rules" / "promotion.rego").write_text(RULES.replace("only on weekdays", ""))
    assert "engines" in unmet(room.promote())
    assert room.in_force() is None


def test_something_promoted_meanwhile(room, monkeypatch):
    from weighlock.gates.promotion import gate

    moved = gate.move

    def late(movement, *rest, **more):
        monkeypatch.setattr(gate, "move", moved)
        assert room.promote("staging").verdict.allowed
        return moved(movement, *rest, **more)

    monkeypatch.setattr(gate, "move", late)
    with pytest.raises(ForgedError, match="something else was promoted since"):
        room.promote("staging")
    assert len(room.store().history(room.asked and _resource("staging"))) == 1


def _resource(stage):
    from weighlock.promotion import Resource

    return Resource(registry="weighlock", model="./m", stage=stage)


def test_a_rollback_moves_name_lockfile_and_ledger(room):
    room.through()
    first = locked(room)
    data = room.model.read_bytes()
    room.change()
    room.through()
    done = room.roll_back(restore=True)
    assert (done.replaced, done.promoted.vsa.version) == ("2", "1")
    assert room.in_force().version == "1"
    assert locked(room) == first
    assert room.model.read_bytes() == data
    assert "rollback" in {one.kind for one in done.promoted.vsa.inputs}
    assert [entry.gate for entry in entries(room) if entry.kind == "promotion"][-1] == "rollback"
    # Forward again, and the old summary moves nothing.
    assert room.roll_back(to="2").promoted.vsa.version == "2"


def test_a_rollback_without_an_earlier_version(room):
    with pytest.raises(AdmissionError, match="nothing was ever promoted"):
        room.roll_back()
    room.through()
    with pytest.raises(AdmissionError, match="no earlier version"):
        room.roll_back()


def test_a_rollback_to_a_version_whose_verifier_is_trusted_no_more(room):
    room.through()
    room.change()
    room.through()
    text = (room.folder / "weighlock.toml").read_text()
    (room.folder / "weighlock.toml").write_text(text.replace('verifiers = ["ci"]', 'verifiers = ["carol"]'))
    with pytest.raises(AdmissionError, match="no earlier version may be in force"):
        room.roll_back(by="carol")


def test_a_rollback_passes_over_a_version_with_an_advisory_that_is_known_today(room, monkeypatch):
    from weighlock.gates.promotion import rollback

    room.through()
    room.change()
    room.through()
    monkeypatch.setattr(rollback, "grave", lambda *_: iter(["CVE-2026-2 (critical) is about numpy 1.0"]))
    with pytest.raises(AdmissionError, match="CVE-2026-2"):
        room.roll_back()


def test_what_a_run_left_undone_is_settled(room, monkeypatch):
    from weighlock.gates.promotion import movement

    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    room.through()
    first = locked(room)
    room.change()
    room.through()
    second = locked(room)
    # Before the move nothing has changed, and after it the lockfile follows.
    with monkeypatch.context() as patched:
        patched.setattr(movement, "_record", die)
        with pytest.raises(Killed):
            room.roll_back()
    assert (room.in_force().version, locked(room)) == ("2", second)
    with monkeypatch.context() as patched:
        patched.setattr(movement, "finish", die)
        with pytest.raises(Killed):
            room.roll_back()
    assert (room.in_force().version, locked(room)) == ("1", second)
    with pytest.raises(AdmissionError):
        room.roll_back(to="7")
    assert locked(room) == first
    rules = [entry.rules[0] for entry in entries(room) if entry.gate == "rollback" and entry.kind == "promotion"]
    assert rules == ["abandoned", "rolled-back", "completed"]


def test_an_intent_that_cannot_be_read_stops_everything(room):
    room.promote("staging")
    (place,) = (room.folder / "state" / "promotions").iterdir()
    (place / "intent.json").write_text("{")
    with pytest.raises(WeighlockError, match="left undone"):
        room.promote("staging")


def test_the_store_is_private(room):
    room.through()
    for path in (room.folder / "store").rglob("*"):
        assert os.stat(path).st_mode & 0o077 == 0, path


def denied(subject, kind):
    assert main(["quarantine", subject, "--as", kind, "--reason", "it opens a shell", "--yes"]) == 0


def test_a_model_in_quarantine_is_promoted_nowhere_and_not_rolled_back_to(room):
    done = room.through()
    sha256 = done.promoted.vsa.promotable.files["model.safetensors"]
    room.change()
    room.through()
    denied(f"sha256:{sha256}", "digest")
    with pytest.raises(AdmissionError, match=r"no earlier version may be in force now.*it opens a shell"):
        room.roll_back()
    assert room.in_force().version == "2"
    denied("./m", "model")
    assert unmet(room.promote("staging")).keys() == {"quarantine"}


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_an_author_or_approver_in_quarantine_by_key(room, who):
    room.promote("staging")
    room.approve("bob")
    denied(f"key {KEYS[who].public.digest}", "signer")
    assert "quarantine" in unmet(room.promote())
    assert room.in_force() is None


def test_a_verifier_in_quarantine_signs_nothing_that_moves(room):
    denied(f"key {KEYS['ci'].public.digest}", "signer")
    with pytest.raises(AdmissionError, match="opens a shell"):
        room.promote("staging")
    assert room.in_force("staging") is None


def test_nobody_is_nowhere_while_summaries_are_not_looked_at_for_signers(room):
    from weighlock.gates.where import reach

    assert not reach("ci", environ=room.environ, lockfile=str(room.folder / "models.lock")).gaps
    room.through()
    found = reach("ci", environ=room.environ, lockfile=str(room.folder / "models.lock"))
    assert not found.found
    assert [one.place for one in found.gaps] == [room.store().place]


def test_where_finds_what_was_promoted(room):
    done = room.through()
    (sha256, *_) = done.promoted.vsa.promotable.files.values()
    assert main(["where", sha256, "--format", "json"]) == 1


@pytest.fixture(scope="module")
def server():
    with postgres.server() as url:
        yield url


def test_everything_in_postgresql_with_bytes_on_shared_storage(tmp_path, monkeypatch, server):
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    room = made(tmp_path, monkeypatch, store=f"{server}&blobs=file://{tmp_path}/shared")
    room.through()
    room.change()
    room.through()
    assert room.roll_back(restore=True).promoted.vsa.version == "1"
    assert room.in_force().version == "1"
    assert not (tmp_path / "store").exists()
    with pytest.raises(AdmissionError):
        room.roll_back(to="1")


def listed_as_bad(room, **words) -> None:
    """Put the list of this user in place, as a team's list would have it."""
    from tests.quarantines import denial, listed, signed
    from weighlock.gates.watched_list import FILE
    from weighlock.ledger.keys import key_of
    from weighlock.signing.ledger_key import LedgerSigner

    folder = room.folder / "state" / "ledger"
    folder.mkdir(parents=True, exist_ok=True)
    signer = LedgerSigner(key_of(str(folder), room.environ).make())
    (folder / FILE).write_bytes(signed(listed(denial(**{"digests": (), **words})), signer))


def test_a_model_that_is_denied_as_the_guard_knows_it_and_not_as_it_is_locked(room):
    (model,) = locked(room)
    hub = replace(model, name="m", source=HubSource(repo="org/m", revision="a" * 40))
    require_free(room.project, room.environ, (), hub, ())
    listed_as_bad(room, models=(f"hf:org/m@{'a' * 40}",))
    with pytest.raises(AdmissionError, match="in quarantine"):
        require_free(room.project, room.environ, (), hub, ())


def test_a_stage_before_whose_verifier_is_in_quarantine_now(tmp_path, monkeypatch):
    room = made(tmp_path, monkeypatch)
    policy = (tmp_path / "weighlock.toml").read_text().replace('verifiers = ["ci"]', 'verifiers = ["ci", "carol"]')
    (tmp_path / "weighlock.toml").write_text(policy)
    assert room.promote("staging", by="carol").verdict.allowed
    room.approve()
    listed_as_bad(room, signers=(f"key {KEYS['carol'].public.digest}",))
    assert unmet(room.promote()).keys() == {"after"}
    assert room.promote("staging").verdict.allowed
    assert room.promote().verdict.allowed


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_rollback_to_what_somebody_signed_or_approved_who_is_in_quarantine_now(room, who):
    room.through()
    room.change()
    room.through()
    listed_as_bad(room, signers=(f"key {KEYS[who].public.digest}",))
    with pytest.raises(AdmissionError, match="in quarantine"):
        room.roll_back()


def test_a_store_with_rows_that_nobody_wrote_is_a_refusal_and_no_traceback(room):
    import sqlite3

    from weighlock.errors import WeighlockError

    room.through()
    for change in ("time = 'soon'", "bundle = 'text'"):
        with sqlite3.connect(room.folder / "store" / "store.sqlite") as connection:
            connection.execute(f"update weighlock_moves set {change}")  # noqa: S608 - the two above
        connection.close()
        with pytest.raises(WeighlockError):
            room.roll_back()


def test_an_approver_who_is_in_quarantine_under_another_name_with_the_same_key(tmp_path, monkeypatch):
    room = made(tmp_path, monkeypatch, signers=TWO_ALIKE.format("bob"))
    room.promote("staging")
    room.approve()
    listed_as_bad(room, signers=("alias",))
    assert "quarantine" in unmet(room.promote())


def test_a_package_of_the_bill_of_materials_is_in_quarantine(room, monkeypatch):
    def beside(name):
        path = room.folder / "models.cdx.json"
        said = json.loads(path.read_text())
        one = {"type": "library", "bom-ref": "p", "name": name, "version": "1.0", "purl": f"pkg:pypi/{name}@1.0"}
        said["components"] = [*said.get("components", []), one]
        path.write_text(json.dumps(said))

    monkeypatch.setattr("weighlock.gates.promotion.bill._known_today", lambda *_: iter(()))
    monkeypatch.setattr("weighlock.gates.promotion.bill._require_recorded", lambda *_: None)
    room.promote("staging")
    beside("evil-pkg")
    room.audit()
    room.approve()
    assert room.promote().verdict.allowed
    listed_as_bad(room, packages=("Evil_Pkg==1.0",))
    assert "in quarantine" in unmet(room.rehearse())["bom"]
    room.change()
    monkeypatch.setattr("weighlock.gates.promotion.gate._requirements", lambda case: [])
    assert room.promote().verdict.allowed
    with pytest.raises(AdmissionError, match="in quarantine"):
        room.roll_back()


def test_a_store_that_the_policy_moves_before_what_was_left_undone_is_settled(room, monkeypatch):
    room.promote("staging")
    room.approve()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("weighlock.gates.promotion.movement.finish", killed)
    with pytest.raises(KeyboardInterrupt):
        room.promote()
    monkeypatch.undo()
    monkeypatch.setenv("WEIGHLOCK_STATE", room.environ["WEIGHLOCK_STATE"])
    monkeypatch.setenv("WEIGHLOCK_POLICY", room.environ["WEIGHLOCK_POLICY"])
    monkeypatch.chdir(room.folder)
    room.policy(store="elsewhere")
    with pytest.raises(WeighlockError, match="another registry"):
        room.promote("staging")
    assert not any("abandoned" in entry.rules for entry in entries(room))
    room.policy()
    room.promote("staging")
    assert any("completed" in entry.rules for entry in entries(room))


SIGNED = '[[promotion.stages]]\nname = "staging"\nrequire = ["lock", "scan", "signature"]\n'


def test_an_approval_in_a_lockfile_that_nobody_signed_beside_a_signed_model(tmp_path, monkeypatch):
    """The signature of a model is about its bytes, and not about what models.lock says that they may import."""
    room = made(tmp_path, monkeypatch, stages=SIGNED)
    lockfile = read_lockfile(room.folder / "models.lock")
    sign_locked_model("./m", lockfile, KEYS["carol"], KEYS["carol"].public, folder=room.folder)
    files = lockfile.models[0].files
    names = {"imports": ("os.system",), "needs": ("os.system",), "approved": ("os.system",), "reason": "r"}
    first = replace(files[0], format="pickle", outcome="needs-approval", **names)
    model = replace(lockfile.models[0], files=(first, *files[1:]))
    (room.folder / "models.lock").write_text(replace(lockfile, models=(model,)).dumps({}))
    refused = unmet(room.rehearse("staging"))["signature"]
    assert "approves" in refused
    room.sign("bob", label="bob")
    assert unmet(room.rehearse("staging")) == {}


def test_a_signature_of_the_model_alone_is_enough_where_the_lockfile_approves_nothing(tmp_path, monkeypatch):
    room = made(tmp_path, monkeypatch, stages=SIGNED)
    for place in room.folder.glob("models.lock*.sigstore.json"):
        place.unlink()
    lockfile = read_lockfile(room.folder / "models.lock")
    sign_locked_model("./m", lockfile, KEYS["carol"], KEYS["carol"].public, folder=room.folder)
    assert unmet(room.rehearse("staging")) == {}
