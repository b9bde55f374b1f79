"""The files of an artifact, from bytes that were all read now: a registry does not compare what lies in its storage."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from weighlock.errors import DigestMismatchError, SourceError
from weighlock.model_source import OciRequest
from weighlock.sources.interface import Silence
from weighlock.sources.oci.models import OciModels
from weighlock.sources.oci.registry import pull_scope

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.formats.oci_manifest import Descriptor, Manifest
    from weighlock.sources.oci.registry import Registry
    from weighlock.sources.transport import Transport

_BUFFER = 1 << 20


def verified_files(
    registry: Registry, repository: str, digest: str, *, transport: Transport, waiting: Path
) -> tuple[Manifest, dict[str, str]]:
    """Read an artifact to its end, and return its manifest and the SHA-256 of each file by its path.

    Args:
        registry: Is asked.
        repository: With its host.
        digest: Of the manifest.
        transport: For blobs.
        waiting: Folder in which archives wait to be looked into.

    Raises:
        DigestMismatchError: The registry holds other bytes.
        SourceError: It is not there, or is no model.
    """
    manifest = registry.manifest(repository, digest)
    for descriptor in {one.digest: one for one in (manifest.config, *manifest.layers)}.values():
        _require_blob(registry, repository, descriptor, transport)
    models = OciModels(registry, transport, waiting, Silence())
    listing = models.list(OciRequest(repository=repository, ref=digest), None, upgrade=False)
    files = {offer.path: offer.sha256 for offer in listing.files if offer.sha256 is not None}
    if len(files) != len(listing.files):
        raise SourceError("lists a file without its digest", where=f"{repository}@{digest}")
    return manifest, files


def _require_blob(registry: Registry, repository: str, descriptor: Descriptor, transport: Transport) -> None:
    headers = registry.session(repository).authorization(pull_scope(repository))
    hasher, size, buffer = hashlib.sha256(), 0, memoryview(bytearray(_BUFFER))
    with transport.get(registry.blob_url(repository, descriptor.digest), headers) as body:
        while size <= descriptor.size and (count := body.read_into(buffer)):
            hasher.update(buffer[:count])
            size += count
    found = f"sha256:{hasher.hexdigest()}"
    if found != descriptor.digest or size != descriptor.size:
        raise DigestMismatchError(
            f"the registry holds {found} ({size} bytes), and the manifest says {descriptor.size} bytes",
            where=f"{repository}@{descriptor.digest}",
            hint="the storage of the registry was changed, or is broken: push the model again",
        )
