"""Sections of the page that are about items: the verdict, the four parts, waivers, and what they are evidence for."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from weighlock.audit.item import Part, Status
from weighlock.model_source import revision_of
from weighlock.output.audit.charts import progress
from weighlock.output.audit.words import (
    EVIDENCE_FOR,
    ORDER,
    mappings,
    parts,
    sentence,
    source_of,
)
from weighlock.output.markup import Markup, code, digest, foreign, joined, link, prose, tag
from weighlock.output.page import row, section, table
from weighlock.output.text import human_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from weighlock.audit.item import Item, Waiver
    from weighlock.audit.verdict import Audit

_PILLS = {
    Status.PASS: ("pass", "✓ pass"),
    Status.FAIL: ("fail", "✕ fail"),
    Status.WAIVED: ("waived", "◇ waived"),
    Status.NOT_ASSESSED: ("open", "○ not assessed"),
}
_MOST_DIGESTS = 40
_MOST_NOTES = 20


def top(audit: Audit) -> Markup:
    """Return the verdict, and what it is about."""
    facts = audit.facts
    decision = str(audit.verdict.decision)
    day = facts.now.astimezone(UTC)
    verdict = tag(
        "div",
        tag("p", decision, class_="word"),
        tag("p", sentence(audit), class_="why"),
        class_=f"verdict {decision.lower()}",
    )
    head = [
        tag("p", f"Audit of a pretrained model, {day.day} {day:%B %Y}, {day:%H:%M} UTC", class_="eyebrow"),
        tag("h1", foreign(facts.model, 160)),
        verdict,
        _identity(audit),
        *(tag("p", foreign(note, 600), class_="note") for note in (*audit.notes, *facts.unlisted)[:_MOST_NOTES]),
    ]
    return tag("header", *head, class_="top")


def _identity(audit: Audit) -> Markup:
    facts = audit.facts
    size = sum(file.size for file in facts.files)
    revision = revision_of(facts.source)
    licence = facts.license or (facts.card.license if facts.card else None)
    rows: list[tuple[str, str | None]] = [
        ("Source", foreign(source_of(facts.source), 200)),
        ("Commit", digest(revision) if revision else None),
        ("Licence", foreign(licence, 100) if licence else None),
        ("Files", f"{len(facts.files)}, together {human_size(size)}"),
        ("Digest of the model", digest(facts.digest)),
        ("Digest of the lockfile", digest(facts.lock) if facts.lock else None),
        ("Digest of the policy", digest(facts.policy) if facts.policy else None),
        ("Digest of the answers", digest(audit.record) if audit.record else None),
    ]
    return tag("dl", *(joined((tag("dt", name), tag("dd", value))) for name, value in rows if value), class_="facts")


def overview(audit: Audit) -> Markup:
    """Return the four parts with how far each is."""
    cards = [_card(part, items) for part, items in parts(audit)]
    return tag("nav", tag("ul", *cards, class_="parts"), aria_label="The four parts")


def _card(part: Part, items: Sequence[Item]) -> Markup:
    settled = sum(item.status in {Status.PASS, Status.WAIVED} for item in items)
    counts = [(status, sum(item.status is status for item in items)) for status in ORDER]
    told = ", ".join(f"{count} {status.value}" for status, count in counts if count)
    inner = [
        tag("strong", part.heading),
        tag("span", f"{settled} of {len(items)} settled", class_="small soft"),
        progress(items),
        tag("span", told, class_="small"),
    ]
    return tag("li", tag("a", *inner, href=f"#{part.value}"))


def blocking(audit: Audit) -> Markup | str:
    """Return what stands between the model and ALLOW, each as a link to its item."""
    items = sorted((item for item in audit.items if item.blocks), key=lambda item: ORDER.index(item.status))
    if not items:
        return ""
    rows = [tag("li", pill(item), tag("a", prose(item.question.text), href=f"#{item.question.id}")) for item in items]
    return section("blocking", "What stands in the way", str(len(items)), tag("ul", *rows, class_="todo"))


def four_parts(audit: Audit) -> Iterator[Markup]:
    """Yield a section for each part, what blocks first."""
    for part, items in parts(audit):
        settled = sum(item.status in {Status.PASS, Status.WAIVED} for item in items)
        ranked = sorted(items, key=lambda item: ORDER.index(item.status))
        body = tag("ol", *map(_item, ranked), class_="items")
        yield section(part.value, part.heading, f"{settled} of {len(items)} settled", body)


def pill(item: Item) -> Markup:
    """Return the status as a word with a sign, so that nobody has to see its colour."""
    look, word = _PILLS[item.status]
    return tag("span", word, class_=f"pill {look}")


def _item(item: Item) -> Markup:
    question = item.question
    body: list[str] = [tag("h3", prose(question.text))]
    if item.by is not None or question.assess is not None:  # of a person's open question there is nothing to say yet
        body.append(tag("p", foreign(_begun(item.text), 1200), class_="answer"))
    if item.status is Status.WAIVED and item.waiver is not None:
        waiver = item.waiver
        told = ("Waived until ", str(waiver.expires), " by ", foreign(waiver.approver, 120), ": ")
        body.append(tag("p", *told, foreign(waiver.reason, 1200), class_="note"))
    body += [tag("p", foreign(note, 600), class_="note") for note in item.notes]
    body.append(tag("div", _meta(item), _evidence(item), class_="foot"))
    return tag("li", tag("div", pill(item)), tag("div", *body), id=question.id)


def _begun(text: str) -> str:
    """Return a text as a sentence begins, unless it begins with the name of something."""
    return f"{text[0].upper()}{text[1:]}" if text.partition(" ")[0].isalpha() else text


def _meta(item: Item) -> Markup:
    question = item.question
    if item.by is None:
        who = f"asked of: {question.owner}"
        return tag("p", code(question.id), f" · {who}{_optional(item)}", class_="meta")
    return tag("p", code(question.id), " · ", foreign(item.by, 120), f", {item.at}{_optional(item)}", class_="meta")


def _optional(item: Item) -> str:
    return "" if item.required else " · optional"


def _evidence(item: Item) -> Markup:
    inner: list[str] = [tag("p", tag("span", "Passes when: ", class_="soft"), prose(item.question.passes))]
    if item.place:
        inner.append(tag("p", "Evidence: ", link(item.place)))
    if item.evidence:
        rows = [tag("li", digest(one)) for one in item.evidence[:_MOST_DIGESTS]]
        if len(item.evidence) > _MOST_DIGESTS:
            rows.append(tag("li", f"{len(item.evidence) - _MOST_DIGESTS} more in the JSON report"))
        inner.append(tag("ul", *rows, class_="digests"))
    inner.append(tag("ul", *(tag("li", name) for name in item.question.evidence_for), class_="tags"))
    return tag("details", tag("summary", "Evidence"), *inner)


def waivers(audit: Audit) -> Markup | str:
    """Return every waiver with its end, those included that count no longer."""
    waived = [item for item in audit.items if item.waiver is not None]
    if not waived:
        return ""
    rows = [
        row(
            ("Item", code(item.question.id), ""),
            ("Counts", pill(item) if item.status is Status.WAIVED else tag("span", "no", class_="bad"), ""),
            ("Expires", _end(item.waiver, audit), "number"),
            ("Approved by", foreign(item.waiver.approver, 120), ""),
            ("Asked by", foreign(item.waiver.by, 120), ""),
            ("Reason", foreign(item.waiver.reason, 600), ""),
        )
        for item in waived
        if item.waiver is not None
    ]
    head = ("Item", "Counts", "Expires", "Approved by", "Asked by", "Reason")
    return section(
        "waivers", "Waivers", str(len(waived)), table(head, rows, "Somebody else than who asked approved each.")
    )


def _end(waiver: Waiver, audit: Audit) -> str:
    left = (waiver.expires - audit.facts.now.astimezone(UTC).date()).days
    return f"{waiver.expires}, {left} day{'s' * (left != 1)} left" if left >= 0 else f"{waiver.expires}, over"


def evidence_for(audit: Audit) -> Markup:
    """Return the identifiers of frameworks that items are evidence for."""
    rows = [
        row(
            ("Standard", standard, ""),
            ("Identifier", code(identifier), ""),
            ("Title", title, ""),
            ("Items", _statuses(items), ""),
        )
        for standard, identifier, title, items in mappings(audit)
    ]
    inner = tag(
        "details",
        tag("summary", f"{len(rows)} identifiers of SLSA, NIST AI RMF, OWASP and MITRE ATLAS"),
        table(("Standard", "Identifier", "Title", "Items"), rows, "Items that are evidence for each identifier."),
        class_="long",
    )
    return section("evidence-for", "Evidence for", "", tag("p", EVIDENCE_FOR, class_="lead"), inner)


def _statuses(items: Sequence[Item]) -> Markup:
    rows = [tag("li", tag("a", item.question.id, href=f"#{item.question.id}"), f" {item.status}") for item in items]
    return tag("ul", *rows, class_="digests")
