"""What the guard does in this interpreter, asked by `weighlock doctor` and by nobody at start-up.

Runs in a child interpreter of the environment in question, because it imports every guarded library.
"""

from __future__ import annotations

import os
import sys
import sysconfig

import weighlock
from weighlock import runtime
from weighlock.runtime import _finder, _pip_site, _site

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STANDARD_LIBRARY = ("_interpreters", "_pickle", "_xxsubinterpreters", "pickle")


def report() -> dict[str, Any]:
    """Import every guarded library and say which of its choke points are guarded.

    Where nothing has activated the guard, it is put in place for the report, to show what it would guard.
    """
    was_active = runtime.active()
    environment = {name: value for name, value in os.environ.items() if name.startswith("WEIGHLOCK_")}
    problem = None
    if not was_active:
        try:
            _put_in_place()
        except Exception as error:  # noqa: BLE001 - whatever stops the guard is what the report is about
            problem = _said(error)
    libraries = {name: _library(name) for name in sorted({module.partition(".")[0] for module in _finder.HOOKS})}
    return {
        "active": was_active,
        "problem": problem,
        "python": sys.executable,
        "version": ".".join(map(str, sys.version_info[:3])),
        "activation": _activation(),
        "packages": sysconfig.get_path("purelib"),
        "pip_shim": _there(_pip_site.PTH, _pip_site.START),
        "environment": environment,
        "libraries": libraries,
        "audit_events": ["pickle.find_class"] if was_active or problem is None else [],
    }


def _put_in_place() -> None:
    """Show what would be guarded. Nothing is loaded, so neither the lockfile nor a policy has a say in it.

    An import that loads something all the same goes on with a warning, where no organisation's policy forbids that.
    """
    if "WEIGHLOCK_ORG_POLICY" not in os.environ and not os.path.lexists(weighlock.SITE_FOLDER):
        os.environ["WEIGHLOCK_MODE"] = "warn"
    _finder.install()


def _library(name: str) -> dict[str, Any]:
    """Import the guarded modules of one library that it has."""
    from importlib.util import find_spec

    if find_spec(name) is None:
        return {"installed": False, "version": None, "modules": {}}
    modules: dict[str, dict[str, Any]] = {}
    for module in sorted(module for module in _finder.HOOKS if module.partition(".")[0] == name):
        try:
            __import__(module)
        except ModuleNotFoundError as error:
            # A part of it, or a library that only another one brings, is not here; nothing can be loaded with it.
            foreign = error.name is not None and error.name.partition(".")[0] != name
            modules[module] = {"choke_points": [], "problem": None if foreign else _said(error), "needs": error.name}
        except Exception as error:  # noqa: BLE001 - a library that cannot be imported cannot load a model either
            modules[module] = {"choke_points": [], "problem": _said(error)}
        else:
            modules[module] = {"choke_points": list(_finder.choke_points().get(module, ())), "problem": None}
    for module, state in modules.items():
        if not state["choke_points"] and "needs" not in state and not state["problem"]:
            state["problem"] = _missing(module, modules)
    return {"installed": True, "version": _version(name), "modules": modules}


def _missing(module: str, modules: dict[str, dict[str, Any]]) -> str | None:
    """Say that nothing in a module is guarded, unless its hook found what it guards in another one in this version."""
    hook = _finder.HOOKS[module]
    if any(state["choke_points"] for other, state in modules.items() if _finder.HOOKS[other] == hook):
        return None
    return "it was imported, but nothing in it is guarded"


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    if name in _STANDARD_LIBRARY:
        return None
    try:
        return version(name)
    except PackageNotFoundError:
        found = getattr(sys.modules.get(name), "__version__", None)
        return found if isinstance(found, str) else None


def _activation() -> list[str]:
    """Return every start-up file and variable that switches the guard on in an interpreter like this one."""
    found = _there(_site.PTH, _site.START)
    bootstrap = os.path.join(os.path.dirname(os.path.abspath(runtime.__file__)), "bootstrap")
    paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if bootstrap in paths:
        found.append(f"PYTHONPATH={bootstrap}")
    site = getattr(sys.modules.get("sitecustomize"), "__file__", None)
    if site and os.path.dirname(os.path.abspath(site)) != bootstrap and _mentions_weighlock(site):
        found.append(os.path.abspath(site))
    return found


def _there(*names: str) -> list[str]:
    folder = sysconfig.get_path("purelib")
    return [path for name in names if os.path.isfile(path := os.path.join(folder, name))]


def _mentions_weighlock(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "weighlock" in file.read()
    except OSError:
        return False


def _said(error: BaseException) -> str:
    return str(error) if type(error).__module__ == "weighlock.errors" else f"{type(error).__name__}: {error}"
