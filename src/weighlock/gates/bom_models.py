"""A model as a component of a bill of materials: its files, what they say about it, and what it was made from."""

from __future__ import annotations

import os.path
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.bom.licenses import license_of
from weighlock.bom.names import below, generic, hub_page, huggingface, is_repo, oci, reference, relative
from weighlock.bom.values import (
    APPLICATION,
    DATASET,
    MODEL,
    UNKNOWN,
    Component,
    License,
    Reference,
)
from weighlock.gates.bom_card import bases_of, card_of, dataset_names
from weighlock.gates.bom_datasets import gaps_of, named_dataset, properties_of
from weighlock.gates.bom_documents import CARD, Documents
from weighlock.gates.bom_files import file_component, listed, manifest_digest, unread_component
from weighlock.gates.bom_findings import of_files
from weighlock.model_source import HubSource, OciSource, PathSource, UrlSource, revision_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.bom.values import Properties, Vulnerability
    from weighlock.lockfile import LockedModel

_SIGNATURES = (".sigstore.json", ".sigstore", ".sig", ".asc")
_ATTESTATIONS = (".intoto.jsonl", ".intoto.json", ".provenance.json")
_REPORTS = (".sarif", ".sarif.json")
_MOST_NAMES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelParts:
    """What a model adds to a document.

    Args:
        component: The model with its files.
        datasets: What it was trained or measured on, as far as its card says.
        needs: References of what it was made from or trained on, where these are components.
        vulnerabilities: What is wrong with its files.
    """

    component: Component
    datasets: tuple[Component, ...] = ()
    needs: tuple[str, ...] = ()
    vulnerabilities: tuple[Vulnerability, ...] = ()


def model_parts(
    model: LockedModel,
    documents: Documents,
    *,
    unreadable: tuple[tuple[str, str], ...] = (),
    complete: bool | None = None,
    known: dict[str, str] | None = None,
    references: tuple[Reference, ...] = (),
    claimed: bool = False,
    left_out: tuple[str, ...] = (),
) -> ModelParts:
    """Return what a model adds to a document.

    Args:
        model: As locked, or as inspected now.
        documents: What its files say.
        unreadable: Paths of files whose digests are not known, and why.
        complete: Its files are all that there are.
        known: References of the other models of the document, by their package URLs.
        references: What lies beside it, such as a signature.
        left_out: Folders of tools beside its files that nobody looked into.
        claimed: Where it comes from is what its folder is called, and nothing that was locked.
    """
    known = known or {}
    ref = ref_of(model)
    datasets = tuple(named_dataset(name) for name in dataset_names(documents))
    bases = bases_of(documents)
    files = (
        *(file_component(ref, file, documents) for file in model.files),
        *(unread_component(ref, *item) for item in unreadable),
    )
    component = Component(
        kind=kind_of(model),
        ref=ref,
        name=model.name,
        version=revision_of(model.source),
        purl=purl_of(model),
        description=_description(documents),
        producer=_producer(model, documents),
        digests=_digests_of(model),
        licenses=_licenses(model, documents),
        card=replace(card_of(documents), datasets=tuple(sorted(known.get(one.ref, one.ref) for one in datasets))),
        ancestors=tuple(_ancestor(ref, name, revision) for name, revision in bases.names),
        lineage=bases.relation,
        references=(*_references(model), *references),
        components=tuple(sorted(files, key=lambda one: one.ref)),
        tags=_tags(documents),
        complete=complete,
    )
    component = replace(
        component, properties=_properties(model, documents, component, claimed=claimed, left_out=left_out)
    )
    wanted = {one.ref for one in datasets} | {huggingface(name) for name, _ in bases.names if is_repo(name)}
    needs = {known[purl] for purl in wanted if purl in known} | {one.ref for one in datasets if one.ref not in known}
    return ModelParts(
        component=component if component.kind == MODEL else replace(component, card=None),
        datasets=tuple(one for one in datasets if one.ref not in known),
        needs=tuple(sorted(needs - {ref})),
        vulnerabilities=tuple(of_files(component, model, unreadable)),
    )


def ref_of(model: LockedModel) -> str:
    """Return the reference of a model in a document."""
    purl = purl_of(model) if isinstance(model.source, HubSource | OciSource) else None
    return purl or reference("model", model.name)


def kind_of(model: LockedModel) -> str:
    """Return the kind of component that a locked repository is."""
    kind = model.source.type if isinstance(model.source, HubSource) else "model"
    return {"model": MODEL, "dataset": DATASET, "space": APPLICATION}[kind]


def purl_of(model: LockedModel) -> str | None:
    """Return the package URL of a model; a folder of this machine has none."""
    match model.source:
        case HubSource() as source:
            return huggingface(source.repo, source.revision, source.type)
        case OciSource() as source:
            return oci(source.repository, source.ref, source.revision)
        case UrlSource(url=url) if len(model.files) == 1:
            return generic(model.files[0].path, model.files[0].sha256, url)
        case _:
            return None


def _digests_of(model: LockedModel) -> tuple[Digest, ...]:
    single = isinstance(model.source, UrlSource) or (isinstance(model.source, PathSource) and len(model.files) == 1)
    return (Digest.sha256(model.files[0].sha256),) if single and len(model.files) == 1 else ()


def _ancestor(ref: str, name: str, revision: str | None) -> Component:
    on_hub = is_repo(name)
    return Component(
        kind=MODEL,
        ref=below(f"ancestor-of:{ref}", name),
        name=name,
        version=revision,
        purl=huggingface(name, revision) if on_hub else None,
        producer=name.partition("/")[0] if on_hub and "/" in name else None,
        references=(Reference(kind="distribution", url=hub_page(name, revision)),) if on_hub else (),
        properties=() if revision else ((UNKNOWN, "version"),),
    )


def _licenses(model: LockedModel, documents: Documents) -> tuple[License, ...]:
    """Return what the card declares, else what the source said when the model was locked."""
    card = documents.card
    names = card.all("license") if card else ()
    named = card.text("license_name") if card else None
    link = card.text("license_link") if card else None
    names = tuple(named or name if name.lower() == "other" else name for name in names)
    names = names or ((model.license,) if model.license else ()) or tuple(_of_gguf(documents, "general.license"))
    found = [license_of(name, url=link) for name in names[:20]]
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _producer(model: LockedModel, documents: Documents) -> str | None:
    if isinstance(model.source, HubSource):
        return model.source.repo.partition("/")[0] if "/" in model.source.repo else None
    developer = documents.card.developer if documents.card else None
    told = [developer, *_of_gguf(documents, "general.organization"), *_of_gguf(documents, "general.author")]
    return next((name for name in told if name), None)


def _of_gguf(documents: Documents, key: str) -> Iterator[str]:
    return (value for name, value in documents.gguf if name == key and value)


def _description(documents: Documents) -> str | None:
    if documents.card is None:
        return next(_of_gguf(documents, "general.description"), None)
    return documents.card.sections.get("description") or documents.card.text("model_summary")


def _tags(documents: Documents) -> tuple[str, ...]:
    if documents.card is None:
        return ()
    words = (*documents.card.all("tags"), documents.card.text("library_name") or "")
    return tuple(sorted({word for word in words if word}))


def _references(model: LockedModel) -> Iterator[Reference]:
    source = model.source
    paths = {file.path: file for file in model.files}
    if isinstance(source, HubSource):
        yield Reference(kind="distribution", url=hub_page(source.repo, source.revision, source.type))
        if CARD in paths:
            page = hub_page(source.repo, source.revision, source.type, CARD)
            yield Reference(kind="model-card", url=page, digests=(Digest.sha256(paths[CARD].sha256),))
    elif isinstance(source, OciSource):
        yield Reference(kind="distribution", url=f"oci://{source.repository}@{source.revision}")
    elif isinstance(source, UrlSource):
        yield Reference(kind="distribution", url=source.url, digests=_digests_of(model))
    if CARD in paths and not isinstance(source, HubSource):
        yield Reference(kind="model-card", url=CARD, digests=(Digest.sha256(paths[CARD].sha256),))
    for path, file in sorted(paths.items()):
        kind = _reference_kind(path.lower())
        if kind:
            comment = "a file of the model, not verified here"
            yield Reference(kind=kind, url=relative(path), digests=(Digest.sha256(file.sha256),), comment=comment)


def _reference_kind(path: str) -> str | None:
    table = ((_SIGNATURES, "digital-signature"), (_ATTESTATIONS, "attestation"), (_REPORTS, "static-analysis-report"))
    return next((kind for suffixes, kind in table if path.endswith(suffixes)), None)


def _properties(
    model: LockedModel, documents: Documents, component: Component, *, claimed: bool, left_out: tuple[str, ...]
) -> Properties:
    names = sorted({name for file in model.files for name in file.needs})
    told = [
        ("source", f"{_place(model)} (the name of its folder in a Hub cache)" if claimed else _place(model)),
        ("model:sha256", manifest_digest(model)),
        ("files", str(len(component.components))),
        ("remote-code", "allowed" if model.remote_code else None),
        ("formats", ", ".join(sorted({file.format for file in model.files if file.format}))),
        ("outcome", _worst(model)),
        ("unsafe-imports", listed(tuple(names))),
        ("left-out", listed(left_out)),
        ("license-when-locked", _other_license(model, component)),
        ("card", _state_of_card(model, documents)),
    ]
    found = [(f"weighlock:{name}", value) for name, value in told if value]
    if component.kind == DATASET:
        found += properties_of(documents)
        gaps = gaps_of(replace(component, properties=tuple(found)))
    else:
        gaps = _gaps(component, documents) if component.kind == MODEL else []
    return (*found, *((UNKNOWN, gap) for gap in gaps))


def _other_license(model: LockedModel, component: Component) -> str | None:
    """Return what the source said when the model was locked, where its card says something else."""
    locked = license_of(model.license) if model.license else None
    return model.license if locked is not None and locked not in component.licenses else None


def _place(model: LockedModel) -> str:
    """Return where a model comes from, in the words of the lockfile."""
    if isinstance(model.source, PathSource) and os.path.isabs(model.source.path):
        return model.name
    return model.source.shown


def _state_of_card(model: LockedModel, documents: Documents) -> str:
    if documents.card is not None:
        return (
            f"unreadable: {documents.card.problem}"
            if documents.card.problem
            else "read (its bytes verified, its claims not)"
        )
    if CARD in documents.problems:
        return f"unreadable: {documents.problems[CARD]}"
    return "unreadable: it was not looked for" if any(file.path == CARD for file in model.files) else "there is none"


def _worst(model: LockedModel) -> str | None:
    order = ("data-only", "needs-approval", "unverifiable", "refused")
    found = [order.index(file.outcome) for file in model.files if file.outcome in order]
    return order[max(found)] if found else None


def _gaps(component: Component, documents: Documents) -> list[str]:
    """Return what a reader of the document looks for in vain."""
    card = component.card
    if card is None:
        return []
    there = {
        "version": component.version,
        "license": component.licenses,
        "producer": component.producer,
        "description": component.description,
        "base-model": component.ancestors,
        "references": component.references,
        "input-size": any("max_position" in name or "context" in name for name, _ in card.properties),
        "acceptable-use": any("out-of-scope" in name for name, _ in card.properties),
        "task": card.task,
        "architecture": card.architecture or card.family,
        "inputs": card.inputs,
        "outputs": card.outputs,
        "datasets": card.datasets,
        "metrics": card.metrics,
        "intended-uses": card.uses,
        "limitations": card.limitations,
        "bias": card.risks,
        "energy": card.environment,
        "parameters": documents.parameters,
        "training": any(name.startswith("weighlock:training") for name, _ in card.properties),
        "hardware": any(name == "weighlock:hardware" for name, _ in card.properties),
        "signature": any(one.kind == "digital-signature" for one in component.references),
        "timestamp": None,  # no source of a model says when it was made
    }
    return sorted(name for name, value in there.items() if not value)
