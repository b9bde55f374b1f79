"""What could not be looked at, on a page: where, why, and the one step that would change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.output.markup import Markup, code, foreign, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.incidents.reach import Gap


def listed_gaps(gaps: Sequence[Gap]) -> Markup:
    """Return them as a list."""
    rows = [
        tag(
            "li",
            tag("p", foreign(one.place, 300)),
            tag("p", foreign(one.why, 600), class_="bad"),
            tag("p", "Next: ", code(one.remedy)) if one.remedy else "",
            class_="finding",
        )
        for one in gaps
    ]
    return tag("ul", *rows, class_="findings")
