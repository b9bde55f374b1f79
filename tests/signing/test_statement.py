"""Statements say what they are about, by digests that identify."""

from __future__ import annotations

import json

import pytest

from weighlock.errors import ForgedError, UnsupportedError
from weighlock.signing.statement import STATEMENT, Statement, Subject, read_statement, unique

_GOOD = {"_type": STATEMENT, "predicateType": "t", "subject": [{"name": "a", "digest": {"sha256": "0" * 64}}]}


def test_a_statement_is_read_as_it_was_written(statement):
    assert read_statement(statement.to_bytes()) == statement


def test_the_same_statement_has_the_same_bytes():
    one = Statement(
        predicate_type="t", subjects=(Subject(name="é\n", digests={"sha512": "1" * 128, "sha256": "0" * 64}),)
    )
    assert (
        one.to_bytes()
        == (
            '{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"t","subject":'
            f'[{{"digest":{{"sha256":"{"0" * 64}","sha512":"{"1" * 128}"}},"name":"é\\n"}}]}}'
        ).encode()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"subject": []},
        {"subject": None},
        {"subject": {"name": "a"}},
        {"subject": [{"name": "a"}]},
        {"subject": [{"name": "a", "digest": {}}]},
        {"subject": [{"name": "a", "digest": {"sha1": "0" * 40}}]},
        {"subject": [{"name": "a", "digest": {"gitCommit": "0" * 40}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "0" * 63}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "A" * 64}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "0" * 64 + "\n"}}]},
        {"subject": [{"name": 1, "digest": {"sha256": "0" * 64}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "0" * 64}, "extra": 1}]},
        {"predicate": []},
        {"predicateType": None},
    ],
)
def test_a_statement_that_names_nothing_exactly_is_refused(change):
    with pytest.raises(ForgedError):
        read_statement(json.dumps(_GOOD | change).encode())


def test_a_statement_of_another_version_is_not_guessed_at():
    with pytest.raises(UnsupportedError):
        read_statement(json.dumps(_GOOD | {"_type": "https://in-toto.io/Statement/v0.1"}).encode())


def test_a_statement_about_nothing_is_not_signed():
    with pytest.raises(ForgedError):
        Statement(predicate_type="t", subjects=()).to_bytes()


def test_two_files_of_one_name_stay_two_subjects():
    one, other = Subject.sha256("a/b", "0" * 64), Subject.sha256("a/b", "1" * 64)
    assert [subject.name for subject in unique([one, one, other])] == ["a/b", "a/b#2"]


def test_a_name_that_looks_like_a_number_takes_no_place():
    subjects = [Subject.sha256(name, str(n) * 64) for n, name in enumerate(["a", "a#2", "a", "a"])]
    assert [subject.name for subject in unique(subjects)] == ["a", "a#2", "a#3", "a#4"]
