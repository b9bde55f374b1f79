"""The promotion gate inside an MLflow server: ``mlflow server --registry-store-uri weighlock+sqlite:////…``.

MLflow loads this module in each process that imports MLflow, in those of clients as well, so that it imports nothing.
"""

from __future__ import annotations

from typing import Any


def open_store(store_uri: str) -> Any:
    """Return the registry store that MLflow asks for by the scheme of an address.

    Args:
        store_uri: ``weighlock+sqlite:…`` or ``weighlock+postgresql:…``, and what SQLAlchemy takes after the ``+``.

    Raises:
        WeighlockError: There is no policy by which anything could be promoted, so that the server must not start.
    """
    from weighlock.errors import PolicyError
    from weighlock.registry.mlflow.store import GuardedStore

    try:
        return GuardedStore(store_uri)
    except PolicyError as error:
        # MLflow prints the text alone, and whoever starts the server needs the next step.
        hint = f"; hint: {error.hint}" if error.hint else ""
        raise PolicyError(f"{error.message}{hint}", where=error.where, hint=error.hint) from None


def open_artifacts(artifact_uri: str, tracking_uri: Any = None, registry_uri: Any = None) -> Any:
    """Return the artifact repository that MLflow asks for by the scheme ``weighlock+file:``.

    Args:
        artifact_uri: ``weighlock+file:///folder``.
        tracking_uri: For MLflow.
        registry_uri: For MLflow.
    """
    from weighlock.registry.mlflow.sealed import SealedArtifacts

    return SealedArtifacts(artifact_uri, tracking_uri, registry_uri)
