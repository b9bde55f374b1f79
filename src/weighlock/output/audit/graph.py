"""What a model was made of and what it runs with, drawn as SVG: in three columns, and as one column for small screens.

The layout is our own and has no crossings: everything is one step away from the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.output.drawing import GAP, HEIGHT, MOST, Node, box, few, heading, line, picture, stack
from weighlock.output.markup import Markup, cut, foreign, tag

if TYPE_CHECKING:
    from weighlock.audit.facts import Facts, PackageFacts, Relative

_TITLE = "Lineage and dependencies"
_WIDTH = 216
_COLUMNS = (0, 302, 604)
_CANVAS = _COLUMNS[2] + _WIDTH


def lineage(facts: Facts) -> Markup:
    """Return both drawings and the same as text."""
    made = [_relative(one) for one in facts.relatives if one.kind != "code"]
    runs = [*(_relative(one) for one in facts.relatives if one.kind == "code"), *_packages(facts)]
    model = Node(name=facts.model, under=f"{len(facts.files)} files", look="model")
    told = _told(facts)
    pictures = [
        _wide(few(made), model, few(runs), told),
        stack(_TITLE, told, (("Made of", few(made)), ("", [model]), ("Runs with", few(runs)))),
    ]
    text = tag("details", tag("summary", "The same as text"), tag("ul", *_list(facts)))
    return tag("figure", *pictures, text, class_="graph")


def _relative(one: Relative) -> Node:
    kind = {"model": "base model", "code": "code of it"}.get(one.kind, one.kind)
    state = f"locked at {one.revision[:12]}" if one.locked and one.revision else "not locked"
    return Node(name=one.name, under=f"{kind}, {state}", look="locked" if one.locked else "floating")


def _packages(facts: Facts) -> list[Node]:
    if facts.packages is None:
        return []
    ranked = sorted(facts.packages.packages, key=lambda one: (not one.denied, not one.advisories, one.name))
    return [_package(one) for one in ranked]


def _package(one: PackageFacts) -> Node:
    if one.denied:
        return Node(name=f"{one.name} {one.version}", under="package, refused", look="denied")
    if one.advisories:
        return Node(name=f"{one.name} {one.version}", under="package, has advisories", look="denied")
    return Node(name=f"{one.name} {one.version}", under="package, admitted", look="locked")


def _wide(made: list[Node], model: Node, runs: list[Node], told: str) -> Markup:
    rows = max(len(made), len(runs), 1)
    height = rows * (HEIGHT + GAP) - GAP + 30
    middle = (height + 24) / 2
    parts: list[str] = [
        heading("Made of", _COLUMNS[0]),
        heading("Runs with", _COLUMNS[2]),
    ]
    for column, nodes in ((0, made), (2, runs)):
        top = middle - (len(nodes) * (HEIGHT + GAP) - GAP) / 2
        for number, node in enumerate(nodes):
            y = top + number * (HEIGHT + GAP)
            parts += [_curve(column, y + HEIGHT / 2, middle), box(node, _COLUMNS[column], y, _WIDTH)]
        if not nodes:
            parts.append(tag("text", "nothing known", x=_COLUMNS[column], y=middle + 4, class_="soft"))
    parts.append(box(model, _COLUMNS[1], middle - HEIGHT / 2, _WIDTH))
    return picture(_TITLE, told, parts, (_CANVAS, height), "wide")


def _curve(column: int, y: float, middle: float) -> Markup:
    start, end = (_COLUMNS[0] + _WIDTH, _COLUMNS[1]) if column == 0 else (_COLUMNS[2], _COLUMNS[1] + _WIDTH)
    bend = (start + end) / 2
    return line(f"M {start:g} {y:g} C {bend:g} {y:g} {bend:g} {middle:g} {end:g} {middle:g}")


def _told(facts: Facts) -> str:
    made = ", ".join(cut(one.name, 60) for one in facts.relatives[:MOST] if one.kind != "code") or "nothing known"
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
