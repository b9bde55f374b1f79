"""Facts: everything that was collected about a model and that questions are answered from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.finding import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from weighlock.finding import Finding
    from weighlock.lockfile import ModelSource

GOOD = "good"
MISSING = "missing"
"""Words of `weighlock.gates.verify` that questions ask for; every other word but these two is a mismatch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One file of the model.

    Args:
        path: In the model.
        size: Bytes.
        sha256: As locked; of its bytes on this machine where it is not locked.
        locked: It stands in the lockfile.
        disk: What comparing it with the lockfile came to, in the words of ``weighlock verify``.
        mismatch: What is wrong on this machine, where something is.
        inspected: Its bytes were inspected in this audit; else only the lockfile speaks of them.
        format: The loader's format.
        outcome: What its inspection came to.
        needs: Names that need an approval.
        approved: Names that a person approved for these bytes.
        unsafe: A person accepted it whatever it does.
        twins: Safetensors files that were proved to hold the same tensors.
        findings: Of every check.
        denied: Why the policy of the project refuses to load it.
    """

    path: str
    size: int
    sha256: str
    locked: bool = True
    disk: str = GOOD
    mismatch: str | None = None
    inspected: bool = True
    format: str | None = None
    outcome: Outcome = Outcome.NOT_A_MODEL
    needs: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()
    unsafe: bool = False
    twins: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    denied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the model card says, nothing of which is checked by anybody.

    Args:
        path: Of the file.
        digest: Of its bytes, ``sha256:…``.
        license: The licence that it names.
        base_models: The models that this one was made of.
        datasets: What it was trained on.
        problem: Why its metadata cannot be read, where they cannot.
    """

    path: str
    digest: str
    license: str | None = None
    base_models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """What the audited model was made of, or whose code it runs.

    Args:
        name: As the card or an adapter's configuration names it.
        kind: ``model``, ``dataset``, or ``code`` for a repository whose code a configuration asks for.
        revision: The commit that the lockfile pins, if it lists it.
        license: As the lockfile has it.
        locked: The lockfile lists it.
    """

    name: str
    kind: str
    revision: str | None = None
    license: str | None = None
    locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFacts:
    """A package that the model runs with.

    Args:
        name: Of its project.
        version: That was judged.
        denied: Why the policy refuses it.
        advisories: Names of the advisories that apply, whatever the policy says about them.
        findings: Of every check.
    """

    name: str
    version: str
    denied: tuple[str, ...] = ()
    advisories: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """All packages that were judged.

    Args:
        inputs: What a person gave to judge.
        packages: Every one of them.
        denied: Files of the environment that belong to nobody, and why they are refused.
        advisories: As of which day advisories were known.
        warnings: What was not judged.
    """

    inputs: tuple[str, ...]
    packages: tuple[PackageFacts, ...]
    denied: tuple[str, ...] = ()
    advisories: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFacts:
    """What came of looking for a signature of the model.

    Args:
        place: Of the file, as a person would name it.
        digest: Of that file.
        signer: Whose signature verified, with an identity or a key that the policy pins.
        problem: Why it does not count, where it does not.
        undecided: Nobody could look whether it counts.
        enough: As many different signers signed as the policy demands.
    """

    place: str
    digest: str
    signer: str | None = None
    problem: str | None = None
    undecided: bool = False
    enough: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerProof:
    """That an entry about the model is in a ledger: everything that it takes to check it elsewhere.

    Args:
        index: Of the entry.
        size: Entries that the checkpoint covers.
        root: Of the tree, hexadecimal.
        checkpoint: The signed note.
        hashes: The inclusion proof, hexadecimal, from the leaf to the root.
        entry: Digest of the entry's bytes.
        time: When the entry was made, as it says.
        gate: Which gate made it.
        verdict: ``ALLOW`` or ``DENY``.
    """

    index: int
    size: int
    root: str
    checkpoint: str
    hashes: tuple[str, ...]
    entry: str
    time: str
    gate: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BomFacts:
    """What a bill of materials says about these files.

    Args:
        place: Of the document.
        digest: Of its bytes.
        missing: Paths of files whose digests it does not name.
        problem: Why it cannot be read, where it cannot.
    """

    place: str
    digest: str
    missing: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that questions are answered from.

    Args:
        model: Its name in the lockfile, or its path.
        now: When the facts were collected, with a time zone.
        source: Where the lockfile says it comes from; `None` for a model that is not locked.
        license: As the lockfile has it.
        remote_code: The lockfile lets the model's Python files run.
        lock: Digest of the lockfile, ``sha256:…``.
        policy: Digest of the policy.
        files: Every file of the model, sorted by path.
        card: What the model card says, if there is one.
        relatives: Models and datasets that it was made of.
        packages: That it runs with, where they were judged.
        signatures: Every one that was found.
        ledger: Proof of the newest entry about the model, if there is one.
        ledger_problem: Why there is no proof.
        ledger_forged: The ledger does not verify.
        bom: What a bill of materials says, if there is one.
        licenses: SPDX identifiers that models may have; empty where nobody listed any.
        unlisted: Problems that kept the list of files from being complete.
        refused: Why the policy refuses the model as a whole, whatever its files are.
    """

    model: str
    now: datetime
    source: ModelSource | None = None
    license: str | None = None
    remote_code: bool = False
    lock: str | None = None
    policy: str | None = None
    files: tuple[FileFacts, ...] = ()
    card: CardFacts | None = None
    relatives: tuple[Relative, ...] = ()
    packages: Packages | None = None
    signatures: tuple[SignatureFacts, ...] = ()
    ledger: LedgerProof | None = None
    ledger_problem: str | None = None
    ledger_forged: bool = False
    bom: BomFacts | None = None
    licenses: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", model_digest(self.files))

    @property
    def locked(self) -> tuple[FileFacts, ...]:
        """The files that the lockfile lists."""
        return tuple(file for file in self.files if file.locked)

    @property
    def uninspected(self) -> tuple[FileFacts, ...]:
        """Files whose bytes nobody looked at in this audit."""
        return tuple(file for file in self.files if not file.inspected)

    def findings(self, *checks: str) -> Iterator[tuple[FileFacts, Finding]]:
        """Yield every finding of some checks, or of all, with its file."""
        for file in self.files:
            for finding in file.findings:
                if not checks or finding.check in checks:
                    yield file, finding


def model_digest(files: Iterable[FileFacts]) -> str:
    """Return one digest for a model: of the paths, sizes and digests of its locked files, or of all if none is.

    Names are a part of it, so that the same bytes under other names, which another loader would take, are another
    model.
    """
    files = tuple(files)
    locked = tuple(file for file in files if file.locked) or files
    rows = sorted([file.path, file.size, file.sha256] for file in locked)
    text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
