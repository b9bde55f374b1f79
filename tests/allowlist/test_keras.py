"""The list of Keras' own objects: honest models need no approval, and what runs or reads something is not on it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from weighlock.allowlist import keras as allowlist
from weighlock.formats import keras
from weighlock.formats.source import Budget

ZOO = """
import os, json
os.environ["KERAS_BACKEND"] = "torch"
import keras
from keras import layers as L, ops

def keep(model, **compiled):
    if compiled:
        model.compile(**compiled)
    print("MODEL", json.dumps(keras.saving.serialize_keras_object(model)))

image = keras.Input((32, 32, 3))
x = L.Rescaling(1 / 255)(image)
for layer in (
    L.RandomFlip(), L.RandomRotation(0.1), L.Normalization(mean=0.0, variance=1.0), L.Conv2D(4, 3, padding="same"),
    L.BatchNormalization(), L.ReLU(), L.SeparableConv2D(4, 3), L.LayerNormalization(), L.LeakyReLU(), L.MaxPooling2D(),
    L.SpatialDropout2D(0.1), L.UpSampling2D(), L.Conv2DTranspose(2, 3), L.PReLU(), L.GroupNormalization(2),
    L.GlobalAveragePooling2D(), L.Dropout(0.1), L.UnitNormalization(),
    L.Dense(8, "gelu", kernel_regularizer=keras.regularizers.L1L2(0.1, 0.1), kernel_constraint="max_norm",
            kernel_initializer=keras.initializers.HeNormal()),
):
    x = layer(x)
x = ops.concatenate([ops.relu(x) * 2 - 1, ops.softmax(x[:, :4]), ops.reshape(x, (-1, 8))], axis=-1)
keep(keras.Model(image, [x, ops.mean(x, axis=1), ops.matmul(x, ops.transpose(x)) ** 2]))

tokens = keras.Input((None,), dtype="int32")
x = L.Embedding(50, 8, mask_zero=True)(tokens)
x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
x = L.RNN([L.GRUCell(4), L.LSTMCell(4)], return_sequences=True)(x)
x = L.MultiHeadAttention(2, 4)(x, x) + L.TimeDistributed(L.Dense(4))(x)
x = L.Attention()([x, x])
keep(keras.Model(tokens, L.GlobalMaxPooling1D()(x)))

schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
for optimizer in (
    keras.optimizers.AdamW(schedule, clipnorm=1.0),
    keras.optimizers.SGD(momentum=0.9, nesterov=True),
    keras.optimizers.LossScaleOptimizer(keras.optimizers.Lion()),
    "rmsprop",
):
    dense = L.Dense(2, activation=keras.activations.swish, dtype="mixed_float16")
    metrics = [keras.metrics.AUC(), keras.metrics.TopKCategoricalAccuracy(2), keras.metrics.MeanIoU(2), "mae", "acc"]
    loss = [keras.losses.CategoricalCrossentropy(label_smoothing=0.1)]
    keep(keras.Sequential([keras.Input((4,)), dense, L.Softmax()]), optimizer=optimizer, loss=loss, metrics=metrics)
keep(keras.Sequential([keras.Input((4,)), L.Dense(1)]), optimizer="adam", loss="huber", metrics=[keras.losses.hinge])
keep(keras.applications.MobileNetV3Small(weights=None, input_shape=(64, 64, 3)))
keep(keras.applications.EfficientNetB0(weights=None, input_shape=(64, 64, 3)))
"""


@pytest.fixture(scope="module")
def zoo() -> list[object]:
    done = subprocess.run([sys.executable, "-c", ZOO], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [keras.decode(line[6:]) for line in done.stdout.splitlines() if line.startswith("MODEL ")]


def test_honest_models_need_no_approval(zoo):
    assert len(zoo) == 9
    for model in zoo:
        config = keras.parse(model, Budget())
        assert config.objects
        assert not config.oddities
        assert allowlist.examine(config).names == ()


def test_every_object_of_honest_models_is_needed(zoo):
    # Each of them, under another module, is no longer Keras' own.
    text = json.dumps(zoo[0]).replace('"keras.', '"keraz.').replace('"module": "keras"', '"module": "keraz"')
    names = allowlist.examine(keras.parse(keras.decode(text), Budget())).names
    assert {"keras:keraz.layers.Conv2D", "keras:keraz.src.ops.numpy.Matmul"} <= set(names)


@pytest.mark.parametrize(
    "name",
    "Lambda TFSMLayer TorchModuleWrapper JaxLayer FlaxLayer deserialize get_file load_model map scan cond".split(),
)
def test_what_runs_or_reads_something_is_not_on_the_list(name: str):
    names, _, _ = allowlist._listed()
    assert not [each for each in names if each.removesuffix("()").rpartition(".")[2] == name]


def test_an_optimizer_of_keras_2_is_known_by_the_name_it_was_registered_by():
    def names(name: str, **facts):
        return allowlist.examine(keras.parse(keras.decode(json.dumps({"class_name": name, **facts})), Budget())).names

    assert names("Custom>Adam", config={}) == ()
    assert names("Custom>Dense", config={}) == ("keras:Custom>Dense",)
    assert names("Custom>legacy.Adam", config={}) == ()
    assert names("Custom>Adam", config={}, module="project") == ("keras:project.Custom>Adam",)
