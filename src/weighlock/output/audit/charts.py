"""Charts of an audit, as SVG that keeps the size of its letters whatever its width is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.audit.item import Status
from weighlock.output.markup import Markup, cut, foreign, joined, tag
from weighlock.output.text import human_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.audit.facts import FileFacts
    from weighlock.audit.item import Item

_MOST_FORMATS = 6
_MOST_FILES = 8
_ROW = 40
_BARS = {Status.PASS: "bar-pass", Status.WAIVED: "bar-waived", Status.FAIL: "bar-fail", Status.NOT_ASSESSED: "bar-open"}


def progress(items: Sequence[Item]) -> Markup:
    """Return a bar with one piece for each item: what passes first, what is open last."""
    order = list(_BARS)
    ranked = sorted(items, key=lambda item: order.index(item.status))
    step = 100 / max(1, len(ranked))
    pieces = [
        tag(
            "rect",
            x=f"{number * step + 0.6:.2f}%",
            y=1,
            width=f"{step - 1.2:.2f}%",
            height=8,
            rx=2,
            class_=_BARS[item.status],
        )
        for number, item in enumerate(ranked)
    ]
    return tag("svg", *pieces, width="100%", height=10, aria_hidden="true", focusable="false")


def formats(files: Sequence[FileFacts]) -> Markup:
    """Return how many bytes have which format."""
    sizes: dict[str, int] = {}
    for file in files:
        name = file.format or "no model"
        sizes[name] = sizes.get(name, 0) + file.size
    ranked = sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = ranked[:_MOST_FORMATS] if len(ranked) <= _MOST_FORMATS else ranked[: _MOST_FORMATS - 1]
    rest = sum(size for _, size in ranked[len(shown) :])
    rows = [*shown, *([("others", rest)] if rest else [])]
    total = max(1, sum(sizes.values()))
    bars, at = [], 0.0
    for number, (name, size) in enumerate(rows):
        share = 100 * size / total
        bar = tag(
            "rect",
            tag("title", f"{cut(name, 60)}: {human_size(size)}"),
            x=f"{at:.3f}%",
            y=0,
            width=f"{share:.3f}%",
            height=26,
            class_=f"f{number}",
        )
        bars.append(bar)
        at += share
    told = "; ".join(f"{cut(name, 60)} {human_size(size)}" for name, size in rows)
    picture = tag(
        *("svg", tag("title", "Bytes by format"), tag("desc", told), *bars),
        width="100%", height=26, role="img", aria_label=f"Bytes by format: {told}",
    )  # fmt: skip
    legend = [_legend(number, name, size, total) for number, (name, size) in enumerate(rows)]
    return tag("figure", tag("figcaption", "Bytes by format"), picture, tag("ul", *legend, class_="legend"))


def largest(files: Sequence[FileFacts]) -> Markup:
    """Return the largest files as bars."""
    ranked = sorted(files, key=lambda file: (-file.size, file.path))[:_MOST_FILES]
    most = max([file.size for file in ranked], default=1) or 1
    parts: list[str] = []
    for number, file in enumerate(ranked):
        top, share = number * _ROW, 100 * file.size / most
        parts += [
            tag("text", _end_of(file.path), x=0, y=top + 13),
            tag("text", human_size(file.size), x="100%", y=top + 13, text_anchor="end", class_="soft"),
            tag("rect", x=0, y=top + 19, width="100%", height=9, rx=2, class_="track"),
            tag("rect", x=0, y=top + 19, width=f"{max(share, 0.4):.2f}%", height=9, rx=2, class_="f0"),
        ]
    told = "; ".join(f"{_end_of(file.path)} {human_size(file.size)}" for file in ranked)
    picture = tag(
        *("svg", tag("title", "Largest files"), tag("desc", told), *parts),
        width="100%", height=len(ranked) * _ROW, role="img", aria_label=f"Largest files: {told}",
    )  # fmt: skip
    return tag("figure", tag("figcaption", "Largest files"), picture)


def _legend(number: int, name: str, size: int, total: int) -> Markup:
    swatch = tag(
        "svg", tag("rect", width=12, height=12, rx=2, class_=f"f{number}"), width=12, height=12, aria_hidden="true"
    )
    amount = tag("span", f"{human_size(size)}, {100 * size / total:.1f} %", class_="amount")
    return tag("li", swatch, foreign(name, 60), amount)


def _end_of(path: str, most: int = 30) -> str:
    """Return the end of a path, where files of one model differ."""
    shown = cut(path, 400)
    return shown if len(shown) <= most else f"…{shown[-(most - 1) :]}"


def row(charts: Sequence[Markup]) -> Markup:
    """Return charts side by side, where there is room."""
    return tag("div", joined(charts), class_="charts")
