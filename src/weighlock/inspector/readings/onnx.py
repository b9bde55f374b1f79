"""Judges ONNX models, which have no magic number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist import onnx as allowlist
from weighlock.formats import onnx
from weighlock.formats.obstacle import Obstacle

if TYPE_CHECKING:
    from weighlock.formats.source import Source
    from weighlock.inspector.judging import Judging

_ORT_MAGIC = b"ORTM"


def read(judging: Judging, source: Source, head: bytes, name: str) -> None:
    """Judge bytes that may be a model."""
    if head[4:8] == _ORT_MAGIC:
        judging.note("ort")
        judging.check(Obstacle("ort", "models in the ORT format of onnxruntime are not read"))
        return
    named = name.lower().endswith(".onnx")
    if not named and source.size is None:
        return  # what comes out of a decompressor is a model only by its name
    data = judging.random_access(source)
    if not named and not onnx.looks_like_model(data, judging.budget):
        return
    judging.note("onnx")
    with judging.certain("onnx"):
        model = onnx.parse(data, judging.budget)
        judging.need(*allowlist.needs(model))
        judging.check(model)
