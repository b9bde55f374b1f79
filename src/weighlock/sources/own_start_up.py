"""Start-up files that weighlock itself wrote into an environment: known by their whole text, never by their names.

What they record (where weighlock lies, mode, lockfile, policy) is read out of them, without running anything, and the
files are written anew from that in memory: what differs by one character, or starts another weighlock than one that is
here, is nobody's.
"""

from __future__ import annotations

import ast
import os
import sys
from typing import TYPE_CHECKING, Any

import weighlock
from weighlock.runtime import _pip_site, _site
from weighlock.sources.stray_files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LARGEST = 1 << 20
_BEFORE_PTH = "or delete "


def own_files(folder: str, folders: Sequence[str]) -> frozenset[str]:
    """Return the paths of those start-up files in a library folder that this weighlock writes.

    Args:
        folder: The library folder.
        folders: All library folders of its environment, in which weighlock may lie.
    """
    here = os.path.dirname(os.path.dirname(os.path.abspath(weighlock.__file__)))
    allowed = {os.path.realpath(place) for place in (here, *folders)}
    found: set[str] = set()
    for expected in (_guard(folder, allowed), _shim(folder, allowed)):
        if expected and all(_text(path) in {text, None} for path, text in expected.items()):
            found |= {os.path.join(folder, os.path.basename(path)) for path in expected}
    return frozenset(found)


def _guard(folder: str, allowed: set[str]) -> dict[str, str]:
    calls = _calls(_text(os.path.join(folder, _site.MODULE)))
    code = [call.args[0].value for name, call in calls if name == "exec" and isinstance(call.args[0], ast.Constant)]
    if len(code) != 1 or not isinstance(code[0], str):
        return {}
    told: dict[str, Any] = {}
    for name, call in _calls(code[0]):
        if name == "insert":
            told["location"] = _value(call.args[1])
        elif name == "start":
            told |= {word.arg or "": _value(word.value) for word in call.keywords}
    hint = next((one for one in _texts(code[0]) if _BEFORE_PTH in one), None)
    if set(told) != {"location", "mode", "lock", "policy"} or not _is_one_of(told["location"], allowed) or not hint:
        return {}
    place = os.path.dirname(hint.rpartition(_BEFORE_PTH)[2])
    return _site.start_up_files(place, **told) if _is_same(place, folder) else {}


def _shim(folder: str, allowed: set[str]) -> dict[str, str]:
    calls = [call for name, call in _calls(_text(os.path.join(folder, _pip_site.MODULE))) if name == "start"]
    values = [_value(word) for word in calls[-1].args] if calls else []
    if len(values) != 3 or not all(isinstance(value, str) for value in values):
        return {}
    python, location, hint = values
    # It hands every installation to that interpreter.
    if not _is_same(python, sys.executable) or not _is_one_of(location, allowed):
        return {}
    place = os.path.dirname(hint.rpartition(_BEFORE_PTH)[2])
    return _pip_site.start_up_files(place, python, location) if _is_same(place, folder) else {}


def _text(path: str) -> str | None:
    try:
        return read_file(path, _LARGEST).decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return ""


def _calls(text: str | None) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Call) and (node.args or node.keywords):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            yield name, node


def _texts(text: str) -> Iterator[str]:
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _tree(text: str | None) -> ast.Module:
    try:
        return ast.parse(text or "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])


def _value(node: ast.expr) -> Any:
    return node.value if isinstance(node, ast.Constant) else ast.dump(node)


def _is_one_of(place: Any, allowed: set[str]) -> bool:
    return isinstance(place, str) and os.path.realpath(place) in allowed


def _is_same(place: str, other: str) -> bool:
    return os.path.realpath(place) == os.path.realpath(other)
