"""Run by the interpreter of the environment, never imported: says where its pip will write, and then is its pip.

One start of pip serves both. Nothing is written before the one who asked says so; where that process is gone, this
one ends. It holds the environment for as long as it works, also when that process was killed meanwhile. It runs under
any Python that pip runs under.
"""

import sys

del sys.path[0]  # this folder, in which modules have common names

import json  # noqa: E402 - not from this folder
import os  # noqa: E402
import runpy  # noqa: E402
import tempfile  # noqa: E402
from importlib import import_module  # noqa: E402
from importlib.machinery import PathFinder  # noqa: E402
from importlib.metadata import distributions  # noqa: E402
from importlib.util import cache_from_source, find_spec  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec
    from importlib.metadata import Distribution
    from types import ModuleType
    from typing import Any


class _OnlyPip:
    """Finds pip in a folder, and none of its neighbours.

    Args:
        folder: Where the package lies.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self,
        name: str,
        path: object = None,  # noqa: ARG002 - as finders are called
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        """Find it."""
        return PathFinder.find_spec(name, [self._folder], target) if name == "pip" else None


def main() -> None:
    """Answer as often as asked, and then be pip."""
    if "_weighlock_pip" in sys.modules:  # the shim would send this pip to weighlock again
        sys.modules["_weighlock_pip"].stand_aside()
    while True:
        told = json.loads(sys.stdin.readline() or "null")
        if told is None:
            sys.exit(3)
        if "hold" in told:
            break
        if told["pip"] and find_spec("pip") is None:
            sys.meta_path.insert(0, _OnlyPip(told["pip"]))
        options = told["options"]
        answer = json.dumps(_where(options, told["names"]))
        sys.stdout.write("{}{}\n".format(told["mark"], answer))
        sys.stdout.flush()
    hold = _hold(told["hold"])
    if not hold:
        sys.exit(3)
    tempfile.tempdir = told["temporary"]
    os.environ["TMPDIR"] = told["temporary"]
    sys.argv = ["pip", "--isolated", "--no-input", "--disable-pip-version-check", "install", *options]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


def _hold(path: str) -> "Any":
    """Hold a file that stands for this work, or return `None` where a roll-back has taken it away."""
    try:
        file = open(path, "r+b")  # noqa: SIM115 - until the process ends
    except FileNotFoundError:
        return None
    if sys.platform != "win32":
        import_module("fcntl").flock(file, import_module("fcntl").LOCK_EX)
    return file if os.path.exists(path) else None


def _where(options: "list[str]", names: "list[str]") -> "dict[str, Any]":
    """Say where pip would write under these options, as its own code understands them, and what is there."""
    command = import_module("pip._internal.commands").create_command("install", isolated=True)
    chosen, _ = command.parse_args(options)
    user = import_module("pip._internal.commands.install").decide_user_install(
        chosen.use_user_site,
        prefix_path=chosen.prefix_path,
        target_dir=chosen.target_dir,
        root_path=chosen.root_path,
        isolated_mode=True,
    )
    get_scheme = import_module("pip._internal.locations").get_scheme
    schemes = {}
    for name in names:
        found = get_scheme(
            name,
            user=user,
            root=chosen.root_path,
            isolated=True,
            prefix=chosen.prefix_path,
        )
        schemes[name] = {key: os.path.abspath(getattr(found, key)) for key in found.__slots__}
    return {
        "pip": import_module("pip").__version__,
        "tag": sys.implementation.cache_tag,
        "target": chosen.target_dir and os.path.abspath(chosen.target_dir),
        "schemes": schemes,
        "installed": [] if chosen.target_dir else sorted({path for name in names for path in _files(name, schemes)}),
    }


def _files(name: str, schemes: "dict[str, dict[str, str]]") -> "Iterator[str]":
    """Yield every file of every installed distribution of a project, with all that pip takes away with them."""
    for found in distributions(name=name):
        folder = getattr(found, "_path", None)  # with what no record lists
        for parent, _, others in os.walk(str(folder)):
            yield from (os.path.join(parent, other) for other in others)
        for file in found.files or ():
            path = os.path.abspath(str(found.locate_file(file)))
            yield path
            if path.endswith(".py"):
                yield cache_from_source(path)
                yield from (path + "c", path + "o")
        yield from _scripts(found, schemes[name]["scripts"])
    for editable in ("easy-install.pth", name + ".egg-link", name.replace("-", "_") + ".egg-link"):
        path = os.path.join(schemes[name]["purelib"], editable)
        if os.path.lexists(path):
            yield path


def _scripts(found: "Distribution", folder: str) -> "Iterator[str]":
    for point in found.entry_points:
        if point.group in {"console_scripts", "gui_scripts"}:
            yield os.path.join(folder, point.name)


if __name__ == "__main__":
    main()
