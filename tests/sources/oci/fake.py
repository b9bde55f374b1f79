"""A registry that answers as a test says, on this machine, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


@dataclass
class Said:
    """What is answered."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""


@dataclass
class Heard:
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    data: bytes


class FakeRegistry:
    """A registry with what tests put into it; `rules` come before what it holds."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.rules: list[tuple[str, Callable[[Heard], Said | None]]] = []
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}

    def __enter__(self) -> Self:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                heard = Heard(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, data)
                fake.heard.append(heard)
                said = fake.said(heard)
                self.send_response(said.status)
                headers = {"Content-Length": str(len(said.data)), **said.headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(said.data)

            def log_message(self, *_arguments: Any) -> None:
                pass

        for method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.answer)
        self.server = _Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    @property
    def repository(self) -> str:
        return f"{self.host}/team/net"

    def rule(self, start: str, answer: Callable[[Heard], Said | None] | Said) -> None:
        """Answer requests whose path starts so; a rule may leave one to what comes after it."""
        self.rules.append((start, (lambda _heard: answer) if isinstance(answer, Said) else answer))

    def blob(self, data: bytes) -> str:
        self.blobs[digest_of(data)] = data
        return digest_of(data)

    def put(self, document: object, *tags: str, media_type: str = MANIFEST) -> str:
        """Store a manifest or an index, and return its digest."""
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        for name in (digest_of(data), *tags):
            self.manifests[name] = (media_type, data)
        return digest_of(data)

    def model(self, *tags: str, **files: bytes) -> str:
        return self.put(model_of({path: self.blob(data) for path, data in files.items()}, files), *tags)

    def asked(self, method: str, start: str = "/") -> list[Heard]:
        return [heard for heard in self.heard if heard.method == method and heard.path.startswith(start)]

    def said(self, heard: Heard) -> Said:
        for start, answer in self.rules:
            if heard.path.startswith(start):
                found = answer(heard)
                if found is not None:
                    return found
        name = heard.path.partition("?")[0].rpartition("/")[2]
        if "/manifests/" in heard.path and name in self.manifests:
            media_type, data = self.manifests[name]
            return Said(headers={"Content-Type": media_type, "Docker-Content-Digest": digest_of(data)}, data=data)
        if "/blobs/" in heard.path and name in self.blobs:
            return Said(data=self.blobs[name])
        return Said(404, data=b'{"errors":[{"code":"NOT_FOUND","message":"there is none"}]}')


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_arguments: Any) -> None:
        """Say nothing: a client that has heard enough hangs up."""


def model_of(digests: dict[str, str], files: dict[str, bytes], **more: Any) -> dict[str, Any]:
    """Return the manifest of some files, as ORAS writes it."""
    layers = [
        {
            "mediaType": "application/octet-stream",
            "digest": digest,
            "size": len(files[path]),
            "annotations": {"org.opencontainers.image.title": path},
        }
        for path, digest in digests.items()
    ]
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2}
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers, **more}
