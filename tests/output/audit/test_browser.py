"""The page in a real browser: nothing runs, nothing is asked for, nothing sticks out, and it prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.output.audit.samples import MARKER, allowed, hostile, large
from tests.output.browser import CHROMIUM, WIDTHS, chromium, expected, measure
from weighlock.output.audit import html

PAGES = {"allowed": allowed, "large": large, "hostile": hostile}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, object]], list[str]]:
    pages = {name: html.render(make()) for name, make in PAGES.items()}
    return measure(pages, tmp_path_factory.mktemp("chromium"))


def test_no_script_of_a_card_runs(measured):
    found, _ = measured
    assert len(found) == len(PAGES) * len(WIDTHS)
    for one in found:
        assert one["id"] == ""
        assert one["scripts"] == 0
        assert MARKER not in str(one["id"])


def test_nothing_is_asked_for(measured):
    found, asked = measured
    assert {one["loaded"] for one in found} == {0}
    assert set(asked) - {"/favicon.ico"} == expected(list(PAGES))  # the icon is of the page of the test
    assert len(asked) <= len(expected(list(PAGES))) + 1


def test_its_own_style_counts(measured):
    assert {one["style"] for one in measured[0]} == {"780"}


def test_nothing_sticks_out_on_any_screen(measured):
    for one in measured[0]:
        assert one["scroll"] <= one["width"], one
        assert not one["wide"], one


def test_small_screens_get_the_small_drawing(measured):
    assert {one["narrow"] for one in measured[0] if one["width"] <= 360} == {"block"}
    assert {one["narrow"] for one in measured[0] if one["width"] >= 1280} == {"none"}


@pytest.mark.parametrize(("scheme", "name"), [("light", "allowed"), ("dark", "hostile")])
def test_it_looks_like_what_it_says(tmp_path: Path, scheme: str, name: str):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    page, shot = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(html.render(PAGES[name]()), "utf-8")
    dark = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    chromium(tmp_path, dark, "--window-size=1000,700", f"--screenshot={shot}", page.as_uri())
    with image.open(shot) as picture:
        pixels = picture.convert("RGB")
        assert pixels.size == (1000, 700)
        paper, seen = pixels.getpixel((5, 690)), {color for _, color in pixels.getcolors(1 << 20) or []}
    colors = {"light": ("#fbfaf7", "#14683c", "#e5f3ea"), "dark": ("#14161a", "#ff9d96", "#40201f")}[scheme]
    wanted = [tuple(bytes.fromhex(color[1:])) for color in colors]
    assert paper == wanted[0]
    assert set(wanted) <= seen  # the paper, the word of the verdict, and its ground


def test_it_is_printed(tmp_path: Path):
    page, paper = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(html.render(hostile()), "utf-8")
    chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri())
    data = paper.read_bytes()
    assert data.startswith(b"%PDF-")
    assert 10 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", data)) <= 80
