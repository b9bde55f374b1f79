"""The blast radius as one page that needs nothing else: how far something reached, drawn, and each place in a table."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock import __version__
from weighlock.output.gaps import listed_gaps
from weighlock.output.markup import Markup, code, cut, digest, foreign, joined, tag
from weighlock.output.page import document, section
from weighlock.output.where import graph, timeline
from weighlock.output.where.tables import accesses, derived, installed, listed, locked, looked, promoted
from weighlock.output.where.words import NOWHERE, after_denial, amount, kind, sentence, times, word

if TYPE_CHECKING:
    from weighlock.incidents.reach import Reach

_MOST_NOTES = 20
_MOST_DIGESTS = 200
_LOOKS = {NOWHERE: "allow"}


def render(found: Reach, *, now: datetime | None = None) -> str:
    """Return the whole document.

    Args:
        found: What is known.
        now: When it was asked.
    """
    title = f"{word(found)}: where {cut(found.subject, 120)} is"
    parts = (_top(found, now or datetime.now(UTC)), _main(found), _footer(found))
    return document(title, "Skip to how far it reached", *parts)


def _top(found: Reach, now: datetime) -> Markup:
    answer = word(found)
    verdict = tag(
        "div",
        tag("p", answer, class_="word"),
        tag("p", f"{sentence(found)}.", class_="why"),
        class_=f"verdict {_LOOKS.get(answer, 'deny')}",
    )
    facts = [
        joined(
            (tag("dt", f"{'Is' if one.known else 'Not known as'} {kind(one.kind)}"), tag("dd", foreign(one.name, 200)))
        )
        for one in found.meanings
    ]
    late = after_denial(found.accesses)
    warned = f"used {times(late)} although it had been denied before."
    return tag(
        "header",
        tag("p", f"Where it is, {now.day} {now:%B %Y}, {now:%H:%M} UTC", class_="eyebrow"),
        tag("h1", foreign(found.subject, 160)),
        verdict,
        tag("dl", *facts, class_="facts") if facts else "",
        tag("p", warned, class_="note bad") if late else "",
        *(tag("p", foreign(note, 600), class_="note") for note in found.notes[:_MOST_NOTES]),
        class_="top",
    )


def _main(found: Reach) -> Markup:
    return tag(
        "main",
        *_gaps(found),
        *_drawn(found),
        *accesses(found.accesses),
        *promoted(found.promoted),
        *locked(found.locked),
        *derived(found.derived),
        *listed(found.listed),
        *installed(found.installed),
        *_digests(found),
        looked(found.looked),
        id="main",
    )


def _gaps(found: Reach) -> list[Markup]:
    if not found.gaps:
        return []
    lead = tag("p", "It may be there, too: nobody could look.", class_="lead")
    return [section("gaps", "Not looked at", str(len(found.gaps)), lead, listed_gaps(found.gaps))]


def _drawn(found: Reach) -> list[Markup]:
    if not found.found:
        return []
    parts = [section("reach", "How far it reached", "", graph.drawn(found))]
    if found.accesses:
        parts.append(section("times", "When it was used", "", timeline.drawn(found.accesses)))
    return parts


def _digests(found: Reach) -> list[Markup]:
    if not found.digests:
        return []
    rows = [tag("li", digest(one)) for one in found.digests[:_MOST_DIGESTS]]
    rest = len(found.digests) - _MOST_DIGESTS
    more = [tag("p", f"{rest} more are in the JSON report.", class_="small soft")] if rest > 0 else []
    summary = tag("summary", amount(len(found.digests), "digest"))
    lead = tag("p", "The files that it stands for.", class_="lead")
    body = tag("details", summary, tag("ul", *rows, class_="digests"), *more, class_="long")
    return [section("digests", "What it stands for", str(len(found.digests)), lead, body)]


def _footer(found: Reach) -> Markup:
    command = f"weighlock where {shlex.quote(found.subject)}"
    return tag(
        "footer",
        tag("p", f"Written by weighlock {__version__}. To see it again: ", code(command)),
        tag("p", "Each access is an entry of the ledger: `weighlock ledger prove NUMBER` writes its proof."),
    )
