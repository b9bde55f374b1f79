"""Guards the file system of huggingface_hub (`HfFileSystem`, `hf://` paths): reads come from verified local copies.

## Covers

- `HfFileSystem.open` and everything that stands on it (`cat`, `read_block`, `fsspec.open("hf://…")`, pandas,
  datasets): the locked file is downloaded to the cache, verified, and read from there, ranges too.
- `HfFileSystem.get_file` and everything that stands on it (`get`, `download`).
- `HfFileSystemFile` and `HfFileSystemStreamFile` made without `HfFileSystem.open`: refused, because they read ranges
  straight from the network, which no digest of a whole file can verify.
- Repositories that are not locked, and buckets: refused unless the policy says `unlocked = "inspect"`.

## Does not cover

- Listings (`ls`, `info`, `exists`): they hold no bytes of files; they fit the lockfile where they go through `HfApi`.
- `HfFileSystem.url` with another HTTP client.
- Copies that fsspec's own caches (`filecache::hf://…`) keep: they were verified when they were made.
"""

from __future__ import annotations

import os
import re

from weighlock.runtime import _gate, _hub
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, BinaryIO

    from weighlock.gates.hub import Pin
    from weighlock.runtime._patch import Patches

_KINDS = {"datasets": "dataset", "models": "model", "spaces": "space"}

# A revision that holds a slash may stand unquoted in a path, as huggingface_hub says.
_REVISION = re.compile(r"(refs/(?:convert/[^/]+|pr/\d+)|[^/]*)/?(.*)\Z", re.DOTALL)


def patch(module: ModuleType, patches: Patches) -> None:
    """Guard ``huggingface_hub.hf_file_system``.

    Raises:
        LookupError: A choke point is gone.
    """
    system = _class(module, "HfFileSystem")
    patches.answer(system, "_open", _open)
    _method(patches, system, "get_file", _get_file)
    for name in ("HfFileSystemFile", "HfFileSystemStreamFile"):
        _method(patches, _class(module, name), "__init__", _make_file)


def _class(module: ModuleType, name: str) -> type:
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise missing(module, name)
    return found


def _method(patches: Patches, owner: type, name: str, guard: Callable[..., Any]) -> None:
    """Replace a method that calls `super()`, whose code cannot be swapped; every caller finds it by its class."""

    def answer(*args: Any, **kwargs: Any) -> Any:
        return guard(original, *args, **kwargs)

    original = patches.replace(owner, name, answer)


def _open(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Answer `HfFileSystem._open`."""
    arguments = _arguments(original, args, kwargs)
    if "r" in arguments.get("mode", "rb"):
        pin, path = _locate(arguments["path"], arguments.get("revision"))
        if pin is not None:
            return _verified(pin, path, arguments["self"])
    return original(*args, **kwargs)


def _get_file(original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Answer `HfFileSystem.get_file`."""
    arguments = _arguments(original, args, kwargs)
    pin, path = _locate(arguments["rpath"], arguments.get("kwargs", {}).get("revision"))
    if pin is None:
        original(*args, **kwargs)
        return
    target = arguments.get("outfile") or arguments["lpath"]
    if not hasattr(target, "write") and any(file.startswith(f"{path}/") for file in pin.paths()):
        os.makedirs(target, exist_ok=True)
        return
    with _verified(pin, path, arguments["self"]) as source:
        if hasattr(target, "write"):
            start = target.tell()
            _copy(source, target)
            target.seek(start)
            return
        os.makedirs(os.path.dirname(target) or os.curdir, exist_ok=True)
        with open(target, "wb") as file:
            _copy(source, file)


def _make_file(original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Answer the constructors of `HfFileSystemFile` and `HfFileSystemStreamFile`."""
    arguments = _arguments(original, args, kwargs)
    if "r" in (arguments.get("mode") or arguments.get("kwargs", {}).get("mode", "rb")):
        pin, _ = _locate(arguments["path"], arguments.get("revision"))
        if pin is not None:
            why = "a range of a file cannot be verified on its own"
            _gate.refuse(arguments["path"], why, "open it with HfFileSystem.open")
    original(*args, **kwargs)


def _arguments(original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    from inspect import signature

    return signature(original).bind(*args, **kwargs).arguments


def _locate(path: str, revision: str | None) -> tuple[Pin | None, str]:
    """Find the locked repository of a path, without asking the Hub what the path means.

    Args:
        path: With or without ``hf://``.
        revision: Goes before the one in the path.

    Returns:
        The locked repository and the path in it; no repository where it passes as it is.

    Raises:
        LoadRefused: The repository, or that revision of it, is not locked.
    """
    parts = str(path).removeprefix("hf://").strip("/").split("/")
    if parts[0] == "buckets":
        _hub.refuse_unlocked("/".join(parts), "a bucket has no commits, so a lockfile cannot list its files")
        return None, ""
    kind = _KINDS.get(parts[0], "model")
    parts = parts[parts[0] in _KINDS :]
    # The oldest repositories have no organisation, so a name has one segment or two.
    for segments in (1, 2):
        repo, named, inside = _split(parts, segments)
        pin = _hub.find_pin(kind, repo, revision or named)
        if pin is not None:
            return pin, inside
    return _hub.pin(kind, repo, revision or named), inside


def _split(parts: list[str], segments: int) -> tuple[str, str | None, str]:
    """Return the repository, the revision and the path in the repository of a path."""
    from urllib.parse import unquote

    repo, at, rest = "/".join(parts[:segments]).partition("@")
    if not at:
        return repo, None, "/".join(parts[segments:])
    match = _REVISION.match("/".join([rest, *parts[segments:]]))
    revision, inside = match.groups() if match else (rest, "")
    return repo, unquote(revision), inside


def _verified(pin: Pin, path: str, system: Any) -> BinaryIO:
    """Open the verified copy of a locked file; what is verified is the open file that is handed out."""
    file = pin.file(path)
    if file is None:
        raise FileNotFoundError(2, pin.absence(path), path)
    from huggingface_hub import hf_hub_download

    copy = hf_hub_download(
        pin.repo,
        file.path,
        repo_type=pin.kind,
        revision=pin.commit,
        token=getattr(system, "token", None),
        endpoint=getattr(system, "endpoint", None),
    )
    opened = open(copy, "rb")  # noqa: SIM115 - the caller gets it
    try:
        pin.verify(file, opened.fileno(), copy)
    except BaseException:
        opened.close()
        raise
    return opened


def _copy(source: BinaryIO, target: Any) -> None:
    from shutil import copyfileobj

    copyfileobj(source, target, 1 << 20)
