"""Provenance and trust: where the model comes from, and whether these are the bytes that came from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.audit.facts import GOOD, MISSING
from weighlock.audit.item import Part, Question, failed, named, passed, unknown
from weighlock.model_source import HubSource, MlflowSource, OciSource, UrlSource, revision_of

if TYPE_CHECKING:
    from weighlock.audit.facts import Facts
    from weighlock.audit.item import Answer


def _pinned(facts: Facts) -> Answer:
    if facts.source is None:
        return failed("it is not in a lockfile, so nothing says which bytes it should have")
    if not facts.locked:
        return failed("the lockfile lists no file of it", facts.lock)
    count = f"{len(facts.locked)} file{'s' * (len(facts.locked) != 1)}"
    revision = revision_of(facts.source)
    if revision is not None:
        word = {HubSource: "commit", OciSource: "manifest", MlflowSource: "version"}[type(facts.source)]
        return passed(f"{word} {revision} and the SHA-256 of {count} are locked", facts.digest, facts.lock)
    return passed(f"the SHA-256 of {count} is locked; this kind of source has no commits", facts.digest, facts.lock)


def _on_disk(facts: Facts) -> Answer:
    if facts.source is None:
        return failed("there is no lockfile entry to compare the files with")
    if facts.unlisted:
        return failed(f"not everything could be read: {named(facts.unlisted)}", facts.lock)
    wrong = [f"{file.path} {file.mismatch or file.disk}" for file in facts.files if file.disk not in {GOOD, MISSING}]
    if wrong:
        return failed(f"{len(wrong)} of {len(facts.files)} files are not as locked: {named(wrong)}", facts.lock)
    missing = [file.path for file in facts.files if file.disk == MISSING]
    if missing or not facts.files:
        return unknown(f"{len(missing)} locked files are not on this machine: {named(missing)}", facts.lock)
    return passed(f"all {len(facts.files)} files were hashed again and are as locked", facts.digest, facts.lock)


def _source(facts: Facts) -> Answer:
    source = facts.source
    if isinstance(source, HubSource):
        owner, _, _ = source.repo.rpartition("/")
        if not owner:
            return unknown(f"the repository {source.repo} has no owner in its name", facts.lock)
        return passed(f"the {source.type} repository {source.repo} of {owner}, at {source.ref}", facts.lock)
    if isinstance(source, OciSource | MlflowSource):
        return passed(f"it comes from {source.shown}", facts.lock)
    if isinstance(source, UrlSource):
        if not source.url.startswith("https://"):
            return failed(f"it comes from {source.url}, and whoever is on the way can exchange it", facts.lock)
        return passed(f"it comes from {source.url}", facts.lock)
    return unknown("it is a folder or a file of this machine, and nothing says where that came from", facts.lock)


def _signature(facts: Facts) -> Answer:
    good = [one for one in facts.signatures if one.signer and not one.problem]
    bad = [one for one in facts.signatures if one.problem]
    others = named([f"{one.place}: {one.problem}" for one in bad])
    signers = named([f"{one.signer} ({one.place})" for one in good])
    if good and all(one.enough for one in good):
        told = f"signed by {signers}{f'; does not count: {others}' if bad else ''}"
        return passed(told, *(one.digest for one in good))
    if any(one.undecided for one in bad):
        return unknown(f"whether a signature counts cannot be told: {others}", *(one.digest for one in bad))
    if bad:
        return failed(f"a signature does not count: {others}", *(one.digest for one in bad))
    if good:
        return failed(f"too few signed: {signers}", *(one.digest for one in good))
    return unknown("no signature of it was found that the policy names a signer for")


def _card(facts: Facts) -> Answer:
    if facts.card is None:
        return failed("there is no README.md among its files, so nobody says what it is for")
    if facts.card.problem:
        return failed(f"{facts.card.path} cannot be read: {facts.card.problem}", facts.card.digest)
    return passed(f"{facts.card.path} is among its files, and its metadata can be read", facts.card.digest)


def _ledger(facts: Facts) -> Answer:
    proof = facts.ledger
    if facts.ledger_forged:
        return failed(facts.ledger_problem or "the ledger does not verify")
    if proof is None:
        return unknown(facts.ledger_problem or "no ledger has an entry about it")
    if proof.verdict != "ALLOW":
        return failed(
            f"the newest entry about its lockfile, {proof.index} of {proof.size}, says {proof.verdict}", proof.entry
        )
    return passed(f"entry {proof.index} of {proof.size} by {proof.gate} says {proof.verdict}", proof.entry)


QUESTIONS = (
    Question(
        id="pinned",
        part=Part.PROVENANCE,
        text="Is it pinned to one commit, and every file to a digest?",
        passes="The model is in `models.lock`, with its commit, manifest or version where its source has those.",
        owner="ML engineering",
        assess=_pinned,
        waivable=False,
        answerable=False,
        evidence_for=(
            *("SLSA Verifying artifacts", "MAP 4.1", "MANAGE 3.1", "ML06:2023"),
            *("AML.T0010.003", "AML.T0109", "AML.M0014"),
        ),
    ),
    Question(
        id="disk-equals-lock",
        part=Part.PROVENANCE,
        text="Are the files on this machine, byte for byte, those that are locked?",
        passes="Every locked file was hashed again, and no file that a loader would take lies beside them.",
        owner="ML engineering",
        assess=_on_disk,
        waivable=False,
        answerable=False,
        evidence_for=("SLSA Verifying artifacts", "MANAGE 3.1", "ML06:2023", "AML.T0010.003", "AML.M0014"),
    ),
    Question(
        id="source-known",
        part=Part.PROVENANCE,
        text="Is it known where the model comes from, and whose repository that is?",
        passes="The lockfile names a Hub repository with its owner, a registry, a registered model, or an https URL. "
        "A local folder needs an answer.",
        owner="ML engineering",
        assess=_source,
        evidence_for=("MAP 4.1", "GOVERN 6.1", "ML06:2023", "AML.T0010.003", "AML.T0060"),
    ),
    Question(
        id="publisher-trusted",
        part=Part.PROVENANCE,
        text="Is the publisher who you think it is, and why is it trusted?",
        passes="A person says how the account was checked: a link from the maker's own site, a contract, a history.",
        owner="security",
        evidence_for=("GOVERN 6.1", "MAP 4.1", "ML06:2023", "AML.T0058", "AML.T0074", "AML.T0111"),
    ),
    Question(
        id="signature",
        part=Part.PROVENANCE,
        text="Did a signer that the policy names sign these bytes?",
        passes="As many signers of the policy as it demands signed the lockfile, or a bundle with every locked file.",
        owner="security",
        assess=_signature,
        answerable=False,
        evidence_for=("SLSA Build L2", "GOVERN 6.1", "ML06:2023", "ML10:2023", "AML.T0058", "AML.T0074", "AML.M0013"),
    ),
    Question(
        id="model-card",
        part=Part.PROVENANCE,
        text="Is there a model card that can be read?",
        passes="`README.md` is among the model's files, and its front matter is YAML within the limits.",
        owner="ML engineering",
        assess=_card,
        evidence_for=("SLSA Build L1", "MAP 4.1", "GOVERN 1.6"),
    ),
    Question(
        id="ledger-entry",
        part=Part.PROVENANCE,
        text="Is its lockfile in the ledger, with a proof?",
        passes="The newest sealed entry about the lockfile, audits aside, says ALLOW, and its inclusion is proved.",
        owner="security",
        assess=_ledger,
        required=False,
        answerable=False,
        evidence_for=("SLSA VSA", "GOVERN 4.3", "MANAGE 4.3", "ML05:2023", "AML.T0035", "AML.M0024"),
    ),
)
"""In the order in which reports show them."""
