"""The target's own pip, in a process that cannot start another one.

pip runs code of packages in more ways than its options can forbid: ``--only-binary :all:`` does not hold for URLs, for
folders, for dependencies of a wheel that are URLs, and a requirements file can take it back. So requirements are read
before pip sees them, *and* pip runs inside of `launcher`, where nothing can be built. See there for how.

One process serves several calls, because half a second of each is the start of pip.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

from packaging.version import InvalidVersion, Version

from weighlock.errors import SourceError, UsageError
from weighlock.sources.pip import launcher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from weighlock.sources.pip.interface import PipRequest

OLDEST = Version("23.0")
_MOST_OUTPUT = 1 << 20
_MOST_ANSWER = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call of pip came to.

    Args:
        code: pip's exit code.
        output: The end of what it printed, with control characters and perhaps with secrets.
    """

    code: int
    output: str = field(repr=False)


class NoBuildPip:
    """Runs pip, a context manager.

    Args:
        request: Says which interpreter and which variables.
        folder: A private folder for everything that pip writes; it is also where pip runs.

    Raises:
        UsageError: The environment has no pip that will do, and neither has weighlock's own.
    """

    def __init__(self, request: PipRequest, folder: str | os.PathLike[str]) -> None:
        ours, theirs = socket.socketpair()
        self._channel = ours
        self._lines = ours.makefile("rb")
        self._output = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with this object
        self._seen = 0
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with theirs:
                self._process = self._started(request, os.fspath(folder), theirs.fileno())
            start = self._asked({"nothing": _does_nothing(), "pip": own_pip()})
            self.version = _checked_version(start, request.python, self._printed())
        except BaseException:
            self.close()
            raise

    def _started(self, request: PipRequest, folder: str, channel: int) -> subprocess.Popen[bytes]:
        command = [request.python, "-I", "-X", "utf8", launcher.__file__, str(channel)]
        # The guard of models has nothing to say about pip, and would not start it without a lockfile.
        own = {"TMPDIR": folder, "WEIGHLOCK_MODE": "off"}
        environ = {"PIP_CONFIG_FILE": os.devnull, **request.environ, **own}
        try:
            return subprocess.Popen(  # noqa: S603 - the interpreter that the user named
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env=environ,
                cwd=folder,
                pass_fds=(channel,),
            )
        except OSError as error:
            raise UsageError(f"cannot be started: {error.strerror}", where=request.python) from None

    def run(self, arguments: Sequence[str]) -> Answer:
        """Run pip once.

        Raises:
            SourceError: The process ended without an answer.
        """
        code = self._asked(list(arguments)).get("code")
        output = self._printed()
        if not isinstance(code, int):
            raise SourceError("pip ended without an answer")
        return Answer(code, output)

    def _asked(self, question: Any) -> dict[str, Any]:
        try:
            self._channel.sendall(json.dumps(question).encode() + b"\n")
            line = self._lines.readline(_MOST_ANSWER)
            answer = json.loads(line) if line else {}
        except (OSError, ValueError):
            return {}
        return answer if isinstance(answer, dict) else {}

    def _printed(self) -> str:
        size = os.fstat(self._output.fileno()).st_size
        start = max(self._seen, size - _MOST_OUTPUT)
        data = os.pread(self._output.fileno(), size - start, start)
        self._seen = size
        return data.decode(errors="replace")

    def close(self) -> None:
        """End the process, which has nothing to tidy up: all that it wrote lies in the folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._lines.close()
        self._channel.close()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _does_nothing() -> str:
    return shutil.which("false", path="/bin:/usr/bin") or shutil.which("false") or "/bin/false"


def own_pip() -> str | None:
    """Return where weighlock's own environment has a pip, or the one that came with its Python."""
    spec = find_spec("pip")
    if spec is not None and spec.origin:
        return os.path.dirname(os.path.dirname(spec.origin))
    spec = find_spec("ensurepip")
    bundled = os.path.join(os.path.dirname(spec.origin), "_bundled") if spec is not None and spec.origin else ""
    names = sorted(name for name in (os.listdir(bundled) if os.path.isdir(bundled) else ()) if name.startswith("pip-"))
    return os.path.join(bundled, names[-1]) if names else None


def _checked_version(start: dict[str, Any], python: str, output: str) -> str:
    hint = f"install one with `{python} -m ensurepip --upgrade`"
    version = start.get("pip")
    if not isinstance(version, str):
        lines = (str(start.get("problem", "")) or output).strip().splitlines()
        why = f": {lines[-1][:200]}" if lines else ""
        raise UsageError(f"its pip cannot be used{why}", where=python, hint=hint)
    try:
        too_old = Version(version) < OLDEST
    except InvalidVersion:
        too_old = True
    if too_old:
        hint = f"update it with `{python} -m pip install --upgrade pip`"
        raise UsageError(f"its pip {version[:20]} is older than {OLDEST}", where=python, hint=hint)
    return version
