"""Who sends the request that the server of MLflow works on.

A name in a request is believed where an application of MLflow asked for its password; an application that does not ask
lets everybody write any name into the header.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who sends a request.

    Args:
        user: Name of a user who was authenticated.
        host: Address that the request comes from; ``None`` outside of a request, as in a program that opens the
            database itself.
    """

    user: str | None = None
    host: str | None = None

    def __str__(self) -> str:
        return f"mlflow:{self.user or UNKNOWN}@{self.host or 'local'}"


def current_actor() -> Actor:
    """Return who sends the request of this thread."""
    flask = sys.modules.get("flask")
    if flask is None or not flask.has_request_context():
        return Actor()
    return Actor(user=_user(flask), host=flask.request.remote_addr)


def _user(flask: Any) -> str | None:
    asking = {asked.__module__ for asked in flask.current_app.before_request_funcs.get(None, ())}
    if "mlflow.server.auth" in asking:
        authorization = flask.request.authorization
        return None if authorization is None else authorization.username
    if any(module.startswith("mlflow_oidc_auth.") for module in asking):
        # Its middleware puts this in; a header of the request would begin with HTTP_.
        context = flask.request.environ.get("mlflow_oidc_auth")
        return getattr(context, "username", None)
    return None
