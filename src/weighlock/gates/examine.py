"""Many wheels are examined at once, and a large one in shares, each in a process of its own.

Whatever becomes of a process that examines one, the wheel is answered for: where it dies, or works for longer than any
honest wheel takes, the wheel is unverifiable.
"""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.digests import cores
from weighlock.errors import SourceError, WeighlockError
from weighlock.finding import unverifiable
from weighlock.formats.python.text import uncollected
from weighlock.formats.source import FileSource
from weighlock.inspector.packages import Examination, examine_wheel, joined_examination, judge_placement
from weighlock.install_policy import canonical_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from weighlock.artifact import PackageFile
    from weighlock.executors.interface import Engine
    from weighlock.finding import Finding

_SHARED = 4 << 20
"""Bytes from which a wheel is examined in shares."""

_WORTH_A_PROCESS = 3 << 20
"""Bytes below which all wheels together are examined sooner than another process has started."""

_LONGEST = 300
"""Seconds of a processor that a share of a wheel may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelJob:
    """A wheel to examine.

    Args:
        path: Where its bytes lie, in a folder that nobody else can write to.
        filename: What it is called.
        expected: What an index or a resolver said it is.
        said: Core metadata that a resolver went by, as in pip's report.
        owners: Which distribution owns each file of the environment that it would be installed into.
    """

    path: str
    filename: str
    expected: PackageFile | None = None
    said: Mapping[str, object] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Share:
    number: int
    job: WheelJob
    share: tuple[int, int] = (0, 1)


def examine_wheels(
    jobs: Sequence[WheelJob], engine: Engine | None = None, progress: Callable[[int, int], None] | None = None
) -> list[Examination]:
    """Examine wheels.

    Args:
        jobs: The wheels.
        engine: Where; by default as many processes of this machine as it has processors for us, and none for little.
        progress: Called with how many pieces of work are done and how many there are.

    Returns:
        One examination for each wheel, in their order. What goes wrong with one makes that one unverifiable.

    Raises:
        WeighlockError: An engine that was given cannot be started or reached.
    """
    sizes = [_size(job.path) for job in jobs]
    shares = list(_shares(jobs, sizes, engine.workers if engine is not None else cores()))
    parts: list[list[Examination]] = [[] for _ in jobs]
    for done, (number, examination) in enumerate(_examined(shares, sum(sizes), engine), 1):
        parts[number].append(examination)
        if progress is not None:
            progress(done, len(shares))
    return [one[0] if len(one) == 1 else joined_examination(one) for one in parts]


def clashes(jobs: Sequence[WheelJob], examinations: Sequence[Examination]) -> list[tuple[Finding, ...]]:
    """Return what is found where wheels that are installed at once would take the place of files of one another.

    Args:
        jobs: The wheels.
        examinations: Of them, in their order.

    Raises:
        WeighlockError: A wheel cannot be read any more.
    """
    holders: dict[str, list[int]] = defaultdict(list)
    for number, examination in enumerate(examinations):
        for place in examination.places:
            holders[place].append(number)
    others: dict[int, dict[str, str]] = defaultdict(dict)
    for place, (first, *more) in holders.items():
        for number in more:
            others[number][place] = _name(jobs[first])
            others[first][place] = _name(jobs[number])
    for number, examination in enumerate(examinations):
        for place in examination.before & holders.keys():
            for holder in holders[place]:
                if holder != number:
                    others[number][place] = _name(jobs[holder])
    return [_clash(job, others[number]) if others.get(number) else () for number, job in enumerate(jobs)]


def _clash(job: WheelJob, owners: Mapping[str, str]) -> tuple[Finding, ...]:
    try:
        with open(job.path, "rb") as file:
            source = FileSource(file.fileno(), os.fstat(file.fileno()).st_size)
            return judge_placement(source, job.filename, owners)
    except OSError as error:
        raise SourceError(f"cannot be read any more: {error.strerror}", where=job.filename) from error


def _name(job: WheelJob) -> str:
    return job.expected.name if job.expected is not None else canonical_name(job.filename.partition("-")[0])


def _shares(jobs: Sequence[WheelJob], sizes: Sequence[int], workers: int) -> Iterator[_Share]:
    """Yield the pieces of work, the largest ones first."""
    for number in sorted(range(len(jobs)), key=lambda number: -sizes[number]):
        count = max(1, workers) if sizes[number] >= _SHARED else 1
        for which in range(count):
            yield _Share(number, jobs[number], (which, count))


def _examined(shares: Sequence[_Share], size: int, engine: Engine | None) -> Iterator[tuple[int, Examination]]:
    if engine is None and (size < _WORTH_A_PROCESS or cores() < 2):
        return map(_examine, shares)
    from weighlock.executors.processes import Processes
    from weighlock.executors.spread import spread

    return spread(_examine_in_time, shares, engine or Processes(cores()), _lost)


def _examine_in_time(share: _Share) -> tuple[int, Examination]:
    """Examine a share in a worker, which ends when it takes too long: that is a death like any other."""
    if not hasattr(signal, "setitimer"):
        return _examine(share)
    signal.setitimer(signal.ITIMER_PROF, _LONGEST)
    try:
        return _examine(share)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _examine(share: _Share) -> tuple[int, Examination]:
    try:
        descriptor = os.open(share.job.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return _unverifiable(share, f"it cannot be opened: {error.strerror or type(error).__name__}")
    try:
        source = FileSource(descriptor, os.fstat(descriptor).st_size)
        job = share.job
        with uncollected():
            return share.number, examine_wheel(
                source,
                job.filename,
                expected=job.expected,
                owners=job.owners,
                said=job.said,
                share=share.share,
            )
    except WeighlockError as error:
        return _unverifiable(share, str(error))
    except Exception as error:  # noqa: BLE001 - not knowing is a reason to deny, and the other wheels still count
        return _unverifiable(share, f"examining it failed with {type(error).__name__}: {error}")
    finally:
        os.close(descriptor)


def _lost(share: _Share, why: str) -> tuple[int, Examination]:
    return _unverifiable(share, why)


def _unverifiable(share: _Share, why: str) -> tuple[int, Examination]:
    return share.number, Examination(inspection=unverifiable(why))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
