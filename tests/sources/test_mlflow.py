"""Models of an MLflow registry: what a server says is checked, and bounded."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import threading
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from weighlock.errors import DigestMismatchError, LockfileError, SourceError, UsageError, WeighlockError
from weighlock.gates.request import parse_request
from weighlock.model_source import MlflowRequest, MlflowSource
from weighlock.sources.interface import Offer, Silence
from weighlock.sources.mlflow import MlflowFolder, MlflowRegistry
from weighlock.sources.mlflow_server import _message, find_settings
from weighlock.sources.quarantine import Quarantine
from weighlock.sources.transport import RefusedError, Transport

ROOT = "1/models/m-1/artifacts"
REQUEST = MlflowRequest(name="credit", ref="@champion")


class Registry(http.server.BaseHTTPRequestHandler):
    """An MLflow server of one model, which answers what the test wants."""

    files: dict[str, bytes]
    answers: dict[str, object]
    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self):
        parts = urlsplit(self.path)
        self.asked.append((self.path, dict(self.headers)))
        endpoint = parts.path.removeprefix("/api/2.0/")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        for name, answer in self.answers.items():
            if endpoint == name:
                return self._send(answer(query) if callable(answer) else answer)
        if endpoint == "mlflow-artifacts/artifacts":
            return self._send({"files": _listed(self.files, query["path"].removeprefix(ROOT).lstrip("/"))})
        return self._send(self.files.get(unquote(endpoint).removeprefix(f"mlflow-artifacts/artifacts/{ROOT}/")))

    def _send(self, answer):
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        status = answer.pop("status", 200) if isinstance(answer, dict) else 200
        data = json.dumps(answer).encode() if status != 200 else data
        self.send_response(404 if answer is None else status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)

    def log_message(self, *_):
        pass


def _listed(files, folder):
    inside = [path.removeprefix(f"{folder}/" if folder else "") for path in files if path.startswith(folder)]
    folders = sorted({path.partition("/")[0] for path in inside if "/" in path})
    return [{"path": name, "is_dir": True} for name in folders] + [
        {"path": name, "is_dir": False, "file_size": len(files[f"{folder}/{name}".lstrip("/")])}
        for name in inside
        if "/" not in name
    ]


@pytest.fixture
def registry(monkeypatch):
    version = {"name": "credit", "version": "3", "status": "READY"}
    handler = type(
        "Handler", (Registry,), {"files": {"MLmodel": b"flavors: {}\n", "data/model.pkl": b"N."}, "asked": []}
    )
    handler.answers = {
        "mlflow/registered-models/alias": {"model_version": version},
        "mlflow/model-versions/get": {"model_version": version},
        "mlflow/model-versions/get-download-uri": {"artifact_uri": f"mlflow-artifacts:/{ROOT}"},
    }
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    for name in ("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    yield handler
    server.shutdown()
    server.server_close()


def _list(request=REQUEST):
    return MlflowRegistry().list(request, None, upgrade=False)


def _fetch(folder, path, **facts):
    source = MlflowSource(name="credit", ref="@champion", revision="3")
    with Quarantine(folder / "quarantine", Silence()) as quarantine:
        fetched = MlflowRegistry().fetch(source, Offer(path=path, **facts), quarantine, Transport(), Silence())
        fetched.place.unlink()
        return fetched


def test_an_alias_is_listed_at_its_version(registry):
    listing = _list()
    assert listing.source == MlflowSource(name="credit", ref="@champion", revision="3")
    assert [(offer.path, offer.size) for offer in listing.files] == [("MLmodel", 12), ("data/model.pkl", 2)]


@pytest.mark.parametrize("status", [400, 403])
def test_why_the_server_refuses_is_said(registry, status):
    registry.answers["mlflow/registered-models/alias"] = {"status": status, "message": "no alias champion"}
    with pytest.raises(SourceError, match="refuses: no alias champion") as error:
        _list()
    assert error.value.where == "models:/credit@champion"
    assert "hf auth" not in (error.value.hint or "")


@pytest.mark.parametrize("answer", [b"<html>", b'{"message": 1}', b"[]", b"", b'{"message": "a\\u001b[31m"}'])
def test_a_refusal_without_a_reason_names_the_status(registry, answer):
    error = RefusedError("the server answers 403 Forbidden")
    error.said = answer
    assert _message(error) == "the server answers 403 Forbidden"


def test_what_comes_is_hashed_here(registry, tmp_path):
    assert _fetch(tmp_path, "data/model.pkl", size=2).sha256 == hashlib.sha256(b"N.").hexdigest()


def test_an_overwritten_artifact_is_refused_with_both_digests(registry, tmp_path):
    locked = hashlib.sha256(b"N.").hexdigest()
    registry.files["data/model.pkl"] = b"I."
    with pytest.raises(DigestMismatchError) as error:
        _fetch(tmp_path, "data/model.pkl", size=2, sha256=locked, announced="the lockfile")
    assert locked in str(error.value)
    assert hashlib.sha256(b"I.").hexdigest() in str(error.value)
    assert "models:/credit/3: data/model.pkl" in str(error.value)


@pytest.mark.parametrize("size", [1, 3])
def test_another_size_than_was_listed_is_refused(registry, tmp_path, size):
    with pytest.raises(DigestMismatchError):
        _fetch(tmp_path, "data/model.pkl", size=size)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "",
        "../MLmodel",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "C:",
        "a\nb",
        "a\x1b[2Jb",
        "\u202egpj.exe",
        None,
        7,
        ["a"],
    ],
)
def test_a_name_that_would_leave_or_mislead_is_refused(registry, name):
    registry.answers["mlflow-artifacts/artifacts"] = {"files": [{"path": name, "is_dir": False, "file_size": 1}]}
    with pytest.raises(WeighlockError) as error:
        _list()
    assert str(error.value).isprintable()


@pytest.mark.parametrize("size", [-1, "many", 1.5, True, "9" * 30, None])
def test_a_size_that_is_none_is_refused(registry, size):
    registry.answers["mlflow-artifacts/artifacts"] = {"files": [{"path": "a", "is_dir": False, "file_size": size}]}
    with pytest.raises(SourceError, match="no size"):
        _list()


def test_folders_without_end_are_refused(registry):
    registry.answers["mlflow-artifacts/artifacts"] = {"files": [{"path": "a", "is_dir": True}]}
    with pytest.raises(SourceError, match="deep"):
        _list()


def test_a_listing_that_branches_without_end_is_refused(registry):
    registry.answers["mlflow-artifacts/artifacts"] = {"files": [{"path": f"d{n}", "is_dir": True} for n in range(40)]}
    with pytest.raises(SourceError, match="more than"):
        _list()


def test_files_without_end_are_refused(registry):
    rows = [{"path": f"f{n}", "is_dir": False, "file_size": 1} for n in range(10_001)]
    registry.answers["mlflow-artifacts/artifacts"] = {"files": rows}
    with pytest.raises(SourceError, match="more than 10000 artifacts"):
        _list()


def test_an_answer_without_end_is_refused(registry):
    registry.answers["mlflow-artifacts/artifacts"] = b"[" * (9 << 20)
    with pytest.raises(SourceError, match="larger than"):
        _list()


def test_a_file_that_is_listed_twice_is_refused(registry):
    row = {"path": "MLmodel", "is_dir": False, "file_size": 1}
    registry.answers["mlflow-artifacts/artifacts"] = {"files": [row, row]}
    with pytest.raises(SourceError, match="twice"):
        _list()


def test_a_version_without_artifacts_is_refused(registry):
    registry.answers["mlflow-artifacts/artifacts"] = {}
    with pytest.raises(SourceError, match="no artifacts"):
        _list()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        b"<html>",
        b"[" * 100_000,
        {"model_version": None},
        {"model_version": {"name": "other", "version": "3"}},
        {"model_version": {"name": "credit", "version": "3/../../4"}},
        {"model_version": {"name": "credit", "version": "0"}},
        {"model_version": {"name": "credit", "version": "3", "status": "PENDING_REGISTRATION"}},
    ],
)
def test_an_answer_about_another_version_is_refused(registry, answer):
    registry.answers["mlflow/registered-models/alias"] = answer
    with pytest.raises(SourceError):
        _list()


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/1/../2/artifacts",
        "mlflow-artifacts://evil.example:80/1/artifacts",
        "mlflow-artifacts:/",
        "http://evil.example/1/artifacts",
        "file:///etc",
        "/etc",
        "s3://bucket/1",
        "mlflow-artifacts:/1\n2",
        "http://[",
        None,
        7,
    ],
)
def test_artifacts_that_lie_elsewhere_are_refused(registry, uri):
    registry.answers["mlflow/model-versions/get-download-uri"] = {"artifact_uri": uri}
    with pytest.raises(WeighlockError) as error:
        _list()
    assert str(error.value).isprintable()


def test_credentials_are_sent_as_mlflow_sends_them(registry, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "alice")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    _list()
    assert {headers.get("Authorization") for _, headers in registry.asked} == {"Basic YWxpY2U6c2VjcmV0"}


def test_a_token_is_sent_as_mlflow_sends_it(registry, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "token-1")
    _list()
    assert {headers.get("Authorization") for _, headers in registry.asked} == {"Bearer token-1"}


def test_what_the_settings_hold_is_not_shown():
    settings = find_settings({"MLFLOW_TRACKING_URI": "http://alice:hunter2@127.0.0.1:5000/base/?token=hunter2"})
    assert "hunter2" not in repr(settings)
    assert settings.tracking == "http://127.0.0.1:5000/base"


def test_another_machine_is_not_asked_without_encryption(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    with pytest.raises(SourceError, match="without encryption"):
        _list()


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "/mlruns", "databricks", "file:///mlruns"])
def test_without_a_server_there_is_no_one_to_ask(uri):
    with pytest.raises(UsageError, match="MLFLOW_TRACKING_URI"):
        find_settings({"MLFLOW_TRACKING_URI": uri})


@pytest.mark.parametrize(
    ("text", "name", "ref"),
    [
        ("models:/credit@champion", "credit", "@champion"),
        ("models:/credit@Champion", "credit", "@Champion"),
        ("models:/credit/3", "credit", "3"),
        ("models:/credit/003", "credit", "3"),
        ("models:/credit/LATEST", "credit", "latest"),
        ("models:/credit/production", "credit", "Production"),
        ("models:/credit", "credit", None),
        ("models:/a@b@champion", "a@b", "@champion"),
        ("models:/two words/1", "two words", "1"),
    ],
)
def test_what_mlflow_calls_a_version_is_understood(tmp_path, text, name, ref):
    request = parse_request(text, tmp_path)
    assert request.target == MlflowRequest(name=name, ref=ref)
    assert request.name == f"models:/{name}"


@pytest.mark.parametrize(
    "text",
    [
        "models:/",
        "models:/credit@",
        "models:/credit/0",
        "models:/credit/1/data",
        "models:/credit/Prod",
        "models:/a:b/1",
    ],
)
def test_what_mlflow_would_not_understand_is_refused(tmp_path, text):
    with pytest.raises((UsageError, LockfileError)):
        parse_request(text, tmp_path)


@pytest.mark.parametrize("name", ["..", ".", "a/../..", "..\\x"])
def test_no_name_leads_out_of_the_folder_of_versions(tmp_path, name):
    folder = MlflowFolder(tmp_path).folder(MlflowSource(name=name, ref="1", revision="1"))
    assert folder.resolve().parent.parent == tmp_path.resolve()
