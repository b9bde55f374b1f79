"""Builds a wheel from an sdist or a folder, in a sandbox; the wheel is then judged like any other.

1. The sandbox proves itself, or nothing is built.
2. The source is unpacked or copied into a folder of its own.
3. What it needs for the build is judged like any package, and installed from a folder into a new environment, in the
   sandbox: `build-system.requires` first, then what the backend asks for when it is asked in there.
4. The backend builds, in the sandbox.
5. The bytes of the wheel are copied out. Nothing else of the sandbox is used, and its folder goes away.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from weighlock.errors import AdmissionError, FormatError, SourceError
from weighlock.files import read_regular
from weighlock.install_policy import canonical_name
from weighlock.sources.builds.sandbox import Limits, find
from weighlock.sources.builds.unpack import unpack
from weighlock.sources.pip.no_build import own_pip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from weighlock.sources.builds.sandbox import Sandbox

    Judge = Callable[[Sequence[str]], Path]

_BACKEND = Path(__file__).with_name("backend.py")
_LEGACY = ("setuptools.build_meta:__legacy__", ("setuptools>=40.8.0",))
"""What PEP 517 says for a project that does not say anything."""

_PIP = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)

_LARGEST_TEXT = 1 << 20
_LARGEST_WHEEL = 4 << 30
_MOST_REQUIREMENTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What ``[build-system]`` says.

    Args:
        requires: What the backend needs.
        backend: Its name.
        path: Folders of the source in which it lies, relative to it.
    """

    requires: tuple[str, ...]
    backend: str
    path: tuple[str, ...] = ()


def build(
    source: Path,
    destination: Path,
    judge_and_fetch: Judge,
    *,
    name: str,
    version: str | None = None,
    limits: Limits | None = None,
) -> Path:
    """Build a wheel.

    Args:
        source: An sdist whose digest was verified, or a folder.
        destination: A private folder, where the wheel goes.
        judge_and_fetch: Given requirements, resolves and judges them with all that they need, and returns a folder
            with exactly their wheels; it raises where one is refused.
        name: Canonical name of the project that the policy lets build.
        version: The version that was chosen, where there is one.
        limits: What the build may use.

    Returns:
        The wheel, which nobody has judged yet.

    Raises:
        AdmissionError: The source, or what came out of it, is not what was to be built.
        FormatError: The source cannot be read.
        SourceError: There is no sandbox here, or the build failed in it; the message has what it said.
    """
    pip = os.path.realpath(own_pip() or "")
    seen = os.path.join(pip, "pip") if os.path.isdir(pip) else pip  # it can be a wheel
    sandbox = find([seen, str(_BACKEND)], limits)
    work = destination / "build" / "work"  # beside it lies what the sandbox needs itself
    work.mkdir(mode=0o700, parents=True)
    try:
        tree = _tree(source, work)
        system = read_system(tree)
        builder = _Builder(sandbox, work, tree, system, pip)
        _call(lambda: builder.prepare(judge_and_fetch), name, "its build cannot be prepared")
        made = _call(builder.wheel, name, "it cannot be built")
        return _copy_out(made, destination, name, version)
    finally:
        shutil.rmtree(work.parent, ignore_errors=True)


def read_system(tree: Path) -> System:
    """Read what a source says about its build.

    Raises:
        FormatError: It cannot be read, or asks for what is not named by a name.

    Source:
        PEP 517 and PEP 518, the table ``[build-system]``.
    """
    try:
        text = read_regular(_within(tree, "pyproject.toml"), _LARGEST_TEXT + 1)
        if len(text) > _LARGEST_TEXT:
            raise FormatError("is over the budget for text", where="pyproject.toml")
        table = tomllib.loads(text.decode("utf-8")).get("build-system")
    except FileNotFoundError:
        table = None
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"cannot be read: {error}", where="pyproject.toml") from error
    if table is None:
        return System(backend=_LEGACY[0], requires=_LEGACY[1])
    return _parsed(table)


def _parsed(table: Any) -> System:
    if not isinstance(table, dict):
        raise FormatError("build-system is no table", where="pyproject.toml")
    backend = table.get("build-backend", _LEGACY[0])
    requires, path = table.get("requires"), table.get("backend-path", [])
    if not isinstance(backend, str) or not _are_texts(requires) or not _are_texts(path):
        raise FormatError("build-system has other types than PEP 518 says", where="pyproject.toml")
    if any(os.path.isabs(folder) or ".." in folder.split("/") for folder in path):
        raise FormatError("backend-path leads out of the source", where="pyproject.toml")
    return System(backend=backend, requires=named(requires), path=tuple(path))


def named(requirements: Sequence[str]) -> tuple[str, ...]:
    """Return requirements that ask for a project by its name; a URL would be fetched past the gate.

    Raises:
        FormatError: One is something else.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    if len(requirements) > _MOST_REQUIREMENTS:
        raise FormatError(f"needs more than {_MOST_REQUIREMENTS} packages for its build")
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise FormatError(f"needs for its build what is no requirement: {text[:200]!r}") from error
        if requirement.url:
            raise FormatError(f"needs a URL for its build: {text[:200]!r}")
    return tuple(requirements)


class _Builder:
    """A build environment in a sandbox.

    Args:
        sandbox: Where everything runs.
        work: The folder that can be written there.
        tree: The source, in it.
        system: What the source says.
        pip: Where the package ``pip`` lies.
    """

    def __init__(self, sandbox: Sandbox, work: Path, tree: Path, system: System, pip: str) -> None:
        self._sandbox = sandbox
        self._work = work
        self._tree = tree
        self._system = system
        self._pip = pip
        self._python = str(work / "environment" / "bin" / "python")

    def prepare(self, judge_and_fetch: Judge) -> None:
        """Make the environment, with everything in it that the build needs."""
        base = os.path.realpath(sys.executable)
        self._run([base, "-I", "-m", "venv", "--without-pip", str(self._work / "environment")], self._work)
        self._install(judge_and_fetch, self._system.requires)
        asked = self._hook("get_requires_for_build_wheel")
        if not _are_texts(asked):
            raise FormatError("its backend asks for what are no requirements")
        self._install(judge_and_fetch, named(asked))

    def wheel(self) -> Path:
        """Build.

        Returns:
            The place of the wheel, as the backend says; nothing about it is known yet.
        """
        out = self._work / "out"
        out.mkdir()
        made = self._hook("build_wheel", str(out))
        if out.is_symlink() or not isinstance(made, str) or os.path.basename(made) != made or not made.endswith(".whl"):
            raise FormatError("its backend says that it built what is no wheel")
        return out / made

    def _install(self, judge_and_fetch: Judge, requirements: Sequence[str]) -> None:
        if not requirements:
            return
        folder = self._work / "requirements"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        wheels = []
        for path in sorted(judge_and_fetch(requirements).glob("*.whl")):
            shutil.copyfile(path, folder / path.name)
            wheels.append(str(folder / path.name))
        options = ["--isolated", "--no-input", "--disable-pip-version-check", "install", "--no-index", "--no-deps"]
        quiet = ["--no-cache-dir", "--only-binary", ":all:", "--no-compile", "-q"]
        if wheels:
            self._run([self._python, "-I", "-c", _PIP, self._pip, *options, *quiet, *wheels], self._work)

    def _hook(self, hook: str, *arguments: str) -> Any:
        answer = self._work / "answer.json"
        told = {
            "backend": self._system.backend,
            "path": [str(self._tree / folder) for folder in self._system.path],
            "hook": hook,
            "arguments": arguments,
            "answer": str(answer),
        }
        self._run([self._python, str(_BACKEND), json.dumps(told)], self._tree)
        try:
            data = read_regular(_within(self._work, answer.name), _LARGEST_TEXT)
            answer.unlink()
            return json.loads(data)
        except (OSError, ValueError, RecursionError) as error:
            raise FormatError(f"its backend does not answer: {error}") from error

    def _run(self, command: Sequence[str], folder: Path) -> None:
        environ = {
            "PATH": f"{self._work / 'environment' / 'bin'}:/usr/bin:/bin",
            "PIP_CONFIG_FILE": os.devnull,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",
        }
        self._sandbox.run(command, self._work, environ, start=folder)


def _tree(source: Path, work: Path) -> Path:
    """Bring the source into the folder of the build."""
    if source.is_dir():
        tree = work / "source" / "tree"
        try:
            shutil.copytree(source, tree, symlinks=True, ignore=_not_source)
        except (OSError, shutil.Error) as error:
            raise SourceError(f"cannot be copied: {error}", where=str(source)) from error
        return tree
    (work / "source").mkdir()
    return unpack(source, work / "source")


def _not_source(folder: str, names: list[str]) -> set[str]:
    """Leave out environments, which can be huge and are not what is built."""
    return {name for name in names if os.path.lexists(os.path.join(folder, name, "pyvenv.cfg"))}


def _within(folder: Path, name: str) -> Path:
    """Return a file of a folder that a build could have made a link to elsewhere.

    Raises:
        FormatError: It is one.
    """
    path = folder / name
    if path.is_symlink():
        raise FormatError("is a link", where=name)
    return path


def _call(step: Callable[[], Any], name: str, what: str) -> Any:
    try:
        return step()
    except SourceError as error:
        raise SourceError(f"{what} in isolation: {error.message}", where=name, hint=error.hint) from error
    except FormatError as error:
        error.where = error.where or name
        raise


def _copy_out(made: Path, destination: Path, name: str, version: str | None) -> Path:
    """Copy the bytes of the wheel out of the sandbox, if they are of the project that was to be built."""
    _require_expected(made.name, name, version)
    place = destination / made.name
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(made, flags)
    except OSError as error:
        raise SourceError(f"its backend built nothing that can be read: {error.strerror}", where=name) from error
    with open(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_WHEEL:
            raise AdmissionError("its backend built what is no file, or too large a one", where=name)
        with open(place, "xb") as copy:
            shutil.copyfileobj(file, copy)
    return place


def _require_expected(filename: str, name: str, version: str | None) -> None:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
    from packaging.version import Version

    try:
        found, built, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise AdmissionError(f"its backend built a wheel of no valid name: {filename[:200]!r}", where=name) from error
    if found != canonical_name(name) or (version is not None and built != Version(version)):
        wanted = f"{name} {version}" if version else name
        raise AdmissionError(f"{wanted} was to be built, and {filename[:200]!r} came out", where=name)


def _are_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
