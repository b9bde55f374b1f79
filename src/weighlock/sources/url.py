"""Single files behind URLs, as `torch.hub` loads them, and the folder where it looks for them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from weighlock.errors import UsageError
from weighlock.lockfile_schema import check_path
from weighlock.model_source import UrlSource
from weighlock.sources.download import Wanted, fetch
from weighlock.sources.interface import Listing, Offer
from weighlock.sources.publish import publish_to_folder
from weighlock.sources.trust import is_loopback, shown_url

if TYPE_CHECKING:
    from weighlock.lockfile import LockedModel
    from weighlock.sources.interface import Fetched, Progress
    from weighlock.sources.quarantine import Quarantine
    from weighlock.sources.transport import Transport

_SECRETS = frozenset({"token", "access_token", "sig", "signature", "x-amz-signature", "x-goog-signature", "api_key"})


def list_url(url: str, *, allow_http: bool = False) -> Listing:
    """Describe the one file behind a URL; nothing is asked of its server yet.

    Raises:
        UsageError: It is not a URL that may stand in a lockfile.
    """
    parts = urlsplit(url)
    where = shown_url(url)
    if parts.scheme == "http" and not allow_http and not is_loopback(parts.hostname or ""):
        raise UsageError("would be fetched without encryption", where=where, hint="use https, or add --allow-http")
    if parts.username is not None or parts.password is not None:
        raise UsageError("holds credentials, and a lockfile is read by everybody", where=where)
    if any(key.lower() in _SECRETS for key, _ in parse_qsl(parts.query)):
        raise UsageError("holds a signature or token, and a lockfile is read by everybody", where=where)
    return Listing(source=UrlSource(url=url), files=(Offer(path=file_name(url)),))


def file_name(url: str) -> str:
    """Return the name under which `torch.hub` keeps what is behind a URL.

    Raises:
        UsageError: The URL names no file.
    """
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if not name:
        raise UsageError("names no file", where=shown_url(url))
    return check_path(name, shown_url(url))


class Urls:
    """Servers of single files.

    Args:
        allow_http: Other machines may be asked without encryption.
    """

    def __init__(self, *, allow_http: bool = False) -> None:
        self._allow_http = allow_http

    def list(self, request: UrlSource, old: LockedModel | None, *, upgrade: bool) -> Listing:
        """Describe the one file behind a URL, with the locked digest where that stays."""
        listing = list_url(request.url, allow_http=self._allow_http)
        if old is None or upgrade:
            return listing
        file = old.files[0]
        return replace(listing, files=(Offer(path=file.path, size=file.size, sha256=file.sha256),))

    def now(self, source: UrlSource) -> UrlSource:
        """Return the same: a URL has no revisions."""
        return source

    def fetch(
        self, source: UrlSource, offer: Offer, quarantine: Quarantine, transport: Transport, progress: Progress
    ) -> Fetched:
        """Download the file behind a URL."""
        wanted = Wanted(
            label=shown_url(source.url),
            url=source.url,
            identity=f"{source.url} {offer.sha256}",
            size=offer.size,
            sha256=offer.sha256,
        )
        return fetch(wanted, quarantine, transport, progress)


class TorchHubCache:
    """The folder of `torch.hub.load_state_dict_from_url`.

    Args:
        root: By default ``$TORCH_HOME/hub/checkpoints``.
    """

    apart = False

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or _checkpoints()).absolute()

    @property
    def quarantine(self) -> Path:
        """Where downloads wait."""
        return self.root / ".weighlock-quarantine"

    def folder(self, source: UrlSource) -> Path:  # noqa: ARG002 - the file of every URL lies here
        """Return the one folder."""
        return self.root

    def publish(self, source: UrlSource, path: str, fetched: Fetched) -> Path:  # noqa: ARG002 - see folder
        """Move a file out of the quarantine to where torch.hub looks for it."""
        return publish_to_folder(self.root, path, fetched)

    def finish(self, source: UrlSource) -> None:
        """Do nothing: a URL has no other name."""


def _checkpoints() -> Path:
    """Return torch's own folder.

    Source:
        ``torch.hub._get_torch_home``.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"
