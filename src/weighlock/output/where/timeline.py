"""When something was accessed, drawn: one line for each host, from its first access to its last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.incidents.counts import hosts
from weighlock.output.markup import Markup, cut, tag
from weighlock.output.where.words import counted, moment, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from weighlock.incidents.reach import Access

_MOST = 10
_ROW = 60
_TITLE = "When it was used"


def drawn(accesses: Sequence[Access]) -> Markup:
    """Return the drawing; hosts with the latest access come first."""
    first, last = min(one.first for one in accesses), max(one.last for one in accesses)
    rows = list(hosts(accesses))
    parts: list[str] = []
    for number, (host, some) in enumerate(rows[:_MOST]):
        parts += _row(number * _ROW, host, some, (first, last))
    bottom = min(len(rows), _MOST) * _ROW
    parts += [
        tag("text", moment(first), x=0, y=bottom + 14, class_="soft"),
        tag("text", moment(last), x="100%", y=bottom + 14, text_anchor="end", class_="soft"),
    ]
    told = "; ".join(f"{cut(host, 60)} {counted(some)}" for host, some in rows[:_MOST])
    drawing = tag(
        *("svg", tag("title", _TITLE), tag("desc", told), *parts),
        width="100%", height=bottom + 22, role="img", aria_label=f"{_TITLE}: {told}", class_="timeline",
    )  # fmt: skip
    rest = len(rows) - _MOST
    more = [tag("p", f"{rest} more hosts are in the table.", class_="small soft")] if rest > 0 else []
    return tag("figure", drawing, *more)


def _row(top: float, host: str, accesses: Sequence[Access], span: tuple[datetime, datetime]) -> Iterator[Markup]:
    yield tag("text", cut(host or "an unknown host", 30), x=0, y=top + 13, class_="label")
    # On a line of its own: beside the name, it would be written over it on a small screen.
    yield tag("text", counted(accesses), x=0, y=top + 30, class_="soft")
    yield tag("rect", x=0, y=top + 37, width="100%", height=12, rx=3, class_="track")
    for one in sorted(accesses, key=lambda one: one.is_use):
        start, width = _share(one.first, span), _share(one.last, span) - _share(one.first, span)
        start = min(start, 99.2)
        yield tag(
            "rect",
            tag("title", f"{moment(one.first)} to {moment(one.last)}: {one.verdict}, {times(one.count)}"),
            x=f"{start:.2f}%",
            y=top + (37 if one.is_use else 44),
            width=f"{min(max(width, 0.8), 100 - start):.2f}%",
            height=7 if one.is_use else 5,
            rx=2,
            class_="bar-open" if not one.is_use else "bar-fail" if one.after_denial else "f0",
        )


def _share(time: datetime, span: tuple[datetime, datetime]) -> float:
    whole = (span[1] - span[0]).total_seconds()
    return 100 * (time - span[0]).total_seconds() / whole if whole else 0
