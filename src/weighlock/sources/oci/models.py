"""Models in registries, as a kind of source: what a manifest holds, and how its files are downloaded."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock.errors import DigestMismatchError, FormatError, SourceError, UnsupportedError, UsageError
from weighlock.formats.oci_files import check_paths, layers_of, license_of
from weighlock.model_source import OciSource, chosen
from weighlock.sources.download import Wanted, fetch
from weighlock.sources.interface import Listing, Offer
from weighlock.sources.oci.archive import OpenArchive
from weighlock.sources.oci.registry import pull_scope
from weighlock.sources.quarantine import Quarantine, discard
from weighlock.sources.transport import UnauthorizedError

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.formats.oci_files import Layer
    from weighlock.formats.oci_manifest import Manifest
    from weighlock.lockfile import LockedModel
    from weighlock.model_source import OciRequest
    from weighlock.sources.interface import Fetched, Progress
    from weighlock.sources.oci.registry import Registry
    from weighlock.sources.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """What a download needs."""

    quarantine: Quarantine
    transport: Transport
    progress: Progress


class OciModels:
    """The models of all registries.

    Args:
        registry: Is asked.
        transport: For what has to be downloaded to be listed: archives.
        quarantine: Where that waits.
        progress: Is told what happens.
    """

    def __init__(self, registry: Registry, transport: Transport, quarantine: Path, progress: Progress) -> None:
        self._registry = registry
        self._transport = transport
        self._quarantine = quarantine
        self._progress = progress
        self._manifests: dict[str, Manifest] = {}
        self._archives: dict[str, OpenArchive] = {}
        self._lock = threading.Lock()

    def list(self, request: OciRequest, old: LockedModel | None, *, upgrade: bool) -> Listing:
        """List the files of a manifest: the locked one, or that of the tag now."""
        ref, revision = chosen(request.ref, old.source if old else None, upgrade=upgrade)
        if ref is None:
            name = f"oci:{request.repository}"
            raise UsageError("names no tag", where=name, hint=f"write {name}:TAG or {name}@sha256:…")
        repository = request.repository
        if revision is None:
            manifest = self._registry.lookup(repository, ref)
        else:
            manifest = self._registry.manifest(repository, revision)
        self._manifests[manifest.digest] = manifest
        kept = manifest.digest if ":" in ref else ref
        source = OciSource(repository=repository, ref=kept, revision=manifest.digest)
        offers = self._offers(source, manifest)
        return Listing(source=source, files=offers, license=license_of(manifest))

    def now(self, source: OciSource) -> OciSource:
        """Find the manifest that the tag of a source is now."""
        revision = self._registry.resolve(source.repository, source.ref)
        return OciSource(repository=source.repository, ref=source.ref, revision=revision)

    def fetch(
        self, source: OciSource, offer: Offer, quarantine: Quarantine, transport: Transport, progress: Progress
    ) -> Fetched:
        """Download one file of a manifest, which has to be the locked one and to hold the locked file."""
        room = _Room(quarantine=quarantine, transport=transport, progress=progress)
        layers = _layers(self._manifest(source), source)
        where = f"{source.origin}: {offer.path}"
        layer = next((layer for layer in layers if layer.path == offer.path), None)
        if layer is None:
            return self._unpack(source, layers, offer, room)
        found = layer.descriptor.digest.removeprefix("sha256:")
        if offer.sha256 not in (None, found):
            raise _not_in_manifest(where, found, offer, source)
        wanted = self._wanted(source, layer, where, f"{source.repository} {offer.path} {found}")
        return self._download(source, wanted, room)

    def _manifest(self, source: OciSource) -> Manifest:
        with self._lock:
            if source.revision not in self._manifests:
                found = self._registry.manifest(source.repository, source.revision)
                self._manifests[source.revision] = found
            return self._manifests[source.revision]

    def _offers(self, source: OciSource, manifest: Manifest) -> tuple[Offer, ...]:
        offers = []
        layers = _layers(manifest, source)
        for layer in layers:
            if layer.path is not None:
                digest = layer.descriptor.digest.removeprefix("sha256:")
                offers.append(Offer(path=layer.path, size=layer.descriptor.size, sha256=digest))
        if any(layer.path is None for layer in layers):
            with Quarantine(self._quarantine, self._progress) as quarantine:
                room = _Room(quarantine=quarantine, transport=self._transport, progress=self._progress)
                for layer in layers:
                    if layer.path is None:
                        archive = self._archive(source, layer, room)
                        offers += [Offer(path=one.path, size=one.size, sha256=one.sha256) for one in archive.members]
        try:
            check_paths([offer.path for offer in offers])
        except FormatError as error:
            raise SourceError(f"the manifest: {error}", where=source.shown) from error
        return tuple(sorted(offers, key=lambda offer: offer.path))

    def _unpack(self, source: OciSource, layers: tuple[Layer, ...], offer: Offer, room: _Room) -> Fetched:
        for layer in (layer for layer in layers if layer.path is None):
            with self._lock:
                archive = self._archive(source, layer, room)
            member = next((member for member in archive.members if member.path == offer.path), None)
            if member is None:
                continue
            if offer.sha256 not in (None, member.sha256):
                raise _not_in_manifest(f"{source.origin}: {offer.path}", member.sha256, offer, source)
            place = room.quarantine.part(f"{source.repository} {offer.path} {member.sha256}")
            fetched = archive.extract(offer.path, place, room.progress)
            if fetched.sha256 != member.sha256:
                raise _not_in_manifest(f"{source.origin}: {offer.path}", fetched.sha256, offer, source)
            return fetched
        raise SourceError(f"is not in the manifest {source.revision}", where=f"{source.origin}: {offer.path}")

    def _archive(self, source: OciSource, layer: Layer, room: _Room) -> OpenArchive:
        digest = layer.descriptor.digest
        if digest not in self._archives:
            label = f"{source.origin}: {digest}"
            wanted = self._wanted(source, layer, label, f"{source.repository} {digest}")
            room.quarantine.require_room(layer.descriptor.size)
            room.progress.expect(layer.descriptor.size)
            fetched = self._download(source, wanted, room)
            try:
                self._archives[digest] = OpenArchive(fetched.place, layer.codec, label, room.progress)
            finally:
                discard(fetched.place)
        return self._archives[digest]

    def _wanted(self, source: OciSource, layer: Layer, label: str, identity: str) -> Wanted:
        return Wanted(
            label=label,
            url=self._registry.blob_url(source.repository, layer.descriptor.digest),
            headers=self._registry.session(source.repository).authorization(pull_scope(source.repository)),
            identity=f"oci {identity}",
            size=layer.descriptor.size,
            sha256=layer.descriptor.digest.removeprefix("sha256:"),
            announced=f"the manifest {source.revision}",
        )

    def _download(self, source: OciSource, wanted: Wanted, room: _Room) -> Fetched:
        """Download, with another token where the first has expired in the meantime."""
        try:
            return fetch(wanted, room.quarantine, room.transport, room.progress)
        except UnauthorizedError:
            session = self._registry.session(source.repository)
            headers = session.authorization(pull_scope(source.repository), anew=True)
            if not headers:
                raise
            return fetch(replace(wanted, headers=headers), room.quarantine, room.transport, room.progress)


def _layers(manifest: Manifest, source: OciSource) -> tuple[Layer, ...]:
    try:
        return layers_of(manifest)
    except (FormatError, UnsupportedError) as error:
        raise SourceError(f"the manifest {manifest.digest}: {error}", where=source.shown) from error


def _not_in_manifest(where: str, found: str, offer: Offer, source: OciSource) -> DigestMismatchError:
    return DigestMismatchError(
        f"has sha256 {found} in the manifest {source.revision}, {offer.announced or 'the listing'} says {offer.sha256}",
        where=where,
        hint="the lockfile was changed by hand, or names another manifest; lock it again",
    )
