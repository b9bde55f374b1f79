"""Quarantine lists as statements: what no reader may take for one."""

from __future__ import annotations

import json

import pytest

from tests.quarantines import denial, listed, release
from weighlock.errors import ForgedError, UnsupportedError
from weighlock.signing.quarantine_statement import START, head_of, read_list, require_continued, statement_of
from weighlock.signing.statement import read_statement

KNOWN = listed(denial(models=("org/model",)), denial(2), release("Q1"))


def test_a_list_reads_as_it_was_written():
    assert read_list(read_statement(statement_of(KNOWN).to_bytes())) == KNOWN


def test_the_head_stands_for_every_event_and_their_order():
    one, two = denial(), denial(2)
    heads = {head_of(events) for events in ((), (one,), (two,), (one, two), (two, one))}
    assert len(heads) == 5
    assert head_of(()) == START


def test_a_list_that_grew_continues_and_a_shorter_or_other_one_does_not():
    require_continued(KNOWN, 2, head_of(KNOWN.events[:2]))
    with pytest.raises(ForgedError, match="rolled back"):
        require_continued(listed(denial()), 2, head_of(KNOWN.events[:2]))
    with pytest.raises(ForgedError, match="forked"):
        require_continued(listed(denial(), denial(2)), 2, head_of(KNOWN.events[:2]))


@pytest.mark.parametrize(
    "events",
    [
        (denial(), denial()),
        (release("Q1"),),
        (denial(), release("Q1"), release("Q1", 2)),
        (release("Q1"), denial()),
        (denial(digests=()),),
        (denial(digests=("md5:00",)),),
        (denial(digests=("sha256:" + "B" * 64,)),),
        (denial(reason=" "),),
        (denial(reason="x" * 3000),),
        (denial(id="../x"),),
        (denial(expires=denial().time),),
    ],
)
def test_events_that_make_no_sense_are_refused(events):
    with pytest.raises(ForgedError):
        read_list(read_statement(statement_of(listed(*events)).to_bytes()))


@pytest.mark.parametrize(
    ("key", "value"),
    [("number", 2), ("number", True), ("list", ""), ("events", {}), ("issued", "yesterday"), ("more", 1)],
)
def test_a_predicate_of_another_form_is_refused(key, value):
    document = json.loads(statement_of(KNOWN).to_bytes())
    document["predicate"][key] = value
    with pytest.raises(ForgedError):
        read_list(read_statement(json.dumps(document).encode()))


def test_a_statement_about_other_events_is_refused():
    document = json.loads(statement_of(KNOWN).to_bytes())
    document["subject"][0]["digest"]["sha256"] = START
    with pytest.raises(ForgedError, match="something else"):
        read_list(read_statement(json.dumps(document).encode()))


def test_a_statement_of_another_kind_is_no_list():
    document = json.loads(statement_of(KNOWN).to_bytes())
    document["predicateType"] = "https://weighlock.dev/approval/v1"
    with pytest.raises((ForgedError, UnsupportedError)):
        read_list(read_statement(json.dumps(document).encode()))
