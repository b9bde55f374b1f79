"""Guards the interpreter of TFLite, in TensorFlow and in the packages ``ai_edge_litert`` and ``tflite_runtime``.

## Covers

- `tf.lite.Interpreter` and its like, with ``model_path`` and with ``model_content``. The file is opened once, judged,
  and loaded from that same open file.

## Does not cover

- Delegates and custom ops that the program brings: native code that it asks for.
- A file that is rewritten in place while the interpreter uses it: a memory map shows the new bytes.
- Interpreters outside of Python, and those that other libraries make in C++ (MediaPipe, TFLite Task Library).
- On Windows files are refused, since the judged file cannot be opened again there.
"""

from __future__ import annotations

from weighlock.runtime import _admit, _gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "tf.lite.Interpreter"


def patch(module: ModuleType, patches: Patches) -> None:
    """Make the interpreter judge first.

    Raises:
        LookupError: There is no such class, or it works in another way.
    """
    patches.answer(module.Interpreter, "__init__", _init)


def _init(
    original: Callable[..., Any],
    self: Any,
    model_path: Any = None,
    model_content: Any = None,
    *args: Any,
    **kwargs: Any,
) -> None:
    """Stand in for the constructor of `Interpreter`."""
    if not _gate.judging() or not (model_path or model_content):
        original(self, model_path, model_content, *args, **kwargs)
    elif model_path:
        with _admit.admit_path(model_path, _LOADER) as loading:
            original(self, loading.path, model_content, *args, **kwargs)
    else:
        data = bytes(model_content)
        with _admit.admit_bytes(data, "bytes in memory", _LOADER):
            original(self, None, data, *args, **kwargs)
