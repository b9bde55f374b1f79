"""A loopback package index with everything that can be wrong with one.

`FaultyIndex` is a `LoopbackIndex` (see `weighlock.demo.index`), so it serves honestly until it is told otherwise:

    index.fault("/simple/spam/", status(503))     # any answer whose path has these characters
    index.fault("spam-1.0", reset_after(100))
    index.require("user:password")                # 401 for everybody else
    index.encrypt(certificate, key)               # before it is entered

A fault gets the handler and the honest answer and returns the answer to send, or None where it has sent it itself.
"""

import base64
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from email.message import Message
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from weighlock.demo.index import Answer, LoopbackIndex
from weighlock.demo.server import Server

Fault = Callable[[BaseHTTPRequestHandler, Answer], Answer | None]


class FaultyIndex(LoopbackIndex):
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[tuple[str, Fault]] = []
        self.required: str | None = None
        self._tls: ssl.SSLContext | None = None

    def fault(self, part: str, fault: Fault) -> None:
        self.faults.append((part, fault))

    def require(self, user: str) -> None:
        """Only `user` (``name:password``) gets an answer."""
        self.required = user

    def encrypt(self, certificate: Path, key: Path, *, clients: Path | None = None) -> None:
        """Speak https with this certificate; with `clients`, only to clients with a certificate of that authority."""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        if clients is not None:
            self._tls.verify_mode = ssl.CERT_REQUIRED
            self._tls.load_verify_locations(cafile=clients)
        self.scheme = "https"

    def answer(self, path: str, headers: Message) -> Answer:
        if self.required is not None:
            expected = f"Basic {base64.b64encode(self.required.encode()).decode()}"
            if headers.get("Authorization") != expected:
                return Answer(401, b"who are you?\n", {"WWW-Authenticate": 'Basic realm="loopback"'})
        return super().answer(path, headers)

    def deliver(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        changed: Answer | None = answer
        for part, fault in self.faults:
            if part in handler.path and changed is not None:
                changed = fault(handler, changed)
        if changed is None:
            self.record(handler, answer)
            handler.close_connection = True
        else:
            super().deliver(handler, changed)

    def _make_server(self) -> Server:
        server = super()._make_server()
        if self._tls is not None:
            server.socket = self._tls.wrap_socket(server.socket, server_side=True)
        return server


def status(code: int, body: bytes = b"") -> Fault:
    """Answer with another status."""
    return lambda handler, answer: Answer(code, body, {"Content-Type": "text/plain"})


def body(data: bytes, content_type: str | None = None) -> Fault:
    """Answer with other bytes, such as a malformed or a huge page."""

    def fault(handler: BaseHTTPRequestHandler, answer: Answer) -> Answer:
        headers = {**answer.headers, **({"Content-Type": content_type} if content_type else {})}
        return replace(answer, body=data, headers=headers)

    return fault


def then(*answers: bytes) -> Fault:
    """Answer with other bytes each time that it is asked, and the last ones for ever: an index race."""
    left = list(answers)
    return lambda handler, answer: replace(answer, body=left.pop(0) if len(left) > 1 else left[0])


def honest_once(fault: Fault) -> Fault:
    """Be honest the first time."""
    asked: list[str] = []

    def second(handler: BaseHTTPRequestHandler, answer: Answer) -> Answer | None:
        asked.append(handler.path)
        return answer if len(asked) == 1 else fault(handler, answer)

    return second


def redirect(location: str | None = None) -> Fault:
    """Redirect to somewhere else, or to itself for ever."""
    return lambda handler, answer: Answer(302, headers={"Location": location or handler.path})


def edited(edit: Callable[[dict[str, Any]], None]) -> Fault:
    """Change the JSON of a page."""

    def fault(handler: BaseHTTPRequestHandler, answer: Answer) -> Answer:
        page = json.loads(answer.body)
        edit(page)
        return replace(answer, body=json.dumps(page).encode())

    return fault


def without(*keys: str) -> Fault:
    """Leave keys out of every file of a JSON page, such as ``upload-time``; hashes become empty."""

    def edit(page: dict[str, Any]) -> None:
        for file in page["files"]:
            for key in keys:
                file.pop(key, None)
            file.setdefault("hashes", {})

    return edited(edit)


def reset_after(length: int) -> Fault:
    """Send the beginning of the body and reset the connection."""

    def fault(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        _begin(handler, answer)
        handler.wfile.write(answer.body[:length])
        handler.wfile.flush()
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return fault


def short(length: int) -> Fault:
    """Announce the whole body, send its beginning and close the connection as if nothing were wrong."""

    def fault(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        _begin(handler, answer)
        handler.wfile.write(answer.body[:length])

    return fault


def drip(pause: float, step: int = 1) -> Fault:
    """Send the body a few bytes at a time."""

    def fault(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        _begin(handler, answer)
        for start in range(0, len(answer.body), step):
            handler.wfile.write(answer.body[start : start + step])
            handler.wfile.flush()
            time.sleep(pause)

    return fault


def slow_headers(pause: float) -> Fault:
    """Send headers without an end, a few bytes at a time, until the client hangs up."""

    def fault(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-More: ")
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(pause)

    return fault


def endless(data: bytes = b" " * 65536) -> Fault:
    """Send a body without an end or a length, until the client hangs up."""

    def fault(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.send_response(200)
        for name, value in {**answer.headers, "Connection": "close"}.items():
            handler.send_header(name, value)
        handler.end_headers()
        while True:
            handler.wfile.write(data)

    return fault


def certificate(folder: Path, *more: str) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that nobody trusts, and its key, as files in PEM."""
    found = shutil.which("openssl")
    if found is None:
        raise FileNotFoundError("openssl")
    crt, key = folder / "loopback.crt", folder / "loopback.key"
    command = [found, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "36500", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", *more]
    subprocess.run([*command, "-keyout", str(key), "-out", str(crt)], check=True, capture_output=True, timeout=60)
    return crt, key


def pip_environ(**more: str) -> dict[str, str]:
    """Return an environment in which this machine's settings of pip, its proxies and its netrc do not matter."""
    own = ("PIP_", "PYTHON", "UV_", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(own)}
    kept = {key: value for key, value in kept.items() if not key.lower().endswith("_proxy") and key != "NETRC"}
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    return {**kept, **settings, "NETRC": os.devnull, **more}


def _begin(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    handler.send_response(answer.status)
    for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
