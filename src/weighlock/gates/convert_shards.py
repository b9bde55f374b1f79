"""Checkpoints in several files: every shard is converted, and a new index says which file holds which tensor.

Source:
    ``huggingface_hub.serialization`` and ``transformers.modeling_utils``: ``{"metadata": {"total_size": N},
    "weight_map": {NAME: FILE}}``, names as ``model-00001-of-00002.safetensors``.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.convert import require_used
from weighlock.errors import FormatError, SourceError, UsageError
from weighlock.files import read_regular
from weighlock.gates.convert import SUFFIX, Converted, output_name, prepare
from weighlock.gates.outputs import Output, publish, require_free
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from weighlock.convert import Choice

_INDEX = ".index.json"
_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedShards:
    """A checkpoint in several files that was converted.

    Args:
        index: The new index.
        total_size: Bytes of all tensors.
        files: The shards, in the order of their names.
    """

    index: str
    total_size: int
    files: tuple[Converted, ...]


def is_index(source: Path) -> bool:
    """Tell whether a file is the index of a checkpoint in several files, by its name."""
    return source.name.endswith(_INDEX)


def convert_shards(
    source: Path,
    output: Path | None,
    choice: Choice,
    *,
    force: bool = False,
    tick: Callable[[int], None] | None = None,
) -> ConvertedShards:
    """Convert all shards of a checkpoint.

    Args:
        source: The index; its shards lie in the same folder.
        output: A folder that is there; by default that of the index.
        choice: What is wanted of each shard.
        force: Replace files that are there.
        tick: Is told how many bytes were written.

    Raises:
        AdmissionError: A shard does not hold data alone.
        WeighlockError: The index is broken or does not tell the truth, or as for one checkpoint.
    """
    folder = source.parent if output is None else output
    if not folder.is_dir():
        raise UsageError("is no folder", where=str(folder), hint="for an index, -o names a folder that is there")
    shards = _shards(source)
    for shard in shards:
        if not os.path.lexists(source.parent / shard):
            raise UsageError(
                f"does not exist, and {source.name} names it",
                where=str(source.parent / shard),
                hint="download or restore it; a checkpoint is converted as a whole",
            )
    index = folder / f"{output_name(source.name.removesuffix(_INDEX))}{_INDEX}"
    places = {shard: folder / output_name(shard) for shard in shards}
    if len({*places.values()}) < len(places):
        raise FormatError("two shards would get one name", where=str(source))
    require_free(index, force=force)
    with ExitStack() as stack:
        files, outputs = [], []
        for shard, names in sorted(shards.items()):
            converted, made = prepare(source.parent / shard, places[shard], choice, stack, force=force, tick=tick)
            _require_listed(converted, names, source)
            files.append(converted)
            outputs += made
        require_used(choice, [name for file in files for name in file.left_out])
        written = stack.enter_context(Output(index))
        written.write(_index(files, places))
        written.finish()
        publish([*outputs, written], force=force)
    return ConvertedShards(index=str(index), total_size=sum(file.data_size for file in files), files=tuple(files))


def _shards(source: Path) -> dict[str, set[str]]:
    """Return the names of the tensors of each shard."""
    weights = _read(source).get("weight_map")
    if not isinstance(weights, dict) or not weights or not all(isinstance(shard, str) for shard in weights.values()):
        raise FormatError("the index has no weight_map from tensors to files", where=str(source))
    shards: dict[str, set[str]] = {}
    for name, shard in weights.items():
        if shard in {"", ".", ".."} or not is_printable(shard) or any(each in shard for each in "/\\:\0"):
            raise FormatError(
                f"the index names {shard[:80]!r}, which is no file of its folder", where=str(source), hint="restore it"
            )
        if shard.endswith(SUFFIX):
            raise FormatError("the index is one of safetensors files already", where=str(source))
        shards.setdefault(shard, set()).add(name)
    return shards


def _read(source: Path) -> dict[str, Any]:
    try:
        data = read_regular(source, _LARGEST + 1)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=str(source)) from error
    if len(data) > _LARGEST:
        raise FormatError(f"the index is larger than {_LARGEST >> 20} MB", where=str(source))
    try:
        document = json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise FormatError("the index is not JSON", where=str(source)) from error
    if not isinstance(document, dict):
        raise FormatError("the index is not an object of JSON", where=str(source))
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise FormatError("a name stands twice in the index")
    return found


def _require_listed(converted: Converted, names: set[str], source: Path) -> None:
    """Demand that a shard holds what the index says, so that a loader finds no other tensors than were meant."""
    held = {*converted.names, *converted.tied, *converted.left_out}
    if held != names:
        name = min(held ^ names)
        where = "the index does not place there" if name in held else "is missing there"
        raise FormatError(f"the tensor {name!r} {where}", where=converted.source, hint=f"the index is {source}")


def _index(files: list[Converted], places: dict[str, Path]) -> bytes:
    names = {str(place): place.name for place in places.values()}
    weights = {name: names[file.path] for file in files for name in file.names}
    document = {
        "metadata": {"total_size": sum(file.data_size for file in files)},
        "weight_map": dict(sorted(weights.items())),
    }
    return json.dumps(document, indent=2).encode() + b"\n"
