"""What the EU AI Act asks providers of general-purpose models to document, as far as a bill of materials can hold it.

Source:
    Regulation (EU) 2024/1689, Annex XI, section 1 (technical documentation), and Annex XII (information for providers
    downstream). The wording here is a summary. That a field is filled says nothing about whether it is right or enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.bom.completeness.element import DATASET, DOCUMENT, MODEL, Element
from weighlock.bom.completeness.g7 import ELEMENTS, extra, properties_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME_XI = "EU AI Act, Annex XI, section 1"
NAME_XII = "EU AI Act, Annex XII"

_G7 = {element.id: element for element in ELEMENTS}


def _field(notation: str, name: str, about: str, hint: str, *groups: str, marks: str = "") -> Element:
    """Describe one field; a word of a group that begins with ``=`` stands for the paths of an element of the G7."""
    annex, _, rest = notation.partition(" ")
    return Element(
        id=f"annex-{annex}-{rest}".lower().replace("(", "-").replace(")", "").replace(".", "-").replace("--", "-"),
        notation=f"Annex {notation}",
        cluster=f"Annex {annex}",
        name=name,
        about=about,
        marks=tuple(marks.split()),
        hint=hint,
        groups=tuple(tuple(path for word in group.split() for path in _cyclonedx(word)) for group in groups),
        spdx2=tuple(path for word in groups[0].split() for path in _spdx2(word)),
        spdx3=tuple(tuple(_spdx3_paths(group)) for group in groups),
    )


def _cyclonedx(word: str) -> tuple[str, ...]:
    return _G7[word[1:]].groups[0] if word.startswith("=") else () if word.startswith("spdx3:") else (word,)


def _spdx2(word: str) -> tuple[str, ...]:
    return _G7[word[1:]].spdx2 if word.startswith("=") else ()


def _spdx3_paths(group: str) -> Iterator[str]:
    for word in group.split():
        yield from _spdx3(word)
        yield from properties_of([word])


def _spdx3(word: str) -> tuple[str, ...]:
    if word.startswith("="):
        return _G7[word[1:]].spdx3[0]
    return (word.removeprefix("spdx3:"),) if word.startswith("spdx3:") else ()


def _extra(words: str) -> str:
    return " ".join(extra(words))


_TASKS = (
    "Tasks and systems it can be integrated in",
    MODEL,
    "modelCard.modelParameters.task and modelCard.considerations.useCases",
    "modelCard.modelParameters.task spdx3:ai_domain[] spdx3:ai_informationAboutApplication",
    f"modelCard.considerations.useCases[] {_extra('intended|use-case')} spdx3:ai_informationAboutApplication",
)
_ACCEPTABLE_USE = (
    "Acceptable use policies",
    MODEL,
    "a property acceptable-use, out-of-scope uses, or a licence that has a use policy",
    _extra("acceptable|use-policy|out-of-scope|misuse"),
)
_RELEASE = (
    "Date of release and methods of distribution",
    MODEL,
    "releaseNotes.timestamp, and a purl or externalReferences of type distribution",
    "=model-timestamp",
    "purl externalReferences[type=distribution].url spdx3:software_downloadLocation spdx3:software_packageUrl",
)
_ARCHITECTURE = (
    "Architecture and number of parameters",
    MODEL,
    "modelCard.modelParameters.modelArchitecture, and a property parameters",
    (
        "modelCard.modelParameters.modelArchitecture modelCard.modelParameters.architectureFamily "
        f"{_extra('architecture')} components[].properties[name*architecture].value spdx3:ai_typeOfModel[]"
    ),
    (
        f"{_extra('parameters|param-count')} components[].properties[name*parameters|param-count].value "
        "spdx3:ai_hyperparameter[key*parameters].value"
    ),
)
_MODALITY = (
    "Modality and format of inputs and outputs",
    MODEL,
    "modelCard.modelParameters.inputs and .outputs",
    f"modelCard.modelParameters.inputs[].format {_extra('input|modality')} spdx3:ai_informationAboutApplication",
    f"modelCard.modelParameters.outputs[].format {_extra('output|modality')} spdx3:ai_informationAboutApplication",
)
_LICENCE = ("Licence", MODEL, "licenses", "=model-license")
_INTEGRATION = (
    "Technical means required for integration",
    MODEL,
    "a property library, documentation among the externalReferences, or the packages it needs",
    (
        f"externalReferences[type=documentation|model-card].url {_extra('library|framework|integration|instruction')} "
        "spdx3:externalRef[externalRefType=documentation].locator[]"
    ),
)

XI: tuple[Element, ...] = (
    _field("XI 1(a)", *_TASKS, marks="task intended-uses"),
    _field("XI 1(b)", *_ACCEPTABLE_USE, marks="acceptable-use"),
    _field("XI 1(c)", *_RELEASE, marks="timestamp"),
    _field("XI 1(d)", *_ARCHITECTURE, marks="architecture parameters"),
    _field("XI 1(e)", *_MODALITY, marks="inputs outputs"),
    _field("XI 1(f)", *_LICENCE, marks="license"),
    _field("XI 2(a)", *_INTEGRATION, marks="integration"),
    _field(
        "XI 2(b)",
        "Design and training process",
        MODEL,
        "modelCard.properties about training",
        "=model-training-properties",
        marks="training",
    ),
    _field(
        "XI 2(c)",
        "Data for training, testing and validation: which",
        MODEL,
        "modelCard.modelParameters.datasets",
        "=dataset-dependency-relationship",
        marks="datasets",
    ),
    _field(
        "XI 2(c) provenance",
        "Data: provenance and curation",
        DATASET,
        "pedigree or a property provenance of each dataset",
        "=dataset-provenance",
        marks="provenance",
    ),
    _field(
        "XI 2(c) extent",
        "Data: number of data points, scope, bias",
        DATASET,
        "properties about rows and bias of each dataset",
        "=dataset-statistical-properties",
        marks="statistics bias",
    ),
    _field(
        "XI 2(d)",
        "Computational resources of the training",
        MODEL,
        "a property hardware or compute of the model",
        f"{_extra('compute|flops|gpu|hardware|training-time')} "
        "modelCard.considerations.environmentalConsiderations.properties[name*hardware|compute].value "
        "spdx3:ai_informationAboutTraining",
        marks="hardware compute",
    ),
    _field(
        "XI 2(e)",
        "Energy consumption",
        MODEL,
        "modelCard.considerations.environmentalConsiderations.energyConsumptions",
        "modelCard.considerations.environmentalConsiderations.energyConsumptions[].activityEnergyCost.value "
        "modelCard.considerations.environmentalConsiderations.properties[name*energy|kwh|co2|emission].value "
        f"{_extra('energy|kwh|co2|emission')} spdx3:ai_energyConsumption",
        marks="energy",
    ),
)

XII: tuple[Element, ...] = (
    _field("XII 1(a)", *_TASKS, marks="task intended-uses"),
    _field("XII 1(b)", *_ACCEPTABLE_USE, marks="acceptable-use"),
    _field("XII 1(c)", *_RELEASE, marks="timestamp"),
    _field(
        "XII 1(d)",
        "Interaction with hardware and software outside of the model",
        DOCUMENT,
        "components of type device, or a property hardware",
        "=infrastructure-hardware",
        marks="hardware",
    ),
    _field(
        "XII 1(e)",
        "Versions of relevant software",
        DOCUMENT,
        "components of type library with their versions",
        "components[type=library|framework|platform].version "
        "metadata.component.components[type=library|framework|platform].version "
        "spdx3:_packages[].software_packageVersion",
        marks="software",
    ),
    _field("XII 1(f)", *_ARCHITECTURE, marks="architecture parameters"),
    _field("XII 1(g)", *_MODALITY, marks="inputs outputs"),
    _field("XII 1(h)", *_LICENCE, marks="license"),
    _field("XII 2(a)", *_INTEGRATION, marks="integration"),
    _field(
        "XII 2(b)",
        "Maximum size of inputs and outputs",
        MODEL,
        "a property context_length of the model",
        f"{_extra('context|max-position|max-length')} "
        "components[].properties[name*context-length|max-position].value "
        "spdx3:ai_hyperparameter[key*context|max-position].value",
        marks="input-size",
    ),
    _field(
        "XII 2(c)",
        "Data for training, testing and validation: provenance and curation",
        DATASET,
        "pedigree or a property provenance of each dataset",
        "=dataset-provenance",
        marks="provenance",
    ),
)
