"""What a bill of materials holds.

Texts may be anything that a stranger wrote; the writers of documents make them inert.

Source:
    The object model of CycloneDX 1.6 and 1.7 (ECMA-424) for the words; ``docs/formats/bom.md`` for what
    comes from where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.advisory import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from weighlock.artifact import Digest

UNKNOWN = "weighlock:unknown"
"""Name of the property that says what the sources of a component do not say; its value is one of `GAPS`."""

GAPS = frozenset(
    "architecture author base-model bias datasets description digest energy hardware inputs intended-uses license "
    "limitations metrics outputs parameters producer signature task timestamp training version data-flow data-usage "
    "sensitivity content provenance statistics advisories dependencies security-controls security-compliance "
    "security-contact security-metrics software references acceptable-use input-size".split()
)
"""What may be unknown. A component says so for each that a reader would look for in vain."""

MODEL, PACKAGE, DATASET, FILE, APPLICATION = "machine-learning-model", "library", "data", "file", "application"
"""Kinds of components, as CycloneDX names them."""

Properties = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """A licence, as its source declares it.

    Args:
        expression: An identifier of SPDX, or an expression of several; `None` where none is recognised.
        name: In the words of the source, where no identifier is.
        url: Where its text is said to be.
    """

    expression: str | None = None
    name: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Something outside that belongs to a component.

    Args:
        kind: Such as ``distribution`` or ``model-card``.
        url: A URL, or a path relative to what is described.
        digests: Of the bytes there.
        comment: For people.
    """

    kind: str
    url: str
    digests: tuple[Digest, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A result that the authors of a model publish. Nobody measured it again.

    Args:
        kind: Such as ``accuracy``.
        value: As written.
        slice: Of which data.
    """

    kind: str
    value: str
    slice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What the authors of a model say about it.

    Args:
        task: Such as ``text-classification``.
        family: Of its architecture, such as ``bert``.
        architecture: The class or design, such as ``BertForSequenceClassification``.
        datasets: References of the datasets, which are components.
        inputs: Formats of what goes in, such as ``text``.
        outputs: Formats of what comes out.
        metrics: Published results.
        users: For whom it is meant.
        uses: What it is meant for.
        limitations: What it cannot do.
        tradeoffs: What was traded for what.
        risks: Bias and other ethical questions.
        environment: What is said about energy: names and values.
        properties: All else, names and values.
    """

    task: str | None = None
    family: str | None = None
    architecture: str | None = None
    datasets: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    users: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()
    tradeoffs: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    environment: Properties = ()
    properties: Properties = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of what is described.

    Args:
        kind: Such as `MODEL`.
        ref: Unique in the document.
        name: For people.
        version: A release, or a commit.
        purl: Its package URL.
        description: One sentence or paragraph.
        producer: Who is said to have made it.
        digests: Of the bytes of the component itself, where it is one file.
        licenses: As declared.
        card: Of a model.
        content: Of a dataset, what it is: ``dataset``, ``configuration`` or another kind of data.
        ancestors: What it was made from.
        lineage: How, such as ``adapter``.
        references: What belongs to it elsewhere.
        properties: Names and values.
        components: Its own parts.
        tags: Words that describe it.
        complete: Its parts are all there are; `None` where that is not known.
    """

    kind: str
    ref: str
    name: str
    version: str | None = None
    purl: str | None = None
    description: str | None = None
    producer: str | None = None
    digests: tuple[Digest, ...] = ()
    licenses: tuple[License, ...] = ()
    card: ModelCard | None = None
    content: str | None = None
    ancestors: tuple[Component, ...] = ()
    lineage: str | None = None
    references: tuple[Reference, ...] = ()
    properties: Properties = ()
    components: tuple[Component, ...] = ()
    tags: tuple[str, ...] = ()
    complete: bool | None = None

    def every(self, name: str) -> tuple[str, ...]:
        """Return every value of a property."""
        return tuple(value for key, value in self.properties if key == name)

    def walk(self) -> Iterator[Component]:
        """Yield the component and all parts of it."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            waiting += reversed(one.components)


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What somebody decided about a vulnerability (VEX).

    Args:
        state: ``in_triage``, ``exploitable``, ``not_affected``, …
        justification: Why it is not affected, in a word of CycloneDX.
        responses: Such as ``will_not_fix``.
        detail: In that person's words.
    """

    state: str
    justification: str | None = None
    responses: tuple[str, ...] = ()
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """Something that is wrong with a component.

    Args:
        ref: Unique in the document.
        id: Such as ``PYSEC-2021-114``.
        source: Who says so.
        url: A page about it.
        aliases: Its other names.
        severity: As its source has it.
        cwes: Numbers of weaknesses.
        description: In one line.
        recommendation: What to do.
        component: Reference of the component.
        version: Of the component.
        analysis: What was decided.
    """

    ref: str
    id: str
    source: str
    component: str
    analysis: Analysis
    url: str | None = None
    aliases: tuple[str, ...] = ()
    severity: Severity = Severity.UNKNOWN
    cwes: tuple[int, ...] = ()
    description: str = ""
    recommendation: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bom:
    """A bill of materials.

    Args:
        subject: What is described as a whole.
        tool: The version of weighlock that made it.
        time: When its newest input was made, with a time zone; the same inputs give the same time.
        author: Who wants it made, if that was said.
        phases: The stages of the life of the subject that it is about, such as ``build``.
        components: In the order of their references.
        dependencies: References of what each component needs, by its own reference.
        vulnerabilities: What is known to be wrong.
        properties: Of the document: digests of the lockfile and the policy, and what was read.
    """

    subject: Component
    tool: str
    time: datetime | None = None
    author: str | None = None
    phases: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    dependencies: tuple[tuple[str, tuple[str, ...]], ...] = ()
    vulnerabilities: tuple[Vulnerability, ...] = ()
    properties: Properties = ()

    def every(self, kind: str) -> tuple[Component, ...]:
        """Return the components of a kind, without parts of components."""
        return tuple(component for component in self.components if component.kind == kind)
