"""Guards the pickle module, and with it everything that reads pickles through Python's unpicklers.

## Covers

- `pickle.load` and `pickle.Unpickler` of an open file, plain or through gzip, bz2, lzma, LZ4, a zip or a tar; and so
  `numpy.load` with ``allow_pickle=True``, `pandas.read_pickle`, dill, cloudpickle, and everything else that calls
  them. The file's digest is settled against the lockfile; what it unpickles may import the admitted names only. Several
  loads from one file are judged from where each of them begins.
- The pure Python unpickler, and so joblib's and the one that pandas falls back to; also the one from before pickle was
  reloaded or imported anew, which those libraries keep.
- Pickles in memory, read by `pickle.loads` or from something that is no file, such as the values of a shelf: names that
  do no harm pass, other names of plain data after an inspection of the whole pickle.
- Unpicklers that override ``find_class``, whether it calls the original or imports by itself: each name is judged
  before the override is asked for it. This holds for subclasses made before the guard started, other bases,
  and a ``find_class`` that is assigned later, to the class or to one unpickler.
- References that were bound before the guard started, also in containers, closures, classes and defaults.
- `marshal`: what code of an admitted file hands to it while that file is loaded is refused, unless an approval names
  `marshal.loads`.
- While a file unpickles that needs approved names, it may not start processes, open sockets, write, delete or rename
  files, execute or compile code or load native code; see `docs/threat-model.md`, "The quarantine scope".

## Does not cover

- The lockfile, for pickles that reach an unpickler through a reader of another library (a memory map, an object that
  fsspec or zstandard made) and for the values of a shelf, which lie in a database that programs go on writing: they
  count as memory, so that plain data passes without an entry, and nothing that needs an approval passes.
- Arrays of numpy without objects, plain or in a zip: they hold numbers, and `numpy.load` reads them without any
  unpickler, locked or not. `weighlock verify` compares locked ones with the lockfile.
- A class that is derived, after the guard started, from a reference to the unpickler of C that a tuple, a set, a
  partial function, a local variable of a running function or an object without other contents held before: a type of
  C cannot be changed, and Python tells nobody when a class is made. Such a class is guarded from the next time on that
  any file is opened; one that reads from memory, and imports by itself, is not. Activate the guard before the program
  is imported.
- An unpickler that is not derived from Python's, or that replaces how opcodes are executed; one of a second copy of
  pickle.py that is imported under another name after the guard started, and whose ``find_class`` imports by itself; the
  one of C from before ``_pickle`` was imported anew, which is another type since Python 3.12; a class that is in
  copyreg's cache of extensions already; what a ``persistent_load`` of the program returns for a pickle in memory.
- Temporary files without a name, which count as memory.
"""

from __future__ import annotations

from weighlock.runtime import _finder, _reading, _sweep, _unpicklers
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Replace the functions and the unpickler of C, or guard the unpickler of Python.

    Raises:
        LookupError: The module has no such name, or the unpickler works in another way.
    """
    if module.__name__ == "pickle":
        _unpicklers.guard_python(module, patches)
    else:
        _patch_c(module, patches)


def _patch_c(module: Any, patches: Patches) -> None:
    for name in ("load", "loads", "Unpickler"):
        if not hasattr(module, name):
            raise missing(module, name)
    # No function may be made here that refers to these variables: the sweep would find them.
    load, loads, unpickler = module.load, module.loads, module.Unpickler
    if _unpicklers.file_of(unpickler(_Probe())) is not _Probe.latest:
        raise LookupError("an unpickler does not show what it reads from")
    late = not _sweep.is_being_imported(module)
    places = _sweep.places(load, loads, unpickler) if late else ()
    guarded = {
        "load": (load, _unpicklers.Function(load, _load)),
        "loads": (loads, _unpicklers.Function(loads, _loads)),
        "Unpickler": (unpickler, _unpicklers.guarded_type(unpickler)),
    }
    for name, (old, new) in guarded.items():
        patches.replace(module, name, new)
        patches.sweep(places, old, new)
    if late:
        _guard_derived(unpickler, patches)


def _guard_derived(unpickler: Any, patches: Patches) -> None:
    """Guard derived classes now, and those that a forgotten reference will make possible."""
    _unpicklers.guard_derived(unpickler, patches)
    _finder.at_each_open(lambda: _unpicklers.guard_derived(unpickler, patches))


class _Probe:
    """A file that says which one it is."""

    latest: _Probe

    def __init__(self) -> None:
        _Probe.latest = self

    def read(self) -> bytes:
        return b""

    readline = read


def _load(original: Callable[..., Any], *args: Any, **options: Any) -> Any:
    if args:
        return _reading.read(args[0], lambda file: original(file, *args[1:], **options))
    if "file" not in options:
        return original(**options)  # which says what is missing
    return _reading.read(options.pop("file"), lambda file: original(file, **options))


def _loads(original: Callable[..., Any], *args: Any, **options: Any) -> Any:
    if not args:
        return original(*args, **options)  # which says what is missing
    return _reading.read_bytes(args[0], lambda: original(*args, **options))
