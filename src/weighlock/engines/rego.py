"""Rego, evaluated by regopy (rego-cpp) in a process of its own, which is kept for the next question.

1. The files of the policy are looked at; where they changed, they are read again and the process starts anew.
2. A new process is asked about nothing first, which the policy has to deny.
3. The question is asked, within its time; whoever does not answer in time is ended and has denied.
4. Only one result that is exactly a decision counts.
"""

from __future__ import annotations

import json
import os
import re
import threading
import weakref
from typing import TYPE_CHECKING

from weighlock.engines.asking import NO_POLICY, NOTHING, question_bytes, require_denial
from weighlock.engines.interface import Answer
from weighlock.engines.policy_files import PolicyFiles, look, read
from weighlock.engines.rego_process import RegoProcess, folder_of_regopy
from weighlock.engines.ruling import parse_strictly, ruling
from weighlock.errors import EngineError
from weighlock.verdict import Stamp

if TYPE_CHECKING:
    from weighlock.engines.interface import Question
    from weighlock.engines.ruling import Ruling

_START = 30.0
"""Seconds for the start of the process and the compilation of the policy."""
_MEMORY = 512 << 20
_ERROR = re.compile(r"\(error \d+:(?P<file>[^|\n]*)\|(?P<offset>\d+)\|\d+\s*\(errormsg \d+:(?P<message>[^)]*)\)")


class Rego:
    """Asks the rules of a file or a folder.

    Args:
        path: Of the file or folder.
        query: The rule that decides, such as ``data.weighlock.decision``.
        timeout: Seconds for one question.
        memory: Bytes that its process may take.

    Raises:
        PolicyError: regopy is not installed.
    """

    name = "rego"

    def __init__(self, path: str, query: str, timeout: float, *, memory: int = _MEMORY) -> None:
        self._path, self._query, self._timeout, self._memory = path, query, timeout, memory
        self._regopy = folder_of_regopy()
        self._process: RegoProcess | None = None
        self._policy: PolicyFiles | None = None
        self._lock = threading.Lock()
        _ENGINES.add(self)

    def evaluate(self, question: Question) -> Answer:
        """Answer, see `Engine.evaluate`."""
        with self._lock:
            stamp = Stamp(engine=self.name, policy=NO_POLICY)
            try:
                policy = self._current()
                stamp = Stamp(engine=self.name, policy=policy.digest)
                data = question_bytes(question.document)
                decided = self._decide(self._running(policy), data)
            except EngineError as error:
                return Answer(allow=False, stamp=stamp, reasons=(str(error),), remedy=error.hint)
            remedy = None if decided.allow else decided.remedy or f"show what the rules in {self._path} require"
            return Answer(allow=decided.allow, stamp=stamp, reasons=decided.reasons, remedy=remedy)

    def prove(self) -> str:
        """Compile the policy, ask it about nothing, and return its digest.

        Raises:
            EngineError: It cannot be read or compiled, or allows what says nothing.
        """
        with self._lock:
            policy = self._current()
            self._running(policy)
            return policy.digest

    def close(self) -> None:
        """End its process."""
        with self._lock:
            self._stop()

    def after_fork(self) -> None:
        """Start over in a child: the process is the parent's, and so was whoever held the lock."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None:
            process.forget()

    def _current(self) -> PolicyFiles:
        if self._policy is None or look(self._path) != self._policy.seen:
            self._policy = None
            self._stop()
            self._policy = read(self._path)
        return self._policy

    def _running(self, policy: PolicyFiles) -> RegoProcess:
        if self._process is not None and self._process.alive:
            return self._process
        self._stop()
        process = RegoProcess(self._regopy, self._memory)
        try:
            self._prepare(process, policy)
        except BaseException:
            process.end()
            raise
        self._process = process
        return process

    def _prepare(self, process: RegoProcess, policy: PolicyFiles) -> None:
        told = {
            "modules": policy.modules,
            "data": json.dumps(policy.data, ensure_ascii=False),
            "query": self._query,
            "memory": self._memory,
        }
        answer = process.ask(told, _START)
        if "problem" in answer:
            raise _problem(str(answer["problem"]), policy)

        try:
            about_nothing = self._decide(process, NOTHING)
        except EngineError:
            if not process.alive:
                raise
            return
        require_denial(about_nothing)

    def _decide(self, process: RegoProcess, question: bytes) -> Ruling:
        # The kernel ends the process a little later than we do, for the case that nobody is left to do it.
        asked = {"input": question.decode(), "seconds": self._timeout + 1}
        answer = process.ask(asked, self._timeout)
        if "problem" in answer:
            raise EngineError(f"the policy cannot be evaluated: {answer['problem']}")
        if answer.get("ok") is not True:
            raise EngineError(
                f"an error while {self._query} was evaluated",
                hint="a built-in that fails or does not exist, or two rules that contradict each other",
            )
        output = str(answer.get("output"))
        if output == "undefined":
            raise EngineError(f"{self._query} is undefined", hint="give it a default that denies")
        return ruling(_one(parse_strictly(output.encode())))

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


_ENGINES: weakref.WeakSet[Rego] = weakref.WeakSet()


def _forget_all() -> None:
    for engine in list(_ENGINES):
        engine.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _one(value: object) -> object:
    """Return the value of the only expression of the only result."""
    if isinstance(value, dict) and value.keys() == {"expressions"}:
        expressions = value["expressions"]
        if isinstance(expressions, list) and len(expressions) == 1:
            return expressions[0]
    raise EngineError("it came to more than one result")


def _problem(text: str, policy: PolicyFiles) -> EngineError:
    """Return what is wrong with a policy, and in which line."""
    match, sources = _ERROR.search(text), dict(policy.modules)
    if match is None or match["file"] not in sources:
        return EngineError(f"the policy cannot be compiled: {' '.join(text.split())[:500]}")
    before = sources[match["file"]].encode()[: int(match["offset"])]
    line = before.count(b"\n") + 1
    return EngineError(f"the policy cannot be compiled: {match['message']}", where=f"{match['file']}:{line}")
