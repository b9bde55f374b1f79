"""Pages in a real browser: what runs, what is asked for, and what sticks out on which screen."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from tests.output.audit.samples import MARKER

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (320, 360, 768, 1280)
CONTROL = "/control.html"

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


def measure(made: dict[str, str], folder: Path) -> tuple[list[dict[str, object]], list[str]]:
    """Show pages in frames of every width.

    Args:
        made: Pages by their names.
        folder: For the browser.

    Returns:
        What became of each, and every path that was asked for.
    """
    frames = [(f"/{name}.html?{width}", width) for name in made for width in WIDTHS] + [(CONTROL, 320)]
    pages = {f"/{name}.html?{width}": page for name, page in made.items() for width in WIDTHS}
    pages[CONTROL] = f"<!doctype html><body><script>document.documentElement.id='{MARKER}'</script>"
    pages["/measure.html"] = MEASURE.replace("FRAMES", json.dumps(frames))
    with Pages(pages) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/measure.html"
        dumped = chromium(folder, "--virtual-time-budget=20000", "--dump-dom", address)
        server.shutdown()
    answer = re.search(r'<pre id="answer">([^<]+)</pre>', dumped)
    assert answer is not None, dumped[-2000:]
    found = json.loads(unquote(answer[1]))
    assert [one["id"] for one in found if one["page"] == CONTROL] == [MARKER]  # what runs leaves its mark
    return [one for one in found if one["page"] != CONTROL], server.asked


def expected(names: list[str]) -> set[str]:
    """Return the paths that have to be asked for, and no others."""
    return {"/measure.html", CONTROL, *(f"/{name}.html?{width}" for name in names for width in WIDTHS)}
