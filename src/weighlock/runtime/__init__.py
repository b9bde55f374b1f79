"""The runtime guard: nothing is loaded in this interpreter that was not judged.

This module runs in every guarded interpreter, so it imports `sys` and what the interpreter has imported anyway.
Four moments: `install` puts one finder on ``sys.meta_path`` and one audit hook in place; importing a guarded
library imports its hook; the first guarded load reads the policy and the lockfile; a load that the lockfile does
not settle imports the inspector.

Whatever goes wrong while the guard starts ends the process: Python itself would print the error of a ``.pth``
file or of ``sitecustomize`` and run the program unguarded.
"""

import os
import sys

import weighlock
from weighlock.runtime import _finder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn

MODES = ("enforce", "warn", "off")

_BOOTSTRAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap")

_installed = False
_by_itself = False


def activate(*, mode: str | None = None, lock: str | None = None, policy: str | None = None) -> None:
    """Switch the guard on in this process and in every Python child that it starts from now on.

    Args:
        mode: ``enforce``, ``warn`` or ``off``; by default ``WEIGHLOCK_MODE``, then the policy's.
        lock: Path of the lockfile; by default ``WEIGHLOCK_LOCK``, then the policy's, then the nearest ``models.lock``.
        policy: Path of the policy file; by default ``WEIGHLOCK_POLICY``, then the nearest one.

    Raises:
        GuardError: The guard cannot start; the program must not go on without it.
    """
    if active():  # by a start-up file, which children have as well
        return
    install(mode=mode, lock=lock, policy=policy)
    if active():
        _export_to_children()


def deactivate() -> None:
    """Switch the guard off in this process; children that run already stay guarded."""
    uninstall()
    for name in ("WEIGHLOCK_LOCK", "WEIGHLOCK_POLICY", "WEIGHLOCK_ROOT"):
        os.environ.pop(name, None)
    os.environ["WEIGHLOCK_MODE"] = "off"
    _set_paths(_other_paths())


def install(*, mode: str | None = None, lock: str | None = None, policy: str | None = None) -> None:
    """Put the guard in place in this process; does nothing if it is there already.

    Args:
        mode: As for `activate`.
        lock: As for `activate`.
        policy: As for `activate`.

    Raises:
        GuardError: The guard cannot start.
    """
    global _installed  # noqa: PLW0603 - one guard in a process
    if _installed:
        return
    _forget_gate()  # a name that was bound under an earlier guard may have opened one since
    if _settle(mode, lock, policy):
        _finder.install()
        _installed = True
        if sys.excepthook is sys.__excepthook__:
            sys.excepthook = _show


def uninstall() -> None:
    """Take the guard away and undo every patch; the audit hook stays but no longer judges."""
    global _installed  # noqa: PLW0603 - one guard in a process
    _finder.uninstall()
    if sys.excepthook is _show:
        sys.excepthook = sys.__excepthook__
    _forget_gate()
    _installed = False


def _forget_gate() -> None:
    gate = sys.modules.get("weighlock.runtime._gate")
    if gate is not None:
        gate.forget()


def active() -> bool:
    """Say whether the guard is in place in this process."""
    return _installed


def starts_by_itself() -> bool:
    """Say whether a start-up file put the guard in place, as it would in every new interpreter of this process."""
    return _by_itself and not sys.flags.no_site


def start(*, mode: str | None = None, lock: str | None = None, policy: str | None = None) -> None:
    """Put the guard in place at the start of an interpreter, or end the process.

    Called by the ``.pth`` file, by the ``.start`` file and by ``sitecustomize``. The environment goes before
    what was recorded when the guard was activated.

    Args:
        mode: The recorded mode.
        lock: The recorded path of the lockfile.
        policy: The recorded path of the policy file.
    """
    global _by_itself  # noqa: PLW0603 - one guard in a process
    _by_itself = True
    environ = os.environ
    try:
        install(
            mode=environ.get("WEIGHLOCK_MODE") or mode,
            lock=environ.get("WEIGHLOCK_LOCK") or lock,
            policy=environ.get("WEIGHLOCK_POLICY") or policy,
        )
    except BaseException as error:  # noqa: BLE001 - whatever it is, the program must not run unguarded
        end(error)


def end(error: BaseException) -> "NoReturn":
    """Print why the guard cannot start and end the process at once, past every handler."""
    hint = getattr(error, "hint", None)
    text = str(error) if hint or type(error).__module__ == "weighlock.errors" else f"{type(error).__name__}: {error}"
    lines = [f"weighlock: the guard cannot start: {text}"]
    if hint:
        lines.append(f"hint: {hint}, or take the guard away with `WEIGHLOCK_MODE=off weighlock deactivate`")
    message = "\n".join(map(_printable, lines)) + "\n"
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os.write(2, message.encode("utf-8", "backslashreplace"))
    finally:
        os._exit(2)


def _show(kind: "type[BaseException]", error: BaseException, trace: "TracebackType | None") -> None:
    """Show an uncaught exception: a refusal as a message with the place that asked, all else as Python does.

    Raises:
        SystemExit: Nothing could be judged. The interpreter then ends with that status, in its orderly way.
    """
    if kind.__module__ != "weighlock.errors" or kind.__name__ != "LoadRefused":
        sys.__excepthook__(kind, error, trace)
        return
    if os.environ.get("WEIGHLOCK_TRACEBACK") or sys.stderr is None:
        sys.__excepthook__(kind, error, trace)
    else:
        sys.stderr.write(f"{error}\n{_asker(trace)}")
    status = getattr(error, "exit_code", 1)
    if status != 1:  # Python's own for an uncaught exception
        raise SystemExit(status)


def _asker(trace: "TracebackType | None") -> str:
    """Return the line that names the innermost place in a program's own code, if there is one."""
    foreign = (os.path.dirname(os.__file__) + os.sep, os.path.dirname(os.path.dirname(_BOOTSTRAP)) + os.sep, "<")
    place = ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        installed = f"{os.sep}site-packages{os.sep}" in name or f"{os.sep}dist-packages{os.sep}" in name
        if not installed and not name.startswith(foreign):
            place = f"  asked by: {_printable(name)}, line {trace.tb_lineno}\n"
        trace = trace.tb_next
    return place


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def prepare(*, mode: str | None = None, lock: str | None = None, policy: str | None = None) -> None:
    """Change the environment so that a Python child started now is guarded.

    Args:
        mode: As for `activate`.
        lock: As for `activate`.
        policy: As for `activate`.

    Raises:
        GuardError: The guard could not start there.
    """
    if _settle(mode, lock, policy):
        _export_to_children()


def _settle(mode: str | None, lock: str | None, policy: str | None) -> bool:
    """Fix mode and places in the environment, so that a later change of folder cannot move them.

    Returns:
        Whether there is anything to guard: the mode is not ``off``.
    """
    environ = os.environ
    mode = mode or environ.get("WEIGHLOCK_MODE")
    if mode and mode not in MODES:
        raise _failure(f"WEIGHLOCK_MODE must be one of {', '.join(MODES)}, not {mode!r}", "correct it")
    if mode:
        environ["WEIGHLOCK_MODE"] = mode
    bound = "WEIGHLOCK_ORG_POLICY" in environ or os.path.lexists(weighlock.SITE_FOLDER)
    if mode == "off" and not bound:
        return False
    root = environ["WEIGHLOCK_ROOT"] = os.path.abspath(environ.get("WEIGHLOCK_ROOT") or os.curdir)
    for name, path, what in (("WEIGHLOCK_LOCK", lock, "lockfile"), ("WEIGHLOCK_POLICY", policy, "policy")):
        place = path or environ.get(name)
        if place:
            environ[name] = _readable(os.path.join(root, place), f"{what} that --{what} or {name} gives")
    if environ.get("WEIGHLOCK_ORG_POLICY"):
        environ["WEIGHLOCK_ORG_POLICY"] = os.path.join(root, environ["WEIGHLOCK_ORG_POLICY"])
    if bound and mode in {"warn", "off"} and not _by_itself:
        # A start-up file does not ask yet: programs that load no model, such as our own pip, are free to run, and the
        # first load asks. Whoever asks for the guard by its name is told now.
        from weighlock.runtime._gate import require_mode

        require_mode()
        if mode == "off":
            return False
    if mode not in {"warn", "off"} and not environ.get("WEIGHLOCK_LOCK") and not _finds_lockfile(root):
        from weighlock.runtime._gate import require_lockfile

        require_lockfile()
    return True


def _readable(path: str, what: str) -> str:
    problem = None
    if os.path.exists(path) and not os.path.isfile(path):  # a named pipe would be waited for
        problem = "it is not a regular file"
    else:
        try:
            with open(path, "rb") as file:
                file.read(1)
        except OSError as error:
            problem = error.strerror or type(error).__name__
    if problem:
        raise _failure(f"the {what} cannot be read: {path}: {problem}", "correct that path, or make the file readable")
    return path


def _finds_lockfile(folder: str) -> bool:
    while not os.path.isfile(os.path.join(folder, "models.lock")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent
    return True


def _export_to_children() -> None:
    """Let Python children find the guard: their ``sitecustomize`` is ours, and it loads the one it hides.

    Raises:
        GuardError: This interpreter hands options to its children under which they would not find it.
    """
    if sys.flags.ignore_environment:
        uninstall()
        raise _failure("under -E or -I, Python children would run unguarded; use `weighlock activate` instead", None)
    _set_paths([_BOOTSTRAP, *_other_paths()])


def _other_paths() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != _BOOTSTRAP]


def _set_paths(paths: list[str]) -> None:
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    if not paths:
        del os.environ["PYTHONPATH"]


def _failure(message: str, hint: str | None) -> Exception:
    from weighlock.errors import GuardError

    return GuardError(message, hint=hint)
