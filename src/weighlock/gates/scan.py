"""The gate of ``weighlock scan``: files are judged where they lie, as if none of them were locked.

One sequence for each file:
    1. collect: find it, open it once;
    2. identify: its digest, where one is asked for;
    3. inspect: findings, under every loader that would take the bytes;
    4. decide: the policy, with ``unlocked = "inspect"`` and without evidence; of a wheel, the default policy about
       packages as well.

Where a second engine is asked as well, what it says is added to the findings, and 4 follows once more.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock import checks, inspector
from weighlock.artifact import Digest, ModelFile
from weighlock.digest_cache import key_of
from weighlock.errors import UsageError, WeighlockError
from weighlock.finding import Inspection, Outcome, unverifiable
from weighlock.formats.source import FileSource
from weighlock.gates.profiles import names_of, require_profiles
from weighlock.gates.quarantined import RULE
from weighlock.policy import Policy
from weighlock.sources import disk
from weighlock.verdict import Decision, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from weighlock.executors.interface import Engine
    from weighlock.gates.quarantined import Quarantine
    from weighlock.gates.recording import Recorder
    from weighlock.scanners.interface import Scanner
    from weighlock.verdict import Verdict


_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One artifact with all that was seen in it and the policy's answer."""

    artifact: ModelFile
    inspection: Inspection
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a command judged.

    Args:
        command: Its name.
        judged: Every file that a loader would take or that could not be judged, sorted by path.
        not_models: How many files no loader would take.
        repeats: How many more paths lead to files that were judged.
    """

    command: str
    judged: tuple[Judged, ...]
    not_models: int = 0
    repeats: int = 0

    @property
    def allowed(self) -> bool:
        """Whether every artifact may pass."""
        return all(item.verdict.allowed for item in self.judged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """How files are judged; it travels to worker processes.

    Args:
        profiles: Names of the profiles whose exact names count as approved.
        digests: Compute the digest of every file.
        folder: What relative paths begin at, for workers whose current folder is another one.
    """

    profiles: tuple[str, ...] = ()
    digests: bool = False
    folder: str = ""

    @property
    def policy(self) -> Policy:
        """What is required of a file that is not locked."""
        return Policy(unlocked="inspect", profiles=self.profiles)

    def __call__(self, found: disk.FoundFile) -> Judged:
        """Judge one file. Whatever goes wrong with it makes it unverifiable, and never ends the scan."""
        if found.problem:
            return self._unopened(found, found.problem)
        try:
            descriptor = os.open(
                os.path.join(self.folder, found.path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            )
        except OSError as error:
            return self._unopened(found, (error.strerror or type(error).__name__).lower())
        try:
            return self._judge(found, descriptor)
        except OSError as error:
            return self.unverifiable(found, f"it cannot be read: {error.strerror or type(error).__name__}")
        except WeighlockError as error:
            return self.unverifiable(found, str(error))
        except Exception as error:  # noqa: BLE001 - not knowing is a reason to deny, and the other files still count
            return self.unverifiable(found, f"judging it failed with {type(error).__name__}: {error}")
        finally:
            os.close(descriptor)

    def unverifiable(self, found: disk.FoundFile, why: str) -> Judged:
        """Return the judgement of a file about which nothing could be learned."""
        return self.decide(ModelFile(path=found.path, size=0), unverifiable(why))

    def _unopened(self, found: disk.FoundFile, why: str) -> Judged:
        """Return the judgement of a path that cannot be opened, and so cannot be approved either."""
        judged = self.unverifiable(found, why)
        reasons = tuple(replace(reason, remedy=None) for reason in judged.verdict.reasons)
        return replace(judged, verdict=replace(judged.verdict, reasons=reasons))

    def _judge(self, found: disk.FoundFile, descriptor: int) -> Judged:
        status = os.fstat(descriptor)
        problem = disk.describe(status)
        if problem:
            return self.unverifiable(found, problem)
        digest = None
        if self.digests:
            from weighlock.digests import sha256_file

            digest = Digest.sha256(sha256_file(descriptor, status.st_size))
        source = FileSource(descriptor, status.st_size)
        inspection = inspector.inspect(source, name=found.path)
        artifact = ModelFile(path=found.path, size=status.st_size, digest=digest, format=inspection.format)
        judged = self._as_package(self.decide(artifact, inspection), source)
        if key_of(os.fstat(descriptor)) != key_of(status):
            return self.unverifiable(found, "it changed while it was judged")
        return judged

    def _as_package(self, judged: Judged, source: FileSource) -> Judged:
        """Add what is wrong with a wheel as a package; any other file is none."""
        if not judged.artifact.path.lower().endswith(".whl"):
            return judged
        from weighlock.gates import wheels

        package = wheels.artifact_of(judged.artifact.path)
        if package is None:
            return judged
        inspection, verdict = wheels.with_package(package, source, judged.inspection, judged.verdict)
        return replace(
            judged,
            artifact=replace(judged.artifact, format=inspection.format),
            inspection=inspection,
            verdict=verdict,
        )

    def decide(self, artifact: ModelFile, inspection: Inspection) -> Judged:
        """Return the policy's answer to what was seen."""
        verdict = self.policy.decide(artifact, inspection, profile_names=names_of(self.profiles))
        return Judged(artifact=artifact, inspection=inspection, verdict=verdict)


def scan(
    paths: Sequence[str],
    judge: Judge,
    *,
    engine: Engine | None = None,
    second: Scanner | None = None,
    progress: Callable[[int, int], None] | None = None,
    recorder: Recorder | None = None,
    quarantine: Quarantine | None = None,
) -> Report:
    """Judge every file under some paths.

    Args:
        paths: Files and folders.
        judge: How to judge one file.
        engine: Where; by default here, one file after the other.
        second: Another scanner that is asked as well, here.
        progress: Called after each file with how many are done and how many there are.
        recorder: Records verdicts.
        quarantine: Says what is denied; where that is anything, every file is hashed.

    Returns:
        The report, sorted by path, whatever the engine.

    Raises:
        UsageError: Nothing is there that could be judged, or there is no such profile.
        WeighlockError: The engine cannot be started or reached.
    """
    require_profiles(judge.profiles)
    collection = disk.collect(paths)
    _demand_files(paths, collection)
    if quarantine is not None:
        quarantine.look()
        judge = replace(judge, digests=judge.digests or not quarantine.is_empty)
    listed, not_models = [], 0
    for done, judged in enumerate(_judge_all(collection.files, judge, engine), 1):
        if second is not None:
            judged = _with_opinion(judged, judge, second)  # noqa: PLW2901 - the same file, with more said about it
        if quarantine is not None:
            judged = _unless_quarantined(judged, quarantine)  # noqa: PLW2901 - likewise
        if judged.inspection.outcome is Outcome.NOT_A_MODEL and judged.verdict.allowed:
            not_models += 1
        else:
            listed.append(judged)
            if recorder is not None:
                _record(judged, judge, recorder)
        if progress:
            progress(done, len(collection.files))
    listed.sort(key=lambda item: item.artifact.path)
    return Report(command="scan", judged=tuple(listed), not_models=not_models, repeats=collection.repeats)


def _unless_quarantined(judged: Judged, quarantine: Quarantine) -> Judged:
    """Deny what is in quarantine, whatever it is; a list that is not new or not there says nothing to a scan."""
    digest = judged.artifact.digest
    found = quarantine.known((str(digest),)) if digest is not None else None
    if found is None:
        return judged
    reason = Reason(rule=RULE, message=found.message, remedy=found.remedy)
    reasons = (reason, *judged.verdict.reasons) if not judged.verdict.allowed else (reason,)
    return replace(judged, verdict=replace(judged.verdict, decision=Decision.DENY, reasons=reasons))


def _record(judged: Judged, judge: Judge, recorder: Recorder) -> None:
    artifact = judged.artifact
    verdict = replace(judged.verdict, engines=(judge.policy.stamp,))
    recorder.record("scan", artifact.path, verdict, digest=artifact.digest, size=artifact.size, enforced=False)


def _with_opinion(judged: Judged, judge: Judge, second: Scanner) -> Judged:
    """Add what another scanner says about a file."""
    inspection = judged.inspection
    is_model = inspection.outcome is not Outcome.NOT_A_MODEL
    kind = (inspection.format or "unknown") if is_model else None
    try:
        found = tuple(checks.run(second.opinion(judged.artifact.path, judged.artifact.size, kind)))
    except OSError as error:
        found = unverifiable(f"it cannot be passed on: {error.strerror or type(error).__name__}").findings
    if not found:
        return judged
    names = {name for finding in found if finding.outcome > Outcome.DATA_ONLY for name in finding.imports}
    again = judge.decide(
        judged.artifact,
        replace(
            inspection,
            outcome=max(inspection.outcome, *(finding.outcome for finding in found)),
            needs=tuple(sorted({*inspection.needs, *names})),
            findings=(*inspection.findings, *found),
        ),
    )
    # A wheel may have been denied as a package, and nothing that is said besides takes that back.
    return replace(again, verdict=judged.verdict) if again.verdict.allowed else again


def _judge_all(files: Sequence[disk.FoundFile], judge: Judge, engine: Engine | None) -> Iterator[Judged]:
    if engine is None:
        return map(judge, files)
    from weighlock.executors.spread import spread

    judge = replace(judge, folder=os.getcwd())
    return spread(judge, files, engine, judge.unverifiable)


def _demand_files(paths: Iterable[str], collection: disk.Collection) -> None:
    if not collection.files:
        raise UsageError("there is no file in it", where=" ".join(paths), hint="name a file or a folder with files")
    if all(file.problem for file in collection.files):
        first = collection.files[0]
        raise UsageError(str(first.problem), where=first.path, hint="name a file or a folder that you may read")
