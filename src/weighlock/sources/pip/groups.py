"""Requirements that stand in TOML: dependency groups of a ``pyproject.toml``, and the block at the top of a script.

Source:
    PEP 735 (dependency groups), PEP 723 (inline script metadata).
"""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from weighlock.errors import UsageError
from weighlock.release import Origin
from weighlock.sources.pip.text_file import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_MOST_BYTES = 4 << 20
_MOST_NESTED = 50


def read(value: str, folder: str) -> Iterator[tuple[str, Origin]]:
    """Return the requirements of ``--group [PATH:]GROUP``.

    Raises:
        UsageError: There is no such group, or it is not understood.
    """
    place, _, name = value.rpartition(":")
    path = os.path.join(folder, place or "pyproject.toml")
    if os.path.basename(path) != "pyproject.toml":
        raise UsageError("--group reads only files of the name pyproject.toml", where=value)
    text = read_text(path, _MOST_BYTES)
    data = _loaded(text, path).get("dependency-groups", {})
    groups: dict[str, Any] = {}
    for key, rows in data.items() if isinstance(data, dict) else ():
        if groups.setdefault(canonicalize_name(key), rows) is not rows:
            raise UsageError(f"has two groups of the name {key!r}", where=path)
    for row in _rows(canonicalize_name(name), groups, path, ()):
        yield row, Origin(path=path, line=_line_with(text, row), text=row)


def project_name(folder: str) -> str | None:
    """Return the name that a project says it has, or `None` where only its build would say it.

    Raises:
        UsageError: Its ``pyproject.toml`` cannot be read.

    Source:
        The specification of ``pyproject.toml``, "project.name", which must not be dynamic.
    """
    path = os.path.join(folder, "pyproject.toml")
    project = _loaded(read_text(path, _MOST_BYTES), path).get("project") if os.path.exists(path) else None
    name = project.get("name") if isinstance(project, dict) else None
    return canonicalize_name(name) if isinstance(name, str) and _NAME.fullmatch(name) else None


def _rows(name: str, groups: dict[str, Any], path: str, above: tuple[str, ...]) -> Iterator[str]:
    if name in above or len(above) > _MOST_NESTED:
        raise UsageError(f"the dependency group {name!r} is nested in itself, or too deeply", where=path)
    rows = groups.get(name)
    if not isinstance(rows, list):
        raise UsageError(f"has no dependency group {name!r}", where=path, hint="write PATH:GROUP for another file")
    for row in rows:
        if isinstance(row, str):
            yield row
        elif isinstance(row, dict) and set(row) == {"include-group"} and isinstance(row["include-group"], str):
            yield from _rows(canonicalize_name(row["include-group"]), groups, path, (*above, name))
        else:
            raise UsageError(f"the dependency group {name!r} holds what is no requirement", where=path)


def read_script(path: str, python_version: str) -> Iterator[tuple[str, Origin]]:
    """Return the dependencies that a script names at its top.

    Args:
        path: Absolute.
        python_version: Of the environment that is installed into.

    Raises:
        UsageError: There is no such block, or it is not understood.
    """
    text = read_text(path, _MOST_BYTES)
    blocks = [match for match in _BLOCK.finditer(text) if match["type"] == "script"]
    if len(blocks) != 1:
        raise UsageError("has no block `# /// script`, or more than one", where=path)
    lines = blocks[0]["content"].splitlines()
    data = _loaded("\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines), path)
    _require_python(data.get("requires-python"), python_version, path)
    rows = data.get("dependencies", [])
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        raise UsageError("its dependencies are no list of strings", where=path)
    for row in rows:
        yield row, Origin(path=path, line=_line_with(text, row), text=row)


def _require_python(wanted: Any, version: str, path: str) -> None:
    try:
        fits = wanted is None or SpecifierSet(str(wanted)).contains(version, prereleases=True)
    except InvalidSpecifier:
        fits = False
    if not fits:
        raise UsageError(f"is for another Python: {str(wanted)[:100]}", where=path)


def _line_with(text: str, row: str) -> int | None:
    return next((number for number, line in enumerate(text.splitlines(), start=1) if row in line), None)


def _loaded(text: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"is not TOML: {str(error).splitlines()[0]}", where=path) from None
