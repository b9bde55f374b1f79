"""Guards `onnxruntime.InferenceSession`.

## Covers

- `onnxruntime.InferenceSession` of a path or of bytes. A model that holds all of its tensors is opened once, judged,
  and handed on as the judged bytes, also when a session is made again for other providers.
- A model with external data, and each of its files, is judged; they are the same files before and after the session is
  made, or it is refused. Places outside of its folder are refused.
- `SessionOptions.register_custom_ops_library`: native code needs a lock entry, whatever the policy says of other files.

## Does not cover

- onnxruntime opens a model with external data by name. Whoever can exchange files in that folder and back again while
  the session is made is not noticed: keep such a folder read-only.
- Sessions that are made of `onnxruntime.capi.onnxruntime_pybind11_state.InferenceSession` itself, libraries of
  execution providers, `onnxruntime.AdapterFormat.read_adapter` and `onnxruntime.ModelCompiler` read files in C++.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from weighlock.runtime import _admit, _gate, _loads
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "onnxruntime.InferenceSession"
_EXTERNAL = "external data of onnxruntime"
_OPERATORS = "onnxruntime custom operators"
_IN_MEMORY = "bytes in memory, as model.onnx"  # the name lets the inspector read it as a model in any case
_FOLDER = "session.model_external_initializers_file_folder_path"


def patch(module: ModuleType, patches: Patches) -> None:
    """Make every session judge first.

    Raises:
        LookupError: This onnxruntime has no such class, or one that works in another way.
    """
    session = module.InferenceSession
    if not hasattr(session, "_create_inference_session"):
        raise missing(session, "_create_inference_session")
    patches.answer(session, "_create_inference_session", _create)
    options = module.C.SessionOptions
    register = patches.replace(options, "register_custom_ops_library", _forward(options))
    _registers[options] = register


_registers: dict[Any, Callable[..., Any]] = {}


def _forward(options: Any) -> Callable[..., Any]:
    """Return the method that judges a library before it is loaded."""

    def register_custom_ops_library(self: Any, path: Any) -> Any:
        if not _gate.judging():
            return _registers[options](self, path)
        with _admit.admit_path(path, _OPERATORS) as loading:
            if loading.admission.digest is None and not loading.admission.anything:
                _gate.refuse(loading.label, "it is native code, which must be in the lockfile")
            _loads.require_same_file(loading, path)
            done = _registers[options](self, os.fspath(path))
            _loads.require_same_file(loading, path)
            return done

    return register_custom_ops_library


def _create(original: Callable[..., Any], self: Any, *args: Any, **options: Any) -> Any:
    """Judge what a session is about to be made of, each time that it is made."""
    if not _gate.judging():
        return original(self, *args, **options)
    with ExitStack() as stack:
        if self._model_path:
            same = _judge_path(self, stack)
        else:
            stack.enter_context(_admit.admit_bytes(self._model_bytes, _IN_MEMORY, _LOADER))
            folder = os.fspath(_configured_folder(self)) or os.getcwd()
            same = _judge_external(self._model_bytes, _IN_MEMORY, folder, stack)
        made = original(self, *args, **options)
        for loading, path in same:
            _loads.require_same_file(loading, path)
        return made


def _judge_path(session: Any, stack: ExitStack) -> list[tuple[_loads.Loading, str]]:
    path = session._model_path  # noqa: SLF001 - there is no other way to the model of a session
    loading = stack.enter_context(_admit.admit_path(path, _LOADER))
    descriptor: int = loading.descriptor  # type: ignore[assignment] # it is a file
    if os.fsdecode(path).endswith(".ort"):
        _loads.require_same_file(loading, path)
        return [(loading, path)]
    folder = _configured_folder(session) or os.path.dirname(os.fsdecode(path))
    same = _judge_external(descriptor, loading.label, folder, stack)
    if same:
        _loads.require_same_file(loading, path)
        return [(loading, path), *same]
    with open(loading.path, "rb") as judged:
        session._model_bytes = judged.read()  # noqa: SLF001
    session._model_path = None  # noqa: SLF001
    return []


def _judge_external(model: int | bytes, label: str, folder: str, stack: ExitStack) -> list[tuple[_loads.Loading, str]]:
    """Admit each file with external data, and return them with the names by which onnxruntime opens them."""
    inside, outside = _admit.external_files(model, label)
    if outside:
        _gate.refuse(label, f"it has tensors in {outside[0]!r}, which is no file inside of its folder")
    files = []
    for location in inside:
        path = os.path.join(folder, location)
        loading = stack.enter_context(_admit.admit_path(path, _EXTERNAL))
        _loads.require_same_file(loading, path)
        files.append((loading, path))
    return files


def _configured_folder(session: Any) -> str:
    """Return the folder that the program names for external data, empty if it names none."""
    options = session._sess_options  # noqa: SLF001 - there is no other way to the options of a session
    if options is None:
        return ""
    try:
        return str(options.get_session_config_entry(_FOLDER))
    except RuntimeError:  # there is no such entry
        return ""
