"""``weighlock policy explain``: why an artifact passes here or does not, rule by rule. Nothing is recorded.

1. collect and inspect as the gates do: a model file by its bytes and the lockfile, a package by its name and version on
   the configured indexes, a wheel by its bytes as well;
2. decide as the gates do;
3. say of each rule, in the order in which it was asked, what it found, and which value of the policy it rests on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.artifact import Digest, ModelFile
from weighlock.digests import sha256_file
from weighlock.errors import WeighlockError
from weighlock.evidence import Approval, LockEntry, OwnSave
from weighlock.finding import Inspection, Outcome, unverifiable
from weighlock.formats.source import FileSource
from weighlock.gates.deciding import Decider
from weighlock.gates.load_settings import find_settings, project_of, read_locked
from weighlock.gates.policy_view import PolicyView, Value, view
from weighlock.gates.profiles import names_of
from weighlock.own_saves import OwnSaves
from weighlock.sources.directory import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from weighlock.evidence import Evidence
    from weighlock.gates.load_settings import Settings
    from weighlock.lockfile import Located, LockedFile, Lockfile
    from weighlock.verdict import Reason, Verdict

PASSES = "passes"
DENIES = "denies"
ACCEPTED = "accepted"
NOT_ASKED = "not asked"

_OUTCOMES = {str(outcome): outcome for outcome in Outcome}
_MODEL_RULES = ("not-in-lock", "needs-approval", "unverifiable", "refused")
RESTS_ON = {
    "not-in-lock": ("unlocked", "trust-saved", "lock"),
    "needs-approval": ("profiles",),
    "advisory": ("install.fail-on", "install.ignore-advisories"),
    "malware-report": ("install.ignore-advisories",),
    "release-age": ("install.min-age", "install.accept"),
    "license": ("install.licenses", "install.accept"),
    "needs-build": ("install.allow-build",),
    "index-ownership": ("install.indexes", "install.accept"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule and what it came to.

    Args:
        rule: Its name, as verdicts have it.
        answer: One of the words above.
        message: Why, one sentence without a full stop.
        values: Of the policy, that it rests on.
        remedy: The one line or command that would change it.
    """

    rule: str
    answer: str
    message: str
    values: tuple[Value, ...] = ()
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a verdict is what it is.

    Args:
        subject: What was judged.
        digest: Of its bytes, where they were read.
        gate: Whose verdict it is: ``load`` or ``install``.
        mode: Of the load gate: under ``warn`` and ``off`` a denied file is loaded all the same.
        steps: In the order in which the rules were asked.
        verdict: The answer.
        policy: Its digest.
        notes: What a person has to know besides.
    """

    subject: str
    digest: str | None
    gate: str
    mode: str
    steps: tuple[Step, ...]
    verdict: Verdict
    policy: str
    notes: tuple[str, ...] = ()

    @property
    def deciding(self) -> tuple[str, ...]:
        """The rules that decided."""
        if self.verdict.allowed:
            return tuple(dict.fromkeys(reason.rule for reason in self.verdict.reasons))
        return tuple(dict.fromkeys(step.rule for step in self.steps if step.answer == DENIES))


def explain_model(path: str, environ: Mapping[str, str]) -> Explanation:
    """Explain the verdict of the load gate about a file.

    Raises:
        WeighlockError: The file, the policy or the lockfile cannot be read, or the lockfile is not signed as required.
    """
    shown, settings = view(environ), find_settings(environ)
    with opened(Path(path)) as (descriptor, size):
        sha256 = sha256_file(descriptor, size)
        try:
            inspection = _inspected(FileSource(descriptor, size), path)
        except WeighlockError as error:
            inspection = unverifiable(str(error))
    lockfile, notes = _lockfile(settings, environ)
    saved = settings.policy.trust_saved and OwnSaves(environ, project_of(settings, environ)).holds(size, sha256)
    inspection, evidence, more = _evidence(lockfile.by_digest(sha256) if lockfile else (), inspection, saved=saved)
    artifact = ModelFile(path=path, size=size, digest=Digest.sha256(sha256), format=inspection.format)
    decider = decider_of("load", settings)
    verdict = decider.decide(artifact, inspection, evidence, profile_names=names_of(settings.policy.profiles))
    steps = (*_model_steps(shown, verdict, inspection, evidence), *engine_steps(shown, verdict))
    return Explanation(
        subject=path,
        digest=f"sha256:{sha256}",
        gate="load",
        mode=settings.mode,
        steps=steps,
        verdict=verdict,
        policy=shown.digest,
        notes=(*notes, *more),
    )


def decider_of(gate: str, settings: Settings) -> Decider:
    """Return what decides as a gate does, and records nothing."""
    beside = os.path.dirname(os.path.abspath(settings.policy_path)) if settings.policy_path else None
    return Decider(gate, settings.policy, beside=beside)


def _inspected(source: FileSource, name: str) -> Inspection:
    from weighlock.inspector import inspect

    return inspect(source, name=name)


def _lockfile(settings: Settings, environ: Mapping[str, str]) -> tuple[Lockfile | None, tuple[str, ...]]:
    if settings.lock_path is None:
        note = "there is no models.lock here or above"
        refuses = settings.mode == "enforce" and settings.policy.unlocked == "refuse"
        return None, (f"{note}, so the guard does not start" if refuses else note,)
    return read_locked(settings, environ), ()


def _recorded(file: LockedFile) -> Outcome:
    """Return what a file came to when it was locked; of one without a format that was that no loader takes it."""
    return _OUTCOMES[file.outcome or ("data-only" if file.format else "not-a-model")]


def _evidence(
    located: Sequence[Located], inspection: Inspection, *, saved: bool
) -> tuple[Inspection, tuple[Evidence, ...], tuple[str, ...]]:
    """Return what the load gate goes by: of a locked file, what was recorded when it was locked."""
    evidence: list[Evidence] = []
    notes: list[str] = []
    for model, file in located:
        evidence.append(LockEntry(model=model.name, path=file.path))
        evidence.append(Approval(imports=frozenset(file.approved), unsafe=file.unsafe))
    if saved:
        evidence.append(OwnSave())
    if located:
        outcomes = [_recorded(file) for _, file in located]
        recorded = located[outcomes.index(max(outcomes))][1]
        if inspection.outcome > Outcome.DATA_ONLY and inspection.outcome != max(outcomes):
            told = f"it was {max(outcomes)} when it was locked, and is {inspection.outcome} today"
            notes.append(f"{told}; the load gate goes by the lockfile, `weighlock verify --deep` compares")
        inspection = Inspection(
            format=recorded.format,
            outcome=max(outcomes),
            imports=recorded.imports,
            needs=recorded.needs,
            foremost=inspection.foremost,
        )
    return inspection, tuple(evidence), tuple(notes)


def _model_steps(
    shown: PolicyView, verdict: Verdict, inspection: Inspection, evidence: Sequence[Evidence]
) -> Iterator[Step]:
    reasons = {reason.rule: reason for reason in verdict.reasons}
    yield _first_step(shown, reasons, evidence)
    unsafe = any(isinstance(item, Approval) and item.unsafe for item in evidence)
    message = "a person accepted exactly these bytes, whatever they do" if unsafe else "nobody accepted it unsafely"
    yield Step(rule="unsafe", answer=ACCEPTED if unsafe else PASSES, message=message)
    for rule in _MODEL_RULES[1:]:
        values = tuple(shown.value(name) for name in RESTS_ON.get(rule, ()))
        reason = reasons.get(rule)
        if unsafe:
            yield Step(rule=rule, answer=NOT_ASKED, message="it was accepted as it is")
        elif reason is not None:
            yield Step(rule=rule, answer=DENIES, message=reason.message, values=values, remedy=reason.remedy)
        else:
            yield Step(rule=rule, answer=PASSES, message=_why_passed(rule, inspection), values=values)


def _first_step(shown: PolicyView, reasons: Mapping[str, Reason], evidence: Sequence[Evidence]) -> Step:
    entries = [item for item in evidence if isinstance(item, LockEntry)]
    saved = any(isinstance(item, OwnSave) for item in evidence)
    values = tuple(shown.value(name) for name in RESTS_ON["not-in-lock"])
    reason = reasons.get("not-in-lock")
    if reason is not None:
        return Step(rule="not-in-lock", answer=DENIES, message=reason.message, values=values, remedy=reason.remedy)
    if entries:
        message = f"its digest is in the lockfile, {entries[0].model}: {entries[0].path}"
    elif saved:
        message = "this project saved exactly these bytes"
    else:
        message = "its digest is not in the lockfile, and the policy inspects such files"
    return Step(rule="not-in-lock", answer=PASSES, message=message, values=values)


def _why_passed(rule: str, inspection: Inspection) -> str:
    if rule == "needs-approval" and inspection.outcome is Outcome.NEEDS_APPROVAL:
        return "every name that it imports is approved"
    return f"its outcome is {inspection.outcome}"


def engine_steps(shown: PolicyView, verdict: Verdict) -> Iterator[Step]:
    """Yield what each further engine of the policy came to."""
    asked = dict(enumerate(verdict.engines[1:]))
    last = len(asked) - 1
    for number, choice in enumerate(shown.policy.evidence.engines):
        name, values = choice.rego or choice.opa or "", (shown.value("evidence.engines"),)
        stamp = asked.get(number)
        if stamp is None:
            message = f"{name}: something else had denied it"
            yield Step(rule="engine", answer=NOT_ASKED, message=message, values=values)
        elif number == last and not verdict.allowed:
            for reason in verdict.reasons:
                yield Step(rule=reason.rule, answer=DENIES, message=reason.message, values=values, remedy=reason.remedy)
        else:
            yield Step(rule=stamp.engine, answer=PASSES, message=f"{name} allows it", values=values)
