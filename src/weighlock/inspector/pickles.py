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

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighlock.formats.pickle.memo import Memo
    from weighlock.formats.source import Budget, Source, Stream

# torch/serialization.py, _legacy_save: the first of five pickles; the bytes of the tensors follow the fifth.
_LEGACY = "torch-legacy"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PICKLES = 5

# What starting one more pickle in a row costs of the budget for opcodes.
_START_COST = 256

# dbm.dumb, and so shelve, begins each value at such a multiple; zeros fill the gaps.
_BLOCK = 512


@dataclass(slots=True)
class Row:
    """Pickles that lie one after the other in a source.

    Args:
        traces: Of those that count: none where the bytes are not a pickle. A trace with a failure or with something
            over budget is the last one.
        end: Where the last one that succeeded stops; something else may begin there.
        followed: There are bytes behind the first one.
        memo: Of the unpickler that read the first one.
    """

    traces: list[PickleTrace] = field(default_factory=list)
    end: int = 0
    followed: bool = False
    memo: Memo | None = None


def read_pickles(source: Source, budget: Budget) -> Row:
    """Execute, symbolically, every pickle that an unpickler would read from `source`."""
    row = _row(source, budget, Machine, "pickle")
    if row.followed and row.traces[0].loader != _LEGACY:
        row.traces = _reused(source, budget, row)
    if any(JOBLIB_ARRAY in trace.imports for trace in row.traces):
        # To pickle.load the arrays in the stream are opcodes. Where they make sense, that reading counts as well.
        joblib = _row(source, budget, JoblibMachine, "joblib")
        joblib.traces += _beyond(row.traces, joblib.traces)
        return joblib
    return row


def _reused(source: Source, budget: Budget, row: Row) -> list[PickleTrace]:
    # Also read as by one unpickler for all pickles of the row, whose memo lives on.
    again = _row(source, budget, Machine, "pickle", first=row.traces[0].end, memo=row.memo).traces
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
    _execute(Machine(Window(stream, budget), interpreter), interpreter.trace)
    return interpreter.trace if _counts(interpreter.trace) else None


def _row(
    source: Source, budget: Budget, kind: type[Machine], loader: str, *, first: int = 0, memo: Memo | None = None
) -> Row:
    window = Window(source.open(), budget)
    window.skip(first)
    row = Row(end=first)
    while window.peek(1):
        row.followed = bool(row.traces)
        interpreter = Interpreter(loader)
        trace = interpreter.trace
        machine = kind(window, interpreter, memo)
        result = _execute(machine, trace)
        if not _counts(trace) and not (row.traces and _imports_something(trace)):
            break
        row.traces.append(trace)
        if trace.failure or trace.exhausted:
            break
        row.end = trace.end
        if len(row.traces) == 1:
            row.memo = machine.memo
            loader = _LEGACY if result == _LEGACY_MAGIC else loader
            trace.loader = loader
        if loader == _LEGACY and len(row.traces) == _LEGACY_PICKLES:
            break
        _pass_gap(window)
    return row


def _pass_gap(window: Window) -> None:
    gap = -window.offset % _BLOCK
    if gap and window.peek(1) == b"\0" and not any(window.peek(gap)):
        window.skip(min(gap, len(window.peek(gap))))


def _execute(machine: Machine, trace: PickleTrace) -> object:
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
