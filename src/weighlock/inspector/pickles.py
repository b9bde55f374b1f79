"""Reads the pickles of a source, one after the other, as each of the unpicklers would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.interpreter import Interpreter
from weighlock.allowlist.numpy import JOBLIB_ARRAY
from weighlock.allowlist.trace import Role
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.formats.joblib import JoblibMachine
from weighlock.formats.pickle.machine import Machine
from weighlock.formats.pickle.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.allowlist.trace import PickleTrace
    from weighlock.formats.source import Budget, Source, Stream

# torch/serialization.py, _legacy_save: the first of five pickles; the bytes of the tensors follow the fifth.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PICKLES = 5

# What starting one more pickle in a row costs of the budget for opcodes.
_START_COST = 256


def read_pickles(source: Source, budget: Budget) -> list[PickleTrace]:
    """Execute, symbolically, every pickle that an unpickler would read from `source`.

    Returns:
        The traces that count: none where the bytes are not a pickle. A trace with a failure or with something over
        budget is the last one of its reading.
    """
    plain = list(_row(source.open(), budget, Machine, "pickle"))
    if not any(JOBLIB_ARRAY in trace.imports for trace in plain):
        return plain
    as_joblib = list(_row(source.open(), budget, JoblibMachine, "joblib"))
    # To pickle.load the arrays in the stream are opcodes. They rarely make sense; where they do, that reading counts.
    return [*as_joblib, *(trace for trace in plain if _beyond(trace, as_joblib))]


def read_pickle(stream: Stream, budget: Budget, loader: str) -> PickleTrace | None:
    """Execute, symbolically, the one pickle that `stream` stands at."""
    trace = _execute(Window(stream, budget), Machine, loader)
    return trace if _counts(trace) else None


def _row(stream: Stream, budget: Budget, machine: type[Machine], loader: str) -> Iterator[PickleTrace]:
    window = Window(stream, budget)
    legacy = False
    count = 0
    while window.peek(1):
        trace = _execute(window, machine, loader)
        if not _counts(trace):
            return
        count += 1
        legacy = legacy or (count == 1 and trace.result == _LEGACY_MAGIC)
        if legacy:
            trace.loader = "torch-legacy"
        yield trace
        if trace.failure or trace.exhausted or (legacy and count == _LEGACY_PICKLES):
            return


def _execute(window: Window, machine: type[Machine], loader: str) -> PickleTrace:
    interpreter = Interpreter(loader)
    trace = interpreter.trace
    trace.start = window.offset
    run = machine(window, interpreter)
    try:
        window.budget.spend("opcodes", _START_COST)
        trace.result = run.run()
    except FormatError as error:
        trace.failure = error.message
    except (OverBudgetError, UnsupportedError) as error:
        trace.exhausted = error.message
    finally:
        window.on_fill = None
    trace.marked = run.began_with_proto and run.executed > 1
    trace.end = window.offset
    return trace


def _counts(trace: PickleTrace) -> bool:
    """Tell whether the bytes are a pickle: one unpickler gets through, or gets as far as code.

    Nearly any text begins with a few opcodes. Where all unpicklers fail before anything was called, and nothing but
    unknown modules was imported, nothing has happened.
    """
    if trace.failure is None or trace.marked:
        return True
    dangerous = any(item.role is Role.DANGEROUS for item in trace.imports.values())
    return bool(trace.calls or dangerous)


def _beyond(trace: PickleTrace, others: list[PickleTrace]) -> bool:
    """Tell whether a reading reaches code that the others do not, or could not be judged to its end."""
    if trace.exhausted:
        return True
    known = {name for other in others for name in other.imports}
    events = {(event.message, event.offset) for other in others for event in (*other.breaches, *other.evasions)}
    more = {(event.message, event.offset) for event in (*trace.breaches, *trace.evasions)} - events
    return bool(more) or any(
        name not in known and item.role is not Role.DATA and (trace.failure is None or trace.calls)
        for name, item in trace.imports.items()
    )
