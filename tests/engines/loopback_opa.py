"""A server that speaks OPA's REST API, whose answers come from the real rego-cpp; and what hostile ones answer."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from weighlock.engines.rego_process import RegoProcess, folder_of_regopy
from weighlock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Policies:
    """What the server has loaded. A module that cannot be compiled would not have been accepted."""

    def __init__(self, modules: dict[str, str], data: dict | None = None) -> None:
        self.modules = modules
        self.data = data or {}
        self.asked = []
        self.authorization = []
        self._running = {}
        self._lock = threading.Lock()

    def evaluate(self, query: str, question: object) -> tuple[int, dict]:
        with self._lock:
            if query not in self._running:
                process = RegoProcess(folder_of_regopy(), 1 << 30)
                told = {"modules": list(self.modules.items()), "data": json.dumps(self.data), "query": query}
                ready = process.ask({**told, "memory": 1 << 30}, 30)
                self._running[query] = process if "ready" in ready else None
            process = self._running[query]
            if process is None:
                return 200, {}
            try:
                answer = process.ask({"input": json.dumps(question, ensure_ascii=False), "seconds": 20}, 20)
            except EngineError:
                del self._running[query]
                return 500, {"code": "internal_error", "message": "context canceled"}
        if answer.get("ok") is not True:
            return 500, {"code": "internal_error", "message": "error(s) occurred while evaluating query"}
        if answer["output"] == "undefined":
            return 200, {}
        return 200, {"result": json.loads(answer["output"])["expressions"][0]}

    def close(self) -> None:
        for process in self._running.values():
            if process is not None:
                process.end()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers["Content-Length"])))

    def _serve(self, body: bytes) -> None:
        self.server.policies.authorization.append(self.headers.get("Authorization"))
        try:
            if self.server.behave is None or not self.server.behave(self, body):
                self.honest(body)
        except OSError:
            self.close_connection = True

    def honest(self, body: bytes) -> None:
        policies, parts = self.server.policies, urlsplit(self.path)
        if parts.path == "/v1/policies":
            listed = [{"id": name, "raw": text, "ast": {"rules": []}} for name, text in policies.modules.items()]
            return self.send(200, json.dumps({"result": listed}).encode())
        policies.asked.append(json.loads(body)["input"])
        if parse_qs(parts.query).get("strict-builtin-errors") != ["true"]:
            return self.send(200, b'{"result": {"allow": true, "reasons": []}}')  # as OPA does where a denial fails
        query = ".".join(["data", *parts.path.removeprefix("/v1/data/").split("/")])
        status, answer = policies.evaluate(query, json.loads(body)["input"])
        if status == 200:
            answer |= {"decision_id": f"decision-{len(policies.asked)}", "provenance": {"version": "1.9.0"}}
        return self.send(status, json.dumps(answer).encode())

    def send(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a client that hangs up


@contextmanager
def opa(
    modules: dict[str, str], data: dict | None = None, behave: Callable[[_Handler, bytes], bool] | None = None
) -> Iterator[tuple[str, Policies]]:
    """Provide the URL of a server and what it has loaded."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.policies, server.behave = Policies(modules, data), behave
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.policies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.policies.close()
