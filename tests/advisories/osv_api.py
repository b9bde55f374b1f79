"""OSV's query API on loopback. What applies is found by OSV's own pseudo-code and not by our code."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


def applies(record: dict, name: str, version: str) -> bool:
    """Evaluate a record as https://ossf.github.io/osv-schema/#evaluation says."""
    for affected in record["affected"]:
        package = affected["package"]
        if canonicalize_name(package["name"]) == name and package["ecosystem"] == "PyPI":
            if any(_equal(version, listed) for listed in affected.get("versions", [])):
                return True
            if any(_reached(version, one["events"]) for one in affected.get("ranges", []) if one["type"] != "GIT"):
                return True
    return False


def _equal(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _reached(version: str, events: list[dict]) -> bool:
    reached, now = False, Version(version)
    order = {"fixed": 0, "introduced": 1, "last_affected": 2}
    pairs = [(kind, value) for event in events for kind, value in event.items()]
    for kind, value in sorted(pairs, key=lambda pair: (_place(pair[1]), order[pair[0]])):
        if kind == "introduced" and (value == "0" or now >= _place(value)):
            reached = True
        if kind == "fixed" and now >= _place(value):
            reached = False
        if kind == "last_affected" and now > _place(value):
            reached = False
    return reached


def _place(value: str) -> Version:
    try:
        return Version("0.dev0") if value == "0" else Version(value)
    except InvalidVersion:
        return Version("999999")  # behind everything, as it may be


class _Api(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    disable_nagle_algorithm = True

    def __init__(self, records: list[dict]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.records: dict[str, list[dict]] = {}
        for record in sorted(records, key=lambda record: record["id"]):
            for name in {canonicalize_name(affected["package"]["name"]) for affected in record["affected"]}:
                self.records.setdefault(name, []).append(record)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Api

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, version = asked["package"]["name"], asked["version"]
        found = [record for record in self.server.records.get(name, []) if applies(record, name, version)]
        data = json.dumps({"vulns": found} if found else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def osv_api(records: list[dict]) -> Iterator[str]:
    """Serve records and provide the URL."""
    with _Api(records) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
        server.shutdown()
        thread.join()
