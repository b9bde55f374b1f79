"""Which paths an installation may write: what the wheels hold, what pip adds, and what it takes away.

It errs on the side of too many: a path that pip then leaves alone costs an entry in the journal, one that is missing
here would be left behind by a roll-back.
"""

from __future__ import annotations

import configparser
import os
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import AdmissionError, FormatError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from weighlock.sources.pip.interface import JudgedWheel

_SHARED = frozenset({"bin", "include", "share", "__pycache__"})
JOURNAL_FOLDER = ".weighlock-install"
"""Beside the packages: where the journal and the copies of what is replaced lie while pip works."""

_DATA = re.compile(r"[^/]+\.data/([^/]+)/(.+)", re.DOTALL)
_DIST_INFO = re.compile(r"[^/]+\.dist-info", re.IGNORECASE)
_BY_PIP = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")
_SCRIPTS = ("console_scripts", "gui_scripts")
_MOST_ENTRY_POINTS = 1 << 20  # bytes
_SUFFIXES = ("", ".exe", "-script.py", "-script.pyw", ".exe.manifest")  # the last four are Windows' own


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where pip will write, as it answered itself.

    Args:
        pip: Its version.
        tag: Of compiled files, such as ``cpython-311``.
        target: The folder that ``--target`` names, or `None`.
        schemes: For every project: ``purelib``, ``platlib``, ``scripts``, ``headers`` and ``data``.
        installed: Every file of the distributions that are there under the names of the new ones.
    """

    pip: str
    tag: str
    target: str | None
    schemes: Mapping[str, Mapping[str, str]]
    installed: Sequence[str]

    @property
    def folder(self) -> str:
        """The folder of the packages, by which an environment is told from others."""
        return self.target or next(iter(self.schemes.values()))["purelib"]

    @property
    def roots(self) -> frozenset[str]:
        """The folders under which everything lies."""
        if self.target:
            return frozenset({self.target})
        return frozenset(path for scheme in self.schemes.values() for path in scheme.values())


def footprint(wheels: Sequence[JudgedWheel], destination: Destination) -> set[str]:
    """Return every path that installing these wheels may create or replace.

    Under ``--target``, pip moves whole entries of the folder, so those are meant with all that is in them.

    Raises:
        AdmissionError: A wheel would write outside of the environment, or into the journal.
        FormatError: A wheel cannot be read.
    """
    found = set[str]()
    for wheel in wheels:
        names, points = _read(wheel.path)
        if destination.target:
            found.update(os.path.join(destination.target, name) for name in _top_levels(names, points, wheel.path))
        else:
            scheme = destination.schemes[wheel.artifact.name]
            found.update(_placed(names, scheme, destination.tag, wheel.path))
            found.update(_made(names, points, scheme))
    return found


def _read(path: Path) -> tuple[list[str], list[str]]:
    """Return the names of a wheel's members and those of its scripts."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            points = [name for name in names if name.lower().endswith(".dist-info/entry_points.txt")]
            texts = [_small(archive, name) for name in points if name.count("/") == 1]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError) as error:
        raise FormatError(f"is not a wheel: {error}", where=path.name) from error
    for name in names:
        _require_inside(name, path)
    return names, [script for text in texts for script in _scripts(text, path)]


def _small(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as member:
        data = member.read(_MOST_ENTRY_POINTS + 1)
    if len(data) > _MOST_ENTRY_POINTS:
        raise FormatError("is over the budget for entry points", where=name)
    return data.decode("utf-8", "replace")


def _scripts(text: str, path: Path) -> Iterator[str]:
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise FormatError(f"its entry points cannot be read: {error}", where=path.name) from error
    for section in _SCRIPTS:
        for name in parser[section] if parser.has_section(section) else ():
            _require_inside(name, path)
            yield name


def _require_inside(name: str, path: Path) -> None:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or "\0" in name or ":" in parts[0]:
        raise AdmissionError(f"would write outside of the environment: {name!r}", where=path.name)
    if any(part.lower().rstrip(". ") == JOURNAL_FOLDER for part in parts):
        raise AdmissionError(f"would write into the journal of weighlock: {name!r}", where=path.name)


def _placed(names: Sequence[str], scheme: Mapping[str, str], tag: str, path: Path) -> Iterator[str]:
    """Yield where the members of a wheel go, compiled files with them."""
    for name in names:
        match = _DATA.fullmatch(name)
        if match and match[1] not in scheme:
            raise AdmissionError(f"has a folder that no installer knows: {name!r}", where=path.name)
        keys, rest = ((match[1],), match[2]) if match else (("purelib", "platlib"), name)
        for folder in {scheme[key] for key in keys}:
            place = os.path.join(folder, rest)
            yield place
            if rest.endswith(".py"):
                parent, base = os.path.split(place)
                yield os.path.join(parent, "__pycache__", f"{base[:-3]}.{tag}.pyc")


def _made(names: Sequence[str], points: Sequence[str], scheme: Mapping[str, str]) -> Iterator[str]:
    """Yield what pip writes beside the members: scripts for entry points, and its own records."""
    for name in points:
        for script in _variants(name):
            yield from (os.path.join(scheme["scripts"], script + suffix) for suffix in _SUFFIXES)
    for info in {name.split("/")[0] for name in names if _DIST_INFO.fullmatch(name.split("/")[0])}:
        for folder in {scheme["purelib"], scheme["platlib"]}:
            yield from (os.path.join(folder, info, record) for record in _BY_PIP)


def _variants(name: str) -> set[str]:
    """Return the names of a script; pip gives its own and those of easy_install the numbers of this Python."""
    stem = re.sub(r"-?[0-9.]+\Z", "", name)
    if stem not in {"pip", "easy_install"}:
        return {name}
    numbers = {f"{major}{minor}" for major in ("3",) for minor in ("", *(f".{number}" for number in range(40)))}
    dash = "-" if stem == "easy_install" else ""
    return {name, stem, *(f"{stem}{dash}{number}" for number in numbers)}


def require_room(wheels: Iterable[JudgedWheel], destination: Destination) -> None:
    """Refuse what pip would leave half old: into a folder of ``--target`` it moves no entry that is there already.

    What is there in the very same version stays as a whole, which is what a person means who adds to such a folder.

    Raises:
        UsageError: Something else is there.
    """
    for wheel in wheels:
        names, points = _read(wheel.path)
        tops = _top_levels(names, points, wheel.path)
        there = {top for top in tops - _SHARED if os.path.lexists(os.path.join(destination.folder, top))}
        if there and not any(_DIST_INFO.fullmatch(top) for top in there):
            raise UsageError(
                f"{min(there)} is in that folder already, and pip would leave it as it is",
                where=wheel.artifact.pin,
                hint="add --upgrade, or name another folder",
            )


def _top_levels(names: Sequence[str], points: Sequence[str], path: Path) -> set[str]:
    """Return the entries of a ``--target`` folder that pip moves there as a whole."""
    folders = {"scripts": "bin", "headers": "include"}
    found = {"bin"} if points else set[str]()
    for name in names:
        match = _DATA.fullmatch(name)
        if not match:
            found.add(name.split("/")[0])
        elif match[1] in folders:
            found.add(folders[match[1]])
        elif match[1] in {"purelib", "platlib", "data"}:
            found.add(match[2].split("/")[0])
        else:
            raise AdmissionError(f"has a folder that no installer knows: {name!r}", where=path.name)
    # A module of one file brings its compiled form.
    return found | {"__pycache__"}
