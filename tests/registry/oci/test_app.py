"""Requests that nobody's client makes: each is answered, none with what it asked for, and none by a crash."""

from __future__ import annotations

import base64
import http.client
import json
from datetime import UTC, datetime

import pytest

from tests.issuer import ask, basic, environ_of
from weighlock.gates.ledger import Query, absorb_spools, open_ledger, search


def raw(place, method, target, *, headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=30)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "target",
    [
        "/token?scope=%ff%fe",
        "/token?scope=%00",
        "/token?scope=" + "%0d%0aX:1",
        "/token?scope=a&scope",
        "/token?&&&",
        "/token?scope=repository%3Aprod%2Fnet%3Apull%00",
        "/token?" + "&".join(["scope=a"] * 200),
        "/token?account=%F0%28",
        "/token/",
        "//token",
        "/token;x",
        "/TOKEN",
        "/../token",
        "/promotions",
        "/promotions?model=a&stage=%ff",
        "/",
        "/promotions?model=prod%2F..%2Fnet&stage=production",
        "/token?service=other",
        "/promotions?model=staging/net&stage=",
    ],
)
def test_an_odd_address_is_answered_and_gives_nothing(place, target):
    status = raw(place, "GET", target, headers=basic("viewer"))
    assert status in (200, 400, 403, 404), status
    if status == 200:
        assert json.loads(ask("GET", place.url + target, headers=basic("viewer")).data)["scope"] == ""


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic ",
        "Basic =",
        "Basic Og==",
        "Basic /////w==",
        "basic",
        "Bearer a.b.c",
        "Digest x",
        "Basic " + "A" * 5000,
        "Basic " + base64.b64encode(b"viewer").decode(),
        "Basic " + base64.b64encode(b"a\0b:\n").decode(),
    ],
)
def test_an_odd_login_is_none(place, value):
    assert raw(place, "GET", "/token?scope=repository:public/x:pull", headers={"Authorization": value}) == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"repository": 1}',
        b"\xff",
        b"[" * 20_000,
        b'{"repository": "prod/net", "manifest": "x"}',
        b'{"repository": "prod/net", "manifest": "sha256:0", "bundle": "?"}',
        b'{"repository": null, "manifest": null, "bundle": ""}',
        b'{"repository": "prod/net", "manifest": {"a": 1}, "bundle": 5}',
    ],
)
def test_an_odd_request_promotes_nothing(place, body):
    headers = basic("ci") | {"Content-Length": str(len(body))}
    assert raw(place, "POST", "/promote", headers=headers, body=body) in (400, 403, 503)


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"grant_type=password",
        b"grant_type=password&username=dev",
        b"grant_type=client_credentials",
        b"\xff=\xfe",
        b"grant_type=refresh_token",
        b"grant_type=refresh_token&refresh_token=" + b"a" * 9000,
        b"&" * 200,
    ],
)
def test_an_odd_form_gives_no_token(place, form):
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(form))}
    assert raw(place, "POST", "/token", headers=headers, body=form) in (400, 401)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/token"), ("DELETE", "/promote"), ("GET", "/promote"), ("PATCH", "/")]
)
def test_other_methods_do_nothing(place, method, path):
    assert raw(place, method, path, headers=basic("ci") | {"Content-Length": "0"}) in (404, 405)


def test_who_asks_cannot_say_from_where(place):
    headers = basic("dev") | {"X-Forwarded-For": "10.9.8.7", "Forwarded": "for=10.9.8.7"}
    ask("GET", f"{place.url}/token?scope=repository:dev/spoof:pull", headers=headers)
    ledger = open_ledger(environ_of(place.folder), None)
    absorb_spools(ledger, datetime.now(UTC))
    actors = {one.entry.actor for one in search(ledger, Query(subject="dev/spoof")) if one.entry is not None}
    assert actors == {"oci:dev@127.0.0.1"}
