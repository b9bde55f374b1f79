"""What a model was made of and what it runs with, drawn as SVG: in three columns, and as one column for small screens.

The layout is our own and has no crossings: everything is one step away from the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.output.audit.markup import Markup, cut, foreign, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.audit.facts import Facts, PackageFacts, Relative

_MOST = 9
_WIDTH, _HEIGHT, _GAP = 216, 46, 14
_COLUMNS = (0, 302, 604)
_CANVAS = _COLUMNS[2] + _WIDTH
_NARROW, _RAIL = 320, 26


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    name: str
    under: str
    look: str


def lineage(facts: Facts) -> Markup:
    """Return both drawings and the same as text."""
    made = [_relative(one) for one in facts.relatives if one.kind != "code"]
    runs = [*(_relative(one) for one in facts.relatives if one.kind == "code"), *_packages(facts)]
    model = _Node(name=facts.model, under=f"{len(facts.files)} files", look="model")
    told = _told(facts)
    pictures = [
        _wide(_few(made), model, _few(runs), told),
        _narrow(_few(made), model, _few(runs), told),
    ]
    text = tag("details", tag("summary", "The same as text"), tag("ul", *_list(facts)))
    return tag("figure", *pictures, text, class_="graph")


def _relative(one: Relative) -> _Node:
    kind = {"model": "base model", "code": "code of it"}.get(one.kind, one.kind)
    state = f"locked at {one.revision[:12]}" if one.locked and one.revision else "not locked"
    return _Node(name=one.name, under=f"{kind}, {state}", look="locked" if one.locked else "floating")


def _packages(facts: Facts) -> list[_Node]:
    if facts.packages is None:
        return []
    ranked = sorted(facts.packages.packages, key=lambda one: (not one.denied, not one.advisories, one.name))
    return [_package(one) for one in ranked]


def _package(one: PackageFacts) -> _Node:
    if one.denied:
        return _Node(name=f"{one.name} {one.version}", under="package, refused", look="denied")
    if one.advisories:
        return _Node(name=f"{one.name} {one.version}", under="package, has advisories", look="denied")
    return _Node(name=f"{one.name} {one.version}", under="package, admitted", look="locked")


def _few(nodes: Sequence[_Node]) -> list[_Node]:
    if len(nodes) <= _MOST:
        return list(nodes)
    rest = len(nodes) - _MOST + 1
    return [*nodes[: _MOST - 1], _Node(name=f"{rest} more", under="see the text", look="")]


def _wide(made: list[_Node], model: _Node, runs: list[_Node], told: str) -> Markup:
    rows = max(len(made), len(runs), 1)
    height = rows * (_HEIGHT + _GAP) - _GAP + 30
    middle = (height + 24) / 2
    parts: list[str] = [
        _heading("Made of", _COLUMNS[0]),
        _heading("Runs with", _COLUMNS[2]),
    ]
    for column, nodes in ((0, made), (2, runs)):
        top = middle - (len(nodes) * (_HEIGHT + _GAP) - _GAP) / 2
        for number, node in enumerate(nodes):
            y = top + number * (_HEIGHT + _GAP)
            parts += [_curve(column, y + _HEIGHT / 2, middle), _box(node, _COLUMNS[column], y, _WIDTH)]
        if not nodes:
            parts.append(tag("text", "nothing known", x=_COLUMNS[column], y=middle + 4, class_="soft"))
    parts.append(_box(model, _COLUMNS[1], middle - _HEIGHT / 2, _WIDTH))
    return _picture(parts, _CANVAS, height, told, "wide")


def _narrow(made: list[_Node], model: _Node, runs: list[_Node], told: str) -> Markup:
    parts: list[str] = []
    y = 0.0
    begin = 0.0
    for title, nodes in (("Made of", made), ("", [model]), ("Runs with", runs)):
        if title:
            parts.append(tag("text", title if nodes else f"{title}: nothing known", x=_RAIL, y=y + 14, class_="soft"))
            y += 24
        for node in nodes:
            middle = y + _HEIGHT / 2
            begin = begin or middle
            parts += [
                tag("path", d=f"M 8 {middle:g} H {_RAIL}", class_="edge"),
                _box(node, _RAIL, y, _NARROW - _RAIL - 1),
            ]
            y += _HEIGHT + _GAP
            end = middle
    parts.insert(0, tag("path", d=f"M 8 {begin:g} V {end:g}", class_="edge"))
    return _picture(parts, _NARROW, y, told, "narrow")


def _picture(parts: Sequence[str], width: float, height: float, told: str, look: str) -> Markup:
    return tag(
        *("svg", tag("title", "Lineage and dependencies"), tag("desc", told), *parts),
        viewbox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=f"Lineage and dependencies: {told}",
        class_=look,
    )


def _box(node: _Node, x: float, y: float, width: float) -> Markup:
    letters = int((width - 24) / 7.8)
    inner = tag(  # a drawing of its own cuts what is wider than letters usually are
        "svg",
        tag("text", cut(node.name, letters), x=12, y=20, class_="label"),
        tag("text", cut(node.under, letters + 9), x=12, y=37, class_="soft"),
        x=f"{x:g}",
        y=f"{y:g}",
        width=f"{width - 8:g}",
        height=_HEIGHT,
        aria_hidden="true",
    )
    frame = tag(
        "rect",
        x=f"{x + 0.5:g}",
        y=f"{y:g}",
        width=f"{width - 1:g}",
        height=_HEIGHT,
        rx=8,
        class_=f"node {node.look}".strip(),
    )
    return tag("g", tag("title", f"{cut(node.name, 200)}: {cut(node.under, 100)}"), frame, inner)


def _curve(column: int, y: float, middle: float) -> Markup:
    start, end = (_COLUMNS[0] + _WIDTH, _COLUMNS[1]) if column == 0 else (_COLUMNS[2], _COLUMNS[1] + _WIDTH)
    bend = (start + end) / 2
    return tag("path", d=f"M {start:g} {y:g} C {bend:g} {y:g} {bend:g} {middle:g} {end:g} {middle:g}", class_="edge")


def _heading(text: str, x: float) -> Markup:
    return tag("text", text, x=f"{x:g}", y=12, class_="soft")


def _told(facts: Facts) -> str:
    made = ", ".join(cut(one.name, 60) for one in facts.relatives[:_MOST] if one.kind != "code") or "nothing known"
    count = len(facts.packages.packages) if facts.packages else 0
    runs = f"{count} packages" if facts.packages else "packages that are not known"
    return f"{cut(facts.model, 100)} was made of {made}; it runs with {runs}"


def _list(facts: Facts) -> list[Markup]:
    rows = [
        tag("li", foreign(one.name, 200), f": {node.under}", *_licence(one))
        for one in facts.relatives
        for node in [_relative(one)]
    ]
    if facts.packages is not None:
        ranked = sorted(facts.packages.packages, key=lambda one: one.name)
        rows += [tag("li", foreign(f"{one.name} {one.version}", 200), f": {_package(one).under}") for one in ranked]
    return rows or [tag("li", "Nothing is known of what it was made of and of what it runs with.")]


def _licence(one: Relative) -> list[Markup]:
    return [tag("span", ", licence ", foreign(one.license, 60))] if one.license else []
