"""The policy: what is required, written by a person, and the only place that judges.

Source:
    ``docs/policy.md`` for the keys, ``docs/concepts.md`` for the words.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from weighlock.errors import PolicyError
from weighlock.evidence import Approval, LockEntry, OwnSave
from weighlock.evidence_policy import EvidencePolicy
from weighlock.finding import MOST_FINDINGS, Outcome, listing
from weighlock.install_policy import InstallPolicy
from weighlock.policy_keys import boolean, choice, require_keys, text, texts
from weighlock.promotion_policy import PromotionPolicy
from weighlock.quarantine_policy import QuarantinePolicy
from weighlock.verdict import Decision, Reason, Stamp, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from weighlock.artifact import ModelFile
    from weighlock.evidence import Evidence
    from weighlock.finding import Finding, Inspection

MODES = ("enforce", "warn", "off")
UNLOCKED = ("refuse", "inspect")
VERIFY = ("full", "lazy", "sealed")
REPOSITORY_TYPES = ("model", "dataset", "space")

_KEYS = (
    *("mode", "unlocked", "verify", "profiles", "lock", "trust-saved", "models"),
    *("install", "evidence", "promotion", "quarantine"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIntent:
    """A model that the project wants, as named in ``[tool.weighlock.models]``.

    Args:
        name: The key: ``org/name``, a URL or a path.
        ref: Branch, tag or commit of a Hub repository.
        type: One of `REPOSITORY_TYPES`.
        include: File patterns; empty means all.
        exclude: File patterns that are left out.
        remote_code: The repository's Python files may be executed.
    """

    name: str
    ref: str | None = None
    type: str = "model"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    remote_code: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the table that says all of it."""
        return {
            **({} if self.ref is None else {"ref": self.ref}),
            "type": self.type,
            "include": list(self.include),
            "exclude": list(self.exclude),
            "remote-code": self.remote_code,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is required of an artifact before it passes.

    Args:
        mode: ``enforce`` refuses, ``warn`` reports and lets through, ``off`` does nothing.
        unlocked: What happens to a file that is not in the lockfile: ``refuse`` it, or ``inspect`` it
            and let data-only files pass.
        verify: When the bytes of a locked file are hashed: all of them before it is loaded (``full``), those of a
            safetensors file when they are read (``lazy``), or all of them in a sealed copy in memory, which is what
            is then loaded (``sealed``).
        profiles: Names of profiles whose exact names count as approved.
        lock: Path of the lockfile, relative to the policy file.
        trust_saved: A file that a guarded program of this user saved in this project needs no lock entry, and no
            approval of the names that it imports.
        models: The models that the lockfile must list.
        install: What is required of packages.
        evidence: What is required of evidence: signatures, the ledger, further engines.
        promotion: What is required of promotions: stages, and the evidence that each takes.
        quarantine: Which lists of denied artifacts hold.
    """

    mode: str = "enforce"
    unlocked: str = "refuse"
    verify: str = "full"
    profiles: tuple[str, ...] = ()
    lock: str | None = None
    trust_saved: bool = True
    models: tuple[ModelIntent, ...] = field(default=())
    install: InstallPolicy = field(default_factory=InstallPolicy)
    evidence: EvidencePolicy = field(default_factory=EvidencePolicy)
    promotion: PromotionPolicy = field(default_factory=PromotionPolicy)
    quarantine: QuarantinePolicy = field(default_factory=QuarantinePolicy)

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        *,
        profiles: Collection[str] | None = None,
        checks: Collection[str] | None = None,
    ) -> Policy:
        """Make a policy from the parsed ``[tool.weighlock]`` table.

        Args:
            data: The table.
            profiles: The names of the profiles that exist, to find misspelt ones; ``None`` skips that.
            checks: The same of the checks.

        Raises:
            PolicyError: A key or value is not known, with the path of the key.

        Source:
            ``docs/policy.md``.
        """
        require_keys(data, _KEYS, "tool.weighlock")
        names = texts(data.get("profiles", []), "tool.weighlock.profiles")
        for name in names:
            if profiles is not None and name not in profiles:
                raise PolicyError(
                    f"there is no profile {name!r}",
                    where="tool.weighlock.profiles",
                    hint=f"choose from {', '.join(sorted(profiles))}",
                )
        return cls(
            mode=choice(data.get("mode", "enforce"), MODES, "tool.weighlock.mode"),
            unlocked=choice(data.get("unlocked", "refuse"), UNLOCKED, "tool.weighlock.unlocked"),
            verify=choice(data.get("verify", "full"), VERIFY, "tool.weighlock.verify"),
            profiles=names,
            lock=None if data.get("lock") is None else text(data["lock"], "tool.weighlock.lock"),
            trust_saved=boolean(data.get("trust-saved", True), "tool.weighlock.trust-saved"),
            models=_models(data.get("models", {})),
            install=InstallPolicy.from_dict(data.get("install", {}), checks=checks),
            evidence=EvidencePolicy.from_dict(data.get("evidence", {})),
            promotion=PromotionPolicy.from_dict(data.get("promotion", {})),
            quarantine=QuarantinePolicy.from_dict(data.get("quarantine", {})),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the table that says all of it, the defaults included."""
        return {
            "mode": self.mode,
            "unlocked": self.unlocked,
            "verify": self.verify,
            "profiles": list(self.profiles),
            **({} if self.lock is None else {"lock": self.lock}),
            "trust-saved": self.trust_saved,
            "models": {model.name: model.to_dict() for model in self.models},
            "install": self.install.to_dict(),
            "evidence": self.evidence.to_dict(),
            "promotion": self.promotion.to_dict(),
            "quarantine": self.quarantine.to_dict(),
        }

    @property
    def stamp(self) -> Stamp:
        """What verdicts name: the built-in engine, and the digest of all of this policy."""
        return Stamp(engine="builtin", policy=f"sha256:{digest_of_document(self.to_dict())}")

    def decide(
        self,
        artifact: ModelFile,
        inspection: Inspection,
        evidence: Sequence[Evidence] = (),
        *,
        profile_names: Collection[str] = frozenset(),
    ) -> Verdict:
        """Judge one artifact from what was seen in it and what was verified about it.

        Args:
            artifact: The file, for the messages.
            inspection: What the checks saw.
            evidence: Lock entries, approvals and own saves that were verified for exactly these bytes.
            profile_names: All names of the enabled profiles, ``module.name``.

        Returns:
            `ALLOW` with the evidence that it rests on, or `DENY` with every reason.

        Source:
            ``docs/policy.md``, the order of the rules.
        """
        reasons: list[Reason] = []
        locked = any(isinstance(item, LockEntry) for item in evidence)
        saved = self.trust_saved and any(isinstance(item, OwnSave) for item in evidence)
        if not locked and not saved and self.unlocked == "refuse":
            reasons.append(_not_in_lock(artifact))
        approvals = [item for item in evidence if isinstance(item, Approval)]
        if not any(approval.unsafe for approval in approvals):
            approved = frozenset().union(profile_names, *(approval.imports for approval in approvals))
            if saved:
                inspection = _as_own(inspection)
                approved = approved.union(inspection.foremost)
            reasons.extend(_judge_outcome(artifact, inspection, approved))
        if reasons:
            return Verdict(decision=Decision.DENY, reasons=tuple(reasons))
        rule = "locked" if locked else "saved" if saved else str(inspection.outcome)
        return Verdict(decision=Decision.ALLOW, reasons=(Reason(rule=rule, message=_why_allowed(rule)),))


def digest_of_document(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document's canonical JSON (RFC 8785, for documents without fractions)."""
    import hashlib
    import json

    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def path_argument(path: str) -> str:
    """Return a path or a URL for a command line that a person copies: as it is meant, and as one word of a shell.

    Args:
        path: Any path, or a registered model of MLflow; it may be an attacker's.
    """
    import shlex

    if path.startswith(("https://", "http://", "models:/")) and path.isprintable():
        return shlex.quote(path)
    # Without ./ the commands could take it for a repository or an option, and would expand a tilde.
    if not path.startswith(("./", "../")) and not os.path.isabs(path):
        path = f"./{path}"
    if path.isprintable():
        return shlex.quote(path)
    # What cannot be printed is escaped on its way to a person, so it is escaped here for a shell to undo.
    return f"$'{''.join(map(_escaped, path))}'"


def _as_own(inspection: Inspection) -> Inspection:
    """Return what a file comes to in the project that saved it, whose program's own classes are no gadgets there."""
    foreign = tuple(finding for finding in inspection.findings if not _is_about_the_program(finding))
    if len(foreign) == len(inspection.findings) or len(inspection.findings) >= MOST_FINDINGS:
        return inspection  # where there were too many to keep, what was dropped is not known
    outcome = max([Outcome.NEEDS_APPROVAL, *(finding.outcome for finding in foreign)])
    return replace(inspection, outcome=outcome, findings=foreign)


def _is_about_the_program(finding: Finding) -> bool:
    names = finding.imports
    return finding.check == "dangerous-imports" and bool(names) and all(name.startswith("__main__.") for name in names)


def _judge_outcome(artifact: ModelFile, inspection: Inspection, approved: frozenset[str]) -> Iterable[Reason]:
    if inspection.outcome in {Outcome.NOT_A_MODEL, Outcome.DATA_ONLY}:
        return
    blame = {finding.outcome: finding for finding in reversed(inspection.findings)}
    if inspection.outcome is Outcome.NEEDS_APPROVAL:
        missing = [name for name in inspection.needs if name not in approved]
        if missing or not inspection.needs:
            yield Reason(
                rule="needs-approval",
                message=f"it imports {_named(missing)}, which no approval or enabled profile names",
                remedy=f"weighlock approve {path_argument(artifact.path)}",
            )
        return
    finding = blame.get(inspection.outcome)
    message = finding.message if finding else f"its outcome is {inspection.outcome}"
    yield Reason(
        rule=str(inspection.outcome),
        message=message,
        remedy=f"weighlock approve {path_argument(artifact.path)} --unsafe --reason TEXT",
    )


def _not_in_lock(artifact: ModelFile) -> Reason:
    return Reason(
        rule="not-in-lock",
        message="its digest is not in the lockfile",
        remedy=f"weighlock lock {path_argument(artifact.path)}",
    )


def _escaped(character: str) -> str:
    if character.isprintable() and character not in "\\'":
        return character
    errors = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", errors))


def _why_allowed(rule: str) -> str:
    if rule == "locked":
        return "its digest is in the lockfile"
    if rule == "saved":
        return "this project saved exactly these bytes"
    if rule == str(Outcome.NEEDS_APPROVAL):
        return "every name that it imports is approved"
    return "it holds only data"


def _named(names: Sequence[str], most: int = 8) -> str:
    return listing(names, most) or "names that are not known"


def _models(data: Any) -> tuple[ModelIntent, ...]:
    where = "tool.weighlock.models"
    if not isinstance(data, dict):
        raise PolicyError("must be a table of models", where=where)
    return tuple(_model(name, value, f'{where}."{name}"') for name, value in data.items())


def _model(name: str, value: Any, where: str) -> ModelIntent:
    if isinstance(value, str):
        return ModelIntent(name=name, ref=value)
    if not isinstance(value, dict):
        raise PolicyError("must be a ref or a table", where=where, hint='write "main" or { ref = "main" }')
    require_keys(value, ("ref", "type", "include", "exclude", "remote-code"), where)
    return ModelIntent(
        name=name,
        ref=None if value.get("ref") is None else text(value["ref"], f"{where}.ref"),
        type=choice(value.get("type", "model"), REPOSITORY_TYPES, f"{where}.type"),
        include=texts(value.get("include", []), f"{where}.include"),
        exclude=texts(value.get("exclude", []), f"{where}.exclude"),
        remote_code=boolean(value.get("remote-code", False), f"{where}.remote-code"),
    )
