"""A Dask cluster, whose workers see the same files under the same names.

Whoever can speak to its scheduler can run code on its workers and answer in their place, so the cluster is trusted as
this machine is; Dask's own configuration says how it is reached over TLS.
"""

from __future__ import annotations

import logging
import re
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import weighlock
from weighlock.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

_PATIENCE = 20
"""Seconds to wait for the scheduler."""

_ADDRESS = re.compile(r"dask(?P<tls>\+tls)?://(?P<place>(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5})")

_INSTALL = "pip install 'weighlock[dask]'"


def parse_address(text: str) -> Dask:
    """Make the engine for an address as a person writes it, ``dask://HOST:PORT`` or ``dask+tls://HOST:PORT``.

    Raises:
        UsageError: It is none.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        hint = "write dask://HOST:PORT"
        raise UsageError(f"{text!r} is no address of a Dask scheduler", where="--executor", hint=hint)
    return Dask(f"{'tls' if match['tls'] else 'tcp'}://{match['place']}")


class Dask:
    """An engine on a cluster.

    Args:
        address: Of the scheduler, as Dask writes it, such as ``tcp://HOST:PORT``.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self.workers = 1

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Connect to the scheduler.

        Raises:
            UsageError: The extra is not installed.
            SourceError: No scheduler answers, it has no workers, or a worker has another weighlock.
        """
        client = self._connect()
        from distributed.comm import CommClosedError

        try:
            self.workers = self._require_workers(client)
            with client.get_executor(pure=False) as executor:
                yield executor
        except (CancelledError, CommClosedError) as error:
            hint = "start it again, and then this command"
            raise SourceError("the Dask scheduler went away", where=self._address, hint=hint) from error
        finally:
            client.close()

    @staticmethod
    def is_death(error: BaseException) -> bool:
        """Say whether workers died, as many as Dask puts up with, while they did this piece of work."""
        from distributed.scheduler import KilledWorker

        return isinstance(error, KilledWorker)

    def _connect(self) -> Any:
        try:
            from distributed import Client
        except ImportError:
            raise UsageError("Dask is not installed here", where=self._address, hint=_INSTALL) from None
        # What becomes of a worker is told by the report; its log belongs to the cluster.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            return Client(self._address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            hint = "start one with `dask scheduler`, or correct the address"
            raise SourceError(
                f"no Dask scheduler answers: {str(error) or type(error).__name__}", where=self._address, hint=hint
            ) from error

    def _require_workers(self, client: Any) -> int:
        """Return how many threads the workers have, once each of them has shown that it is the same weighlock."""
        hint = f"install weighlock {weighlock.__version__} where the workers run: {_INSTALL}"
        try:
            versions = client.run(_version, on_error="return")
        except OSError as error:
            raise SourceError(f"the Dask workers cannot be asked: {error}", where=self._address) from error
        if not versions:
            hint = f"start one with `dask worker {self._address}`"
            raise SourceError("the Dask scheduler has no workers", where=self._address, hint=hint)
        for worker, version in versions.items():
            if version != weighlock.__version__:
                shown = f"weighlock {version}" if isinstance(version, str) else f"no weighlock: {version}"
                raise SourceError(f"the worker {worker} has {shown}", where=self._address, hint=hint)
        return sum(client.nthreads().values())


def _version() -> str:
    return weighlock.__version__
