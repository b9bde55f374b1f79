"""Configurations of models: which code they tell a library to import, beside the library's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.formats.json_text import JsonObject

if TYPE_CHECKING:
    from collections.abc import Iterator

_OTHER = "--"

# Libraries whose classes a model_index.json names as a matter of course; the third is a folder of the first.
_DIFFUSERS = frozenset({"diffusers", "transformers", "stable_diffusion"})

_LIBRARIES = ("transformers.", "diffusers.", "sentence_transformers.", "peft.", "timm.")

_MEGATRON = "megatron.core"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReferences:
    """What a configuration refers to, each sorted.

    Args:
        own: Classes in Python files of the same repository, or in a package of that name.
        repositories: Other repositories whose code is run.
        packages: Modules of whatever installed package that are imported.
        bases: Other repositories whose weights are loaded, at no revision.
    """

    own: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()


def references(value: object) -> CodeReferences:
    """Return what a parsed configuration refers to.

    Args:
        value: What `weighlock.formats.json_text.parse` returned.

    Source:
        transformers: `dynamic_module_utils.get_class_from_dynamic_module`, `pipelines.check_task`; diffusers:
        `pipelines.pipeline_utils` on ``model_index.json``; sentence-transformers: `base.model` on ``modules.json``;
        peft: `auto.py` and `config.py` on ``adapter_config.json``.
    """
    found: dict[str, set[str]] = {"own": set(), "repositories": set(), "packages": set(), "bases": set()}
    for kind, name in _found(value):
        found[kind].add(name)
    return CodeReferences(**{kind: tuple(sorted(names)) for kind, names in found.items()})


def _found(value: object) -> Iterator[tuple[str, str]]:
    for item in _objects(value):
        for auto_map in item.every("auto_map"):
            yield from map(_reference, _texts(auto_map))
        for pipelines in item.every("custom_pipelines"):
            yield from _custom_pipelines(pipelines)
    if isinstance(value, JsonObject):
        yield from _adapter(value)
        if value.every("_diffusers_version"):
            yield from _pipeline(value)
    elif isinstance(value, list):
        yield from _modules(value)


def _objects(value: object) -> Iterator[JsonObject]:
    """Yield every object in a value; parsing limited the depth already."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, JsonObject):
            yield item
            waiting += [inner for _, inner in item]
        elif isinstance(item, list):
            waiting += item


def _texts(value: object) -> Iterator[str]:
    """Yield every text in an ``auto_map``: a class, or a list of classes, for each name."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, JsonObject):
            waiting += [inner for _, inner in item]
        elif isinstance(item, list):
            waiting += item


def _reference(name: str) -> tuple[str, str]:
    repository, other, _ = name.partition(_OTHER)
    return ("repositories", repository) if other else ("own", name)


def _custom_pipelines(value: object) -> Iterator[tuple[str, str]]:
    for item in _objects(value):
        yield from (_reference(name) for name in item.every("impl") if isinstance(name, str))


def _modules(value: list[object]) -> Iterator[tuple[str, str]]:
    """Yield the classes in a ``modules.json``."""
    for item in value:
        if not isinstance(item, JsonObject) or not item.every("path") or not item.every("idx"):
            continue
        for name in item.every("type"):
            if isinstance(name, str) and "." in name and not name.startswith("sentence_transformers."):
                yield "own", name


def _pipeline(value: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield the classes in a ``model_index.json``: pairs of a module and a class."""
    for key, item in value:
        if isinstance(item, JsonObject) or not isinstance(item, list) or len(item) != len(("module", "class")):
            continue
        module, name = item
        custom = key == "_class_name" or not key.startswith("_")
        if custom and isinstance(module, str) and isinstance(name, str) and module not in _DIFFUSERS:
            yield "own", f"{module}.{name}"


def _adapter(value: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield what an ``adapter_config.json`` names."""
    if not value.every("peft_type"):
        return
    for mapping in value.every("auto_mapping"):
        libraries = mapping.every("parent_library") if isinstance(mapping, JsonObject) else ()
        for library in libraries:
            if isinstance(library, str) and not f"{library}.".startswith(_LIBRARIES):
                yield "packages", library
    for module in value.every("megatron_core"):
        if isinstance(module, str) and module != _MEGATRON:
            yield "packages", module
    if not any(isinstance(revision, str) for revision in value.every("revision")):
        for base in value.every("base_model_name_or_path"):
            if isinstance(base, str) and base and not base.startswith((".", "/", "~")):
                yield "bases", base
