"""SavedModels, graphs and TFLite models."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.corpus.tensorflow_files import field, graph, graph_function, node, saved_model, tflite
from weighlock.allowlist import tensorflow as allowlist
from weighlock.errors import FormatError, OverBudgetError, WeighlockError
from weighlock.finding import Outcome
from weighlock.formats import savedmodel
from weighlock.formats import tflite as tflite_format
from weighlock.formats.source import Budget, BytesSource
from weighlock.inspector import inspect

RECORDED = Path(__file__).parents[1] / "vectors" / "_recorded"
CALL = "StatefulPartitionedCall"


def needs(data: bytes, **limits: int) -> tuple[str, ...]:
    return allowlist.examine(savedmodel.parse(BytesSource(data), Budget(**limits))).names


def saver(nodes: list[bytes], *functions: bytes, **options) -> tuple[str, ...]:
    body = graph_function(
        "__inference__traced_save_1",
        ["file_prefix"],
        node("join", "StringJoin", ["file_prefix", "part:output:0"]),
        node("part", "Const"),
        node("shard", "ShardedFilename", ["join:output:0", "part:output:0"]),
        node("save", "SaveV2", ["shard:filename:0"]),
        node("pack", "Pack", ["shard:filename:0"]),
        node("merge", "MergeV2Checkpoints", ["pack:output:0", "file_prefix"]),
    )
    return needs(saved_model(graph(nodes, [body, *functions]), **options))


FEED = node("saver_filename", "Placeholder")
SAVE = node("call", CALL, ["saver_filename"], "__inference__traced_save_1")
BAD = ("tensorflow:op MergeV2Checkpoints", "tensorflow:op SaveV2")


def test_variables_that_are_saved_where_the_caller_says_need_nothing():
    assert saver([FEED, SAVE]) == ()


@pytest.mark.parametrize(
    ("nodes", "functions", "options"),
    [
        ([node("saver_filename", "Const"), SAVE], (), {}),
        ([node("saver_filename", "PlaceholderWithDefault", ["c"]), node("c", "Const"), SAVE], (), {}),
        ([FEED, SAVE], (), {"fed": "saver_filename"}),
        ([FEED, SAVE], (), {"bound": {"__inference__traced_save_1": [0]}}),
        ([FEED, node("call", "If", ["saver_filename"], "__inference__traced_save_1")], (), {}),
        ([FEED, SAVE, node("again", CALL, ["c"], "__inference__traced_save_1"), node("c", "Const")], (), {}),
        ([FEED, SAVE, node("again", "__inference__traced_save_1", ["c"]), node("c", "Const")], (), {}),
        ([], (), {}),
        (
            [FEED, SAVE],
            (
                graph_function(
                    "__inference_call",
                    [],
                    node("c", "Const"),
                    node("call", CALL, ["c:output:0"], "__inference__traced_save_1"),
                ),
            ),
            {},
        ),
    ],
    ids=["constant", "default", "signature", "captured", "branch", "two-callers", "by-name", "no-caller", "function"],
)
def test_variables_that_are_saved_where_the_file_says_need_an_approval(nodes, functions, options):
    assert saver(nodes, *functions, **options) == BAD


def test_a_circle_of_nodes_ends():
    assert (
        saver(
            [
                node("a", "Identity", ["b"]),
                node("b", "Identity", ["a"]),
                node("call", CALL, ["a"], "__inference__traced_save_1"),
            ]
        )
        == BAD
    )


ASSET = field(5, b"")
VARIABLE = field(7, b"")


def table(objects: list[bytes], bound: list[int]) -> tuple[str, ...]:
    body = graph_function("__init", ["file", "table"], node("init", "InitializeTableFromTextFileV2", ["table", "file"]))
    return needs(saved_model(graph([], [body]), objects=objects, bound={"__init": bound}))


def test_a_vocabulary_that_is_an_asset_needs_nothing():
    assert table([VARIABLE, ASSET], [1, 0]) == ()


@pytest.mark.parametrize("bound", [[0, 1], [7, 0], [0]])
def test_a_vocabulary_that_is_no_asset_needs_an_approval(bound: list[int]):
    assert table([VARIABLE, ASSET], bound) == ("tensorflow:op InitializeTableFromTextFileV2",)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", "", "c:\\x"])
def test_an_asset_outside_of_its_folder_needs_an_approval(name: str):
    assert needs(saved_model(graph([]), assets=[name])) == (f"tensorflow:file {name}",)


def test_the_graph_of_every_meta_graph_and_every_repetition_counts():
    evil = graph([node("r", "ReadFile", ["x"])])
    plain = graph([node("x", "NoOp")])
    for data in (
        saved_model(plain) + field(2, field(2, evil)),
        field(2, field(2, evil)) + saved_model(plain),
        field(1, 1) + field(2, field(2, plain) + field(2, evil)),
    ):
        assert needs(data) == ("tensorflow:op ReadFile",)
        assert inspect(BytesSource(data), name="saved_model.pb").outcome is Outcome.NEEDS_APPROVAL


def test_a_large_model_is_read_where_it_lies():
    big = node("c", "Const") + field(5, field(1, "value") + field(2, field(8, bytes(3 << 20))))
    data = saved_model(graph([big, node("r", "ReadFile", ["c"])]))
    assert needs(data) == ("tensorflow:op ReadFile",)
    assert needs(data, retained=10_000) == ("tensorflow:op ReadFile",)


def test_many_ops_are_over_budget():
    data = saved_model(graph([node(str(number), "NoOp") for number in range(2000)]))
    with pytest.raises(OverBudgetError):
        needs(data, opcodes=1000)
    with pytest.raises(OverBudgetError):
        needs(data, retained=1000)


@pytest.mark.parametrize("name", ["saved_model.pb", "a/saved_model.pb", "saved_model.pbtxt", "saved_model.cpb"])
def test_a_saved_model_that_cannot_be_read_is_unverifiable(name: str):
    data = saved_model(graph([node("x", "NoOp")]))[:-1]
    assert inspect(BytesSource(data), name=name).outcome is Outcome.UNVERIFIABLE


def test_a_frozen_graph_is_judged_by_its_name():
    data = graph([node("r", "ReadFile", ["x"])])
    assert inspect(BytesSource(data), name="frozen.pb").needs == ("tensorflow:op ReadFile",)


def test_code_in_the_metadata_of_keras_needs_an_approval():
    layer = b'{"class_name": "Lambda", "config": {"function": {"class_name": "__tuple__", "items": ["x"]}}}'
    data = field(1, field(5, layer))
    assert inspect(BytesSource(data), name="keras_metadata.pb").needs == ("keras:Lambda",)
    inside = saved_model(graph([]), objects=[field(4, field(3, layer))])
    assert inspect(BytesSource(inside), name="saved_model.pb").needs == ("keras:Lambda",)
    assert inspect(BytesSource(data[:-1]), name="keras_metadata.pb").outcome is Outcome.UNVERIFIABLE


@pytest.mark.parametrize("op", [(32, "Evil"), (32, "FlexReadFile"), (32, ""), (32, "Flex"), (210, "")])
def test_a_custom_op_of_tflite_needs_an_approval(op: tuple[int, str]):
    inspection = inspect(BytesSource(tflite((0, ""), op)))
    assert (inspection.format, inspection.outcome) == ("tflite", Outcome.NEEDS_APPROVAL)


@pytest.mark.parametrize("op", [(32, "FlexErfinv"), (32, "TFLite_Detection_PostProcess"), (209, "")])
def test_ops_that_only_compute_need_nothing(op: tuple[int, str]):
    assert inspect(BytesSource(tflite((0, ""), op))).outcome is Outcome.DATA_ONLY


def test_a_broken_tflite_model_is_unverifiable():
    data = tflite((0, ""), (32, "Evil"))
    for size in range(8, len(data), 3):
        assert inspect(BytesSource(data[:size])).outcome > Outcome.DATA_ONLY


def test_a_tflite_model_with_too_many_ops_is_no_model():
    data = tflite((0, ""))
    with pytest.raises(FormatError):
        tflite_format.parse(BytesSource(data.replace(b"\x01\0\0\0", b"\xff\xff\xff\x7f", 1)), Budget())


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.*")), ids=lambda path: path.name)
def test_no_broken_file_does_anything_but_end(path: Path):
    data, rng = path.read_bytes(), random.Random(7)
    for _ in range(40):
        broken = bytearray(data)
        for _ in range(8):
            broken[rng.randrange(len(data))] = rng.randrange(256)
        try:
            inspect(BytesSource(bytes(broken[: rng.randrange(len(data))])), name="saved_model.pb")
        except WeighlockError:
            pytest.fail("the inspector has an answer for every file")
