"""Publishing in Rekor v2, against servers on this machine that answer with real trees, and with forged ones."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from weighlock._cli import main
from weighlock.ledger import tree, verifier
from weighlock.ledger.note import SigningKey

LOG = SigningKey(name="log.example/2026", seed=b"l" * 32)
OTHER = SigningKey(name="log.example/2026", seed=b"o" * 32)


class Log(BaseHTTPRequestHandler):
    """A log with some entries of others; `change` does to its answer what a forger would do."""

    change = None
    key = LOG
    asked: ClassVar[list] = []

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["hashedRekordRequestV002"]
        self.asked.append((self.path, request))
        answer = self._answer(request)
        status, data = type(self).change(answer) if type(self).change else (201, answer)
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        if status in {301, 302, 307}:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, request):
        spec = {"data": {"algorithm": "SHA2_256", "digest": request["digest"]}, "signature": request["signature"]}
        body = {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": spec}}
        data = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        entries = [b"of others", b"of others, too", data, b"a later one"]
        leaves = [verifier.leaf_hash(entry) for entry in entries]

        def hash_at(level, index):
            return verifier.root_of(leaves[index << level : (index + 1) << level])

        proof = tree.inclusion_proof(2, 4, hash_at)
        return {
            "logIndex": "2",
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "inclusionProof": {
                "logIndex": "2",
                "treeSize": "4",
                "rootHash": base64.b64encode(tree.root(4, hash_at)).decode(),
                "hashes": [base64.b64encode(one).decode() for one in proof],
                "checkpoint": {"envelope": type(self).key.checkpoint(4, tree.root(4, hash_at)).decode()},
            },
            "canonicalizedBody": base64.b64encode(data).decode(),
        }

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def log(monkeypatch):
    monkeypatch.setattr(Log, "asked", [])
    monkeypatch.setattr(Log, "change", None)
    server = HTTPServer(("127.0.0.1", 0), Log)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def room(tmp_path, monkeypatch, capsys):
    """A folder with a signed checkpoint, and the key of the log."""
    pytest.importorskip("cryptography", reason="signing needs cryptography")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    (tmp_path / "evil.pkl").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    assert main(["scan", "evil.pkl"]) == 1
    assert main(["ledger", "checkpoint", "--output", "kept.note"]) == 0
    assert main(["sign", "--generate-key", "team.pem", "--no-passphrase"]) == 0
    assert main(["sign", "kept.note", "--key", "team.pem"]) == 0
    (tmp_path / "log.key").write_text(LOG.vkey)
    capsys.readouterr()
    return tmp_path


def publish(url, *options):
    words = ["--key", "team.pem.pub", "--rekor", url, "--rekor-key", "log.key", *options]
    return main(["ledger", "publish", "kept.note.sigstore.json", *words])


def test_what_was_published_is_proved_to_anybody(room, log, capsys):
    assert publish(log) == 0
    data = (room / "kept.note.sigstore.json").read_bytes()
    assert [one.size for one in verifier.verify_rekor(data, verifier.parse_key(LOG.vkey))] == [4]
    assert verifier.main(["rekor", "kept.note.sigstore.json", "--key", "log.key"]) == 0
    (path, request) = Log.asked[0]
    assert path == "/api/v2/log/entries"
    assert request.keys() == {"digest", "signature"}  # and nothing of the document
    assert main(["verify", "--signature", "kept.note", "--key", "team.pem.pub"]) == 0
    assert publish(log) == 2
    assert "is published already" in capsys.readouterr().err


def other_entry(answer):
    body = json.loads(base64.b64decode(answer["canonicalizedBody"]))
    digest = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    body["spec"]["hashedRekordV002"]["data"]["digest"] = digest
    return 201, {**answer, "canonicalizedBody": base64.b64encode(json.dumps(body).encode()).decode()}


def other_root(answer):
    proof = answer["inclusionProof"]
    envelope = LOG.checkpoint(4, b"r" * 32).decode()
    return 201, {**answer, "inclusionProof": {**proof, "checkpoint": {"envelope": envelope}}}


def other_key(answer):
    proof = answer["inclusionProof"]
    envelope = OTHER.checkpoint(4, base64.b64decode(proof["rootHash"])).decode()
    return 201, {**answer, "inclusionProof": {**proof, "checkpoint": {"envelope": envelope}}}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (other_entry, 1),
        (other_root, 1),
        (other_key, 1),
        (lambda answer: (201, {**answer, "inclusionProof": {**answer["inclusionProof"], "logIndex": "1"}}), 1),
        (lambda answer: (201, {**answer, "inclusionProof": {**answer["inclusionProof"], "hashes": []}}), 1),
        (lambda answer: (201, {key: value for key, value in answer.items() if key != "inclusionProof"}), 2),
        (lambda _answer: (201, {}), 2),
        (lambda _answer: (201, []), 2),
        (lambda _answer: (201, b"[" * 100_000), 2),
        (lambda _answer: (201, b" " * 2_000_000), 2),
        (lambda _answer: (201, b"<html>"), 2),
        (lambda answer: (500, answer), 2),
        (lambda answer: (307, answer), 2),
    ],
)
def test_an_answer_that_proves_nothing_is_not_believed(room, log, capsys, change, code):
    Log.change = staticmethod(change)
    before = (room / "kept.note.sigstore.json").read_bytes()
    assert publish(log) == code
    assert "Traceback" not in capsys.readouterr().err
    assert (room / "kept.note.sigstore.json").read_bytes() == before
    assert len(Log.asked) == 1  # and nobody else was asked


def test_a_log_that_does_not_answer_is_not_waited_for(room, log, monkeypatch, capsys):
    monkeypatch.setattr("weighlock.ledger.rekor.publish.__kwdefaults__", {"seconds": 0.2})
    monkeypatch.setattr(Log, "change", staticmethod(lambda answer: time.sleep(1) or (201, answer)))
    assert publish(log) == 2
    assert "cannot be asked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://log.example", ()),
        ("ftp://127.0.0.1", ()),
        ("https://127.0.0.1:port", ()),
        ("", ()),
        ("http://127.0.0.1:1", ()),
        ("http://127.0.0.1:1", ("--offline",)),
        ("http://127.0.0.1:1", ("--rekor-key", "missing")),
        ("http://127.0.0.1:1", ("--key", "missing")),
    ],
)
def test_what_cannot_be_asked_is_an_error_with_a_next_step(room, capsys, url, options):
    assert publish(url, *options) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_signature_of_another_key_is_not_sent(room, log, capsys):
    assert main(["sign", "--generate-key", "other.pem", "--no-passphrase"]) == 0
    assert publish(log, "--key", "other.pem.pub") == 1
    assert not Log.asked


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"dsseEnvelope": {}}', "[" * 10_000])
def test_what_is_no_bundle_is_not_sent(room, log, capsys, text):
    (room / "kept.note.sigstore.json").write_text(text)
    assert publish(log) == 2
    assert not Log.asked
