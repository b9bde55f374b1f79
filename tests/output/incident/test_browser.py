"""The page of an incident in a real browser: inert, without requests, on every screen, dark and on paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.output.browser import CHROMIUM, WIDTHS, chromium, expected, measure
from tests.output.incident.samples import hostile, large, nothing, plain
from weighlock.output.incident import html

PAGES = {"plain": plain, "large": large, "hostile": hostile, "nothing": nothing}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, object]], list[str]]:
    pages = {name: html.render(make()) for name, make in PAGES.items()}
    return measure(pages, tmp_path_factory.mktemp("chromium"))


def test_no_script_of_a_name_runs(measured):
    assert len(measured[0]) == len(PAGES) * len(WIDTHS)
    assert {(one["id"], one["scripts"]) for one in measured[0]} == {("", 0)}


def test_nothing_is_asked_for(measured):
    assert {one["loaded"] for one in measured[0]} == {0}
    assert set(measured[1]) - {"/favicon.ico"} == expected(list(PAGES))


def test_its_own_style_counts(measured):
    assert {one["style"] for one in measured[0]} == {"780"}


def test_nothing_sticks_out_on_any_screen(measured):
    for one in measured[0]:
        assert one["scroll"] <= one["width"], one
        assert not one["wide"], one


@pytest.mark.parametrize(("scheme", "name", "colors"), [
    ("light", "nothing", ("#fbfaf7", "#14683c", "#e5f3ea")),
    ("dark", "hostile", ("#14161a", "#ff9d96", "#40201f")),
])  # fmt: skip
def test_it_looks_like_what_it_says(tmp_path: Path, scheme: str, name: str, colors: tuple[str, ...]):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    page, shot = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(html.render(PAGES[name]()), "utf-8")
    dark = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    chromium(tmp_path, dark, "--window-size=1000,900", f"--screenshot={shot}", page.as_uri())
    with image.open(shot) as picture:
        seen = {color for _, color in picture.convert("RGB").getcolors(1 << 20) or []}
    assert {tuple(bytes.fromhex(color[1:])) for color in colors} <= seen


def test_it_is_printed(tmp_path: Path):
    page, paper = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(html.render(plain()), "utf-8")
    chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri())
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", paper.read_bytes())) <= 8
