"""Changing quarantine lists: what is continued, by whom, and what remains when somebody else wrote or was killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.quarantines import BAD, denial, listed, signed
from weighlock.errors import AdmissionError, UsageError, WeighlockError
from weighlock.gates.project import Project
from weighlock.gates.quarantine import Keeper
from weighlock.gates.quarantine_plan import Plan
from weighlock.gates.quarantined import open_quarantine
from weighlock.gates.recording import Recorder
from weighlock.gates.watched_list import FILE
from weighlock.policy import Policy
from weighlock.quarantine import Subject
from weighlock.signing.key import generate

CI, MALLORY = generate(), generate()


def plan(digit: str = "b") -> Plan:
    digest = f"sha256:{digit * 64}"
    return Plan(subject=Subject(kind="digest", value=digest), digests=(digest,))


class Bench:
    """A project with a list of its team, or only that of this user."""

    def __init__(self, folder, *, team: bool = True, **quarantine):
        self.folder = folder
        self.environ = {"WEIGHLOCK_STATE": str(folder / "state"), "WEIGHLOCK_LEDGER": str(folder / "ledger")}
        (folder / "ci.pub").write_bytes(CI.public.pem)
        signers = [{"name": "ci", "key": "ci.pub"}] if team else []
        lists = ["team.json"] if team else []
        self.policy = Policy.from_dict({"evidence": {"signers": signers}, "quarantine": {"lists": lists, **quarantine}})
        self.path = str(folder / "weighlock.toml")
        self.now = lambda: datetime.now(UTC)

    def keeper(self, place=None) -> Keeper:
        recorder = Recorder(self.environ, self.policy.evidence.ledger, str(self.folder))
        project = Project(
            policy=self.policy, lock=self.folder / "models.lock", policy_path=self.path, recorder=recorder
        )
        return Keeper(project, self.environ, place, self.now)

    def deny(self, digit="b", key=CI, expires=None, place=None):
        return self.keeper(place).quarantine(plan(digit), key, reason="bad", by="ann@forge", expires=expires)

    def denied(self, digit="b"):
        return open_quarantine(self.environ, self.policy, self.path).denied([digit * 64])


@pytest.fixture
def team(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def own(tmp_path):
    return Bench(tmp_path, team=False)


def test_what_is_denied_is_denied_by_the_next_question_and_a_release_takes_it_back(team):
    changed = team.deny()
    assert team.denied()
    team.keeper().release(changed.known.events[-1].id, CI, reason="a false alarm", by="ann@forge")
    assert team.denied() is None
    assert [type(event).__name__ for event in team.keeper().read().events] == ["Denial", "Release"]


def test_a_list_of_ones_own_needs_no_policy_and_no_key(own):
    keeper = own.keeper()
    assert keeper.is_own
    assert keeper.place == str(own.folder / "ledger" / FILE)
    own.deny(key=keeper.ledger_signer())
    assert own.denied()


def test_a_key_that_no_guard_believes_changes_nothing(team):
    team.deny()
    before = (team.folder / "team.json").read_bytes()
    with pytest.raises(UsageError, match="no guard would believe it"):
        team.deny("c", key=MALLORY)
    with pytest.raises(UsageError, match="no guard would believe it"):
        team.keeper().refresh(MALLORY)
    assert (team.folder / "team.json").read_bytes() == before


def test_a_list_that_was_rolled_back_is_not_continued(team):
    team.deny()
    older = (team.folder / "team.json").read_bytes()
    team.deny("c")
    (team.folder / "team.json").write_bytes(older)
    with pytest.raises(WeighlockError, match="rolled back"):
        team.deny("d")


def test_a_list_that_was_removed_is_not_begun_anew(team):
    team.deny()
    (team.folder / "team.json").unlink()
    with pytest.raises(WeighlockError, match="is gone"):
        team.deny("d")


def test_a_list_of_a_stranger_is_not_continued(team):
    (team.folder / "team.json").write_bytes(signed(listed(denial()), MALLORY))
    with pytest.raises(WeighlockError, match="does not verify"):
        team.deny()


def test_what_is_not_denied_or_is_released_already_is_not_released(team):
    changed = team.deny()
    known = changed.known.events[-1].id
    with pytest.raises(UsageError, match="no entry"):
        team.keeper().release("Q-other", CI, reason="x", by="x")
    team.keeper().release(known, CI, reason="x", by="x")
    with pytest.raises(UsageError, match="released already"):
        team.keeper().release(known, CI, reason="x", by="x")


def test_a_refreshed_list_is_new_and_says_the_same(team):
    team.now = lambda: datetime.now(UTC) - timedelta(days=9)
    first = team.deny()
    team.now = lambda: datetime.now(UTC)
    with pytest.raises(AdmissionError, match="stale"):
        open_quarantine(team.environ, team.policy, team.path).refuse(["a" * 64])
    second = team.keeper().refresh(CI)
    assert second.known.events == first.known.events
    open_quarantine(team.environ, team.policy, team.path).refuse(["a" * 64])


def test_an_entry_that_expires_ends_by_itself_and_stays_in_the_list(team):
    team.deny(expires=datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    quarantine = open_quarantine(team.environ, team.policy, team.path)
    assert quarantine.denied(["b" * 64])
    quarantine._clock._begun += 3601
    assert quarantine.denied(["b" * 64]) is None
    assert len(team.keeper().read().events) == 1


def test_a_list_behind_a_url_is_not_changed_from_here(team):
    with pytest.raises(UsageError, match="URL"):
        team.keeper("https://example.org/list.json")


def test_an_exported_list_is_believed_in_another_place(tmp_path):
    team = Bench(tmp_path)
    team.deny()
    (tmp_path / "elsewhere").mkdir()
    other = Bench(tmp_path / "elsewhere")
    (other.folder / "team.json").write_bytes(team.keeper().export())
    assert other.denied()


def test_each_change_is_recorded_with_the_list_and_what_it_denies(team):
    from weighlock.entry import Entry

    changed = team.deny()
    lines = [
        line for path in (team.folder / "ledger" / "spool").glob("*.jsonl") for line in path.read_bytes().splitlines()
    ]
    entry = Entry.from_bytes(lines[-1])
    assert (entry.gate, entry.rules, str(entry.digest)) == ("quarantine", ("quarantined",), changed.digest)
    assert f"sha256:{BAD}" in entry.evidence


def test_quarantines_at_the_same_time_lose_no_other(team):
    team.keeper().refresh(CI)
    threads = [threading.Thread(target=team.deny, args=(digit,)) for digit in "0123456789"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(team.keeper().read().events) == 10
    assert all(team.denied(digit) for digit in "0123456789")


def _denies_for_ever(bench):
    ready, begun = os.pipe()
    child = os.fork()
    if not child:
        try:
            while True:
                bench.deny(key=bench.keeper().ledger_signer())
                os.write(begun, b".")
        finally:
            os._exit(1)
    os.read(ready, 1)
    os.close(ready)
    os.close(begun)
    return child


def test_who_is_killed_leaves_the_old_list_or_the_new_one(own):
    own.deny(key=own.keeper().ledger_signer())
    seen = 1
    for number in range(20):
        child = _denies_for_ever(own)
        time.sleep(0.003 * number)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        events = own.keeper().read().events
        assert len(events) > seen
        seen = len(events)
        assert own.denied()
    own.deny("c", key=own.keeper().ledger_signer())
    assert own.denied("c")
