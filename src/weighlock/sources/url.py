"""Single files behind URLs, as `torch.hub` loads them, and the folder where it looks for them."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from weighlock.errors import SourceError, UsageError
from weighlock.lockfile import UrlSource
from weighlock.lockfile_schema import check_path
from weighlock.sources.download import Wanted
from weighlock.sources.interface import Listing, Offer
from weighlock.sources.trust import is_loopback, shown_url

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


def wanted(source: UrlSource, offer: Offer) -> Wanted:
    """Describe the download of the file behind a URL."""
    return Wanted(
        label=shown_url(source.url),
        url=source.url,
        identity=f"{source.url} {offer.sha256}",
        size=offer.size,
        sha256=offer.sha256,
    )


class TorchHubCache:
    """The folder of `torch.hub.load_state_dict_from_url`.

    Args:
        root: By default ``$TORCH_HOME/hub/checkpoints``.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or _checkpoints()).absolute()

    @property
    def quarantine(self) -> Path:
        """Where downloads wait."""
        return self.root / ".weighlock-quarantine"

    def place(self, source: UrlSource) -> Path:
        """Return where the file of a URL belongs.

        Raises:
            SourceError: The URL names no file.
        """
        try:
            return self.root / file_name(source.url)
        except UsageError as error:
            raise SourceError(error.message, where=error.where) from error


def _checkpoints() -> Path:
    """Return torch's own folder.

    Source:
        ``torch.hub._get_torch_home``.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"
