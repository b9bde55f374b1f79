"""What a release of a package is made of, in so few words that two releases can be compared and one be remembered."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.python.behaviour import ImportTime
    from weighlock.formats.source import Budget
    from weighlock.formats.wheel import Member, Wheel

LARGE = 1 << 20
"""Bytes from which a file counts as large."""

_MOST = 5_000
_PYTHON = (".py", ".pyi", ".pyw", ".pyc")
_NATIVE = re.compile(r"\.(?:so(?:\.[0-9.]+)?|pyd|dylib|dll|exe|node|a|lib|jnilib)\Z", re.IGNORECASE)
_MAGIC = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"!<arch>\n", b"\0asm")
_PLATFORM = re.compile(r"\.(?:cpython-[0-9]+|abi3|cp[0-9]+|pypy[0-9]+)[^/]*(?=\.(?:so|pyd)\Z)|-[0-9a-f]{8}(?=\.so)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelProfile:
    """What a wheel is made of.

    Args:
        name: Canonical name of the project.
        version: Of the release.
        size: Bytes of all members, unpacked.
        native: Files with native code, without the parts of their names that say for which Python and platform.
        large: Other files that are not Python and have a megabyte or more, with their bytes.
        startup: Files that Python reads when it starts.
        scripts: Names of commands that it installs.
        top_levels: Names that can be imported.
        requires: Canonical names of the projects that it depends on, extras included.
        behaviours: What its import runs, as pairs of kind and called name.
    """

    name: str
    version: str
    size: int = 0
    native: tuple[str, ...] = ()
    large: tuple[tuple[str, int], ...] = ()
    startup: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    top_levels: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    behaviours: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as it is written to JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> WheelProfile:
        """Read it back.

        Raises:
            FormatError: It is none.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or set(data) - known or not {"name", "version"} <= set(data):
            raise FormatError("it is no profile of a wheel")
        return cls(**{key: _read(key, value) for key, value in data.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChange:
    """Two releases of one project.

    Args:
        previous: That was admitted before, or that the index lists before it.
        new: That is judged.
    """

    previous: WheelProfile
    new: WheelProfile


def profile_of(wheel: Wheel, import_time: ImportTime, budget: Budget) -> WheelProfile:
    """Return the profile of a wheel.

    Args:
        wheel: Its structure.
        import_time: What its import runs.
        budget: Pays for the beginnings of files that are not Python.

    Source:
        The binary distribution format of packaging.python.org (PEP 427).
    """
    others = [member for member in wheel.files if not member.name.lower().endswith(_PYTHON)]
    native = {member.name for member in others if _is_native(member, budget)}
    large = [(member.name, member.size) for member in others if member.size >= LARGE and member.name not in native]
    commands = {entry.name for entry in wheel.entry_points if entry.is_script}
    commands |= {member.place.script for member in wheel.files if member.place is not None and member.place.script}
    return WheelProfile(
        name=wheel.name,
        version=str(wheel.version),
        size=sum(member.size for member in wheel.files),
        native=_first(_PLATFORM.sub("", name) for name in native),
        large=tuple(sorted(large, key=lambda row: -row[1])[:_MOST]),
        startup=_first(_startup(wheel)),
        scripts=_first(commands),
        top_levels=_first(wheel.top_levels),
        requires=_first(_requires(wheel)),
        behaviours=tuple(sorted({(one.kind, one.name) for one in import_time.behaviours})[:_MOST]),
    )


def _read(key: str, value: Any) -> Any:
    """Return one field as it was before it went to JSON."""
    kinds: dict[str, type] = {"name": str, "version": str, "size": int}
    if key in kinds:
        if type(value) is not kinds[key]:
            raise FormatError(f"{key} is no {kinds[key].__name__} in a profile of a wheel")
        return value
    if not isinstance(value, list | tuple):
        raise FormatError(f"{key} is no list in a profile of a wheel")
    if key not in {"large", "behaviours"}:
        return tuple(_text(one) for one in value)
    second = int if key == "large" else str
    if not all(isinstance(row, list | tuple) and len(row) == 2 and type(row[1]) is second for row in value):
        raise FormatError(f"{key} has no pairs in a profile of a wheel")
    return tuple((_text(first), second(rest)) for first, rest in value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise FormatError("a name is no text in a profile of a wheel")
    return value


def _first(names: Any) -> tuple[str, ...]:
    return tuple(sorted(set(names))[:_MOST])


def _is_native(member: Member, budget: Budget) -> bool:
    if _NATIVE.search(member.name):
        return True
    try:
        return member.open(budget).head(8).startswith(_MAGIC)
    except (FormatError, OverBudgetError, UnsupportedError):
        return True  # whatever it is, nobody can say that it is not


def _startup(wheel: Wheel) -> Iterator[str]:
    yield from (file.member.name for file in wheel.startup_files)
    for member in wheel.files:
        path = member.place.library if member.place is not None else None
        if path is not None and re.match(r"(?:site|user)customize(?:[./]|\Z)", path):
            yield member.name


def _requires(wheel: Wheel) -> Iterator[str]:
    for line in wheel.metadata.all("requires-dist") if wheel.metadata is not None else ():
        try:
            yield canonicalize_name(Requirement(line).name)
        except InvalidRequirement:
            yield line[:200]
