"""Reads the pickles of a source, one after the other, as each of the unpicklers would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.allowlist.interpreter import Interpreter
from weighlock.allowlist.numpy import JOBLIB_ARRAY
from weighlock.allowlist.trace import PickleTrace, Role
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.formats.joblib import JoblibMachine
from weighlock.formats.pickle.machine import Machine
from weighlock.formats.pickle.window import Window
from weighlock.formats.source import BytesSource
from weighlock.formats.torch_legacy import LEGACY
from weighlock.inspector.torch_legacy import LegacyFiles

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighlock.formats.pickle.memo import Memo
    from weighlock.formats.source import Budget, Source, Stream

# What starting one more pickle in a row costs of the budget for opcodes.
_START_COST = 256

# dbm.dumb, and so shelve, begins each value at such a multiple; zeros fill the gaps.
_BLOCK = 512


# The number of items that the memory of a storage begins with.
_COUNT = 8


@dataclass(slots=True)
class Row:
    """Pickles that lie one after the other in a source.

    Args:
        traces: Of those that count: none where the bytes are not a pickle. A trace with a failure or with something
            over budget is the last one.
        end: Where the last one that succeeded stops, or the memory behind it; something else may begin there.
        followed: There are bytes behind the first one.
        memo: Of the unpickler that read the first one.
        rest: Where another row may begin, behind the memory of a torch file; ``None`` where there is no such memory.
        memory: Where such memory begins that `pickle.load` would get through the first bytes of, else ``None``.
    """

    traces: list[PickleTrace] = field(default_factory=list)
    end: int = 0
    followed: bool = False
    memo: Memo | None = None
    rest: int | None = None
    memory: int | None = None


def read_pickles(source: Source, budget: Budget, loader: str = "pickle") -> Row:
    """Execute, symbolically, every pickle that an unpickler would read from `source`.

    Args:
        source: The bytes.
        budget: What it may cost.
        loader: Whose pickles these are where they are not a file of torch.
    """
    files = LegacyFiles()
    whole = _part(source, budget, loader, files, 0)
    rest = whole.rest
    while rest is not None:
        part = _part(source, budget, loader, files, rest)
        whole.traces += part.traces
        whole.end, rest = part.end, part.rest
    return whole


def _part(source: Source, budget: Budget, loader: str, files: LegacyFiles, start: int) -> Row:
    """Read pickles up to where the memory of a torch file ends, or the source does."""
    row = _row(source, budget, Machine, loader, first=start, files=files)
    if row.followed and any(trace.loader != LEGACY for trace in row.traces):
        row.traces = _reused(source, budget, loader, row)
    if row.memory is not None:
        row.traces += _by_chance(source, budget, row.memory)
    if any(JOBLIB_ARRAY in trace.imports for trace in row.traces):
        if any(trace.loader == LEGACY for trace in row.traces):
            row.traces[-1].exhausted = "arrays of joblib stand among the pickles of torch"
        # To pickle.load the arrays in the stream are opcodes. Where they make sense, that reading counts as well.
        joblib = _row(source, budget, JoblibMachine, "joblib", first=start)
        joblib.traces += _beyond(row.traces, joblib.traces)
        return joblib
    return row


def _reused(source: Source, budget: Budget, loader: str, row: Row) -> list[PickleTrace]:
    # Also read as by one unpickler for all pickles of the row, whose memo lives on.
    again = _row(source, budget, Machine, loader, first=row.traces[0].end, memo=row.memo).traces
    starts = {trace.start for trace in again if trace.failure is None}
    broken = [trace for trace in row.traces if trace.failure and trace.start in starts]
    harmless = [trace for trace in broken if trace not in _beyond(broken, again)]
    kept = [trace for trace in row.traces if trace not in harmless]
    known = {trace.start for trace in kept}
    return [
        *kept,
        *_beyond([trace for trace in again if trace.start in known], kept),
        *(trace for trace in again if trace.start not in known),
    ]


def read_pickle(stream: Stream, budget: Budget, loader: str) -> PickleTrace | None:
    """Execute, symbolically, the one pickle that `stream` stands at."""
    interpreter = Interpreter(loader)
    execute(Machine(Window(stream, budget), interpreter), interpreter.trace)
    return interpreter.trace if _counts(interpreter.trace) else None


def _row(
    source: Source,
    budget: Budget,
    kind: type[Machine],
    loader: str,
    *,
    first: int = 0,
    memo: Memo | None = None,
    files: LegacyFiles | None = None,
) -> Row:
    window = Window(source.open(), budget)
    window.skip(first)
    row = Row(end=first)
    if first and files:
        _pass_gap(window)
    while window.peek(1) and row.rest is None:
        row.followed = bool(row.traces)
        interpreter = Interpreter(LEGACY if files and files.is_open else loader)
        trace = interpreter.trace
        machine = (files.machine if files else kind)(window, interpreter, memo)
        result = execute(machine, trace)
        if not _counts(trace) and not ((first or row.traces) and _imports_something(trace)):
            break
        row.traces.append(trace)
        row.memo = row.memo or machine.memo
        if not trace.failure and not trace.exhausted:
            row.end = trace.end
            if files:
                _follow(files, row, machine, result)
        if trace.failure or trace.exhausted:
            return row
        if not files or not files.is_open:
            _pass_gap(window)
    if files and files.is_open:
        row.traces[-1].exhausted = "torch.load reads five pickles, and there are fewer"
    return row


def _follow(files: LegacyFiles, row: Row, machine: Machine, result: object) -> None:
    """Find out whether a torch file begins, goes on or ends with the last pickle of `row`, and pass its memory."""
    trace, window = row.traces[-1], machine.window
    try:
        ends = files.follow(trace, result)
        if files.is_open:
            trace.loader = LEGACY
        if not ends:
            return
        row.memory = window.offset if _runs_on(window) else None
        files.pass_memory(machine, trace, result)
        row.end = row.rest = window.offset
    except (FormatError, OverBudgetError) as error:
        trace.exhausted = f"what torch.load would read is not known: {error.message}"


def _runs_on(window: Window) -> bool:
    """Tell whether `pickle.load` gets through the first bytes of memory, which nearly always fail as an opcode."""
    head = window.peek(_COUNT)
    ahead = Window(BytesSource(head).open(), window.budget)
    interpreter = Interpreter("pickle")
    execute(Machine(ahead, interpreter), interpreter.trace)
    return bool(head) and (ahead.ended or not interpreter.trace.failure or bool(interpreter.trace.imports))


def _by_chance(source: Source, budget: Budget, start: int) -> list[PickleTrace]:
    # Memory that reads like a pickle does so by chance, unless it gets to code: then pickle.load in a loop runs it.
    traces = _row(source, budget, Machine, "pickle", first=start).traces
    return [trace for trace in traces if trace.exhausted or trace.calls or _imports_something(trace)]


def _pass_gap(window: Window) -> None:
    gap = -window.offset % _BLOCK
    if gap and window.peek(1) == b"\0" and not any(window.peek(gap)):
        window.skip(min(gap, len(window.peek(gap))))


def execute(machine: Machine, trace: PickleTrace) -> object:
    """Execute one pickle, note in the trace how far that got, and return what the pickle comes to."""
    window = machine.window
    trace.start = window.offset
    result = None
    try:
        window.budget.spend("opcodes", _START_COST)
        result = machine.run()
    except FormatError as error:
        trace.failure = error.message
    except (OverBudgetError, UnsupportedError) as error:
        trace.exhausted = error.message
    finally:
        window.on_fill = None
    trace.marked = machine.began_with_proto and machine.executed > 1
    trace.end = window.offset
    return result


def _counts(trace: PickleTrace) -> bool:
    """Tell whether the bytes are a pickle: one unpickler gets through, or gets as far as code.

    Nearly any text begins with a few opcodes. Where all unpicklers fail before anything was called, and nothing but
    unknown modules was imported, nothing has happened.
    """
    if trace.failure is None or trace.marked:
        return True
    dangerous = any(item.role is Role.DANGEROUS for item in trace.imports.values())
    return bool(trace.calls or dangerous)


def _imports_something(trace: PickleTrace) -> bool:
    """Tell whether a name was imported that a module could have; behind a pickle such text is no accident."""
    return any(all(part.isidentifier() for part in name.split(".")) for name in trace.imports)


def _beyond(traces: Iterable[PickleTrace], others: Iterable[PickleTrace]) -> list[PickleTrace]:
    """Return those that reach code that the others do not, or could not be judged to their end."""
    names: set[str] = set()
    events: set[object] = set()
    for other in others:
        names.update(other.imports)
        events.update(_events(other))
    return [trace for trace in traces if trace.exhausted or _events(trace) - events or _names(trace) - names]


def _events(trace: PickleTrace) -> set[object]:
    events: set[object] = {*trace.breaches, *trace.evasions}
    events.update(nested for nested in trace.nested if nested.loaded)
    if trace.failure is None:
        events.update(trace.persistent)
    return events


def _names(trace: PickleTrace) -> set[str]:
    if trace.failure and not trace.calls:
        return set()
    return {name for name, item in trace.imports.items() if item.role is not Role.DATA}
