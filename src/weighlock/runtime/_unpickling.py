"""Judges every name that any unpickler asks for, through the audit event ``pickle.find_class``.

The event reaches unpicklers that no hook can: references bound before the guard started, subclasses, the pure
Python one, and those inside joblib, numpy, pandas, dill, cloudpickle, shelve and torch. It fires before the name
is imported.

1. Inside an admitted load, only the names of that admission pass.
2. Outside, names pass that do no harm however they are used.
3. Everything passes in messages between processes, recognised by the module whose code calls the unpickler. A file
   cannot choose that module: it would have to import one of its names first, see 1 and 2.
4. Other names of plain data, such as those of arrays, do harm when they are called in other ways. They pass where the
   guard sees the whole pickle, which is inspected now, and holds only data.
"""

from __future__ import annotations

import sys

from weighlock.runtime import _gate, _loads, _pending, _quarantine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from weighlock.gates.admission import Admission

_CHANNELS = frozenset(
    {
        "dask.tokenize",
        "distributed.protocol.pickle",
        "joblib.externals.loky.backend.popen_loky_posix",
        "joblib.externals.loky.backend.popen_loky_win32",
        "joblib.externals.loky.backend.queues",
        "joblib.externals.loky.backend.reduction",
        "loky.backend.popen_loky_posix",
        "loky.backend.popen_loky_win32",
        "loky.backend.queues",
        "loky.backend.reduction",
        "multiprocess.connection",
        "multiprocess.forkserver",
        "multiprocess.queues",
        "multiprocess.reduction",
        "multiprocess.resource_sharer",
        "multiprocess.spawn",
        "multiprocessing.connection",
        "multiprocessing.forkserver",
        "multiprocessing.queues",
        "multiprocessing.reduction",
        "multiprocessing.resource_sharer",
        "multiprocessing.spawn",
        "torch._inductor.autotune_process",
        "torch._inductor.compile_worker.subproc_pool",
        "torch.distributed.distributed_c10d",
        "torch.multiprocessing.queue",
        "torch.multiprocessing.spawn",
    }
)
"""Modules whose code unpickles messages from other processes of the same program, or what it pickled just now.

Not those whose code also calls the functions that a program hands to its workers, such as pools: `pickle.loads` may be
one of them. They get their messages through the queues and connections that stand here.
"""

_CARRIERS = frozenset(
    {
        "dill._dill",
        "joblib.externals.loky.cloudpickle_wrapper",
        "loky.cloudpickle_wrapper",
        "pickle",
        "weighlock.runtime._finder",
        "weighlock.runtime._reading",
        "weighlock.runtime._unpicklers",
        "weighlock.runtime._unpickling",
        "weighlock.runtime.hooks.pickle",
    }
)
"""Modules that unpickle on behalf of whoever called them."""

Name = tuple[str, str]

_harmless: set[Name] = set()

_stack = _loads.stack


def judge(module: str, name: str) -> None:
    """Let a name pass that is about to be imported by an unpickler, or refuse it.

    Args:
        module: As the pickle says it, before names of Python 2 are mapped.
        name: Likewise; may have dots.

    Raises:
        LoadRefused: The gate enforces, and the name may not be imported here.
    """
    loads = _stack()
    if loads:
        loading = loads[-1]
        opens = loading.passed.get((module, name))
        if opens is None and _admits(loading.admission, (module, name)):
            opens = loading.passed[module, name] = _is_beyond_data(loading.admission, (module, name))
        if opens:
            _quarantine.enter(loading)
        if opens is not None:
            return
    elif (module, name) in _harmless:
        return
    elif is_harmless((module, name)):
        if _mapped((module, name)) == (module, name):  # else it depends on what can be imported, which may change
            _harmless.add((module, name))
        return
    elif is_message(sys._getframe(1)):  # noqa: SLF001 - there is no public way to the caller's frame
        return
    else:
        pending = _pending.pending()
        if pending is not None and _admits(pending.admission(), (module, name)):
            return
    _refuse(module, name)


def judge_and_resolve(module: str, name: str) -> None:
    """Judge a name that Python's own ``find_class`` is about to look up, and import its module outside of the scope.

    Overrides look names up elsewhere, such as in a package of torch.

    Raises:
        LoadRefused: As `judge` does.
    """
    judge(module, name)
    if _loads.scope() is not None:
        _quarantine.resolve(_mapped((module, name)))


def is_message(frame: FrameType | None) -> bool:
    """Say whether the code that called an unpickler does so for a message between processes.

    Args:
        frame: Where to begin; frames of carriers are passed over, and the first other one decides.
    """
    while frame is not None:
        module = module_of(frame)
        if module not in _CARRIERS:
            return module in _CHANNELS
        frame = frame.f_back
    return False


def is_harmless(asked: Name) -> bool:
    """Say whether a name does no harm in whatever way it is used and whatever protocol the pickle has."""
    from weighlock.allowlist import is_harmless as listed

    return _both(asked, lambda one: listed(*one))


def _is_listed(asked: Name) -> bool:
    from weighlock.allowlist import is_data as listed

    return _both(asked, lambda one: listed(*one))


def _admits(admission: Admission, asked: Name) -> bool:
    if admission.anything:
        return True
    if _both(asked, lambda one: ".".join(one) in admission.approved):
        return True
    if admission.imports is None:
        return is_harmless(asked)
    return _is_listed(asked) and not admission.imports.isdisjoint((".".join(asked), ".".join(_mapped(asked))))


def _is_beyond_data(admission: Admission, asked: Name) -> bool:
    """Say whether a name passes because a person or a profile approved it."""
    return not admission.anything and not _is_listed(asked)


def _both(asked: Name, passes: Callable[[Name], bool]) -> bool:
    """Judge a name both as it stands and as a pickle of protocol 2 or less means it.

    The event does not tell the protocol. A module of Python 2 that cannot be imported here does no harm when its
    name is taken as it stands.
    """
    mapped = _mapped(asked)
    if not passes(mapped):
        return False
    return mapped == asked or passes(asked) or not _importable(asked[0])


def _mapped(asked: Name) -> Name:
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    if asked in NAME_MAPPING:
        return NAME_MAPPING[asked]
    return IMPORT_MAPPING.get(asked[0], asked[0]), asked[1]


def _importable(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return module in sys.modules or find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def module_of(frame: FrameType) -> str | None:
    """Return the name of the module whose code a frame runs, if that module really owns the frame's globals."""
    namespace = frame.f_globals
    name = namespace.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is None or vars(module) is not namespace:
        return None
    if name == "__main__":
        return getattr(namespace.get("__spec__"), "name", None)
    return name


def _refuse(module: str, name: str) -> None:
    gate = _gate.gate()
    if gate.mode == "off":
        return
    loads = _loads.stack()
    label, digest = "a pickle", None
    remedy = "keep the pickle in a file that `weighlock lock` lists, and load it by that file"
    rule = "unlisted-name"
    if loads:
        label, digest = loads[-1].label, loads[-1].admission.digest
        remedy = gate.approval(label)
        rule = "not-approved"
    message = f"it asks for {module}.{name}, which is not plain data and which no approval names"
    gate.refuse(label, "unpickling", digest and f"sha256:{digest}", [(rule, message)], remedy)
