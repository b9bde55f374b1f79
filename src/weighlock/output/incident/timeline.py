"""The timeline, drawn: one line for each kind of event, from the first to the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.output.incident.words import clock
from weighlock.output.markup import Markup, tag
from weighlock.output.where.words import times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from weighlock.incidents.timeline import Step

_ROW = 40
_TITLE = "What happened, and when"
_ORDER = (
    "locked", "judged", "signed", "promoted", "installed", "served", "loaded", "let through", "quarantined", "refused",
    "released", "rolled back",
)  # fmt: skip
_LOOKS = {"refused": "bar-pass", "let through": "bar-fail", "quarantined": "bar-fail", "rolled back": "bar-waived"}


def drawn(steps: Sequence[Step]) -> Markup:
    """Return the drawing."""
    span = (min(one.first.time for one in steps), max(one.last.time for one in steps))
    rows = [(name, found) for name in _ORDER if (found := [one for one in steps if one.action == name])]
    parts: list[str] = []
    for number, (name, found) in enumerate(rows):
        parts += _row(number * _ROW, name, found, span)
    bottom = len(rows) * _ROW
    parts += [
        tag("text", clock(span[0]), x=0, y=bottom + 14, class_="soft"),
        tag("text", clock(span[1]), x="100%", y=bottom + 32, text_anchor="end", class_="soft"),
    ]
    told = "; ".join(f"{name} {times(sum(one.count for one in found))}" for name, found in rows)
    drawing = tag(
        *("svg", tag("title", _TITLE), tag("desc", told), *parts),
        width="100%", height=bottom + 40, role="img", aria_label=f"{_TITLE}: {told}", class_="timeline",
    )  # fmt: skip
    return tag("figure", drawing)


def _row(top: float, name: str, steps: Sequence[Step], span: tuple[datetime, datetime]) -> Iterator[Markup]:
    count = sum(one.count for one in steps)
    yield tag("text", name, x=0, y=top + 13, class_="label")
    yield tag("text", times(count), x="100%", y=top + 13, text_anchor="end", class_="soft")
    yield tag("rect", x=0, y=top + 19, width="100%", height=10, rx=3, class_="track")
    for one in steps[:400]:
        start = min(_share(one.first.time, span), 99.0)
        wide = min(max(_share(one.last.time, span) - start, 1.0), 100 - start)
        yield tag(
            "rect",
            tag("title", f"{clock(one.first.time)} to {clock(one.last.time)}: {name}, {times(one.count)}"),
            x=f"{start:.2f}%", y=top + 19, width=f"{wide:.2f}%", height=10, rx=3, class_=_LOOKS.get(name, "f0"),
        )  # fmt: skip


def _share(time: datetime, span: tuple[datetime, datetime]) -> float:
    whole = (span[1] - span[0]).total_seconds()
    return 100 * (time - span[0]).total_seconds() / whole if whole else 0
