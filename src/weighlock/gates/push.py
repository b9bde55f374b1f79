"""The gate of ``weighlock push``: what the lockfile lists is brought into a registry, byte for byte, and nothing else.

1. collect and verify: every locked file is on this machine with its locked bytes, as after ``weighlock sync``;
2. push: each file is a layer under its own path, hashed again while it is read; files that are there are not sent;
3. name: the manifest is stored, and only then the tag leads to it;
4. attach: signatures are put beside it.

The same files give the same manifest, whoever pushes them, when, and under which name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import ForgedError, UnsupportedError, UsageError
from weighlock.formats.oci_manifest import LARGEST, MANIFEST, Descriptor, digest_of
from weighlock.gates.collect import Collector
from weighlock.gates.signatures import read_bundle_file
from weighlock.gates.sync import choose, sync
from weighlock.model_source import OciSource
from weighlock.signing.bundle import MEDIA_TYPE, read_bundle
from weighlock.signing.oms_bundle import file_name
from weighlock.signing.statement import read_statement
from weighlock.sources.directory import open_regular
from weighlock.sources.exchange import Exchange
from weighlock.sources.interface import Silence
from weighlock.sources.oci.model_pack import CONFIG, configuration, manifest_of
from weighlock.sources.oci.referrers import attach
from weighlock.sources.oci.registry import Registry
from weighlock.sources.oci.upload import UPLOADED, Blob, upload, upload_bytes
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from weighlock.gates.deciding import Decider
    from weighlock.gates.places import Places
    from weighlock.lockfile import LockedFile, LockedModel, Lockfile
    from weighlock.model_source import OciRequest
    from weighlock.sources.interface import Progress


_UPLOADS = 8
"""Uploads at once, as downloads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedFile:
    """What became of one file.

    Args:
        path: Of the file in the model.
        size: Bytes.
        sha256: Of all bytes.
        status: ``present``, ``mounted`` or ``uploaded``.
    """

    path: str
    size: int
    sha256: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A model in a registry.

    Args:
        model: Its name in the lockfile.
        repository: With the host.
        tag: That leads to it.
        digest: Of its manifest.
        files: Its layers.
        attached: Files that were attached, with the digests of the attachments.
    """

    model: str
    repository: str
    tag: str
    digest: str
    files: tuple[PushedFile, ...]
    attached: tuple[tuple[str, str], ...] = ()


def push(
    name: str,
    lockfile: Lockfile,
    target: OciRequest,
    places: Places,
    *,
    attachments: Sequence[Path] = (),
    allow_http: bool = False,
    progress: Progress | None = None,
    decider: Decider | None = None,
) -> Pushed:
    """Bring a locked model into a registry.

    Args:
        name: Of the model.
        lockfile: Lists it.
        target: Repository and tag.
        places: Where its files are; what is missing is downloaded from its source.
        attachments: Sigstore bundles, beside the one for OpenSSF Model Signing that lies next to the lockfile.
        allow_http: Other machines may be asked without encryption.
        progress: Is told what happens.
        decider: Records what was pushed.

    Raises:
        DigestMismatchError: A file has other bytes than the lockfile expects, or the registry stored others.
        AdmissionError: A file is refused according to the lockfile.
        UsageError: There is no such model, or no tag.
        WeighlockError: The registry or the disk is at fault; then the tag is what it was.
    """
    if target.ref is None or ":" in target.ref:
        where = f"oci:{target.repository}"
        raise UsageError("needs a tag that shall lead to the model", where=where, hint=f"write {where}:TAG")
    exchange = Exchange(allow_http=allow_http)
    registry = Registry(allow_http=allow_http, exchange=exchange)
    progress = progress or Silence()
    # 1. Collect and verify
    (model,) = choose(lockfile, [name])
    bundles = [(place, _bundle(place)) for place in _signatures(model, places, attachments)]
    sync([model], places, allow_http=allow_http, progress=progress, decider=decider)
    # 2. Push
    with Collector(exchange, progress) as collector:
        files = _push_files(registry, target.repository, model, places, collector)
    config = configuration(model)
    upload_bytes(registry, target.repository, config)
    # 3. Name
    data = manifest_of(model, Descriptor(media_type=CONFIG, digest=digest_of(config), size=len(config)))
    if len(data) > LARGEST:
        raise UsageError(f"has a manifest of more than {LARGEST >> 20} MiB", where=model.name)
    registry.put_manifest(target.repository, data, MANIFEST)
    # 4. Attach, before the tag leads to what somebody may want to see signed
    subject = Descriptor(media_type=MANIFEST, digest=digest_of(data), size=len(data))
    attached = tuple((str(place), _attach(registry, target.repository, subject, bundle)) for place, bundle in bundles)
    registry.put_manifest(target.repository, data, MANIFEST, target.ref)
    pushed = Pushed(
        model=model.name, repository=target.repository, tag=target.ref, digest=subject.digest, files=files,
        attached=attached,
    )  # fmt: skip
    _record(decider, pushed)
    return pushed


def _push_files(
    registry: Registry, repository: str, model: LockedModel, places: Places, collector: Collector
) -> tuple[PushedFile, ...]:
    mount = model.source.repository if isinstance(model.source, OciSource) else None

    def one(file: LockedFile) -> str:
        reader = _Reader(places.file(model, file.path), collector.progress)
        collector.progress.expect(file.size)
        try:
            blob = Blob(digest=f"sha256:{file.sha256}", size=file.size, opened=reader.opened)
            status = upload(registry, repository, blob, mount=mount)
        finally:
            reader.close()
        if status != UPLOADED:
            collector.progress.advance(file.size)
        return status

    files = sorted(model.files, key=lambda file: file.path)
    blobs = {file.sha256: file for file in files}
    statuses = dict(zip(blobs, collector.map(one, list(blobs.values()), workers=_UPLOADS), strict=True))
    return tuple(
        PushedFile(path=file.path, size=file.size, sha256=file.sha256, status=statuses[file.sha256]) for file in files
    )


class _Reader:
    """Reads a file that is sent, again from its start where it has to be sent again."""

    def __init__(self, place: Path, progress: Progress) -> None:
        self._place = place
        self._progress = progress
        self._file: IO[bytes] | None = None

    def opened(self) -> _Reader:
        self.close()
        self._file = os.fdopen(open_regular(self._place), "rb")
        return self

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size) if self._file is not None else b""
        self._progress.advance(len(data))
        return data

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _signatures(model: LockedModel, places: Places, attachments: Sequence[Path]) -> list[Path]:
    own = places.folder / file_name(model.name)
    return list(dict.fromkeys([*([own] if own.is_file() else []), *attachments]))


def _bundle(place: Path) -> bytes:
    data = read_bundle_file(place)
    try:
        read_bundle(data)
    except (ForgedError, UnsupportedError) as error:
        raise UsageError(f"is not a Sigstore bundle: {error}", where=str(place)) from error
    return data


def _attach(registry: Registry, repository: str, subject: Descriptor, bundle: bytes) -> str:
    payload = read_bundle(bundle).envelope.payload
    annotations = {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": read_statement(payload).predicate_type,
    }
    return attach(registry, repository, subject, artifact_type=MEDIA_TYPE, data=bundle, annotations=annotations)


def _record(decider: Decider | None, pushed: Pushed) -> None:
    if decider is not None:
        verdict = Verdict(decision=Decision.ALLOW, reasons=(Reason(rule="pushed", message="pushed"),))
        digest = Digest.sha256(pushed.digest.removeprefix("sha256:"))
        decider.record(f"oci:{pushed.repository}:{pushed.tag}", verdict, digest=digest)
