"""Write `src/weighlock/allowlist/keras.txt`: the objects of Keras that only compute, by their exact names.

Run as ``python tools/build_keras_objects.py`` in an environment with the libraries of the tests. A name ends with
``()`` where it is a function. What calls, imports, reads or writes what a configuration says is no part of the list.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ["KERAS_BACKEND"] = "torch"

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src" / "weighlock" / "allowlist" / "keras.txt"

#: They run code of the configuration, load another file, or call what they are given.
REFUSED = frozenset(
    "FlaxLayer JaxLayer Lambda TFSMLayer TorchModuleWrapper ApplyAlongAxis AssociativeScan Cond CustomGradient "
    "ForiLoop JVP jvp Map Scan Switch Vectorize VectorizedMap WhileLoop apply_along_axis associative_scan cond "
    "custom_gradient fori_loop map scan switch vectorize vectorized_map while_loop deserialize get serialize".split()
)

#: Modules of the public interface whose classes stand in configurations of models, and those of functions that do.
_CLASSES = (
    "keras keras.constraints keras.dtype_policies keras.initializers keras.layers keras.losses keras.metrics "
    "keras.mixed_precision keras.models keras.optimizers keras.optimizers.legacy keras.optimizers.schedules "
    "keras.random keras.regularizers".split()
)
_FUNCTIONS = ("keras.activations", "keras.losses", "keras.metrics", "keras.ops", "keras.ops.nn", "keras.ops.numpy")

#: Where releases before 3 kept the same classes, beside their public names.
_MOVED = (
    "keras.engine.functional.Functional",
    "keras.engine.sequential.Sequential",
    "keras.engine.training.Model",
    "keras.src.engine.functional.Functional",
    "keras.src.engine.sequential.Sequential",
    "keras.src.engine.training.Model",
    *(f"keras.optimizers.legacy.{name}" for name in "Adadelta Adagrad Adam Adamax Ftrl Nadam RMSprop SGD".split()),
)


def objects() -> set[str]:
    """Return the list."""
    kinds = _kinds()
    found = {
        *_MOVED,
        *_inside("ops", kinds[:1]),
        *_inside("backend.torch.optimizers", kinds),
        *_inside("models", kinds),
    }
    for module in {*_CLASSES, *_FUNCTIONS}:
        for name, value in vars(importlib.import_module(module)).items():
            home = f"{getattr(value, '__module__', '')}.{getattr(value, '__name__', '')}"
            if name.startswith("_") or name in REFUSED or not home.startswith("keras."):
                continue
            if inspect.isclass(value) and issubclass(value, kinds) and module in _CLASSES:
                found |= {f"{module}.{name}", home}
            elif inspect.isfunction(value) and module in _FUNCTIONS:
                found |= {f"{module}.{name}()", f"{home}()"}
    return found


def _inside(package: str, kinds: tuple[type, ...]) -> Iterator[str]:
    """Return the classes of a package that configurations name by their own modules."""
    namespace = importlib.import_module(f"keras.src.{package}")
    for found in pkgutil.iter_modules(namespace.__path__, f"{namespace.__name__}."):
        if found.name.endswith("_test"):
            continue
        for name, value in vars(importlib.import_module(found.name)).items():
            own = inspect.isclass(value) and issubclass(value, kinds) and value.__module__ == found.name
            if own and name not in REFUSED and not name.startswith("_"):
                yield f"{found.name}.{name}"


def _kinds() -> tuple[type, ...]:
    import keras
    from keras.src.ops.operation import Operation

    return (
        Operation,
        keras.Initializer,
        keras.Loss,
        keras.Metric,
        keras.Optimizer,
        keras.Regularizer,
        keras.constraints.Constraint,
        keras.dtype_policies.DTypePolicy,
        keras.dtype_policies.DTypePolicyMap,
        keras.optimizers.schedules.LearningRateSchedule,
        keras.random.SeedGenerator,
    )


def text() -> str:
    """Return what the file holds."""
    head = "# Objects of Keras that only compute; written by tools/build_keras_objects.py.\n"
    return head + "".join(f"{name}\n" for name in sorted(objects()))


def main() -> int:
    """Write the file."""
    TARGET.write_text(text(), encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: {len(objects())} names")
    return 0


if __name__ == "__main__":
    sys.exit(main())
