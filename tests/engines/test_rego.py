"""Rego in a process of its own, under everything that may happen to a process, its policy and the program around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from importlib.resources import files
from pathlib import Path

import pytest

from tests.engines.asked import QUERY, question
from weighlock.engines import open_engines, rego_process
from weighlock.engines.asking import NO_POLICY
from weighlock.engines.rego import Rego
from weighlock.errors import PolicyError
from weighlock.evidence_policy import EngineChoice

pytest.importorskip("regopy", reason="regopy is not installed")

EXAMPLE = (files("weighlock.engines") / "examples" / "model.rego").read_text(encoding="utf-8")
HEAD = "package weighlock\nimport rego.v1\n"
DENY = HEAD + 'decision := {"allow": false, "reasons": ["never"]}'


@pytest.fixture
def policy(tmp_path):
    (tmp_path / "model.rego").write_text(EXAMPLE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def engine(policy):
    engine = Rego(str(policy), QUERY, 10)
    yield engine
    engine.close()


def pid(engine):
    return engine._process._process.pid


def test_one_process_answers_question_after_question(engine):
    assert engine.evaluate(question()).allow
    first = pid(engine)
    assert not engine.evaluate(question(evidence=[])).allow
    assert engine.evaluate(question()).allow
    assert pid(engine) == first


def test_what_was_asked_before_does_not_answer_the_next_question(engine):
    assert engine.evaluate(question()).allow
    answer = engine.evaluate(question(evidence=[]))
    assert answer.reasons == ("lock-entry was not shown for model.safetensors",)
    assert answer.remedy == f"show what the rules in {engine._path} require"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_timeout", 0.0)
        engine.evaluate(question())  # its answer may come in time, or is one that nobody waits for any more
    assert not engine.evaluate(question(evidence=[])).allow


def test_a_worker_that_was_killed_between_two_questions_is_replaced(engine):
    assert engine.evaluate(question()).allow
    os.kill(pid(engine), signal.SIGKILL)
    engine._process._process.wait()
    assert engine.evaluate(question()).allow


def test_a_worker_that_is_killed_while_it_works_denies(policy):
    busy = "busy := count([1 | some a in numbers.range(1, 2000); some b in numbers.range(1, 2000); a == -b])\n"
    (policy / "model.rego").write_text(
        f'{HEAD}{busy}decision := {{"allow": busy == 0, "reasons": []}} if input.gate == "load"', encoding="utf-8"
    )
    engine = Rego(str(policy), QUERY, 30)
    engine._current()
    process = engine._running(engine._policy)
    threading.Timer(0.1, process._process.kill).start()
    answer = engine.evaluate(question())
    assert not answer.allow
    assert "died" in answer.reasons[0]
    engine.close()


def test_an_interrupt_leaves_no_answer_behind_for_the_next_question(engine, monkeypatch):
    assert engine.evaluate(question()).allow

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rego_process.RegoProcess, "_receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.evaluate(question())
    assert not engine.evaluate(question(evidence=[])).allow


def test_an_answer_to_another_question_does_not_count(engine):
    assert engine.evaluate(question()).allow
    engine._process._number += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rego_process.json, "loads", lambda _: {"number": 1, "ok": True, "output": "{}"})
        answer = engine.evaluate(question())
    assert "something else" in answer.reasons[0]


@pytest.mark.parametrize("secret", ["PATH", "WEIGHLOCK_TEST_SECRET"])
def test_a_policy_sees_no_variable_of_the_user(policy, monkeypatch, secret):
    monkeypatch.setenv("WEIGHLOCK_TEST_SECRET", "s3cret")
    (policy / "model.rego").write_text(
        f'{HEAD}decision := {{"allow": false, "reasons": [x | some x, _ in opa.runtime().env]}}', encoding="utf-8"
    )
    engine = Rego(str(policy), QUERY, 10)
    answer = engine.evaluate(question())
    engine.close()
    assert secret not in " ".join(answer.reasons)


def test_a_policy_that_is_tightened_counts_from_the_next_question_on(engine, policy):
    before = engine.evaluate(question())
    assert before.allow
    (policy / "model.rego").write_text(DENY, encoding="utf-8")
    after = engine.evaluate(question())
    assert after.reasons == ("never",)
    assert after.stamp != before.stamp


def test_a_module_that_is_added_counts(engine, policy):
    assert engine.evaluate(question()).allow
    (policy / "more.rego").write_text(DENY, encoding="utf-8")
    assert not engine.evaluate(question()).allow


def test_a_policy_that_is_removed_while_it_runs_denies(engine, policy):
    assert engine.evaluate(question()).allow
    (policy / "model.rego").unlink()
    answer = engine.evaluate(question())
    assert not answer.allow
    assert answer.stamp.policy == NO_POLICY


def test_a_policy_that_cannot_be_parsed_is_named_with_its_line(engine, policy):
    (policy / "model.rego").write_text(f"{HEAD}\nallowed := [\n", encoding="utf-8")
    assert engine.evaluate(question()).reasons[0].startswith("model.rego:4: ")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_of_a_fork_starts_its_own_worker_while_another_thread_asks(engine):
    assert engine.evaluate(question()).allow
    first = pid(engine)
    with engine._lock:  # as if another thread were asking
        child = os.fork()
        if child == 0:
            good = engine.evaluate(question()).allow and pid(engine) != first
            engine.close()
            os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert engine.evaluate(question()).allow
    assert pid(engine) == first


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc to look into")
def test_no_worker_outlives_a_program_that_was_killed(policy):
    script = (
        "import os, sys; from weighlock.engines.rego import Rego; from weighlock.engines.interface import Question\n"
        f"engine = Rego({str(policy)!r}, {QUERY!r}, 10); engine.evaluate(Question(document={question().document!r}))\n"
        "print(engine._process._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    worker = int(done.stdout)
    for _ in range(500):
        if not os.path.exists(f"/proc/{worker}") or " Z " in Path(f"/proc/{worker}/stat").read_text(encoding="utf-8"):
            return
        time.sleep(0.01)
    pytest.fail("it is still there")


def test_threads_get_the_answers_to_their_own_questions(engine):
    wrong = []

    def ask(locked):
        asked = question() if locked else question(evidence=[])
        wrong.extend(locked for _ in range(20) if engine.evaluate(asked).allow is not locked)

    threads = [threading.Thread(target=ask, args=(bool(number % 2),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_nothing_is_started_before_the_first_question(policy):
    (engine,) = open_engines([EngineChoice(rego="model.rego")], str(policy))
    assert engine._process is None
    engine.close()


def test_without_regopy_the_engine_is_not_here(monkeypatch, policy):
    monkeypatch.setattr(rego_process.PathFinder, "find_spec", lambda *_: None)
    with pytest.raises(PolicyError, match="regopy") as caught:
        open_engines([EngineChoice(rego="model.rego")], str(policy))
    assert "weighlock[rego]" in caught.value.hint


def test_a_folder_of_the_program_does_not_stand_in_for_regopy(tmp_path, monkeypatch):
    (tmp_path / "regopy").mkdir()
    (tmp_path / "regopy" / "__init__.py").write_text("raise SystemExit('attack')", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert rego_process.folder_of_regopy() != str(tmp_path)


def test_python_that_is_not_there_denies(engine, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert "cannot be started" in engine.evaluate(question()).reasons[0]


def test_control_characters_of_a_name_go_through_the_rules_as_they_are(engine):
    name = 'a"b\\c\x1b[31m\u202e\u0000.safetensors'
    about = question().document["artifact"] | {"name": name}
    answer = engine.evaluate(question(artifact=about, evidence=[]))
    assert answer.reasons[0] == f"lock-entry was not shown for {name}"
