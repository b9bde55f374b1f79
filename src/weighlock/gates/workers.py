"""Several processes judge files, some at a time. A process that dies takes one file with it, and never drops one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.context import SpawnProcess

    from weighlock.gates.scan import Judge, Judged
    from weighlock.sources.disk import FoundFile

    Batch = Sequence[FoundFile]

_PATIENCE = 2.0
"""Seconds that an idle process gets to end by itself."""

_LARGEST_BATCH = 64
"""Files: enough to make the way between processes cheap, few enough to keep all of them busy until the end."""


class _Worker:
    """One process and the files that it works on."""

    def __init__(self, judge: Judge) -> None:
        # A forked child would inherit threads' locks and whatever guards the parent; a fresh one starts clean.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_work, args=(theirs, judge), daemon=True)
        with _sheltered():
            self.process.start()
        theirs.close()
        self.batch: Batch = ()

    def give(self, batch: Batch) -> None:
        """Start judging some files."""
        self.batch = batch
        try:
            self.connection.send(batch)
        except OSError:
            # It died while idle. Reading from it fails as well, and that is where the death is noticed.
            return

    def take(self) -> list[Judged] | None:
        """Return the judgements, or nothing where the process died."""
        try:
            judged: list[Judged] = self.connection.recv()
        except (EOFError, OSError):
            return None
        self.batch = ()
        return judged

    def stop(self) -> None:
        """End the process: an idle one returns when its connection closes, a busy one is not waited for."""
        self.connection.close()
        if not self.batch:
            self.process.join(_PATIENCE)
        self.process.terminate()
        self.process.join()


def judge_in_processes(files: Batch, judge: Judge, processes: int) -> Iterator[Judged]:
    """Judge files in several processes.

    Args:
        files: What to judge.
        judge: How.
        processes: How many.

    Yields:
        One judgement for each file, in the order in which they come in.
    """
    waiting = _batches(files, processes)
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.batch for worker in workers):
            workers += [_Worker(judge) for _ in range(min(len(waiting), processes - len(workers)))]
            for worker in workers:
                if waiting and not worker.batch:
                    worker.give(waiting.pop())
            for worker in _ready(workers):
                batch, judged = worker.batch, worker.take()
                if judged is not None:
                    yield from judged
                    continue
                worker.stop()
                workers.remove(worker)
                if len(batch) == 1:
                    yield judge.unverifiable(batch[0], "the process that judged it died")
                # Which of several files it died of is found out by judging each of them by itself.
                waiting += [[file] for file in batch if len(batch) > 1]
    finally:
        for worker in workers:
            worker.stop()


def _batches(files: Batch, processes: int) -> list[Batch]:
    size = min(_LARGEST_BATCH, max(1, len(files) // (processes * 4)))
    return [files[start : start + size] for start in range(0, len(files), size)][::-1]


def _ready(workers: list[_Worker]) -> list[_Worker]:
    """Wait until a process answers or dies."""
    answered = wait([worker.connection for worker in workers if worker.batch])
    return [worker for worker in workers if worker.connection in answered]


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


def _work(connection: Connection, judge: Judge) -> None:
    try:
        while True:
            batch: Batch = connection.recv()
            connection.send([judge(file) for file in batch])
    except (EOFError, OSError):
        return  # the parent has no more work, or is gone
