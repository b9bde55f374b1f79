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
