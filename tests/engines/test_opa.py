"""A running OPA: what its REST API promises, and what a server may do instead."""

from __future__ import annotations

import json
import socket
import threading
import time
from importlib.resources import files

import pytest

from tests.engines.asked import QUERY, question
from tests.engines.loopback_opa import opa
from weighlock.engines import open_engines
from weighlock.engines.asking import NO_POLICY
from weighlock.engines.opa import Opa
from weighlock.errors import PolicyError
from weighlock.evidence_policy import EngineChoice

pytest.importorskip("regopy", reason="regopy is not installed")

EXAMPLE = (files("weighlock.engines") / "examples" / "model.rego").read_text(encoding="utf-8")
VARIABLE = "OPA_TOKEN"
ALLOWED = {"result": {"allow": True, "reasons": []}}
DENIED = {"result": {"allow": False, "reasons": ["no"]}}


def ask(behave=None, modules=None, timeout=5.0, **rest):
    """Return the answer of a server to a question that its policy allows."""
    with opa({"model.rego": EXAMPLE} if modules is None else modules, behave=behave) as (url, policies):
        engine = Opa(url, QUERY, timeout, **{"environ": {}, **rest})
        return engine.evaluate(question()), policies


def to_questions(body, status=200, kind="application/json", **headers):
    """Return a server that answers every question with these bytes."""

    def behave(handler, asked):
        if handler.command == "POST":
            handler.send(status, body if isinstance(body, bytes) else json.dumps(body).encode(), kind, **headers)
        return handler.command == "POST"

    return behave


def test_a_good_policy_allows_and_its_decision_has_a_name():
    answer, policies = ask()
    assert answer.allow
    assert answer.reference == "decision-1"
    assert answer.stamp.engine == "opa"
    assert answer.stamp.policy != NO_POLICY
    assert len(policies.asked) == 2  # the question, and the one about nothing


def test_a_policy_is_asked_about_nothing_once():
    with opa({"model.rego": EXAMPLE}) as (url, policies):
        engine = Opa(url, QUERY, 5, environ={})
        for _ in range(3):
            assert engine.evaluate(question()).allow
        assert len(policies.asked) == 4
        policies.modules["more.rego"] = "package other"
        assert engine.evaluate(question()).allow
        assert len(policies.asked) == 6


def test_the_digest_is_that_of_the_modules():
    one, _ = ask()
    two, _ = ask(modules={"model.rego": EXAMPLE + "\n"})
    three, _ = ask(modules={"other.rego": EXAMPLE})
    assert len({one.stamp.policy, two.stamp.policy, three.stamp.policy}) == 3


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "undefined"),
        ({"decision_id": "1"}, "undefined"),
        ({"result": None}, "null"),
        ({"result": True}, "true and not an object"),
        ({"result": []}, "empty list or set"),
        ({"result": {"allow": "true", "reasons": []}}, "a string"),
        ({"result": {"result": ALLOWED["result"]}}, "keys"),
        ([ALLOWED], "as an OPA does"),
        (ALLOWED | {"warning": {"code": "api_usage_warning"}}, "warning"),
        (ALLOWED | {"errors": []}, "errors"),
        (ALLOWED | {"code": "internal_error"}, "code"),
        (b"", "not JSON"),
        (b"null", "as an OPA does"),
        (b'{"result": {"allow": true, "reasons": []}', "not JSON"),
        (b'{"result": {"allow": true, "reasons": []}} {}', "not JSON"),
        (b'{"result": {"allow": false, "allow": true, "reasons": []}}', "twice"),
        (b'{"result": {"allow": false, "reasons": ["no"]}, "result": {"allow": true, "reasons": []}}', "twice"),
        (b'{"result": {"allow": true, "reasons": [], "passed": [NaN]}}', "no number"),
        (b'{"result": {"allow": true, "reasons": [' + b"[" * 200_000, "nested|JSON"),
        (b"\xff\xfe{\x00}\x00", "not JSON"),
        (b'{"result": {"allow": true, "reasons": []}, "x": "' + b"x" * (10 << 20) + b'"}', "larger than 1 MB"),
    ],
)
def test_an_answer_that_is_no_decision(body, says):
    answer, _ = ask(to_questions(body))
    assert not answer.allow
    assert any(word in answer.reasons[0] for word in says.split("|")), answer


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 307, 308, 400, 401, 403, 404, 500, 503])
def test_a_status_that_is_not_200(status):
    answer, _ = ask(to_questions(ALLOWED, status))
    assert not answer.allow
    assert str(status) in answer.reasons[0]


def test_a_redirect_is_not_followed():
    asked = []

    def behave(handler, body):
        asked.append(handler.path)
        if handler.command == "POST":
            handler.send(307, json.dumps(ALLOWED).encode(), Location="/v1/data/elsewhere")
        return handler.command == "POST"

    answer, _ = ask(behave)
    assert not answer.allow
    assert not any("elsewhere" in path for path in asked)


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/json-seq", ""])
def test_a_page_that_is_no_json(kind):
    answer, _ = ask(to_questions(ALLOWED, kind=kind))
    assert "something else than JSON" in answer.reasons[0]


def test_bytes_that_are_packed():
    answer, _ = ask(to_questions(ALLOWED, Content_Encoding="gzip"))
    assert "something else than JSON" in answer.reasons[0]


def test_a_body_that_breaks_off():
    def behave(handler, _):
        if handler.command == "POST":
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(json.dumps(ALLOWED).encode())
            handler.close_connection = True
        return handler.command == "POST"

    answer, _ = ask(behave)
    assert not answer.allow


@pytest.mark.parametrize("where", ["head", "body", "silence"])
def test_a_slow_drip_ends_in_time(where):
    def behave(handler, _):
        text = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        if where == "body":
            handler.wfile.write(text + b"\r\n")
        for byte in b"" if where == "silence" else (text if where == "head" else b" " * 200):
            handler.wfile.write(bytes([byte]))
            time.sleep(0.05)
        if where == "silence":
            time.sleep(0.6)
        handler.close_connection = True
        return True

    begin = time.monotonic()
    answer, _ = ask(behave, timeout=0.3)
    assert not answer.allow
    assert "longer than 0.3 seconds" in answer.reasons[0], answer
    assert time.monotonic() - begin < 8


def test_nobody_there():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        engine = Opa(f"http://127.0.0.1:{unused.getsockname()[1]}", QUERY, 2, environ={})
        answer = engine.evaluate(question())
    assert not answer.allow
    assert "cannot be reached" in answer.reasons[0]
    assert answer.stamp.policy == NO_POLICY


def test_something_that_does_not_speak_http():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            used, _ = server.accept()
            used.sendall(b"SSH-2.0-OpenSSH\r\n")
            used.close()

        thread = threading.Thread(target=serve)
        thread.start()
        answer = Opa(f"http://127.0.0.1:{server.getsockname()[1]}", QUERY, 2, environ={}).evaluate(question())
        thread.join()
    assert not answer.allow


@pytest.mark.parametrize("policies", [b"[]", b'{"result": {}}', b'{"result": [{"id": 1, "raw": ""}]}', b"{", b"<html>"])
def test_a_list_of_policies_that_is_none(policies):
    def behave(handler, _):
        if handler.command == "GET":
            handler.send(200, policies)
        return handler.command == "GET"

    assert not ask(behave)[0].allow


def test_a_policy_that_nobody_can_name():
    def behave(handler, _):
        if handler.command == "GET":
            handler.send(403, b"{}")
        return handler.command == "GET"

    answer, _ = ask(behave)
    assert "cannot be known" in answer.reasons[0]


def test_a_bundle_that_has_a_revision_names_the_policy():
    def behave(handler, body):
        if handler.command == "GET":
            handler.send(403, b"{}")
            return True
        about = json.loads(body)["input"]["artifact"]["kind"]
        provenance = {"provenance": {"bundles": {"weighlock": {"revision": "r1"}}}}
        handler.send(200, json.dumps((ALLOWED if about == "model" else DENIED) | provenance).encode())
        return True

    answer, _ = ask(behave)
    assert answer.allow
    assert answer.stamp.policy != NO_POLICY


def test_a_policy_that_is_changed_while_it_answers():
    def behave(handler, _):
        if handler.command == "POST":
            handler.server.policies.modules["late.rego"] = "package late"
        return False

    answer, _ = ask(behave)
    assert "changed" in answer.reasons[0]


def test_a_server_without_a_policy():
    answer, _ = ask(modules={})
    assert not answer.allow


def test_the_token_of_the_variable_is_sent():
    answer, policies = ask(token=VARIABLE, environ={"OPA_TOKEN": "s3cret"})
    assert answer.allow
    assert set(policies.authorization) == {"Bearer s3cret"}


@pytest.mark.parametrize("token", [None, "", "two words", "line\r\nX-Evil: 1", "ü"])
def test_a_token_that_is_none_is_not_sent(token):
    answer, policies = ask(token=VARIABLE, environ={} if token is None else {"OPA_TOKEN": token})
    assert not answer.allow
    assert "OPA_TOKEN" in answer.reasons[0]
    assert not policies.authorization
    assert token is None or token == "" or token not in answer.reasons[0]


@pytest.mark.parametrize(
    "url",
    ["http://opa.example:8181", "http://10.0.0.1", "ftp://127.0.0.1", "http://", "http://127.0.0.1:x", "http://a b"],
)
def test_a_server_that_would_be_asked_without_encryption_or_is_none(url):
    with pytest.raises(PolicyError):
        open_engines([EngineChoice(opa=url)], None, {})


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    answer, _ = ask()
    assert answer.allow


def test_a_certificate_that_nobody_vouches_for():
    with opa({"model.rego": EXAMPLE}) as (url, _):
        answer = Opa(url.replace("http:", "https:"), QUERY, 2, environ={}).evaluate(question())
    assert not answer.allow
    assert "cannot be reached" in answer.reasons[0]
