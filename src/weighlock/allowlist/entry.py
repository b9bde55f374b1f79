"""What the allowlist says of one name."""

from __future__ import annotations


class Entry:
    """One allowed name. A plain class: hundreds of them are made in every process that unpickles under the guard.

    Args:
        name: ``module.name``, as Python 3 knows it.
        function: It is a function, not a type or a constant: as a value it is not data.
        calls: Signatures that it may be called with; none at all for a name that is only referred to.
        special: Name of a contract in `weighlock.allowlist.special` that takes the place of `calls`.
        result: The kind of what a call returns; the name itself where it is a type.
        value: The kind that the name has as a value, for constants.
        group: The group that contracts of other names know it by.
        build: Signature for the state that BUILD may give to an instance of it (one argument; ``None``: no BUILD).
        fill: The opcodes that may put items into an instance of it.
    """

    __slots__ = ("build", "calls", "fill", "function", "group", "name", "result", "special", "value")

    def __init__(
        self,
        name: str,
        *,
        function: bool = False,
        calls: tuple[str, ...] = (),
        special: str | None = None,
        result: str = "",
        value: str | None = None,
        group: str | None = None,
        build: str | None = None,
        fill: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.function = function
        self.calls = calls
        self.special = special
        self.result = result
        self.value = value
        self.group = group
        self.build = build
        self.fill = fill


def constructor(
    name: str,
    *calls: str,
    group: str | None = None,
    build: str | None = None,
    fill: tuple[str, ...] = (),
    special: str | None = None,
    result: str | None = None,
) -> Entry:
    """Make an entry for a type."""
    return Entry(name, calls=calls, special=special, result=result or name, group=group, build=build, fill=fill)


def function(name: str, *calls: str, result: str, special: str | None = None) -> Entry:
    """Make an entry for a function that rebuilds an object."""
    return Entry(name, function=True, calls=calls, special=special, result=result)


def constant(name: str, value: str, *, group: str | None = None) -> Entry:
    """Make an entry for a name that is only referred to."""
    return Entry(name, value=value, group=group)


def table(*entries: Entry) -> dict[str, Entry]:
    """Make a table from entries.

    Raises:
        ValueError: A name stands in it twice.
    """
    result = {entry.name: entry for entry in entries}
    if len(result) != len(entries):
        raise ValueError("a name stands twice in a table of the allowlist")
    return result
