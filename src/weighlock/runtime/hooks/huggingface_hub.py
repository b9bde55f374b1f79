"""Guards single files of huggingface_hub: a file of a locked repository is the locked one, wherever it comes from.

## Covers

- `hf_hub_download`, also through `HfApi`, `snapshot_download` and every library that bound it earlier: cold and warm
  cache, offline, `local_dir`, every kind of revision, the blob store that repositories share. A new file is verified
  before it is published, a cached one each time it is handed out. Choke points: `_hf_hub_download_to_cache_dir`,
  `_hf_hub_download_to_local_dir`, `_chmod_and_move`.
- `try_to_load_from_cache`: a hit is verified; a file that the lockfile does not list does not exist.
- `http_get`, `xet_get` and the old `cached_download`, called on their own: refused unless the policy says
  `unlocked = "inspect"`, because they fetch what no lockfile can list.
- The background conversion to safetensors of transformers, which loads another revision, is switched off.

## Does not cover

- Bytes fetched past huggingface_hub: the URL from `hf_hub_url` with another HTTP client, git and git-lfs, hf_xet or
  hf_transfer called directly. What is loaded from them is judged at load; a plain `config.json` is not.
- A program that finds its way through the cache folder by itself.
"""

from __future__ import annotations

import os
from _thread import _local

from weighlock.runtime import _hub
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, Self

    from weighlock.gates.hub import Pin
    from weighlock.lockfile import LockedFile
    from weighlock.runtime._patch import Patches

_thread = _local()


def patch(module: ModuleType, patches: Patches) -> None:
    """Guard ``huggingface_hub.file_download``.

    Raises:
        LookupError: A choke point is gone.
    """
    # A background thread of transformers would ask for another revision. Its version 4 knows this one word only.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "true"
    patches.answer(module, "_hf_hub_download_to_cache_dir", _download)
    patches.answer(module, "_hf_hub_download_to_local_dir", _download)
    patches.answer(module, "_chmod_and_move", _publish)
    patches.answer(module, "http_get", _fetch_url)
    patches.answer(module, "xet_get", _fetch_xet)
    no_exist = getattr(module, "_CACHED_NO_EXIST", None)
    if no_exist is None:
        raise missing(module, "_CACHED_NO_EXIST")

    def look_up(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return _look_up(original, no_exist, *args, **kwargs)

    patches.answer(module, "try_to_load_from_cache", look_up)
    if hasattr(module, "cached_download"):
        # Until 0.25: downloads any URL into the cache, named by nothing that a lockfile could list.
        patches.answer(module, "cached_download", _fetch_url)


class _Download:
    """A download that was admitted, while it runs in this thread.

    Args:
        pin: The locked repository, or ``None`` where the load gate will judge the file.
        file: What it must be.
    """

    def __init__(self, pin: Pin | None, file: LockedFile | None = None) -> None:
        self._pin = pin
        self._file = file

    def __enter__(self) -> Self:
        self._outer = getattr(_thread, "download", None)
        _thread.download = self
        return self

    def __exit__(self, *_: object) -> None:
        _thread.download = self._outer

    def verify(self, path: str | os.PathLike[str], *, arriving: bool = False) -> None:
        """Check that a file on disk is the one that was to be downloaded."""
        if self._pin is not None and self._file is not None:
            self._pin.verify_path(self._file, path, arriving=arriving)


def _download(original: Callable[..., Any], **kwargs: Any) -> Any:
    """Answer `_hf_hub_download_to_cache_dir` and `_hf_hub_download_to_local_dir`."""
    pin = _hub.pin(kwargs["repo_type"], kwargs["repo_id"], kwargs["revision"])
    if pin is None:
        with _Download(None):
            return original(**kwargs)
    if pin.hides(kwargs["filename"]):
        raise _absence(pin.absence(kwargs["filename"]), local=kwargs["local_files_only"])
    kwargs["revision"] = pin.commit
    with _Download(pin, pin.file(kwargs["filename"])) as download:
        place = original(**kwargs)
        if isinstance(place, str):
            download.verify(place)
    return place


def _publish(original: Callable[..., Any], src: os.PathLike[str], dst: os.PathLike[str]) -> Any:
    """Answer `_chmod_and_move`: a temporary file is verified before the cache or `local_dir` gets it."""
    download = getattr(_thread, "download", None)
    if download is None:
        _hub.refuse_unlocked(str(dst), "the file was not downloaded through a guarded function of huggingface_hub")
    else:
        try:
            download.verify(src, arriving=True)
        except BaseException:
            # Version 0.x would otherwise resume this download with the refused bytes.
            os.unlink(src)
            raise
    return original(src, dst)


def _fetch_url(original: Callable[..., Any], url: str, *args: Any, **kwargs: Any) -> Any:
    """Answer `http_get`."""
    if getattr(_thread, "download", None) is None:
        # The query may hold a signature, which is as good as a token.
        _hub.refuse_unlocked(str(url).partition("?")[0], "a lockfile cannot list what a bare URL holds")
    return original(url, *args, **kwargs)


def _fetch_xet(original: Callable[..., Any], **kwargs: Any) -> Any:
    """Answer `xet_get`."""
    if getattr(_thread, "download", None) is None:
        _hub.refuse_unlocked(
            str(kwargs.get("displayed_filename") or kwargs.get("incomplete_path")),
            "it was not asked for through a guarded function of huggingface_hub",
        )
    return original(**kwargs)


def _look_up(original: Callable[..., Any], no_exist: object, *args: Any, **kwargs: Any) -> Any:
    """Answer `try_to_load_from_cache`: a path, None, or the mark for a file that does not exist."""
    from inspect import signature

    arguments = signature(original).bind(*args, **kwargs).arguments
    pin = _hub.pin(arguments.get("repo_type") or "model", arguments["repo_id"], arguments.get("revision"))
    if pin is None:
        return original(*args, **kwargs)
    if pin.hides(arguments["filename"]):
        return no_exist
    file = pin.file(arguments["filename"])
    place = original(**arguments | {"revision": pin.commit})
    if isinstance(place, str) and file is not None:
        pin.verify_path(file, place)
    return place


def _absence(message: str, *, local: bool) -> Exception:
    """Return the library's own error for a file that does not exist, which callers expect of optional files."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    error: type[Exception] = LocalEntryNotFoundError if local else EntryNotFoundError
    return error(message)
