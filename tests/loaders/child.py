"""One column of the matrix: loads every row in one kind of process and says what came of each."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import warnings
from pathlib import Path

from tests.loaders.matrix import Column, selected


def main(arguments: list[str]) -> None:
    """Load the rows.

    Args:
        arguments: The column, where to write the answers, and the names of the rows as JSON.
    """
    column, output, names = Column.parse(arguments[0]), arguments[1], json.loads(arguments[2])
    warnings.simplefilter("ignore")
    if column.guard == "early":
        _activate()
    bound = {} if column.guard == "early" and column.process == "spawn" else _bind(names)
    if column.guard == "late":
        _activate()
    if column.process == "plain":
        _load(bound, output)
    elif column.process == "fork":
        if not os.fork():
            _load(bound, output)
            os._exit(0)
        os.wait()
    elif column.process == "spawn":
        process = multiprocessing.get_context("spawn").Process(target=_load_all, args=(names, output))
        process.start()
        process.join()
    else:
        _load_in_subinterpreter(names, output)


def _activate() -> None:
    import weighlock

    weighlock.activate()


def _bind(names: list[str]) -> dict[str, object]:
    bound: dict[str, object] = {}
    for row in selected(names):
        try:
            bound[row.name] = row.bind()
        except BaseException as error:  # noqa: BLE001 - an import that the guard refuses is an answer
            bound[row.name] = error
    return bound


def _load_all(names: list[str], output: str) -> None:
    warnings.simplefilter("ignore")
    _load(_bind(names), output)


def _load(bound: dict[str, object], output: str) -> None:
    with open(output, "a", encoding="utf-8") as file:
        for row in selected(list(bound)):
            with contextlib.redirect_stdout(sys.stderr):
                said = _said(row, bound[row.name])
            file.write(json.dumps([row.name, said]) + "\n")
            file.flush()


def _said(row, load) -> str:
    problem: BaseException | None = load if isinstance(load, BaseException) else None
    try:
        if problem is None:
            load(Path(row.slug))
    except BaseException as error:  # noqa: BLE001 - a loader may fail in any way
        problem = error
    if Path(row.marker).exists() or (row.locked and problem is None):
        return "ran"
    if type(problem).__module__ == "weighlock.errors":
        return "refused"
    return f"failed: {type(problem).__name__}: {problem}" if problem else "nothing happened"


def _load_in_subinterpreter(names: list[str], output: str) -> None:
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters  # type: ignore[import-not-found,no-redef]
    try:
        one = interpreters.create()
    except BaseException as error:  # noqa: BLE001 - see above
        said = "refused" if type(error).__module__ == "weighlock.errors" else f"failed: {error}"
        Path(output).write_text("".join(json.dumps([name, said]) + "\n" for name in names))
    else:
        code = f"import sys; sys.path[:0] = {sys.path!r}\n"
        code += f"from tests.loaders.child import _load_all; _load_all({names!r}, {output!r})"
        interpreters.run_string(one, code)


if __name__ == "__main__":
    main(sys.argv[1:])
