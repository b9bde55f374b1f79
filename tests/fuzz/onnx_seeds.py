"""Honest ONNX and GGUF files, written by their own libraries."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path


def onnx_model():
    """Make a model with a nested graph, a function, metadata and an initializer."""
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(numpy.ones((2, 2), numpy.float32), "w")
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    branch = helper.make_graph([helper.make_node("Identity", ["h"], ["b"])], "branch", [], [
        helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", 2])
    ])  # fmt: skip
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True])),
        helper.make_node("If", ["c"], ["g"], then_branch=branch, else_branch=branch),
        helper.make_node("Twice", ["g"], ["y"], domain="local"),
    ]
    function = helper.make_function(
        "local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    graph = helper.make_graph(nodes, "graph", [value], [result], [weight])
    model = helper.make_model(
        graph, functions=[function], opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    )
    helper.set_model_props(model, {"author": "tests"})
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model


def onnx_files() -> Iterator[tuple[str, bytes]]:
    """Write a model, and one whose weights lie in a file beside it."""
    from onnx import TensorProto
    from onnx.external_data_helper import set_external_data

    model = onnx_model()
    yield "model.onnx", model.SerializeToString()
    for tensor in model.graph.initializer:
        set_external_data(tensor, "weights.bin", offset=0, length=16)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
    yield "external.onnx", model.SerializeToString()


def gguf_files() -> Iterator[tuple[str, bytes]]:
    """Write a model in both byte orders."""
    import gguf
    import numpy

    for order in (gguf.GGUFEndian.LITTLE, gguf.GGUFEndian.BIG):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.gguf")
            writer = gguf.GGUFWriter(path, "llama", endianess=order)
            writer.add_block_count(1)
            writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
            writer.add_token_list(["<s>", "</s>", "a"])
            writer.add_array("numbers", [1, 2, 3])
            writer.add_tensor("a.weight", numpy.ones((4, 32), numpy.float32))
            writer.add_tensor("b.weight", numpy.ones(5, numpy.float16))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            yield f"{order.name.lower()}.gguf", path.read_bytes()
