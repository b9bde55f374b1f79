"""``weighlock approve``: exact names, for exact bytes, by a person who saw them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from weighlock.errors import AdmissionError, DigestMismatchError, SourceError, UsageError
from weighlock.gates.approve import Acceptance, Approved, Proposal, approve

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.hub
THING = "mypackage.models.Thing"
TWO = b"\x80\x02cmypackage.models\nThing\n)\x81cother\nPart\n)\x81\x86."


class Person:
    """Somebody who answers, and remembers what they were shown."""

    def __init__(self, answer: bool = True) -> None:  # noqa: FBT001, FBT002 - yes or no
        self.answer = answer
        self.seen: list[Proposal] = []

    def __call__(self, proposal: Proposal) -> bool:
        self.seen.append(proposal)
        return self.answer


def accept(bench: Any, target: str, person: Person | None = None, **acceptance: Any) -> Approved:
    return approve(target, Acceptance(**acceptance), bench.project, bench.options, confirm=person or Person())


@pytest.fixture
def locked(bench: Any, weights: dict[str, bytes]) -> Any:
    bench.hub.add_repo("org/a", {"a.bin": weights["needs"], "b.bin": TWO, "c.bin": weights["data"]})
    bench.lock("org/a")
    return bench


def test_the_names_are_shown_and_bound_to_the_digest(locked: Any) -> None:
    person = Person()
    assert accept(locked, "org/a:a.bin", person).written
    assert person.seen[0].entry is not None
    assert person.seen[0].entry.needs == (THING,)
    assert locked.file("a.bin").approved == (THING,)
    assert locked.file("b.bin").approved == ()
    assert not accept(locked, "org/a:a.bin").written


def test_a_no_changes_nothing(locked: Any) -> None:
    before = locked.project.lock.read_text()
    with pytest.raises(AdmissionError, match="not approved") as caught:
        accept(locked, "org/a:a.bin", Person(answer=False))
    assert caught.value.exit_code == 1
    assert locked.project.lock.read_text() == before


def test_all_names_or_none(locked: Any) -> None:
    before = locked.project.lock.read_text()
    with pytest.raises(AdmissionError, match=r"also needs other\.Part") as caught:
        accept(locked, "org/a:b.bin", imports=(THING,))
    assert caught.value.hint == "add --import other.Part"
    assert locked.project.lock.read_text() == before
    accept(locked, "org/a:b.bin", imports=(THING, "other.Part"))
    assert locked.file("b.bin").approved == (THING, "other.Part")


@pytest.mark.parametrize("name", ["os.system", "mypackage.models", "mypackage.*", ""])
def test_a_name_that_the_file_does_not_need_is_a_mistake(name: str, locked: Any) -> None:
    with pytest.raises(UsageError, match="does not need"):
        accept(locked, "org/a:a.bin", imports=(THING, name))


def test_a_profile_approves_what_it_has_in_common_with_the_file(locked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weighlock.allowlist.PROFILES", ("ours",))
    monkeypatch.setattr("weighlock.allowlist.profile", lambda _: frozenset({THING, "ours.Another"}))
    accept(locked, "org/a:a.bin", profiles=("ours",))
    assert locked.file("a.bin").approved == (THING,)
    with pytest.raises(AdmissionError, match=r"also needs other\.Part"):
        accept(locked, "org/a:b.bin", profiles=("ours",))
    with pytest.raises(UsageError, match="no profile 'theirs'"):
        accept(locked, "org/a:b.bin", profiles=("theirs",))


def test_tampered_bytes_are_not_approved(locked: Any) -> None:
    locked.place("a.bin").write_bytes(TWO)
    with pytest.raises(DigestMismatchError):
        accept(locked, "org/a:a.bin")


def test_a_path_approves_every_locked_file_with_its_bytes(locked: Any, weights: dict[str, bytes]) -> None:
    copy = locked.root / "copy.bin"
    copy.write_bytes(weights["needs"])
    person = Person()
    accept(locked, str(copy), person)
    assert not person.seen[0].new
    assert locked.file("a.bin").approved == (THING,)
    assert len(locked.lockfile.models) == 1


def test_an_unlocked_local_file_is_added_after_saying_so(bench: Any, weights: dict[str, bytes]) -> None:
    (bench.project.folder / "mine.bin").write_bytes(weights["needs"])
    person = Person()
    accept(bench, "mine.bin", person)
    assert person.seen[0].new
    assert bench.file("mine.bin", "./mine.bin").approved == (THING,)
    assert bench.statuses(deep=True) == {"./mine.bin:mine.bin": "good"}


def test_a_malicious_file_is_not_approved_by_names(bench: Any, payload: bytes) -> None:
    (bench.project.folder / "mine.bin").write_bytes(payload)
    for acceptance in ({}, {"imports": ("builtins.open",)}):
        with pytest.raises(AdmissionError, match=r"is refused: .*builtins\.open") as caught:
            accept(bench, "mine.bin", **acceptance)
        assert "--unsafe --reason TEXT" in str(caught.value.hint)
    assert not bench.project.lock.exists()


def test_unsafe_needs_a_reason_and_is_written_with_it(bench: Any, payload: bytes) -> None:
    (bench.project.folder / "mine.bin").write_bytes(payload)
    for reason in (None, "", "  "):
        with pytest.raises(UsageError, match="needs a reason"):
            accept(bench, "mine.bin", unsafe=True, reason=reason)
    accept(bench, "mine.bin", unsafe=True, reason=" we wrote it ")
    file = bench.file("mine.bin", "./mine.bin")
    assert (file.unsafe, file.reason, file.approved) == (True, "we wrote it", ())


def test_unsafe_and_names_contradict_each_other(bench: Any) -> None:
    with pytest.raises(UsageError, match="no meaning"):
        accept(bench, "x", unsafe=True, reason="x", imports=("a",))


def test_a_refused_file_of_the_hub_can_be_accepted_unseen_and_then_locked(
    bench: Any, payload: bytes, weights: dict[str, bytes]
) -> None:
    bench.hub.add_repo("org/a", {"a.bin": payload, "b.bin": weights["data"]})
    with pytest.raises(UsageError, match="is not in the lockfile"):
        accept(bench, "org/a:a.bin")
    with pytest.raises(AdmissionError, match="not approved"):
        accept(bench, "org/a:a.bin", Person(answer=False), unsafe=True, reason="ours")
    assert not bench.project.lock.exists()
    accept(bench, "org/a:a.bin", unsafe=True, reason="ours")
    assert [file.path for file in bench.lockfile.by_name("org/a").files] == ["a.bin"]
    bench.lock("org/a")
    assert [(file.path, file.unsafe) for file in bench.lockfile.by_name("org/a").files] == [
        ("a.bin", True), ("b.bin", False)
    ]  # fmt: skip


def test_accepting_one_more_file_keeps_the_locked_ones(locked: Any, payload: bytes) -> None:
    with pytest.raises(Exception, match="matches no file"):
        accept(locked, "org/a:evil.bin", unsafe=True, reason="ours")
    locked.hub.commit("org/a", {"evil.bin": payload})
    locked.lock("org/a", upgrade=("*",), exclude=("evil.bin",))
    accept(locked, "org/a:evil.bin", unsafe=True, reason="ours")
    paths = [file.path for file in locked.lockfile.by_name("org/a").files]
    assert paths == ["a.bin", "b.bin", "c.bin", "evil.bin"]


def test_an_unsafe_acceptance_ends_with_the_bytes(bench: Any, payload: bytes) -> None:
    bench.hub.add_repo("org/a", {"a.bin": payload})
    accept(bench, "org/a:a.bin", unsafe=True, reason="ours")
    bench.hub.commit("org/a", {"a.bin": payload + b"0"})
    with pytest.raises(AdmissionError, match="refused"):
        bench.lock("org/a", upgrade=("*",))


def test_data_needs_no_approval(locked: Any) -> None:
    approved = accept(locked, "org/a:c.bin")
    assert not approved.written
    done = locked.run("approve", "org/a:c.bin")
    assert (done.returncode, done.stdout) == (0, "nothing to approve: org/a:c.bin holds only data\n")


@pytest.mark.parametrize(
    ("target", "error"),
    [("nothing.bin", SourceError), ("https://host/x", SourceError), (".", UsageError), ("org/b:x", UsageError)],
)
def test_what_is_no_file(target: str, error: type[Exception], locked: Any) -> None:
    with pytest.raises(error):
        accept(locked, target)


def test_a_locked_file_that_is_not_here(locked: Any) -> None:
    locked.empty()
    with pytest.raises(SourceError, match="is not on this machine") as caught:
        accept(locked, "org/a:a.bin")
    assert caught.value.hint == "run `weighlock sync`"


def test_nobody_is_there_to_confirm(locked: Any) -> None:
    before = locked.project.lock.read_text()
    done = locked.run("approve", "org/a:a.bin")
    assert done.returncode == 2
    assert THING in done.stderr
    assert "nobody is there to confirm" in done.stderr
    assert locked.project.lock.read_text() == before
    done = locked.run("approve", "org/a:a.bin", "--yes", "--format", "json")
    assert json.loads(done.stdout)["approved"] == [THING]


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1)])
def test_a_person_at_a_terminal_is_asked(answer: bytes, code: int, locked: Any) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "weighlock", "approve", "org/a:a.bin"], cwd=locked.project.folder,
        env=locked.environment(), stdin=slave, stdout=subprocess.PIPE, stderr=slave,
    ) as child:  # fmt: skip
        os.close(slave)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(master, 1000)
        os.write(master, answer)
        assert child.wait(60) == code
    os.close(master)
    assert THING.encode() in shown
    assert bool(locked.file("a.bin").approved) == (code == 0)


def test_hostile_names_are_shown_escaped(bench: Any, tmp_path: Path) -> None:
    (bench.project.folder / "a.bin").write_bytes(b"\x80\x02cmy\x1b[2Jpack\nThing\n)\x81.")
    done = bench.run("approve", "a.bin", "--yes")
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x1b" not in (bench.project.lock.read_text() if bench.project.lock.exists() else "")
    assert not list(tmp_path.glob("*.bin"))


def test_a_file_that_a_locked_model_does_not_have_is_not_answered_with_lock_it_first(bench: Any, weights: Any) -> None:
    (bench.project.folder / "models").mkdir()
    (bench.project.folder / "models" / "a.bin").write_bytes(weights["data"])
    first = bench.run("approve", "models:a.bin", "--yes")
    assert "hint: run `weighlock lock ./models` first" in first.stderr
    bench.lock("./models")
    for target in ("./models:nope", "models:nope"):
        done = bench.run("approve", target, "--yes")
        assert done.returncode == 2
        assert "hint: ./models has a.bin\n" in done.stderr
