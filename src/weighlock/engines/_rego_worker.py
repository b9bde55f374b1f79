"""The process in which Rego is evaluated, by rego-cpp: it gets a policy once, and then one question after the other.

``python -I -S _rego_worker.py FOLDER``, FOLDER being where regopy lies. It imports nothing of weighlock, sees no
variable of the user, and cannot outlive its questions: the kernel ends it when one takes too long, a watch when it
takes too much memory. A frame is its length in four bytes and JSON.

rego-cpp reserves hundreds of gigabytes of addresses when it starts, so that a limit of addresses (`RLIMIT_AS`) would
have to be so high that it limits nothing: what is resident is watched.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import Any, BinaryIO

TOO_MUCH_MEMORY = 71
"""Exit code of a process that needed more memory than it may."""

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def main() -> int:
    """Answer until the input ends."""
    sys.path.append(sys.argv[1])
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):  # rego-cpp prints its errors among the answers
        os.dup2(nothing, standard)
    first = _read(questions)
    if first is None:
        return 0
    _limit()
    watch = _Watch(first["memory"])
    evaluate = None
    try:
        with watch:
            evaluate = _Evaluation(first)
        _write(answers, {"number": first["number"], "ready": True})
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the policy is the answer
        _write(answers, {"number": first["number"], "problem": _why(error)})
        return 0
    while (question := _read(questions)) is not None:
        _alarm(question["seconds"])
        with watch:
            answer = evaluate(question["input"])
        _alarm(0)
        _write(answers, {"number": question["number"], **answer})
    return 0


class _Evaluation:
    """A compiled policy. Built-ins that fail are errors: as undefined they would make a rule that denies disappear."""

    def __init__(self, policy: dict[str, Any]) -> None:
        from regopy import Interpreter

        self._engine = Interpreter()
        self._engine.strict_built_in_errors = True
        for name, text in policy["modules"]:
            self._engine.add_module(name, text)
        self._engine.add_data_json(policy["data"])
        self._plan = self._engine.build(policy["query"])
        if not self._plan.ok():
            raise ValueError("the policy cannot be compiled")

    def __call__(self, text: str) -> dict[str, Any]:
        try:
            self._engine.set_input_term(text)
            output = self._engine.query_bundle(self._plan)
            return {"ok": output.ok(), "output": str(output)}
        except Exception as error:  # noqa: BLE001 - whatever ends it is the answer
            return {"problem": _why(error)}


class _Watch:
    """Ends this process when it has become too large. Sleeps where nothing is evaluated."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._busy = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def __enter__(self) -> None:
        self._busy.set()

    def __exit__(self, *error: object) -> None:
        self._busy.clear()

    def _look(self) -> None:
        while self._busy.wait():
            if _resident() > self._memory:
                os._exit(TOO_MUCH_MEMORY)
            time.sleep(0.01)


def _resident() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:  # another system than Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _limit() -> None:
    """Write no file and leave no core, whatever happens."""
    try:
        import resource
    except ImportError:  # another system than POSIX
        return
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(kind, (0, 0))


def _alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _why(error: Exception) -> str:
    if isinstance(error, ValueError):  # regopy takes JSON for granted where rego-cpp prints an error
        return "a function that does not exist, a rule that needs itself, or the like"
    return str(error)[:4000]


def _read(stream: BinaryIO) -> dict[str, Any] | None:
    head = stream.read(4)
    body = stream.read(int.from_bytes(head, "big")) if len(head) == 4 else b""
    return json.loads(body) if body else None


def _write(stream: BinaryIO, value: dict[str, Any]) -> None:
    body = json.dumps(value).encode()
    stream.write(len(body).to_bytes(4, "big") + body)
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
