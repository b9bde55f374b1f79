"""The page is inert, whole and readable, whatever a model is called and says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.output.audit.samples import ATTACKS, MARKER, allowed, hostile, large
from weighlock.output import page as page_module
from weighlock.output.audit import html
from weighlock.output.markup import Markup, cut, foreign, joined, link, tag

PAGES = {"allowed": allowed, "large": large, "hostile": hostile}
ELEMENTS = frozenset(
    "html head meta title style body a div header p h1 h2 h3 bdi small dl dt dd nav ul ol li strong span svg rect desc "
    "main section code details summary table caption thead tbody tr th td figure "
    "figcaption text g path pre footer".split()
)
LOADS = frozenset("src srcset href data poster action formaction background xlink:href ping style srcdoc".split())
VOID = frozenset({"meta"})
CSS = (Path(page_module.__file__).parent / "page.css").read_text("utf-8")


class Reader(HTMLParser):
    """Notes every element and attribute, and whether all that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.open: list[str] = []
        self.broken: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.headings: list[int] = []
        self.comments: list[str] = []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self._note(name, attributes)
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self._note(name, attributes)

    def _note(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.add(name)
        self.attributes += [(name, key, value) for key, value in attributes]
        self.ids += [value or "" for key, value in attributes if key == "id"]
        if len({key for key, _ in attributes}) != len(attributes):
            self.broken.append(f"{name} has an attribute twice")
        if re.fullmatch("h[1-6]", name):
            self.headings.append(int(name[1]))

    def handle_endtag(self, name: str) -> None:
        if not self.open or self.open.pop() != name:
            self.broken.append(f"</{name}> closes something else")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


@pytest.fixture(scope="module", params=PAGES)
def read(request: pytest.FixtureRequest) -> tuple[str, Reader]:
    page = html.render(PAGES[request.param]())
    reader = Reader()
    reader.feed(page)
    reader.close()
    return page, reader


def test_only_our_elements_are_there(read: tuple[str, Reader]):
    assert read[1].elements <= ELEMENTS
    assert not read[1].comments


def test_everything_that_is_opened_is_closed(read: tuple[str, Reader]):
    assert not read[1].broken
    assert not read[1].open


def test_nothing_is_loaded_from_anywhere(read: tuple[str, Reader]):
    for element, key, value in read[1].attributes:
        assert not key.startswith("on"), (element, key)
        if key in LOADS:
            assert (element, key) == ("a", "href")
            assert value is not None
            assert value.startswith(("#", "https://"))


def test_links_out_tell_nobody_where_they_come_from(read: tuple[str, Reader]):
    out = [value for element, key, value in read[1].attributes if key == "href" and not str(value).startswith("#")]
    rels = [value for element, key, value in read[1].attributes if element == "a" and key == "rel"]
    assert len(out) == len(rels)
    assert all("noopener" in str(rel) and "noreferrer" in str(rel) for rel in rels)


def test_links_within_lead_somewhere_and_names_are_unique(read: tuple[str, Reader]):
    reader = read[1]
    assert len(set(reader.ids)) == len(reader.ids)
    wanted = [str(value)[1:] for _, key, value in reader.attributes if key == "href" and str(value).startswith("#")]
    wanted += [str(value) for _, key, value in reader.attributes if key == "aria-labelledby"]
    assert set(wanted) <= set(reader.ids)


def test_the_policy_admits_the_style_and_nothing_else(read: tuple[str, Reader]):
    page = read[0]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].replace("&#x27;", "'") == page_module.policy_of(CSS)
    assert "script" not in policy[1]
    assert "unsafe" not in policy[1]
    assert page.index("Content-Security-Policy") < page.index("<title>")
    assert page.index("Content-Security-Policy") < 300


def test_headings_go_down_one_level_at_a_time(read: tuple[str, Reader]):
    levels = read[1].headings
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_pictures_have_texts(read: tuple[str, Reader]):
    page = read[0]
    for picture in re.findall(r"<svg.*?>", page):
        assert 'aria-hidden="true"' in picture or ('role="img"' in picture and "aria-label=" in picture)
    assert page.count('role="img"') == page.count("<desc>")


def test_nothing_that_cannot_be_seen_gets_through(read: tuple[str, Reader]):
    text = "".join(read[1].text)
    for character in "\x00\x07\x08\x1b\u202e\u2066\u200b\u2028\ufeff\udc80":
        assert character not in text.replace(CSS, "")
    assert "\u0301" * 4 not in text


def test_a_page_stays_small_whatever_names_are_long(read: tuple[str, Reader]):
    assert len(read[0]) < 1_200_000


def test_the_same_audit_is_the_same_page():
    assert html.render(large()) == html.render(large())


def test_hostile_texts_are_shown():
    page = html.render(hostile())
    assert f"&lt;script&gt;document.documentElement.id=&#x27;{MARKER}" in page
    assert "\\u202e" in page
    assert "(100,000 characters)" in page


def test_ten_megabytes_are_cut_before_anything_is_done_with_them():
    assert len(cut("\u202e" * 10_000_000, 100)) <= 100
    assert len(foreign("<" * 10_000_000, 100)) < 1000


@pytest.mark.parametrize(
    "url",
    [
        *(
            "javascript:alert(1)",
            "http://example.org/",
            "data:text/html,x",
            "https://",
            "//example.org",
            "https://a\nb",
        ),
        *("https://user@example.org/", "https://ex\u0430mple.org/", 'https://a/"onclick="x', "https://a/\u202egpj"),
    ],
)
def test_only_plain_https_is_a_link(url: str):
    assert "<a" not in link(url)


def test_plain_https_is_a_link():
    assert 'href="https://example.org/report?id=1&amp;x=2"' in link("https://example.org/report?id=1&x=2")


@given(st.text(max_size=300), st.integers(1, 40))
def test_whatever_a_text_is_it_stays_one_text(text: str, most: int):
    reader = Reader()
    reader.feed(tag("p", foreign(text, most), text, title=text, class_=text))
    reader.close()
    assert reader.elements <= {"p", "bdi", "small"}
    assert not reader.broken
    assert not reader.open
    assert [key for _, key, _ in reader.attributes if key != "class"] == ["title"]
    assert all(character.isprintable() for character in "".join(reader.text))


def test_only_tags_make_markup():
    assert tag("p", "<b>") == "<p>&lt;b&gt;</p>"
    assert tag("p", Markup("<b>") + "<i>") == "<p>&lt;b&gt;&lt;i&gt;</p>"  # what was put together otherwise is text
    assert joined(["<", Markup("<br>")]) == "&lt;<br>"
    with pytest.raises(ValueError, match="attribute"):
        tag("p", **{'x onload="y"': "z"})


# Contrast, WCAG 2.2, 1.4.3


def _colors(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block))


def _luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


SCHEMES = {
    "light": _colors(CSS.split("@media", 1)[0]),
    "dark": _colors(CSS.split("prefers-color-scheme: dark", 1)[1].split("* {", 1)[0]),
    "print": _colors(CSS.split("@media print", 1)[1]),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_everybody_can_read_it(scheme: str):
    colors = SCHEMES[scheme]
    for ground in ("paper", "card", "tint"):
        for text in ("ink", "soft", "link", "fail"):
            assert _contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    for status in ("pass", "fail", "waived", "open"):
        assert _contrast(colors[status], colors[f"{status}-tint"]) >= 4.5, status
    assert _contrast(colors["ink"], colors["fail-tint"]) >= 4.5
    for number in range(6):
        assert _contrast(colors[f"c{number}"], colors["paper"]) >= 3, number


def test_the_style_asks_for_nothing():
    assert not re.search(r"url\(|@import|@font-face|image-set|expression", CSS)


def test_attacks_are_tried_in_every_kind():
    assert any(MARKER in attack for attack in ATTACKS)
    assert max(map(len, ATTACKS)) == 100_000
