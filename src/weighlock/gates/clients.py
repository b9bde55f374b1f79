"""Which client asks for a kind of source: the one place that knows them all.

The other side, which store keeps its files, is said in `weighlock.gates.places`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from weighlock.errors import UsageError
from weighlock.model_source import HubRequest, HubSource, MlflowRequest, MlflowSource, OciRequest, UrlSource
from weighlock.sources.hub import Hub
from weighlock.sources.mlflow import MlflowRegistry
from weighlock.sources.url import Urls

if TYPE_CHECKING:
    from weighlock.model_source import ModelSource, ModelTarget
    from weighlock.sources.interface import Client


class Clients:
    """The clients of one command, each made when it is needed first.

    Args:
        allow_http: Other machines may be asked without encryption.
    """

    def __init__(self, *, allow_http: bool = False) -> None:
        self._allow_http = allow_http

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
            case MlflowSource() | MlflowRequest():
                return self._mlflow
            case OciRequest():
                raise UsageError("is of a kind that this weighlock cannot bring", where=str(subject))
            case _:
                raise UsageError("is of a kind that this weighlock cannot bring", where=subject.shown)

    @cached_property
    def _hub(self) -> Hub:
        return Hub()

    @cached_property
    def _mlflow(self) -> MlflowRegistry:
        return MlflowRegistry(allow_http=self._allow_http)

    @cached_property
    def _urls(self) -> Urls:
        return Urls(allow_http=self._allow_http)
