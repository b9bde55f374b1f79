"""Manifests and indexes of registries: JSON in, values out, and nothing that two readers would take for two things.

Source:
    OCI Image Format Specification 1.1, "Image Manifest", "Image Index" and "Content Descriptors"; Docker's Image
    Manifest Version 2, Schema 2. That a document is both a manifest and an index: CVE-2021-41190.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError, UnsupportedError
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 4 << 20
"""Bytes; what the specification lets registries refuse."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY = "application/vnd.oci.empty.v1+json"

MANIFESTS = frozenset({MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({INDEX, DOCKER_INDEX})

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\Z")
_SCHEMA_1 = re.compile(r"application/vnd\.docker\.distribution\.manifest\.v1\+(?:prettyjws|json)\Z")
_LONGEST = 1 << 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What a document says about other content.

    Args:
        media_type: Of that content.
        digest: ``sha256:…``.
        size: Bytes.
        annotations: As they stand, not made safe.
        artifact_type: Of a manifest, in an index.
        urls: Where else it may lie.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None
    urls: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as it stands in a document."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type is not None:
            document["artifactType"] = self.artifact_type
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An artifact: its configuration and its layers.

    Args:
        media_type: `MANIFEST` or `DOCKER_MANIFEST`.
        data: The bytes, to which `digest` belongs.
        config: The configuration.
        layers: In their order.
        artifact_type: Of the artifact; where there is none, the type of its configuration stands for it.
        subject: What the artifact is attached to.
        annotations: As they stand, not made safe.
    """

    media_type: str
    data: bytes = field(repr=False)
    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest of the bytes."""
        return digest_of(self.data)

    @property
    def descriptor(self) -> Descriptor:
        """What an index or a referrer says about it."""
        return Descriptor(
            media_type=self.media_type,
            digest=self.digest,
            size=len(self.data),
            annotations=self.annotations,
            artifact_type=self.artifact_type,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A list of manifests.

    Args:
        media_type: `INDEX` or `DOCKER_INDEX`.
        data: The bytes, to which `digest` belongs.
        manifests: In their order.
    """

    media_type: str
    data: bytes = field(repr=False)
    manifests: tuple[Descriptor, ...]

    @property
    def digest(self) -> str:
        """The digest of the bytes."""
        return digest_of(self.data)


def digest_of(data: bytes) -> str:
    """Return the digest of some bytes as registries write it."""
    return f"sha256:{sha256(data).hexdigest()}"


def parse(data: bytes, served_as: str | None = None) -> Manifest | Index:
    """Parse a manifest or an index.

    Args:
        data: All its bytes.
        served_as: The media type that a server gave; it is not covered by the digest, so it can only contradict.

    Raises:
        FormatError: It is neither, or can be taken for both.
        UnsupportedError: It is of an old schema, or names content by another digest than SHA-256.
    """
    if len(data) > LARGEST:
        raise FormatError(f"is larger than {LARGEST >> 20} MiB")
    document = _object(data)
    if document.get("schemaVersion") == 1 or _SCHEMA_1.match(served_as or ""):
        raise UnsupportedError("is of schema 1, whose digests do not cover what is delivered; push it again")
    if document.get("schemaVersion") != 2:
        raise FormatError("has no schemaVersion 2")
    if ("manifests" in document) == ("layers" in document or "config" in document):
        raise FormatError("is not exactly one of a manifest and an index")
    allowed = INDEXES if "manifests" in document else MANIFESTS
    media_type = _media_type(document, served_as, allowed)
    if "manifests" in document:
        return Index(media_type=media_type, data=data, manifests=_descriptors(document, "manifests"))
    config = _descriptor(document.get("config"), "config")
    subject = document.get("subject")
    return Manifest(
        media_type=media_type,
        data=data,
        config=config,
        layers=_descriptors(document, "layers"),
        artifact_type=_type_of(document, "artifactType", "") or config.media_type,
        subject=None if subject is None else _descriptor(subject, "subject"),
        annotations=_annotations(document, ""),
    )


def _object(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except FormatError:
        raise
    except (ValueError, RecursionError):
        raise FormatError("is not JSON") from None
    if not isinstance(document, dict):
        raise FormatError("is not a JSON object")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: readers differ in which one they take, and Go's ignores case as well."""
    members = dict(pairs)
    if len({name.casefold() for name in members}) != len(pairs):
        raise FormatError("names something twice")
    return members


def _no_constant(name: str) -> Any:
    raise FormatError(f"holds {name}, which is not JSON")


def _media_type(document: Mapping[str, Any], served_as: str | None, allowed: frozenset[str]) -> str:
    said = _type_of(document, "mediaType", "")
    served = (served_as or "").partition(";")[0].strip().lower()
    if said is not None and said not in allowed:
        raise FormatError("says it is of another media type than its structure")
    if served in MANIFESTS | INDEXES and (served not in allowed or served != (said or served)):
        raise FormatError(f"is served as {served} and is something else")
    return said or (served if served in allowed else {True: INDEX, False: MANIFEST}[allowed is INDEXES])


def _descriptors(document: Mapping[str, Any], key: str) -> tuple[Descriptor, ...]:
    values = document.get(key)
    if not isinstance(values, list):
        raise FormatError("is not a list", where=key)
    return tuple(_descriptor(value, f"{key}[{index}]") for index, value in enumerate(values))


def _descriptor(value: Any, where: str) -> Descriptor:
    if not isinstance(value, dict):
        raise FormatError("is missing or no object", where=where)
    digest, size, urls = value.get("digest"), value.get("size"), value.get("urls", [])
    if not isinstance(digest, str) or not _DIGEST.match(digest):
        if isinstance(digest, str) and digest.startswith(("sha512:", "blake3:")):
            raise UnsupportedError("is not a SHA-256 digest, the only kind that is locked", where=f"{where}.digest")
        raise FormatError("is not sha256: with 64 lower-case hexadecimal digits", where=f"{where}.digest")
    if type(size) is not int or not 0 <= size < _LONGEST:
        raise FormatError("is not a number of bytes", where=f"{where}.size")
    if urls is not None and (not isinstance(urls, list) or not all(isinstance(url, str) for url in urls)):
        raise FormatError("is not a list of URLs", where=f"{where}.urls")
    media_type = _type_of(value, "mediaType", where)
    if media_type is None:
        raise FormatError("is missing", where=f"{where}.mediaType")
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        annotations=_annotations(value, where),
        artifact_type=_type_of(value, "artifactType", where),
        urls=tuple(urls or ()),
    )


def _type_of(value: Mapping[str, Any], key: str, where: str) -> str | None:
    media_type = value.get(key)
    if media_type is None or (media_type == "" and key == "artifactType"):
        return None
    if not isinstance(media_type, str) or not _TYPE.match(media_type):
        raise FormatError("is not a media type", where=f"{where}.{key}".lstrip("."))
    return media_type


def _annotations(value: Mapping[str, Any], where: str) -> dict[str, str]:
    found = value.get("annotations")
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise FormatError("is not a table of strings", where=f"{where}.annotations".lstrip("."))
    return found


def printed(text: str) -> str:
    """Return what a registry said, in a form that no terminal obeys."""
    return text if is_printable(text) else ascii(text)
