"""`onnx`, `onnxruntime`, `gguf` and `skops` under the guard, honest files and attacks."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import gguf
import numpy
import onnx
import onnxruntime
import pytest
import skops.io
from gguf import GGUFReader as EarlyReader
from onnx import TensorProto, helper, numpy_helper
from onnx import load as early_load
from onnx.external_data_helper import load_external_data_for_tensor, set_external_data
from onnxruntime import InferenceSession as EarlySession
from sklearn.linear_model import LinearRegression
from skops.io import load as early_skops_load

from tests.corpus.archives import Member, zip_bytes
from tests.fuzz.onnx_seeds import gguf_files
from weighlock.errors import LoadRefused

ESTIMATOR = "sklearn.linear_model._base.LinearRegression"
DATA_ONLY = {"format": "onnx"}


def save_onnx(path, *, external=None, domain="", data=b"\0\0\x80?" * 4):
    """Write a model that multiplies by a matrix of ones."""
    weight = numpy_helper.from_array(numpy.frombuffer(data, "<f4").reshape(2, 2), "w")
    if external is not None:
        set_external_data(weight, external, offset=0, length=16)
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in "xy"]
    node = helper.make_node("MatMul" if not domain else "Mine", ["x", "w"], ["y"], domain=domain)
    graph = helper.make_graph([node], "graph", ends[:1], ends[1:], [weight])
    imports = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(graph, opset_imports=imports, ir_version=9)
    Path(path).write_bytes(model.SerializeToString())


def save_external(folder="."):
    save_onnx(os.path.join(folder, "model.onnx"), external="weights.bin")
    Path(folder, "weights.bin").write_bytes(b"\0\0\x80?" * 4)


def session(model, **options):
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"], **options)


def result(made):
    return made.run(None, {"x": numpy.ones((1, 2), "f4")})[0].tolist()


def flip(path):
    data = bytearray(Path(path).read_bytes())
    data[-1] ^= 1
    Path(path).write_bytes(bytes(data))


# onnx


def test_a_locked_model_loads_by_path_file_and_bytes(bench):
    save_onnx("model.onnx")
    bench.lock("model.onnx")
    bench.guard()
    data = Path("model.onnx").read_bytes()
    for load in (onnx.load, early_load, onnx.load_model):
        assert load("model.onnx").graph.node[0].op_type == "MatMul"
        assert load(Path("model.onnx")).graph.name == "graph"
        assert load(io.BytesIO(data)).graph.name == "graph"
        with open("model.onnx", "rb") as file:
            assert load(file).graph.name == "graph"
    assert onnx.load_model_from_string(data).graph.name == "graph"


def test_an_unlisted_or_changed_model_is_refused(bench):
    save_onnx("model.onnx")
    bench.lock("model.onnx")
    bench.guard()
    flip("model.onnx")
    data = Path("model.onnx").read_bytes()
    for load in (onnx.load, early_load):
        for file in ("model.onnx", io.BytesIO(data)):
            with pytest.raises(LoadRefused):
                load(file)
    with pytest.raises(LoadRefused):
        onnx.load_model_from_string(data)


def test_external_data_need_a_lock_entry_of_their_own(bench):
    save_external()
    bench.lock("model.onnx")
    bench.guard()
    with pytest.raises(LoadRefused, match=r"weights\.bin"):
        onnx.load("model.onnx")
    model = onnx.load("model.onnx", load_external_data=False)
    for read in (
        lambda: onnx.load_external_data_for_model(model, "."),
        lambda: load_external_data_for_tensor(model.graph.initializer[0], "."),
        lambda: numpy_helper.to_array(model.graph.initializer[0], "."),
    ):
        with pytest.raises(LoadRefused):
            read()


def test_locked_external_data_load(bench):
    save_external()
    bench.lock("model.onnx")
    bench.lock("weights.bin")
    bench.guard()
    assert numpy_helper.to_array(onnx.load("model.onnx").graph.initializer[0]).tolist() == [[1, 1], [1, 1]]
    assert result(session("model.onnx")) == [[2, 2]]
    flip("weights.bin")
    with pytest.raises(LoadRefused):
        onnx.load("model.onnx")
    with pytest.raises(LoadRefused):
        session("model.onnx")


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "folder/../../secret"])
def test_a_path_out_of_the_folder_is_refused_where_unlocked_files_are_inspected(bench, location):
    os.makedirs("models/folder")
    Path("secret").write_bytes(b"\0" * 16)
    save_onnx("models/model.onnx", external=location)
    bench.policy('unlocked = "inspect"\n')
    bench.guard()
    for load in (onnx.load, session):
        with pytest.raises(LoadRefused, match="no file inside of its folder"):
            load("models/model.onnx")
    with pytest.raises(LoadRefused):
        session(Path("models/model.onnx").read_bytes())


def test_a_link_out_of_the_folder_reads_no_unlisted_file(bench):
    os.makedirs("models")
    Path("secret").write_bytes(b"\0" * 16)
    save_onnx("models/model.onnx", external="weights.bin")
    os.symlink("../secret", "models/weights.bin")
    bench.lock("models/model.onnx")
    bench.guard()
    with pytest.raises((LoadRefused, onnx.checker.ValidationError)):
        onnx.load("models/model.onnx")
    with pytest.raises(LoadRefused):
        session("models/model.onnx")


def test_custom_operators_wait_for_an_approval(bench):
    save_onnx("model.onnx", domain="com.example")
    bench.policy('unlocked = "inspect"\n')
    bench.guard()
    for load in (onnx.load, session):
        with pytest.raises(LoadRefused, match=r"onnx:domain com\.example"):
            load("model.onnx")


# onnxruntime


def test_a_locked_model_runs_by_path_and_bytes_and_again_for_other_providers(bench):
    save_onnx("model.onnx")
    bench.lock("model.onnx")
    bench.guard()
    for made in (session("model.onnx"), EarlySession("model.onnx"), session(Path("model.onnx").read_bytes())):
        assert result(made) == [[2, 2]]
        made.set_providers(["CPUExecutionProvider"])
        assert result(made) == [[2, 2]]


def test_a_session_that_is_made_again_does_not_open_the_file_again(bench):
    save_onnx("model.onnx")
    bench.lock("model.onnx")
    bench.guard()
    made = session("model.onnx")
    save_onnx("model.onnx", data=bytes(16))
    made.set_providers(["CPUExecutionProvider"])
    assert result(made) == [[2, 2]]


def test_an_unlisted_model_makes_no_session(bench):
    save_onnx("model.onnx")
    bench.guard()
    for make in (session, EarlySession):
        for model in ("model.onnx", Path("model.onnx"), Path("model.onnx").read_bytes()):
            with pytest.raises(LoadRefused):
                make(model)


def test_external_data_of_bytes_are_looked_for_where_onnxruntime_does(bench):
    save_external()
    bench.lock("model.onnx")
    bench.guard()
    with pytest.raises(LoadRefused, match=r"weights\.bin"):
        session(Path("model.onnx").read_bytes())


def test_a_model_in_the_format_of_onnxruntime_needs_more_than_to_be_inspected(bench):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = "model.ort"
    options.add_session_config_entry("session.save_model_format", "ORT")
    save_onnx("model.onnx")
    onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
    bench.policy('unlocked = "inspect"\n')
    bench.guard()
    with pytest.raises(LoadRefused, match="ORT format"):
        session("model.ort")


def test_native_operators_need_a_lock_entry_also_where_unlocked_files_are_inspected(bench):
    Path("operators.so").write_bytes(b"no library")
    bench.policy('unlocked = "inspect"\n')
    bench.guard()
    with pytest.raises(LoadRefused, match="native code"):
        onnxruntime.SessionOptions().register_custom_ops_library("operators.so")


def test_a_locked_library_reaches_onnxruntime(bench):
    Path("operators.so").write_bytes(b"no library")
    bench.lock("operators.so")
    bench.guard()
    with pytest.raises(Exception, match=r"operators\.so"):  # it is no library, and onnxruntime says so
        onnxruntime.SessionOptions().register_custom_ops_library("operators.so")


# gguf


def test_a_locked_gguf_file_is_read(bench):
    Path("model.gguf").write_bytes(dict(gguf_files())["little.gguf"])
    bench.lock("model.gguf")
    bench.guard()
    for reader in (gguf.GGUFReader, EarlyReader):
        assert [tensor.name for tensor in reader("model.gguf").tensors] == ["a.weight", "b.weight"]
        assert reader(Path("model.gguf")).tensors[0].data.tolist() == [[1.0] * 32] * 4
        with open("model.gguf", "rb") as file:
            assert len(reader(file).tensors) == 2


def test_an_unlisted_gguf_file_is_refused(bench):
    Path("model.gguf").write_bytes(dict(gguf_files())["little.gguf"])
    bench.lock("model.gguf")
    bench.guard()
    flip("model.gguf")
    for reader in (gguf.GGUFReader, EarlyReader):
        with pytest.raises(LoadRefused):
            reader("model.gguf")
        with open("model.gguf", "rb") as file, pytest.raises(LoadRefused):
            reader(file)


def test_a_template_that_escapes_is_refused_where_unlocked_files_are_inspected(bench):
    writer = gguf.GGUFWriter("model.gguf", "llama")
    writer.add_chat_template("{{ ''.__class__.__mro__ }}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    bench.policy('unlocked = "inspect"\n')
    bench.guard()
    with pytest.raises(LoadRefused, match="__class__"):
        gguf.GGUFReader("model.gguf")


# skops


@pytest.fixture
def estimator():
    return LinearRegression().fit(numpy.arange(6.0).reshape(3, 2), numpy.arange(3.0))


def test_an_approved_estimator_of_skops_loads(bench, estimator):
    skops.io.dump(estimator, "model.skops")
    needs = skops.io.get_untrusted_types(file="model.skops")
    facts = {"outcome": "needs-approval", "imports": (ESTIMATOR,), "needs": (ESTIMATOR,)}
    bench.lock("model.skops", **facts, approved=(ESTIMATOR,))
    bench.guard()
    data = Path("model.skops").read_bytes()
    for load in (skops.io.load, early_skops_load):
        assert numpy.allclose(load("model.skops", trusted=needs).coef_, estimator.coef_)
        with open("model.skops", "rb") as file:
            assert numpy.allclose(load(file, trusted=needs).coef_, estimator.coef_)
    assert numpy.allclose(skops.io.loads(data, trusted=needs).coef_, estimator.coef_)


def test_trusted_types_replace_no_approval(bench, estimator):
    skops.io.dump(estimator, "model.skops")
    bench.policy('unlocked = "inspect"\n')
    bench.guard()
    for load in (skops.io.load, early_skops_load):
        with pytest.raises(LoadRefused, match=ESTIMATOR):
            load("model.skops", trusted=[ESTIMATOR])
    with pytest.raises(LoadRefused):
        skops.io.loads(Path("model.skops").read_bytes(), trusted=[ESTIMATOR])


def test_a_profile_approves_estimators_of_skops(bench, estimator):
    skops.io.dump(estimator, "model.skops")
    bench.policy('unlocked = "inspect"\nprofiles = ["scikit-learn"]\n')
    bench.guard()
    assert numpy.allclose(skops.io.load("model.skops", trusted=[ESTIMATOR]).coef_, estimator.coef_)


def test_a_function_that_the_program_trusts_does_not_run(bench):
    node = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}
    partial = {"func": node, "args": node, "kwds": node, "namespace": node}
    schema = {"__class__": "partial", "__module__": "functools", "__loader__": "PartialNode", "content": partial}
    data = zip_bytes([Member(name="schema.json", data=json.dumps({**schema, "protocol": 1}).encode())])
    Path("model.skops").write_bytes(data)
    bench.policy('unlocked = "inspect"\nprofiles = ["scikit-learn"]\n')
    bench.guard()
    with pytest.raises(LoadRefused, match=r"os\.system"):
        skops.io.load("model.skops", trusted=["os.system", "functools.partial"])


def test_a_pickle_under_the_name_of_skops_does_not_run(bench):
    from skops.card import Card

    Path("model.skops").write_bytes(bench.payload)
    os.rename("model.skops", "model.pkl")
    bench.policy('unlocked = "inspect"\n')
    bench.guard()
    with pytest.raises(LoadRefused):  # CVE-2025-54886: what is no skops file goes to joblib
        Card("model.pkl", allow_pickle=True).get_model()
    assert not bench.marker.exists()
