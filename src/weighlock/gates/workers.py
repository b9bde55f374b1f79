"""Several processes judge files, each one file at a time, so that a process that dies takes only its file with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.context import SpawnProcess

    from weighlock.gates.scan import Judge, Judged
    from weighlock.sources.disk import FoundFile

_PATIENCE = 2.0  # seconds


class _Worker:
    """One process and the file that it works on."""

    def __init__(self, judge: Judge) -> None:
        # A forked child would inherit threads' locks and whatever guards the parent; a fresh one starts clean.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_work, args=(theirs, judge), daemon=True)
        with _safe_path():
            self.process.start()
        theirs.close()
        self.file: FoundFile | None = None

    def give(self, file: FoundFile) -> None:
        """Start judging a file."""
        self.file = file
        try:
            self.connection.send(file)
        except OSError:
            # It died while idle. Reading from it fails as well, and that is where the death is noticed.
            return

    def take(self) -> Judged | None:
        """Return the judgement, or nothing where the process died."""
        try:
            judged: Judged = self.connection.recv()
        except (EOFError, OSError):
            return None
        return judged

    def stop(self) -> None:
        """End the process: an idle one returns when its connection closes, a busy one is not waited for."""
        self.connection.close()
        if self.file is None:
            self.process.join(_PATIENCE)
        self.process.terminate()
        self.process.join()


def judge_in_processes(files: Sequence[FoundFile], judge: Judge, processes: int) -> Iterator[Judged]:
    """Judge files in several processes.

    Args:
        files: What to judge.
        judge: How.
        processes: How many.

    Yields:
        One judgement for each file, in the order in which they come in.
    """
    waiting = list(reversed(files))
    workers = [_Worker(judge) for _ in range(processes)]
    try:
        for worker in workers:
            worker.give(waiting.pop())
        while busy := {worker.connection: worker for worker in workers if worker.file}:
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                file, judged = worker.file, worker.take()
                worker.file = None
                if file is None:
                    continue
                if judged is None:
                    judged = judge.unverifiable(file, "the process that judged it died")
                    worker.stop()
                    workers[workers.index(worker)] = worker = _Worker(judge)
                if waiting:
                    worker.give(waiting.pop())
                yield judged
    finally:
        for worker in workers:
            worker.stop()


@contextmanager
def _safe_path() -> Iterator[None]:
    """Let a fresh interpreter not look for modules in the current folder, which may be the one that is scanned."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def _work(connection: Connection, judge: Judge) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair, which ends this process
    try:
        while True:
            file: FoundFile = connection.recv()
            connection.send(judge(file))
    except (EOFError, OSError):
        return  # the parent has no more work, or is gone
