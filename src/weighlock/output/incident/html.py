"""The report about an incident as one page that needs nothing else, with the proofs in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from weighlock import __version__
from weighlock.output.gaps import listed_gaps
from weighlock.output.incident import timeline
from weighlock.output.incident.words import (
    CLOCKS,
    EVIDENCE_FOR,
    NOTHING,
    REPORTED,
    again,
    clock,
    how,
    measures,
    numbers,
    questions,
    sentence,
    verifying,
    when,
    word,
)
from weighlock.output.markup import Markup, code, cut, digest, foreign, joined, prose, tag
from weighlock.output.page import document, row, section, table

if TYPE_CHECKING:
    from weighlock.incidents.timeline import Incident, Proof, Step

_MOST_STEPS = 500
_MOST_DIGESTS = 200
_STYLE = "td.time { width: 11.5rem; } @media (max-width: 44rem) { td.time { width: auto; } }"
_AT_ONCE = 300
"""Characters in one element; a longer one would be cut."""
_BAD = frozenset({"let through", "quarantined"})


def render(incident: Incident) -> str:
    """Return the whole document."""
    title = f"Incident: {cut(incident.subject, 120)}: {word(incident)}"
    main = tag(
        "main",
        *_gaps(incident),
        _took(incident),
        *_happened(incident),
        *_denied(incident),
        _asked(incident),
        _vouched(incident),
        *_digests(incident),
        id="main",
    )
    footer = tag("footer", tag("p", f"Written by weighlock {__version__}. {CLOCKS}"))
    return document(title, "Skip to how long it took", _top(incident), main, footer, style=_STYLE)


def _top(incident: Incident) -> Markup:
    answer = word(incident)
    verdict = tag(
        "div",
        tag("p", answer, class_="word"),
        tag("p", foreign(f"{sentence(incident)}.", 900), class_="why"),
        class_=f"verdict {'allow' if answer in {REPORTED, NOTHING} else 'deny'}",
    )
    facts = [
        joined((tag("dt", f"Is {one.kind}"), tag("dd", foreign(one.name, 200)))) for one in incident.reach.meanings
    ]
    for name, time in (("Entries since", incident.since), ("Entries until", incident.until)):
        facts += [joined((tag("dt", name), tag("dd", clock(time))))] if time else []
    return tag(
        "header",
        tag("p", f"Incident, as the ledger has it at {clock(incident.now)}", class_="eyebrow"),
        tag("h1", foreign(incident.subject, 160)),
        verdict,
        tag("dl", *facts, class_="facts") if facts else "",
        *(tag("p", foreign(note, 600), class_="note") for note in incident.notes[:20]),
        class_="top",
    )


def _gaps(incident: Incident) -> list[Markup]:
    if not incident.gaps:
        return []
    return [section("gaps", "What is not known", str(len(incident.gaps)), listed_gaps(incident.gaps))]


def _took(incident: Incident) -> Markup:
    facts = [joined((tag("dt", name), tag("dd", foreign(value, 600)))) for name, value in measures(incident)]
    return section("took", "How long it took", "", tag("dl", *facts, class_="facts"))


def _happened(incident: Incident) -> list[Markup]:
    steps = incident.steps
    if not steps:
        return []
    shown = steps if len(steps) <= _MOST_STEPS else (*steps[: _MOST_STEPS // 2], *steps[-_MOST_STEPS // 2 :])
    head = ("When", "What", "How", "Called", "Who", "Entries")
    rows = [_step(one) for one in shown]
    more = [f"{len(steps) - len(shown)} steps in the middle are in the JSON report."] if len(shown) < len(steps) else []
    body = table(head, rows, "Entries that say the same, between two deeds of people, are one line.")
    return [
        section("drawn", "What happened", "", timeline.drawn(steps)),
        section("timeline", "Timeline", f"{incident.entries:,} entries", body, *(tag("p", one) for one in more)),
    ]


def _step(one: Step) -> Markup:
    names = joined((tag("span", foreign(name, 120)) for name in one.names), ", ")
    return row(
        ("When", when(one), "time"),
        ("What", tag("strong", one.action), "number bad" if one.action in _BAD else "number"),
        ("How", foreign(how(one), 240), ""),
        ("Called", names, "path"),
        ("Who", tag("span", foreign(one.user, 100), " on ", foreign(one.host, 100)), ""),
        ("Entries", numbers(one), ""),
    )


def _denied(incident: Incident) -> list[Markup]:
    if not incident.denials:
        return []
    rows = [
        row(
            ("Entry", code(one.id), ""),
            ("When", clock(one.time), ""),
            ("Why", foreign(one.reason, 600), ""),
            ("Who", foreign(one.by, 120), ""),
            ("Ends", clock(one.released) or clock(one.expires) or "no", ""),
        )
        for one in incident.denials
    ]
    return [section("quarantine", "Quarantine", "", table(("Entry", "When", "Why", "Who", "Ends"), rows, "As listed."))]


def _asked(incident: Incident) -> Markup:
    rows = [
        tag("li", tag("h3", asked), tag("p", foreign(facts, 900), class_="answer"), class_="finding")
        for asked, facts in questions(incident)
    ]
    lead = tag("p", EVIDENCE_FOR, class_="lead")
    return section("questions", "Questions for people", str(len(rows)), lead, tag("ul", *rows, class_="findings"))


def _vouched(incident: Incident) -> Markup:
    found = incident.ledger
    if found.problem:
        return section(
            "proofs", "What vouches for this", "", tag("p", "Nothing: ", foreign(found.problem), class_="bad")
        )
    steps = [joined((tag("p", prose(why)), tag("pre", code(command)))) for command, why in again(incident)]
    return section(
        "proofs",
        "What vouches for this",
        f"{found.sealed:,} entries",
        tag("p", "Every entry was verified under this checkpoint before this was written.", class_="lead"),
        _lines(found.checkpoint),
        tag("h3", "The key of the ledger"),
        _lines(found.key),
        *(_proof(one) for one in incident.proofs),
        *steps,
    )


def _proof(one: Proof) -> Markup:
    summary = tag("summary", f"Proof of entry {one.number}: {one.why}")
    return tag("details", summary, tag("p", code(verifying(one))), _lines(json.dumps(one.document, indent=2)))


def _lines(text: str) -> Markup:
    """Return lines as they are: nothing of them is cut, since a proof that was cut proves nothing."""
    lines = (
        joined(tag("span", line[start : start + _AT_ONCE]) for start in range(0, len(line), _AT_ONCE))
        for line in text.splitlines()
    )
    return tag("pre", joined(lines, "\n"))


def _digests(incident: Incident) -> list[Markup]:
    found = incident.reach.digests
    if not found:
        return []
    rows = [tag("li", digest(one)) for one in found[:_MOST_DIGESTS]]
    more = (
        [tag("p", f"{len(found) - _MOST_DIGESTS} more are in the JSON report.")] if len(found) > _MOST_DIGESTS else []
    )
    body = tag(
        "details", tag("summary", f"{len(found)} digests"), tag("ul", *rows, class_="digests"), *more, class_="long"
    )
    return [section("digests", "Files that it stands for", str(len(found)), body)]
