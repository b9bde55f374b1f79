"""The files of a model as components of a bill of materials, and one digest for all of them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.bom.names import below
from weighlock.bom.values import FILE, UNKNOWN, Component

if TYPE_CHECKING:
    from weighlock.gates.bom_documents import Documents
    from weighlock.lockfile import LockedFile, LockedModel

_MOST_NAMES = 100


def manifest_digest(model: LockedModel) -> str:
    """Return one SHA-256 for all files of a model: names, sizes and digests, and not digests alone.

    Source:
        ``docs/formats/bom.md``: the canonical JSON (RFC 8785) of a list of ``[path, size, sha256]``, sorted by path.
    """
    rows = sorted([file.path, file.size, file.sha256] for file in model.files)
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_component(ref: str, file: LockedFile, documents: Documents) -> Component:
    """Return a file with its digest and what was seen in it.

    Args:
        ref: Of the model.
        file: As locked.
        documents: What the files of the model say.
    """
    told = [
        ("size", str(file.size)),
        ("format", file.format),
        ("outcome", file.outcome),
        ("imports", listed(file.imports)),
        ("needs-approval", listed(tuple(name for name in file.needs if name not in file.approved))),
        ("approved", listed(file.approved)),
        ("accepted-unsafe", (file.reason or "without a reason") if file.unsafe else None),
        ("equivalent-to", listed(file.equivalent_to)),
        *documents.weights.get(file.path, ()),
        ("unreadable", documents.problems.get(file.path)),
    ]
    return Component(
        kind=FILE,
        ref=below(ref, file.path),
        name=file.path,
        digests=(Digest.sha256(file.sha256),),
        properties=tuple((f"weighlock:{name}", value) for name, value in told if value),
        components=tuple(_template(ref, file.path, *item) for item in documents.templates.get(file.path, ())),
    )


def _template(ref: str, path: str, name: str, sha256: str) -> Component:
    """Return a chat template as a part of its file; CycloneDX has no field for one."""
    return Component(
        kind=FILE,
        ref=below(ref, path, name),
        name=f"{path}#{name}",
        digests=(Digest.sha256(sha256),),
        properties=(("weighlock:chat-template", "the text of the template, as UTF-8"),),
    )


def unread_component(ref: str, path: str, why: str) -> Component:
    """Return a file of which nothing is known but that it is there, and why."""
    properties = (("weighlock:unreadable", why), (UNKNOWN, "digest"))
    return Component(kind=FILE, ref=below(ref, path), name=path, properties=properties)


def listed(names: tuple[str, ...]) -> str:
    """Return names for a property: the first ones, and how many more there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
