"""Dependencies: what the model runs with, and what it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.audit.item import Part, Question, failed, named, passed, unknown

if TYPE_CHECKING:
    from weighlock.audit.facts import Facts, Relative
    from weighlock.audit.item import Answer

_HOW = "name its packages with -r FILE or --env"


def _packages(facts: Facts) -> Answer:
    judged = facts.packages
    if judged is None:
        return unknown(f"nothing says which packages it runs with; {_HOW}")
    denied = [f"{one.name} {one.version}: {one.denied[0]}" for one in judged.packages if one.denied]
    denied += judged.denied
    if denied:
        return failed(f"the policy refuses {len(denied)} of {_count(facts)}: {named(denied, 3)}", facts.policy)
    if not judged.packages:
        return unknown(f"{named(judged.inputs)} names no package")
    return passed(f"the policy admits {_count(facts)} of {named(judged.inputs)}", facts.policy)


def _advisories(facts: Facts) -> Answer:
    judged = facts.packages
    if judged is None:
        return unknown(f"nothing says which packages it runs with; {_HOW}")
    known = [f"{one.name} {one.version}: {named(one.advisories, 3)}" for one in judged.packages if one.advisories]
    if known:
        return failed(f"advisories apply to {len(known)} of {_count(facts)}: {named(known, 3)}")
    if not judged.packages or judged.advisories is None:
        return unknown("no advisories were asked about any package")
    return passed(f"no advisory known on {judged.advisories} applies to {_count(facts)}")


def _bases(facts: Facts) -> Answer:
    bases = _relatives(facts, "model")
    if not bases:
        return unknown("its card names no base model, and so does no configuration: a person says what it was made of")
    floating = [one.name for one in bases if not one.locked]
    if floating:
        return failed(f"it was made of {named(floating)}, which the lockfile does not list", facts.lock)
    return passed(f"every model that it was made of is locked: {named([one.name for one in bases])}", facts.lock)


def _datasets(facts: Facts) -> Answer:
    datasets = _relatives(facts, "dataset")
    if not datasets or facts.card is None:
        return unknown("its card names no dataset")
    return passed(f"its card names {named([one.name for one in datasets])}, as its author says", facts.card.digest)


def _locked_datasets(facts: Facts) -> Answer:
    datasets = _relatives(facts, "dataset")
    if not datasets:
        return unknown("its card names no dataset")
    floating = [one.name for one in datasets if not one.locked]
    if floating:
        return unknown(f"known by name only: {named(floating)}", facts.lock)
    return passed(f"every dataset that its card names is locked: {named([one.name for one in datasets])}", facts.lock)


def _bom(facts: Facts) -> Answer:
    bom = facts.bom
    if bom is None:
        return unknown("there is no bill of materials beside the lockfile; weighlock bom writes one")
    if bom.problem:
        return failed(f"{bom.place} cannot be read: {bom.problem}", bom.digest)
    if bom.missing:
        count = f"{len(bom.missing)} of {len(facts.locked)} files"
        return failed(f"{bom.place} does not name the digests of {count}: {named(bom.missing)}", bom.digest)
    if not facts.locked:
        return unknown("no file of it is locked, so there is nothing to compare the bill of materials with")
    return passed(f"{bom.place} names the digest of every locked file", bom.digest)


def _relatives(facts: Facts, kind: str) -> list[Relative]:
    return [one for one in facts.relatives if one.kind == kind]


def _count(facts: Facts) -> str:
    count = len(facts.packages.packages) if facts.packages else 0
    return f"{count} package{'s' * (count != 1)}"


QUESTIONS = (
    Question(
        id="packages-admitted",
        part=Part.DEPENDENCIES,
        text="Does the policy admit every package that it runs with?",
        passes="`weighlock check` would say ALLOW of what `-r` or `--env` names.",
        owner="security",
        assess=_packages,
        answerable=False,
        evidence_for=(
            *("SLSA Dependency threats", "MANAGE 3.1", "ML06:2023"),
            *("AML.T0010.001", "AML.T0011.001", "AML.T0060"),
        ),
    ),
    Question(
        id="no-advisories",
        part=Part.DEPENDENCIES,
        text="Is no advisory known about any of these packages?",
        passes="The advisory database has none that applies, however mild, ignored ones included.",
        owner="security",
        assess=_advisories,
        answerable=False,
        evidence_for=("SLSA Dependency threats", "MANAGE 3.1", "ML06:2023", "AML.T0010.001", "AML.M0016"),
    ),
    Question(
        id="base-models",
        part=Part.DEPENDENCIES,
        text="Are the models that it was made of known and locked?",
        passes="Every `base_model` of its card and its adapter configuration has a lock entry of its own.",
        owner="ML engineering",
        assess=_bases,
        evidence_for=("MANAGE 3.2", "MAP 4.1", "ML07:2023", "AML.T0010.003", "AML.T0018"),
    ),
    Question(
        id="datasets-named",
        part=Part.DEPENDENCIES,
        text="Is it known which data it was trained on?",
        passes="The card names its datasets. That they are the true ones, nothing shows.",
        owner="ML engineering",
        assess=_datasets,
        evidence_for=("MAP 4.1", "ML02:2023", "AML.T0019", "AML.T0020", "AML.M0025"),
    ),
    Question(
        id="datasets-locked",
        part=Part.DEPENDENCIES,
        text="Are these datasets pinned by digest?",
        passes="Each has a lock entry (`weighlock lock hf:datasets/…`).",
        owner="ML engineering",
        assess=_locked_datasets,
        required=False,
        evidence_for=("MAP 4.1", "ML02:2023", "AML.T0019", "AML.M0025", "AML.M0007"),
    ),
    Question(
        id="bill-of-materials",
        part=Part.DEPENDENCIES,
        text="Does a bill of materials name these very files?",
        passes="`models.cdx.json` beside the lockfile has the SHA-256 of every locked file of the model.",
        owner="ML engineering",
        assess=_bom,
        required=False,
        answerable=False,
        evidence_for=("SLSA Build L1", "GOVERN 1.6", "MAP 4.2", "ML06:2023", "AML.M0023"),
    ),
)
"""In the order in which reports show them."""
