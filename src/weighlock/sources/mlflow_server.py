"""One MLflow server over its REST API: versions of registered models, and the artifacts that it serves itself.

Everything that it says is bounded and checked here: a server that was taken over must not be able to fill a disk, to
keep a command busy for ever, or to write outside of a folder.

Source:
    MLflow 3, "REST API": ``registered-models/get``, ``registered-models/alias``, ``model-versions/get``,
    ``model-versions/get-download-uri`` and ``mlflow-artifacts/artifacts``; credentials as `mlflow.utils.credentials`.
"""

from __future__ import annotations

import configparser
import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from weighlock.errors import SourceError, UsageError
from weighlock.lockfile_schema import check_path
from weighlock.sources.credentials import Login
from weighlock.sources.interface import Offer
from weighlock.sources.transport import NotFoundError, RefusedError, UnauthorizedError
from weighlock.sources.trust import shown_url
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from weighlock.sources.transport import Transport

_LARGEST_ANSWER = 8 << 20
_SECONDS = 60.0
_MOST_FILES = 10_000
_MOST_FOLDERS = 1_000
_DEEPEST = 32
_LONGEST_MESSAGE = 400

_VERSION = re.compile(r"[1-9][0-9]{0,18}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where MLflow's own clients would ask, and who they would say to be.

    Args:
        registry: URI of the server with registered models.
        tracking: URI of the server with artifacts.
        headers: Who asks.
    """

    registry: str
    tracking: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def find_settings(environ: Mapping[str, str]) -> Settings:
    """Read what MLflow's clients read: ``MLFLOW_TRACKING_URI``, ``MLFLOW_REGISTRY_URI``, and who we are.

    Args:
        environ: Variables; ``~/.mlflow/credentials`` counts where they say no user or password.

    Raises:
        UsageError: They name no server.
    """
    tracking = environ.get("MLFLOW_TRACKING_URI", "")
    registry = environ.get("MLFLOW_REGISTRY_URI") or tracking
    login = Login.in_url(tracking)
    for variable, uri in (("MLFLOW_TRACKING_URI", tracking), ("MLFLOW_REGISTRY_URI", registry)):
        if not uri.startswith(("http://", "https://")):
            raise UsageError(
                "does not name an MLflow server" if uri else "is not set, and names the MLflow server",
                where=variable,
                hint=f"set {variable}=https://HOST; a store without a server has no one to ask",
            )
    return Settings(registry=_bare(registry), tracking=_bare(tracking), headers=_headers(environ, login))


def _bare(uri: str) -> str:
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")


def _headers(environ: Mapping[str, str], login: Login | None) -> dict[str, str]:
    user, password = _in_file() if login is None else (login.user, login.password)
    user = environ.get("MLFLOW_TRACKING_USERNAME") or user
    password = environ.get("MLFLOW_TRACKING_PASSWORD") or password
    if user and password:
        return Login(user, password).header
    token = environ.get("MLFLOW_TRACKING_TOKEN")
    if token and (not is_printable(token) or not token.isascii()):
        raise UsageError("holds characters that no token has", where="MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _in_file() -> tuple[str, str]:
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read(os.path.expanduser("~/.mlflow/credentials"), encoding="utf-8")
    except (configparser.Error, ValueError, OSError):
        return "", ""
    names = ("mlflow_tracking_username", "mlflow_tracking_password")
    user, password = (config.get("mlflow", name, fallback="") for name in names)
    return user, password


class MlflowServer:
    """Asks one server, and believes no answer.

    Args:
        settings: Where, and who asks.
        transport: For requests.
    """

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self.settings = settings
        self._transport = transport

    def version_of(self, name: str, ref: str) -> str:
        """Return the version that a ref leads to now.

        Args:
            name: Of the registered model.
            ref: ``@`` with an alias, a version, ``latest``, or a stage.

        Raises:
            SourceError: It leads to none, or the server cannot be asked.
        """
        where = f"models:/{name}{'' if ref.startswith('@') else '/'}{ref}"
        if ref.startswith("@"):
            answer = self._registry("registered-models/alias", {"name": name, "alias": ref[1:]}, where)
            return _version(answer.get("model_version"), name, where)
        if _VERSION.match(ref):
            answer = self._registry("model-versions/get", {"name": name, "version": ref}, where)
            return _version(answer.get("model_version"), name, where)
        model = self._registry("registered-models/get", {"name": name}, where).get("registered_model")
        latest = model.get("latest_versions") if isinstance(model, dict) else None
        rows = [row for row in latest or () if isinstance(row, dict)]
        found = [_version(row, name, where) for row in rows if ref in ("latest", row.get("current_stage"))]
        if not found:
            raise SourceError("the registered model has no such version", where=where, hint="check the stage")
        return max(found, key=int)

    def root_of(self, name: str, version: str) -> str:
        """Return where the artifacts of a version lie, a path of the server.

        Raises:
            SourceError: They lie elsewhere.
        """
        where = f"models:/{name}/{version}"
        query = {"name": name, "version": version}
        uri = self._registry("model-versions/get-download-uri", query, where).get("artifact_uri")
        parts = _split(uri) if isinstance(uri, str) and is_printable(uri) else None
        if parts is None or parts.scheme != "mlflow-artifacts":
            shown = f" in {parts.scheme}:" if parts is not None and parts.scheme.isalnum() else ""
            raise SourceError(
                f"its artifacts lie{shown}, and not with the MLflow server",
                where=where,
                hint="let the server hand them out (--serve-artifacts), or download the folder and lock that",
            )
        if parts.netloc and parts.netloc != urlsplit(self.settings.tracking).netloc:
            raise SourceError(f"its artifacts lie with another server, {parts.netloc.rpartition('@')[2]}", where=where)
        return check_path(parts.path.strip("/"), where)

    def list(self, root: str, where: str) -> tuple[Offer, ...]:
        """Return all files below a folder of artifacts, sorted by path.

        Raises:
            SourceError: There are none or too many, or their names would mislead.
        """
        files = {offer.path: offer for offer in self._walk(root, where)}
        if not files:
            raise SourceError("has no artifacts", where=where)
        return tuple(files[path] for path in sorted(files))

    def url_of(self, root: str, path: str) -> str:
        """Return the address of one artifact."""
        return f"{self.settings.tracking}/api/2.0/mlflow-artifacts/artifacts/{quote(f'{root}/{path}')}"

    def _walk(self, root: str, where: str) -> Iterator[Offer]:
        folders, seen, asked = [""], set[str](), 0
        while folders:
            folder, asked = folders.pop(), asked + 1
            if asked > _MOST_FOLDERS:
                raise SourceError(f"the server lists more than {_MOST_FOLDERS} folders", where=where)
            query = {"path": f"{root}/{folder}".rstrip("/")}
            url = f"{self.settings.tracking}/api/2.0/mlflow-artifacts/artifacts?{urlencode(query)}"
            for path, size in _rows(self._ask(url, where), folder, where):
                if path in seen:
                    raise SourceError(f"the server lists {path} twice", where=where)
                seen.add(path)
                if len(seen) > _MOST_FILES:
                    raise SourceError(f"the server lists more than {_MOST_FILES} artifacts", where=where)
                if size is not None:
                    yield Offer(path=path, size=size)
                elif path.count("/") >= _DEEPEST:
                    raise SourceError(f"the server lists folders more than {_DEEPEST} deep", where=where)
                else:
                    folders.append(path)

    def _registry(self, endpoint: str, query: Mapping[str, str], where: str) -> dict[str, Any]:
        return self._ask(f"{self.settings.registry}/api/2.0/mlflow/{endpoint}?{urlencode(query)}", where)

    def _ask(self, url: str, where: str) -> dict[str, Any]:
        try:
            with self._transport.get(url, {**self.settings.headers, "Accept": "application/json"}) as body:
                data = body.read_all(_LARGEST_ANSWER, _SECONDS)
        except UnauthorizedError as error:
            hint = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
            raise SourceError("the MLflow server wants to know who asks", where=where, hint=hint) from error
        except NotFoundError as error:
            hint = f"look at {shown_url(self.settings.registry)}"
            raise SourceError("the MLflow server has no such thing", where=where, hint=hint) from error
        except RefusedError as error:
            hint = f"look at {shown_url(self.settings.registry)} for what is there, and what this login may see"
            raise SourceError(f"the MLflow server refuses: {_message(error)}", where=where, hint=hint) from error
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            hint = "is what answers an MLflow server?"
            raise SourceError("the MLflow server answers nonsense", where=where, hint=hint)
        return answer


def _message(error: RefusedError) -> str:
    """Return what the server says why, or which status it answered with."""
    try:
        said = json.loads(error.said)["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = None
    if isinstance(said, str) and said.strip() and is_printable(said):
        return said[:_LONGEST_MESSAGE]
    return error.message


def _version(row: object, name: str, where: str) -> str:
    version = row.get("version") if isinstance(row, dict) else None
    if not isinstance(row, dict) or row.get("name") != name or not _VERSION.match(str(version)):
        raise SourceError("the MLflow server does not say which version it is", where=where)
    if row.get("status", "READY") != "READY":
        raise SourceError("that version is not ready yet", where=where, hint="try again later")
    return str(version)


def _rows(answer: Mapping[str, Any], folder: str, where: str) -> Iterator[tuple[str, int | None]]:
    """Yield path and size of what lies in a folder; folders have no size."""
    rows = answer.get("files", [])
    if not isinstance(rows, list):
        raise SourceError("the MLflow server answers nonsense", where=where)
    for row in rows:
        name = row.get("path") if isinstance(row, dict) else None
        if not isinstance(name, str) or "/" in name or not is_printable(name):
            raise SourceError(f"the server lists an artifact as {name!a}", where=where)
        path = check_path(f"{folder}/{name}".lstrip("/"), f"{where}: {name}")
        if row.get("is_dir") is True:
            yield path, None
            continue
        size = row.get("file_size", 0)
        if not re.fullmatch(r"[0-9]{1,18}", str(size)) or row.get("is_dir", False) is not False:
            raise SourceError("the server says no size that could be one", where=f"{where}: {path}")
        yield path, int(size)


def _split(uri: str) -> Any:
    try:
        return urlsplit(uri)
    except ValueError:
        return None
