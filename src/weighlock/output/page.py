"""A page that needs nothing else: no script, no picture from elsewhere, no font, no request at all.

Its content security policy says so to the browser as well: nothing may be loaded, and only its own style counts, by
digest.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.output.escape import encodable
from weighlock.output.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLE = Path(__file__).with_name("page.css")


def document(title: str, skip: str, *parts: str, style: str = "") -> str:
    """Return the whole document.

    Args:
        title: Of the page.
        skip: What the link says that leads to the element ``main``.
        parts: Of the body.
        style: Rules of this page, after those of all pages.
    """
    rules = _STYLE.read_text(encoding="utf-8") + style
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy_of(rules)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(rules)),
    )
    body = tag("body", tag("a", skip, href="#main", class_="skip"), tag("div", *parts, class_="wrap"))
    page = f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"
    return str(encodable(page))


def policy_of(style: str) -> str:
    """Return the content security policy of a page with this style."""
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def section(id_: str, title: str, count: str, *body: str) -> Markup:
    """Return a section with its heading."""
    heading = tag("h2", title, tag("span", count, class_="count") if count else "", id=f"{id_}-title")
    return tag("section", heading, *body, id=id_, aria_labelledby=f"{id_}-title")


def table(head: Sequence[str], rows: Sequence[Markup], caption: str) -> Markup:
    """Return a table; on a small screen each row becomes a list."""
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *(tag("th", name, scope="col", role="columnheader") for name in head), role="row")),
        tag("tbody", *rows, role="rowgroup"),
        role="table",  # also where the style makes lists of its rows
    )


def row(*cells: tuple[str, str, str]) -> Markup:
    """Return a row of a table.

    Args:
        cells: Label, content and class of each.
    """
    return tag(
        "tr",
        *(tag("td", content, role="cell", data_label=label, class_=look or None) for label, content, look in cells),
        role="row",
    )
