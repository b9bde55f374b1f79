"""What the files of a model say about it: its card, its configurations, and the headers of its weights.

Each file is verified against its digest before a word of it is used. One that is not here, differs or cannot be read
is named with the reason, and says nothing.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.digests import cores
from weighlock.errors import WeighlockError
from weighlock.formats import gguf, json_text, model_card, safetensors
from weighlock.formats.architecture import Architecture, describe
from weighlock.formats.json_text import JsonObject
from weighlock.formats.source import Budget
from weighlock.gates.locked_bytes import locked_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from weighlock.formats.model_card import Card
    from weighlock.formats.source import RandomAccess
    from weighlock.lockfile import LockedFile

    _Reader = Callable[["Documents", str, RandomAccess], None]

CARD = "README.md"
_CONFIGURATIONS = ("config.json", "model_index.json", "adapter_config.json", "generation_config.json")
_TEMPLATES = frozenset({"tokenizer_config.json", "chat_template.json", "processor_config.json"})
_TEMPLATE = "chat_template"
_MOST_WEIGHTS = 64
"""Files of weights whose headers are read: each costs up to 64 MiB of hashing."""

_MOST_TEMPLATES = 20


@dataclass(slots=True)
class Documents:
    """What was read.

    Args:
        card: The model card, where it is there and could be read.
        problems: Why files could not be read, by their paths.
        configurations: What the configurations say, by their paths.
        weights: Names and values about each file of weights, by its path.
        templates: Names and SHA-256 digests of chat templates, by the file that holds them.
        parameters: How many numbers each file of weights holds, by its path.
        gguf: What the header of the first GGUF file says about the model.
    """

    card: Card | None = None
    problems: dict[str, str] = field(default_factory=dict)
    configurations: dict[str, Architecture] = field(default_factory=dict)
    weights: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    templates: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    gguf: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: Documents) -> None:
        """Add what another file says."""
        self.card = self.card or other.card
        self.gguf = self.gguf or other.gguf
        self.problems |= other.problems
        self.configurations |= other.configurations
        self.weights |= other.weights
        self.templates |= other.templates
        self.parameters |= other.parameters

    def configuration(self, name: str) -> Architecture:
        """Return what a configuration says, which may be nothing."""
        return self.configurations.get(name, Architecture())


def read_documents(files: tuple[LockedFile, ...], place: Callable[[str], Path]) -> Documents:
    """Read what the files of one model say.

    Args:
        files: With their digests.
        place: Where the file of a path lies.
    """
    found = Documents()
    with ThreadPoolExecutor(max_workers=cores()) as pool:  # most of the work is hashing, which waits for nobody
        for one in pool.map(lambda item: _read(place, *item), _wanted(files)):
            found.add(one)
    return found


def _read(place: Callable[[str], Path], file: LockedFile, read: _Reader) -> Documents:
    found = Documents()
    try:
        with locked_bytes(place(file.path), file) as source:
            read(found, file.path, source)
    except (WeighlockError, OSError) as error:
        found.problems[file.path] = getattr(error, "message", None) or str(error)
    except Exception as error:  # noqa: BLE001 - a hostile file ends its own reading, and nothing else
        found.problems[file.path] = f"reading it failed with {type(error).__name__}"
    return found


def _wanted(files: tuple[LockedFile, ...]) -> Iterator[tuple[LockedFile, _Reader]]:
    weights = 0
    for file in files:
        if file.path == CARD:
            yield file, _card
        elif file.path in _CONFIGURATIONS:
            yield file, _configuration
        elif file.path in _TEMPLATES:
            yield file, _tokenizer
        elif file.format in ("safetensors", "gguf"):
            weights += 1
            reader = _safetensors if file.format == "safetensors" else _gguf
            yield file, reader if weights <= _MOST_WEIGHTS else _too_many


def _card(found: Documents, path: str, source: RandomAccess) -> None:
    del path
    found.card = model_card.parse(source.read_at(0, min(source.size, model_card.LARGEST + 1)))


def _configuration(found: Documents, path: str, source: RandomAccess) -> None:
    found.configurations[path] = describe(json_text.parse(source, Budget()))


def _tokenizer(found: Documents, path: str, source: RandomAccess) -> None:
    value = json_text.parse(source, Budget())
    templates = value.every(_TEMPLATE) if isinstance(value, JsonObject) else []
    for template in templates[:_MOST_TEMPLATES]:
        found.templates.setdefault(path, []).extend(_digests(template))


def _digests(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield _TEMPLATE, _sha256(value)
    elif isinstance(value, list) and not isinstance(value, JsonObject):
        for item in value[:_MOST_TEMPLATES]:
            if isinstance(item, JsonObject):
                names, texts = item.every("name"), item.every("template")
                if texts and isinstance(texts[0], str):
                    yield f"{_TEMPLATE}.{names[0] if names else ''}", _sha256(texts[0])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _safetensors(found: Documents, path: str, source: RandomAccess) -> None:
    header = safetensors.parse(source)
    number, kinds = 0, set()
    for tensor in header.tensors:
        size = 1
        for length in tensor.shape:
            size *= length
        number += size
        kinds.add(tensor.dtype)
    found.parameters[path] = number
    found.weights[path] = [("parameters", str(number)), ("dtypes", ", ".join(sorted(kinds)))]


def _gguf(found: Documents, path: str, source: RandomAccess) -> None:
    told = gguf.parse(source, Budget())
    if told.oddities or told.overflows:
        found.problems[path] = (*told.oddities, *told.overflows)[0]
        return
    found.parameters[path] = told.elements
    found.weights[path] = [("parameters", str(told.elements)), *((f"gguf:{key}", value) for key, value in told.facts)]
    found.templates[path] = [(key, _sha256(text)) for key, text in told.templates[:_MOST_TEMPLATES]]
    if not found.gguf:
        found.gguf = list(told.facts)


def _too_many(found: Documents, path: str, source: RandomAccess) -> None:
    del source
    found.problems[path] = f"only the first {_MOST_WEIGHTS} files of weights were read"
