"""Quarantine lists at the gates: each way to get past one, by whoever can write where it lies, or serve it."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.quarantines import BAD, denial, listed, release, signed
from weighlock.artifact import Digest, PackageFile
from weighlock.errors import AdmissionError
from weighlock.gates.deciding import open_decider
from weighlock.gates.packages import JudgedPackage, PackageReport
from weighlock.gates.quarantined import Quarantine, open_quarantine
from weighlock.gates.watched_list import FILE
from weighlock.ledger.keys import key_of
from weighlock.policy import Policy
from weighlock.release import Release
from weighlock.signing.key import generate
from weighlock.signing.ledger_key import LedgerSigner
from weighlock.verdict import Decision, Verdict

CI, MALLORY = generate(), generate()


class Place:
    """A policy with one list, and the list of the user."""

    def __init__(self, folder, **quarantine):
        self.folder = folder
        self.path = folder / "team.json"
        self.environ = {"WEIGHLOCK_STATE": str(folder / "state"), "WEIGHLOCK_LEDGER": str(folder / "ledger")}
        (folder / "ci.pub").write_bytes(CI.public.pem)
        self.quarantine = {"lists": ["team.json"], **quarantine}

    def open(self) -> Quarantine:
        signers = [{"name": "ci", "key": "ci.pub"}] if self.quarantine["lists"] else []
        policy = Policy.from_dict({"evidence": {"signers": signers}, "quarantine": self.quarantine})
        return open_quarantine(self.environ, policy, str(self.folder / "weighlock.toml"))

    def publish(self, *events, key=CI, **words):
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(signed(listed(*events, **words), key))
        os.replace(fresh, self.path)

    def own(self, *events):
        folder = self.folder / "ledger"
        folder.mkdir(exist_ok=True)
        signer = LedgerSigner(key_of(str(folder), self.environ).make())
        (folder / FILE).write_bytes(signed(listed(*events), signer))


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def own(tmp_path):
    return Place(tmp_path, lists=[])


def refused(quarantine, *digests, **words) -> str:
    with pytest.raises(AdmissionError) as caught:
        quarantine.refuse(digests, **words)
    return f"{caught.value} | {caught.value.hint}"


def test_without_lists_nothing_is_denied(own):
    quarantine = own.open()
    quarantine.refuse([BAD], model="org/model")
    assert quarantine.is_empty


def test_what_is_denied_is_refused_by_digest_model_package_and_signer(place):
    place.publish(denial(models=("Org/Model",), packages=("Evil_Pkg==1.0", "worse"), signers=("Eve",)))
    quarantine = place.open()
    for words in (
        {"digests": [BAD]},
        {"digests": [f"sha256:{BAD}"]},
        {"model": "org/model"},
        {"packages": ["evil-pkg==1.0.0"]},
        {"packages": ["worse==7"]},
        {"signers": ["eve"]},
    ):
        assert "it opens a shell" in refused(quarantine, *words.pop("digests", ()), **words)
    quarantine.refuse(["a" * 64], model="org/other", packages=["evil-pkg==1.1"], signers=["ann"])


def test_a_refusal_says_why_who_until_when_and_the_one_step(place):
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    place.publish(denial(expires=expires))
    said = refused(place.open(), BAD)
    for word in ("it opens a shell", "ann@forge", f"until {expires:%Y-%m-%d}", "--release Q1", "team.json", "--key"):
        assert word in said


def test_a_denial_reaches_whoever_asked_before(place):
    place.publish()
    quarantine = place.open()
    quarantine.refuse([BAD])
    place.publish(denial())
    refused(quarantine, BAD)
    assert quarantine.generation == 2


def test_a_release_reaches_whoever_was_refused(place):
    place.publish(denial())
    quarantine = place.open()
    refused(quarantine, BAD)
    place.publish(denial(), release("Q1"))
    quarantine.refuse([BAD])


def test_a_denial_that_expired_denies_no_more_and_one_that_lasts_does(place):
    over = datetime(2026, 11, 1, 13, tzinfo=UTC)
    place.publish(denial(expires=over))
    quarantine = place.open()
    quarantine.refuse([BAD])
    place.publish(denial(expires=over), denial(2))
    assert "Q2" in refused(quarantine, BAD)


@pytest.mark.parametrize("stale", ["refuse", "warn"])
def test_a_list_of_another_signer_refuses_everything_whatever_the_policy_says(tmp_path, stale):
    place = Place(tmp_path, stale=stale)
    place.publish(key=MALLORY)
    assert "does not verify" in refused(place.open(), "a" * 64)


def test_a_release_by_a_stranger_releases_nothing(place):
    place.publish(denial())
    quarantine = place.open()
    refused(quarantine, BAD)
    place.publish(denial(), release("Q1"), key=MALLORY)
    assert "it opens a shell" in refused(quarantine, BAD)
    assert "does not verify" in refused(quarantine, "a" * 64)


@pytest.mark.parametrize("stale", ["refuse", "warn"])
def test_an_older_list_put_back_is_a_roll_back_in_this_process_and_the_next(tmp_path, stale):
    place = Place(tmp_path, stale=stale)
    place.publish()
    older = place.path.read_bytes()
    place.publish(denial())
    quarantine = place.open()
    refused(quarantine, BAD)
    place.path.write_bytes(older)
    assert "it opens a shell" in refused(quarantine, BAD)
    for one in (quarantine, place.open()):
        assert "rolled back" in refused(one, "a" * 64)


def test_a_list_with_other_events_is_a_fork(place):
    place.publish(denial())
    refused(place.open(), BAD)
    place.publish(denial(reason="another story"), denial(2, digests=(f"sha256:{'c' * 64}",)))
    assert "forked" in refused(place.open(), "a" * 64)


def test_another_list_in_the_place_of_one_that_was_seen_is_refused(place):
    place.publish(denial())
    refused(place.open(), BAD)
    place.publish(name="list-2")
    assert "another list" in refused(place.open(), "a" * 64)


def test_a_list_that_was_removed_refuses_and_what_it_denied_stays_denied(place):
    place.publish(denial())
    quarantine = place.open()
    refused(quarantine, BAD)
    place.path.unlink()
    assert "it opens a shell" in refused(quarantine, BAD)
    assert "is gone" in refused(quarantine, "a" * 64)
    assert "is gone" in refused(place.open(), "a" * 64)


def test_a_list_that_the_policy_names_has_to_be_there(place):
    assert "is not there" in refused(place.open(), "a" * 64)


def test_a_policy_that_only_warns_lets_through_what_no_list_denied(tmp_path, capsys):
    place = Place(tmp_path, stale="warn")
    place.publish(denial())
    quarantine = place.open()
    refused(quarantine, BAD)
    place.path.unlink()
    quarantine.refuse(["a" * 64])
    quarantine.refuse(["a" * 64])
    refused(quarantine, BAD)
    assert capsys.readouterr().err.count("is gone") == 1


def test_a_stale_list_refuses_until_it_is_signed_again(place):
    place.publish(denial(), issued=datetime.now(UTC).replace(microsecond=0) - timedelta(days=8))
    quarantine = place.open()
    assert "stale" in refused(quarantine, "a" * 64)
    place.publish(denial())
    quarantine.refuse(["a" * 64])


def test_a_clock_that_was_set_back_makes_no_list_new_again(place):
    place.publish(denial())
    real = time.time
    quarantine = place.open()
    quarantine.refuse(["a" * 64])
    quarantine._clock._wall = lambda: real() - 86_400
    quarantine.refuse(["a" * 64])
    assert quarantine._clock.now() >= real() - 1
    later = place.open()
    later._clock._wall = lambda: real() - 86_400
    later._clock._begun -= 86_400
    assert "future" in refused(later, "a" * 64)


@pytest.mark.parametrize("kind", ["truncated", "empty", "huge", "fifo", "folder", "loop"])
def test_what_is_no_list_refuses(place, kind):
    place.publish(denial())
    data = place.path.read_bytes()
    place.path.unlink()
    if kind == "fifo":
        os.mkfifo(place.path)
    elif kind == "folder":
        place.path.mkdir()
    elif kind == "loop":
        place.path.symlink_to(place.path)
    elif kind == "huge":
        with open(place.path, "wb") as file:
            file.truncate(1 << 40)
    else:
        place.path.write_bytes(data[: len(data) // 2] if kind == "truncated" else b"")
    refused(place.open(), "a" * 64)


def test_a_list_behind_a_link_is_followed_to_another_version(place):
    place.publish()
    versions = place.folder / "one.json", place.folder / "two.json"
    os.rename(place.path, versions[0])
    place.publish(denial())
    os.rename(place.path, versions[1])
    place.path.symlink_to(versions[0])
    quarantine = place.open()
    quarantine.refuse([BAD])
    place.path.unlink()
    place.path.symlink_to(versions[1])
    refused(quarantine, BAD)


def test_the_list_of_this_user_is_believed_by_the_key_of_the_ledger(own):
    own.own(denial())
    assert "--release Q1" in refused(own.open(), BAD)


def test_the_list_of_this_user_that_was_removed_after_it_was_seen_refuses(own):
    own.own(denial())
    refused(own.open(), BAD)
    (own.folder / "ledger" / FILE).unlink()
    assert "is gone" in refused(own.open(), "a" * 64)


def test_a_list_of_a_stranger_in_the_place_of_this_users_refuses(own):
    own.own()
    (own.folder / "ledger" / FILE).write_bytes(signed(listed(), MALLORY))
    assert "does not verify" in refused(own.open(), "a" * 64)


def test_a_memory_that_cannot_be_read_is_no_empty_one(place):
    place.publish(denial())
    refused(place.open(), BAD)
    memory = place.folder / "state" / "quarantine-lists.json"
    data = memory.read_bytes()
    memory.write_bytes(data[:-5])
    quarantine = place.open()
    assert "cannot be read" in refused(quarantine, "a" * 64)
    memory.write_bytes(data)
    quarantine.refuse(["a" * 64])


def test_many_threads_see_a_denial_at_their_next_question(place):
    place.publish()
    quarantine = place.open()
    quarantine.refuse([BAD])
    place.publish(denial())
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(quarantine.denied([BAD]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(answers)


def test_a_child_of_a_fork_sees_what_came_since(place):
    place.publish()
    quarantine = place.open()
    quarantine.refuse([BAD])
    quarantine._lock.acquire()  # as another thread of the parent might hold it
    child = os.fork()
    if not child:
        os._exit(7 if quarantine.denied([BAD]) is None else 1)
    quarantine._lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    place.publish(denial())
    child = os.fork()
    if not child:
        os._exit(7 if quarantine.denied([BAD]) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_child_of_a_fork_that_came_in_the_middle_of_a_look_looks_anew(place):
    place.publish()
    quarantine = place.open()
    quarantine.refuse([BAD])
    place.publish(denial())
    quarantine._is_looking = True  # another thread of the parent saw the stamps and not yet the list
    quarantine.lists[-1]._place.look()
    child = os.fork()
    if not child:
        os._exit(7 if quarantine.denied([BAD]) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_list_of_the_last_year_there_is_breaks_nothing(place):
    place.publish(denial(), issued=datetime(9999, 12, 31, 23, tzinfo=UTC))
    assert "future" in refused(place.open(), "a" * 64)


def test_a_hundred_thousand_digests_are_read_in_seconds_and_answered_at_once(place):
    many = tuple(f"sha256:{number:064x}" for number in range(100_000))
    place.publish(denial(digests=many))
    quarantine = place.open()
    begun = time.perf_counter()
    refused(quarantine, many[-1])
    assert time.perf_counter() - begun < 10
    begun = time.perf_counter()
    for _ in range(1000):
        quarantine.refuse(["c" * 64])
    assert (time.perf_counter() - begun) / 1000 < 0.001


def test_a_package_in_quarantine_is_denied_by_its_name_and_by_its_digest(own):
    own.own(denial(digests=(f"sha256:{'c' * 64}",), packages=("evil==1.0",)))
    for name, digit in (("evil", "a"), ("other", "c"), ("good", "a")):
        filename, digest = f"{name}-1.0-py3-none-any.whl", Digest.sha256(digit * 64)
        wheel = PackageFile(name=name, version="1.0", filename=filename, digest=digest)
        judged = JudgedPackage(release=Release(artifact=wheel), findings=(), verdict=Verdict(decision=Decision.ALLOW))
        decider = open_decider("check", Policy(), None, own.environ)
        settled = decider.settle(PackageReport(command="check", packages=(judged,))).packages[0]
        assert settled.verdict.allowed == (name == "good")
        if name != "good":
            assert settled.verdict.reasons[0].rule == "quarantined"


def test_a_ledger_that_is_no_folder_holds_no_list(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    quarantine = open_quarantine({"WEIGHLOCK_LEDGER": str(tmp_path / "file")}, Policy(), None)
    quarantine.refuse([BAD])


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_look_that_is_interrupted_loses_no_denial(place, monkeypatch, error):
    from weighlock.signing import verification

    other = place.folder / "other.json"
    other.write_bytes(signed(listed(name="list-2"), CI))
    place.quarantine["lists"] = ["team.json", "other.json"]
    place.publish()
    quarantine = place.open()
    quarantine.refuse([BAD])
    place.publish(denial())
    verify = verification.verify_bundle

    def interrupted(*args, **words):
        raise error

    monkeypatch.setattr(verification, "verify_bundle", interrupted)
    with pytest.raises(error):
        quarantine.refuse([BAD])
    monkeypatch.setattr(verification, "verify_bundle", verify)
    assert "in quarantine" in refused(quarantine, BAD)


def test_a_look_that_is_interrupted_at_the_second_list_loses_no_denial_of_the_first(place, monkeypatch):
    other = place.folder / "other.json"
    other.write_bytes(signed(listed(name="list-2"), CI))
    place.quarantine["lists"] = ["team.json", "other.json"]
    place.publish()
    quarantine = place.open()
    quarantine.refuse([BAD])
    place.publish(denial())

    def interrupted(now):
        raise KeyboardInterrupt

    second = next(one for one in quarantine.lists if one.name.endswith("other.json"))
    monkeypatch.setattr(second, "look", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quarantine.refuse([BAD])
    monkeypatch.undo()
    assert "in quarantine" in refused(quarantine, BAD)


def test_a_project_that_keeps_its_ledger_elsewhere_does_not_get_rid_of_the_list_of_this_user(tmp_path):
    from weighlock.gates.project import find_project

    environ = {"WEIGHLOCK_STATE": str(tmp_path / "state"), "WEIGHLOCK_POLICY": str(tmp_path / "weighlock.toml")}
    folder = tmp_path / "state" / "ledger"
    folder.mkdir(parents=True)
    signer = LedgerSigner(key_of(str(folder), environ).make())
    (folder / FILE).write_bytes(signed(listed(denial()), signer))
    (tmp_path / "weighlock.toml").write_text('[evidence.ledger]\nplace = "elsewhere"\n')
    project = find_project(environ, str(tmp_path / "models.lock"))
    assert "in quarantine" in refused(open_quarantine(environ, project.policy, project.policy_path), BAD)
