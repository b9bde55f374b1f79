"""The registry as the issuer itself asks it: with tokens that it signs for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import SourceError
from weighlock.formats.oci_manifest import digest_of
from weighlock.sources.exchange import Exchange
from weighlock.sources.oci.registry import Registry
from weighlock.sources.oci.session import Session
from weighlock.sources.transport import NotFoundError, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from weighlock.sources.exchange import Answer

    Mint = Callable[[tuple[str, ...]], str]


class OwnSession(Session):
    """A session with one's own registry.

    Args:
        host: As clients call it.
        url: Where it is.
        exchange: Makes the requests.
        mint: Makes a token for scopes.
    """

    def __init__(self, host: str, url: str, exchange: Exchange, mint: Mint) -> None:
        super().__init__(host, exchange, environ={})
        self.base = url
        self._mint = mint

    def authorization(self, scopes: tuple[str, ...], *, anew: bool = False) -> dict[str, str]:  # noqa: ARG002 - always
        """Return the header with a new token."""
        return {"Authorization": f"Bearer {self._mint(scopes)}"}

    def _learn(self, answer: Answer, scopes: tuple[str, ...], sent: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Never ask again: a registry that refuses these tokens is configured for another issuer."""
        return False


class OwnRegistry(Registry):
    """The registry behind the issuer.

    Args:
        host: As clients call it.
        url: Where it is.
        mint: Makes a token for scopes.
        note: Is told repository and digest before a manifest is written.
        allow_http: It is asked without encryption, though it is on another machine.
    """

    def __init__(
        self, host: str, url: str, mint: Mint, note: Callable[[str, str], None], *, allow_http: bool = False
    ) -> None:
        exchange = Exchange(allow_http=allow_http)
        super().__init__(allow_http=allow_http, exchange=exchange, environ={})
        self._session = OwnSession(host, url, exchange, mint)
        self._note = note
        self._host = host
        self.transport = Transport(allow_http=allow_http)

    def session(self, repository: str) -> Session:
        """Return the session with this registry, which is the only one."""
        if repository.partition("/")[0] != self._host:
            raise SourceError("is in another registry", where=repository)
        return self._session

    def put_manifest(self, repository: str, data: bytes, media_type: str, ref: str | None = None) -> Answer:
        """Store a manifest, after it was noted: what is not known, nobody may pull."""
        self._note(repository.partition("/")[2], digest_of(data))
        return super().put_manifest(repository, data, media_type, ref)

    def is_gone(self, repository: str, manifest: str, blobs: tuple[str, ...]) -> bool:
        """Remove a manifest and blobs, as far as the registry lets, and say whether nobody can get them any more.

        Raises:
            SourceError: The registry cannot be reached.
        """
        return all(
            self._is_gone(repository, path)
            for path in (f"manifests/{manifest}", *(f"blobs/{digest}" for digest in blobs))
        )

    def tags_of(self, repository: str) -> tuple[str, ...]:
        """Return the tags of a repository, none where there is no such repository."""
        try:
            return self.tags(repository)
        except NotFoundError:
            return ()

    def _is_gone(self, repository: str, path: str) -> bool:
        if self._status("HEAD", repository, path) == 404:
            return True
        self._status("DELETE", repository, path)
        return self._status("HEAD", repository, path) == 404

    def _status(self, method: str, repository: str, path: str) -> int:
        actions = "delete,pull,push" if method == "DELETE" else "pull"
        headers = {"Accept": "*/*"} if path.startswith("blobs/") else {"Accept": _ANY}
        return self.ask(method, repository, path, actions=actions, headers=headers).status


_ANY = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
)
