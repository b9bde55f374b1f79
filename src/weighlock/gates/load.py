"""The load gate: the bytes of an open file, or of memory, against the lockfile and the policy.

1. Identify: the digest of the opened bytes, from the digest cache where the file is provably the same.
2. Verify: the lockfile's entries for that digest are the evidence, and so is the record that this project saved it.
3. Inspect: only bytes that the lockfile does not know, and only those that this project saved, or all where the policy
   says ``unlocked = "inspect"``.
4. Decide: the policy.
5. Enforce: refuse by `LoadRefused`, or in ``warn`` mode say so once and let through.

What was admitted before is admitted again by the stamps of the file; the quarantine is asked each time.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from weighlock.artifact import Digest, ModelFile
from weighlock.digest_cache import DigestCache
from weighlock.errors import DigestMismatchError
from weighlock.evidence import Approval, LockEntry, OwnSave
from weighlock.finding import Inspection, Outcome
from weighlock.gates.admission import Admission
from weighlock.gates.deciding import Decider, open_decider
from weighlock.gates.load_decisions import LoadDecisions, read_recorded
from weighlock.gates.load_quarantine import LoadQuarantine
from weighlock.gates.load_settings import find_settings, project_of
from weighlock.gates.opened_file import OpenedFile, sha256_of
from weighlock.gates.profiles import names_of
from weighlock.gates.quarantined import open_quarantine
from weighlock.gates.recognising import LARGEST_DIGEST_FOR_A_MESSAGE, Recognising
from weighlock.gates.signed_lockfile import trust_of
from weighlock.output.escape import printable
from weighlock.own_saves import OwnSaves

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from weighlock.digest_cache import Key
    from weighlock.evidence import Evidence
    from weighlock.formats.source import RandomAccess
    from weighlock.gates.load_settings import Settings
    from weighlock.lockfile import Located, LockedFile, Lockfile
    from weighlock.policy import Policy
    from weighlock.verdict import Verdict

_OUTCOMES = {str(outcome): outcome for outcome in Outcome}

_CHANGED = "the file was changed while it was judged"


class LoadGate(Recognising):
    """Judges loads in one process.

    Args:
        mode: ``enforce``, ``warn`` or ``off``.
        policy: What is required.
        lockfile: What is expected.
        cache: Digests of files that were hashed before.
        saves: What this project saved; ``None`` where nothing is known about that.
        decider: Decides by this policy, and records it; by default nothing is recorded.
        quarantine: Says what is denied now.
    """

    def __init__(
        self,
        mode: str,
        policy: Policy,
        lockfile: Lockfile | None,
        cache: DigestCache,
        saves: OwnSaves | None = None,
        *,
        decider: Decider | None = None,
        quarantine: LoadQuarantine | None = None,
    ) -> None:
        decisions = LoadDecisions(decider or Decider("load", policy), lockfile.digest if lockfile else None)
        super().__init__(mode, decisions, lockfile, cache, quarantine)
        self.policy = policy
        self._saves = saves if policy.trust_saved and mode != "off" else None
        self._admitted: dict[tuple[Key, int], Admission] = {}
        self._hashed: dict[tuple[Key, int], Sequence[str]] = {}

    @property
    def records_saves(self) -> bool:
        """Whether what this program saves is recorded."""
        return self._saves is not None

    def record_save(self, size: int, sha256: str) -> None:
        """Record bytes that a save function of this program serialised.

        A save must not fail for that; bytes without a record are not trusted.
        """
        if self._saves is None:
            return
        try:
            self._saves.add(size, sha256)
        except Exception as error:  # noqa: BLE001 - whatever it is, the file was saved, and is simply not known
            lines = (
                f"weighlock: what this program saves is not recorded, and will need the lockfile: {error}",
                "hint: let WEIGHLOCK_STATE name a folder that is yours alone",
            )
            self._tell("\n".join(map(printable, lines)))

    def admit_file(self, descriptor: int, label: str, loader: str, offset: int = 0) -> Admission:
        """Judge an open regular file.

        Args:
            descriptor: Read by offset; its position does not change.
            label: Its name, for messages.
            loader: Who loads it.
            offset: Where the load begins. A locked file may be loaded from anywhere; of any other file, only
                the bytes from there on are judged.

        Raises:
            LoadRefused: It may not be loaded.
        """
        file = OpenedFile(descriptor, label, loader, self._cache)
        admission = self._admitted.get((file.key, offset))
        again = admission is not None
        if admission is None:
            if self.mode == "off":
                return Admission(anything=True)
            admission = self._judge_file(file, offset)
            if not file.is_unchanged():
                self.refuse_always(label, loader, [("changed", _CHANGED)])
            if file.settled:
                self._admitted[file.key, offset] = admission

        def digests() -> Sequence[str]:
            return self._digests_of(file, offset, admission)

        self._enter(label, loader, file.size, admission, digests, again=again)
        return admission

    def admit_bytes(self, data: bytes | memoryview, label: str, loader: str) -> Admission:
        """Judge bytes in memory.

        Raises:
            LoadRefused: They may not be loaded.
        """
        from weighlock.formats.source import BytesSource

        if self.mode == "off":
            return Admission(anything=True)
        source = BytesSource(data)
        located: tuple[Located, ...] = ()
        if self.lockfile and self.lockfile.of_size(len(data)):
            located = self.lockfile.by_digest(hashlib.sha256(data).hexdigest())
        if located:
            admission = self._decide_locked(located, label, loader, source)
        else:
            admission = self._decide_unlocked(source, label, loader, self._saved_digest(source))

        def digests() -> Sequence[str]:
            return (admission.digest or hashlib.sha256(data).hexdigest(),)

        self._enter(label, loader, len(data), admission, digests)
        return admission

    def admit_locked(
        self, located: tuple[Located, ...], label: str, loader: str, source: RandomAccess | None = None
    ) -> Admission:
        """Judge bytes that were verified to be those of a locked file.

        Args:
            located: Every entry for these bytes.
            label: Name of the artifact, for messages.
            loader: Who loads it.
            source: The bytes, where they may need an approval.

        Raises:
            LoadRefused: They may not be loaded.
        """
        admission = self._decide_locked(located, label, loader, source)
        file = located[0][1]
        self._enter(label, loader, file.size, admission, lambda: (file.sha256,))
        return admission

    def _judge_file(self, file: OpenedFile, offset: int) -> Admission:
        saved = None
        try:
            located = self._locate(file)
            source = file.source(offset)
            if not located and offset and self.lockfile and self.lockfile.of_size(source.size):
                located = self.lockfile.by_digest(sha256_of(source))
            if not located:
                saved = self._saved_digest(file.source(0), file)
                if saved:  # what it may import is what all of it says, wherever the load begins
                    source = file.source(0)
                elif offset:
                    saved = self._saved_digest(source)
        except DigestMismatchError:
            self.refuse_always(file.label, file.loader, [("changed", _CHANGED)])
        if located:
            whole = source if source.size == located[0][1].size else file.source(0)
            return self._decide_locked(located, file.label, file.loader, whole)
        return self._decide_unlocked(source, file.label, file.loader, saved)

    def _saved_digest(self, source: RandomAccess, file: OpenedFile | None = None) -> str | None:
        """Return the digest of bytes that this project saved, ``None`` for all others.

        Args:
            source: The bytes.
            file: The file, if they are all of it.
        """
        if self._saves is None or not self._saves.has_size(source.size):
            return None
        digest = sha256_of(source) if file is None else file.sha256()
        return digest if self._saves.holds(source.size, digest) else None

    def _locate(self, file: OpenedFile) -> tuple[Located, ...]:
        """Return the lock entries for a file.

        Without a locked file of that size there is nothing that it could be equal to, and nothing is hashed.
        """
        candidates = self.lockfile.of_size(file.size) if self.lockfile else ()
        for chunks in {candidate.chunks for _, candidate in candidates if candidate.chunks}:
            if file.has_chunks(chunks):
                return tuple(one for one in candidates if one[1].chunks == chunks)
        if all(candidate.chunks for _, candidate in candidates):
            return ()
        digest = file.sha256()
        return tuple(one for one in candidates if one[1].sha256 == digest)

    def _decide_locked(
        self, located: tuple[Located, ...], label: str, loader: str, source: RandomAccess | None = None
    ) -> Admission:
        """Decide about bytes by their lock entries.

        Args:
            located: Every entry for these bytes.
            label: Name of the artifact, for messages.
            loader: Who loads it.
            source: The bytes, where they may need an approval.

        Raises:
            LoadRefused: They may not be loaded.
        """
        recorded = max((file for _, file in located), key=_outcome)
        saved = self._saves is not None and self._saves.holds(recorded.size, recorded.sha256)
        inspection = Inspection(
            format=recorded.format,
            outcome=_outcome(recorded),
            imports=recorded.imports,
            needs=recorded.needs,
            foremost=_foremost(source) if source and saved and recorded.needs else (),
        )
        evidence: list[Evidence] = []
        for model, file in located:
            evidence.append(LockEntry(model=model.name, path=file.path))
            evidence.append(Approval(imports=frozenset(file.approved), unsafe=file.unsafe))
        if saved:
            evidence.append(OwnSave())
        artifact = ModelFile(
            path=label, size=recorded.size, digest=Digest.sha256(recorded.sha256), format=recorded.format
        )
        profile_names = names_of(self.policy.profiles)
        verdict = self.decisions.decide(artifact, inspection, evidence, profile_names)
        if not verdict.allowed:
            return self._deny(artifact, verdict, loader)
        approvals = [item for item in evidence if isinstance(item, Approval)]
        return Admission(
            digest=recorded.sha256,
            imports=None if recorded.outcome is None else frozenset(recorded.imports),
            approved=profile_names.union(inspection.foremost, *(item.imports for item in approvals)),
            anything=any(approval.unsafe for approval in approvals),
            models=tuple(one for one in located if one[1].equivalent_to),
            located=located,
            own=saved,
            verdict=verdict,
        )

    def _decide_unlocked(self, source: RandomAccess, label: str, loader: str, saved: str | None) -> Admission:
        artifact = ModelFile(path=label, size=source.size, digest=Digest.sha256(saved) if saved else None)
        if self.policy.unlocked == "refuse" and not saved:
            inspection = Inspection(format=None, outcome=Outcome.NOT_A_MODEL)
        else:
            from weighlock.inspector import inspect

            inspection = inspect(source, name=label)
        profile_names = names_of(self.policy.profiles)
        evidence = (OwnSave(),) if saved else ()
        verdict = self.decisions.decide(artifact, inspection, evidence, profile_names)
        if not verdict.allowed:
            if artifact.digest is None and source.size <= LARGEST_DIGEST_FOR_A_MESSAGE:
                artifact = replace(artifact, digest=Digest.sha256(sha256_of(source)))
            return self._deny(artifact, verdict, loader)
        approved = profile_names.union(inspection.foremost if saved else ())
        imports = frozenset(inspection.imports)
        return Admission(digest=saved, imports=imports, approved=approved, own=bool(saved), verdict=verdict)

    def _enter(
        self,
        label: str,
        loader: str,
        size: int,
        admission: Admission,
        digests: Callable[[], Sequence[str]],
        *,
        again: bool = False,
    ) -> None:
        """Ask the quarantine, and record that bytes are admitted before they are, or let through by mode ``warn``.

        Raises:
            LoadRefused: They are in quarantine.
        """
        if not self.passes_quarantine(label, loader, digests, admission.located):
            return  # that is what was recorded
        verdict, digest = admission.verdict, admission.digest or admission.denied
        if verdict is not None and (again or verdict.allowed):  # else the denial was recorded when it was decided
            self.decisions.record(label, loader, verdict, digest=digest, size=size, enforced=verdict.allowed)

    def _digests_of(self, file: OpenedFile, offset: int, admission: Admission) -> Sequence[str]:
        """Return every digest by which a quarantine may know a file: that of all of it, and of what is loaded.

        Raises:
            LoadRefused: It was changed while it was read.
        """
        known = admission.digest or admission.denied
        by_chunks = any(locked.chunks for _, locked in admission.located) and not self.chunks_suffice()
        if known is not None and not offset and not by_chunks:
            return (known,)
        digests = self._hashed.get((file.key, offset))
        if digests is None:
            try:
                parts = (file.sha256(), *((sha256_of(file.source(offset)),) if offset else ()))
            except DigestMismatchError:
                self.refuse_always(file.label, file.loader, [("changed", _CHANGED)])
            if not file.is_unchanged():
                self.refuse_always(file.label, file.loader, [("changed", _CHANGED)])
            digests = tuple(dict.fromkeys(one for one in (known, *parts) if one))
            if file.settled:
                self._hashed[file.key, offset] = digests
        return digests

    def _deny(self, artifact: ModelFile, verdict: Verdict, loader: str) -> Admission:
        digest, reasons = artifact.digest, [(reason.rule, reason.message) for reason in verdict.reasons]
        remedy = next((reason.remedy for reason in verdict.reasons if reason.remedy), None)
        self.refuse(artifact.path, loader, str(digest) if digest else None, reasons, remedy)
        return Admission(anything=True, verdict=verdict, denied=digest.value if digest else None)


def open_gate(environ: Mapping[str, str]) -> LoadGate:
    """Read the policy and the lockfile that this environment asks for.

    Raises:
        WeighlockError: They cannot be read, or there is no lockfile and the policy does not do without one.
    """
    settings = find_settings(environ)
    decider = open_decider("load", settings.policy, settings.policy_path, environ, quarantined=False)
    lockfile = read_recorded(settings, environ, decider)
    named = environ.get("WEIGHLOCK_MODE") or environ.get("WEIGHLOCK_POLICY")
    if settings.mode != "enforce" and not named and sys.stderr is not None:
        # A folder that came with a model may hold a policy, too: who works there must at least be told.
        sys.stderr.write(f'weighlock: the policy found from this folder upwards says mode = "{settings.mode}"\n')
    saves = OwnSaves(environ, project_of(settings, environ))
    quarantine = _quarantine(settings, environ, lockfile)
    cache = DigestCache(environ)
    return LoadGate(settings.mode, settings.policy, lockfile, cache, saves, decider=decider, quarantine=quarantine)


def _quarantine(settings: Settings, environ: Mapping[str, str], lockfile: Lockfile | None) -> LoadQuarantine | None:
    if settings.mode == "off":
        return None
    evidence = settings.policy.evidence
    return LoadQuarantine(
        open_quarantine(environ, settings.policy, settings.policy_path),
        lockfile.signed_by if lockfile else (),
        lambda: trust_of(evidence, settings.policy_path),
    )


def _foremost(source: RandomAccess) -> tuple[str, ...]:
    from weighlock.inspector import inspect

    return inspect(source).foremost


def _outcome(file: LockedFile) -> Outcome:
    return _OUTCOMES[file.outcome or ("data-only" if file.format else "not-a-model")]
