"""The tables of the page, one for each kind of place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.output.markup import Markup, digest, foreign, tag
from weighlock.output.page import row, section, table
from weighlock.output.where.words import moment, runs, source, standing, times, why

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.incidents.reach import Access, Derived, Installed, Listed, Locked, Looked, PromotedVersion

_FEW, _MOST = 15, 1500
_MOST_RUNS = 6


def accesses(found: Sequence[Access]) -> list[Markup]:
    """Return who accessed it, and by which entries of the ledger that is known."""
    head = ("Host and user", "How", "Verdict", "How often", "When", "Entries")
    return _section("accesses", "Accesses", head, [_access(one) for one in found], "By host, user and loader.")


def _access(one: Access) -> Markup:
    how = " ".join(filter(None, (one.gate, one.loader)))
    about = ", resting on it" if one.rests else ", what was made from it" if one.derived else ""
    verdict = one.verdict if one.enforced or one.verdict == "ALLOW" else f"{one.verdict}, not enforced"
    late = f", {times(one.after_denial)} after it had been denied" if one.after_denial else ""
    return row(
        ("Host and user", tag("span", foreign(one.host, 100), " ", foreign(one.user, 100)), ""),
        ("How", tag("span", foreign(how, 200), about), ""),
        ("Verdict", verdict, ""),
        ("How often", f"{times(one.count)}{late}", "bad" if late else ""),
        ("When", f"{moment(one.first)} to {moment(one.last)}", ""),
        ("Entries", runs(one.entries, _MOST_RUNS, one.count), "number"),
    )


def promoted(found: Sequence[PromotedVersion]) -> list[Markup]:
    """Return the promoted versions."""
    head = ("Model", "Version", "Stage", "When", "Registry", "Statement")
    rows = [
        row(
            ("Model", tag("span", foreign(one.model, 200), _related(one.why)), ""),
            ("Version", foreign(one.version, 60), ""),
            ("Stage", foreign(standing(one), 80), "bad" if one.in_force else ""),
            ("When", moment(one.time) if one.time else "", ""),
            ("Registry", foreign(one.place, 300), "path"),
            ("Statement", digest(one.statement) if one.statement else "", "hash"),
        )
        for one in found
    ]
    return _section("promoted", "Promoted versions", head, rows, "What registries hand out.")


def locked(found: Sequence[Locked]) -> list[Markup]:
    """Return the files of lockfiles."""
    head = ("Lockfile", "Model", "File", "SHA-256", "Approved imports")
    rows = [
        row(
            ("Lockfile", foreign(one.place, 300), "path"),
            ("Model", foreign(one.model, 200), ""),
            ("File", foreign(one.path, 300), ""),
            ("SHA-256", digest(one.digest), "hash"),
            ("Approved imports", foreign(", ".join(one.approved) or "none", 300), ""),
        )
        for one in found
    ]
    return _section("locked", "Locked", head, rows, "Projects that may load it.")


def derived(found: Sequence[Derived]) -> list[Markup]:
    """Return what was made from it."""
    head = ("Model", "Made from", "Steps", "Who says so")
    rows = [
        row(
            ("Model", foreign(one.name, 200), ""),
            ("Made from", foreign(one.base, 200), ""),
            ("Steps", str(one.steps), "number"),
            ("Who says so", foreign(one.place, 300), "path"),
        )
        for one in found
    ]
    return _section("derived", "Made from it", head, rows, "As bills of materials and model cards say.")


def listed(found: Sequence[Listed]) -> list[Markup]:
    """Return components of bills of materials."""
    head = ("Bill", "Component", "Version", "Where in it")
    rows = [
        row(
            ("Bill", foreign(one.place, 300), "path"),
            ("Component", tag("span", foreign(one.name, 200), _related(one.why)), ""),
            ("Version", foreign(one.version, 60), ""),
            ("Where in it", foreign(one.part, 200), ""),
        )
        for one in found
    ]
    return _section("listed", "In bills of materials", head, rows, "Products that contain or need it.")


def installed(found: Sequence[Installed]) -> list[Markup]:
    """Return distributions of environments."""
    head = ("Environment", "Package", "Version")
    rows = [
        row(
            ("Environment", foreign(one.place, 300), "path"),
            ("Package", tag("span", foreign(one.name, 120), _related(one.why)), ""),
            ("Version", foreign(one.version, 60), ""),
        )
        for one in found
    ]
    return _section("installed", "Installed", head, rows, "Environments that have it.")


def looked(found: Sequence[Looked]) -> Markup:
    """Return what was looked at."""
    head = ("What", "Where", "State", "What it has", "Of")
    rows = [
        row(
            ("What", source(one.kind), ""),
            ("Where", foreign(one.place, 300), "path"),
            ("State", one.state, "" if one.state == "read" else "bad"),
            ("What it has", foreign(one.told, 300), ""),
            ("Of", moment(one.fresh) if one.fresh else "", ""),
        )
        for one in found
    ]
    return (
        _section("looked", "Looked at", head, rows, "All that this answer rests on.")
        or [section("looked", "Looked at", "none", tag("p", "There was nothing to look at.", class_="lead"))]
    )[0]


def _related(name: str) -> str:
    told = why(name)
    return f" ({told})" if told else ""


def _section(id_: str, title: str, head: Sequence[str], rows: list[Markup], caption: str) -> list[Markup]:
    if not rows:
        return []
    body: list[str] = [table(head, rows[:_FEW], caption)]
    if rows[_FEW:]:
        summary = tag("summary", f"{len(rows) - _FEW:,} more")
        body.append(tag("details", summary, table(head, rows[_FEW:_MOST], "All others."), class_="long"))
    if len(rows) > _MOST:
        body.append(tag("p", f"{len(rows) - _MOST:,} of them are in the JSON report only.", class_="small soft"))
    return [section(id_, title, f"{len(rows):,}", *body)]
