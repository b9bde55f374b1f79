"""Package indexes: asks each one that the user configured what it says about a project, as pip would ask it.

pip keeps what it read to itself: its report does not say when a file was uploaded, nor who else serves the name. So the
pages are read once more, by the same way: the same credentials, certificates and proxies.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from weighlock.errors import DigestMismatchError, FormatError, OverBudgetError, SourceError
from weighlock.formats import simple_index
from weighlock.install_policy import canonical_name
from weighlock.sources import folder_index
from weighlock.sources.credentials import Login, from_keyring, from_netrc
from weighlock.sources.transport import NotFoundError, Transport, UnauthorizedError
from weighlock.sources.trust import Trust, port_of, shown_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from weighlock.release import IndexFile, ProjectPage
    from weighlock.sources.pip.interface import PipRequest

_AT_ONCE = 16
_SECONDS = 120.0
_SECONDS_FOR_ALL = 600.0
_METADATA = 16 << 20
_PROVENANCE = 8 << 20
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


class Index:
    """One index, or one place of ``--find-links``.

    Args:
        location: Its URL with the credentials that the user wrote, or a path.
        links: It is a page or a folder of files of any project, and not an index with a page for each.
        transport: Carries the requests; it knows the user's certificates and proxies.
        environ: Where ``NETRC`` and ``PATH`` (for ``keyring``) are looked up.
        keyring: Whether the command ``keyring`` may be asked where an index wants a password.
    """

    def __init__(
        self,
        location: str,
        *,
        links: bool = False,
        transport: Transport | None = None,
        environ: Mapping[str, str] | None = None,
        keyring: bool = True,
    ) -> None:
        self._path = folder_index.path_of(location)
        self._location = location.rstrip("/") if self._path is None and not links else location
        self._links = links
        self._transport = transport or Transport()
        self._environ = os.environ if environ is None else environ
        self._keyring = keyring
        self._login = None if self._path is not None else _login(location)
        self._page_of_links: tuple[bytes, str, str] | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its URL, without credentials, as pages name it."""
        return self._location if self._path is not None else shown_url(self._location)

    def page(self, name: str) -> ProjectPage | None:
        """Return what it says about a project.

        Args:
            name: In any spelling.

        Returns:
            The page, or `None` where the index answered that there is no such project.

        Raises:
            SourceError: It cannot be asked, or answers something that is no page.
        """
        project = canonical_name(name)
        if not _NAME.match(project):
            raise SourceError(f"not the name of a project: {name[:100]!r}")
        try:
            return self._page_on_disk(project) if self._path is not None else self._page_of_server(project)
        except (FormatError, OverBudgetError) as error:
            raise SourceError(error.message, where=f"{shown_url(self._location)}: {project}") from error

    def metadata(self, file: IndexFile) -> bytes | None:
        """Return the core metadata of a file without the file, where the index has it and says what digest it has.

        Raises:
            SourceError: It cannot be fetched.
            DigestMismatchError: It is not what the index lists.
        """
        if file.metadata_url is None or file.metadata_sha256 is None:
            return None
        data = self._fetch(file.metadata_url, _METADATA)
        if hashlib.sha256(data).hexdigest() != file.metadata_sha256:
            raise DigestMismatchError("the metadata is not what the index lists", where=shown_url(file.metadata_url))
        return data

    def file(self, file: IndexFile, most: int) -> bytes:
        """Return the bytes of a file that the index lists with a digest.

        Raises:
            SourceError: It cannot be fetched, or is larger than `most`.
            DigestMismatchError: It is not what the index lists.
        """
        data = self._fetch(file.url, most)
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise DigestMismatchError("its bytes are not what the index lists", where=file.filename)
        return data

    def provenance(self, file: IndexFile) -> bytes | None:
        """Return the provenance document of a file, or `None` where the index lists none.

        Raises:
            SourceError: It is listed and cannot be fetched.
        """
        return None if file.provenance_url is None else self._fetch(file.provenance_url, _PROVENANCE)

    def stop(self) -> None:
        """End every request."""
        self._transport.stop()

    def _page_on_disk(self, project: str) -> ProjectPage | None:
        read = folder_index.links_page if self._links else folder_index.index_page
        return read(self._path or "", project)

    def _page_of_server(self, project: str) -> ProjectPage | None:
        try:
            data, kind, final = self._linked() if self._links else self._asked_for(f"{self._location}/{project}/")
        except NotFoundError:
            return None
        page = simple_index.Page(url=final, index=self.url, name=project, links=self._links)
        found = simple_index.parse(data, kind, page)
        return None if self._links and not found.files else found

    def _linked(self) -> tuple[bytes, str, str]:
        with self._lock:  # one page for all projects, and it may be large
            if self._page_of_links is None:
                self._page_of_links = self._asked_for(self._location)
            return self._page_of_links

    def _asked_for(self, url: str) -> tuple[bytes, str, str]:
        return self._get(url, simple_index.ACCEPT, simple_index.LARGEST)

    def _fetch(self, url: str, most: int) -> bytes:
        path = folder_index.path_of(url)
        if path is not None:
            return folder_index.read_file(path, most)
        return self._get(url, "*/*", most)[0]

    def _get(self, url: str, accept: str, most: int) -> tuple[bytes, str, str]:
        """Return the body, its type and the URL that it came from at last."""
        bare = simple_index.without_credentials(url)
        headers = {"Accept": accept, "User-Agent": "weighlock", "Cache-Control": "max-age=0"}
        try:
            return self._read(bare, headers, self._known(bare), most)
        except UnauthorizedError as error:
            login = self._looked_up(bare)
            if login is None:
                hint = "put a user and a password for it into netrc, the keyring or the URL of the index"
                raise SourceError("the index wants to know who asks", where=error.where, hint=hint) from None
        try:
            return self._read(bare, headers, login, most)
        except UnauthorizedError as error:
            raise SourceError("the index refuses the password of the keyring", where=error.where) from None

    def _read(self, url: str, headers: Mapping[str, str], login: Login | None, most: int) -> tuple[bytes, str, str]:
        with self._transport.get(url, {**headers, **(login.header if login else {})}, packed=True) as body:
            return body.read_all(most, _SECONDS), body.headers.get("content-type", ""), body.url

    def _known(self, url: str) -> Login | None:
        """Return what is known without asking anybody: of the index for what lies on its own host, else of netrc."""
        if self._login is not None and self._is_own(url):
            return self._login
        return from_netrc(urlsplit(url).hostname or "", self._environ)

    def _looked_up(self, url: str) -> Login | None:
        if not self._keyring or self._path is not None or not self._is_own(url):
            return None
        user = self._login.user if self._login else ""
        login = from_keyring((f"{self.url}/", self.url, urlsplit(self.url).netloc), user, self._environ)
        if login is not None:
            self._login = login  # the next pages do not ask again
        return login

    def _is_own(self, url: str) -> bool:
        own, other = urlsplit(self.url), urlsplit(url)
        return (own.scheme, own.hostname, port_of(own)) == (other.scheme, other.hostname, port_of(other))


def configured(request: PipRequest) -> list[Index]:
    """Return every index and every place of links that pip would ask, in its order, to be asked by the same way.

    Args:
        request: What the user asked of pip.
    """
    network, options = request.network, request.fetching
    trust = Trust(
        authorities=network.cert,
        client_certificate=network.client_cert,
        hosts=frozenset(network.trusted_hosts),
        proxy=network.proxy,
        environment="--no-proxy-env" not in options,
    )
    timeout = _seconds(network.timeout)
    transport = Transport(trust=trust) if timeout is None else Transport(trust=trust, timeout=timeout)
    keyring = not any(option.endswith("keyring-provider=disabled") for option in options)
    places = [(url, False) for url in request.indexes] + [(place, True) for place in request.find_links]
    return [
        Index(place, links=links, transport=transport, environ=request.environ, keyring=keyring)
        for place, links in places
    ]


def _seconds(text: str | None) -> float | None:
    """Return a time-out as pip takes it: a number of seconds."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if 0 < seconds < 86400 else None  # no number at all fails this, too


def ask_all(
    indexes: Sequence[Index], names: Iterable[str], *, at_once: int = _AT_ONCE
) -> dict[str, tuple[ProjectPage, ...]]:
    """Ask every index about every project, many at once.

    Args:
        indexes: In the order of the user's settings.
        names: Of projects, in any spelling.
        at_once: So many requests run at the same time.

    Returns:
        By canonical name, the pages in the order of the indexes; an index that has no such project has no page.

    Raises:
        SourceError: One of them cannot be asked; then nothing is known about who serves what.
    """
    projects = sorted({canonical_name(name) for name in names})
    questions = [(project, index) for project in projects for index in indexes]
    pages: dict[str, list[ProjectPage]] = {project: [] for project in projects}
    with ThreadPoolExecutor(max(1, min(at_once, len(questions))), thread_name_prefix="weighlock-index") as pool:
        answers = [pool.submit(index.page, project) for project, index in questions]
        end = time.monotonic() + _SECONDS_FOR_ALL
        try:
            for (project, index), answer in zip(questions, answers, strict=True):
                page = _within(answer, end, index)
                if page is not None:
                    pages[project].append(page)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for index in indexes:
                index.stop()
            raise
    return {project: tuple(found) for project, found in pages.items()}


def _within(answer: Future[ProjectPage | None], end: float, index: Index) -> ProjectPage | None:
    """Return an answer; a server that sends a byte of a header now and then is not waited for for ever."""
    try:
        return answer.result(max(0.0, end - time.monotonic()))
    except FutureTimeoutError:
        raise SourceError(f"did not answer within {_SECONDS_FOR_ALL:.0f} seconds", where=index.url) from None


def _login(location: str) -> Login | None:
    try:
        return Login.in_url(location)
    except ValueError:
        raise SourceError("is not the URL of an index", where=shown_url(location)) from None
