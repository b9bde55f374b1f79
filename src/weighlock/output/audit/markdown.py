"""The audit as Markdown, for a pull request or a wiki."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.audit.item import Status
from weighlock.model_source import revision_of
from weighlock.output.audit.words import EVIDENCE_FOR, mappings, parts, reproduce, sentence, source_of
from weighlock.output.packages.markdown import literal
from weighlock.output.text import human_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from weighlock.audit.item import Item
    from weighlock.audit.verdict import Audit

_MOST_FILES = 100
_MOST_FINDINGS = 100
_MARKS = {
    Status.PASS: "✅ pass",
    Status.FAIL: "❌ **fail**",
    Status.WAIVED: "🟣 waived",
    Status.NOT_ASSESSED: "⬜ *not assessed*",
}


def render(audit: Audit) -> str:
    """Return the audit; names and texts of the model are shown literally."""
    facts = audit.facts
    lines = [f"# Audit of {literal(facts.model)}: {audit.verdict.decision}", "", literal(sentence(audit)), ""]
    identity = [
        ("Source", source_of(facts.source)),
        ("Revision", revision_of(facts.source)),
        ("Licence", facts.license),
        ("Digest of the model", facts.digest),
        ("Digest of the lockfile", facts.lock),
        ("Digest of the policy", facts.policy),
        ("Digest of the record of answers", audit.record),
        ("Date", facts.now.date().isoformat()),
    ]
    lines += _table(("", ""), [(name, literal(value)) for name, value in identity if value])
    lines += [f"- note: {literal(note)}" for note in (*audit.notes, *facts.unlisted)]
    for part, items in parts(audit):
        lines += ["", f"## {part.heading}", ""]
        lines += _table(("Status", "Item", "Answer", "Who"), [_row(item) for item in items])
    lines += ["", "## Files", "", *_files(audit), "", *_findings(audit), *_ledger(audit)]
    lines += ["## Evidence for", "", EVIDENCE_FOR, ""]
    rows = [
        (standard, f"`{identifier}`", literal(title), ", ".join(f"`{one.question.id}`" for one in items))
        for standard, identifier, title, items in mappings(audit)
    ]
    lines += _table(("Standard", "Identifier", "Title", "Items"), rows)
    lines += ["", "## Again", "", *(f"- {literal(what)}: {literal(step)}" for step, what in reproduce(audit))]
    return "\n".join(lines) + "\n"


def _row(item: Item) -> tuple[str, ...]:
    told = [literal(item.question.text), literal(item.text)]
    if item.waiver is not None and item.status is Status.WAIVED:
        waiver = item.waiver
        told.append(literal(f"waived until {waiver.expires} by {waiver.approver}: {waiver.reason}"))
    told += map(literal, item.notes)
    if item.place:
        told.append(literal(f"evidence: {item.place}"))
    who = f"{item.by}, {item.at}" if item.by else item.question.owner
    optional = "" if item.required else " (optional)"
    return _MARKS[item.status], f"`{item.question.id}`{optional}", "<br>".join(told), literal(who)


def _files(audit: Audit) -> Iterator[str]:
    files = audit.facts.files
    rows = [
        (
            literal(one.path),
            literal(one.format or "no model"),
            human_size(one.size),
            f"`{one.sha256}`",
            literal(one.disk),
        )
        for one in files[:_MOST_FILES]
    ]
    yield from _table(("Path", "Format", "Size", "SHA-256", "On disk"), rows)
    if len(files) > _MOST_FILES:
        yield f"\n{len(files) - _MOST_FILES} more files are in the JSON report."


def _findings(audit: Audit) -> Iterator[str]:
    found = list(audit.facts.findings())
    if not found:
        return
    yield from ("## Findings", "")
    rows = [
        (
            str(finding.severity),
            f"`{finding.check}`",
            literal(f"{file.path}!{finding.location}".rstrip("!")),
            literal(finding.message),
        )
        for file, finding in found[:_MOST_FINDINGS]
    ]
    yield from _table(("Severity", "Check", "Where", "What"), rows)
    if len(found) > _MOST_FINDINGS:
        yield f"\n{len(found) - _MOST_FINDINGS} more findings are in the JSON report."
    yield ""


def _ledger(audit: Audit) -> Iterator[str]:
    proof = audit.facts.ledger
    yield from ("## Ledger", "")
    if proof is None:
        yield from (literal(audit.facts.ledger_problem or "no ledger has an entry about it"), "")
        return
    rows = [
        ("Entry", f"{proof.index} of {proof.size}"),
        ("Verdict", f"{proof.verdict} by {literal(proof.gate)} at {literal(proof.time)}"),
        ("Digest of the entry", literal(proof.entry)),
        ("Root", literal(proof.root)),
        ("Proof", "<br>".join(map(literal, proof.hashes))),
        ("Checkpoint", "<br>".join(map(literal, proof.checkpoint.splitlines()))),
    ]
    yield from _table(("", ""), rows)
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
