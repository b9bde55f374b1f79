"""The corpora against the inspector: nothing malicious gets in, no plain data is refused, needed classes are named."""

from collections import Counter

import pytest

from tests.corpus.benign.others import NOT_MODELS
from tests.corpus.expectation import needed
from tests.corpus.reach import write_and_load
from weighlock.allowlist import profile
from weighlock.artifact import ModelFile
from weighlock.finding import Inspection, Outcome
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect
from weighlock.policy import Policy

pytestmark = pytest.mark.e2e

SCANNING = Policy.from_dict({"unlocked": "inspect"})


def inspections(cases):
    return {case.name: inspect(BytesSource(case.data)) for case in cases}


def admitted(name: str, inspection: Inspection) -> bool:
    artifact = ModelFile(path=name, size=0, format=inspection.format)
    return inspection.outcome <= Outcome.DATA_ONLY or SCANNING.decide(artifact, inspection, ()).allowed


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The files of a corpus, and what happened when their real loaders loaded them; made once."""
    made = {}

    def written(corpus):
        if corpus not in made:
            made[corpus] = write_and_load(corpus, tmp_path_factory.mktemp(corpus))
        return made[corpus]

    return written


def test_no_malicious_file_is_admitted(written, record_property):
    judged = inspections(written("malicious")[0])
    assert not [name for name, inspection in judged.items() if admitted(name, inspection)]
    for outcome, count in Counter(str(inspection.outcome) for inspection in judged.values()).items():
        record_property(outcome, count)


def test_malicious_corpus_covers_every_class_of_attack(written):
    cases, _ = written("malicious")
    assert len(cases) >= 650
    families = {case.name.partition("-")[0] for case in cases}
    assert families >= {
        *("gadget", "advisory", "text", "frame", "proto", "python2", "stream", "name", "operand", "extension", "edge"),
        *("confused", "nested", "torch", "joblib", "npy", "npz", "layers", "pandas", "archived", "polyglot", "suffix"),
    }


def test_every_payload_is_reached_by_a_real_loader(written):
    cases, reached = written("malicious")
    assert not [case.name for case in cases if not reached[case.name].proves(case)]


def test_no_data_only_file_is_refused(written):
    cases, _ = written("benign")
    assert len(cases) >= 120
    judged = inspections(cases)
    assert {name: str(one.outcome) for name, one in judged.items() if one.outcome is not Outcome.DATA_ONLY} == {}
    assert not [name for name, one in judged.items() if not admitted(name, one)]
    assert not [name for name, one in judged.items() if one.needs]


def test_every_data_only_file_loads(written):
    cases, loaded = written("benign")
    assert {case.name: loaded[case.name].error for case in cases if loaded[case.name].error.strip()} == {}
    assert not [case.name for case in cases if needed(loaded[case.name].asked)]


@pytest.mark.parametrize("name", NOT_MODELS)
def test_neighbour_of_a_model_is_not_a_model(name):
    assert inspect(BytesSource(NOT_MODELS[name])).outcome is Outcome.NOT_A_MODEL


def test_files_that_need_classes_name_exactly_those(written):
    cases, loaded = written("classes")
    assert len(cases) >= 90
    assert {name: one.error for name, one in loaded.items() if one.error.strip()} == {}
    expected = {case.name: ("needs-approval", needed(loaded[case.name].asked)) for case in cases}
    judged = {name: (str(one.outcome), one.needs) for name, one in inspections(cases).items()}
    assert {name: judged[name] for name in expected if judged[name] != expected[name]} == {}
    assert all(needs for _, needs in expected.values())


def test_one_profile_is_enough_for_frames_that_pyarrow_keeps(written):
    needs = {name: one.needs for name, one in inspections(written("classes")[0]).items() if name.startswith("arrow-")}
    assert len(needs) >= 15
    assert not set().union(*needs.values()) - profile("pandas-arrow")
