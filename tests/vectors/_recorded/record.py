"""How the files in this folder were made, once, by TensorFlow 2.21: ``python record.py FOLDER``.

They are kept as they are, because TensorFlow is too large for the environment of the tests and writes them a little
differently each time. Nothing in them does anything but name a file that is not there.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import tensorflow as tf

VECTOR = tf.TensorSpec([4], tf.float32)
TEXT = tf.TensorSpec([], tf.string)
MARKER = "weighlock-marker"


def main(folder: Path) -> None:
    """Write the files."""
    table = tf.lookup.TextFileInitializer("words.txt", tf.string, -2, tf.int64, -1)
    variable = tf.Variable([1.0, 2.0, 3.0, 4.0], name="w")
    bodies = {
        "plain": (VECTOR, lambda x: tf.nn.relu(x * variable), {"w": variable}),
        "read": (TEXT, tf.io.read_file, {}),
        "write": (VECTOR, _write, {}),
        "save": (VECTOR, _save, {}),
        "py": (VECTOR, lambda x: tf.numpy_function(lambda y: y, [x], tf.float32), {}),
    }
    for name, (spec, body, state) in bodies.items():
        module = tf.Module()
        module.serve = tf.function(body, input_signature=[spec])
        for key, value in state.items():
            setattr(module, key, value)
        _keep(module, folder / f"{name}.pb")
    Path("words.txt").write_text("a\nb\n", encoding="utf-8")
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(table, -1)
    module.serve = tf.function(module.table.lookup, input_signature=[TEXT])
    _keep(module, folder / "asset.pb")
    _lite(lambda x: tf.nn.relu(x * 2.0), VECTOR, folder / "plain.tflite")
    _lite(lambda x: tf.raw_ops.Erfinv(x=x), VECTOR, folder / "custom.tflite", custom=True)
    _lite(tf.io.read_file, TEXT, folder / "flex-read.tflite", flex=True)


def _write(x: tf.Tensor) -> tf.Tensor:
    tf.io.write_file(MARKER, "inert")
    return x


def _save(x: tf.Tensor) -> tf.Tensor:
    tf.raw_ops.SaveV2(prefix=MARKER, tensor_names=["a"], shape_and_slices=[""], tensors=[x])
    return x


def _keep(module: tf.Module, place: Path) -> None:
    tf.saved_model.save(module, "model")
    shutil.copyfile("model/saved_model.pb", place)
    shutil.rmtree("model")


def _lite(body: object, spec: tf.TensorSpec, place: Path, *, custom: bool = False, flex: bool = False) -> None:
    function = tf.function(body, input_signature=[spec]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.allow_custom_ops = custom
    if flex:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    place.write_bytes(converter.convert())


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    os.chdir("/tmp")
    main(target)
