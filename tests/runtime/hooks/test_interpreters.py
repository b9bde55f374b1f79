"""A new interpreter inside a guarded process is guarded, or does not start."""

from __future__ import annotations

import importlib

import pytest

from tests.runtime.venvs import ATTACK
from weighlock.errors import LoadRefused

NAMES = ("_interpreters", "_xxsubinterpreters")


def _interpreters():
    for name in NAMES:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    pytest.skip("this Python has no subinterpreters")


interpreters = _interpreters()
EARLY = (interpreters.create,)
create = interpreters.create


def test_a_program_that_activated_the_guard_starts_no_interpreter(bench):
    bench.guard()
    for start in (interpreters.create, globals()["create"]):
        with pytest.raises(LoadRefused, match=r"a subinterpreter\n(.|\n)*hint: weighlock activate"):
            start()


@pytest.mark.skipif(interpreters.__name__ != "_xxsubinterpreters", reason="newer versions raise no audit event")
def test_a_reference_that_nothing_reaches_starts_none_either(bench):
    bench.guard()
    with pytest.raises(RuntimeError, match="creation failed"):
        EARLY[0]()


def test_warn_says_it_and_lets_through(bench, capsys):
    bench.guard("warn")
    interpreters.destroy(interpreters.create())
    assert "no start-up file would guard it" in capsys.readouterr().err


def test_without_the_guard_interpreters_start(bench):
    bench.guard()
    import weighlock.runtime

    weighlock.runtime.uninstall()
    interpreters.destroy(interpreters.create())


@pytest.mark.e2e
def test_where_start_up_files_guard_every_interpreter_a_new_one_starts_and_refuses_a_payload(venv):
    venv.lock()
    venv.write()
    code = f"import {interpreters.__name__} as i; i.run_string(i.create(), {ATTACK!r})"
    done = venv.run("-c", code)
    assert done.stdout == "LoadRefused\n", done.stderr
    assert not (venv.folder / "marker").exists()
