"""The other side of `_rego_worker`: starts it, asks it, ends it. A child of a fork has to start one of its own."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import sysconfig
import time
import weakref
from importlib.machinery import PathFinder
from typing import Any

from weighlock.engines._rego_worker import TOO_MUCH_MEMORY
from weighlock.errors import EngineError, PolicyError

_WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_rego_worker.py")
_LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_LARGEST = 4 << 20
_STEP = 1 << 16


def folder_of_regopy() -> str:
    """Return the folder that regopy is imported from.

    Raises:
        PolicyError: It is not installed.
    """
    # Where packages are installed comes first: the folder of a program could hold something of that name.
    installed = [sysconfig.get_path("platlib"), sysconfig.get_path("purelib")]
    spec = PathFinder.find_spec("regopy", [*installed, *sys.path])
    if spec is None or spec.origin is None:
        raise PolicyError("regopy, which evaluates Rego, is not installed", hint="pip install 'weighlock[rego]'")
    return os.path.dirname(os.path.dirname(os.path.abspath(spec.origin)))


class RegoProcess:
    """A running worker.

    Args:
        folder: Where regopy lies.
        memory: Bytes that it may take.
    """

    def __init__(self, folder: str, memory: int) -> None:
        self._memory = memory
        self._number = 0
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with our own file
                [sys.executable, "-I", "-S", "-B", _WORKER, folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd=os.path.dirname(_WORKER),
                env=_environment(),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise EngineError(f"the process that evaluates Rego cannot be started: {error}") from None
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(pipe.fileno(), False)  # type: ignore[union-attr] # it is a pipe
        self._finalizer = weakref.finalize(self, _end, self._process, os.getpid())

    def ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a message and return the answer to exactly that.

        Raises:
            EngineError: It took too long or too much, or died; then it is over with this process.
        """
        self._number += 1
        body = json.dumps({"number": self._number, **message}, ensure_ascii=False).encode()
        try:
            self._send(len(body).to_bytes(4, "big") + body, time.monotonic() + seconds, seconds)
            answer = json.loads(self._receive(time.monotonic() + seconds, seconds))
        except BaseException as error:  # also where somebody interrupts: what comes next would answer something else
            self.end()
            if isinstance(error, EngineError) or not isinstance(error, Exception):
                raise
            raise EngineError(self._why(error)) from None
        if not isinstance(answer, dict) or answer.get("number") != self._number:
            self.end()
            raise EngineError("the process that evaluates Rego answered something else")
        return answer

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._finalizer()

    def forget(self) -> None:
        """Let go of it in a process that did not start it."""
        self._finalizer.detach()
        _close(self._process)
        self._process.returncode = 0  # of the parent's child nothing will ever be known here

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._finalizer.alive and self._process.poll() is None

    def _why(self, error: Exception) -> str:
        if self._process.returncode == TOO_MUCH_MEMORY:
            return f"it took more than {self._memory >> 20} MB"
        return f"the process that evaluates Rego died ({type(error).__name__}: {error})"

    def _send(self, data: bytes, end: float, seconds: float) -> None:
        descriptor, rest = self._process.stdin.fileno(), memoryview(data)  # type: ignore[union-attr] # it is a pipe
        while rest:
            _wait(descriptor, selectors.EVENT_WRITE, end, seconds)
            rest = rest[os.write(descriptor, rest[:_STEP]) :]

    def _receive(self, end: float, seconds: float) -> bytes:
        size = int.from_bytes(self._some(4, end, seconds), "big")
        if size > _LARGEST:
            raise EngineError(f"its answer is larger than {_LARGEST >> 20} MB")
        return self._some(size, end, seconds)

    def _some(self, size: int, end: float, seconds: float) -> bytes:
        descriptor, found = self._process.stdout.fileno(), bytearray()  # type: ignore[union-attr] # it is a pipe
        while len(found) < size:
            _wait(descriptor, selectors.EVENT_READ, end, seconds)
            part = os.read(descriptor, min(size - len(found), _STEP))
            if not part:
                self._process.wait(5)
                raise EngineError(self._why(OSError(f"exit code {self._process.returncode}")))
            found += part
        return bytes(found)


def _wait(descriptor: int, event: int, end: float, seconds: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, event)
        if not selector.select(max(0.0, end - time.monotonic())):
            raise EngineError(f"it took longer than {seconds:g} seconds")


def _environment() -> dict[str, str]:
    # opa.runtime() shows a policy all of it. These say where this interpreter finds its own libraries, and no secret.
    return {name: os.environ[name] for name in _LIBRARIES if name in os.environ}


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        return
    process.kill()
    _close(process)
    process.wait()


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
