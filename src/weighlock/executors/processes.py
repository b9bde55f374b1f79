"""Processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_P = ParamSpec("_P")
_T = TypeVar("_T")

_PATIENCE = 2.0
"""Seconds that a process gets to end by itself."""


class Processes:
    """An engine of fresh interpreters.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @contextmanager
    def open(self) -> Iterator[_Pool]:
        """Give a pool whose processes start when there is work for them."""
        others = set(multiprocessing.active_children())
        # A forked child would inherit threads' locks and whatever guards the parent; a fresh one starts clean.
        with _sheltered():  # already a queue starts the resource tracker
            pool = _Pool(self.workers, multiprocessing.get_context("spawn"))
        try:
            yield pool
        finally:
            pool.shutdown(wait=not pool.is_busy, cancel_futures=True)
            _end(set(multiprocessing.active_children()) - others)

    @staticmethod
    def is_death(error: BaseException) -> bool:
        """Say whether a process of the pool died; all that was running in it is lost."""
        return isinstance(error, BrokenExecutor)


class _Pool(ProcessPoolExecutor):
    """A pool that shelters the processes which it starts, and knows whether any work is under way."""

    def __init__(self, workers: int, context: Any) -> None:
        super().__init__(workers, mp_context=context)
        self._given: list[Future[Any]] = []

    @property
    def is_busy(self) -> bool:
        """Whether a process works on something that nobody waits for any more."""
        return any(not future.done() for future in self._given)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Start a piece of work."""
        with _sheltered():
            future = super().submit(fn, *args, **kwargs)
        self._given = [one for one in self._given if not one.done()]
        self._given.append(future)
        return future


def _end(processes: set[Any]) -> None:
    """End processes: an idle one returns by itself, a busy one is not waited for."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()


@contextmanager
def _sheltered() -> Iterator[None]:
    """Let a fresh interpreter inherit two things.

    It does not look for modules in the current folder, which may be the one that is scanned. And Ctrl-C is the
    parent's affair, which ends its processes: the signal stays blocked in them from their first moment.
    """
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        resource_tracker.ensure_running()  # an interpreter as well; started later, it would unblock the signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before
