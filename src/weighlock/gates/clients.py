"""Which client asks for a kind of source: the one place that knows them all.

The other side, which store keeps its files, is said in `weighlock.gates.places`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from weighlock.errors import UsageError
from weighlock.model_source import (
    HubRequest,
    HubSource,
    MlflowRequest,
    MlflowSource,
    OciRequest,
    OciSource,
    PathSource,
    UrlSource,
)
from weighlock.sources.hub import Hub
from weighlock.sources.interface import Silence
from weighlock.sources.mlflow import MlflowRegistry
from weighlock.sources.oci.cache import OciCache
from weighlock.sources.transport import Transport
from weighlock.sources.url import Urls

if TYPE_CHECKING:
    from weighlock.model_source import ModelSource, ModelTarget
    from weighlock.sources.interface import Client, Progress
    from weighlock.sources.oci.models import OciModels


class Clients:
    """The clients of one command, each made when it is needed first.

    Args:
        allow_http: Other machines may be asked without encryption.
        transport: For what has to be downloaded to be listed.
        artifacts: Where that waits.
        progress: Is told what happens.
    """

    def __init__(
        self,
        *,
        allow_http: bool = False,
        transport: Transport | None = None,
        artifacts: OciCache | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._allow_http = allow_http
        self._transport = transport or Transport(allow_http=allow_http)
        self._artifacts = artifacts or OciCache()
        self._progress = progress or Silence()

    def of(self, subject: ModelSource | ModelTarget) -> Client:
        """Return the client for what is asked for, or for what is locked.

        Raises:
            UsageError: No server has it.
        """
        match subject:
            case HubSource() | HubRequest():
                return self._hub
            case UrlSource():
                return self._urls
            case OciSource() | OciRequest():
                return self._registries
            case MlflowSource() | MlflowRequest():
                return self._mlflow
            case PathSource():
                raise UsageError("is where it is, and no server has it", where=subject.shown)

    @cached_property
    def _hub(self) -> Hub:
        return Hub()

    @cached_property
    def _mlflow(self) -> MlflowRegistry:
        return MlflowRegistry(allow_http=self._allow_http)

    @cached_property
    def _urls(self) -> Urls:
        return Urls(allow_http=self._allow_http)

    @cached_property
    def _registries(self) -> OciModels:
        from weighlock.sources.oci.models import OciModels
        from weighlock.sources.oci.registry import Registry

        registry = Registry(allow_http=self._allow_http)
        return OciModels(registry, self._transport, self._artifacts.quarantine, self._progress)
