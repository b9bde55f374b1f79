"""What a configuration of Keras may ask for without anyone's approval: Keras' own objects that only compute."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from weighlock.allowlist.dangerous import is_dangerous
from weighlock.formats.keras import LEGACY

if TYPE_CHECKING:
    from weighlock.formats.keras import KerasConfig, KerasObject

CODE = "keras:Lambda"
"""Needed by whatever runs Python code of the file: Lambda layers and bare lambdas."""

_OWN = {"Lambda": CODE, "TFSMLayer": "keras:TFSMLayer", "TorchModuleWrapper": "keras:TorchModuleWrapper"}
_FILE = os.path.join(os.path.dirname(__file__), "keras.txt")

# keras/src/saving/serialization_lib.py, BUILTIN_MODULES: where functions without a module of their own are looked up.
_BUILTIN = ("activations", "constraints", "initializers", "losses", "metrics", "optimizers", "regularizers")

# The same file's NON_MODELING_APIS, and functions of Keras that load, fetch, run or switch off a safeguard.
_HARMFUL_FUNCTIONS = frozenset(
    "audio_dataset_from_directory clear_session clone_model deserialize deserialize_keras_object "
    "enable_unsafe_deserialization func_load get_file image_dataset_from_directory load_img load_model load_weights "
    "model_from_json model_from_config save_img save_model save_weights text_dataset_from_directory".split()
)
# Keras 2 registered its own optimizers without a package, which gave them the default one.
_REGISTERED = "Custom>"
_PACKAGES = frozenset({"keras", "keras_core", "keras_cv", "keras_hub", "keras_nlp", "tensorflow", "tf_keras"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasNeeds:
    """What loading a configuration does beyond making Keras' own objects.

    Args:
        objects: Names of classes and functions that need an approval.
        harmful: Those among them that no honest model asks for.
        code: Python code of the file is run.
        files: Files and addresses that are read.
    """

    objects: tuple[str, ...]
    harmful: tuple[str, ...]
    code: bool
    files: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All names that need an approval."""
        code = (CODE,) if self.code else ()
        return tuple(sorted({*self.objects, *code, *(f"keras:file {name}" for name in self.files)}))


def examine(config: KerasConfig) -> KerasNeeds:
    """Compare a configuration with the allowlist."""
    objects: set[str] = set()
    harmful: set[str] = set()
    for item in config.objects:
        names = needs(item)
        objects.update(names)
        if is_harmful(item):
            harmful.update(names)
    return KerasNeeds(
        objects=tuple(sorted(objects)),
        harmful=tuple(sorted(harmful)),
        code=config.code,
        files=tuple(sorted(config.files)),
    )


@cache
def _listed() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return full names, last parts of the names of classes, and functions that need no module."""
    with open(_FILE, encoding="utf-8") as file:
        names = frozenset(line.strip() for line in file if line[0] != "#")
    classes = frozenset(name.rpartition(".")[2] for name in names if not name.endswith("()"))
    functions = {name.removesuffix("()").rpartition(".")[2] for name in names if _is_builtin(name)}
    return names, classes, frozenset(functions)


def _is_builtin(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "keras" and len(parts) == 3 and parts[1] in _BUILTIN


def needs(item: KerasObject) -> tuple[str, ...]:
    """Return the exact names that a person has to approve before an object may be made, none for plain objects."""
    if item.kind == "class" and item.name in _OWN:
        return (_OWN[item.name],)
    found = [f"keras:{item.registered}"] if item.registered not in {None, "", item.name} else []
    if not _is_plain(item) and not (found and ">" in found[0]):
        module = item.module if isinstance(item.module, str) and item.module else None
        found.append(f"keras:{module}.{item.name}" if module else f"keras:{item.name}")
    return tuple(found)


def is_harmful(item: KerasObject) -> bool:
    """Tell whether no honest model asks for an object: the tools of attacks that were published."""
    module = item.module if isinstance(item.module, str) else ""
    if is_dangerous(f"{module}.{item.name}"):
        return True
    return module.partition(".")[0] in _PACKAGES and item.name in _HARMFUL_FUNCTIONS


def _is_plain(item: KerasObject) -> bool:
    names, classes, functions = _listed()
    if item.module is LEGACY:
        optimizer = f"keras.optimizers.{item.name.removeprefix(_REGISTERED)}"
        return item.kind == "class" and (item.name in classes or optimizer in names)
    if item.kind == "function":
        # Where the module is builtins, Keras looks through its own modules for the name.
        return f"{item.module}.{item.name}()" in names or (item.module == "builtins" and item.name in functions)
    return item.kind == "class" and f"{item.module}.{item.name}" in names
