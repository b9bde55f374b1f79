"""Guards what torch loads in C++: TorchScript, mobile models, AOTInductor.

## Covers

- `torch.jit.load`, also where `torch.load` hands a TorchScript archive on to it,
  `torch.jit.jit_module_from_flatbuffer`, the loaders of the lite interpreter, TorchScript inside of packages, and
  objects of C++ classes in exported programs.
- `torch._inductor.aoti_load_package`, `torch.export` archives with native code, `torch._export.aot_load`, the runner
  of exported programs that needs no Python.
- All of them end in functions of ``torch._C``, which are replaced right after that module was executed, and in every
  module that bound them earlier. Files are opened once, judged, and loaded from that same open file; bytes are judged
  and loaded as they are.
- A program needs the approval of exactly that: ``torch.jit:code``, ``aoti:native-code``, ``torch.export:program``. A
  bare shared library has to be in the lockfile, whatever the policy says of files that are not.

## Does not cover

- What an approved program does. TorchScript can open files by operators of torch, native code can do anything.
- Libraries of the program's own choosing: `torch.ops.load_library`, `torch.classes.load_library`,
  `torch.utils.cpp_extension.load`, `ctypes`. They are code like the program's own, no model names them, and a guard of
  models that refused them would refuse the operators of torchvision as well.
- References to the functions of ``torch._C`` that sit in containers or closures since before the guard started.
- The runtime of ExecuTorch; `weighlock scan` and `weighlock lock` judge its programs.
- Readers that only describe a file, such as `torch.jit.mobile._get_model_ops_and_info`.
- On Windows files are refused, since the judged file cannot be opened again there.
"""

from __future__ import annotations

from weighlock.runtime import _admit, _capabilities, _gate, _loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_CODE, _NATIVE, _PROGRAM = "torch.jit:code", "aoti:native-code", "torch.export:program"

POINTS = ("import_ir_module", "import_ir_module_from_buffer")
"""What every torch since 2.0 has; without one of them the import of torch fails."""

# Where the file, or the bytes, stand among the arguments; none of these functions takes any by name.
_FILES = {
    "import_ir_module": ("torch.jit.load", 1),
    "_load_for_lite_interpreter": ("torch.jit._load_for_lite_interpreter", 0),
    "_load_jit_module_from_file": ("torch.jit.jit_module_from_flatbuffer", 0),
    "_load_mobile_module_from_file": ("torch.jit.mobile", 0),
}
_BYTES = {
    "import_ir_module_from_buffer": ("torch.jit.load", 1),
    "_load_for_lite_interpreter_from_buffer": ("torch.jit._load_for_lite_interpreter", 0),
    "_load_jit_module_from_bytes": ("torch.jit.jit_module_from_flatbuffer", 0),
    "_load_mobile_module_from_bytes": ("torch.jit.mobile", 0),
    "_pickle_load_obj": ("torch.export.load", 0),
}
_FROM_PACKAGE = "_import_ir_module_from_package"

# Submodules of torch._C -> types in them, which take a path first -> the capability they stand for.
_TYPES: dict[str, dict[str, str | None]] = {
    "_aoti": {
        "AOTIModelPackageLoader": _NATIVE,
        "AOTIModelContainerRunnerCpu": None,
        "AOTIModelContainerRunnerCuda": None,
        "AOTIModelContainerRunnerMps": None,
        "AOTIModelContainerRunnerXpu": None,
    },
    "_nativert": {"PyModelRunner": _PROGRAM},
}


def patch(module: ModuleType, patches: Patches) -> None:
    """Replace the functions and types of ``torch._C`` that load programs.

    Raises:
        LookupError: This torch has no TorchScript loader of that name.
    """
    pairs = []
    for name in (*_FILES, *_BYTES, _FROM_PACKAGE):
        # Those beyond POINTS came and went with versions; the functions that call them went with them.
        if name in POINTS or hasattr(module, name):
            original = getattr(module, name, None)
            guarded = _guarded(name, original)
            pairs.append((patches.replace(module, name, guarded), guarded))
    for submodule, types in _TYPES.items():
        owner = getattr(module, submodule, None)
        for name, capability in types.items():
            original = getattr(owner, name, None)
            if original is not None:
                guarded = _guarded_type(original, capability)
                pairs.append((patches.replace(owner, name, guarded), guarded))
    patches.rebind_all(pairs)


def _guarded(name: str, original: Any) -> Callable[..., Any]:
    if name == _FROM_PACKAGE:
        return _from_package(original)
    loader, position = _FILES.get(name) or _BYTES[name]
    admitted = _from_file if name in _FILES else _from_bytes

    def load(*args: Any) -> Any:
        if not _gate.judging() or len(args) <= position:
            return original(*args)
        return admitted(original, loader, args, position)

    load.__name__ = load.__qualname__ = name
    load.__doc__ = getattr(original, "__doc__", None)
    return load


def _from_file(original: Callable[..., Any], loader: str, args: tuple[Any, ...], position: int) -> Any:
    with _admit.admit_path(args[position], loader) as loading:
        _capabilities.require_approved(loading, _CODE, loader)
        return original(*args[:position], loading.path, *args[position + 1 :])


def _from_bytes(original: Callable[..., Any], loader: str, args: tuple[Any, ...], position: int) -> Any:
    data = args[position]
    data = data.encode() if isinstance(data, str) else bytes(memoryview(data))
    with _admit.admit_bytes(data, "bytes in memory", loader) as loading:
        if original.__name__ != "_pickle_load_obj":
            _capabilities.require_approved(loading, _CODE, loader)
        return original(*args[:position], data, *args[position + 1 :])


def _from_package(original: Callable[..., Any]) -> Callable[..., Any]:
    def load(*args: Any) -> Any:
        if _gate.judging():
            loads = _loads.stack()
            if not loads:
                _gate.refuse("a package", "only a package that was opened under the guard can be judged")
            _capabilities.require_approved(loads[-1], _CODE, "torch.package")
        return original(*args)

    return load


def _guarded_type(original: Any, capability: str | None) -> Any:
    class Guarded(type):
        """Makes the constructor judge first, and keeps ``isinstance`` and attributes of the type as they were."""

        def __call__(cls, path: Any, *args: Any, **kwargs: Any) -> Any:
            if not _gate.judging():
                return original(path, *args, **kwargs)
            if isinstance(path, bytearray):  # C++ takes it for text, too
                path = bytes(path)
            loader = f"{original.__module__}.{original.__name__}"
            with _admit.admit_path(path, loader) as loading:
                if capability is None:
                    _capabilities.require_locked(loading, loader)
                else:
                    _capabilities.require_approved(loading, capability, loader)
                return original(loading.path, *args, **kwargs)

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, original)

        def __getattr__(cls, name: str) -> Any:
            return getattr(original, name)

    namespace = {"__doc__": original.__doc__, "__module__": original.__module__, "__slots__": ()}
    return Guarded(original.__name__, (), namespace)
