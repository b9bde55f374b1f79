"""Folders of MLflow models: judged file by file, and handed to MLflow as private folders with the judged bytes.

MLflow opens the files of a model by name, some in C++ and some long after the load. So it gets a folder of its own, in
which small files are copies of the judged bytes, and names of large ones lead to the judged open files. What others do
to the folder that was judged changes nothing. One private folder serves all loads of the same judged contents, so a
program that loads a model again and again keeps no more files open.
"""

from __future__ import annotations

import os
import stat
from _thread import RLock

from weighlock.runtime import _code, _gate, _loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from weighlock.gates.mlflow import Pin

    Stamps = dict[str, tuple[int, ...]]

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

_COPIED = 1 << 20
"""Bytes; smaller files are copied."""

_MOST_FILES = 10_000
_LARGEST_MODEL_FILE = 16 << 20

_WRITTEN_BY_THE_CLIENT = "registered_model_meta"
"""MLflow puts it beside what it downloaded, and reads it nowhere."""

_mutex = RLock()
_handed_out: dict[tuple[tuple[str, str], ...], tuple[str, Stamps]] = {}
_home: list[str] = []


def pin_of_uri(uri: str) -> Pin | None:
    """Decide about a URI, see `weighlock.gates.mlflow.pin_of_uri`.

    Raises:
        LoadRefused: It is not locked.
    """
    from weighlock.gates import mlflow

    return mlflow.pin_of_uri(_gate.gate(), uri)


def admit(place: str, pin: Pin | None, *, private: bool) -> str:
    """Judge what MLflow downloaded, or found on this disk.

    Args:
        place: A file or a folder.
        pin: What it has to be, where the program named a registered model.
        private: Return a private copy of it, where it is locked.

    Returns:
        Where to load from.

    Raises:
        LoadRefused: It may not be loaded.
        OSError: It cannot be read.
    """
    if _is_ours(place):
        return place
    if os.path.isdir(place):
        return _admit_folder(place, pin, private=private)
    if pin is None and os.path.basename(place) != "MLmodel":
        return place  # what is loaded from it is judged where that is loaded
    with _Judged() as judged:
        clean = judged.add(place, "", pin) if pin else judged.add_model_file(place)
        return judged.hand_out(os.path.basename(place)) if clean and private else place


def _admit_folder(place: str, pin: Pin | None, *, private: bool) -> str:
    model_file = os.path.join(place, "MLmodel")
    if pin is None and not os.path.lexists(model_file):
        return place
    _code.add_folder(place)
    paths = list(_files_in(place))
    with _Judged() as judged:
        if pin is None:
            pin = judged.pin_of(model_file, paths)
        if pin is None:
            judged.add_model_file(model_file)
            return place
        clean = [judged.add(os.path.join(place, *path.split("/")), path, pin) for path in paths]
        return judged.hand_out() if all(clean) and private else place


class _Judged:
    """Files that were opened once and judged; a context manager that closes what is not handed out."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[int, str]] = {}
        self._opened: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._opened:
            os.close(descriptor)

    def pin_of(self, place: str, paths: list[str]) -> Pin | None:
        """Return the locked model of which a file is the ``MLmodel``."""
        from weighlock.gates import mlflow

        return mlflow.pin_of_folder(_gate.gate(), self._read(self._open(place), place), paths)

    def add(self, place: str, path: str, pin: Pin) -> bool:
        """Judge a file of a locked model; ``False`` where it is refused and the gate only warns."""
        from weighlock.gates import mlflow

        descriptor = self._open(place)
        admission = pin.admit(path, descriptor, place)
        if admission is None or admission.denied is not None:
            return False
        name = os.path.basename(place)
        if name == mlflow.MODEL_FILE:
            self._require_known(descriptor, place, pin)
        elif mlflow.names_a_module(name):
            mlflow.require_known_module(_gate.gate(), pin, name, self._read(descriptor, place), place)
        self._files[path or name] = (descriptor, admission.digest or "")
        return True

    def add_model_file(self, place: str) -> bool:
        """Judge an ``MLmodel`` that need not be locked."""
        from weighlock.gates import mlflow

        descriptor = self._open(place)
        pin = mlflow.pin_of_folder(_gate.gate(), self._read(descriptor, place), ())
        if pin is not None:
            return self.add(place, "MLmodel", pin)
        clean = mlflow.admit_unlocked(_gate.gate(), descriptor, place)
        self._require_known(descriptor, place, None)
        self._files["MLmodel"] = (descriptor, "")
        return clean

    def hand_out(self, name: str = "") -> str:
        """Return a private folder that holds what was judged, or one file in it."""
        key = tuple(sorted((path, digest) for path, (_, digest) in self._files.items()))
        with _mutex:
            folder, stamps = _handed_out.get(key, ("", {}))
            if not folder or _stamps(folder) != stamps:
                folder = _new_folder()
                for path, (descriptor, digest) in self._files.items():
                    self._put(os.path.join(folder, *path.split("/")), descriptor, digest, path)
                if all(digest for _, digest in key):
                    _handed_out[key] = (folder, _stamps(folder))
        _code.add_folder(folder)
        return os.path.join(folder, name) if name else folder

    def _put(self, target: str, descriptor: int, digest: str, label: str) -> None:
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        if os.fstat(descriptor).st_size > _COPIED:
            os.symlink(_loads.path_of(os.dup(descriptor), label), target)
            return
        from hashlib import sha256

        data = self._read(descriptor, label)
        if digest and sha256(data).hexdigest() != digest:
            _gate.refuse(label, "the file was changed while it was judged")
        with open(target, "xb") as file:
            file.write(data)

    def _require_known(self, descriptor: int, place: str, pin: Pin | None) -> None:
        """Check what an ``MLmodel`` names, read exactly as MLflow will read it."""
        import io

        import yaml

        from weighlock.gates import mlflow

        text = io.TextIOWrapper(io.BytesIO(self._read(descriptor, place)), encoding=None)
        try:
            document = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            _gate.refuse(place, f"what it says cannot be told: {type(error).__name__}")
        mlflow.require_known(_gate.gate(), pin, document, place)

    def _open(self, place: str) -> int:
        descriptor = os.open(place, _READ)
        self._opened.append(descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            _gate.refuse(place, "it is not a regular file, so what was judged could not be loaded again")
        if _gate.seals():
            from weighlock.runtime._sealed import sealed_copy

            descriptor = sealed_copy(descriptor, place)
            self._opened.append(descriptor)
        return descriptor

    def _read(self, descriptor: int, place: str) -> bytes:
        size = os.fstat(descriptor).st_size
        if size > _LARGEST_MODEL_FILE:
            _gate.refuse(place, f"it is larger than {_LARGEST_MODEL_FILE >> 20} MB")
        return os.pread(descriptor, size, 0)


def _files_in(folder: str) -> Iterator[str]:
    """Yield the paths of the files below a folder, links among them; what Python compiled is not read from there."""
    count = 0
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        names += [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in sorted(names):
            path = os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")
            count += 1
            if count > _MOST_FILES:
                _gate.refuse(folder, f"it holds more than {_MOST_FILES} files")
            if path != _WRITTEN_BY_THE_CLIENT:
                yield path


def _stamps(folder: str) -> Stamps:
    """Return what changes when somebody changes a private folder, or a file that is linked there."""
    places = [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return {place: _stamp(os.lstat(place)) + _stamp(os.stat(place)) for place in places}


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_ours(place: str) -> bool:
    place = os.path.abspath(place)
    return any(place == home or place.startswith(home + os.sep) for home in _home)


def _new_folder() -> str:
    """Return a new folder that nobody else can write to; all of them are removed when the program ends."""
    import tempfile

    if not _home:
        import atexit

        _home.append(os.path.realpath(tempfile.mkdtemp(prefix="weighlock-mlflow-")))
        atexit.register(_remove, _home[0], os.getpid())
    return tempfile.mkdtemp(dir=_home[0])


def _remove(folder: str, process: int) -> None:
    """Remove a folder, unless this is a forked child, whose parent still needs it."""
    if os.getpid() == process:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


def _raise(error: OSError) -> None:
    raise error
