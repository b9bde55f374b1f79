"""A real MLflow server on a loopback port, with a folder of its own; with `auth`, it knows users and what they may do.

    with mlflow_server.server(folder, auth=True) as running:
        running.add_user("alice", "correct horse staple", {("registered_model", "*"): "EDIT"})
        status, answer = running.call("GET", "2.0/mlflow/registered-models/get?name=credit", user="alice")
        subprocess.run(command, env=os.environ | running.environ("alice"))

The start takes some ten seconds: one server for a module (a fixture with `scope="module"`).
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

ADMIN = "admin"

_PATIENCE_S = 120
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # six processes more, for the evaluation of traces
}


@dataclasses.dataclass(kw_only=True)
class MlflowServer:
    """What a test knows about the server.

    Args:
        url: Where it listens; the tracking URI of clients.
        folder: Everything that it keeps, in it `artifacts/`: what a test overwrites to attack.
        log: The file that it writes to.
        passwords: By user; empty without `auth`.
        process: The server, the leader of its group.
    """

    url: str
    folder: str
    log: str
    passwords: dict[str, str]
    process: subprocess.Popen[bytes]

    @property
    def artifacts(self) -> str:
        return os.path.join(self.folder, "artifacts")

    def environ(self, user: str = ADMIN) -> dict[str, str]:
        """Return the variables with which MLflow's clients find the server, and are `user`."""
        words = {"MLFLOW_TRACKING_URI": self.url, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        if self.passwords:
            words |= {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": self.passwords[user]}
        return words

    def call(self, method: str, path: str, body: object = None, *, user: str | None = ADMIN, place: str = "/api/"):
        """Send one request, as clients that are not MLflow's do, and return its status and what came back."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + place + path, data=data, method=method)  # noqa: S310 - loopback
        request.add_header("Content-Type", "application/json")
        if self.passwords and user is not None:
            words = base64.b64encode(f"{user}:{self.passwords[user]}".encode()).decode()
            request.add_header("Authorization", "Basic " + words)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - loopback
                return reply.status, _read(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _read(error.read())

    def must(self, method: str, path: str, body: object = None, **words):
        """Send a request that has to succeed, and return what came back."""
        status, answer = self.call(method, path, body, **words)
        assert status == 200, f"{method} {path}: {status} {answer}"
        return answer

    def add_user(self, name: str, password: str, may: Mapping[tuple[str, str], str]) -> None:
        """Make a user with a role of the same name.

        Args:
            name: Of the user.
            password: At least 12 characters.
            may: Permission (`READ`, `EDIT`, `MANAGE`, …) by type of resource (`registered_model`) and name or `*`.
        """
        self.must("POST", "2.0/mlflow/users/create", {"username": name, "password": password})
        self.passwords[name] = password
        role = self.must("POST", "3.0/mlflow/roles/create", {"workspace": "default", "name": f"role-{name}"})["role"]
        for (kind, pattern), permission in may.items():
            grant = {"resource_type": kind, "resource_pattern": pattern, "permission": permission}
            self.must("POST", "3.0/mlflow/roles/permissions/add", {"role_id": role["id"], **grant})
        self.must("POST", "3.0/mlflow/roles/assign", {"username": name, "role_id": role["id"]})


@contextlib.contextmanager
def server(
    folder: str | os.PathLike[str],
    *,
    auth: bool = False,
    backend: str | None = None,
    registry: str | None = None,
    artifacts: str | None = None,
    environ: Mapping[str, str] | None = None,
    app: str = "",
    remembers_s: int = 60,
) -> Iterator[MlflowServer]:
    """Yield a server that answers, and stop it in the end with everything that it started.

    Args:
        folder: An empty folder, or that of a server that was stopped: it goes on where that one ended.
        auth: Whether users have to say who they are; `ADMIN` may do everything.
        backend: The tracking store, an address for SQLAlchemy; a file in `folder` by default.
        registry: The registry store; the tracking store by default.
        artifacts: Where artifacts are; `artifacts/` in `folder` by default.
        environ: More variables for the server, such as those of a plugin.
        app: Another application that asks users who they are than `auth` brings, and knows them itself.
        remembers_s: How long a password is not hashed again; MLflow's own default is 0, which takes half a second each.
    """
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("mlflow is not installed: the extra [mlflow]")
    place = os.fspath(folder)
    os.makedirs(os.path.join(place, "artifacts"), exist_ok=True)
    port = _free_port()
    words = {
        "--backend-store-uri": backend or f"sqlite:///{place}/mlflow.db",
        "--artifacts-destination": artifacts or os.path.join(place, "artifacts"),
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
    }
    words |= {"--registry-store-uri": registry} if registry else {}
    words |= {"--app-name": app or "basic-auth"} if app or auth else {}
    command = [sys.executable, "-m", "mlflow", "server", "--serve-artifacts"]
    command += [word for pair in words.items() for word in pair]
    passwords = _passwords(place) if auth else {}
    log = os.path.join(place, "server.log")
    process = _start(command, place, log, _auth(place, passwords, remembers_s) | dict(environ or {}))
    try:
        running = MlflowServer(
            url=f"http://127.0.0.1:{port}", folder=place, log=log, passwords=passwords, process=process
        )
        _wait(running)
        yield running
    except BaseException:
        print(_tail(log), file=sys.stderr)  # noqa: T201 - pytest shows it with what failed
        raise
    finally:
        _stop(process)


def _passwords(place: str) -> dict[str, str]:
    """Return the password of the administrator, the same one when a server goes on where another ended."""
    path = os.path.join(place, "passwords.json")
    if not os.path.exists(path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({ADMIN: secrets.token_hex(12)}, file)
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _auth(place: str, passwords: Mapping[str, str], remembers_s: int) -> dict[str, str]:
    if not passwords:
        return {}
    path = os.path.join(place, "basic_auth.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            "[mlflow]\n"
            "default_permission = READ\n"
            f"database_uri = sqlite:///{place}/users.db\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            f"auth_cache_ttl_seconds = {remembers_s}\n"
        )
    return {
        "MLFLOW_AUTH_CONFIG_PATH": path,
        "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN,
        "MLFLOW_AUTH_ADMIN_PASSWORD": passwords[ADMIN],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a secret of the tests",
    }


def _start(command: list[str], place: str, log: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # What the tests run under, MLflow's own variables and a guard among it, is not what the server runs under.
    kept = {name: word for name, word in os.environ.items() if not name.startswith(("MLFLOW_", "COVERAGE_"))}
    with open(log, "ab") as file:
        return subprocess.Popen(
            command,
            cwd=place,
            env=kept | _QUIET | dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def _wait(running: MlflowServer) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if running.process.poll() is not None:
            pytest.fail(f"the MLflow server stopped with status {running.process.returncode}\n{_tail(running.log)}")
        with contextlib.suppress(OSError):
            if running.call("GET", "health", place="/")[0] == 200:
                return
        time.sleep(0.2)
    pytest.fail(f"the MLflow server did not answer within {_PATIENCE_S} seconds")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server, its workers and what they started: they are one group, and the leader may be gone before them."""
    for word in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + 2
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, word)
            while time.monotonic() < until:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _tail(log: str) -> str:
    with open(log, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-60:])


def _read(data: bytes):
    try:
        return json.loads(data)
    except ValueError:
        return data
