"""Keras and HDF5 files as a whole, each test named after its attack."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile

import h5py
import numpy as np
import pytest

from tests.corpus.archives import Member
from tests.corpus.hdf5_files import hdf5
from tests.corpus.keras_files import keras_h5, keras_zip, layer, plain_model, sequential
from weighlock.finding import Outcome
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

LAMBDA = sequential(layer("Lambda"))


def outcome(data: bytes, name: str = "") -> Outcome:
    return inspect(BytesSource(data), name=name).outcome


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("space", ["", " \n" * 2000])
def test_no_encoding_and_no_space_hides_a_configuration(encoding: str, space: str):
    data = (space + json.dumps(LAMBDA)).encode(encoding)
    assert outcome(keras_zip(data)) is Outcome.NEEDS_APPROVAL
    assert outcome(data) is Outcome.NEEDS_APPROVAL


def test_a_configuration_that_is_no_json_is_unverifiable():
    assert outcome(keras_zip(b'{"class_name": ')) is Outcome.UNVERIFIABLE


def test_a_second_configuration_under_the_same_name_is_judged_too():
    again = Member(name="config.json", data=json.dumps(LAMBDA).encode())
    assert "keras:Lambda" in inspect(BytesSource(keras_zip(plain_model(), again))).needs


def test_a_compressed_configuration_is_judged():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(LAMBDA))
        archive.writestr("model.weights.h5", keras_h5(LAMBDA))
    found = inspect(BytesSource(file.getvalue()))
    assert (found.format, found.outcome) == ("keras", Outcome.NEEDS_APPROVAL)


def test_a_pickle_among_the_assets_is_judged():
    payload = Member(name="assets/vocabulary.txt", data=b"cposix\nsystem\n(S'true'\ntR.")
    assert outcome(keras_zip(plain_model(), payload)) is Outcome.REFUSED


@pytest.mark.parametrize("name", ["", "model.bin", "model.h5"])
@pytest.mark.parametrize("size", [512, 1024, 1 << 20])
def test_bytes_in_front_and_another_name_hide_no_model(size: int, name: str):
    assert outcome(bytes(size) + keras_h5(LAMBDA), name) is Outcome.NEEDS_APPROVAL
    assert outcome(bytes(size) + keras_h5(plain_model()), name) is Outcome.DATA_ONLY


@pytest.mark.parametrize("value", [None, 7, ["a", "b"]])
def test_a_configuration_that_is_no_text_is_unverifiable(value):
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened.attrs["model_config"] = h5py.Empty("S1") if value is None else value
    assert outcome(file.getvalue()) is Outcome.UNVERIFIABLE


def test_a_configuration_behind_a_user_block_is_judged():
    data = hdf5({"model_config": json.dumps({"class_name": "Lambda", "config": {}}).encode()}, user_block=512)
    assert outcome(data, "model.h5") is Outcome.NEEDS_APPROVAL


def test_a_broken_hdf5_file_is_unverifiable():
    assert outcome(hdf5({"a": b"b"})[:120]) is Outcome.UNVERIFIABLE


class Payload:
    def __reduce__(self):
        return os.mkdir, ("never",)


def test_a_pickle_in_an_attribute_of_pytables_is_judged():
    bad, good = pickle.dumps(Payload(), 0), pickle.dumps({"a": [1, 2]}, 0)
    assert outcome(hdf5({"info": bad})) is Outcome.REFUSED
    assert outcome(hdf5({"info": good})) is Outcome.DATA_ONLY


@pytest.mark.parametrize("kind", ["object", "vlstring"])
def test_a_pickle_in_an_array_of_objects_of_pytables_is_judged(kind: str):
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        array = opened.create_dataset("block0_values", (1,), dtype=h5py.vlen_dtype(np.uint8))
        array[0] = np.frombuffer(pickle.dumps(Payload(), 4), np.uint8)
        array.attrs["PSEUDOATOM"] = np.bytes_(kind)
    assert outcome(file.getvalue()) is (Outcome.REFUSED if kind == "object" else Outcome.DATA_ONLY)


@pytest.mark.parametrize(
    "value",
    [
        {"class_name": "cat", "count": 3},
        {"_class_name": "UNet2DModel", "config": {}},
        {"rows": [{"class_name": "A", "config": "b"}]},
        {"model_type": "bert", "architectures": ["BertModel"]},
    ],
)
def test_other_json_is_none_of_our_business(value):
    assert outcome(json.dumps(value).encode(), "config.json") is Outcome.NOT_A_MODEL
