"""Sections of the page that are about what the model consists of: files, findings, lineage, packages, the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.audit.facts import GOOD
from weighlock.finding import Severity
from weighlock.output.audit import charts
from weighlock.output.audit.graph import lineage
from weighlock.output.audit.words import reproduce
from weighlock.output.markup import Markup, code, cut, digest, foreign, joined, tag
from weighlock.output.page import row, section, table
from weighlock.output.text import human_size

if TYPE_CHECKING:
    from weighlock.audit.facts import Facts, FileFacts, PackageFacts
    from weighlock.audit.verdict import Audit
    from weighlock.finding import Finding

_FEW_FILES = 25
_MOST_FILES = 3000
_FEW_FINDINGS = 20
_MOST_FINDINGS = 500
_FILE_HEAD = ("File", "Format", "Size", "SHA-256", "State")


def files(audit: Audit) -> Markup:
    """Return charts and the table of all files."""
    found = audit.facts.files
    if not found:
        return section("files", "Files", "none", tag("p", "No file of it could be looked at.", class_="lead"))
    ranked = sorted(found, key=lambda file: (not _is_odd(file), -file.outcome, file.path))
    first = [_file(file) for file in ranked[:_FEW_FILES]]
    body: list[str] = [charts.row([charts.formats(found), charts.largest(found)])]
    body.append(table(_FILE_HEAD, first, "What is not as it should be comes first; a click on a digest selects it."))
    rest = ranked[_FEW_FILES:_MOST_FILES]
    if rest:
        summary = tag("summary", f"{len(ranked) - _FEW_FILES} more files")
        rows = [_file(file) for file in rest]
        body.append(tag("details", summary, table(_FILE_HEAD, rows, "All others."), class_="long"))
    if len(ranked) > _MOST_FILES:
        body.append(tag("p", f"{len(ranked) - _MOST_FILES} more are in the JSON report.", class_="small soft"))
    return section("files", "Files", str(len(found)), *body)


def _is_odd(file: FileFacts) -> bool:
    return bool(file.denied) or file.disk != GOOD or file.unsafe


def _file(file: FileFacts) -> Markup:
    return row(
        ("File", foreign(file.path, 300), "path"),
        ("Format", foreign(file.format or "no model", 60), ""),
        ("Size", human_size(file.size), "number"),
        ("SHA-256", digest(file.sha256), "hash"),
        ("State", _state(file), ""),
    )


def _state(file: FileFacts) -> Markup:
    if file.disk != GOOD:
        return tag("span", f"{file.outcome}, {file.disk}: {cut(file.mismatch or '', 200)}".rstrip(": "), class_="bad")
    if file.denied:
        return tag("span", f"{file.outcome}, refused", class_="bad")
    return tag("span", f"{file.outcome}, as locked{', accepted unseen' if file.unsafe else ''}")


def findings(audit: Audit) -> Markup:
    """Return what the checks saw, with the place in the file."""
    order = list(Severity)
    found = sorted(audit.facts.findings(), key=lambda pair: -order.index(pair[1].severity))
    if not found:
        return section("findings", "Findings", "none", tag("p", "No check found anything in any file.", class_="lead"))
    rows = [_finding(file, finding) for file, finding in found[:_MOST_FINDINGS]]
    body: list[str] = [tag("ul", *rows[:_FEW_FINDINGS], class_="findings")]
    if rows[_FEW_FINDINGS:]:
        more = tag("ul", *rows[_FEW_FINDINGS:], class_="findings")
        body.append(tag("details", tag("summary", f"{len(found) - _FEW_FINDINGS} more findings"), more, class_="long"))
    if len(found) > _MOST_FINDINGS:
        body.append(
            tag("p", f"{len(found) - _MOST_FINDINGS} of them are in the JSON report only.", class_="small soft")
        )
    return section("findings", "Findings", str(len(found)), *body)


def _finding(file: FileFacts, finding: Finding) -> Markup:
    where: list[str] = [foreign(file.path, 300)]
    for member in finding.location.members:
        where += [" → ", foreign(member, 200)]
    if finding.location.offset is not None:
        where.append(f" at byte {finding.location.offset:,}")
    grave = finding.severity in {Severity.HIGH, Severity.CRITICAL, Severity.UNKNOWN}
    return tag(
        "li",
        tag("p", tag("strong", str(finding.severity), class_="bad" if grave else None), " ", code(finding.check)),
        tag("p", foreign(finding.message, 1200)),
        tag("p", *where, class_="where"),
        class_="finding",
    )


def made_of(audit: Audit) -> Markup:
    """Return the drawing of lineage and dependencies, and the packages as a table."""
    facts = audit.facts
    body: list[str] = [lineage(facts), *_packages(facts)]
    count = len(facts.relatives) + (len(facts.packages.packages) if facts.packages else 0)
    return section("lineage", "Lineage and dependencies", str(count) if count else "", *body)


def _packages(facts: Facts) -> list[Markup]:
    judged = facts.packages
    if judged is None:
        return []
    ranked = sorted(judged.packages, key=lambda one: (not one.denied, not one.advisories, one.name))
    rows = [_package(one) for one in ranked[:_MOST_FILES]]
    count = len(judged.packages)
    summary = tag("summary", f"{count} package{'s' * (count != 1)} of ", foreign(", ".join(judged.inputs), 200))
    caption = f"Advisories as of {judged.advisories}." if judged.advisories else "Advisories of unknown date."
    inner = table(("Package", "Version", "Advisories", "Refused because"), rows, caption)
    warned = [tag("p", foreign(text, 600), class_="note") for text in (*judged.denied, *judged.warnings)]
    return [tag("details", summary, inner, class_="long"), *warned]


def _package(one: PackageFacts) -> Markup:
    return row(
        ("Package", foreign(one.name, 120), ""),
        ("Version", foreign(one.version, 60), ""),
        ("Advisories", foreign(", ".join(one.advisories) or "none", 300), ""),
        ("Refused because", foreign("; ".join(one.denied) or "not refused", 600), "bad" if one.denied else ""),
    )


def ledger(audit: Audit) -> Markup:
    """Return the proof of the ledger's entry: everything that it takes to check it without weighlock."""
    proof = audit.facts.ledger
    if proof is None:
        why = audit.facts.ledger_problem or "No ledger has an entry about this model."
        return section("ledger", "Proof of the ledger", "", tag("p", foreign(why, 600), class_="lead"))
    facts: list[tuple[str, str]] = [
        ("Entry", f"{proof.index:,} of {proof.size:,}"),
        ("Verdict", tag("span", proof.verdict, " by ", foreign(proof.gate, 60), " at ", foreign(proof.time, 60))),
        ("Digest of the entry", digest(proof.entry)),
        ("Root of the tree", digest(proof.root)),
    ]
    hashes = [tag("li", digest(one)) for one in proof.hashes]
    return section(
        "ledger",
        "Proof of the ledger",
        "",
        tag("dl", *(joined((tag("dt", name), tag("dd", value))) for name, value in facts), class_="facts"),
        tag("h3", "Checkpoint"),
        tag("pre", joined([cut(line, 300) for line in proof.checkpoint.splitlines()[:40]], "\n")),
        tag("details", tag("summary", f"Proof of inclusion, {len(hashes)} hashes"), tag("ol", *hashes)),
    )


def again(audit: Audit) -> Markup:
    """Return the commands that show the same again."""
    rows = [
        tag("li", tag("p", f"{what[0].upper()}{what[1:]}:"), tag("pre", cut(step, 600)))
        for step, what in reproduce(audit)
    ]
    lead = "In the folder of the lockfile, with the same files; the digests above say whether they are the same."
    return section("again", "How to see it again", "", tag("p", lead, class_="lead"), tag("ul", *rows, class_="steps"))
