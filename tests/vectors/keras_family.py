"""The vectors of the checks for Keras, HDF5, SavedModel and TFLite files."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

from tests.corpus import hdf5_files
from tests.corpus import opcodes as op
from tests.corpus.hdf5_files import hdf5
from tests.corpus.keras_files import function, keras_h5, keras_zip, layer, plain_model, sequential
from tests.corpus.tensorflow_files import field, graph, graph_function, node, saved_model, tflite

Vectors = Iterator[tuple[str, bytes]]

# Marshalled code differs between releases of Python: this is no code, and nothing is ever unmarshalled.
_CODE = {"class_name": "__lambda__", "config": {"code": "YSB2ZWN0b3I=", "defaults": None, "closure": None}}
_LAMBDA = layer("Lambda", name="lambda", function=_CODE, arguments={})


def _keras_objects() -> Vectors:
    yield "cve-2024-3660-lambda.keras", keras_zip(sequential(_LAMBDA))
    yield "lambda-outside-of-a-layer.keras", keras_zip([{"anything": _CODE}])
    yield (
        "cve-2025-1550-module-and-function.keras",
        keras_zip(sequential(layer("Activation", activation=function("os", "system")))),
    )
    yield (
        "cve-2025-8747-get-file.keras",
        keras_zip(sequential(layer("Lambda", function=function("keras.utils", "get_file"), arguments={"origin": "x"}))),
    )
    yield (
        "cve-2025-9906-unsafe-deserialization.keras",
        keras_zip(
            sequential(layer("Activation", activation=function("keras.config", "enable_unsafe_deserialization")))
        ),
    )
    legacy = {"class_name": "Lambda", "config": {"function": ["YSB2ZWN0b3I=", None, None], "function_type": "lambda"}}
    model = {"class_name": "Sequential", "config": {"name": "s", "layers": [legacy]}}
    yield "cve-2025-9905-lambda.h5", keras_h5(model)
    yield (
        "cve-2025-12058-vocabulary.keras",
        keras_zip(sequential(layer("StringLookup", vocabulary="/etc/passwd", output_mode="int"))),
    )
    nested = op.stream(op.call(op.glob("builtins", "print"), op.text("a vector")), protocol=2)
    wrapper = layer("TorchModuleWrapper", module=base64.b64encode(nested).decode())
    yield "cve-2025-49655-torch-module.keras", keras_zip(sequential(wrapper))
    yield (
        "cve-2026-1462-saved-model.keras",
        keras_zip(sequential(layer("TFSMLayer", filepath="//server/share", call_endpoint="serve"))),
    )
    yield "custom-layer.keras", keras_zip(sequential(layer("MyLayer", "my_package.layers", "my_package>MyLayer")))
    yield "registered-over-a-plain-one.keras", keras_zip(sequential(layer("Dense", "keras.layers", "my_package>Dense")))
    yield (
        "custom-loss.h5",
        keras_h5(
            {"class_name": "Sequential", "config": {"layers": []}}, {"loss": {"class_name": "MyLoss", "config": {}}}
        ),
    )
    yield "config.json", json.dumps(sequential(_LAMBDA)).encode()
    yield "config-utf-16.keras", keras_zip(json.dumps(sequential(_LAMBDA)).encode("utf-16"))
    yield "escaped.json", json.dumps(sequential(_LAMBDA)).replace("class", "cl\\u0061ss").encode()


def _plain_keras() -> Vectors:
    yield "plain.keras", keras_zip(plain_model())
    yield "config.json", json.dumps(plain_model()).encode()
    dense = {"class_name": "Dense", "config": {"units": 2, "activation": "relu"}}
    training = {"loss": "mse", "optimizer_config": {"class_name": "Adam", "config": {"learning_rate": 0.001}}}
    yield "plain.h5", keras_h5({"class_name": "Sequential", "config": {"name": "s", "layers": [dense]}}, training)
    yield "vocabulary.keras", keras_zip(sequential(layer("StringLookup", vocabulary=["a", "b"])))


def _hdf5_references() -> Vectors:
    yield "external-link.h5", hdf5(links={"weights": ("other.h5", "/weights")})
    yield "virtual-dataset.h5", hdf5(datasets={"weights": hdf5_files.virtual_dataset()})
    yield "plugin-filter.h5", hdf5(datasets={"weights": hdf5_files.filtered_dataset(32015)})


def _plain_hdf5() -> Vectors:
    yield "empty.h5", hdf5()
    yield "deflated.h5", hdf5(datasets={"weights": hdf5_files.filtered_dataset(1)})
    yield "text-with-a-full-stop.h5", hdf5({"title": b"These are the weights."})


def _recorded(*names: str) -> Vectors:
    """Return files that TensorFlow wrote, see ``_recorded/record.py``."""
    for name in names:
        yield name, (Path(__file__).parent / "_recorded" / name).read_bytes()


def _tensorflow_ops() -> Vectors:
    yield from _recorded("read.pb", "write.pb", "save.pb", "py.pb", "custom.tflite", "flex-read.tflite")
    yield "op-of-a-plugin.pb", saved_model(graph([node("x", "Placeholder"), node("y", "EvilOp", ["x"])]))
    yield "asset-in-another-folder.pb", saved_model(graph([node("x", "NoOp")]), assets=["../../secrets"])
    yield (
        "function-that-nobody-calls.pb",
        saved_model(graph([node("x", "NoOp")], [graph_function("__inference_f", ["x"], node("r", "ReadFile", ["x"]))])),
    )
    yield (
        "op-named-like-a-function.pb",
        saved_model(
            graph([node("r", "ReadFile", ["x"])], [graph_function("ReadFile", ["x"], node("i", "Identity", ["x"]))])
        ),
    )
    yield "two-ops-in-one.pb", saved_model(graph([node("r", "NoOp") + field(2, "WriteFile")]))
    yield "unknown-builtin.tflite", tflite((0, ""), (4000, ""))


def _plain_graphs() -> Vectors:
    yield from _recorded("plain.pb", "asset.pb", "plain.tflite")
    yield "builtins.tflite", tflite((0, ""), (209, ""))


def _modelscan() -> Vectors:
    yield "system.pkl", op.stream(op.call(op.glob("posix", "system"), op.text("true")), protocol=2)
    yield "a-lambda.h5", dict(_keras_objects())["cve-2025-9905-lambda.h5"]


def _nothing_to_say() -> Vectors:
    yield "plain.pkl", op.stream(op.mapping(a=op.integer(1)), protocol=2)
    yield "weights.h5", hdf5()
    yield "README.md", b"# A model\n"


CHECKS = {
    "hdf5-references": (_hdf5_references, _plain_hdf5),
    "keras-objects": (_keras_objects, _plain_keras),
    "modelscan": (_modelscan, _nothing_to_say),
    "tensorflow-ops": (_tensorflow_ops, _plain_graphs),
}
