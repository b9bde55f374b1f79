"""The gate under mlflow-oidc-auth: who has a token of the provider is who the ledger names.

mlflow-oidc-auth asks for another gunicorn than MLflow brings, and its version 11 does not import on Python 3.11. So
it is not among the dependencies of the tests: they run in an environment that has it, `mlflow[auth]` and weighlock.
"""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from tests import mlflow_server
from tests.mlflow_direct import policy_in, summary_of
from tests.mlflow_rig import POLICY

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        importlib.util.find_spec("mlflow_oidc_auth") is None or sys.version_info < (3, 12),
        reason="mlflow-oidc-auth is not installed, or this Python is too old for it: see the docstring",
    ),
]

_USERS = """
import sys
from mlflow_oidc_auth.store import store
for name in ("alice@example.org", "mallory@example.org"):
    store.create_user(name, name, is_admin=True)
"""


@pytest.fixture(scope="module")
def provider():
    """An OpenID provider on the loopback interface: its metadata, its key, and tokens that it signs."""
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048, parameters={"kid": "one"})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            here = f"http://127.0.0.1:{self.server.server_port}"
            said = {"issuer": here, "jwks_uri": f"{here}/keys", "authorization_endpoint": f"{here}/a"}
            said |= {"token_endpoint": f"{here}/t"}
            body = json.dumps({"keys": [key.as_dict(private=False)]} if self.path == "/keys" else said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"

    def token(email, signer=key):
        claims = {"iss": url, "sub": email, "email": email, "aud": "mlflow", "name": email}
        return jwt.encode({"alg": "RS256", "kid": "one"}, {**claims, "exp": int(time.time()) + 600}, signer)

    yield url, token
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def running(provider, tmp_path_factory):
    folder = tmp_path_factory.mktemp("oidc")
    environ = policy_in(folder, POLICY.replace('"admin"', '"alice@example.org"'))
    environ |= {
        "OIDC_DISCOVERY_URL": f"{provider[0]}/.well-known/openid-configuration",
        "OIDC_CLIENT_ID": "mlflow",
        "OIDC_CLIENT_SECRET": "a secret of the tests",
        "OIDC_AUDIENCE": "mlflow",
        "OIDC_ISSUER": provider[0],
        "OIDC_REDIRECT_URI": "http://127.0.0.1/callback",
        "OIDC_USERS_DB_URI": f"sqlite:///{folder}/oidc.db",
        "SECRET_KEY": "another secret of the tests, which is long",
        "DEFAULT_MLFLOW_PERMISSION": "MANAGE",
    }
    subprocess.run([sys.executable, "-c", _USERS], env=os.environ | environ, check=True, cwd=folder)
    database = f"sqlite:///{folder}/mlflow.db"
    words = {"backend": database, "registry": f"weighlock+{database}", "environ": environ}
    with mlflow_server.server(folder / "server", app="oidc-auth", **words) as server:
        yield server, folder


def call(server, method, path, body=None, token=None):
    request = urllib.request.Request(f"{server.url}/api/2.0/mlflow/{path}", method=method)  # noqa: S310 - loopback
    request.data = json.dumps(body).encode() if body is not None else None
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - loopback
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_user_of_a_token_is_asked_and_recorded(provider, running):
    server, folder = running
    alice, mallory = provider[1]("alice@example.org"), provider[1]("mallory@example.org")
    assert call(server, "POST", "registered-models/create", {"name": "net"}, alice)[0] == 200
    status, run = call(server, "POST", "runs/create", {"experiment_id": "0"}, alice)
    assert status == 200, run
    info = run["run"]["info"]
    artifacts = folder / "server" / "artifacts" / info["artifact_uri"].removeprefix("mlflow-artifacts:").lstrip("/")
    (artifacts).mkdir(parents=True)
    (artifacts / "MLmodel").write_bytes(b"flavors: {}\n")
    body = {"name": "net", "source": info["artifact_uri"], "run_id": info["run_id"]}
    status, answer = call(server, "POST", "model-versions/create", body, alice)
    assert status == 200, answer
    alias = {"name": "net", "alias": "production", "version": "1"}
    assert "no verification summary" in call(server, "POST", "registered-models/alias", alias, alice)[1]
    _, key, value = summary_of(folder, "net", 1, artifacts, None)
    tag = {"name": "net", "version": "1", "key": key, "value": value}
    assert call(server, "POST", "model-versions/set-tag", tag, alice)[0] == 200
    assert "mallory@example.org may not move" in call(server, "POST", "registered-models/alias", alias, mallory)[1]
    assert call(server, "POST", "registered-models/alias", alias, alice)[0] == 200
    ledger = "".join(path.read_text() for path in (folder / "ledger").rglob("*.jsonl"))
    assert '"actor":"mlflow:alice@example.org@127.0.0.1"' in ledger
    assert '"actor":"mlflow:mallory@example.org@127.0.0.1"' in ledger


def test_without_a_token_and_with_a_forged_one_nothing_is_asked(provider, running):
    from joserfc.jwk import RSAKey

    forged = provider[1]("alice@example.org", RSAKey.generate_key(2048, parameters={"kid": "one"}))
    alias = {"name": "net", "alias": "production", "version": "1"}
    for token in (None, forged):
        assert call(running[0], "POST", "registered-models/alias", alias, token)[0] in (401, 302, 403, 405)
