"""HTTP: where a request may be led, what it may carry there, and how it ends."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from weighlock.errors import SourceError
from weighlock.sources.transport import TransientError, Transport
from weighlock.sources.trust import shown_url

SECRET = "hf_this_is_a_secret"  # noqa: S105 - it is not
HEADERS = {"Authorization": f"Bearer {SECRET}", "User-Agent": "test"}


def body(transport: Transport, url: str, **options: Any) -> bytes:
    buffer = memoryview(bytearray(1 << 16))
    with transport.get(url, HEADERS, **options) as answer:
        count = answer.read_into(buffer)
    return bytes(buffer[:count])


def test_a_request_carries_its_headers_and_asks_for_plain_bytes(web: Any, page: Any) -> None:
    web.pages["/a"] = page(b"data")
    assert body(Transport(), web.url("/a")) == b"data"
    assert web.requests[0][1]["authorization"] == f"Bearer {SECRET}"
    assert web.requests[0][1]["accept-encoding"] == "identity"


def test_a_redirect_on_the_same_origin_keeps_the_token(web: Any, page: Any) -> None:
    web.pages["/a"] = page(status=302, location="/b")
    web.pages["/b"] = page(b"data")
    assert body(Transport(), web.url("/a")) == b"data"
    assert "authorization" in web.requests[1][1]


def test_a_redirect_to_another_origin_loses_the_token(web: Any, page: Any) -> None:
    other = web.url("/b").replace("127.0.0.1", "localhost")
    web.pages["/a"] = page(status=302, location=other, headers={"X-Linked-Etag": '"abc"'})
    web.pages["/b"] = page(b"data", etag='"other"')
    with Transport().get(web.url("/a"), HEADERS) as answer:
        assert answer.headers["x-linked-etag"] == '"abc"'
    assert "authorization" not in web.requests[1][1]
    assert web.requests[1][1]["user-agent"] == "test"


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("file:///etc/passwd", "is not a URL|neither https nor http"),
        ("ftp://127.0.0.1/x", "neither https nor http"),
        ("http://example.org/x", "without encryption"),
        ("http://127.0.0.1.example.org/x", "without encryption"),
        ("//example.org/x", "without encryption"),
        ("http://[broken", "redirects|is not a URL"),
        ("", "nowhere"),
    ],
)
def test_a_redirect_to_elsewhere_is_refused(location: str, message: str, web: Any, page: Any) -> None:
    web.pages["/a"] = page(status=302, location=location)
    with pytest.raises(SourceError, match=message):
        body(Transport(), web.url("/a"))
    assert len(web.requests) == 1


def test_redirects_in_a_circle_end(web: Any, page: Any) -> None:
    web.pages["/a"] = page(status=307, location="/a")
    with pytest.raises(SourceError, match="redirects more than 8 times"):
        body(Transport(), web.url("/a"))


@pytest.mark.parametrize("url", ["http://example.org/a", "ftp://a/b", "file:///a", "https://", "https://a b/c", "x"])
def test_urls_that_are_never_asked(url: str) -> None:
    with pytest.raises(SourceError):
        body(Transport(), url)


def test_http_can_be_allowed() -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        body(Transport(allow_http=True, timeout=1), "http://weighlock.invalid/a")


@pytest.mark.parametrize(("status", "kind"), [(404, SourceError), (403, SourceError), (500, TransientError)])
def test_an_error_of_the_server_is_said_without_the_query(status: int, kind: type, web: Any, page: Any) -> None:
    web.pages["/a"] = page(status=status)
    with pytest.raises(kind, match=f"answers {status}") as caught:
        body(Transport(), web.url("/a?X-Amz-Signature=abc"))
    assert "abc" not in str(caught.value)
    assert SECRET not in f"{caught.value} {caught.value.hint}"


def test_encoded_bytes_are_refused(web: Any, page: Any) -> None:
    web.pages["/a"] = page(b"data", headers={"Content-Encoding": "gzip"})
    with pytest.raises(SourceError, match="encoded"):
        body(Transport(), web.url("/a"))


def test_another_range_than_asked_for_is_refused(web: Any, page: Any) -> None:
    web.pages["/a"] = page(b"0123456789", status=206, headers={"Content-Range": "bytes 3-9/10"})
    with pytest.raises(SourceError, match="another range"):
        body(Transport(), web.url("/a"), offset=5)
    with pytest.raises(SourceError, match="another range"):
        body(Transport(), web.url("/a"))


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a"
        with pytest.raises(TransientError, match="cannot be reached: Connection refused"):
            body(Transport(), url)


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a"
        with pytest.raises(TransientError, match="no answer in time"):
            body(Transport(timeout=0.2), url)


def test_stopping_ends_a_request_that_waits() -> None:
    transport = Transport(timeout=60)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a"
        threading.Timer(0.2, transport.stop).start()
        start = time.monotonic()
        with pytest.raises(SourceError, match="stopped"):
            body(transport, url)
        assert time.monotonic() - start < 10
    with pytest.raises(SourceError, match="stopped"):
        body(transport, url)


def test_a_proxy_is_used_and_gets_its_own_credentials(web: Any, page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", web.url("").replace("//", "//me:pass@"))
    web.pages["http://weighlock.invalid/a"] = page(b"proxied")
    assert body(Transport(allow_http=True), "http://weighlock.invalid/a") == b"proxied"
    assert web.requests[0][1]["proxy-authorization"] == "Basic bWU6cGFzcw=="


def test_credentials_and_queries_of_urls_are_not_shown() -> None:
    assert shown_url("https://me:pass@host/a/b?token=x#y") == "https://host/a/b"
