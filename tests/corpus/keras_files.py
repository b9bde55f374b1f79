"""Configurations of Keras, and the files that hold them, as attackers and Keras itself write them."""

from __future__ import annotations

import base64
import json
import marshal
from typing import Any

from tests.corpus.archives import Member, zip_bytes
from tests.corpus.hdf5_files import hdf5

Json = dict[str, Any]


def layer(kind: str, module: str | None = "keras.layers", registered: str | None = None, /, **config: Any) -> Json:
    """Write a serialized object."""
    return {"module": module, "class_name": kind, "config": config, "registered_name": registered}


def function(module: str | None, name: str, registered: str | None = None) -> Json:
    """Write a serialized function."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered or name}


def sequential(*layers: Json) -> Json:
    """Write a model."""
    return {**layer("Sequential", "keras", name="sequential", layers=list(layers)), "registered_name": None}


def plain_model() -> Json:
    """Write a model of Keras' own layers, with losses and optimizers."""
    dense = layer(
        "Dense",
        units=2,
        activation="relu",
        kernel_initializer=layer("GlorotUniform", "keras.initializers", seed=None),
        dtype=layer("DTypePolicy", "keras", name="float32"),
    )
    model = sequential(layer("InputLayer", batch_shape=[None, 4]), dense)
    loss = function("builtins", "mse", "mse") | {
        "config": "mean_squared_error",
        "registered_name": "mean_squared_error",
    }
    compiled = {"optimizer": layer("Adam", "keras.optimizers", learning_rate=0.001), "loss": loss}
    return model | {"compile_config": compiled}


def code(body: str = "print") -> Json:
    """Write a lambda as Keras does; its code is that of a function that returns a name."""
    raw = marshal.dumps(compile(body, "<lambda>", "eval"), 2)
    return {
        "class_name": "__lambda__",
        "config": {"code": base64.encodebytes(raw).decode(), "defaults": None, "closure": None},
    }


def keras_zip(config: Json | list[Any] | bytes, *others: Member) -> bytes:
    """Write a ``.keras`` archive."""
    data = config if isinstance(config, bytes) else json.dumps(config).encode()
    return zip_bytes(
        [
            Member(name="metadata.json", data=b'{"keras_version": "3.15.0"}'),
            Member(name="config.json", data=data),
            Member(name="model.weights.h5", data=hdf5()),
            *others,
        ]
    )


def keras_h5(config: Any, training: Any = None) -> bytes:
    """Write a model as an HDF5 file."""
    attributes = {"model_config": json.dumps(config).encode()}
    if training is not None:
        attributes["training_config"] = json.dumps(training).encode()
    return hdf5(attributes)
