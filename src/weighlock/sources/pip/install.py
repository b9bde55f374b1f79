"""The last step: the environment's own pip installs the judged wheels, and can reach nothing else.

1. Every wheel is hashed once more, and stands alone with the others in a folder that pip is shown.
2. pip starts under no index, no configuration and no variable of pip or Python, and says where it will write.
3. The environment is held and its journal is written (``transaction.py``).
4. pip installs, demanding the digests of the judged bytes.
5. The records of pip are corrected (``records.py``), and the journal goes away.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from weighlock.errors import DigestMismatchError, SourceError, UsageError
from weighlock.sources.interface import Silence
from weighlock.sources.pip import records
from weighlock.sources.pip.footprint import Destination, footprint, require_room
from weighlock.sources.pip.no_build import own_pip
from weighlock.sources.pip.transaction import transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from weighlock.sources.interface import Progress
    from weighlock.sources.pip.interface import JudgedWheel, PipRequest
    from weighlock.sources.pip.transaction import Hold

_INSIDE = Path(__file__).with_name("inside.py")
_KEPT_VARIABLES = ("PYTHONUSERBASE", "PYTHONNOUSERSITE")
"""They say where the user's own packages are, and nothing about what is installed."""

_ISOLATED = ("--no-index", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-cache-dir")
_SHOWN_LINES = 12
_PATIENCE = 10.0  # seconds for pip to end by itself before it is killed


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An installation that is complete.

    Args:
        destination: The folder of the packages.
        output: What pip said.
        notices: Lines of that which a person should see, such as scripts that are not on ``PATH``.
    """

    destination: str
    output: str
    notices: tuple[str, ...] = ()


def install(
    wheels: Sequence[JudgedWheel],
    request: PipRequest,
    quarantine: Path,
    *,
    environ: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Installed:
    """Install exactly the judged bytes, all of them or none.

    Args:
        wheels: What the policy admitted.
        request: What the user asked for.
        quarantine: A private folder.
        environ: The variables of this process, by default; those of pip and Python do not reach pip.
        progress: Told when another installation is waited for.

    Raises:
        DigestMismatchError: A wheel is not the one that was judged.
        UsageError: The folder of ``--target`` has something that pip would leave half old.
        SourceError: pip cannot be asked or fails; nothing was changed.
        WeighlockError: The file system refused; nothing was changed.
    """
    environ = os.environ if environ is None else environ
    if not wheels:
        return Installed(destination="", output="")
    shown = _show(wheels, quarantine / "judged")
    pins = quarantine / "pins.txt"
    pins.write_text("".join(f"{wheel.artifact.pin} --hash={wheel.artifact.digest}\n" for wheel in wheels), "utf-8")
    options = [*_ISOLATED, "--find-links", str(shown), "-r", str(pins), *_reinstalling(request), *request.installing]
    names = [wheel.artifact.name for wheel in wheels]
    with Pip(request.python, isolated(environ, quarantine)) as pip:
        destination = pip.ask(options, names)
        written = footprint(wheels, destination)
        with transaction(
            destination.folder,
            # Asked again when nobody else can change it any more.
            lambda: {*written, *pip.ask(options, names).installed},
            destination.roots,
            environ=environ,
            progress=progress or Silence(),
        ) as hold:
            left = _left_alone(destination, request.installing)
            if left:
                require_room(wheels, destination)
            output = pip.work(hold)
            records.correct(wheels, destination, before=left)
    return Installed(destination=destination.folder, output=output, notices=tuple(_notices(output)))


def isolated(environ: Mapping[str, str], quarantine: Path) -> dict[str, str]:
    """Return variables under which pip knows of no index, no configuration and no wish of anybody.

    The guard of models has nothing to say about pip, and would not start it without a lockfile.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.upper().startswith(("PIP_", "PYTHON", "WEIGHLOCK_")) or name in _KEPT_VARIABLES
    }
    own = {"PIP_CONFIG_FILE": os.devnull, "WEIGHLOCK_MODE": "off", "TMPDIR": str(quarantine)}
    return {**kept, **own}


class Pip:
    """The pip of an environment, started once: it is asked where it would write, and then works. A context manager.

    Args:
        python: The interpreter of the environment.
        environ: The variables for it.
    """

    def __init__(self, python: str, environ: Mapping[str, str]) -> None:
        self._python = python
        self._environ = environ
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        try:
            self._child = subprocess.Popen(  # noqa: S603 - the interpreter that the user named
                [self._python, str(_INSIDE)],
                env=dict(self._environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # an interrupt of the terminal comes to us, and we end it in order
            )
        except OSError as error:
            raise UsageError(f"cannot be run: {error.strerror}", where=self._python) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def ask(self, options: Sequence[str], names: Sequence[str]) -> Destination:
        """Ask where it would write.

        Raises:
            SourceError: It does not answer.
        """
        mark = f"weighlock-{secrets.token_hex(16)}:"
        self._say({"mark": mark, "pip": own_pip(), "options": list(options), "names": list(names)})
        said = []
        for line in self._started.stdout or ():
            if line.startswith(mark):
                return Destination(**json.loads(line.removeprefix(mark)))
            said.append(line)
        raise SourceError(
            f"its pip cannot say where it would install: {_last_lines(''.join(said))}",
            where=self._python,
            hint="nothing was changed; `python -m pip --version` has to work in that environment",
        )

    def work(self, hold: Hold) -> str:
        """Let it install.

        Returns:
            What it said.

        Raises:
            SourceError: It failed.
        """
        self._say({"hold": str(hold.file), "temporary": str(hold.temporary)})
        try:
            output, _ = self._started.communicate()
        finally:
            self._end()  # before anything is rolled back
        if "DO NOT MATCH THE HASHES" in output:
            raise DigestMismatchError("a wheel was changed after it was judged", hint="nothing was installed")
        if self._started.returncode:
            raise SourceError(f"pip could not install: {_last_lines(output)}", hint="nothing was changed")
        return output

    @property
    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            raise RuntimeError("pip is not started")
        return self._child

    def _say(self, message: Mapping[str, object]) -> None:
        stream = self._started.stdin
        with suppress(BrokenPipeError):  # what it answers, or does not, tells more
            if stream is not None:
                stream.write(json.dumps(message) + "\n")
                stream.flush()

    def _end(self) -> None:
        """Wait until it is gone, and help where it does not go."""
        child = self._started
        for stop in (None, child.terminate, child.kill):
            if child.poll() is None and stop is not None:
                stop()
            elif stop is None and child.stdin is not None:
                with suppress(OSError, ValueError):
                    child.stdin.close()  # it ends where it waits for an answer
            with suppress(subprocess.TimeoutExpired):
                child.wait(_PATIENCE if stop else 0.2)
                break
        if child.stdout is not None:
            child.stdout.close()


def _reinstalling(request: PipRequest) -> tuple[str, ...]:
    """Return the option that makes pip install what is there in the same version; the resolution wanted it."""
    given = set(request.installing)
    return () if given & {"--force-reinstall", "--ignore-installed", "-I"} else ("--force-reinstall",)


def _left_alone(destination: Destination, installing: Sequence[str]) -> frozenset[str]:
    """Return the records that pip does not touch: under ``--target`` it replaces nothing unless it is told to."""
    if destination.target is None or {"--upgrade", "-U"} & set(installing):
        return frozenset()
    with suppress(FileNotFoundError):
        return frozenset(os.path.join(destination.target, name) for name in os.listdir(destination.target))
    return frozenset()


def _show(wheels: Iterable[JudgedWheel], folder: Path) -> Path:
    """Put the judged wheels, and nothing else, into a folder, and look at their bytes one last time."""
    folder.mkdir(mode=0o700)
    for wheel in wheels:
        place = folder / wheel.artifact.filename
        if place.parent != folder or wheel.artifact.digest is None:
            raise SourceError("is not a judged wheel", where=wheel.artifact.filename)
        try:
            os.link(wheel.path, place, follow_symlinks=False)
        except OSError:
            shutil.copyfile(wheel.path, place)
        with open(place, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wheel.artifact.digest.value:
            raise DigestMismatchError(
                "was changed after it was judged", where=wheel.artifact.filename, hint="nothing was installed"
            )
    return folder


def _last_lines(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(lines[-_SHOWN_LINES:]) or "it said nothing"


def _notices(output: str) -> Iterator[str]:
    for line in output.splitlines():
        text = line.strip()
        if text.startswith(("WARNING:", "ERROR:", "Consider adding", "Defaulting to user")):
            yield text
