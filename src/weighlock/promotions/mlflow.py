"""Registered models of an MLflow server that guards them, over its REST API.

The summaries of a model are tags of its versions, and the server shows as a tag of the model which one is in force for
each stage. Neither is believed: who gets a summary here verifies it.

Source:
    MLflow 3, "REST API": ``registered-models/get``, ``registered-models/alias``, ``model-versions/search`` and
    ``model-versions/set-tag``.
"""

from __future__ import annotations

import io
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from weighlock.errors import ForgedError, SourceError, WeighlockError
from weighlock.promotion import MLFLOW
from weighlock.promotions.interface import Standing
from weighlock.promotions.mlflow_tags import IN_FORCE, VSA, bundle_of, tag_of
from weighlock.signing.bundle import read_bundle
from weighlock.signing.statement import read_statement
from weighlock.signing.vsa import read_vsa
from weighlock.sources.exchange import Exchange
from weighlock.sources.mlflow_server import MlflowServer, find_settings
from weighlock.sources.trust import shown_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from weighlock.promotion import Promoted, Resource

_LARGEST = 64 << 20
_PAGE = 200
_MOST_PAGES = 50
_GUARD = "start the server with --registry-store-uri weighlock+…, see docs/mlflow-server.md"


class MlflowPromotions:
    """The MLflow server that this environment names, as a registry in which models are promoted.

    Args:
        environ: What MLflow's own clients read.
        allow_http: Other machines may be asked without encryption.

    Raises:
        UsageError: The environment names no server.
    """

    registry = MLFLOW

    def __init__(self, environ: Mapping[str, str], *, allow_http: bool = False) -> None:
        self._settings = find_settings(environ)
        self._exchange = Exchange(allow_http=allow_http)
        self._server = MlflowServer(self._settings, self._exchange)
        self.place = shown_url(self._settings.registry)

    def files(self, model: str, version: str) -> dict[str, str]:
        """Return the SHA-256 of each artifact of a version, as the server hands it out now.

        Raises:
            SourceError: It is not there, or cannot be read.
        """
        where = f"models:/{model}/{version}"
        root = self._server.root_of(model, version)
        return {
            offer.path: self._digest(self._server.url_of(root, offer.path), offer.size, f"{where}: {offer.path}")
            for offer in self._server.list(root, where)
        }

    def in_force(self, resource: Resource) -> Standing | None:
        """Return what a stage of a model was moved to last.

        Raises:
            SourceError: It cannot be read.
        """
        return next(iter(self._chain(resource)), None)

    def history(self, resource: Resource) -> Sequence[Standing]:
        """Return everything that was in force, the newest first, as far back as the versions are there.

        Raises:
            SourceError: It cannot be read.
        """
        return tuple(self._chain(resource))

    def move(self, promoted: Promoted) -> None:
        """Attach a summary to its version, and move the alias that is called like the stage.

        The server moves the alias in one transaction; a summary that is only attached moves nothing.

        Raises:
            ForgedError: The server refuses.
            SourceError: It cannot be reached, or does not guard what it keeps.
        """
        resource, version = promoted.vsa.promotable.resource, promoted.vsa.version
        key, value = tag_of(promoted.bundle)
        tag = {"name": resource.model, "version": version, "key": key, "value": value}
        alias = {"name": resource.model, "alias": resource.stage, "version": version}
        where = f"models:/{resource.model}/{version}"
        self._ask("POST", "model-versions/set-tag", where, body=tag)
        self._ask("POST", "registered-models/alias", where, body=alias)
        if self._last(resource) != promoted.digest:
            raise SourceError("this MLflow server promotes without looking", where=self.place, hint=_GUARD)

    def _chain(self, resource: Resource) -> Iterator[Standing]:
        """Yield the summaries of a resource, each the one that the one before replaced."""
        digest = self._last(resource)
        bundles = self._bundles(resource) if digest else {}
        seen = set[str]()
        while digest is not None and digest not in seen:
            seen.add(digest)
            if digest not in bundles:
                yield Standing(resource=resource, version="", digest=digest)
                return
            version, bundle = bundles[digest]
            try:
                vsa = read_vsa(read_statement(read_bundle(bundle).envelope.payload))
            except WeighlockError as error:
                raise SourceError(f"the server has a summary that cannot be read: {error}", where=self.place) from error
            yield Standing(resource=resource, version=version, digest=digest, bundle=bundle, time=vsa.made)
            digest = vsa.previous

    def _last(self, resource: Resource) -> str | None:
        where = f"models:/{resource.model}"
        model = self._ask("GET", "registered-models/get", where, query={"name": resource.model}).get("registered_model")
        return _tags(model).get(f"{IN_FORCE}{resource.stage}")

    def _bundles(self, resource: Resource) -> dict[str, tuple[str, bytes]]:
        """Return every summary that hangs on a version of a model, by its digest."""
        found: dict[str, tuple[str, bytes]] = {}
        for row in self._versions(resource.model):
            for key, value in _tags(row).items():
                if key.startswith(VSA):
                    bundle = bundle_of(key, value)
                    found[f"sha256:{sha256(bundle).hexdigest()}"] = str(row.get("version")), bundle
        return found

    def _versions(self, model: str) -> Iterator[dict[str, Any]]:
        where, token = f"models:/{model}", ""
        mark = "'" if "'" not in model else '"'
        for _ in range(_MOST_PAGES):
            query = {"filter": f"name = {mark}{model}{mark}", "max_results": str(_PAGE), "page_token": token}
            answer = self._ask("GET", "model-versions/search", where, query=query)
            rows = answer.get("model_versions", [])
            yield from (row for row in rows if isinstance(row, dict) and row.get("name") == model)
            token = str(answer.get("next_page_token") or "")
            if not token:
                return
        raise SourceError(f"the server lists more than {_PAGE * _MOST_PAGES} versions", where=where)

    def _ask(
        self,
        method: str,
        endpoint: str,
        where: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        data = json.dumps(body).encode() if body is not None else b""
        headers = {**self._settings.headers, "Accept": "application/json", "Content-Type": "application/json"}
        url = f"{self._settings.registry}/api/2.0/mlflow/{endpoint}" + (f"?{urlencode(query)}" if query else "")
        headers |= {"Content-Length": str(len(data))} if data else {}
        answer = self._exchange.ask(method, url, headers, body=io.BytesIO(data) if data else None, most=_LARGEST)
        said = _parsed(answer.data)
        if answer.status == 200 and said is not None:
            return said
        why = str((said or {}).get("message") or f"it answers {answer.status}")[:1000]
        if answer.status == 403:
            raise ForgedError(f"the MLflow server refuses: {why}", where=where)
        hint = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" if answer.status == 401 else None
        raise SourceError(f"the MLflow server did not do it: {why}", where=where, hint=hint)

    def _digest(self, url: str, size: int | None, where: str) -> str:
        hasher, buffer, total = sha256(), memoryview(bytearray(1 << 20)), 0
        with self._exchange.get(url, self._settings.headers) as body:
            while count := body.read_into(buffer):
                total += count
                if size is not None and total > size:
                    raise SourceError("the server sends more than it lists", where=where)
                hasher.update(buffer[:count])
        if size is not None and total != size:
            raise SourceError("the server sends less than it lists", where=where)
        return hasher.hexdigest()


def _tags(row: object) -> dict[str, str]:
    tags = row.get("tags", []) if isinstance(row, dict) else []
    return {str(tag["key"]): str(tag.get("value", "")) for tag in tags if isinstance(tag, dict) and "key" in tag}


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
