"""Bringing blobs into a registry: not at all where they are, by name from another repository, else byte by byte.

Source:
    OCI Distribution Specification 1.1, "Pushing blobs" and "Mounting a blob from another repository".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from weighlock.errors import DigestMismatchError
from weighlock.formats.oci_manifest import digest_of
from weighlock.sources.oci.registry import require
from weighlock.sources.oci.session import content

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.sources.exchange import Answer
    from weighlock.sources.oci.registry import Registry
    from weighlock.sources.transport import Content

PRESENT, MOUNTED, UPLOADED = "present", "mounted", "uploaded"

_PART = 32 << 20
"""Bytes of a part, where a registry, or a proxy before it, takes no more at once; the smallest of the usual limits."""

_TOO_LARGE = 413


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob that is to be brought into a registry.

    Args:
        digest: ``sha256:…``; what is read must have it.
        size: Bytes.
        opened: Starts a new reading of the bytes.
    """

    digest: str
    size: int
    opened: Callable[[], Content]


def upload(registry: Registry, repository: str, blob: Blob, *, mount: str | None = None) -> str:
    """Bring a blob into a repository.

    Args:
        registry: Is asked.
        repository: With its host.
        blob: What is brought.
        mount: A repository of the same registry that may have it already, with its host.

    Returns:
        `PRESENT`, `MOUNTED` or `UPLOADED`.

    Raises:
        DigestMismatchError: Other bytes were read, or arrived.
        SourceError: The registry refuses.
    """
    if registry.has_blob(repository, blob.digest):
        return PRESENT
    sending = _Sending(registry, repository, blob)
    started = sending.start(mount)
    if started.status == 201:
        return MOUNTED
    answer = sending.whole(started)
    if answer.status == _TOO_LARGE:
        answer = sending.parts(sending.start())
    where = f"{repository}@{blob.digest}"
    require(answer, {201}, where)
    said = answer.headers.get("docker-content-digest", blob.digest).strip()
    if said != blob.digest:
        raise DigestMismatchError(f"the registry stored {said}", where=where)
    return UPLOADED


def upload_bytes(registry: Registry, repository: str, data: bytes) -> str:
    """Bring some bytes into a repository, see `upload`."""
    return upload(registry, repository, Blob(digest=digest_of(data), size=len(data), opened=content(data)))


class _Read:
    """A reading of a blob that is hashed, and that never ends as if other bytes were the right ones.

    Args:
        inner: The bytes.
        blob: What they have to be.
    """

    def __init__(self, inner: Content, blob: Blob) -> None:
        self.size = 0
        self._inner = inner
        self._blob = blob
        self._hash = hashlib.sha256()
        self._limit = blob.size

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, nothing behind the limit; the last ones only if the whole is what it has to be.

        Raises:
            DigestMismatchError: It is not.
        """
        left = self._limit - self.size
        data = self._inner.read(min(size, left) if size >= 0 else left) if left else b""
        if left and size and not data:
            raise DigestMismatchError(f"ends after {self.size} of {self._blob.size} bytes", where=self._blob.digest)
        self._hash.update(data)
        self.size += len(data)
        found = f"sha256:{self._hash.hexdigest()}" if self.size == self._blob.size else self._blob.digest
        if found != self._blob.digest:
            raise DigestMismatchError(f"was to be pushed, and {found} was read", where=self._blob.digest)
        return data

    def limit(self, size: int) -> None:
        """Let the next so many bytes be read, and no more."""
        self._limit = min(self._blob.size, self.size + size)


class _Sending:
    """One blob on its way."""

    def __init__(self, registry: Registry, repository: str, blob: Blob) -> None:
        self._registry = registry
        self._repository = repository
        self._blob = blob
        self._where = f"{repository}@{blob.digest}"
        self.read = _Read(content(b"")(), blob)

    def start(self, mount: str | None = None) -> Answer:
        """Begin an upload; a repository to mount from has to be readable by the same token."""
        query, also = "", list[str]()
        host = self._repository.partition("/")[0]
        if mount is not None and mount != self._repository and mount.startswith(f"{host}/"):
            name = mount.partition("/")[2]
            query, also = f"?mount={self._blob.digest}&from={quote(name)}", [f"repository:{name}:pull"]
        path, headers = f"blobs/uploads/{query}", {"Content-Length": "0"}
        answer = self._registry.ask(
            "POST", self._repository, path, actions="pull,push", also=tuple(also), headers=headers
        )
        return require(answer, {201, 202} if query else {202}, self._where)

    def whole(self, started: Answer) -> Answer:
        """Send all bytes at once."""
        size = {"Content-Length": str(self._blob.size), "Content-Type": "application/octet-stream"}
        return self._registry.send("PUT", self._repository, self._end(started), size, self._opened)

    def parts(self, answer: Answer) -> Answer:
        """Send part by part, each where the registry says that the next belongs."""
        least = answer.headers.get("oci-chunk-min-length", "")
        step = max(_PART, int(least) if least.isdecimal() and len(least) < 12 else 0)
        self._opened()
        while self.read.size < self._blob.size:
            part = min(step, self._blob.size - self.read.size)
            self.read.limit(part)
            headers = {
                "Content-Length": str(part),
                "Content-Range": f"{self.read.size}-{self.read.size + part - 1}",
                "Content-Type": "application/octet-stream",
            }
            url = self._registry.same(self._repository, answer.location())
            answer = self._registry.send("PATCH", self._repository, url, headers, lambda: self.read)
            require(answer, {202}, self._where)
        return self._registry.send("PUT", self._repository, self._end(answer), {"Content-Length": "0"}, None)

    def _opened(self) -> Content:
        self.read = _Read(self._blob.opened(), self._blob)
        return self.read

    def _end(self, answer: Answer) -> str:
        parts = urlsplit(self._registry.same(self._repository, answer.location()))
        query = f"digest={quote(self._blob.digest, safe=':')}"
        return parts._replace(query="&".join(filter(None, (parts.query, query))), fragment="").geturl()
