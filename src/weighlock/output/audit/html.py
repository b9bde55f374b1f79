"""The audit as one page that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock import __version__
from weighlock.output.audit import contents, sections
from weighlock.output.markup import Markup, cut, joined, tag
from weighlock.output.page import document

if TYPE_CHECKING:
    from weighlock.audit.verdict import Audit


def render(audit: Audit) -> str:
    """Return the whole document."""
    title = f"{audit.verdict.decision}: audit of {cut(audit.facts.model, 120)}"
    parts = (sections.top(audit), sections.overview(audit), _main(audit), _footer(audit))
    return document(title, "Skip to what stands in the way", *parts)


def _main(audit: Audit) -> Markup:
    return tag(
        "main",
        sections.blocking(audit),
        joined(sections.four_parts(audit)),
        contents.files(audit),
        contents.findings(audit),
        contents.made_of(audit),
        sections.waivers(audit),
        contents.ledger(audit),
        sections.evidence_for(audit),
        contents.again(audit),
        id="main",
    )


def _footer(audit: Audit) -> Markup:
    told = f"Written by weighlock {__version__} on {audit.facts.now.date()}. "
    return tag(
        "footer",
        tag("p", told, "What machines answered rests on the digests that it names; people answer for the rest."),
    )
