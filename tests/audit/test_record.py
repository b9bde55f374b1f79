"""Records that would answer or waive something else than their authors meant are errors."""

from __future__ import annotations

import pytest

from weighlock.audit.record import is_same_person, parse
from weighlock.errors import RecordError

MODEL = f'audit-version = "1.0"\n[[models]]\nname = "m"\ndigest = "sha256:{"a" * 64}"\n'
ANSWER = '[[models.answers]]\nitem = "bias-report"\nanswer = "pass"\ntext = "t"\nby = "Jo"\nat = 2026-11-25\n'
WAIVER = (
    '[[models.waivers]]\nitem = "export"\nreason = "r"\nby = "Jo"\napprover = "Ann"\nat = 2026-11-25\n'
    "expires = 2027-01-31\n"
)


def test_a_whole_record_is_read():
    record = parse(f"{MODEL}{ANSWER}{WAIVER}")
    model = record.of("m")
    assert model is not None
    assert [one.item for one in (*model.answers, *model.waivers)] == ["bias-report", "export"]
    assert record.of("n") is None


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("", "audit-version", "must be"),
        ('audit-version = "2.0"', "audit-version", "must be"),
        ("audit-version = [", None, "not valid TOML"),
        ("a=" + "[" * 100_000, None, "not valid TOML"),
        ('audit-version = "1.0"\nlicences = []', None, "unknown key 'licences'"),
        ('audit-version = "1.0"\nlicenses = "mit"', "licenses", "list of strings"),
        ('audit-version = "1.0"\nrequire = ["ledgerentry"]', "require[0]", "there is no item"),
        ('audit-version = "1.0"\nmodels = 3', "models", "must be tables"),
        (MODEL.replace("sha256:", "sha512:"), "models[0].digest", "is not a digest"),
        (MODEL.replace("a" * 64, "A" * 64), "models[0].digest", "is not a digest"),
        (MODEL + MODEL.partition("\n")[2], "models[1].name", "is there twice"),
        (MODEL + ANSWER + ANSWER, "answers[1].item", "is there twice"),
        (MODEL + WAIVER + WAIVER, "waivers[1].item", "is there twice"),
        (MODEL + ANSWER.replace("bias-report", "bias_report"), "answers[0].item", "there is no item"),
        (MODEL + ANSWER.replace("bias-report", "no-harm"), "answers[0].item", "is for a machine to answer"),
        (MODEL + ANSWER.replace('"pass"', '"passed"'), "answers[0].answer", "pass"),
        (MODEL + ANSWER.replace('"pass"', '"PASS"'), "answers[0].answer", "pass"),
        (MODEL + ANSWER.replace('"pass"', "true"), "answers[0].answer", "string"),
        (MODEL + ANSWER.replace('by = "Jo"', 'by = " "'), "answers[0].by", "string"),
        (MODEL + ANSWER.replace('by = "Jo"\n', ""), "answers[0].by", "string"),
        (MODEL + ANSWER.replace('"Jo"', '"Jo\\u202E"'), "answers[0].by", "cannot be shown"),
        (MODEL + ANSWER.replace('"t"', '"' + "t" * 10_001 + '"'), "answers[0].text", "longer than"),
        (MODEL + ANSWER.replace("2026-11-25", '"2026-11-25"'), "answers[0].at", "without quotes"),
        (MODEL + ANSWER.replace("2026-11-25", "2026-11-25T00:00:00Z"), "answers[0].at", "must be a day"),
        (MODEL + ANSWER + 'evidence = "bias.pdf"\n', "answers[0].evidence", "no sha256"),
        (MODEL + ANSWER + f'sha256 = "{"a" * 64}"\n', "answers[0].sha256", "digest of nothing"),
        (MODEL + ANSWER + 'evidence = "b"\nsha256 = "abc"\n', "answers[0].sha256", "64 lower-case"),
        (MODEL + ANSWER + "waived = true\n", "answers[0]", "unknown key"),
        (MODEL + WAIVER.replace("expires = 2027-01-31\n", ""), "waivers[0].expires", "must be a day"),
        (MODEL + WAIVER.replace("2027-01-31", "2027-11-27"), "waivers[0].expires", "at most 366 days"),
        (MODEL + WAIVER.replace("2027-01-31", "9999-12-31"), "waivers[0].expires", "at most 366 days"),
        (MODEL + WAIVER.replace("2026-11-25", "9999-12-31"), "waivers[0].expires", "at most 366 days"),
        (MODEL + WAIVER.replace("2027-01-31", "2026-11-24"), "waivers[0].expires", "not before"),
        (MODEL + WAIVER.replace('"Ann"', '"Jo"'), "waivers[0].approver", "who asked for the waiver"),
        (MODEL + WAIVER.replace('"export"', '"no-harm"'), "waivers[0].item", "cannot be waived"),
        (MODEL + WAIVER.replace('"export"', '"disk-equals-lock"'), "waivers[0].item", "cannot be waived"),
        (MODEL + WAIVER.replace('"export"', '"exports"'), "waivers[0].item", "there is no item"),
        (MODEL + WAIVER.replace('reason = "r"\n', ""), "waivers[0].reason", "string"),
    ],
)
def test_a_broken_record_is_an_error_that_says_where(text: str, where: str | None, message: str):
    with pytest.raises(RecordError) as caught:
        parse(text)
    assert message in caught.value.message
    if where is not None:
        assert where in (caught.value.where or "")


def test_an_error_names_the_line():
    with pytest.raises(RecordError) as caught:
        parse(MODEL + ANSWER.replace("bias-report", "bias"))
    assert caught.value.where == "line 6, models[0].answers[0].item"
    assert "bias-report" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "other",
    [
        "jo doe",
        "JO  DOE",
        "Jo Doe <jo@example.org>",
        "J. Doe <JO@example.org>",
        "\uff2ao Doe",  # a wide J
        "Jo\u00a0Doe",
        "Doe, Jo",
        "J\u00f3 Doe.",
        "the boss (jo@example.org)",
        "jo@example.org",
        "boss <jo+boss@example.org>",
    ],
)
def test_nobody_approves_what_they_asked_for_under_another_spelling(other: str):
    assert is_same_person("Jo Doe <jo@example.org>", other)


def test_a_name_without_a_letter_is_one_too():
    assert is_same_person("\U0001f642", " \U0001f642 ")
    assert not is_same_person("\U0001f642", "\U0001f641")


def test_two_people_are_two():
    assert not is_same_person("Jo Doe <jo@example.org>", "Ann Roe <ann@example.org>")


def test_a_url_as_evidence_needs_no_digest():
    model = parse(MODEL + ANSWER + 'evidence = "https://example.org/bias"\n').of("m")
    assert model is not None
    assert model.answers[0].is_remote
