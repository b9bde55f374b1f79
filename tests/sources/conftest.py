"""A web server that misbehaves on request."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Page:
    """What is served under one path, and how."""

    data: bytes = b""
    etag: str | None = None
    ranges: bool = True
    status: int = 200
    location: str | None = None
    lengths: list[int] = field(default_factory=list)  # Bytes after which each of the first answers breaks off.
    pause: float = 0.0  # Seconds between pieces of 64 KiB.
    headers: dict[str, str] = field(default_factory=dict)
    claimed: int | None = None  # What Content-Length says.


class WebServer(ThreadingHTTPServer):
    """Pages by path, and the requests that came."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.begun = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing where a client hangs up."""


class _Handler(BaseHTTPRequestHandler):
    server: WebServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
        page = self.server.pages.get(path, Page(status=404))
        start = self._start(page)
        if start is None:
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else page.status)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(page.data) - 1}/{len(page.data)}")
        claimed = len(page.data) - start if page.claimed is None else page.claimed
        self.send_header("Content-Length", str(claimed))
        for name, value in (("ETag", page.etag), ("Location", page.location), *page.headers.items()):
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.server.begun.set()
        self._pour(page, start)

    def _start(self, page: Page) -> int | None:
        wanted = self.headers.get("Range")
        if not wanted or not page.ranges or page.status != 200:
            return 0
        if self.headers.get("If-Range") not in (None, page.etag):
            return 0
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        return start if start < len(page.data) else None

    def _pour(self, page: Page, start: int) -> None:
        end = len(page.data)
        if page.lengths:
            end = min(end, start + page.lengths.pop(0))
        for offset in range(start, end, 1 << 16):
            self.wfile.write(page.data[offset : min(end, offset + (1 << 16))])
            if page.pause:
                time.sleep(page.pause)
        if end < len(page.data):
            self.close_connection = True


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def page() -> type[Page]:
    return Page
