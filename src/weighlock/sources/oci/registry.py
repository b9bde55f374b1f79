"""What a registry holds, asked for by digest: a tag says where to begin, and every byte is hashed here.

Source:
    OCI Distribution Specification 1.1.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

from weighlock.errors import DigestMismatchError, FormatError, SourceError, UnsupportedError
from weighlock.formats.oci_manifest import INDEXES, LARGEST, MANIFESTS, Index, Manifest, digest_of, parse
from weighlock.model_source_schema import check_repository
from weighlock.sources.exchange import Exchange, is_same_origin
from weighlock.sources.oci.session import Session, complaint, content
from weighlock.sources.transport import NotFoundError, TransientError
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from weighlock.sources.exchange import Answer
    from weighlock.sources.transport import Content

_ACCEPT = ", ".join(sorted(MANIFESTS | INDEXES))
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_NEXT = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?')
_PAGES = 1000
_ATTEMPTS = 4
_SHOWN = 8


class Registry:
    """The registries that a command talks to.

    A repository is named with its host, ``host:port/path``, as in the lockfile.

    Args:
        allow_http: Other machines may be asked without encryption.
        exchange: Makes the requests.
        environ: Says where logins are.
    """

    def __init__(
        self,
        *,
        allow_http: bool = False,
        exchange: Exchange | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._allow_http = allow_http
        self._exchange = exchange or Exchange(allow_http=allow_http)
        self._environ = environ
        self._sessions: dict[str, Session] = {}

    def resolve(self, repository: str, ref: str) -> str:
        """Return the digest of the manifest that a tag, or an index with one entry, leads to.

        Args:
            repository: With its host.
            ref: A tag, or the digest of a manifest or index.

        Raises:
            SourceError: There is none, or more than one.
        """
        return self.lookup(repository, ref).digest

    def lookup(self, repository: str, ref: str) -> Manifest:
        """Return the manifest that a tag, or an index with one entry, leads to.

        Raises:
            SourceError: There is none, or more than one.
        """
        found = self.document(repository, ref)
        return found if isinstance(found, Manifest) else self.manifest(repository, _only(found, repository, ref))

    def manifest(self, repository: str, digest: str) -> Manifest:
        """Return a manifest by its digest.

        Raises:
            DigestMismatchError: The registry delivers other bytes.
            SourceError: It has none, or an index in its place.
        """
        if not _DIGEST.match(digest):
            raise SourceError("is not the digest of a manifest", where=_shown(repository, digest))
        found = self.document(repository, digest)
        if isinstance(found, Index):
            raise SourceError("is an index and not a manifest", where=_shown(repository, digest))
        return found

    def document(self, repository: str, ref: str) -> Manifest | Index:
        """Return a manifest or an index, its bytes hashed here.

        Raises:
            DigestMismatchError: The registry delivers other bytes than it was asked for, or than it says.
            SourceError: It has none, or one that cannot be understood.
        """
        where = _shown(repository, ref)
        answer = self._patiently(repository, f"manifests/{ref}", {"Accept": _ACCEPT}, where)
        found = digest_of(answer.data)
        if ":" in ref and found != ref:
            raise _other_bytes(where, found, ref)
        said = answer.headers.get("docker-content-digest", "").strip()
        if said and said != found:
            raise DigestMismatchError(
                f"the registry delivers a manifest with digest {found} and says that it is {said}",
                where=where,
                hint="the registry, or something on the way to it, serves other bytes; nothing was published",
            )
        try:
            return parse(answer.data, answer.headers.get("content-type"))
        except (FormatError, UnsupportedError) as error:
            raise SourceError(f"the manifest {error}", where=where) from error

    def blob(self, repository: str, digest: str, most: int) -> bytes:
        """Return a small blob.

        Args:
            repository: With its host.
            digest: ``sha256:…``.
            most: Bytes.

        Raises:
            DigestMismatchError: The registry delivers other bytes.
            SourceError: It has none, or a larger one.
        """
        answer = self.ask("GET", repository, f"blobs/{digest}", most=most)
        require(answer, {200}, _shown(repository, digest))
        if digest_of(answer.data) != digest:
            raise _other_bytes(_shown(repository, digest), digest_of(answer.data), digest)
        return answer.data

    def has_blob(self, repository: str, digest: str) -> bool:
        """Say whether a blob is there; a registry that says so wrongly is found out when it is fetched."""
        answer = self.ask("HEAD", repository, f"blobs/{digest}", actions="pull,push")
        return require(answer, {200, 404}, _shown(repository, digest)).status == 200

    def tags(self, repository: str) -> tuple[str, ...]:
        """Return the tags of a repository, sorted.

        Raises:
            SourceError: There is no such repository.
        """
        found: set[str] = set()
        path = "tags/list?n=1000"
        for _ in range(_PAGES):
            answer = require(self.ask("GET", repository, path), {200}, repository)
            found.update(_names(answer, repository))
            following = _NEXT.search(answer.headers.get("link", ""))
            if following is None:
                return tuple(sorted(found))
            path = self.same(repository, urljoin(answer.url, following[1]))
        raise SourceError(f"has tags on more than {_PAGES} pages", where=repository)

    def put_manifest(self, repository: str, data: bytes, media_type: str, ref: str | None = None) -> Answer:
        """Store a manifest, under a tag or by its digest alone.

        Raises:
            SourceError: The registry refuses.
        """
        digest = digest_of(data)
        headers = {"Content-Type": media_type, "Content-Length": str(len(data))}
        name = f"manifests/{ref or digest}"
        answer = self.ask("PUT", repository, name, actions="pull,push", headers=headers, body=data)
        require(answer, {201}, _shown(repository, ref or digest))
        said = answer.headers.get("docker-content-digest", digest).strip()
        if said != digest:
            raise DigestMismatchError(
                f"the registry stored {said}, not {digest}", where=_shown(repository, ref or digest)
            )
        return answer

    def delete(self, repository: str, digest: str) -> None:
        """Remove a manifest, and with it every tag that leads to it.

        Raises:
            NotFoundError: It is not there.
            SourceError: The registry refuses; many are configured not to delete.
        """
        answer = self.ask("DELETE", repository, f"manifests/{digest}", actions="delete")
        if answer.status == 405:
            raise SourceError("does not allow to delete", where=_shown(repository, digest))
        require(answer, {200, 202}, _shown(repository, digest))

    def _patiently(self, repository: str, path: str, headers: Mapping[str, str], where: str) -> Answer:
        """Ask again where a registry has a bad moment, as while another writes the tag."""
        for attempt in range(_ATTEMPTS):
            answer = self.ask("GET", repository, path, headers=headers, most=LARGEST)
            try:
                return require(answer, {200}, where)
            except TransientError:
                if attempt == _ATTEMPTS - 1:
                    raise
            self._exchange.wait(0.1 * 2**attempt)
        raise AssertionError

    def ask(
        self,
        method: str,
        repository: str,
        path: str,
        *,
        actions: str = "pull",
        also: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        most: int = LARGEST,
    ) -> Answer:
        """Make a request about a repository; a refusal is an answer.

        Args:
            method: Of HTTP.
            repository: With its host.
            path: Behind ``/v2/REPOSITORY/``, or a whole URL of the same registry.
            actions: What a token has to allow.
            also: Further scopes.
            headers: Beside those of the login.
            body: What is sent.
            most: Bytes of the answer.
        """
        name = check_repository(repository, repository).partition("/")[2]
        url = path if "://" in path else f"/v2/{name}/{path}"
        scopes = (f"repository:{name}:{actions}", *also)
        made = None if body is None else content(body)
        return self.session(repository).ask(method, url, scopes, headers=headers, body=made, most=most)

    def send(
        self,
        method: str,
        repository: str,
        url: str,
        headers: Mapping[str, str],
        body: Callable[[], Content] | None,
    ) -> Answer:
        """Send what may be large to a URL that the registry named, see `same`; a refusal is an answer."""
        name = repository.partition("/")[2]
        return self.session(repository).ask(method, url, (f"repository:{name}:pull,push",), headers=headers, body=body)

    def session(self, repository: str) -> Session:
        """Return the session with the registry of a repository."""
        host = repository.partition("/")[0]
        if host not in self._sessions:
            session = Session(host, self._exchange, allow_http=self._allow_http, environ=self._environ)
            self._sessions.setdefault(host, session)  # of several threads, one makes it
        return self._sessions[host]

    def blob_url(self, repository: str, digest: str) -> str:
        """Return where a blob is."""
        return f"{self.session(repository).base}/v2/{quote(repository.partition('/')[2])}/blobs/{digest}"

    def same(self, repository: str, url: str | None) -> str:
        """Return a URL that a registry named, if it is its own.

        Raises:
            SourceError: It leads elsewhere.
        """
        if url is None or not is_same_origin(url, self.session(repository).base):
            raise SourceError("the registry names a place on another host, or none", where=repository)
        return url


def pull_scope(repository: str) -> tuple[str, ...]:
    """Return what a token for downloads from a repository has to allow."""
    return (f"repository:{repository.partition('/')[2]}:pull",)


def require(answer: Answer, good: set[int], where: str) -> Answer:
    """Return an answer that is one of those that were hoped for.

    Raises:
        NotFoundError: There is no such thing.
        TransientError: Trying again may help.
        SourceError: Any other refusal.
    """
    if answer.status in good:
        return answer
    if answer.status in (401, 403):
        host = where.partition("/")[0]
        raise SourceError(
            f"the registry refuses: {complaint(answer)}",
            where=where,
            hint=f"log in with `docker login {host}` or `oras login {host}`, as somebody who may do that there; "
            "what holds a stage takes promotions alone: `weighlock promote`",
        )
    if answer.status == 404:
        raise NotFoundError(f"is not there: {complaint(answer)}", where=where, hint="check the name and the tag")
    kind = TransientError if answer.status in (408, 425, 429, 500, 502, 503, 504) else SourceError
    raise kind(f"the registry answers {complaint(answer)}", where=where, hint="try again later")


def _only(index: Index, repository: str, ref: str) -> str:
    """Return the one manifest of an index; which of several is meant only a person knows."""
    if len(index.manifests) == 1 and index.manifests[0].media_type in MANIFESTS:
        return index.manifests[0].digest
    listed = ", ".join(descriptor.digest for descriptor in index.manifests[:_SHOWN])
    if not any(descriptor.media_type in MANIFESTS for descriptor in index.manifests):
        raise SourceError("is an index without a manifest", where=_shown(repository, ref))
    raise SourceError(
        f"is an index of {len(index.manifests)} manifests: {listed}{', …' * (len(index.manifests) > _SHOWN)}",
        where=_shown(repository, ref),
        hint=f"name one: oci:{repository}@sha256:…",
    )


def _names(answer: Answer, repository: str) -> list[str]:

    try:
        names = json.loads(answer.data).get("tags") or []
    except (ValueError, AttributeError, RecursionError):
        raise SourceError("the registry lists no tags", where=repository) from None
    if not isinstance(names, list) or not all(isinstance(name, str) and is_printable(name) for name in names):
        raise SourceError("the registry lists tags that are none", where=repository)
    return names


def _other_bytes(where: str, found: str, expected: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"the registry delivers {found}, and was asked for {expected}",
        where=where,
        hint="the registry, or something on the way to it, serves other bytes; nothing was published",
    )


def _shown(repository: str, ref: str) -> str:
    return f"{repository}{'@' if ':' in ref else ':'}{ref}"
