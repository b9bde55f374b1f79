"""The report about an incident in its four forms: what it says, and that names of others do nothing in it."""

from __future__ import annotations

import json
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from tests.output.audit.samples import MARKER
from tests.output.incident.samples import HOSTILE, NOW, hostile, incident, large, nothing, plain, step
from weighlock.incidents.reach import Gap
from weighlock.incidents.timeline import Vouched
from weighlock.output.incident import html, markdown, text
from weighlock.output.incident import json as document
from weighlock.output.incident.words import exit_code, span, word

RENDERERS = (markdown.render, html.render, document.render, text.render)


@pytest.mark.parametrize("render", RENDERERS)
def test_every_form_has_the_times_the_proofs_and_the_questions(render):
    shown = render(plain())
    for part in ("backdoor", "o+abc+def", "aware", "quarantined"):
        assert part in shown
    assert "compliant" not in shown


def test_times_are_measured_from_use_to_refusal():
    took = plain().times
    assert took.to_detect == timedelta(minutes=3)
    assert took.to_quarantine == timedelta(0)
    assert took.to_refuse == timedelta(seconds=30)
    assert took.to_roll_back == timedelta(minutes=1)
    assert took.after == 0
    assert took.unseen == ("gpu-1",)


def test_uses_in_quarantine_that_were_let_through_are_counted():
    steps = (step("loaded", 0), step("quarantined", 1), step("let through", 2, 5, 7), step("loaded", 3, 20))
    assert incident(*steps).times.after == 8


def test_a_load_that_warned_of_two_things_is_one_use():
    twice = [step("let through", 2, 5 + one, rules=(rule,)) for one, rule in enumerate(("not-in-lock", "quarantined"))]
    found = incident(step("loaded", 0), step("quarantined", 1), *twice)
    assert found.times.after == 1
    assert "used 2 times" in markdown.render(found)


def test_a_host_of_which_anything_came_since_is_not_called_unseen():
    steps = (step("loaded", 0), step("quarantined", 1))
    assert incident(*steps, last=lambda _: NOW + timedelta(minutes=2)).times.unseen == ()


def test_a_clock_that_went_back_yields_no_time_below_nothing():
    took = incident(step("loaded", 10), step("refused", 5)).times
    assert took.to_detect is None


def test_a_ledger_that_is_not_verified_decides_nothing():
    found = incident(
        step("loaded", 0), ledger=Vouched(place="/l", problem="forged: x"), gaps=(Gap(place="l", why="w"),)
    )
    assert word(found) == "NOT DECIDED"
    assert exit_code(found) == 2
    assert all("forged: x" in render(found) or "forged&#" in render(found) for render in RENDERERS)


def test_gaps_are_said_and_end_with_2():
    found = incident(step("loaded", 0), gaps=(Gap(place="ledger", why="3 records never came", remedy="ask"),))
    assert (word(found), exit_code(found)) == ("REPORTED IN PART", 2)
    assert all("3 records never came" in render(found) for render in RENDERERS)


def test_nothing_is_said_where_nothing_is_known():
    assert (word(nothing()), exit_code(nothing())) == ("NOTHING KNOWN", 0)
    assert "the ledger has nothing about it" in markdown.render(nothing())


def test_a_proof_is_whole_in_the_page():
    class Texts(HTMLParser):
        found = ""

        def handle_data(self, data):
            self.found += data

    parser = Texts()
    parser.feed(html.render(plain()))
    assert "A" * 9_000 in parser.found


def test_hostile_names_are_no_tags_in_the_page():
    shown = html.render(hostile())
    assert "<img" not in shown
    assert "<script" not in shown
    assert "\u202e" not in shown


def test_hostile_names_are_no_marks_in_markdown():
    written = markdown.render(hostile())
    # What is indented is code, in which nothing counts; only the checkpoint and the key are.
    shown = "\n".join(line for line in written.splitlines() if not line.startswith("    "))
    for bad in (f"<script>{MARKER}", "<img", "\n# head", "](javascript", "\x1b", "\u202e"):
        assert bad not in shown
    rows = [line for line in shown.splitlines() if line.startswith("| 2026")]
    assert rows
    assert all(line.count("|") == 7 for line in rows)


@pytest.mark.parametrize(
    "name", ["https://evil.example/x", "www.evil.example", "a@b.example", "<a>", "*b*", "_c_", "#1"]
)
def test_a_name_is_no_link_and_no_mark_in_markdown(name):
    shown = markdown.render(incident(step("loaded", 0, names=(name,))))
    assert name not in shown


def test_hostile_names_do_nothing_in_a_terminal():
    shown = text.render(hostile())
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_json_has_every_step_and_the_page_some():
    assert len(json.loads(document.render(large()))["steps"]) == 701
    assert len(html.render(large())) < 1 << 20
    assert json.loads(document.render(hostile()))["subject"] == HOSTILE


@pytest.mark.parametrize(("seconds", "shown"), [
    (0.123, "0.12 s"), (42, "42 s"), (90, "1 min 30 s"), (7200, "2 h"), (90_061, "1 d 1 h"),
])  # fmt: skip
def test_how_long_is_said_in_two_units(seconds, shown):
    assert span(timedelta(seconds=seconds)) == shown
