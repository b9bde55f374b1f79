"""What people say counts where the machine cannot know, for the bytes it was said about, and for a time."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.audit.samples import DIGEST, NOW, facts, file
from weighlock.audit.item import Status, Waiver
from weighlock.audit.parts import QUESTIONS
from weighlock.audit.record import Answered, ModelRecord, Record
from weighlock.audit.verdict import conclude
from weighlock.verdict import Decision

TODAY = NOW.date()
HUMAN = [question.id for question in QUESTIONS if question.assess is None]


def answer(item: str, status: Status = Status.PASS, at: date = TODAY, **more: str) -> Answered:
    return Answered(item=item, status=status, text="looked at", by="Jo", at=at, **more)


def waiver(item: str, at: date = TODAY, expires: date = TODAY + timedelta(days=30)) -> Waiver:
    return Waiver(item=item, reason="soon", by="Jo", approver="Ann", at=at, expires=expires)


def record(*said: Answered | Waiver, about=None, require: frozenset[str] = frozenset()) -> Record:
    model = ModelRecord(
        name="org/model",
        digest=(about or facts()).digest,
        answers=tuple(one for one in said if isinstance(one, Answered)),
        waivers=tuple(one for one in said if isinstance(one, Waiver)),
    )
    return Record(models=(model,), require=require)


def everything(*left_out: str) -> list[Answered]:
    return [answer(item) for item in HUMAN if item not in left_out]


def item(audit, name: str):
    return next(one for one in audit.items if one.question.id == name)


def test_all_answered_and_nothing_wrong_is_allowed():
    audit = conclude(facts(), record(*everything()))
    assert audit.verdict.decision is Decision.ALLOW
    assert {one.status for one in audit.items} == {Status.PASS}


def test_nobody_answered_is_denied_and_names_every_open_item():
    audit = conclude(facts())
    assert audit.verdict.decision is Decision.DENY
    assert {reason.rule for reason in audit.verdict.reasons} == set(HUMAN)


@pytest.mark.parametrize("left_out", HUMAN)
def test_one_open_question_denies(left_out: str):
    audit = conclude(facts(), record(*everything(left_out)))
    assert not audit.verdict.allowed
    assert [reason.rule for reason in audit.verdict.reasons] == [left_out]


def test_an_open_optional_item_denies_nothing_unless_it_is_required():
    about = facts(ledger=None)
    assert conclude(about, record(*everything())).verdict.allowed
    assert not conclude(about, record(*everything(), require=frozenset({"ledger-entry"}))).verdict.allowed


def test_a_failing_optional_item_denies():
    about = facts(bom=facts().bom and None, files=facts().files)
    assert conclude(about, record(*everything())).verdict.allowed
    audit = conclude(about, record(*everything(), answer("licence-text", Status.FAIL)))
    assert [reason.rule for reason in audit.verdict.reasons] == ["licence-text"]


def test_a_person_that_says_pass_does_not_overrule_the_machine():
    about = facts(license="mit")
    audit = conclude(about, record(*everything(), answer("licence-stated"), about=about))
    assert item(audit, "licence-stated").status is Status.FAIL
    assert "what the machine found counts" in item(audit, "licence-stated").notes[0]


def test_a_person_that_says_fail_overrules_the_machine():
    audit = conclude(facts(), record(*everything(), answer("source-known", Status.FAIL)))
    assert item(audit, "source-known").status is Status.FAIL


def test_answers_about_other_bytes_do_not_count():
    old = record(*everything(), waiver("signature"))
    rugged = facts(files=(*facts().files[:2], file(sha256="c" * 64)))
    audit = conclude(rugged, old)
    assert not audit.verdict.allowed
    assert item(audit, "bias-report").status is Status.NOT_ASSESSED
    assert "for other bytes" in audit.notes[0]


def test_an_answer_from_the_future_does_not_count():
    audit = conclude(facts(), record(*everything("export"), answer("export", at=TODAY + timedelta(days=2))))
    assert item(audit, "export").status is Status.NOT_ASSESSED


def test_an_answer_whose_evidence_changed_does_not_count():
    said = answer("bias-report", place="bias.pdf", sha256="f" * 64)
    audit = conclude(
        facts(), record(*everything("bias-report"), said), stale={"bias-report": "bias.pdf has other bytes"}
    )
    assert item(audit, "bias-report").status is Status.NOT_ASSESSED
    assert "bias.pdf has other bytes" in item(audit, "bias-report").notes[0]


def test_an_answer_names_its_evidence():
    said = answer("bias-report", place="bias.pdf", sha256="f" * 64)
    found = item(conclude(facts(), record(*everything("bias-report"), said)), "bias-report")
    assert (found.place, found.evidence, found.by) == ("bias.pdf", ("sha256:" + "f" * 64,), "Jo")


def test_a_waiver_lets_a_failing_item_be():
    about = facts(license="mit", licenses=("mit",))
    audit = conclude(about, record(*everything(), waiver("licence-stated"), waiver("licence-allowed"), about=about))
    assert item(audit, "licence-stated").status is Status.WAIVED
    assert audit.verdict.allowed


def test_a_waiver_lets_an_open_item_be():
    audit = conclude(facts(), record(*everything("export"), waiver("export")))
    assert item(audit, "export").status is Status.WAIVED
    assert audit.verdict.allowed


def test_a_waiver_counts_on_its_last_day_and_not_on_the_next():
    last = record(*everything("export"), waiver("export", at=TODAY - timedelta(days=9), expires=TODAY))
    assert conclude(facts(), last).verdict.allowed
    over = record(
        *everything("export"), waiver("export", at=TODAY - timedelta(days=9), expires=TODAY - timedelta(days=1))
    )
    audit = conclude(facts(), over)
    assert not audit.verdict.allowed
    assert item(audit, "export").status is Status.NOT_ASSESSED
    assert "expired" in item(audit, "export").notes[0]


def test_a_waiver_from_the_future_does_not_count():
    at = TODAY + timedelta(days=100)
    audit = conclude(facts(), record(*everything("export"), waiver("export", at=at, expires=at)))
    assert not audit.verdict.allowed


def test_a_waiver_of_another_model_does_not_count():
    other = ModelRecord(name="org/other", digest=facts().digest, waivers=(waiver("export"),))
    audit = conclude(facts(), Record(models=(other,)))
    assert item(audit, "export").status is Status.NOT_ASSESSED


def test_a_waiver_that_is_not_needed_is_told():
    audit = conclude(facts(), record(*everything(), waiver("signature")))
    assert item(audit, "signature").status is Status.PASS
    assert item(audit, "signature").notes


def test_the_record_is_evidence():
    assert conclude(facts(), record(), digest=DIGEST).record == DIGEST


@pytest.mark.parametrize("said", [answer("bias-report", Status.FAIL), answer("licence-text", Status.FAIL)])
def test_a_failure_is_not_undone_by_removing_its_evidence(said: Answered):
    left = [one for one in everything() if one.item != said.item]
    about = record(*left, said)
    assert not conclude(facts(), about, stale={said.item: "bias.pdf does not exist"}).verdict.allowed


def test_a_failure_from_the_future_counts_today():
    tomorrow = TODAY + timedelta(days=30)
    audit = conclude(facts(), record(*everything("bias-report"), answer("bias-report", Status.FAIL, at=tomorrow)))
    assert item(audit, "bias-report").status is Status.FAIL
