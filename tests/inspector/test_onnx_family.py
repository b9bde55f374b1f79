"""ONNX, GGUF, skops and templates, as their own libraries write them and as attackers do."""

from __future__ import annotations

import json
import random

import numpy
import pytest

from tests.corpus.archives import Member, zip_bytes
from tests.fuzz.onnx_seeds import gguf_files, onnx_files, onnx_model
from tests.vectors.onnx_family import external, field, graph, model, node, skops, skops_node
from weighlock.allowlist import profile
from weighlock.finding import Outcome, Severity
from weighlock.formats.source import Budget, BytesSource
from weighlock.inspector import inspect


def judged(data, name=""):
    return inspect(BytesSource(data), name=name)


# Honest files


def test_honest_models_are_data_only():
    for name, data in onnx_files():
        assert (judged(data).format, judged(data).outcome) == ("onnx", Outcome.DATA_ONLY), name
    for name, data in gguf_files():
        found = judged(data)
        assert (found.format, found.outcome, found.findings) == ("gguf", Outcome.DATA_ONLY, ()), name


def test_a_file_beside_a_model_is_named():
    (finding,) = judged(dict(onnx_files())["external.onnx"]).findings
    assert (finding.severity, finding.outcome) == (Severity.INFO, Outcome.DATA_ONLY)
    assert "weights.bin" in finding.message


def test_estimators_of_skops_need_what_the_profile_names():
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from skops.io import dumps

    x, y = numpy.arange(40.0).reshape(20, 2), numpy.arange(20) % 2
    named = profile("scikit-learn")
    for made in (
        RandomForestClassifier(2),
        HistGradientBoostingClassifier(max_iter=2),
        make_pipeline(StandardScaler(), LinearRegression()),
    ):
        found = judged(dumps(made.fit(x, y)))
        assert (found.format, found.outcome) == ("skops", Outcome.NEEDS_APPROVAL)
        assert found.needs
        assert named.issuperset(found.needs)
    plain = {"a": numpy.ones(3), "b": {1, 2}, "c": (None, b"x", slice(1)), "d": numpy.array([1, "a"], dtype=object)}
    assert judged(dumps(plain)).outcome is Outcome.DATA_ONLY


def test_other_files_are_not_taken_for_models():
    generator = random.Random(7)
    for _ in range(300):
        data = generator.randbytes(generator.randrange(1, 400))
        assert judged(data).format not in {"onnx", "gguf", "skops"}
    for data in (json.dumps({"a": "chat_template"}).encode(), b"# a text\n" * 40, bytes(600)):
        assert judged(data).outcome is Outcome.NOT_A_MODEL


# Attacks


def test_a_name_does_not_hide_a_model():
    assert judged(model(field(5, external("../x"))), "weights.bin").outcome is Outcome.REFUSED


def test_a_model_that_breaks_off_is_unverifiable_under_its_name():
    data = onnx_model().SerializeToString()
    assert judged(data[:-5], "model.onnx").outcome is Outcome.UNVERIFIABLE
    assert judged(b"\xff\xff", "MODEL.ONNX").outcome is Outcome.UNVERIFIABLE


def test_graphs_in_graphs_without_an_end_are_unverifiable():
    inner = graph()
    for _ in range(200):
        inner = graph(field(1, node("If", "", field(5, field(1, "b") + field(6, inner)))))
    assert judged(field(1, 9) + field(7, inner)).outcome is Outcome.UNVERIFIABLE


def test_both_names_of_an_operator_count():
    twice = node("Add", "com.example") + field(7, "")
    assert judged(model(field(1, twice))).needs == ("onnx:domain com.example",)


def test_a_model_in_the_format_of_onnxruntime_is_unverifiable():
    assert judged(b"\x14\0\0\0ORTM" + bytes(40)).outcome is Outcome.UNVERIFIABLE


def test_a_traversing_tar_of_a_hub_is_refused():
    import io
    import tarfile

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("../../model.onnx",):
            data = model()
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    assert judged(file.getvalue()).outcome is Outcome.REFUSED  # CVE-2024-5187


def test_a_template_in_another_encoding_is_found_under_its_name():
    data = json.dumps({"chat_template": "{{ x.__class__ }}"}).encode("utf-16")
    for name in ("tokenizer_config.json", "folder/processor_config.json", "chat_template.json"):
        assert judged(data, name).outcome is Outcome.REFUSED


def test_an_escaped_key_is_found_under_its_name():
    data = b'{"chat_templ\\u0061te": "{{ x.__class__ }}"}'
    assert judged(data, "tokenizer_config.json").outcome is Outcome.REFUSED


def test_a_template_of_its_own_is_judged():
    assert judged(b"{{ x.__class__ }}", "chat_template.jinja").outcome is Outcome.REFUSED
    assert judged(b"{{ x.a }}", "additional_chat_templates/rag.jinja").outcome is Outcome.DATA_ONLY


def test_a_second_schema_is_judged():
    harmful = json.dumps(skops_node("os", "system", "FunctionNode")).encode()
    plain = json.dumps(skops_node("builtins", "list", "ListNode", content=[])).encode()
    data = zip_bytes([Member(name="schema.json", data=plain), Member(name="schema.json", data=harmful)])
    assert judged(data).outcome is Outcome.REFUSED


def test_a_pickle_in_a_skops_archive_is_judged():
    schema = json.dumps(skops_node("builtins", "list", "ListNode", content=[])).encode()
    pickled = b"cos\nsystem\n(Vtrue\ntR."
    data = zip_bytes([Member(name="schema.json", data=schema), Member(name="array.npy", data=pickled)])
    assert judged(data).outcome is Outcome.REFUSED


def test_a_schema_that_is_no_json_is_unverifiable():
    assert judged(skops("{")).outcome is Outcome.UNVERIFIABLE
    assert judged(skops("[" * 100_000)).outcome is Outcome.UNVERIFIABLE


@pytest.mark.parametrize("order", ["little", "big"])
def test_a_header_without_an_end_is_over_budget_and_not_endless(order):
    head = b"GGUF" + (3).to_bytes(4, order) + (0).to_bytes(8, order) + (50_000).to_bytes(8, order)
    found = inspect(BytesSource(head + bytes(600_000)), budget=Budget(opcodes=1000))
    assert found.outcome is Outcome.UNVERIFIABLE
