"""What ``weighlock check`` reads: requirements files, lockfiles, an environment, and what of these a folder has."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from weighlock import checks
from weighlock.errors import FormatError, OverBudgetError, SourceError, UsageError, WeighlockError
from weighlock.files import read_regular
from weighlock.formats import pylock, uv_lock
from weighlock.formats.package_lock import LARGEST
from weighlock.formats.pyproject import dependencies
from weighlock.gates.ci import Collected
from weighlock.gates.listed import from_environment, from_lock, from_requirements, from_resolution
from weighlock.gates.packages import judge_file, unverifiable_package
from weighlock.sources.environment import read_environment
from weighlock.sources.index import configured
from weighlock.sources.pip.arguments import read as read_arguments
from weighlock.sources.pip.quarantine import InstallQuarantine
from weighlock.sources.pip.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from weighlock.gates.listed import Listed
    from weighlock.install_policy import InstallPolicy
    from weighlock.sources.index import Index
    from weighlock.sources.pip.interface import PipRequest

PROJECT = "pyproject.toml"
_Row = TypeVar("_Row")
_NOTHING = "name what is to be checked: -r FILE, --pylock FILE, --uv-lock FILE, --bom FILE or --env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a person wants judged.

    Args:
        requirements: Groups of requirements files; the files of a group are resolved together, as pip would.
        pylocks: Lockfiles of the form of PEP 751.
        uv_locks: Lockfiles of uv.
        environment: Judge what is installed.
        models: The lockfile of models, as a person would name it.
        bills: Bills of materials.
    """

    requirements: tuple[tuple[str, ...], ...] = ()
    pylocks: tuple[str, ...] = ()
    uv_locks: tuple[str, ...] = ()
    environment: bool = False
    models: str | None = None
    bills: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What a person calls them."""
        files = (*(file for group in self.requirements for file in group), *self.pylocks, *self.uv_locks, *self.bills)
        return (*files, *(["the environment"] if self.environment else []), *([self.models] if self.models else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How inputs are read.

    Args:
        python: The interpreter of the environment that is meant.
        offline: Ask nobody, so that nothing can be resolved.
        complete: The requirements files list everything that would be installed.
        policy: For files of an environment that belong to nobody.
        now: The time, with a time zone.
        environ: The variables of the user.
        say: Told what is being done.
    """

    python: str
    offline: bool
    complete: bool
    policy: InstallPolicy
    now: datetime
    environ: Mapping[str, str]
    say: Callable[[str], None] = lambda _line: None

    def requests(self, inputs: Inputs) -> tuple[PipRequest, ...]:
        """Read every group of requirements files, each with the settings of pip that are in force for it.

        Raises:
            WeighlockError: A file cannot be read, or names what pip does not understand.
        """
        return tuple(
            self._of_project(group[0])
            if os.path.basename(group[0]) == PROJECT
            else self._request([f"--requirement={file}" for file in group])
            for group in inputs.requirements
        )

    def _of_project(self, path: str) -> PipRequest:
        """Return what the project's own table of dependencies comes to, each at its line."""
        found = _parsed(path, dependencies)
        request = self._request([one.text for one in found] or ["weighlock"])
        # pip's reader keeps the order, but sorts what needs a build from the rest; the text says which line it was.
        lines = {one.text: one.line for one in found}
        requirements = tuple(
            replace(one, origin=replace(one.origin, path=path, line=lines[one.origin.text]))
            for one in request.requirements
            if one.origin.text in lines
        )
        builds = tuple(replace(one, path=path, line=lines.get(one.text)) for one in request.builds)
        origins = {one.name: one.origin for one in reversed(requirements)}
        return replace(request, requirements=requirements, builds=builds, origins=origins)

    def indexes(self, inputs: Inputs, requests: Sequence[PipRequest]) -> list[Index]:
        """Return every index that any of the inputs would be installed from, also those that a file names.

        Args:
            inputs: What is judged.
            requests: Of its requirements files.
        """
        everyone = list(requests)
        if inputs.pylocks or inputs.uv_locks or inputs.environment or inputs.bills:
            # pip has no question that asks for nothing, so its settings are read together with a name.
            everyone.append(self._request(["weighlock"]))
        return list({index.url: index for request in everyone for index in configured(request)}.values())

    def collect(self, inputs: Inputs, requests: Sequence[PipRequest]) -> Collected:
        """Read everything but the lockfile of models.

        Args:
            inputs: What is judged.
            requests: Of its requirements files.

        Raises:
            WeighlockError: Something cannot be read, or nothing satisfies the requirements.
        """
        collected = Collected(inputs=inputs.names)
        lists: list[Listed] = []
        for group, request in zip(inputs.requirements, requests, strict=True):
            lists += self._required(group, request)
        for path in inputs.pylocks:
            lists += from_lock(_parsed(path, pylock.parse), path)
        for path in inputs.uv_locks:
            lists += from_lock(_parsed(path, uv_lock.parse), path)
        if inputs.environment:
            collected = self._installed(collected)
        return replace(collected, lists=(*lists, *collected.lists))

    def _request(self, arguments: Sequence[str]) -> PipRequest:
        return read_arguments(arguments, python=self.python, environ=self.environ, offline=self.offline)

    def _required(self, files: Sequence[str], request: PipRequest) -> list[Listed]:
        if not request.requirements and not request.builds:
            return []
        if self.offline or self.complete or not request.requirements:
            return _shown(from_requirements(request, complete=self.complete))
        self.say(f"resolving {', '.join(files)}")
        request = replace(request, resolving=(*request.resolving, "--ignore-installed"))
        try:
            with InstallQuarantine(self.environ) as folder:
                return _shown(from_resolution(resolve(request, folder), request))
        except SourceError as error:
            # What stands there by exact versions can be judged nevertheless: each is refused, and a person sees why.
            pinned = from_requirements(request, complete=True)
            if any(not one.release.artifact.version for one in pinned):
                raise
            why = f"what it comes with is not known, because nothing satisfies the requirements: {error.message}"
            return _shown([replace(one, findings=(*one.findings, unverifiable_package(why))) for one in pinned])

    def _installed(self, collected: Collected) -> Collected:
        self.say("comparing installed files")
        found = read_environment(self.python)
        strays = tuple(
            judge_file(_relative(one.path), checks.run(one, checks.PACKAGES), self.policy, self.now, digest=one.digest)
            for one in found.strays
        )
        warnings = []
        if not found.distributions and not found.strays:
            warnings.append(f"nothing is installed in the environment of {self.python}")
        if found.inert:
            warnings.append(f"{found.inert} files that Python does not run by their names belong to no distribution")
        return replace(
            collected,
            lists=tuple(_shown(from_environment(found.distributions))),
            files=strays,
            inputs=tuple(
                f"{name} of {self.python}" if name == "the environment" else name for name in collected.inputs
            ),
            warnings=tuple(warnings),
        )


def grouped(files: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return files as they are resolved: requirements files together as pip would, and each project by itself."""
    projects = [file for file in files if os.path.basename(file) == PROJECT]
    others = tuple(file for file in files if file not in projects)
    return (*((others,) if others else ()), *((file,) for file in projects))


def discover(folder: str) -> Inputs:
    """Find what there is to judge in a folder.

    Raises:
        UsageError: There is nothing.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name)))
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=folder) from error
    requirements = [name for name in names if name.startswith("requirements") and name.endswith(".txt")]
    if not requirements and PROJECT in names and not any(map(pylock.FILE_NAME.match, names)) and "uv.lock" not in names:
        requirements = [PROJECT] if _parsed(os.path.join(folder, PROJECT), dependencies) else []
    inputs = Inputs(
        requirements=tuple((name,) for name in requirements),
        pylocks=tuple(name for name in names if pylock.FILE_NAME.match(name)),
        uv_locks=("uv.lock",) if "uv.lock" in names else (),
        models="models.lock" if "models.lock" in names else None,
    )
    if not inputs.names:
        raise UsageError("there is no requirements file and no lockfile in this folder", where=folder, hint=_NOTHING)
    return inputs


def _parsed(path: str, parse: Callable[[str], tuple[_Row, ...]]) -> tuple[_Row, ...]:
    try:
        data = read_regular(path, LARGEST + 1)
        return parse(data.decode("utf-8").replace("\r\n", "\n"))
    except (FormatError, OverBudgetError) as error:
        where = f"{path}, {error.where}" if error.where else path
        raise WeighlockError(error.message, where=where, hint=error.hint) from error
    except UnicodeDecodeError as error:
        raise WeighlockError("is not UTF-8", where=path) from error
    except OSError as error:
        raise WeighlockError(f"cannot be read: {error.strerror}", where=path) from error


def _shown(lists: Sequence[Listed]) -> list[Listed]:
    """Name files as a person, and a server that shows findings beside lines, would name them."""
    found = []
    for one in lists:
        origin = one.release.origin
        if origin is not None and origin.path is not None:
            origin = replace(origin, path=_relative(origin.path))
            one = replace(one, release=replace(one.release, origin=origin))  # noqa: PLW2901 - the same one, renamed
        found.append(one)
    return found


def _relative(path: str) -> str:
    """Return a path relative to the current folder where it lies in it; URLs and others as they are."""
    if not os.path.isabs(path):
        return path
    for here in (os.getcwd(), os.path.realpath(os.getcwd())):
        if path.startswith(os.path.join(here, "")):
            return os.path.relpath(path, here)
    return path
