"""Asking uv for the version of everything that is asked for, and of all that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import SourceError
from weighlock.sources.pip import target
from weighlock.sources.pip.requirement import rewritten
from weighlock.sources.pip.resolve import private
from weighlock.sources.uv import command, options, pins

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from weighlock.sources.pip.interface import PipRequest

_MOST_BYTES = 64 << 20


def choose(request: PipRequest, folder: Path, installed: Mapping[str, str]) -> pins.Pins:
    """Ask uv, which runs and builds nothing.

    Args:
        request: What the user asked for; its `builds` are left out.
        folder: A private folder.
        installed: Version of every installed distribution, by canonical name; uv keeps those that will do, as pip does.

    Raises:
        UsageError: uv cannot do what was asked for.
        SourceError: uv found no answer, or one that cannot be believed.
    """
    place = folder / "pylock.toml"
    lines = (*options.index_lines(request), *(rewritten(one) for one in request.requirements))
    arguments = [*options.arguments(request), f"--output-file={place}"]
    if request.constraints:
        constraints = _written(folder / "constraints.txt", (rewritten(one) for one in request.constraints))
        arguments.append(f"--constraints={constraints}")
    if not options.keeps_nothing(request):
        _written(place, pins.preferences(installed))
    arguments.append(str(_written(folder / "requirements.in", lines)))
    command.compile_(request, arguments, folder)
    return pins.parse(_read(place), request, target.markers(request.python))


def _written(place: Path, lines: Iterable[str]) -> Path:
    with open(place, "w", encoding="utf-8", opener=private) as file:
        file.writelines(f"{line}\n" for line in lines)
    return place


def _read(place: Path) -> str:
    with place.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise SourceError(f"uv wrote a lockfile of more than {_MOST_BYTES} bytes")
    return data.decode(errors="replace")
