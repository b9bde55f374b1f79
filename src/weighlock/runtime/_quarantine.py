"""The quarantine scope: what code may not do while a pickle is read that needs names beyond plain data.

A person who approves a class approves what the class is for, which is to become an object again. Starting processes,
talking to the network, changing files and running other code is not part of that.

1. The scope opens, for one thread, when the first name passes that is not plain data, and closes when that
   unpickler returns.
2. Modules of admitted names are imported before, or with the scope set aside. Imports that approved code makes while
   it runs may execute what they import, unless it lies beside an artifact that the project did not save itself.
3. The guard's own work is not held back.
"""

from __future__ import annotations

import os
import sys

from weighlock.runtime import _finder, _gate, _loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Args = tuple[object, ...]

# The importer of torch.package runs modules that were approved one by one, see its hook.
_IMPORTERS = frozenset(
    {
        "_frozen_importlib",
        "_frozen_importlib_external",
        "importlib._bootstrap",
        "importlib._bootstrap_external",
        "torch.package.package_importer",
        "zipimport",
    }
)

_UNMARSHAL = frozenset({"marshal.load", "marshal.loads", "dill._dill._unmarshal", "keras:Lambda"})
"""Names whose approval says that the file brings code of its own."""

_CHANGES_FILES = "change files"
_REACHES_OUT = "reach the network"
_STARTS = "start a process"
_RUNS_CODE = "run code of its own"
_LOADS_NATIVE = "load native code"
_CHANGES_PYTHON = "change the interpreter"

_EVENTS = {
    _STARTS: """
        _winapi.CreateProcess os.exec os.fork os.forkpty os.posix_spawn os.spawn os.startfile os.startfile/2 os.system
        pty.spawn subprocess.Popen webbrowser.open
    """,
    "signal a process": "_winapi.TerminateProcess os.kill os.killpg signal.pthread_kill",
    "start a thread": "_thread.start_joinable_thread _thread.start_new_thread",
    _REACHES_OUT: """
        ftplib.connect ftplib.sendcmd http.client.connect http.client.send imaplib.open imaplib.send nntplib.connect
        poplib.connect smtplib.connect smtplib.send socket.__new__ socket.bind socket.connect socket.getaddrinfo
        socket.gethostbyaddr socket.gethostbyname socket.getnameinfo socket.sendmsg socket.sendto socket.sethostname
        telnetlib.Telnet.open urllib.Request
    """,
    _CHANGES_FILES: """
        _winapi.CreateFile _winapi.CreateJunction fcntl.ioctl os.chflags os.chmod os.chown os.link os.lockf os.remove
        os.removexattr os.rename os.rmdir os.setxattr os.symlink os.truncate os.utime shutil.chown shutil.copyfile
        shutil.copymode shutil.copystat shutil.copytree shutil.make_archive shutil.move shutil.rmtree
        shutil.unpack_archive sqlite3.connect
    """,
    _LOADS_NATIVE: """
        ctypes.PyObj_FromPtr ctypes.call_function ctypes.cdata ctypes.dlopen os.add_dll_directory
        sqlite3.enable_load_extension sqlite3.load_extension
    """,
    _CHANGES_PYTHON: """
        cpython.PyInterpreterState_New os.chdir os.putenv os.unsetenv resource.prlimit resource.setrlimit
        sys.addaudithook sys.monitoring.register_callback sys.setprofile sys.settrace winreg.CreateKey
        winreg.DeleteKey winreg.DeleteValue winreg.SetValue
    """,
}


def enter(loading: _loads.Loading) -> None:
    """Open the scope of this thread for a load."""
    _finder.quarantine = _watch
    _loads.set_scope(loading)


def resolve(name: tuple[str, str]) -> None:
    """Import the module of an admitted name, and what its attributes import lazily, with the scope set aside.

    Args:
        name: Module and dotted name, as the unpickler is about to look them up.
    """
    scope = _loads.scope()
    _loads.set_scope(None)
    try:
        __import__(name[0])
        found: object = sys.modules[name[0]]
        for part in name[1].split("."):
            found = getattr(found, part, None)
    finally:
        _loads.set_scope(scope)


def judge_marshal() -> None:
    """Refuse code that an admitted file hands to `marshal`; the import system reads its own caches with it.

    Raises:
        LoadRefused: The gate enforces.
    """
    loads = _loads.stack()
    if not loads or loads[-1].admission.anything or loads[-1].admission.approved & _UNMARSHAL:
        return
    if not _is_set_aside(sys._getframe(3)):  # noqa: SLF001 - there is no public way to the caller's frame
        _refuse(loads[-1], _RUNS_CODE, "marshal.loads")


def judge_interpreter() -> None:
    """Refuse a new interpreter in this process, unless start-up files put the guard into it as well.

    Raises:
        LoadRefused: The gate enforces. Python may turn that into a `RuntimeError`.
    """
    from weighlock import runtime

    if runtime.starts_by_itself():
        return
    reasons = [("guard", "no start-up file would guard it: hooks written in Python belong to one interpreter")]
    _gate.gate().refuse("a subinterpreter", "the start", None, reasons, "weighlock activate")


def _watch(event: str, args: Args) -> None:
    loading = _loads.scope()
    if loading is None:
        return
    rule = _RULES.get(event)
    what = rule(loading, args) if callable(rule) else rule
    if what and not _is_set_aside(sys._getframe(2)):  # noqa: SLF001 - there is no public way to the caller's frame
        _refuse(loading, what, event)


def _is_set_aside(frame: FrameType | None) -> bool:
    """Say whether something happens because a module is being imported, or in the guard's own work."""
    from weighlock.runtime._unpickling import module_of

    while frame is not None:
        module = module_of(frame) or ""
        if module == "weighlock.runtime._reading" or module.startswith("weighlock.runtime.hooks."):
            return False  # the load itself, which may be part of an import in turn
        if module in _IMPORTERS or (module.startswith("weighlock.") and not module.startswith("weighlock.runtime.")):
            return True
        frame = frame.f_back
    return False


def _on_open(loading: _loads.Loading, args: Args) -> str | None:
    path, mode, flags = args
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    if isinstance(flags, int) and not flags & writes and not (isinstance(mode, str) and set(mode) & set("wax+")):
        return None
    if path == os.devnull or (loading.descriptor is not None and loading.opens_itself(path, flags)):
        return None
    return _CHANGES_FILES


def _on_exec(loading: _loads.Loading, args: Args) -> str | None:
    if _lies_beside(loading, getattr(args[0], "co_filename", None)):
        _refuse(loading, "import what lies beside it", "exec")
    return _RUNS_CODE


def _on_import(loading: _loads.Loading, args: Args) -> str | None:
    if _lies_beside(loading, args[1]):
        _refuse(loading, "import what lies beside it", "import")
    return None


def _on_setattr(_: _loads.Loading, args: Args) -> str | None:
    return _RUNS_CODE if args[1] == "__code__" else None


def _lies_beside(loading: _loads.Loading, path: object) -> bool:
    """Say whether the file of a module came with the artifact: it lies in its folder, not among installed packages.

    What the project saved itself came with nothing, and lies among the project's own modules.
    """
    if loading.admission.own:
        return False
    if not isinstance(path, str) or not os.path.isabs(path) or loading.descriptor is None:
        return False
    if path.startswith((sys.prefix + os.sep, sys.base_prefix + os.sep)) or "-packages" + os.sep in path:
        return False
    folder = os.path.dirname(os.path.realpath(loading.label))
    return os.path.realpath(path).startswith(folder.rstrip(os.sep) + os.sep)


def _refuse(loading: _loads.Loading, what: str, event: str) -> None:
    scope = _loads.scope()
    _loads.set_scope(None)
    try:
        gate = _gate.gate()
        digest = loading.admission.digest
        message = f"while it was unpickled, it tried to {what} ({event})"
        remedy = f"{gate.approval(loading.label)} --unsafe --reason TEXT"
        gate.refuse(loading.label, "unpickling", digest and f"sha256:{digest}", [("quarantine", message)], remedy)
    except BaseException as error:
        loading.breach = error
        raise
    finally:
        _loads.set_scope(scope)


_RULES: dict[str, str | Callable[[_loads.Loading, Args], str | None]] = {
    **{event: what for what, events in _EVENTS.items() for event in events.split()},
    "exec": _on_exec,
    "import": _on_import,
    "object.__setattr__": _on_setattr,
    "open": _on_open,
}
