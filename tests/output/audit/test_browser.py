"""The page in a real browser: nothing runs, nothing is asked for, nothing sticks out, and it prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.output.audit.samples import MARKER, allowed, hostile, large
from weighlock.output.audit import html

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (320, 360, 768, 1280)
CONTROL = "/control.html"
PAGES = {"allowed": allowed, "large": large, "hostile": hostile}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

# A page of the test that shows the audits in frames and writes down what became of them.
MEASURE = """<!doctype html><title>measure</title><body><script>
const found = [], frames = FRAMES;
const wanted = frames.length;
for (const [page, width] of frames) {
  const frame = document.createElement("iframe");
  frame.style = `border:0;height:800px;width:${width}px`;
  frame.src = page;
  frame.onload = () => {
    const inner = frame.contentDocument, root = inner.documentElement;
    for (const each of inner.querySelectorAll("details")) each.open = true;
    const wide = [...inner.querySelectorAll("body *")].filter(
      (one) => one.getBoundingClientRect().right > width + 1 && one.checkVisibility() && !one.closest("svg, thead"));
    found.push({page, width, scroll: root.scrollWidth, id: root.id, title: inner.title,
      style: getComputedStyle(inner.querySelector(".verdict .word") || root).fontWeight,
      wide: wide.map((one) => one.outerHTML.slice(0, 200)).slice(0, 3),
      narrow: getComputedStyle(inner.querySelector(".narrow") || root).display,
      scripts: inner.scripts.length, loaded: frame.contentWindow.performance.getEntriesByType("resource").length});
    if (found.length === wanted) {
      const answer = document.createElement("pre");
      answer.id = "answer";
      answer.textContent = encodeURIComponent(JSON.stringify(found));
      document.body.append(answer);
    }
  };
  document.body.append(frame);
}
</script>"""


class Pages(ThreadingHTTPServer):
    """Serves the audits, and notes whatever is asked for."""

    daemon_threads = True

    def __init__(self, pages: dict[str, str]) -> None:
        self.pages = pages
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, *_arguments: object) -> None:
        pass


def chromium(folder: Path, *arguments: str) -> str:
    assert CHROMIUM is not None
    quiet = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --disable-extensions --hide-scrollbars --disable-dev-shm-usage"
    )
    return subprocess.run(
        [CHROMIUM, *quiet.split(), f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True, text=True, timeout=100, check=True, stdin=subprocess.DEVNULL,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, object]], list[str]]:
    frames = [(f"/{name}.html?{width}", width) for name in PAGES for width in WIDTHS] + [(CONTROL, 320)]
    pages = {f"/{name}.html?{width}": html.render(make()) for name, make in PAGES.items() for width in WIDTHS}
    pages[CONTROL] = f"<!doctype html><body><script>document.documentElement.id='{MARKER}'</script>"
    pages["/measure.html"] = MEASURE.replace("FRAMES", json.dumps(frames))
    with Pages(pages) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/measure.html"
        dumped = chromium(tmp_path_factory.mktemp("chromium"), "--virtual-time-budget=20000", "--dump-dom", address)
        server.shutdown()
    from urllib.parse import unquote

    answer = re.search(r'<pre id="answer">([^<]+)</pre>', dumped)
    assert answer is not None, dumped[-2000:]
    found = json.loads(unquote(answer[1]))
    assert [one["id"] for one in found if one["page"] == CONTROL] == [MARKER]  # what runs leaves its mark
    return [one for one in found if one["page"] != CONTROL], server.asked


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
    expected = {"/measure.html", CONTROL, *(f"/{name}.html?{width}" for name in PAGES for width in WIDTHS)}
    assert set(asked) - {"/favicon.ico"} == expected  # the icon is of the page of the test
    assert len(asked) <= len(expected) + 1


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
