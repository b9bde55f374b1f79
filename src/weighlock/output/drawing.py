"""Boxes and lines as SVG: what drawings of several pages are put together from.

A drawing comes twice, wide and as one column for small screens; the style shows one of them. Names are cut to what
fits, and are whole in a title.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.output.markup import Markup, cut, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

HEIGHT, GAP = 46, 14
"""Of a box, and between two."""

MOST = 9
"""Boxes in a column; the last one stands for the rest."""

_NARROW, _RAIL = 320, 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A box.

    Args:
        name: Its first line.
        under: Its second line.
        look: Classes of its frame, such as ``locked``.
    """

    name: str
    under: str
    look: str = ""


def few(nodes: Sequence[Node], most: int = MOST) -> list[Node]:
    """Return at most that many boxes; the last one says how many more there are."""
    if len(nodes) <= most:
        return list(nodes)
    rest = len(nodes) - most + 1
    return [*nodes[: most - 1], Node(name=f"{rest} more", under="see the text")]


def box(node: Node, x: float, y: float, width: float) -> Markup:
    """Return a box with its upper left corner at a point."""
    letters = int((width - 24) / 7.8)
    inner = tag(  # a drawing of its own cuts what is wider than letters usually are
        "svg",
        tag("text", cut(node.name, letters), x=12, y=20, class_="label"),
        tag("text", cut(node.under, letters + 5), x=12, y=37, class_="soft"),
        x=f"{x:g}",
        y=f"{y:g}",
        width=f"{width - 8:g}",
        height=HEIGHT,
        aria_hidden="true",
    )
    frame = tag(
        "rect",
        x=f"{x + 0.5:g}",
        y=f"{y:g}",
        width=f"{width - 1:g}",
        height=HEIGHT,
        rx=8,
        class_=f"node {node.look}".strip(),
    )
    return tag("g", tag("title", f"{cut(node.name, 200)}: {cut(node.under, 100)}"), frame, inner)


def line(path: str) -> Markup:
    """Return a line along a path of SVG."""
    return tag("path", d=path, class_="edge")


def heading(text: str, x: float) -> Markup:
    """Return the heading of a column."""
    return tag("text", text, x=f"{x:g}", y=12, class_="soft")


def picture(title: str, told: str, parts: Sequence[str], size: tuple[float, float], look: str) -> Markup:
    """Return a drawing.

    Args:
        title: What it shows.
        told: The same as a sentence, for those who do not see it.
        parts: Boxes and lines.
        size: Width and height.
        look: ``wide`` or ``narrow``.
    """
    return tag(
        *("svg", tag("title", title), tag("desc", told), *parts),
        viewbox=f"0 0 {size[0]:g} {size[1]:g}",
        role="img",
        aria_label=f"{title}: {told}",
        class_=look,
    )


def stack(title: str, told: str, groups: Sequence[tuple[str, Sequence[Node]]]) -> Markup:
    """Return boxes one below the other, joined by a line on their left.

    Args:
        title: What it shows.
        told: The same as a sentence.
        groups: Headings, which may be empty, and the boxes below each.
    """
    parts: list[str] = []
    y = begin = end = 0.0
    for name, nodes in groups:
        if name:
            parts.append(tag("text", name if nodes else f"{name}: nothing known", x=_RAIL, y=y + 14, class_="soft"))
            y += 24
        for node in nodes:
            end = y + HEIGHT / 2
            begin = begin or end
            parts += [line(f"M 8 {end:g} H {_RAIL}"), box(node, _RAIL, y, _NARROW - _RAIL - 1)]
            y += HEIGHT + GAP
    return picture(title, told, [line(f"M 8 {begin:g} V {end:g}"), *parts], (_NARROW, y), "narrow")
