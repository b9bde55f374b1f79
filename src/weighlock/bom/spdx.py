"""A bill of materials as a document of SPDX 3.0.1 with its AI and Dataset profiles: the same for the same value.

Every element gets a name that follows from the content: the serial number that the CycloneDX form of the same value
has, and the reference of the component. What the format has no place for stands in the extension that SPDX has for
properties of CycloneDX; what is not known is said by annotations.

Source:
    SPDX 3.0.1, its JSON-LD serialization and the profiles core, software, AI, dataset, security, simple licensing and
    extension; the mapping of the G7 elements to SPDX 3 in openregtech/sbom (CC0). ``docs/formats/bom-spdx.md``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from weighlock.bom.cyclonedx import to_cyclonedx
from weighlock.bom.cyclonedx_card import kept
from weighlock.bom.names import address, plain
from weighlock.bom.spdx_card import ai_fields, dataset_fields
from weighlock.bom.spdx_ids import IDENTIFIERS
from weighlock.bom.spdx_vulnerabilities import vulnerability_elements
from weighlock.bom.values import APPLICATION, DATASET, FILE, MODEL, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from weighlock.bom.values import Bom, Component, License, Reference

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
SPEC_VERSION = "3.0.1"

_CREATION = "_:creation"
_LONGEST_NAME = 1000
_NO_TIME = "1970-01-01T00:00:00Z"
"""The format demands a time. A document that has none says so in an annotation."""

_TYPES = {MODEL: "ai_AIPackage", DATASET: "dataset_DatasetPackage", FILE: "software_File"}
_PURPOSES = {MODEL: "model", DATASET: "data", FILE: "file", APPLICATION: "application"}
_PHASES = {"pre-build": "source", "build": "build", "operations": "deployed", "discovery": "analyzed"}
_REFERENCES = {
    "distribution": "altDownloadLocation",
    "model-card": "documentation",
    "documentation": "documentation",
    "digital-signature": "secureSoftwareAttestation",
    "attestation": "secureSoftwareAttestation",
    "static-analysis-report": "staticAnalysisReport",
    "vcs": "vcs",
    "website": "altWebPage",
    "issue-tracker": "issueTracker",
}
_PROFILES = ("core", "software", "ai", "dataset", "security", "simpleLicensing", "extension")


def to_spdx(bom: Bom) -> dict[str, Any]:
    """Return the document.

    Args:
        bom: What is to be written.

    Source:
        ``docs/formats/bom-spdx.md``.
    """
    graph = _Graph(bom)
    for one in (bom.subject, *bom.components):
        graph.add(one)
    graph.relate_needs()
    graph.elements += vulnerability_elements(bom.vulnerabilities, graph.named, graph.element)
    return {"@context": CONTEXT, "@graph": _inert(graph.finished())}


class _Graph:
    """The elements of one document.

    Args:
        bom: What is written.
    """

    def __init__(self, bom: Bom) -> None:
        self.bom = bom
        self.serial = str(to_cyclonedx(bom)["serialNumber"])
        self.elements: list[dict[str, Any]] = []
        self.shared: dict[str, dict[str, Any]] = {}
        self.outside: set[str] = set()

    def named(self, *parts: str) -> str:
        """Return the name of an element: different for different parts, and never longer than a reader takes."""
        text = "/".join(quote(part.encode("utf-8", "surrogatepass"), safe=":@+,~") for part in parts)
        if len(text) > _LONGEST_NAME:
            text = f"{text[: _LONGEST_NAME - 65]}~{hashlib.sha256(text.encode()).hexdigest()}"
        return f"{self.serial}#{text}"

    def element(self, kind: str, name: str, /, **members: Any) -> dict[str, Any]:
        """Return an element without what says nothing."""
        return {"type": kind, "spdxId": name, "creationInfo": _CREATION, **kept(members)}

    def add(self, one: Component) -> None:
        """Add a component, its parts, and what it refers to."""
        name = self.named("component", one.ref)
        self.elements.append(self._package(one, name))
        self._mark(name, one.every(UNKNOWN))
        self._license(name, one)
        for part in one.components:
            self.add(part)
        self._relate("contains", one.ref, (part.ref for part in one.components))
        for ancestor in one.ancestors:
            self.add(ancestor)
            self.outside.add(self.named("component", ancestor.ref))
        self._relate("descendantOf", one.ref, (ancestor.ref for ancestor in one.ancestors), comment=one.lineage)
        if one.card is not None:
            self._relate("trainedOn", one.ref, one.card.datasets)

    def _package(self, one: Component, name: str) -> dict[str, Any]:
        kind = _TYPES.get(one.kind, "software_Package")
        members = {
            "name": one.name or "unnamed",
            "description": one.description,
            "suppliedBy": self._agent(one.producer) if one.producer else None,
            "verifiedUsing": [
                {"type": "Hash", "algorithm": digest.algorithm, "hashValue": digest.value} for digest in one.digests
            ],
            "externalRef": [found for item in one.references if (found := _external(item)) is not None],
            "extension": _extension(one),
            "software_primaryPurpose": _PURPOSES.get(one.kind, "library"),
        }
        if kind != "software_File":
            members |= {
                "software_packageVersion": one.version,
                "software_packageUrl": one.purl,
                "software_downloadLocation": _download(one),
            }
        if one.kind == MODEL:
            members |= ai_fields(one)
        if one.kind == DATASET:
            members |= dataset_fields(one)
        return self.element(kind, name, **members)

    def _agent(self, text: str) -> str:
        """Return the name of whoever is called so: a person or an organisation, which nobody says."""
        name = self.named("agent", text)
        self.shared.setdefault(name, self.element("Agent", name, name=text))
        return name

    def _license(self, subject: str, one: Component) -> None:
        names = [self._expression(item) for item in one.licenses]
        if names:
            self._relation("hasDeclaredLicense", subject, names)

    def _expression(self, item: License) -> str:
        """Return the name of a licence; one in words of its own is a reference to these words."""
        known = item.expression
        text = known or f"LicenseRef-weighlock-{_slug(item.name or 'unnamed')}"
        name = self.named("license", text if known else f"{text}/{item.name}")
        members: dict[str, Any] = {"simplelicensing_licenseExpression": text}
        if not known:
            words = self.named("license-text", item.name or "unnamed")
            content = self.element(
                "simplelicensing_SimpleLicensingText", words, simplelicensing_licenseText=item.name or "unnamed"
            )
            self.shared.setdefault(words, content)
            members["name"] = item.name
            members["simplelicensing_customIdToUri"] = [{"type": "DictionaryEntry", "key": text, "value": words}]
        elif known not in IDENTIFIERS:
            members["comment"] = "an expression of several licences"
        self.shared.setdefault(name, self.element("simplelicensing_LicenseExpression", name, **members))
        return name

    def _mark(self, subject: str, words: Iterable[str]) -> None:
        for word in words:
            name = self.named("unknown", word, subject.partition("#")[2])
            statement = f"{UNKNOWN} {word}"
            self.elements.append(
                self.element("Annotation", name, annotationType="other", subject=subject, statement=statement)
            )

    def _relate(self, kind: str, ref: str, others: Iterable[str], comment: str | None = None) -> None:
        names = [self.named("component", other) for other in others]
        if names:
            self._relation(kind, self.named("component", ref), sorted(names), comment)

    def _relation(self, kind: str, start: str, ends: list[str], comment: str | None = None) -> None:
        name = self.named("relation", kind, start.partition("#")[2])
        members = {"relationshipType": kind, "to": ends, "comment": comment}
        self.elements.append(self.element("Relationship", name, **{"from": start}, **members))

    def relate_needs(self) -> None:
        """Add what each component needs."""
        for ref, needs in self.bom.dependencies:
            self._relate("dependsOn", ref, needs)

    def finished(self) -> list[dict[str, Any]]:
        """Return the whole graph, in an order that follows from the names."""
        document, sbom = self.named("document"), self.named("sbom")
        tool = self.element("Tool", self.named("tool"), name=f"weighlock {self.bom.tool}")
        author = self._agent(self.bom.author) if self.bom.author else self.named("software-agent")
        if not self.bom.author:
            self.shared[author] = self.element("SoftwareAgent", author, name=f"weighlock {self.bom.tool}")
        unknown = [value for key, value in self.bom.properties if key == UNKNOWN]
        self._mark(document, [*unknown, *([] if self.bom.time else ["sbom-timestamp"])])
        listed = sorted([*self.elements, *self.shared.values(), tool], key=lambda one: str(one["spdxId"]))
        inside = [str(one["spdxId"]) for one in listed if one["spdxId"] not in self.outside]
        names = [str(one["spdxId"]) for one in listed]
        creation = {
            "type": "CreationInfo",
            "@id": _CREATION,
            "specVersion": SPEC_VERSION,
            "created": self.bom.time.strftime("%Y-%m-%dT%H:%M:%SZ") if self.bom.time else _NO_TIME,
            "createdBy": [author],
            "createdUsing": [tool["spdxId"]],
        }
        whole = self.element(
            "SpdxDocument",
            document,
            name=self.bom.subject.name,
            rootElement=[sbom],
            element=[sbom, *names],
            profileConformance=list(_PROFILES),
            extension=_properties(self.bom.properties),
        )
        bill = self.element(
            "software_Sbom",
            sbom,
            name=self.bom.subject.name,
            rootElement=[self.named("component", self.bom.subject.ref)],
            element=inside,
            software_sbomType=[_PHASES[phase] for phase in self.bom.phases if phase in _PHASES],
        )
        return [creation, whole, bill, *listed]


def _external(reference: Reference) -> dict[str, Any] | None:
    if "://" in reference.url and not address(reference.url):
        return None
    kind = _REFERENCES.get(reference.kind, "other")
    return kept(
        {"type": "ExternalRef", "externalRefType": kind, "locator": [reference.url], "comment": reference.comment}
    )


def _download(one: Component) -> str | None:
    return next((item.url for item in one.references if item.kind == "distribution" and address(item.url)), None)


def _extension(one: Component) -> list[dict[str, Any]]:
    card = one.card.properties if one.card is not None else ()
    environment = one.card.environment if one.card is not None else ()
    return _properties([*one.properties, *card, *environment])


def _properties(properties: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return properties as the extension of SPDX for those of CycloneDX; marks are annotations already."""
    entries = [
        {"type": "extension_CdxPropertyEntry", "extension_cdxPropName": name, "extension_cdxPropValue": value}
        for name, value in properties
        if name != UNKNOWN and value
    ]
    return [{"type": "extension_CdxPropertiesExtension", "extension_cdxProperty": entries}] if entries else []


def _slug(text: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char in ".-") else "-" for char in text)[:100]


def _inert(value: Any) -> Any:
    """Make every text plain. Names were made plain already."""
    walk: Callable[[Any], Any] = _inert
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [walk(item) for item in value]
    return {key: walk(item) for key, item in value.items()} if isinstance(value, dict) else value
