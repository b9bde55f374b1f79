"""How far something reached, drawn: the subject, where it is, what was made from it, and on which hosts it was used.

Columns are joined by rails, so that no line crosses a box, however many there are.
"""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

from weighlock.incidents.counts import hosts
from weighlock.output.drawing import GAP, HEIGHT, Node, box, few, heading, line, picture, stack
from weighlock.output.markup import Markup, cut, tag
from weighlock.output.where.words import amount, counted, kind, sentence, standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from weighlock.incidents.reach import Reach

_TITLE = "How far it reached"
_WIDTH, _STEP = 196, 244
_TOP = 30


def drawn(found: Reach) -> Markup:
    """Return both drawings; the tables of the page have all of it as text."""
    subject = [Node(name=found.subject, under=_under(found), look="model")]
    columns = [
        ("What it is", subject),
        ("Where it is", few(list(_places(found)))),
        ("Made from it", few(list(_derived(found)))),
        ("Where it was used", few(list(_hosts(found)))),
    ]
    shown = [column for column in columns if column[1]]
    told = cut(f"{found.subject} is {sentence(found)}", 600)
    return tag("figure", _wide(shown, told), stack(_TITLE, told, shown), class_="graph")


def _under(found: Reach) -> str:
    return ", ".join(dict.fromkeys(kind(one.kind).partition(" ")[2] for one in found.meanings)) or "nothing is known"


def _places(found: Reach) -> Iterator[Node]:
    for promoted in sorted(found.promoted, key=lambda one: not one.in_force):
        yield Node(
            name=f"{promoted.model} {promoted.version}".rstrip(),
            under=standing(promoted),
            look="denied" if promoted.in_force else "floating",
        )
    models: dict[str, list[str]] = {}
    for one in found.locked:
        models.setdefault(one.model, []).append(one.place)
    for name, places in models.items():
        count = len(set(places))
        where = _short(places[0]) if count == 1 else amount(count, "lockfile")
        yield Node(name=name, under=f"{amount(len(places), 'file')} in {where}", look="locked")
    for installed in found.installed:
        yield Node(
            name=f"{installed.name} {installed.version}",
            under=f"installed in {_short(installed.place)}",
            look="floating",
        )
    seen = set(models)
    for listed in found.listed:
        if listed.name not in seen and listed.why in {"is", "contains"}:
            seen.add(listed.name)
            yield Node(name=f"{listed.name} {listed.version}".rstrip(), under=f"listed in {_short(listed.place)}")


def _derived(found: Reach) -> Iterator[Node]:
    names: set[str] = set()
    for one in found.derived:
        if one.name not in names:
            names.add(one.name)
            yield Node(name=one.name, under=f"made from {one.base}", look="floating")


def _hosts(found: Reach) -> Iterator[Node]:
    for host, accesses in hosts(found.accesses):
        late = any(one.after_denial for one in accesses)
        users = ", ".join(dict.fromkeys(one.user for one in accesses))
        yield Node(name=host or "an unknown host", under=f"{counted(accesses)}, {users}", look="denied" if late else "")


def _wide(columns: Sequence[tuple[str, list[Node]]], told: str) -> Markup:
    rows = max(len(nodes) for _, nodes in columns)
    height = _TOP + 12 + rows * (HEIGHT + GAP)
    middle = (_TOP + 12 + height - GAP) / 2
    parts: list[str] = []
    centres = []
    for number, (name, nodes) in enumerate(columns):
        x, top = number * _STEP, middle - (len(nodes) * (HEIGHT + GAP) - GAP) / 2
        parts += [heading(name, x)]
        parts += [box(node, x, top + place * (HEIGHT + GAP), _WIDTH) for place, node in enumerate(nodes)]
        centres.append([top + place * (HEIGHT + GAP) + HEIGHT / 2 for place in range(len(nodes))])
    for number in range(len(columns) - 1):
        parts += _rail(number, centres[number], centres[number + 1])
    if len(columns) == 4:  # what is used directly is used without what was made from it
        start, end = min(centres[1] + centres[2]), min(centres[2] + centres[3])
        parts.append(line(f"M {_rail_at(1)} {start:g} V {_TOP - 6} H {_rail_at(2)} V {end:g}"))
    return picture(_TITLE, told, parts, ((len(columns) - 1) * _STEP + _WIDTH, height), "wide")


def _rail(number: int, left: Sequence[float], right: Sequence[float]) -> Iterator[Markup]:
    rail, whole = _rail_at(number), [*left, *right]
    yield from (line(f"M {number * _STEP + _WIDTH} {y:g} H {rail}") for y in left)
    yield from (line(f"M {rail} {y:g} H {(number + 1) * _STEP}") for y in right)
    if min(whole) < max(whole):
        yield line(f"M {rail} {min(whole):g} V {max(whole):g}")


def _rail_at(number: int) -> int:
    return number * _STEP + (_WIDTH + _STEP) // 2


def _short(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(os.path.basename(folder), name)
