"""Python files of a locked folder: each is verified when it is read, and compiled from what was verified.

1. A file of the folder is asked for by its path; its bytes lead to the locked models that may run code and have it at
   such a path. Without one, nothing is executed.
2. From then on, everything below the folder is imported by a finder that knows sources alone: no compiled cache and no
   extension module, which could stand beside the sources and would be taken before them.
3. Each source is read once, and has to be the one that the model has at that path.
"""

from __future__ import annotations

import os
import sys

from weighlock.runtime import _gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import SourceFileLoader
    from types import ModuleType

    from _typeshed.importlib import PathEntryFinderProtocol

    from weighlock.lockfile import LockedModel

_folders: dict[str, list[tuple[LockedModel, str]]] = {}
"""Folder -> the models that it can be, with its path in each of them; fewer with every file that is read."""


def import_locked(name: str, path: str, loader: str) -> ModuleType | None:
    """Import a module from a file of a locked folder.

    Args:
        name: Of the module; it is not put into ``sys.modules``.
        path: Of the file.
        loader: Who imports it, for messages.

    Returns:
        The module, or ``None`` where it may not be imported and the gate only warns.

    Raises:
        LoadRefused: It may not be imported.
        OSError: It cannot be read.
    """
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    found = _models_of(path, loader)
    if not found:
        return None
    _folders[folder] = found
    _watch()
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(name, path, loader=_loader()(name, path))
    if spec is None or spec.loader is None:
        _gate.refuse(path, "it is no Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _models_of(path: str, loader: str) -> list[tuple[LockedModel, str]]:
    """Return the models that a file can belong to, and where the file's folder lies in each."""
    import hashlib
    from shlex import quote

    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    lockfile = _gate.lockfile()
    name = os.path.basename(path)
    found = [
        (model, locked.path.rpartition("/")[0])
        for model, locked in (lockfile.by_digest(digest) if lockfile else ())
        if model.remote_code and locked.path.rpartition("/")[2] == name
    ]
    if not found:
        why = "loading it executes Python files of its folder, which is not in the lockfile with remote-code = true"
        remedy = f"weighlock lock {quote(os.path.dirname(path))} --remote-code"
        _gate.gate().refuse(path, loader, f"sha256:{digest}", [("remote-code", why)], remedy)
    _gate.gate().passes_quarantine(path, loader, lambda: (digest,), lockfile.by_digest(digest) if lockfile else ())
    return found


def _watch() -> None:
    """Let the files below the known folders be found by a finder of verified sources."""
    if _find not in sys.path_hooks:
        sys.path_hooks.insert(0, _find)
    for entry in list(sys.path_importer_cache):
        if _folder_of(entry):
            del sys.path_importer_cache[entry]


def _find(entry: str) -> PathEntryFinderProtocol:
    """Return the finder for an entry of a path, as ``sys.path_hooks`` wants it."""
    if not _folder_of(entry) or not _gate.judging():
        raise ImportError("not a locked folder", path=entry)
    from importlib.machinery import FileFinder

    return FileFinder(entry, (_loader(), [".py"]))


def _folder_of(path: str) -> str | None:
    path = os.path.abspath(path)
    return next((folder for folder in _folders if path == folder or path.startswith(folder + os.sep)), None)


def _verified(path: str) -> bytes:
    """Read a file of a locked folder.

    Raises:
        LoadRefused: It is not the one that the model has there.
    """
    import hashlib

    path = os.path.abspath(path)
    folder = _folder_of(path)
    with open(path, "rb") as file:
        data = file.read()
    if folder is not None:
        inside = os.path.relpath(path, folder).replace(os.sep, "/")
        digest = hashlib.sha256(data).hexdigest()
        models = [one for one in _folders[folder] if _has(*one, inside, digest)]
        if models:
            _folders[folder] = models
            located = [(model, file) for model, _ in models for file in model.files if file.sha256 == digest]
            _gate.gate().passes_quarantine(path, "import", lambda: (digest,), located)
            return data
    why = "it is not the file that the lockfile has at this place, and importing it would execute it"
    _gate.gate().refuse(path, "import", None, [("remote-code", why)], None)
    return data


def _has(model: LockedModel, prefix: str, inside: str, digest: str) -> bool:
    locked = model.file(f"{prefix}/{inside}" if prefix else inside)
    return locked is not None and locked.sha256 == digest


def forget() -> None:
    """Let Python find the files of all folders by itself again."""
    if _find in sys.path_hooks:
        sys.path_hooks.remove(_find)
    for entry in list(sys.path_importer_cache):
        if _folder_of(entry):
            del sys.path_importer_cache[entry]
    _folders.clear()


_made: type[SourceFileLoader] | None = None


def _loader() -> type[SourceFileLoader]:
    """Return the loader, which is made when it is needed first: importlib.machinery is not imported before."""
    global _made  # noqa: PLW0603 - one class in a process
    if _made is not None:
        return _made
    from importlib.machinery import SourceFileLoader

    class VerifiedLoader(SourceFileLoader):
        """Compiles what was verified, and neither reads nor writes compiled caches."""

        def get_data(self, path: str) -> bytes:
            return _verified(path)

        def path_stats(self, path: str) -> dict[str, object]:
            raise OSError(f"no compiled cache of {path} is looked at")

    _made = VerifiedLoader
    return VerifiedLoader
