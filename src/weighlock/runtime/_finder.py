"""Patches guarded libraries as they are imported, and watches every unpickler through an audit hook.

The finder is the first on ``sys.meta_path``. It lets the others find a guarded module and wraps the loader's
``exec_module``, so that the hook runs right after the module was executed and before anyone else can bind its
names; that is the only moment at which types of an extension module can be replaced. A hook that fails makes the
import fail: an unguarded library is worse than none.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

HOOKS: "dict[str, str | tuple[str, ...]]" = {
    "_interpreters": "interpreters",
    "_pickle": "pickle",
    "_xxsubinterpreters": "interpreters",
    "ai_edge_litert.interpreter": "tflite",
    "datasets.load": "datasets",
    "diffusers.utils.dynamic_modules_utils": "diffusers",
    "gguf.gguf_reader": "gguf",
    "huggingface_hub._snapshot_download": "huggingface_hub_repositories",
    "huggingface_hub.constants": "remote_code",
    "huggingface_hub.file_download": "huggingface_hub",
    "huggingface_hub.hf_api": "huggingface_hub_repositories",
    "huggingface_hub.hf_file_system": "huggingface_hub_files",
    "joblib.numpy_pickle": ("joblib", "joblib_dump"),
    "keras.src.legacy.saving.legacy_h5_format": ("keras", "keras_save"),
    "keras.src.saving.saving_api": "keras",
    "keras.src.saving.saving_lib": ("keras", "keras_save"),
    "keras.src.utils.python_utils": "keras",
    "mlflow.artifacts": "mlflow",
    "mlflow.tracking.artifact_utils": "mlflow",
    "mlflow.utils.conda": "mlflow",
    "mlflow.utils.model_utils": "mlflow",
    "mlflow.utils.virtualenv": "mlflow",
    "numpy.lib.npyio": "numpy_save",
    "onnx": "onnx",
    "onnx.external_data_helper": "onnx",
    "onnxruntime.capi.onnxruntime_inference_collection": "onnxruntime",
    "pickle": ("pickle", "pickle_dump"),
    "safetensors._safetensors_rust": ("safetensors", "safetensors_save"),
    "sentence_transformers.SentenceTransformer": "sentence_transformers",
    "sentence_transformers.util": "sentence_transformers",
    "skops.io._persist": "skops",
    "tensorflow.lite.python.interpreter": "tflite",
    "tensorflow.python.saved_model.load": "tensorflow",
    "tensorflow.python.saved_model.loader_impl": "tensorflow",
    "tf_keras.src.saving.legacy.save": "tf_keras",
    "tf_keras.src.saving.saving_lib": "tf_keras",
    "tflite_runtime.interpreter": "tflite",
    "torch._C": "torch_native",
    "torch.distributed.checkpoint._fsspec_filesystem": "torch_distributed",
    "torch.distributed.checkpoint.filesystem": ("torch_distributed", "torch_distributed_save"),
    "torch.export": "torch_export",
    "torch.export.pt2_archive._package": "torch_export",
    "torch.hub": "torch_hub",
    "torch.package.package_importer": "torch_package",
    "torch.serialization": ("torch", "torch_save"),
    "transformers.dynamic_module_utils": "transformers",
    "transformers.safetensors_conversion": "transformers",
}
"""Module that is patched -> hook in ``weighlock.runtime.hooks`` that patches it; or several, one after the other."""

_patched: "dict[str, tuple[ModuleType, Patches]]" = {}
_judge: "Callable[..., None] | None" = None
_judging = False
_watching = False
_opening: "Callable[[], object] | None" = None
quarantine: "Callable[[str, tuple[object, ...]], None] | None" = None
"""Asked about every audit event, once the first quarantine scope of this process was opened."""


class Finder:
    """Finds guarded modules by asking the other finders, and patches them when they are executed."""

    def find_spec(
        self, fullname: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return the spec of a guarded module with a loader that patches it, ``None`` for every other module."""
        if fullname not in HOOKS:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                _wrap(spec)
                return spec
        return None


FINDER = Finder()


def install() -> None:
    """Watch imports and unpicklers, and patch what is imported already.

    Raises:
        GuardError: A library that is imported already cannot be patched; nothing is left patched.
    """
    global _judging  # noqa: PLW0603 - an audit hook cannot be removed, so it is added once in a process
    if not _watching:
        sys.addaudithook(_watch)
        sys.audit("weighlock.started")
        if not _watching:  # an audit hook that was there before can keep others out, without an error
            raise _failure("sys", "another audit hook does not let the guard watch unpicklers")
    sys.meta_path.insert(0, FINDER)
    _judging = True
    try:
        if any(name in sys.modules for name in HOOKS):
            _patch_imported()
    except BaseException:
        uninstall()
        raise


def _patch_imported() -> None:
    from weighlock.runtime._patch import Together

    with Together():
        for name in HOOKS:
            module = sys.modules.get(name)
            if module is not None:
                _patch(module, name)


def uninstall() -> None:
    """Undo every patch and stop watching."""
    global _judging, _opening
    _judging, _opening = False, None
    if FINDER in sys.meta_path:
        sys.meta_path.remove(FINDER)
    while _patched:
        _, (_, patches) = _patched.popitem()
        patches.undo()


def patched() -> tuple[str, ...]:
    """Return the names of the modules that are patched in this process."""
    return tuple(sorted(_patched))


def choke_points() -> "dict[str, tuple[str, ...]]":
    """Return what is replaced in each patched module."""
    return {name: tuple(patches.points) for name, (_, patches) in _patched.items()}


def is_judging() -> bool:
    """Say whether the guard is in place; what it replaced may outlive it."""
    return _judging


def at_each_open(call: "Callable[[], object]") -> None:
    """Call something whenever a file is about to be opened, as long as the guard is in place."""
    global _opening  # noqa: PLW0603 - one for the process
    _opening = call


def _watch(event: str, args: tuple[object, ...]) -> None:
    handler = _HANDLERS.get(event)
    if handler is not None and _judging:
        handler(args)
    elif event == "weighlock.started":
        _note_that_it_watches()
    if quarantine is not None and _judging:
        quarantine(event, args)


def _note_that_it_watches() -> None:
    global _watching  # noqa: PLW0603 - see install
    _watching = True


def _on_find_class(args: tuple[object, ...]) -> None:
    (_judge or _import_judge())(*args)


def _on_import(args: tuple[object, ...]) -> None:
    if args[0] in HOOKS and sys.meta_path[:1] != [FINDER]:
        # Another import hook got in front and could load the module without asking the next finder. The event is
        # that of import statements; importlib.import_module has none, but what it imports has such statements.
        if FINDER in sys.meta_path:
            sys.meta_path.remove(FINDER)
        sys.meta_path.insert(0, FINDER)


def _on_open(_: tuple[object, ...]) -> None:
    if _opening is not None:
        _opening()


def _on_code(_: tuple[object, ...]) -> None:
    # Imports raise this event, too, those of the guard's own modules included; every load has imported this one.
    judge = getattr(sys.modules.get("weighlock.runtime._quarantine"), "judge_marshal", None)
    if judge is not None:
        judge()


def _on_interpreter(_: tuple[object, ...]) -> None:
    from weighlock.runtime._quarantine import judge_interpreter

    judge_interpreter()


_HANDLERS: "dict[str, Callable[[tuple[object, ...]], None]]" = {
    "cpython.PyInterpreterState_New": _on_interpreter,
    "import": _on_import,
    "marshal.load": _on_code,
    "marshal.loads": _on_code,
    "open": _on_open,
    "pickle.find_class": _on_find_class,
}


def _import_judge() -> "Callable[..., None]":
    global _judge  # noqa: PLW0603 - importing it anew at each event would cost more than judging
    from weighlock.runtime._unpickling import judge_and_resolve

    _judge = judge_and_resolve
    return judge_and_resolve


def _wrap(spec: "ModuleSpec") -> None:
    loader: Any = spec.loader
    if isinstance(loader, type) and spec.origin == "built-in":
        spec.loader = loader = _BuiltIn(loader)  # type: ignore[assignment] # it has all that a loader has
    execute = getattr(loader, "exec_module", None)
    if execute is None or isinstance(loader, type):
        raise _failure(spec.name, "its loader cannot be wrapped")
    if getattr(execute, "__module__", None) == __name__:
        return

    def exec_module(module: "ModuleType") -> None:
        if not _is_source(spec) and module.__name__ in _patched:  # its functions are the same ones after a reload
            _patched.pop(module.__name__)[1].undo()
        execute(module)
        if module.__name__ in HOOKS and _judging:
            _patch(module, module.__name__)

    loader.exec_module = exec_module  # each spec has a loader of its own


def _is_source(spec: "ModuleSpec") -> bool:
    """Say whether executing a module makes new functions, and leaves those that others took from it before."""
    return str(spec.origin).endswith((".py", ".pyc"))


class _BuiltIn:
    """A loader of one built-in module, in place of the type that loads all of them."""

    def __init__(self, loader: "Any") -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._loader, name)


def _patch(module: "ModuleType", name: str) -> None:
    from weighlock.runtime._patch import Patches

    patches = Patches()
    earlier = _patched.get(name)
    if earlier is not None:  # what was bound before a reload stays guarded
        patches.afterwards(earlier[1].undo)
    hooks = HOOKS[name]
    try:
        for hook in (hooks,) if isinstance(hooks, str) else hooks:
            __import__(f"{__package__}.hooks.{hook}")
            sys.modules[f"{__package__}.hooks.{hook}"].patch(module, patches)
    except BaseException as error:
        patches.undo()
        _patched.pop(name, None)
        if isinstance(error, Exception):
            raise _failure(name, f"{type(error).__name__}: {error}") from error
        raise
    _patched[name] = (module, patches)


def _failure(name: str, why: str) -> Exception:
    from weighlock.errors import GuardError

    root = sys.modules.get(name.partition(".")[0])
    version = getattr(root, "__version__", None)
    return GuardError(
        f"cannot guard {name}{f' {version}' if isinstance(version, str) else ''}: {why}",
        hint="install a version that `weighlock doctor` lists, or a newer weighlock",
    )
