"""What a ``pyproject.toml`` says that its project needs, as far as it says so without a build.

Source:
    packaging.python.org/specifications/pyproject-toml (PEP 621); PEP 508.
"""

from __future__ import annotations

from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement

from weighlock.errors import FormatError
from weighlock.formats.package_lock import load, table

_MOST = 5_000
_MOST_AUTHORS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A requirement of a project.

    Args:
        text: As written.
        line: Of the first line that has it, from 1; `None` where none has it as it is.
    """

    text: str
    line: int | None


def dependencies(text: str) -> tuple[Dependency, ...]:
    """Return the requirements of ``project.dependencies``, not those of extras and groups.

    Args:
        text: The document.

    Raises:
        FormatError: There are none that can be known without a build, or one of them is no requirement.
        OverBudgetError: It is too large.
    """
    project = table(load(text).get("project", {}), "project")
    dynamic = project.get("dynamic", [])
    if "dependencies" in (dynamic if isinstance(dynamic, list) else [dynamic]):
        raise FormatError("says that a build makes its dependencies", where="project.dynamic")
    listed = project.get("dependencies", [])
    if not isinstance(listed, list) or len(listed) > _MOST:
        raise FormatError("must be a list of requirements", where="project.dependencies")
    lines = text.split("\n")
    found = []
    for index, value in enumerate(listed):
        where = f"project.dependencies[{index}]"
        try:
            Requirement(value)
        except (InvalidRequirement, TypeError, AttributeError):
            raise FormatError(f"is no requirement: {str(value)[:100]!r}", where=where) from None
        quoted = (f'"{value}"', f"'{value}'")
        line = next((number for number, line in enumerate(lines, 1) if any(one in line for one in quoted)), None)
        found.append(Dependency(text=value, line=line))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """How a project calls itself.

    Args:
        name: As written.
        version: Where it is not made by a build.
        description: One line.
        authors: Names, else addresses.
    """

    name: str | None = None
    version: str | None = None
    description: str | None = None
    authors: tuple[str, ...] = ()


def project(text: str) -> Project:
    """Return how a project calls itself; a document without such a table calls it nothing.

    Args:
        text: The document.

    Raises:
        FormatError: It is not TOML, or the table is none.
        OverBudgetError: It is too large.
    """
    found = table(load(text).get("project", {}), "project")
    people = found.get("authors", [])
    rows = [row for row in people if isinstance(row, dict)] if isinstance(people, list) else []
    named = [row.get("name") or row.get("email") for row in rows[:_MOST_AUTHORS]]
    words = {key: value for key in ("name", "version", "description") if isinstance(value := found.get(key), str)}
    return Project(**words, authors=tuple(name for name in named if isinstance(name, str)))
