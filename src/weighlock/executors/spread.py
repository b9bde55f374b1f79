"""Spreads work over an engine, so that every item is worked on and answered for exactly once.

A worker that dies takes down what it worked on, and with some engines what others worked on as well. All of that comes
under suspicion and is done again, one item at a time and with nothing beside it: an item with which the worker dies
again is lost, and only that one.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import FIRST_COMPLETED, wait
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from weighlock.executors.interface import Engine

_T = TypeVar("_T")
_R = TypeVar("_R")

_LARGEST_BATCH = 64
"""Items: enough to make the way to a worker cheap, few enough to keep all of them busy until the end."""

_AHEAD = 2
"""Batches that wait for each worker, so that none is idle while an answer is on its way."""


def spread(
    work: Callable[[_T], _R], items: Sequence[_T], engine: Engine, lost: Callable[[_T, str], _R]
) -> Iterator[_R]:
    """Do work for every item.

    Args:
        work: Travels to the workers, and so must be picklable, as must items and answers.
        items: What to work on.
        engine: Where.
        lost: Answers for an item with which a worker died; is told why.

    Yields:
        One answer for each item, in the order in which they come in.

    Raises:
        WeighlockError: The engine cannot be started or reached.
        Exception: What `work` raised.
    """
    run = _Run(work, items, engine, lost)
    while run.is_unfinished:
        # An engine that broke is opened anew; one that only lost a worker goes on.
        with engine.open() as executor:
            yield from run.on(executor)


class _Run(Generic[_T, _R]):
    def __init__(
        self, work: Callable[[_T], _R], items: Sequence[_T], engine: Engine, lost: Callable[[_T, str], _R]
    ) -> None:
        self._work = work
        self._items = items
        self._engine = engine
        self._lost = lost
        self._waiting: deque[Sequence[_T]] | None = None
        self._suspects: deque[_T] = deque()

    @property
    def is_unfinished(self) -> bool:
        return self._waiting is None or bool(self._waiting or self._suspects)

    def on(self, executor: Executor) -> Iterator[_R]:
        """Work until all is done, or a worker dies, of which the executor may not recover."""
        if self._waiting is None:
            self._waiting = deque(_batches(self._items, self._engine.workers))
        if self._waiting:
            yield from self._in_batches(executor, self._waiting)
            if self._suspects or self._waiting:
                return
        while self._suspects:
            suspect = self._suspects[0]
            try:
                answers = executor.submit(_do, self._work, [suspect]).result()
            except Exception as error:
                if not self._engine.is_death(error):
                    raise
                answers = [self._lost(suspect, "the process that judged it died")]
                self._suspects.popleft()
                yield from answers
                return
            self._suspects.popleft()
            yield from answers

    def _in_batches(self, executor: Executor, waiting: deque[Sequence[_T]]) -> Iterator[_R]:
        running: dict[Future[list[_R]], Sequence[_T]] = {}
        broken = False
        while running or (waiting and not broken):
            while waiting and not broken and len(running) < self._engine.workers * _AHEAD:
                batch = waiting.popleft()
                try:
                    running[executor.submit(_do, self._work, batch)] = batch
                except Exception as error:
                    if not self._engine.is_death(error):
                        raise
                    waiting.appendleft(batch)
                    broken = True
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                batch = running.pop(future)
                try:
                    answers = future.result()
                except Exception as error:
                    if not self._engine.is_death(error):
                        raise
                    self._suspects.extend(batch)
                    continue
                yield from answers


def _do(work: Callable[[_T], _R], batch: Sequence[_T]) -> list[_R]:
    return [work(item) for item in batch]


def _batches(items: Sequence[_T], workers: int) -> Iterator[Sequence[_T]]:
    size = min(_LARGEST_BATCH, max(1, len(items) // (workers * 4)))
    return (items[start : start + size] for start in range(0, len(items), size))
