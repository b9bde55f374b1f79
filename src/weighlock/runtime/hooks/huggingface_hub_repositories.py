"""Guards whole repositories of huggingface_hub: they have the locked commit and the locked files, and no others.

## Covers

- `snapshot_download`: online and offline, cold and warm, `local_dir`, every kind of revision. Exactly the locked files
  that match the patterns, each verified; a cached snapshot with other files that a library could load is refused.
- `HfApi.resolve_revision`, with which transformers and sentence-transformers begin a load: the locked commit,
  without a request; a repository that is not locked is refused here already.
- `HfApi.model_info`, `dataset_info`, `space_info`, `list_repo_tree`, `list_repo_files` and `get_paths_info`: a
  floating revision of a locked repository is the locked commit, and files that are not locked are left out.
- `HfApi.download_bucket_files`: refused unless the policy says `unlocked = "inspect"`, because a bucket has no
  commits.

## Does not cover

- Files that a program reads from the folder of a snapshot later: they were verified when the folder was handed out;
  what is loaded from them is judged again at load, but plain text such as `config.json` is not. Other files in a
  `local_dir` are the user's.
- Everything else that the Hub says about a repository: tags, model cards, refs, search results.
- `HfApi.get_safetensors_metadata`, which reads headers and no weights.
"""

from __future__ import annotations

import os
from _thread import _local

from weighlock.runtime import _hub
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType
    from typing import Any

    from weighlock.gates.hub import Pin
    from weighlock.runtime._patch import Patches

_thread = _local()


def patch(module: ModuleType, patches: Patches) -> None:
    """Guard ``huggingface_hub.hf_api`` or ``huggingface_hub._snapshot_download``.

    Raises:
        LookupError: A choke point is gone.
    """
    if module.__name__ == "huggingface_hub.hf_api":
        _patch_api(module, patches)
    else:
        _patch_snapshots(module, patches)


def _patch_api(module: ModuleType, patches: Patches) -> None:
    api = getattr(module, "HfApi", None)
    if api is None:
        raise missing(module, "HfApi")
    for kind in ("model", "dataset", "space"):
        patches.answer(api, f"{kind}_info", _describing(kind))
    patches.answer(api, "list_repo_tree", _list_tree)
    patches.answer(api, "get_paths_info", _list_paths)
    if hasattr(api, "resolve_revision"):
        patches.answer(api, "resolve_revision", _resolve)
    if hasattr(api, "download_bucket_files"):
        patches.answer(api, "download_bucket_files", _fetch_bucket)


def _patch_snapshots(module: ModuleType, patches: Patches) -> None:
    filter_paths = getattr(module, "filter_repo_objects", None)
    if filter_paths is None:
        raise missing(module, "filter_repo_objects")

    def snapshot(original: Callable[..., Any], repo_id: str, **kwargs: Any) -> Any:
        return _snapshot(original, filter_paths, repo_id, **kwargs)

    patches.answer(module, "snapshot_download", snapshot)
    if hasattr(module, "get_cached_repo_tree"):
        patches.answer(module, "get_cached_repo_tree", _list_cached)


def _snapshot(original: Callable[..., Any], filter_paths: Callable[..., Any], repo_id: str, **kwargs: Any) -> Any:
    """Answer `snapshot_download`: exactly the locked files that match the patterns, each verified."""
    pin = _hub.pin(kwargs.get("repo_type") or "model", repo_id, kwargs.get("revision"))
    if pin is None:
        return original(repo_id, **kwargs)
    wanted = list(
        filter_paths(
            pin.paths(),
            allow_patterns=kwargs.get("allow_patterns"),
            ignore_patterns=kwargs.get("ignore_patterns"),
        )
    )
    kwargs["revision"] = pin.commit
    if pin.enforced:
        kwargs |= {"allow_patterns": [*map(_exactly, wanted)], "ignore_patterns": None}
    # The listing that snapshot_download asks for is cached on disk, also for unguarded programs: it stays whole.
    _thread.whole_listing = True
    try:
        folder = original(repo_id, **kwargs)
    finally:
        _thread.whole_listing = False
    if isinstance(folder, str):
        for path in wanted:
            file, place = pin.file(path), os.path.join(folder, *path.split("/"))
            if file is not None and os.path.lexists(place):
                pin.verify_path(file, place)
        if kwargs.get("local_dir") is None:
            pin.verify_folder(folder)
    return folder


def _describing(kind: str) -> Callable[..., Any]:
    """Return the answer to `model_info` and its like."""

    def describe(original: Callable[..., Any], api: object, repo_id: str, **kwargs: Any) -> Any:
        pin = _pinned(api, kind, repo_id, kwargs)
        info = original(api, repo_id, **kwargs)
        if pin is not None and getattr(info, "siblings", None):
            info.siblings = [sibling for sibling in info.siblings if not pin.hides(sibling.rfilename)]
        return info

    return describe


def _list_tree(original: Callable[..., Any], api: object, repo_id: str, *args: Any, **kwargs: Any) -> Iterable[Any]:
    """Answer `HfApi.list_repo_tree`."""
    pin = _pinned(api, kwargs.get("repo_type") or "model", repo_id, kwargs)
    entries = original(api, repo_id, *args, **kwargs)
    return entries if pin is None or getattr(_thread, "whole_listing", False) else _listed(pin, entries)


def _list_paths(original: Callable[..., Any], api: object, repo_id: str, *args: Any, **kwargs: Any) -> list[Any]:
    """Answer `HfApi.get_paths_info`."""
    pin = _pinned(api, kwargs.get("repo_type") or "model", repo_id, kwargs)
    entries = original(api, repo_id, *args, **kwargs)
    return list(entries if pin is None else _listed(pin, entries))


def _list_cached(original: Callable[..., Any], repo_id: str, **kwargs: Any) -> list[Any]:
    """Answer `get_cached_repo_tree`."""
    pin = _pinned(None, kwargs.get("repo_type") or "model", repo_id, kwargs)
    entries = original(repo_id, **kwargs)
    return list(entries if pin is None else _listed(pin, entries))


def _resolve(original: Callable[..., Any], api: object, repo_id: str, **kwargs: Any) -> Any:
    """Answer `HfApi.resolve_revision`, with which libraries begin a load; a commit is resolved without a request."""
    pin = _hub.pin(kwargs.get("repo_type") or "model", repo_id, kwargs.get("revision"))
    if pin is not None:
        kwargs["revision"] = pin.commit
    return original(api, repo_id, **kwargs)


def _pinned(api: object, kind: str, repo_id: str, kwargs: dict[str, Any]) -> Pin | None:
    """Put the locked commit in the place of a floating revision; weighlock itself asks what the Hub has now."""
    if getattr(api, "library_name", None) == "weighlock":
        return None
    pin = _hub.find_pin(kind, repo_id, kwargs.get("revision"))
    if pin is not None:
        kwargs["revision"] = pin.commit
    return pin


def _listed(pin: Pin, entries: Iterable[Any]) -> Iterator[Any]:
    # Folders have no bytes of their own.
    return (entry for entry in entries if type(entry).__name__ == "RepoFolder" or not pin.hides(entry.path))


def _fetch_bucket(original: Callable[..., Any], api: object, bucket_id: str, *args: Any, **kwargs: Any) -> Any:
    """Answer `HfApi.download_bucket_files`."""
    _hub.refuse_unlocked(f"buckets/{bucket_id}", "a bucket has no commits, so a lockfile cannot list its files")
    return original(api, bucket_id, *args, **kwargs)


def _exactly(path: str) -> str:
    """Return the pattern that only this path matches."""
    from glob import escape

    return escape(path)
