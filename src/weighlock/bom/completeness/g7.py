"""The G7 "SBOM for AI: Minimum Elements": fifty elements in seven clusters, and where a reader looks for each.

Source:
    G7 Cybersecurity Working Group, "Software Bill of Materials (SBOM) for Artificial Intelligence: Minimum Elements",
    BSI, 12 May 2026; identifiers and notations as in the vocabulary of openregtech/sbom (CC0), ``g7ai``, 0.1.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.bom.completeness.element import Element
from weighlock.bom.completeness.g7_spdx import SPDX2_PATHS, SPDX3_PATHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME = 'G7 "SBOM for AI", minimum elements'

_CLUSTERS = {
    "MD": "Metadata",
    "SLP": "System Level Properties",
    "MDL": "Models",
    "DP": "Dataset Properties",
    "INF": "Infrastructure",
    "SP": "Security Properties",
    "KPI": "Key Performance Indicators",
}

# A row is the notation, what the element is about, its identifier and its name; below it what to write, words that mark
# it as not known, and paths in CycloneDX. ``extra:WORDS`` are properties with one of these words in their names.
_TABLE = """
MD-01 document sbom-author: SBOM author
    write metadata.authors, or the tool that wrote it
    metadata.authors[].name metadata.manufacturer.name metadata.manufacture.name
    metadata.tools.components[].name metadata.tools.services[].name metadata.tools[].name
    metadata.tools[].vendor
MD-02 document sbom-version: SBOM version
    write version and serialNumber
    version serialNumber
MD-03 document sbom-data-format-name: SBOM data format name
    write bomFormat
    bomFormat
MD-04 document sbom-data-format-version: SBOM data format version
    write specVersion
    specVersion
MD-05 document sbom-author-signature: SBOM author signature
    write signature, or externalReferences of type digital-signature; sign the file with `weighlock sign`
    marks signature
    signature.value signature.signers[].value signature.chain[].value declarations.signature.value
    externalReferences[type=digital-signature].url
    metadata.component.externalReferences[type=digital-signature].url
    metadata.properties[name*signature].value properties[name*signature].value
MD-06 document sbom-tool-name: SBOM tool name
    write metadata.tools.components[].name
    metadata.tools.components[].name metadata.tools.services[].name metadata.tools[].name
MD-07 document sbom-tool-version: SBOM tool version
    write metadata.tools.components[].version
    metadata.tools.components[].version metadata.tools.services[].version metadata.tools[].version
MD-08 document sbom-generation-context: SBOM generation context
    write metadata.lifecycles[].phase, such as build or operations
    marks generation-context
    metadata.lifecycles[].phase metadata.lifecycles[].name
MD-09 document sbom-timestamp: SBOM timestamp
    write metadata.timestamp
    marks timestamp
    metadata.timestamp
MD-10 document sbom-dependency-relationship: SBOM dependency relationship
    write dependencies[].dependsOn
    marks dependencies
    dependencies[].dependsOn[] dependencies[].provides[]
SLP-01 system system-name: System name
    write metadata.component.name
    name
SLP-02 document system-components: System components
    write components
    components[].name metadata.component.components[].name
SLP-03 system system-producer: System producer
    write metadata.component.supplier or .manufacturer
    marks producer author
    supplier.name manufacturer.name author authors[].name publisher
SLP-04 system system-version: System version
    write metadata.component.version
    marks version
    version
SLP-05 system system-timestamp: System timestamp
    write metadata.component.releaseNotes.timestamp
    marks timestamp
    releaseNotes.timestamp extra:timestamp|released|created|build-date|modified
SLP-06 system system-data-flow: System data flow
    write services[].data[].flow, or a property data-flow of metadata.component
    marks data-flow
    services[].data[].flow extra:data-flow|dataflow
SLP-07 system system-data-usage: System data usage
    write services[].data[].classification, or a property data-usage of metadata.component
    marks data-usage
    services[].data[].classification data[].sensitiveData[] data[].classification
    extra:data-usage|datausage|personal
SLP-08 system system-input-output-properties: System input/output properties
    write modelCard.modelParameters.inputs and .outputs of metadata.component, or properties input and output
    marks inputs outputs
    modelCard.modelParameters.inputs[].format modelCard.modelParameters.outputs[].format
    extra:input|output|modality
SLP-09 system system-intended-application-area: Intended application area
    write modelCard.considerations.useCases of metadata.component, or a property intended-use
    marks intended-uses
    modelCard.considerations.useCases[] modelCard.considerations.users[]
    extra:intended|application-area|use-case|domain
MDL-01 model model-name: Model name
    write name
    name
MDL-02 model model-identifier: Model identifier
    write purl, such as pkg:huggingface/org/name@commit
    marks identifier
    purl cpe swhid[] omniborId[] swid.tagId externalReferences[type=distribution|vcs|website|model-card].url
    extra:doi|model-id|repo-id|identifier|model:sha256
MDL-03 model model-version: Model version
    write version, such as the commit
    marks version
    version
MDL-04 model model-timestamp: Model timestamp
    write releaseNotes.timestamp or pedigree.commits[].committer.timestamp
    marks timestamp
    releaseNotes.timestamp pedigree.commits[].committer.timestamp pedigree.commits[].author.timestamp
    extra:timestamp|released|created|modified
MDL-05 model model-producer: Model producer
    write supplier
    marks producer author
    supplier.name manufacturer.name author authors[].name publisher group
MDL-06 model model-description: Model description
    write description
    marks description
    description
MDL-07 model model-hash-value: Model hash value
    write hashes of the model, or of the files in its components
    marks digest
    hashes[].content components[].hashes[].content
MDL-08 model model-hash-algorithm: Model hash algorithm
    write hashes[].alg
    marks digest
    hashes[].alg components[].hashes[].alg
MDL-09 model model-properties: Model properties
    write modelCard.modelParameters.architectureFamily, .modelArchitecture and .task
    marks architecture
    modelCard.modelParameters.architectureFamily modelCard.modelParameters.modelArchitecture
    modelCard.modelParameters.task modelCard.modelParameters.approach.type
    components[].properties[name*architecture|parameters].value
    extra:architecture|parameter|model-type|quantiz|framework
MDL-10 model model-input-output-properties: Model input/output properties
    write modelCard.modelParameters.inputs and .outputs
    marks inputs outputs
    modelCard.modelParameters.inputs[].format modelCard.modelParameters.outputs[].format
    extra:input|output|modality|context
MDL-11 model model-training-properties: Model training properties
    write modelCard.properties about training: hyperparameters, preprocessing, fine-tuning
    marks training
    modelCard.modelParameters.approach.type pedigree.notes
    extra:train|hyperparam|fine-tun|finetun|epoch|learning|preprocess
MDL-12 model model-license: Model license
    write licenses
    marks license
    licenses[].license.id licenses[].license.name licenses[].expression
MDL-13 model model-external-references: Model external references
    write externalReferences, such as the model card and the paper
    marks references
    externalReferences[].url
DP-01 dataset dataset-name: Dataset name
    write name
    name
DP-02 dataset dataset-description: Dataset description
    write description
    marks description
    description data[].description
DP-03 dataset dataset-content: Dataset content
    write data[].contents.properties: kinds of data and size
    marks content
    data[].contents.properties[].value contents.properties[].value data[].contents.attachment.content
    contents.attachment.content tags[] extra:modalit|content|size|format|task|language
DP-04 dataset dataset-identifier: Dataset identifier
    write purl, or data[].contents.url
    marks identifier
    purl cpe swhid[] data[].contents.url contents.url externalReferences[].url extra:doi|identifier|repo-id
DP-05 dataset dataset-hash: Dataset hash
    write hashes
    marks digest
    hashes[].content components[].hashes[].content
DP-06 dataset dataset-provenance: Dataset provenance
    write pedigree, or a property provenance: how, when and where it was collected
    marks provenance
    pedigree.ancestors[].name pedigree.notes pedigree.commits[].uid
    externalReferences[type=source-distribution].url
    extra:provenance|collect|source-dataset|annotation|curat|created
DP-07 dataset dataset-statistical-properties: Dataset statistical properties
    write data[].graphics, or properties: rows, classes, known bias
    marks statistics bias
    data[].graphics.collection[].name graphics.collection[].name
    extra:statistic|rows|examples|size-categor|bias|distribution|splits
DP-08 dataset dataset-sensitivity: Dataset sensitivity
    write data[].classification and .sensitiveData
    marks sensitivity
    data[].classification data[].sensitiveData[] classification sensitiveData[]
    extra:sensitiv|personal|confidential|classification
DP-09 model dataset-dependency-relationship: Dataset dependency relationship
    write modelCard.modelParameters.datasets of the model
    marks datasets
    modelCard.modelParameters.datasets[].ref modelCard.modelParameters.datasets[].name
    modelCard.modelParameters.datasets[].contents.url
DP-10 dataset dataset-license: Dataset license
    write licenses
    marks license
    licenses[].license.id licenses[].license.name licenses[].expression extra:license
INF-01 document infrastructure-software: Infrastructure software
    write components of type library, framework, platform, operating-system or container
    marks software
    components[type=library|framework|platform|operating-system|container].name
    metadata.component.components[type=library|framework|platform|operating-system|container].name
    metadata.component.properties[name*framework|library|runtime].value
    components[type=machine-learning-model].properties[name*framework|library|runtime].value
    components[type=machine-learning-model].modelCard.properties[name*framework|library|runtime].value
INF-02 document infrastructure-hardware: Infrastructure hardware
    write components of type device, or a property hardware
    marks hardware
    components[type=device].name metadata.component.components[type=device].name
    metadata.component.properties[name*hardware|gpu|accelerator].value
    metadata.component.modelCard.properties[name*hardware|gpu|accelerator].value
    components[type=machine-learning-model].properties[name*hardware|gpu|accelerator].value
    components[type=machine-learning-model].modelCard.properties[name*hardware|gpu|accelerator].value
    components[].modelCard.considerations.environmentalConsiderations.properties[name*hardware].value
SP-01 document security-controls: Security controls
    write declarations.claims, externalReferences of type threat-model, or a property about controls
    marks security-controls
    declarations.claims[].predicate declarations.attestations[].summary services[].authenticated
    externalReferences[type=threat-model|risk-assessment].url
    metadata.component.externalReferences[type=threat-model|risk-assessment].url
    metadata.properties[name*control|guard].value metadata.component.properties[name*control|guard].value
SP-02 document security-compliance: Security compliance
    write definitions.standards and declarations.attestations
    marks security-compliance
    definitions.standards[].name declarations.attestations[].map[].requirement
    externalReferences[type=certification-report|attestation].url
    metadata.component.externalReferences[type=certification-report|attestation].url
    metadata.properties[name*compliance|standard].value
    metadata.component.properties[name*compliance|standard].value
SP-03 document cybersecurity-policy: Cybersecurity policy information
    write externalReferences of type security-contact, rfc-9116 or advisories
    marks security-contact
    externalReferences[type=security-contact|rfc-9116|advisories].url
    metadata.component.externalReferences[type=security-contact|rfc-9116|advisories].url
    components[type=machine-learning-model].externalReferences[type=security-contact|rfc-9116|advisories].url
    metadata.properties[name*security-policy|disclosure].value
SP-04 document vulnerability-referencing: Vulnerability referencing
    write vulnerabilities with their analysis, or which advisories were asked
    marks advisories
    vulnerabilities[].id externalReferences[type=vulnerability-assertion|exploitability-statement].url
    metadata.properties[name*advisor|vulnerab].value
    metadata.component.externalReferences[type=vulnerability-assertion|exploitability-statement].url
    components[].properties[name*vulnerab|cve].value
KPI-01 document security-metrics: Security metrics
    write vulnerabilities[].ratings, or metrics of robustness
    marks security-metrics
    vulnerabilities[].ratings[].score vulnerabilities[].ratings[].severity
    components[type=machine-learning-model].modelCard.quantitativeAnalysis.performanceMetrics[type*robust|attack|adversarial|toxic|safety].value
    components[].properties[name*risk|security-score|robust].value
KPI-02 model operational-performance-kpis: Operational performance KPIs
    write modelCard.quantitativeAnalysis.performanceMetrics
    marks metrics
    modelCard.quantitativeAnalysis.performanceMetrics[].value
    modelCard.considerations.environmentalConsiderations.energyConsumptions[].activityEnergyCost.value
    extra:accuracy|metric|latency|throughput
"""


def extra(words: str) -> tuple[str, ...]:
    """Return the paths of properties, of a component or of its model card, with one of these words in their names."""
    return (f"properties[name*{words}].value", f"modelCard.properties[name*{words}].value")


def properties_of(paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths of the same properties in SPDX 3, which has an extension for those of CycloneDX."""
    for path in paths:
        if path.startswith("properties["):
            yield path
        elif path.startswith("components[].properties["):
            yield path.replace("components", "_contains", 1)


def _read(table: str) -> Iterator[Element]:
    rows: list[list[str]] = []
    for line in table.strip().split("\n"):
        if line.startswith(" "):
            rows[-1].append(line.strip())
        else:
            rows.append([line])
    for head, hint, *rest in rows:
        start, _, name = head.partition(": ")
        notation, about, identifier = start.split()
        marks = rest.pop(0).split()[1:] if rest[0].startswith("marks ") else []
        paths = tuple(path for word in " ".join(rest).split() for path in _paths(word))
        yield Element(
            id=identifier,
            notation=f"G7AI-{notation}",
            cluster=_CLUSTERS[notation.partition("-")[0]],
            name=name,
            about=about,
            marks=tuple(marks),
            hint=hint.removeprefix("write "),
            groups=(paths,),
            spdx2=tuple(SPDX2_PATHS.get(identifier, "").split()),
            spdx3=((*SPDX3_PATHS.get(identifier, "").split(), *properties_of(paths)),),
        )


def _paths(word: str) -> tuple[str, ...]:
    return extra(word.removeprefix("extra:")) if word.startswith("extra:") else (word,)


ELEMENTS: tuple[Element, ...] = tuple(_read(_TABLE))
