"""A locked model as an artifact: one layer per file, under names that ORAS and the CNAI model-spec both understand.

Source:
    CNAI model-spec v1, "Model Format Specification" and "Model Artifact Configuration"; OCI Image Format Specification
    1.1, "Guidelines for Artifact Usage".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from weighlock.formats.oci_files import FILEPATH, LICENSES, TITLE
from weighlock.formats.oci_manifest import MANIFEST

if TYPE_CHECKING:
    from weighlock.formats.oci_manifest import Descriptor
    from weighlock.lockfile import LockedFile, LockedModel

ARTIFACT = "application/vnd.cncf.model.manifest.v1+json"
CONFIG = "application/vnd.cncf.model.config.v1+json"

_KINDS = {"weight": "weight", "settings": "weight.config", "text": "doc", "program": "code"}
_PROGRAMS = (".py", ".pyi", ".sh", ".ipynb", ".c", ".cpp", ".cu", ".js")
_TEXTS = (".md", ".rst", ".pdf", ".html")
_TEXT_NAMES = ("license", "licence", "notice", "copying", "readme")


def manifest_of(model: LockedModel, config: Descriptor) -> bytes:
    """Return the manifest of a locked model, the same bytes for the same files, whatever the model is called.

    Args:
        model: From a lockfile.
        config: Of its configuration.
    """
    annotations = {LICENSES: model.license} if model.license else {}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT,
        "config": config.to_dict(),
        "layers": [_layer(file) for file in _sorted(model)],
        **({"annotations": annotations} if annotations else {}),
    }
    return _encoded(document)


def configuration(model: LockedModel) -> bytes:
    """Return the configuration of a locked model, the same bytes for the same files."""
    descriptor = {"licenses": [model.license]} if model.license else {}  # a name would make it another artifact
    digests = [f"sha256:{file.sha256}" for file in _sorted(model)]
    return _encoded({"descriptor": descriptor, "modelfs": {"type": "layers", "diffIds": digests}, "config": {}})


def _sorted(model: LockedModel) -> list[LockedFile]:
    return sorted(model.files, key=lambda file: file.path)


def _layer(file: LockedFile) -> dict[str, Any]:
    return {
        "mediaType": f"application/vnd.cncf.model.{_KINDS[_kind(file)]}.v1.raw",
        "digest": f"sha256:{file.sha256}",
        "size": file.size,
        "annotations": {TITLE: file.path, FILEPATH: file.path},
    }


def _kind(file: LockedFile) -> str:
    name = file.path.rpartition("/")[2].lower()
    if name.endswith(_PROGRAMS):
        return "program"
    if name.endswith(_TEXTS) or name.startswith(_TEXT_NAMES):
        return "text"
    return "weight" if file.format is not None or file.size > 64 << 20 else "settings"


def _encoded(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
