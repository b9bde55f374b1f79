"""A private folder in which names lead to judged open files, for loaders that insist on opening names."""

from __future__ import annotations

import os

from weighlock.runtime import _admit, _gate, _loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import ExitStack
    from typing import Self

_MOST_FILES = 10_000


class Mirror:
    """Holds links to judged files under the names that a loader asks for.

    Used as a context manager. The restriction to what the files may import lasts until it is left; the file that was
    added last decides. The folder and the open files last as long, or until the program ends.

    Args:
        loader: Who loads, such as ``keras.load_model``.
        lasting: The loader opens names after the load, too.
    """

    def __init__(self, loader: str, *, lasting: bool = False) -> None:
        self._loader = loader
        self._lasting = lasting
        self._exits: ExitStack
        self.folder = ""

    def __enter__(self) -> Self:
        """Make the folder."""
        import atexit
        import tempfile
        from contextlib import ExitStack

        self.folder = tempfile.mkdtemp(prefix="weighlock-")
        self._exits = ExitStack()
        if self._lasting:
            atexit.register(_remove, self.folder, os.getpid())
        else:
            self._exits.callback(_remove, self.folder, os.getpid())
        return self

    def __exit__(self, *error: object) -> None:
        """Check that no file changed."""
        self._exits.__exit__(*error)  # type: ignore[arg-type] # what the interpreter hands over

    def add(self, place: str, name: str) -> _loads.Loading:
        """Judge a file and put it under a name.

        Args:
            place: Where it is.
            name: Its path in the folder, made of plain names.

        Raises:
            LoadRefused: It may not be loaded.
            OSError: It cannot be opened.
        """
        loading = self._exits.enter_context(_admit.admit_path(place, self._loader))
        target = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        path = loading.path
        if self._lasting:
            path = _loads.path_of(os.dup(loading.descriptor), loading.label)  # type: ignore[arg-type] # it is a file
        os.symlink(path, target)
        return loading

    def add_folder(self, path: str, name: str = "") -> list[_loads.Loading]:
        """Judge every file below a folder and put it under the same name; links are followed.

        Raises:
            LoadRefused: One of them may not be loaded, or there are too many.
            OSError: It cannot be read.
        """
        loadings = []
        for place, folders, files in os.walk(path, onerror=_raise):
            folders.sort()
            inside = os.path.relpath(place, path)
            os.makedirs(os.path.join(self.folder, name, inside), exist_ok=True)
            for folder in folders:
                if os.path.islink(os.path.join(place, folder)):
                    _gate.refuse(os.path.join(place, folder), "a link to a folder is not followed")
            for file in sorted(files):
                loadings.append(self.add(os.path.join(place, file), os.path.normpath(os.path.join(name, inside, file))))
                if len(loadings) > _MOST_FILES:
                    _gate.refuse(path, f"it holds more than {_MOST_FILES} files")
        return loadings


def _remove(folder: str, process: int) -> None:
    """Remove a folder, unless this is a forked child, whose parent still needs it."""
    if os.getpid() == process:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


def _raise(error: OSError) -> None:
    raise error
