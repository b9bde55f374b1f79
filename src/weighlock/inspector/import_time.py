"""What importing the packages of a wheel would run, followed through the modules of the wheel itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.formats.python.behaviour import ImportTime, may_act
from weighlock.formats.python.imported import Imports, Loaded
from weighlock.formats.python.text import parse, searchable, uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import Budget
    from weighlock.formats.wheel import Member, Wheel

_LARGEST = 16 << 20


def import_time(wheel: Wheel, budget: Budget) -> ImportTime:
    """Say what importing every top-level package and module of a wheel would run.

    Args:
        wheel: The wheel.
        budget: Pays for what is unpacked.
    """
    modules = dict(_modules(wheel))
    unread: list[str] = []

    def load(name: str) -> Loaded | None:
        member = modules.get(name)
        if member is None:
            return None
        data = b""
        try:
            data = member.read(budget, _LARGEST)
            searchable(data)
            return Loaded(parse(data), member.name, len(data))
        except FormatError as error:
            # No import gets past it, unless it is for a newer Python; damage is found by those who read every member.
            if may_act(data):
                unread.append(f"{member.name}: {error.message}")
            return None
        except (OverBudgetError, UnsupportedError) as error:
            unread.append(f"{member.name}: {error.message}")
            return None

    imports = Imports(load, lambda name: modules[name].name.endswith("/__init__.py"))
    try:
        with uncollected():
            for name in _roots(modules):
                imports.enter(name)
    except OverBudgetError as error:
        unread.append(error.message)
    except RecursionError:
        unread.append("its functions call each other too deeply")
    return ImportTime(behaviours=tuple(sorted(imports.behaviours)), unread=tuple(unread))


def _modules(wheel: Wheel) -> Iterator[tuple[str, Member]]:
    """Yield every Python module, packages before the modules that they hide."""
    found = []
    for member in wheel.files:
        path = member.place.library if member.place is not None else None
        if path is not None and path.lower().endswith((".py", ".pyw")):
            parts = path.rpartition(".")[0].split("/")
            is_package = parts[-1] == "__init__" and len(parts) > 1
            found.append((not is_package, ".".join(parts[:-1] if is_package else parts), member))
    known = set[str]()
    for _, name, member in sorted(found, key=lambda row: row[:2]):
        if name not in known:
            known.add(name)
            yield name, member


def _roots(modules: dict[str, Member]) -> list[str]:
    """Return what a person would import: the topmost module of every branch, also below folders without code."""
    return sorted(name for name in modules if not any(above in modules for above in _above(name)))


def _above(name: str) -> Iterator[str]:
    while (name := name.rpartition(".")[0]) != "":
        yield name
