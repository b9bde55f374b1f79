"""Which files the layers of an artifact are: ORAS, ModelPack (CNAI model-spec), KitOps.

A layer is one file under the path that its annotations name, or an archive of files. What is neither, or could be
both, is refused: two readers would unpack two models.

Source:
    ORAS, "Artifact manifest" and its annotations; the CNAI model-spec v1, "Layer Annotation Keys"; the media types of
    KitOps ModelKits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, LockfileError, UnsupportedError
from weighlock.formats.oci_manifest import EMPTY, printed
from weighlock.lockfile_schema import check_path
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from weighlock.formats.oci_manifest import Descriptor, Manifest

TITLE = "org.opencontainers.image.title"
FILEPATH = "org.cncf.model.filepath"
LICENSES = "org.opencontainers.image.licenses"

_FILEPATHS = (FILEPATH, "org.cnai.model.filepath")
_UNPACK = "io.deis.oras.content.unpack"
_MODEL = re.compile(
    r"application/vnd\.(?:cncf|cnai)\.model\.(?:layer|weight|weight\.config|doc|code|dataset)\.v1\.(?P<form>raw|tar\S*)\Z"
)
_KIT = re.compile(
    r"application/vnd\.kitops\.modelkit\.(?:model|modelpart|dataset|code|docs|prompt)\.v1\.(?P<form>tar\S*)\Z"
)
_IMAGE = re.compile(
    r"application/vnd\.(?:oci\.image\.layer\.v1|docker\.image\.rootfs\.diff)\.(?P<form>tar(?:[+.](?:gzip|zstd))?)\Z"
)
_FOREIGN = ("nondistributable", "foreign")
_PACKED = (".tar", ".tgz", ".tar.gz", ".tar.zst")
_CODECS = {"tar": None, "tar+gzip": "gzip", "tar.gzip": "gzip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of a model.

    Args:
        descriptor: What the manifest says about it.
        path: Of the one file that it is; ``None`` for an archive of files, whose paths stand in it.
        codec: What an archive is compressed with.
    """

    descriptor: Descriptor
    path: str | None
    codec: str | None = None


def layers_of(manifest: Manifest) -> tuple[Layer, ...]:
    """Return what the layers of an artifact are.

    Raises:
        FormatError: Two readers would take it for two things.
        UnsupportedError: It is not a model, or is packed in a way that is not known.
    """
    layers = []
    for index, descriptor in enumerate(manifest.layers):
        if descriptor.media_type == EMPTY and not descriptor.annotations.get(TITLE):
            continue
        layers.append(_layer(descriptor, f"layers[{index}]"))
    if not layers:
        raise UnsupportedError("has no layer that is a file")
    check_paths([layer.path for layer in layers if layer.path is not None])
    return tuple(layers)


def license_of(manifest: Manifest) -> str | None:
    """Return the licence that an artifact declares."""
    declared = manifest.annotations.get(LICENSES, "")
    return declared if 0 < len(declared) <= 200 and is_printable(declared) else None


def check_paths(paths: list[str]) -> None:
    """Refuse two files at one path, and a file below another.

    Raises:
        FormatError: There are such.
    """
    known = set(paths)
    if len(known) != len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise FormatError("is the path of two files", where=printed(twice))
    for path in paths:
        parts = path.split("/")
        above = next(("/".join(parts[:end]) for end in range(1, len(parts)) if "/".join(parts[:end]) in known), None)
        if above is not None:
            raise FormatError(f"lies below {printed(above)}, which is itself a file", where=printed(path))


def safe_path(path: str) -> str:
    """Return a path of an artifact if it stays inside the folder of its model on every system.

    Raises:
        FormatError: It does not.
    """
    try:
        return check_path(path.removeprefix("./"), printed(path))
    except LockfileError as error:
        raise FormatError(f"is the path of a file and {error.message}", where=error.where) from None


def _layer(descriptor: Descriptor, where: str) -> Layer:
    media_type = descriptor.media_type
    if descriptor.urls or any(word in media_type for word in _FOREIGN):
        raise UnsupportedError("lies elsewhere, and nothing is fetched from where a manifest says", where=where)
    named = _named(descriptor, where)
    form = _form(descriptor, named, where)
    if form is None:
        if named is None:
            raise UnsupportedError(f"is a {printed(media_type)} without a name", where=where)
        return Layer(descriptor=descriptor, path=safe_path(named))
    if form not in _CODECS:
        raise UnsupportedError(f"is packed as {printed(form)}, which is not unpacked", where=where)
    return Layer(descriptor=descriptor, path=None, codec=_CODECS[form])


def _named(descriptor: Descriptor, where: str) -> str | None:
    """Return the path in the annotations; two that differ are two files to two readers."""
    found = {descriptor.annotations[key] for key in (TITLE, *_FILEPATHS) if descriptor.annotations.get(key)}
    if len(found) > 1 and _form(descriptor, None, where) is None:
        raise FormatError(f"is called {' and '.join(sorted(map(printed, found)))}", where=where)
    return descriptor.annotations.get(TITLE) or next(iter(found), None)


def _form(descriptor: Descriptor, named: str | None, where: str) -> str | None:
    """Return how an archive is packed, or ``None`` for what is one file."""
    model = _MODEL.match(descriptor.media_type) or _KIT.match(descriptor.media_type)
    if model:
        return None if model["form"] == "raw" else model["form"]
    image = _IMAGE.match(descriptor.media_type)
    unpack = descriptor.annotations.get(_UNPACK)
    if image is None:
        if unpack == "true":
            raise UnsupportedError("is to be unpacked, and does not say how", where=where)
        return None
    if not descriptor.annotations.get(TITLE):
        raise UnsupportedError("is a layer of a container image, not of a model", where=where)
    if unpack == "true":
        return image["form"]
    # Python's ORAS packs a folder so and says nothing; a file that is an archive keeps the ending of one.
    is_file = unpack == "false" or (named or "").endswith(_PACKED) or image["form"] == "tar"
    return None if is_file else image["form"]
