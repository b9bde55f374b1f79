"""entry_points.txt: the names under which an installer makes commands, and those that plug-ins are found by."""

from __future__ import annotations

from dataclasses import dataclass

from weighlock.errors import FormatError

SCRIPTS = ("console_scripts", "gui_scripts")
"""Groups that an installer makes commands of."""

_MOST = 20_000


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One entry.

    Args:
        group: Such as ``console_scripts``.
        name: Of the command or the plug-in.
        value: ``module:attribute``, with extras perhaps.
    """

    group: str
    name: str
    value: str

    @property
    def is_script(self) -> bool:
        """Whether installing makes a command of it."""
        return self.group in SCRIPTS


def parse(data: bytes) -> tuple[EntryPoint, ...]:
    """Read an entry_points.txt.

    Args:
        data: All of it; the caller bounds it.

    Raises:
        FormatError: It is not UTF-8, or has more entries than anybody writes.

    Source:
        The entry points specification of packaging.python.org; `importlib.metadata`, which pip reads it with and which
        passes over what it does not understand.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("it is not UTF-8") from error
    found: list[EntryPoint] = []
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]").strip()
        elif line and not line.startswith("#") and ("=" in line or ":" in line):
            name, _, value = line.partition("=" if "=" in line else ":")  # as readers of .ini files take it
            found.append(EntryPoint(group, name.strip(), value.strip()))
            if len(found) > _MOST:
                raise FormatError("it has more entries than anybody writes")
    return tuple(found)
