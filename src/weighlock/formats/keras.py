"""Keras configurations: the JSON in which Keras writes down which objects a model is made of.

A serialized object is a mapping with ``class_name``, at any depth and under any key. What loading does with it depends
on its ``module``, its ``registered_name`` and its ``config``; objects of releases before 2.13 have no ``module``.
"""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError, OverBudgetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import Budget, Source

LARGEST = 128 << 20
"""Bytes of a configuration; vocabularies of preprocessing layers stand in it."""

LEGACY = object()
"""The module of an object that has none, as in releases before 2.13; a module that is null is something else."""

_CODE = "__lambda__"
_TORCH = "TorchModuleWrapper"
_VALUES = frozenset(
    "__keras_tensor__ __tensor__ __numpy__ __bytes__ __ellipsis__ __slice__ __tuple__ TensorShape "
    "CompositeTensor".split()
)
_TYPES = frozenset({"__typespec__", "TypeSpec"})
_FILES = ("vocabulary", "filepath")


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasObject:
    """A class or function that loading looks up.

    Args:
        kind: ``class``, ``function`` or ``type``.
        module: Where it says that it comes from, ``None`` where it comes from nowhere, or `LEGACY`.
        name: Its name there.
        registered: The name that it is registered by, if it says one.
    """

    kind: str
    module: object
    name: str
    registered: str | None = None


@dataclass(slots=True, kw_only=True)
class KerasConfig:
    """What a configuration asks for.

    Args:
        objects: Every class and function, each once.
        code: Marshalled Python code is in it.
        files: Names of files and addresses that objects would read.
        pickles: Pickles that objects hold.
        oddities: What no writer of Keras writes, one sentence each.
    """

    objects: dict[KerasObject, None] = field(default_factory=dict)
    code: bool = False
    files: set[str] = field(default_factory=set)
    pickles: list[bytes] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)


class _Object(dict[str, Any]):
    """A mapping of JSON that remembers whether it had a name twice."""

    repeats = False


def read(source: Source) -> bytes:
    """Return all bytes of a configuration.

    Raises:
        OverBudgetError: They are too many.
    """
    data = source.head(LARGEST + 1)
    if len(data) > LARGEST:
        raise OverBudgetError("a configuration of Keras is larger than 128 MiB")
    return data


def mentions_objects(data: bytes) -> bool:
    """Tell whether JSON could hold a serialized object, in any encoding and with any escapes."""
    plain = data.replace(b"\0", b"") if b"\0" in data[:4] else data
    return b"class_name" in plain or b"\\u00" in plain


def decode(data: bytes | str) -> Any:
    """Read JSON as Keras reads it.

    Raises:
        FormatError: It is not JSON.
        OverBudgetError: It is nested too deeply.

    Source:
        ``json.loads``, which Keras calls on the bytes: UTF-8, UTF-16 and UTF-32 by their first bytes.
    """
    try:
        return json.loads(data, object_pairs_hook=_mapping)
    except RecursionError as error:
        raise OverBudgetError("a configuration of Keras is nested too deeply") from error
    except (ValueError, LookupError) as error:
        raise FormatError(f"the configuration is not JSON: {error}") from error


def is_model(value: Any) -> bool:
    """Tell whether JSON of unknown purpose is a configuration of Keras."""
    if _is_object(value):
        return True
    return any(
        _is_object(each) and ("module" in each or "registered_name" in each or each["class_name"].startswith("__"))
        for each in _mappings(value)
    )


def parse(value: Any, budget: Budget) -> KerasConfig:
    """Gather everything that loading a configuration would look up, wherever it stands.

    Args:
        value: From `decode`.
        budget: Pays for every mapping and every list.

    Raises:
        OverBudgetError: There are more of them than it allows.

    Source:
        ``keras/src/saving/serialization_lib.py`` of Keras 3.15, ``deserialize_keras_object``; for HDF5 files
        ``keras/src/legacy/saving/serialization.py`` and ``json_utils.py``.
    """
    config = KerasConfig()
    for mapping in _mappings(value, budget):
        if mapping.repeats:
            config.oddities.append("a name is repeated in a mapping, and readers differ about which one counts")
        if "class_name" in mapping:
            _object(mapping, config)
        config.files.update(name for key in _FILES for name in [mapping.get(key)] if isinstance(name, str) and name)
    config.oddities[:] = dict.fromkeys(config.oddities)
    return config


def _object(mapping: _Object, config: KerasConfig) -> None:
    name, inner = mapping["class_name"], mapping.get("config")
    if not isinstance(name, str):
        config.oddities.append("a class_name is not a text")
        return
    if name in _VALUES:
        return
    if name == _CODE:
        config.code = True
        return
    kind = "class"
    if name in _TYPES:
        kind, name = "type", mapping.get("spec_name", mapping.get("type_spec"))
    elif name == "function":
        kind, name = "function", inner if isinstance(inner, str) else mapping.get("registered_name")
    elif name == "Lambda" and _has_code(inner):
        config.code = True
    elif name == _TORCH:
        _pickle(inner, config)
    module, registered = mapping.get("module", LEGACY), mapping.get("registered_name")
    if not isinstance(name, str) or not (module is None or module is LEGACY or isinstance(module, str)):
        config.oddities.append(f"a serialized {kind} does not say its name and its module")
        return
    if registered is not None and not isinstance(registered, str):
        config.oddities.append("a registered_name is not a text")
        return
    if kind == "function" and registered == "function":
        registered = None  # the name of its type, which is how Keras writes functions of its own
    config.objects[KerasObject(kind=kind, module=module, name=name, registered=registered)] = None


def _has_code(inner: object) -> bool:
    """Tell whether a Lambda layer of releases before 3 holds code: a list with it, or a type that says so."""
    if not isinstance(inner, dict):
        return False
    return isinstance(inner.get("function"), list) or "lambda" in {
        inner.get("function_type"),
        inner.get("output_shape_type"),
        inner.get("mask_type"),
    }


def _pickle(inner: object, config: KerasConfig) -> None:
    module = inner.get("module") if isinstance(inner, dict) else None
    if not isinstance(module, str):
        return
    try:
        config.pickles.append(b64decode(module.encode("ascii")))
    except (Base64Error, UnicodeError):
        config.oddities.append("the module of a TorchModuleWrapper is not base64")


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("class_name"), str) and "config" in value


def _mappings(value: Any, budget: Budget | None = None) -> Iterator[_Object]:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, _Object):
            pending.extend(each.values())
            yield each
        elif isinstance(each, list):
            pending.extend(item for item in each if isinstance(item, list | dict))
        else:
            continue
        if budget:
            budget.spend("opcodes", 1 + len(each))


def _mapping(pairs: list[tuple[str, Any]]) -> _Object:
    mapping = _Object(pairs)
    mapping.repeats = len(mapping) != len(pairs)
    return mapping
