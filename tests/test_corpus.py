"""The corpora against the inspector: nothing malicious gets in, no plain data is refused, needed classes are named."""

import warnings
from collections import Counter

import pytest

from tests.corpus import benign, classes, malicious
from tests.corpus.benign.others import NOT_MODELS
from tests.corpus.expectation import needed
from tests.corpus.reach import load_all
from weighlock.allowlist import profile
from weighlock.artifact import ModelFile
from weighlock.finding import Inspection, Outcome
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect
from weighlock.policy import Policy

SCANNING = Policy.from_dict({"unlocked": "inspect"})


def inspections(cases):
    return {case.name: inspect(BytesSource(case.data)) for case in cases}


def admitted(name: str, inspection: Inspection) -> bool:
    artifact = ModelFile(path=name, size=0, format=inspection.format)
    return inspection.outcome <= Outcome.DATA_ONLY or SCANNING.decide(artifact, inspection, ()).allowed


@pytest.fixture(scope="session")
def malicious_cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn while they are imported
        return malicious.cases()


@pytest.fixture(scope="session")
def class_cases():
    return classes.cases()


@pytest.fixture(scope="session")
def benign_cases():
    return benign.cases()


def test_no_malicious_file_is_admitted(malicious_cases, record_property):
    judged = inspections(malicious_cases)
    assert not [name for name, inspection in judged.items() if admitted(name, inspection)]
    for outcome, count in Counter(str(inspection.outcome) for inspection in judged.values()).items():
        record_property(outcome, count)


def test_malicious_corpus_covers_every_class_of_attack(malicious_cases):
    assert len(malicious_cases) >= 650
    families = {case.name.partition("-")[0] for case in malicious_cases}
    assert families >= {
        *("gadget", "advisory", "text", "frame", "proto", "python2", "stream", "name", "operand", "extension", "edge"),
        *("confused", "nested", "torch", "joblib", "npy", "npz", "layers", "pandas", "archived", "polyglot", "suffix"),
    }


@pytest.mark.e2e
def test_every_payload_is_reached_by_a_real_loader(malicious_cases, tmp_path):
    reached = load_all(malicious_cases, tmp_path / "reach")
    assert not [case.name for case in malicious_cases if not reached[case.name].proves(case)]


def test_no_data_only_file_is_refused(benign_cases):
    assert len(benign_cases) >= 120
    judged = inspections(benign_cases)
    assert {name: str(one.outcome) for name, one in judged.items() if one.outcome is not Outcome.DATA_ONLY} == {}
    assert not [name for name, one in judged.items() if not admitted(name, one)]
    assert not [name for name, one in judged.items() if one.needs]


@pytest.mark.e2e
def test_every_data_only_file_loads(benign_cases, tmp_path):
    loaded = load_all(benign_cases, tmp_path / "reach")
    assert {case.name: loaded[case.name].error for case in benign_cases if loaded[case.name].error.strip()} == {}
    assert not [case.name for case in benign_cases if needed(loaded[case.name].asked)]


@pytest.mark.parametrize("name", NOT_MODELS)
def test_neighbour_of_a_model_is_not_a_model(name):
    assert inspect(BytesSource(NOT_MODELS[name])).outcome is Outcome.NOT_A_MODEL


@pytest.mark.e2e
def test_files_that_need_classes_name_exactly_those(class_cases, tmp_path):
    assert len(class_cases) >= 90
    loaded = load_all(class_cases, tmp_path / "reach")
    assert {name: one.error for name, one in loaded.items() if one.error.strip()} == {}
    expected = {case.name: ("needs-approval", needed(loaded[case.name].asked)) for case in class_cases}
    judged = {name: (str(one.outcome), one.needs) for name, one in inspections(class_cases).items()}
    assert {name: judged[name] for name in expected if judged[name] != expected[name]} == {}
    assert all(needs for _, needs in expected.values())


def test_one_profile_is_enough_for_frames_that_pyarrow_keeps(class_cases):
    needs = {name: one.needs for name, one in inspections(class_cases).items() if name.startswith("arrow-")}
    assert len(needs) >= 15
    assert not set().union(*needs.values()) - profile("pandas-arrow")
