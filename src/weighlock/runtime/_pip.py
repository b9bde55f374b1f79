"""The shim that sends ``pip install`` through ``weighlock install``, in the environment in which it is switched on.

`weighlock activate --pip` writes a copy of this file beside the packages of that environment, so it runs there in every
interpreter and imports `sys` alone, and it works where weighlock is not, or not any more.

All ways into pip (``pip``, ``pip3``, ``python -m pip``, ``pip.main``, ``pip --python``, another copy of pip) get their
command from one function, ``pip._internal.commands.create_command``. It is replaced when its module is imported. No
environment variable switches this off: weighlock's own pip is started by code that calls `stand_aside` in that process.

## Does not cover

- ``uv pip`` and other installers, and ``python -S``.
- Code that imports pip's classes and calls them itself.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, NoReturn

_COMMANDS = "pip._internal.commands"

_HARMLESS = frozenset(
    "cache check completion config debug freeze hash help index inspect list search show uninstall".split()
)
"""Commands of pip that neither install anything nor run code of packages; whatever is not listed is refused."""

# Runs weighlock whatever PYTHON* variables and folders there are.
_RUN = """\
import sys
sys.path.insert(0, {location!a})
try:
    from weighlock._cli import main
except ImportError as error:
    sys.exit("error: pip install goes through weighlock here, and weighlock is gone: %a\\nhint: %s" % (error, {hint!a}))
sys.exit(main(["install", *sys.argv[1:]]))
"""


class _Finder:
    """Finds the module of pip's commands by asking the other finders, and puts the shim into it."""

    def __init__(self, python: str, location: str, hint: str) -> None:
        self.python = python
        self.location = location
        self.hint = hint

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return the spec of that module with a loader that patches it."""
        if name != _COMMANDS:
            return None
        for finder in list(sys.meta_path):
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            found = finder.find_spec(name, path, target)
            if found is not None:
                self._wrap(found)
                return found
        return None

    def _wrap(self, spec: "ModuleSpec") -> None:
        loader: Any = spec.loader
        execute = loader.exec_module

        def exec_module(module: "ModuleType") -> None:
            execute(module)
            if module.__name__ == _COMMANDS:  # loaders of zip files serve several modules
                self._patch(module)

        loader.exec_module = exec_module

    def _patch(self, module: "Any") -> None:
        create: Callable[..., Any] = module.create_command  # a pip without it must not start

        def create_command(name: str, **options: "Any") -> "Any":
            if name in _HARMLESS:
                return create(name, **options)
            return _Command(self, name, create, options)

        create_command.by_weighlock = True  # type: ignore[attr-defined]  # for `weighlock doctor`
        module.create_command = create_command


class _Command:
    """Stands for a command of pip that could run code of packages."""

    def __init__(self, finder: _Finder, name: str, create: "Callable[..., Any]", options: "dict[str, Any]") -> None:
        self._finder = finder
        self._name = name
        self._create = create
        self._options = options

    def __getattr__(self, name: str) -> "Any":
        """Be the real one for who only asks, such as ``pip help install`` and completion."""
        return getattr(self._create(self._name, **self._options), name)

    def main(self, arguments: "list[str]") -> "int":
        """Hand over to weighlock, or refuse."""
        if self._name == "install":
            _hand_over(self._finder, arguments)
        if arguments in (["-h"], ["--help"]):
            answer: int = self._create(self._name, **self._options).main(arguments)
            return answer
        return _refuse(
            f"pip {self._name} does not go through weighlock here, and may run code that nobody has judged",
            f"`weighlock install` installs and `weighlock check` judges; otherwise {self._finder.hint}",
        )


def start(python: str, location: str, hint: str) -> None:
    """Put the shim in place in this interpreter; start-up files of two folders may do so.

    Args:
        python: The interpreter that runs weighlock.
        location: The folder from which it imports it.
        hint: How to switch the shim off.
    """
    stand_aside()
    sys.meta_path.insert(0, _Finder(python, location, hint))


def stand_aside() -> None:
    """Take the shim out of this process, which is weighlock's own pip."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]


def _hand_over(finder: _Finder, arguments: "list[str]") -> "NoReturn":
    """Become `weighlock install`."""
    import os

    environ = {name: value for name, value in os.environ.items() if name != "_PIP_RUNNING_IN_SUBPROCESS"}
    if "_PIP_RUNNING_IN_SUBPROCESS" in os.environ:  # pip has started itself as --python says, and this is it
        arguments = _without_python(arguments)
    code = _RUN.format(location=finder.location, hint=finder.hint)
    command = [finder.python, "-I", "-c", code, "--python", sys.executable, *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if os.name != "nt":  # there, exec would return to the shell before the program has ended
            os.execve(finder.python, command, environ)  # noqa: S606 - the interpreter that was recorded
        import subprocess

        sys.exit(subprocess.run(command, env=environ, check=False).returncode)  # noqa: S603 - the same
    except OSError as error:
        _refuse(f"pip install goes through weighlock here, and {finder.python} cannot be run: {error}", finder.hint)


def _without_python(arguments: "list[str]") -> "list[str]":
    kept, skip = [], False
    for word in arguments:
        if skip or word == "--python" or word.startswith("--python="):
            skip = word == "--python" and not skip
        else:
            kept.append(word)
    return kept


def _refuse(message: str, hint: str) -> "NoReturn":
    sys.stderr.write(f"error: {ascii(message)[1:-1]}\nhint: {hint}\n")
    sys.exit(2)
