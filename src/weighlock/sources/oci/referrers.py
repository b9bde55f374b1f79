"""What is attached to an artifact, such as signatures: by the referrers API, and by the tag that stands in for it.

A registry can keep back an attachment, and nobody can notice that here; it cannot add one that is about other content,
because each is fetched by its digest and has to name its subject.

Source:
    OCI Distribution Specification 1.1, "Listing Referrers", "Pushing Manifests with Subject", "Referrers Tag Schema".
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from weighlock.errors import FormatError, SourceError, UnsupportedError
from weighlock.formats.oci_manifest import (
    EMPTY,
    INDEX,
    LARGEST,
    MANIFEST,
    Descriptor,
    Index,
    Manifest,
    digest_of,
    parse,
)
from weighlock.sources.oci.registry import require
from weighlock.sources.oci.upload import upload_bytes
from weighlock.sources.transport import NotFoundError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from weighlock.sources.exchange import Answer
    from weighlock.sources.oci.registry import Registry

MOST = 500
"""Attachments of one artifact that are looked at."""

_PAGES = 50
_NEXT = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?')
_ATTEMPTS = 8
_EMPTY_CONFIG = b"{}"


def referrers(
    registry: Registry, repository: str, digest: str, artifact_type: str | None = None
) -> tuple[Descriptor, ...]:
    """Return what is attached to a manifest, from both places, each fetched and found to be about it.

    Args:
        registry: Is asked.
        repository: With its host.
        digest: Of the manifest.
        artifact_type: Only attachments of that type.

    Raises:
        DigestMismatchError: The registry delivers other bytes than it lists.
        SourceError: It cannot be asked, or lists an absurd number.
    """
    return tuple(manifest.descriptor for manifest in _attached(registry, repository, digest, artifact_type))


def attachments(registry: Registry, repository: str, digest: str, artifact_type: str, most: int) -> tuple[bytes, ...]:
    """Return the content of what is attached to a manifest.

    Args:
        registry: Is asked.
        repository: With its host.
        digest: Of the manifest.
        artifact_type: Of the attachments.
        most: Bytes of each; larger ones are an error.

    Raises:
        DigestMismatchError: The registry delivers other bytes than it lists.
        SourceError: It cannot be asked, or one of them is not one blob of that type.
    """
    found = []
    for manifest in _attached(registry, repository, digest, artifact_type):
        layers = [layer for layer in manifest.layers if layer.media_type == artifact_type]
        if len(manifest.layers) != 1 or not layers or layers[0].size > most:
            raise SourceError(
                f"is attached and is not one {artifact_type} of at most {most >> 20} MiB",
                where=f"{repository}@{manifest.digest}",
            )
        found.append(registry.blob(repository, layers[0].digest, layers[0].size))
    return tuple(found)


def attach(
    registry: Registry,
    repository: str,
    subject: Descriptor,
    *,
    artifact_type: str,
    data: bytes,
    annotations: Mapping[str, str] | None = None,
) -> str:
    """Attach content to a manifest; attaching the same twice is attaching it once.

    Args:
        registry: Is asked.
        repository: With its host.
        subject: The manifest.
        artifact_type: Of the attachment, and the media type of its one layer.
        data: Its content.
        annotations: Of the attachment.

    Returns:
        The digest of the attachment.

    Raises:
        SourceError: The registry refuses, or others attach so fast that it was lost each time.
    """
    for blob in (data, _EMPTY_CONFIG):
        upload_bytes(registry, repository, blob)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": {"mediaType": EMPTY, "digest": digest_of(_EMPTY_CONFIG), "size": len(_EMPTY_CONFIG)},
        "layers": [{"mediaType": artifact_type, "digest": digest_of(data), "size": len(data)}],
        "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
        **({"annotations": dict(sorted(annotations.items()))} if annotations else {}),
    }
    return put_attachment(registry, repository, _encoded(document))


def put_attachment(registry: Registry, repository: str, data: bytes) -> str:
    """Store a manifest that names its subject, whose blobs are there, and make it found.

    Raises:
        SourceError: The registry refuses, or others attach so fast that it was lost each time.
    """
    manifest = parse(data)
    if not isinstance(manifest, Manifest) or manifest.subject is None:
        raise SourceError("is attached to nothing", where=f"{repository}@{digest_of(data)}")
    answer = registry.put_manifest(repository, data, manifest.media_type)
    if answer.headers.get("oci-subject", "").strip() != manifest.subject.digest:
        _list_by_tag(registry, repository, manifest.subject.digest, manifest.descriptor)
    return manifest.digest


def fallback_tag(digest: str) -> str:
    """Return the tag that lists what is attached to a manifest, where a registry has no API for it."""
    return digest.replace(":", "-")


def _attached(registry: Registry, repository: str, digest: str, artifact_type: str | None) -> Iterator[Manifest]:
    listed: dict[str, Descriptor] = {}
    for descriptor in (*_by_api(registry, repository, digest), *_by_tag(registry, repository, digest)):
        listed.setdefault(descriptor.digest, descriptor)
        if len(listed) > MOST:
            raise SourceError(f"has more than {MOST} attachments", where=f"{repository}@{digest}")
    for found in sorted(listed):
        try:
            manifest = registry.manifest(repository, found)
        except NotFoundError:
            continue  # listed and deleted since: there is nothing to be believed
        about = manifest.subject is not None and manifest.subject.digest == digest
        if about and artifact_type in (None, manifest.artifact_type):
            yield manifest


def _by_api(registry: Registry, repository: str, digest: str) -> Iterator[Descriptor]:
    path = f"referrers/{digest}"
    for _ in range(_PAGES):
        answer = registry.ask("GET", repository, path, headers={"Accept": INDEX}, most=LARGEST)
        if answer.status in (400, 404, 405):
            return  # a registry without the API
        require(answer, {200}, f"{repository}@{digest}")
        yield from _index(answer, f"{repository}@{digest}").manifests
        following = _NEXT.search(answer.headers.get("link", ""))
        if following is None:
            return
        path = registry.same(repository, urljoin(answer.url, following[1]))
    raise SourceError(f"has attachments on more than {_PAGES} pages", where=f"{repository}@{digest}")


def _by_tag(registry: Registry, repository: str, digest: str) -> tuple[Descriptor, ...]:
    try:
        found = registry.document(repository, fallback_tag(digest))
    except NotFoundError:
        return ()
    if not isinstance(found, Index):
        raise SourceError("is not a list of attachments", where=f"{repository}:{fallback_tag(digest)}")
    return found.manifests


def _list_by_tag(registry: Registry, repository: str, subject: str, descriptor: Descriptor) -> None:
    """Write an attachment into the list under the tag, which no registry guards against two writers.

    Both read, both write, and the list of the one who wrote first is lost. So each looks again after a while, and
    whoever is missing writes again. Who was listed when they looked, and is overwritten after that by somebody who had
    read before, stays lost until it is attached again.
    """
    for attempt in range(_ATTEMPTS):
        listed = _by_tag(registry, repository, subject)
        if any(one.digest == descriptor.digest for one in listed):
            return
        manifests = [one.to_dict() for one in (*listed, descriptor)]
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        with contextlib.suppress(TransientError):  # some registries stumble over two writers; the next look tells
            registry.put_manifest(repository, _encoded(document), INDEX, fallback_tag(subject))
        time.sleep(0.05 * 2**attempt * (0.5 + secrets.randbelow(1000) / 1000))
    if not any(one.digest == descriptor.digest for one in _by_tag(registry, repository, subject)):
        raise SourceError(
            "was attached and is not listed, because others attach at the same time",
            where=f"{repository}@{descriptor.digest}",
            hint="run it again; attaching the same twice is attaching it once",
        )


def _index(answer: Answer, where: str) -> Index:
    try:
        found = parse(answer.data, answer.headers.get("content-type"))
    except (FormatError, UnsupportedError) as error:
        raise SourceError(f"the list of attachments {error}", where=where) from error
    if not isinstance(found, Index):
        raise SourceError("the list of attachments is not an index", where=where)
    return found


def _encoded(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
