"""Compiles the code that came with models, and no other bytes than the judged ones.

The libraries copy a repository's Python files into a folder of modules and import them from there. That folder
outlives the program, so what lies in it is judged each time it is imported: the source is read once, judged, and
compiled from those bytes. Compiled files beside it are never read.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ExtensionFileLoader, SourceFileLoader, SourcelessFileLoader

from weighlock.runtime import _gate
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)

_PACKAGES = frozenset({"transformers_modules", "diffusers_modules", "datasets_modules", "evaluate_modules"})
"""Below these names the libraries import what came from a Hub."""

_FOLDERS = (
    ("huggingface_hub.constants", "HF_HUB_CACHE"),
    ("transformers.dynamic_module_utils", "HF_MODULES_CACHE"),
    ("diffusers.utils.dynamic_modules_utils", "HF_MODULES_CACHE"),
    ("datasets.config", "HF_MODULES_CACHE"),
    ("evaluate.config", "HF_MODULES_CACHE"),
)
"""Where modules say which folders hold what came from a Hub."""

_resolved: dict[str, str] = {}
_added: set[str] = set()


def guard_imports(patches: Patches) -> None:
    """Let every import of a file in a folder of remote code judge first.

    Raises:
        LookupError: Python's own loaders work in another way.
    """
    _answer(patches, SourceFileLoader, "get_code", _compile)
    _answer(patches, SourcelessFileLoader, "get_code", _refuse_compiled)
    _answer(patches, ExtensionFileLoader, "create_module", _refuse_native)


def add_folder(folder: str) -> None:
    """Let what lies below a folder count as code that came with a model, from now on."""
    _added.update(os.path.join(one, "") for one in (os.path.abspath(folder), os.path.realpath(folder)))


def is_remote(name: str, place: str) -> bool:
    """Say whether a module is code that came with a model.

    Args:
        name: Full name of the module.
        place: Its file.
    """
    if name.partition(".")[0] in _PACKAGES:
        return True
    spelled = os.path.abspath(place)
    real = os.path.join(_real(os.path.dirname(spelled)), os.path.basename(spelled))
    return any(one.startswith((folder, _real(folder) + os.sep)) for folder in _folders() for one in (spelled, real))


def judged_source(place: str, model: str | None = None) -> bytes:
    """Return the bytes of a Python file that may run.

    Args:
        place: The file.
        model: The folder that the program named, if the file lies there.

    Raises:
        LoadRefused: It may not.
        OSError: It cannot be read.
    """
    with open(place, "rb", opener=lambda path, _: os.open(path, _READ)) as file:
        source = file.read()
    from weighlock.gates import code

    code.admit_code(_gate.gate(), source, place, model)
    return source


def admit_class(name: str, model: str | None) -> None:
    """Judge a class that a model's configuration names, see `weighlock.gates.code.admit_class`.

    Raises:
        LoadRefused: The lockfile does not admit it.
    """
    from weighlock.gates import code

    code.admit_class(_gate.gate(), name, model)


def guard_downloads(module: ModuleType, patches: Patches) -> None:
    """Guard a module that takes Python files from a repository or a folder, and imports classes from them.

    It also imports what such a file imports by name, so that a local file is judged before that.

    Raises:
        LookupError: A choke point is gone, or code is run in another way.
    """
    require_importing(module, "get_class_in_module")
    patches.answer(module, "get_cached_module_file", _fetch)


def require_importing(module: ModuleType, name: str) -> None:
    """Check that a function runs code through Python's own loaders, where it is judged.

    Raises:
        LookupError: It is gone, or runs code in another way: the library has changed.
    """
    function = getattr(module, name, None)
    if function is None:
        raise missing(module, name)
    names = set(getattr(getattr(function, "__code__", None), "co_names", ()))
    if not names & {"exec_module", "import_module", "load_module"} or names & {"exec", "eval", "compile"}:
        raise LookupError(f"{getattr(function, '__qualname__', function)} does not import modules as it used to")


def _fetch(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Answer `get_cached_module_file`."""
    from inspect import signature

    arguments = signature(original).bind(*args, **kwargs).arguments
    folder = os.fspath(arguments["pretrained_model_name_or_path"])
    if arguments.get("subfolder"):
        folder = os.path.join(folder, arguments["subfolder"])
    place = os.path.join(folder, arguments["module_file"])
    if os.path.isfile(place):
        judged_source(place, folder)
    return original(*args, **kwargs)


def _answer(patches: Patches, owner: type, name: str, guard: Callable[..., Any]) -> None:
    def method(loader: Any, *args: Any) -> Any:
        return guard(original, loader, *args)

    original = patches.replace(owner, name, method)


def _compile(original: Callable[..., Any], loader: Any, name: str) -> CodeType | None:
    """Answer `SourceFileLoader.get_code`."""
    place = str(loader.path)
    if not is_remote(name, place):
        return original(loader, name)  # type: ignore[no-any-return] # code
    source = judged_source(place)
    code: CodeType = loader.source_to_code(source, place)
    return code


def _refuse_compiled(original: Callable[..., Any], loader: Any, name: str) -> Any:
    """Answer `SourcelessFileLoader.get_code`."""
    if is_remote(name, str(loader.path)):
        _refuse(str(loader.path), "it is compiled code without its source")
    return original(loader, name)


def _refuse_native(original: Callable[..., Any], loader: Any, spec: ModuleSpec) -> Any:
    """Answer `ExtensionFileLoader.create_module`."""
    if is_remote(spec.name, str(spec.origin)):
        _refuse(str(spec.origin), "it is native code, which runs as soon as it is loaded")
    return original(loader, spec)


def _refuse(place: str, why: str) -> None:
    from weighlock.gates import code

    code.refuse_code(_gate.gate(), place, why)


def _folders() -> list[str]:
    """Return the folders of remote code, as the libraries have them now, each with a separator at its end."""
    named = [getattr(sys.modules.get(module), name, None) for module, name in _FOLDERS]
    home = getattr(sys.modules.get("huggingface_hub.constants"), "HF_HOME", None)
    named += [os.environ.get("HF_MODULES_CACHE"), home and os.path.join(home, "modules")]
    return [*_added, *(os.path.abspath(folder) + os.sep for folder in {os.fspath(one) for one in named if one})]


def _real(folder: str) -> str:
    """Return the real path of a folder; asked for thousands of modules, mostly in the same folders."""
    known = _resolved.get(folder)
    if known is None:
        known = _resolved[folder] = os.path.realpath(folder)
    return known
