"""Judges SavedModels and graphs of TensorFlow, and models of TFLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist import tensorflow as allowlist
from weighlock.errors import FormatError
from weighlock.formats import savedmodel, tflite
from weighlock.formats.obstacle import Obstacle
from weighlock.inspector.readings import keras_config

if TYPE_CHECKING:
    from weighlock.allowlist.tensorflow import OpNeeds
    from weighlock.formats.source import RandomAccess, Source
    from weighlock.inspector.judging import Judging

_MODEL = "saved_model.pb"
_METADATA = "keras_metadata.pb"
_HEAD = b"\x08\x01\x12"
_UNREAD = ("saved_model.pbtxt", "saved_model.cpb")
_KERAS = b'"class_name"'


def read(judging: Judging, source: Source, head: bytes, name: str) -> None:
    """Judge bytes that begin as one of them, or whose name says so."""
    base = name.rpartition("/")[2]
    if base in _UNREAD:
        judging.note("tensorflow")
        judging.check(Obstacle("tensorflow", "only SavedModels in binary form and in one piece are read"))
        return
    file = judging.random_access(source)
    if head[4:8] == tflite.MAGIC:
        judging.note("tflite")
        with judging.certain("tflite"):
            _judge(judging, allowlist.examine_tflite(tflite.parse(file, judging.budget)))
    elif base == _METADATA:
        judging.note("keras-metadata")
        with judging.certain("keras-metadata"):
            _metadata(judging, savedmodel.keras_metadata(file, judging.budget))
    elif base == _MODEL or head.startswith(_HEAD):
        _saved_model(judging, file, certain=base == _MODEL)
    else:
        _frozen(judging, file)


def _saved_model(judging: Judging, file: RandomAccess, *, certain: bool) -> None:
    try:
        graphs = savedmodel.parse(file, judging.budget)
    except FormatError as error:
        if certain:
            judging.note("tensorflow")
            judging.check(Obstacle("tensorflow", error.message))
        return
    judging.note("tensorflow")
    _judge(judging, allowlist.examine(graphs))
    for graph in graphs:
        _metadata(judging, graph.metadata)


def _frozen(judging: Judging, file: RandomAccess) -> None:
    """Judge a graph by itself, if it is one: a message of nodes with ops, in a file with the usual name."""
    graph = savedmodel.parse_graph(file, judging.budget)
    if graph.top.nodes and all(node.ops for node in graph.top.nodes):
        judging.note("tensorflow-graph")
        _judge(judging, allowlist.examine([graph]))


def _judge(judging: Judging, needs: OpNeeds) -> None:
    judging.need(*needs.names)
    judging.check(needs)


def _metadata(judging: Judging, texts: list[bytes]) -> None:
    for each in texts:
        if _KERAS in each:
            keras_config.judge_text(judging, each)
