"""What the loopback Hub's JSON interface says about a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighlock.demo.repository import Blob, Commit, Repository

# Every commit has the same date, so that a demonstration gives the same commits each time.
_DATE = "2026-01-01T00:00:00.000Z"
# An LFS pointer file of the Hub has about this size; clients only want a number.
_POINTER_SIZE = 134


def info(repository: Repository, commit: Commit) -> dict[str, Any]:
    """Answer ``GET /api/models/ID[/revision/REVISION]``."""
    return {
        "_id": commit.sha[:24],
        "id": repository.id,
        "modelId": repository.id,
        "author": repository.id.partition("/")[0],
        "sha": commit.sha,
        "lastModified": _DATE,
        "createdAt": _DATE,
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "siblings": [_sibling(path, blob) for path, blob in sorted(commit.files.items())],
    }


def tree(commit: Commit, folder: str, *, recursive: bool) -> list[dict[str, Any]] | None:
    """Answer ``GET /api/models/ID/tree/REVISION[/FOLDER]``; None where there is no such folder."""
    prefix = f"{folder}/" if folder else ""
    inside = {path: blob for path, blob in commit.files.items() if path.startswith(prefix)}
    if not inside:
        return None
    folders = {name for path in inside for name in _parents(path) if name.startswith(prefix) and name != folder}
    entries = [_folder(name) for name in sorted(folders)] + [_file(path, inside[path]) for path in sorted(inside)]
    return [entry for entry in entries if recursive or "/" not in entry["path"][len(prefix) :]]


def paths_info(commit: Commit, paths: Iterable[str]) -> list[dict[str, Any]]:
    """Answer ``POST /api/models/ID/paths-info/REVISION``; unknown paths are left out, as the Hub does."""
    folders = {name for path in commit.files for name in _parents(path)}
    entries = []
    for path in paths:
        if path in commit.files:
            entries.append(_file(path, commit.files[path]))
        elif path in folders:
            entries.append(_folder(path))
    return entries


def refs(repository: Repository) -> dict[str, Any]:
    """Answer ``GET /api/models/ID/refs``."""
    heads = {name: history[-1] for name, history in repository.branches.items()}
    pulls = {name: sha for name, sha in heads.items() if name.startswith("refs/")}
    return {
        "branches": [_ref(name, f"refs/heads/{name}", heads[name]) for name in sorted(heads.keys() - pulls)],
        "tags": [_ref(name, f"refs/tags/{name}", sha) for name, sha in sorted(repository.tags.items())],
        "pullRequests": [_ref(name, name, sha) for name, sha in sorted(pulls.items())],
        "converts": [],
    }


def commits(repository: Repository, revision: str) -> list[dict[str, Any]]:
    """Answer ``GET /api/models/ID/commits/REVISION``, newest first."""
    history = repository.branches.get(revision) or [repository.tags.get(revision, revision)]
    return [
        {"id": sha, "title": "commit", "message": "", "date": _DATE, "authors": [{"user": "loopback"}]}
        for sha in reversed(history)
    ]


def whoami() -> dict[str, Any]:
    """Answer ``GET /api/whoami-v2``."""
    return {"type": "user", "name": "loopback", "fullname": "loopback", "orgs": [], "auth": {"type": "access_token"}}


def _ref(name: str, ref: str, sha: str) -> dict[str, str]:
    return {"name": name, "ref": ref, "targetCommit": sha}


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _sibling(path: str, blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"rfilename": path, "size": blob.size, "blobId": blob.git_id}
    if blob.lfs:
        entry["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": _POINTER_SIZE}
    return entry


def _file(path: str, blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": blob.git_id, "size": blob.size, "path": path}
    if blob.lfs:
        entry["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": _POINTER_SIZE}
    return entry


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "oid": "0" * 40, "size": 0, "path": path}
