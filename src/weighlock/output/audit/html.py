"""The audit as one page that needs nothing else: no script, no picture from elsewhere, no font, no request at all.

Its content security policy says so to the browser as well: nothing may be loaded, and only its own style counts, by
digest.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock import __version__
from weighlock.output.audit import contents, sections
from weighlock.output.audit.markup import Markup, cut, joined, tag
from weighlock.output.escape import encodable

if TYPE_CHECKING:
    from weighlock.audit.verdict import Audit

_STYLE = Path(__file__).with_name("page.css")


def render(audit: Audit) -> str:
    """Return the whole document."""
    style = _STYLE.read_text(encoding="utf-8")
    title = f"{audit.verdict.decision}: audit of {cut(audit.facts.model, 120)}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy_of(style)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(style)),
    )
    body = tag(
        "body",
        tag("a", "Skip to what stands in the way", href="#main", class_="skip"),
        tag("div", sections.top(audit), sections.overview(audit), _main(audit), _footer(audit), class_="wrap"),
    )
    page = f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"
    return str(encodable(page))


def policy_of(style: str) -> str:
    """Return the content security policy of a page with this style."""
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


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
