"""Every form of the report says the same, has no gap between the lines, and is inert whatever things are called."""

from __future__ import annotations

import json
import re

import pytest

from tests.output.audit.samples import MARKER
from tests.output.audit.test_html import LOADS, Reader
from tests.output.where.samples import NOW, everywhere, hostile, large, nowhere
from weighlock.incidents.reach import Gap, Reach
from weighlock.output.where import html, text
from weighlock.output.where import json as as_json
from weighlock.output.where.words import exit_code, word

ALL = {"everywhere": everywhere, "large": large, "hostile": hostile, "nowhere": nowhere}


def test_a_gap_is_never_called_nowhere():
    assert (word(nowhere()), exit_code(nowhere())) == ("NOWHERE KNOWN", 0)
    found = Reach(subject="x", gaps=(Gap(place="a", why="cannot be read"),))
    assert (word(found), exit_code(found)) == ("NOT DECIDED", 2)
    assert (word(everywhere()), exit_code(everywhere())) == ("FOUND", 1)


@pytest.mark.parametrize("name", ALL)
def test_text_is_what_a_terminal_and_a_build_log_can_take(name):
    shown = text.render(ALL[name](), width=80)
    for line in shown.splitlines():
        assert line.isprintable()
        assert not line.lstrip().startswith("::")
        assert "##" not in line
    assert MARKER in shown or name != "hostile"


def test_sentences_keep_to_eighty_columns():
    for line in text.render(everywhere()).splitlines():
        assert len(line) <= 80 or "/" in line, line


def test_long_sections_say_how_much_is_left_out():
    shown = text.render(large())
    assert re.search(r"and [0-9]+ more, see --format json", shown)
    assert len(shown.splitlines()) < 200


@pytest.mark.parametrize("name", ALL)
def test_json_has_all_of_it(name):
    found = ALL[name]()
    document = json.loads(as_json.render(found))
    assert document["version"] == 1
    assert document["answer"] == {1: "found", 0: "nowhere", 2: "undecided"}[exit_code(found)]
    for key in ("locked", "listed", "installed", "promoted", "derived", "accesses", "looked", "gaps"):
        assert len(document[key]) == len(getattr(found, key))
    if name == "everywhere":
        assert document["accesses"][0]["first"] == "2026-11-17T12:00:00+00:00"


@pytest.mark.parametrize("name", ALL)
def test_the_page_is_whole_and_inert(name):
    reader = Reader()
    page = html.render(ALL[name](), now=NOW)
    reader.feed(page)
    reader.close()
    assert not reader.open
    assert not reader.broken
    assert not reader.comments
    assert not {"script", "img", "iframe", "link", "base", "form", "object"} & reader.elements
    loading = {(key, value) for _, key, value in reader.attributes if key in LOADS or key.startswith("on")}
    assert loading == {("href", "#main")}
    assert len(reader.ids) == len(set(reader.ids))


def test_the_drawing_shows_every_step_of_it():
    page = html.render(everywhere(), now=NOW)
    counts = ("used 1,234 times, denied once", "denied 2 times, eve")
    for shown in ("production, in force", "made from org/base", *counts):
        assert shown in page
