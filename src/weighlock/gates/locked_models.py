"""What ``weighlock check`` says about a project's ``models.lock``: is it what the policy asks for, and is the disk.

Files that are not on this machine are no mismatch here, since a build rarely has them; ``weighlock verify`` counts
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.gates.packages import JudgedLooseFile
from weighlock.gates.places import Places
from weighlock.gates.quarantined import RULE
from weighlock.gates.request import intent_request
from weighlock.gates.stale import check as stale_differences
from weighlock.gates.verify import BESIDE, GOOD, LEFT_OUT, MISSING, QUARANTINED, UNREADABLE, verify_models
from weighlock.gates.verify_quarantine import quarantined
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from weighlock.gates.project import Project
    from weighlock.sources.interface import Progress

_HARMLESS = frozenset({GOOD, MISSING, BESIDE, LEFT_OUT})
_ALLOW = Verdict(decision=Decision.ALLOW)


def judge_models(
    project: Project, shown: str, *, offline: bool, progress: Progress | None = None
) -> tuple[tuple[JudgedLooseFile, ...], tuple[str, ...]]:
    """Judge the lockfile of models and the locked files that are on this machine.

    Args:
        project: Its policy and its lockfile.
        shown: What a person calls the lockfile.
        offline: Ask no Hub.
        progress: Is told what is hashed.

    Returns:
        The lockfile and every file that is not as it says, and sentences about what was not judged.

    Raises:
        LockfileError: It is missing or broken.
        SourceError: The Hub cannot be reached.
    """
    lockfile = project.read(required=True)
    requests = [intent_request(intent, project.folder) for intent in project.policy.models]
    stale = stale_differences(requests, lockfile, project.folder, offline=offline)
    judged = [JudgedLooseFile(path=shown, findings=(), verdict=_stale(stale) if stale else _ALLOW)]
    report = verify_models(
        lockfile.models, lockfile, Places(folder=project.folder), intents=project.policy.models, progress=progress
    )
    report = quarantined(report, lockfile, project.quarantine())
    judged += [
        JudgedLooseFile(path=file.path, findings=(), verdict=_mismatch(file.status, file.message))
        for file in report.files
        if file.status not in _HARMLESS
    ]
    missing = sum(file.status == MISSING for file in report.files)
    warnings = (f"{missing} of {len(report.files)} locked model files are not on this machine",) if missing else ()
    return tuple(judged), warnings


def _stale(differences: tuple[str, ...]) -> Verdict:
    remedy = "weighlock lock"
    reasons = tuple(Reason(rule="stale-lock", message=line, remedy=remedy) for line in differences)
    return Verdict(decision=Decision.DENY, reasons=reasons)


def _mismatch(status: str, message: str | None) -> Verdict:
    rules = {UNREADABLE: "unverifiable", QUARANTINED: RULE}
    rule = rules.get(status, f"{status}-file")
    reason = Reason(rule=rule, message=message or status, remedy="weighlock verify lists what to do")
    return Verdict(decision=Decision.DENY, reasons=(reason,))
