"""Repositories of a Hugging Face Hub: what they hold at a commit, and where their files are.

The API is asked through huggingface_hub, with its endpoint, its token and its errors. Only what 0.30, 1.x and 2.x
have in common is used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from weighlock.errors import SourceError
from weighlock.lockfile_schema import check_path
from weighlock.model_source import HubSource, chosen
from weighlock.model_source_schema import check_repo
from weighlock.sources.download import Wanted, fetch
from weighlock.sources.interface import Listing, Offer
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from weighlock.lockfile import LockedFile, LockedModel
    from weighlock.model_source import HubRequest
    from weighlock.sources.interface import Fetched, Progress
    from weighlock.sources.quarantine import Quarantine
    from weighlock.sources.transport import Transport

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_TIMEOUT = 20.0
_FOLDERS = {"model": "", "dataset": "datasets/", "space": "spaces/"}
_MISSING = {
    "GatedRepoError": ("is gated, and this token has no access", "ask for access on its page, then `hf auth login`"),
    "RepositoryNotFoundError": (
        "does not exist, or this token may not see it",
        "check the name; for a private repository run `hf auth login` or set HF_TOKEN",
    ),
    "RevisionNotFoundError": ("has no such ref", "check the ref"),
    "OfflineModeIsEnabled": ("cannot be asked: HF_HUB_OFFLINE is set", "unset it, or use what is in the cache"),
}


class Hub:
    """The Hub that huggingface_hub is configured for."""

    def __init__(self) -> None:
        from huggingface_hub import constants

        constants.HF_HUB_DISABLE_TELEMETRY = True  # Else 2.x asks the Hub for a list of programs to look for.
        self.endpoint: str = constants.ENDPOINT

    def now(self, source: HubSource) -> HubSource:
        """Find the commit that the ref of a source is now.

        Raises:
            SourceError: The Hub cannot be reached or has no such repository or ref.
        """
        info = self._info(source.repo, source.type, source.ref, metadata=False)
        return self._source(info, source.repo, source.type, source.ref)

    def list(self, request: HubRequest, old: LockedModel | None, *, upgrade: bool) -> Listing:
        """List a repository at the locked commit, or at what its ref is now."""
        ref, revision = chosen(request.ref, old.source if old else None, upgrade=upgrade)
        return self.list_at(request.repo, request.type, ref or "main", revision)

    def list_at(self, repo: str, type: str, ref: str, revision: str | None = None) -> Listing:  # noqa: A002
        """List the files of a repository with what the Hub says about each.

        Args:
            repo: ``organisation/name``.
            type: ``model``, ``dataset`` or ``space``.
            ref: Branch, tag or commit; kept in the answer.
            revision: A commit to list instead of what the ref is now.

        Raises:
            SourceError: The Hub cannot be reached, or answers nonsense.
        """
        info = self._info(repo, type, revision or ref, metadata=True)
        source = self._source(info, repo, type, ref)
        if revision is not None and source.revision != revision:
            raise SourceError(f"the Hub answers commit {source.revision} for {revision}", where=repo)
        files = sorted((_offer(sibling, repo) for sibling in info.siblings or ()), key=lambda offer: offer.path)
        return Listing(source=source, files=tuple(files), license=_license(info))

    def fetch(
        self, source: HubSource, offer: Offer, quarantine: Quarantine, transport: Transport, progress: Progress
    ) -> Fetched:
        """Download one file at the commit of its source."""
        return fetch(self.wanted(source, offer), quarantine, transport, progress)

    def wanted(self, source: HubSource, offer: Offer) -> Wanted:
        """Describe the download of one file at the commit of its source.

        Raises:
            SourceError: The token cannot be read.

        Source:
            ``huggingface_hub.hf_hub_url``.
        """
        from huggingface_hub.utils import build_hf_headers

        try:
            headers = build_hf_headers(library_name="weighlock")
        except OSError as error:
            raise SourceError(f"the token cannot be read: {error.strerror}", where=str(error.filename)) from error
        url = f"{self.endpoint}/{_FOLDERS[source.type]}{source.repo}/resolve/{source.revision}/{quote(offer.path)}"
        content = offer.sha256 or offer.git_id
        return Wanted(
            label=f"{source.repo}: {offer.path}",
            url=url,
            headers=headers,
            identity=f"{url} {content}",
            size=offer.size,
            sha256=offer.sha256,
            git_id=offer.git_id,
            announced=offer.announced or "the Hub",
        )

    def _info(self, repo: str, type: str, revision: str, *, metadata: bool) -> Any:  # noqa: A002 - three classes
        check_repo(repo, repo if is_printable(repo) else "repository")
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self.endpoint, library_name="weighlock")
        try:
            return api.repo_info(repo, repo_type=type, revision=revision, files_metadata=metadata, timeout=_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - its HTTP client differs between versions, and so do its errors
            raise _explained(error, f"{repo}@{revision}", self.endpoint) from None

    def _source(self, info: Any, repo: str, type: str, ref: str) -> HubSource:  # noqa: A002 - three classes
        revision = info.sha
        if not isinstance(revision, str) or not _COMMIT.match(revision):
            raise SourceError("the Hub does not say which commit it is", where=f"{repo}@{ref}")
        return HubSource(repo=repo, type=type, ref=ref, revision=revision)


def locked_offer(file: LockedFile) -> Offer:
    """Describe a locked file as if the source had announced what the lockfile says."""
    return Offer(path=file.path, size=file.size, sha256=file.sha256, announced="the lockfile")


def is_offline() -> bool:
    """Whether huggingface_hub was told to stay off the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def scrub(message: str) -> str:
    """Return a message without the token and without other lines than its first."""
    from huggingface_hub import get_token

    token = get_token()
    first = next((line.strip() for line in message.splitlines() if line.strip()), "")
    return first.replace(token, "[token]") if token else first


def _explained(error: Exception, where: str, endpoint: str) -> SourceError:
    for kind in type(error).__mro__:
        if kind.__name__ in _MISSING:
            message, hint = _MISSING[kind.__name__]
            return SourceError(message, where=where, hint=hint)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        hint = "log in with `hf auth login`, or set HF_TOKEN" if status in (401, 403) else "try again later"
        return SourceError(f"the Hub at {endpoint} answers {status}", where=where, hint=hint)
    return SourceError(
        f"the Hub at {endpoint} cannot be reached: {scrub(str(error)) or type(error).__name__}",
        where=where,
        hint="is the network up, and HF_ENDPOINT right? What is in the cache needs no Hub",
    )


def _offer(sibling: Any, repo: str) -> Offer:
    path = sibling.rfilename
    if not isinstance(path, str):
        raise SourceError("the Hub lists a file without a name", where=repo)
    check_path(path, f"{repo}: {path if is_printable(path) else ascii(path)}")
    large = sibling.lfs
    sha256 = None if large is None else _get(large, "sha256")
    size = sibling.size if isinstance(sibling.size, int) else _get(large, "size")
    if large is not None and not (isinstance(sha256, str) and _SHA256.match(sha256)):
        raise SourceError("the Hub announces a digest that is none", where=f"{repo}: {path}")
    git_id = sibling.blob_id if large is None else None
    if git_id is not None and not _COMMIT.match(git_id):
        raise SourceError("the Hub announces a git blob id that is none", where=f"{repo}: {path}")
    return Offer(path=path, size=size if isinstance(size, int) and size >= 0 else None, sha256=sha256, git_id=git_id)


def _get(large: Any, key: str) -> Any:
    return large.get(key) if isinstance(large, dict) else getattr(large, key, None)


def _license(info: Any) -> str | None:
    card = getattr(info, "card_data", None)
    declared = getattr(card, "license", None)
    if declared is None:
        tags = getattr(info, "tags", None) or ()
        declared = next((tag.partition(":")[2] for tag in tags if tag.startswith("license:")), None)
    return declared if isinstance(declared, str) and declared and is_printable(declared) else None
