"""Reports of ``weighlock convert``, for people and as JSON. ``docs/convert.md`` describes the fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from weighlock import __version__
from weighlock.finding import listing
from weighlock.gates.convert import Converted
from weighlock.output.escape import encodable, printable
from weighlock.output.text import human_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.convert_shards import ConvertedShards

_MOST = 12


def convert_text(report: Converted | ConvertedShards) -> str:
    """Say what was written, what is tied and what was left out."""
    lines = [line for file in _files(report) for line in _lines(file)]
    if not isinstance(report, Converted):
        lines.append(f"wrote     {report.index}, of {len(report.files)} files, {human_size(report.total_size)}")
    return "".join(f"{printable(line)}\n" for line in lines)


def convert_json(report: Converted | ConvertedShards) -> str:
    """Return the same facts for programs."""
    document: dict[str, Any] = {"weighlock": __version__, "command": "convert"}
    if not isinstance(report, Converted):
        document |= {"index": encodable(report.index), "total-size": report.total_size}
    document["artifacts"] = [_artifact(file) for file in _files(report)]
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _files(report: Converted | ConvertedShards) -> tuple[Converted, ...]:
    return (report,) if isinstance(report, Converted) else report.files


def _lines(file: Converted) -> Iterator[str]:
    tensors = f"{file.tensors} tensor{'s' * (file.tensors != 1)}"
    yield f"wrote     {file.path}: {tensors}, {human_size(file.size)}, from {file.source}"
    yield f"          sha256 {file.sha256}"
    tied = [f"{name} is {kept}" for name, kept in file.tied.items()]
    if tied:
        yield f"tied      {listing(tied, _MOST)}"
    if file.left_out:
        yield f"left out  {listing(list(file.left_out), _MOST)}"
    if file.extras is not None:
        yield f"wrote     {file.extras}, with what is no tensor"


def _artifact(file: Converted) -> dict[str, object]:
    return {
        "source": encodable(file.source),
        "path": encodable(file.path),
        "size": file.size,
        "sha256": file.sha256,
        "tensors": file.tensors,
        "tied": dict(file.tied),
        "left-out": list(file.left_out),
        "extras": None if file.extras is None else encodable(file.extras),
    }
