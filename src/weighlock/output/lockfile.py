"""Reports of the commands of the lockfile, for people and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from shlex import quote
from typing import TYPE_CHECKING, Any

from weighlock import __version__
from weighlock.checks.remote_code import OTHER_REPOSITORY
from weighlock.finding import Severity, listing
from weighlock.gates.changes import describe
from weighlock.gates.verify import CHANGED, EXTRA, GOOD, JUDGED_ANEW, MISSING, QUARANTINED, UNREADABLE
from weighlock.output.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from weighlock.gates.approve import Approved, Proposal
    from weighlock.gates.lock import LockReport
    from weighlock.gates.sync import SyncedFile
    from weighlock.gates.twins import Proof
    from weighlock.gates.verify import VerifyReport
    from weighlock.lockfile import LockedModel

_MOST = 12

_NEXT_STEPS = {
    MISSING: "`weighlock sync` downloads it again; a file of your own has to be restored",
    CHANGED: "`weighlock sync` replaces it; restore a file of your own, or lock it again if you changed it on purpose",
    EXTRA: "remove it, lock it with `weighlock lock`, or exclude it in [tool.weighlock.models]",
    UNREADABLE: "mend what stands there and run it again",
    QUARANTINED: "take it out of the lockfile; `weighlock quarantine --release ID` takes a mistake back",
    JUDGED_ANEW: "look at it with `weighlock scan`, and lock it again to record what is seen today",
}
"""What a person can do, by the status of a file."""


def lock_text(report: LockReport, place: str) -> str:
    """Say what was locked, what was left out, and what still needs an approval."""
    lines = [
        f"{change.kind:<10}{change.name}" + (f": {describe(change)}" if change.kind == "changed" else "")
        for change in report.changes
    ]
    for name, selection in report.left_out:
        if selection.covered:
            lines.append(f"left out  {name}: {listing(selection.covered, _MOST)}, covered by safetensors")
        if selection.other:
            lines.append(f"left out  {name}: {listing(selection.other, _MOST)}, of other frameworks")
        if selection.excluded:
            lines.append(f"left out  {name}: {listing(selection.excluded, _MOST)}, by patterns")
    if any(selection.covered or selection.other for _, selection in report.left_out):
        lines.append("          `--all-formats` or `--include PATTERN` locks them, too")
    if any(selection.excluded for _, selection in report.left_out):
        lines.append("          `weighlock verify` knows the patterns of [tool.weighlock.models] and no others")
    lines += map(_proof_line, report.proofs)
    for item in report.waiting:
        lines.append(f"waiting   {item.model}:{item.locked.path} needs {listing(item.locked.needs, _MOST)}")
        lines.append(f"          `weighlock approve {quote(f'{item.model}:{item.locked.path}')}` accepts these names")
    lines += _may_run_lines(report)
    lines += _code_lines(report)
    lines.append(f"{'wrote' if report.written else 'unchanged':<10}{place}")
    return _lines(lines)


def _may_run_lines(report: LockReport) -> Iterator[str]:
    """Name every Python file that this lockfile admits anew, however many there are."""
    for change in report.changes:
        if change.code:
            yield f"may run   {change.name}: {', '.join(change.code)}"
            yield "          read them before you commit this lockfile"


def _code_lines(report: LockReport) -> Iterator[str]:
    """Say which code the configurations refer to that the new lockfile does not admit, and what would admit it."""
    for item in report.judged:
        model = report.lockfile.by_name(item.model)
        for finding in item.inspection.findings:
            if finding.check != "remote-code":
                continue
            others = [name.removeprefix(OTHER_REPOSITORY) for name in finding.imports]
            missing = [name for name in others if not _admits_code(report.lockfile.by_repo("model", name))]
            if missing or (finding.severity == Severity.MEDIUM and not _admits_code(model)):
                yield f"code      {item.model}:{item.locked.path}: {finding.message}"
                wanted = missing or [item.model]
                yield from (f"          `weighlock lock {quote(name)} --remote-code` admits it" for name in wanted)


def _admits_code(model: LockedModel | None) -> bool:
    return model is not None and model.remote_code


def lock_json(report: LockReport, place: str) -> str:
    """Return the same facts for programs."""
    document = _document("lock")
    document["lockfile"] = place
    document["written"] = report.written
    document["changes"] = [asdict(change) for change in report.changes]
    document["left-out"] = [
        {
            "model": name,
            "covered": list(selection.covered),
            "other": list(selection.other),
            "excluded": list(selection.excluded),
        }
        for name, selection in report.left_out
    ]
    document["twins"] = [
        {
            "model": proof.model,
            "path": proof.comparison.checkpoint,
            "twin": list(proof.comparison.twin),
            "proved": proof.comparison.proved,
            "why": proof.comparison.summary or None,
            "findings": [
                {"check": finding.check, "severity": str(finding.severity), "message": finding.message}
                for finding in proof.findings
            ],
        }
        for proof in report.proofs
    ]
    document["artifacts"] = [
        {
            "model": item.model,
            "path": item.locked.path,
            "size": item.locked.size,
            "sha256": item.locked.sha256,
            "format": item.locked.format,
            "outcome": str(item.inspection.outcome),
            "imports": list(item.locked.imports),
            "needs": list(item.locked.needs),
            "verdict": str(item.verdict.decision),
            "equivalent-to": list(item.locked.equivalent_to),
        }
        for item in report.judged
    ]
    document["summary"] = {"files": len(report.judged), "needs-approval": len(report.waiting)}
    return _dump(document)


def _proof_line(proof: Proof) -> str:
    comparison = proof.comparison
    twin = listing(comparison.twin, _MOST)
    if comparison.proved:
        return f"proved    {proof.model}:{comparison.checkpoint} and {twin} hold the same tensors, bit by bit"
    return f"unproved  {proof.model}:{comparison.checkpoint} and {twin}: {comparison.summary}"


def stale_text(differences: Sequence[str], place: str, *, offline: bool) -> str:
    """Say what is stale."""
    lines = [f"stale     {line}" for line in differences]
    how = "; refs were not asked for, because of --offline" if offline else ""
    lines.append(f"{'stale' if differences else 'good':<10}{place}{how}")
    return _lines(lines)


def stale_json(differences: Sequence[str], place: str, *, offline: bool) -> str:
    """Return the same facts for programs."""
    return _dump({**_document("lock"), "lockfile": place, "offline": offline, "stale": list(differences)})


def sync_text(files: Sequence[SyncedFile]) -> str:
    """Say what was downloaded or replaced, and how much was there already."""
    lines = [f"{file.status:<11}{file.model}:{file.path}" for file in files if file.status != "present"]
    counts = [f"{sum(file.status == word for file in files)} {word}" for word in ("present", "downloaded", "replaced")]
    lines.append(f"verified   {len(files)} files: {', '.join(counts)}")
    return _lines(lines)


def sync_json(files: Sequence[SyncedFile]) -> str:
    """Return the same facts for programs."""
    summary = {word: sum(file.status == word for file in files) for word in ("present", "downloaded", "replaced")}
    return _dump({**_document("sync"), "artifacts": [asdict(file) for file in files], "summary": summary})


def verify_text(report: VerifyReport) -> str:
    """Say what is not as locked."""
    lines = [
        f"{file.status:<12}{file.path}{': ' if file.message else ''}{file.message or ''}"
        for file in report.files
        if file.status != GOOD
    ]
    statuses = {file.status for file in report.files}
    lines += [f"hint        {status}: {text}" for status, text in _NEXT_STEPS.items() if status in statuses]
    lines.append(f"verified    {sum(file.status == GOOD for file in report.files)} of {len(report.files)} files")
    return _lines(lines)


def verify_json(report: VerifyReport) -> str:
    """Return the same facts for programs."""
    summary: dict[str, int] = {}
    for file in report.files:
        summary[file.status] = summary.get(file.status, 0) + 1
    return _dump({**_document("verify"), "artifacts": [asdict(file) for file in report.files], "summary": summary})


def proposal_text(proposal: Proposal) -> str:
    """Say what a person is asked to accept."""
    entry = proposal.entry
    if entry is None:
        return _lines([f"{proposal.subject} will be downloaded, locked and accepted, whatever it does"])
    lines = [f"{proposal.subject}, {entry.format or 'format not known'}, sha256 {entry.sha256}"]
    if proposal.new:
        lines.append("it is not in the lockfile and will be added as a local file")
    if entry.unsafe:
        lines.append("it will be accepted whatever it does; what was seen in it:")
        findings = proposal.inspection.findings if proposal.inspection else ()
        lines += [f"    {finding.check}: {finding.message}" for finding in findings[:_MOST]]
    else:
        lines.append("loading it imports, beyond plain data:")
        lines += [f"    {name}" for name in entry.needs]
    return _lines(lines)


def approve_text(approved: Approved, place: str) -> str:
    """Say what was written."""
    entry = approved.proposal.entry
    if entry is None or not (entry.approved or entry.unsafe):
        hint = f"; `weighlock lock {quote(approved.proposal.subject)}` locks it" if approved.proposal.new else ""
        return _lines([f"nothing to approve: {approved.proposal.subject} holds only data{hint}"])
    what = "whatever it does" if entry.unsafe else f"{len(entry.approved)} name{'s' * (len(entry.approved) != 1)}"
    return _lines(
        [f"{'approved' if approved.written else 'unchanged'}  {approved.proposal.subject}: {what}, in {place}"]
    )


def approve_json(approved: Approved, place: str) -> str:
    """Return the same facts for programs."""
    document = {**_document("approve"), "lockfile": place, "written": approved.written}
    document["path"] = approved.proposal.subject
    entry = approved.proposal.entry
    if entry is not None:
        document |= {
            "sha256": entry.sha256,
            "needs": list(entry.needs),
            "approved": list(entry.approved),
            "unsafe": entry.unsafe,
            "reason": entry.reason,
        }
    return _dump(document)


def _document(command: str) -> dict[str, Any]:
    return {"weighlock": __version__, "command": command}


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in _printable(lines))


def _printable(lines: Iterable[str]) -> Iterator[str]:
    return (printable(line) for line in lines)
