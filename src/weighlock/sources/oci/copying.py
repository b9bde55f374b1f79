"""Bringing an artifact from one repository to another, byte by byte the same: its digest stays what it was."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Self

from weighlock.errors import DigestMismatchError, SourceError
from weighlock.sources.oci.referrers import put_attachment, referrers
from weighlock.sources.oci.registry import pull_scope
from weighlock.sources.oci.upload import Blob, upload

if TYPE_CHECKING:
    from weighlock.formats.oci_manifest import Descriptor, Manifest
    from weighlock.sources.oci.registry import Registry
    from weighlock.sources.transport import Body, Transport


def copy(
    registry: Registry,
    origin: str,
    target: str,
    digest: str,
    tag: str | None = None,
    *,
    transport: Transport,
    attached: bool = True,
) -> str:
    """Copy a manifest with its blobs, and what is attached to it.

    Where both repositories are of one registry, blobs are mounted and nothing is sent.

    Args:
        registry: Is asked.
        origin: The repository that has it, with its host.
        target: The repository that shall have it.
        digest: Of the manifest.
        tag: That shall lead to it there; set last, so that a tag never leads to half an artifact.
        transport: For blobs that cannot be mounted.
        attached: Copy attachments, too.

    Returns:
        The digest.

    Raises:
        DigestMismatchError: The registry delivers other bytes.
        SourceError: It refuses.
    """
    manifest = registry.manifest(origin, digest)
    bring_blobs(registry, origin, target, manifest, transport=transport)
    registry.put_manifest(target, manifest.data, manifest.media_type)
    if attached:
        for descriptor in referrers(registry, origin, digest):
            attachment = registry.manifest(origin, descriptor.digest)
            bring_blobs(registry, origin, target, attachment, transport=transport)
            put_attachment(registry, target, attachment.data)
    if tag is not None:
        registry.put_manifest(target, manifest.data, manifest.media_type, tag)
    return manifest.digest


def bring_blobs(registry: Registry, origin: str, target: str, manifest: Manifest, *, transport: Transport) -> None:
    """Bring what a manifest needs, and not the manifest: mounted where that is possible, else copied and hashed.

    Raises:
        DigestMismatchError: The registry delivers other bytes.
        SourceError: It refuses.
    """
    for descriptor in {one.digest: one for one in (*manifest.layers, manifest.config)}.values():
        if descriptor.urls:
            raise SourceError("lies elsewhere, and is not copied", where=f"{origin}@{descriptor.digest}")
        with _Passing(registry, origin, descriptor, transport) as passing:
            blob = Blob(digest=descriptor.digest, size=descriptor.size, opened=passing.started)
            upload(registry, target, blob, mount=origin)


class _Passing:
    """A blob that is read from one registry while it is sent to another; a context manager."""

    def __init__(self, registry: Registry, origin: str, descriptor: Descriptor, transport: Transport) -> None:
        self._registry = registry
        self._origin = origin
        self._descriptor = descriptor
        self._transport = transport
        self._body: Body | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._body is not None:
            self._body.__exit__(None, None, None)

    def started(self) -> _Passing:
        """Start a new reading."""
        self.__exit__()
        headers = self._registry.session(self._origin).authorization(pull_scope(self._origin))
        url = self._registry.blob_url(self._origin, self._descriptor.digest)
        self._body = self._transport.get(url, headers)
        self._hash = hashlib.sha256()
        self._left = self._descriptor.size
        return self

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes.

        Raises:
            DigestMismatchError: At the end, other bytes came than were asked for.
        """
        if self._body is None or not self._left:
            return b""
        buffer = memoryview(bytearray(min(1 << 20, self._left) if size < 0 else min(size, self._left)))
        count = self._body.read_into(buffer)
        self._hash.update(buffer[:count])
        self._left -= count
        found = f"sha256:{self._hash.hexdigest()}"
        if (not count or not self._left) and found != self._descriptor.digest:
            raise DigestMismatchError(
                f"the registry delivers {found}", where=f"{self._origin}@{self._descriptor.digest}"
            )
        return bytes(buffer[:count])
