"""Models and datasets that a bill of materials lists, compared with ``models.lock`` by their digests.

A digest that is in the lockfile is a file that was inspected and approved there. One that is not, or a model without a
digest, is refused: a bill does not say what a file does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from weighlock import checks
from weighlock.artifact import Digest
from weighlock.checks.packages.recorded_risks import PICKLED
from weighlock.formats.inventory import DATA, FILE, MODEL
from weighlock.gates.packages import JudgedLooseFile
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from weighlock.finding import Finding
    from weighlock.formats.inventory import Component
    from weighlock.lockfile import Lockfile

_ALLOW = Verdict(decision=Decision.ALLOW)
_HUBS = frozenset({"huggingface", "mlflow"})
_OTHERS = frozenset(
    ".caffemodel .engine .ggml .gguf .h5 .hdf5 .keras .llamafile .mlmodel .mlpackage .msgpack .nemo .onnx .pb .pdmodel "
    ".pdparams .plan .pmml .rds .safetensors .tflite .torchscript .trt .weights".split()
)


def is_model(component: Component) -> bool:
    """Say whether something is a model or a file of one, by its type, its package URL or its name.

    Args:
        component: As a bill lists it.
    """
    if component.ancestor:
        return False
    on_hub = any(purl.type in _HUBS for purl in component.purls)
    if component.kind == MODEL or (on_hub and component.kind != DATA):
        return True
    return component.kind in {FILE, DATA} and _suffix(component) in PICKLED | _OTHERS


def is_dataset(component: Component) -> bool:
    """Say whether something is a dataset, of a hub or of nowhere.

    Args:
        component: As a bill lists it.
    """
    return component.kind == DATA and all(purl.type in _HUBS for purl in component.purls)


def judge_bill_models(
    components: Sequence[Component],
    path: str,
    lockfile: Lockfile | None,
    notes: Mapping[str, tuple[Finding, ...]],
) -> tuple[JudgedLooseFile, ...]:
    """Judge every model and every file of a model that a bill lists, and datasets that it has digests of.

    Args:
        components: Of the bill.
        path: Of the bill, for a person.
        lockfile: `None` where there is none.
        notes: What the bill says about each component, by the name that it has in the document.
    """
    models = {one.where for one in components if is_model(one)}
    inside = _inside(components, models)
    # A model without a digest of its own is judged by its files, where the bill has digests of them.
    whole = {component.parent for component in components if component.parent in models and component.sha256}
    named = {one.where: f"{one.name}:" for one in components}
    found = []
    for one in components:
        outer = named.get(one.parent, "") if one.parent else ""
        chosen = (
            one.where in models
            or (one.where in inside and one.kind in {FILE, DATA})
            or (is_dataset(one) and bool(one.sha256) and lockfile is not None)
        )
        if not chosen or (one.where in whole and not one.sha256):
            continue
        verdict = _verdict(one, lockfile, outer)
        shown = f"{path}: {outer}{one.name}"
        digest = Digest.sha256(one.sha256[0]) if one.sha256 else None
        findings = (*checks.run(one, checks.PACKAGES), *notes.get(one.ref, ()))
        found.append(JudgedLooseFile(path=shown, findings=findings, verdict=verdict, digest=digest))
    return tuple(found)


def _inside(components: Sequence[Component], models: set[str]) -> frozenset[str]:
    """Return the paths of files that lie in a model, however deep; a document may say that things lie in a circle."""
    children: dict[str, list[Component]] = {}
    for one in components:
        children.setdefault(one.parent, []).append(one)
    found, waiting = set[str](), [child for model in models for child in children.get(model, ())]
    while waiting:
        one = waiting.pop()
        if one.where not in found:
            found.add(one.where)
            waiting += children.get(one.where, ())
    return frozenset(found)


def _verdict(component: Component, lockfile: Lockfile | None, outer: str) -> Verdict:
    if lockfile is None:
        message = "there is no models.lock to compare it with, so whether it was inspected is not known"
        return _deny("unverifiable", message, "weighlock lock MODEL")
    if not component.sha256:
        message = "the bill has no SHA-256 digest of it, so which file it is cannot be told"
        return _deny("unverifiable", message, None)
    if all(lockfile.by_digest(digest) for digest in component.sha256):
        return _ALLOW
    if _has_another(component, lockfile, outer):
        message = f"models.lock has it with another digest than sha256:{component.sha256[0]}"
        return _deny("changed-file", message, "find out which of the two is the file that is meant")
    message = f"no file of sha256:{component.sha256[0]} is in models.lock"
    return _deny("not-in-lock", message, "weighlock lock MODEL")


def _has_another(component: Component, lockfile: Lockfile, outer: str) -> bool:
    """Say whether the lockfile has a file of that name, of that model where the bill says of which."""
    models = [model for model in lockfile.models if not outer or model.name == outer[:-1]]
    return any(file.path == component.name.removeprefix("./") for model in models for file in model.files)


def _deny(rule: str, message: str, remedy: str | None) -> Verdict:
    return Verdict(decision=Decision.DENY, reasons=(Reason(rule=rule, message=message, remedy=remedy),))


def _suffix(component: Component) -> str:
    return os.path.splitext(component.name.lower())[1]
