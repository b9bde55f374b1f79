"""ONNX, GGUF and skops: changed bytes, since their formats hold data; skops also names functions."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from tests.loaders.row import Row


def _write_onnx(_: str, folder: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    inputs, outputs = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", [inputs], [outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")


def _onnx():
    from onnx import load

    return lambda folder: load(folder / "model.onnx")


def _onnxruntime():
    from onnxruntime import InferenceSession

    return lambda folder: InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])


def _write_gguf(_: str, folder: Path) -> None:
    import numpy as np
    from gguf import GGUFWriter

    writer = GGUFWriter(str(folder / "model.gguf"), "llama")
    writer.add_tensor("a", np.ones(32, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _gguf():
    from gguf import GGUFReader

    return lambda folder: GGUFReader(str(folder / "model.gguf"))


def _write_skops(marker: str, folder: Path) -> None:
    """A partial function of `os.mkdir`, which the program trusts by mistake; loading calls nothing, so that is done."""
    schema = {
        "__class__": "mkdir",
        "__module__": "posix",
        "__loader__": "FunctionNode",
        "__id__": 1,
        "content": "posix.mkdir",
        "protocol": 2,
        "_skops_version": "0.11",
    }
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    (folder / "marker").write_text(marker)


def _skops():
    import os

    from skops.io import load

    return lambda folder: load(folder / "model.skops", trusted=["posix.mkdir"])((folder / "marker").read_text()) or os


def _row(name: str, hook: str, write, bind, *, locked: bool = True) -> Row:
    return Row(name=name, hook=hook, write=write, bind=bind, locked=locked, slow=True)


ROWS = (
    _row("onnx.load, changed bytes", "onnx", _write_onnx, _onnx),
    _row("onnxruntime.InferenceSession, changed bytes", "onnxruntime", _write_onnx, _onnxruntime),
    _row("gguf.GGUFReader, changed bytes", "gguf", _write_gguf, _gguf),
    _row("skops.io.load, a trusted function", "skops", _write_skops, _skops, locked=False),
)
