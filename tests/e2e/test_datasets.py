"""datasets under the guard: locked data load, tampered data do not, and a script or a pickle within data never runs."""

from __future__ import annotations

import io
import json
import pickle
import shutil

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.e2e import matrix
from tests.e2e.test_libraries import loaded, refused
from tests.runtime.payload import Payload

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

LOAD = """
import datasets
datasets.disable_progress_bars()
datasets.logging.set_verbosity_error()
print("LOADED", datasets.load_dataset("org/data"{more})["train"][1])
"""
SCRIPT = b"""
import datasets

from .part import SIZE


class Tiny(datasets.GeneratorBasedBuilder):
    def _info(self):
        return datasets.DatasetInfo(features=datasets.Features({"x": datasets.Value("int64")}))

    def _split_generators(self, manager):
        return [datasets.SplitGenerator(name="train")]

    def _generate_examples(self):
        yield from ((number, {"x": SIZE}) for number in range(2))
"""
PART = b"SIZE = 7\n"
METRIC = b"""
import datasets
import evaluate


class Mine(evaluate.Metric):
    def _info(self):
        number = datasets.Value("int64")
        features = datasets.Features({"predictions": number, "references": number})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        return {"mine": 7}
"""
MEASURE = """
import evaluate
print("LOADED", evaluate.load("mine").compute(predictions=[1], references=[1]))
"""
AUTO_LOAD = """
import pyarrow
pyarrow.PyExtensionType.set_auto_load(True)
"""


def load(more=""):
    return LOAD.replace("{more}", more)


def parquet(table):
    data = io.BytesIO()
    pyarrow.parquet.write_table(table, data)
    return data.getvalue()


def rows(*texts):
    return parquet(pa.table({"text": list(texts)}))


def pickled_type(workshop):
    """Return a table whose schema says that the type of its column is a pickle."""
    kind = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(Payload(workshop.folder / "marker")),
    }
    return pa.table([pa.array(["a", "b"])], schema=pa.schema([pa.field("text", pa.string(), metadata=kind)]))


def harmful(workshop):
    return f"open({str(workshop.folder / 'marker')!r}, 'w').close()\n".encode()


def ran(workshop):
    return (workshop.folder / "marker").exists()


def forget(workshop):
    """Remove the data that the library has prepared, so that it reads the repository's files again."""
    shutil.rmtree(workshop.folder / "huggingface" / "datasets")


@pytest.fixture(scope="session")
def scripts():
    """Return what makes a program import the last datasets that runs scripts."""
    try:
        folder = matrix.provide_scripts()
    except matrix.NoIndexError as error:
        pytest.skip(str(error))
    return f"\nimport sys\nsys.path.insert(0, {str(folder)!r})\n"


@pytest.mark.parametrize(
    ("path", "data"),
    [("data/train.parquet", rows("a", "b")), ("train.jsonl", b'{"text": "a"}\n{"text": "b"}\n')],
    ids=["parquet", "json"],
)
def test_a_locked_dataset_loads_and_its_tampered_cache_is_refused(workshop, path, data):
    workshop.serve("org/data", {path: data}, kind="dataset")
    workshop.hub.commit("org/data", {path: b"swapped"}, type="dataset")
    assert loaded(workshop.run(load()))
    assert loaded(workshop.run(load(), HF_HUB_OFFLINE="1"))
    forget(workshop)
    workshop.poison("org/data", path, "dataset")
    assert refused(workshop.run(load()), path)
    assert refused(workshop.run(load(", streaming=True").replace("[1]", ".take(1)")), path)


def test_a_tampered_download_of_a_dataset_is_refused_whether_it_is_stored_or_streamed(workshop):
    data = rows("a", "b")
    workshop.serve("org/data", {"train.parquet": data}, kind="dataset")
    workshop.hub.tamper("org/data", "train.parquet", data[:-1] + b"X", type="dataset")
    assert refused(workshop.run(load()), "train.parquet")
    streamed = load(", streaming=True").replace("[1]", ".take(1)")
    assert refused(workshop.run(streamed), "train.parquet")
    assert not list(workshop.cache.glob("*/snapshots/*/train.parquet"))


def test_a_dataset_that_is_not_locked_is_refused_with_the_command_that_locks_it(workshop):
    workshop.serve("org/data", {"train.parquet": rows("a", "b")}, kind="dataset", lock=False)
    assert refused(workshop.run(load()), "hint: weighlock lock datasets/org/data")


def test_a_pickle_that_stands_for_the_type_of_a_column_is_not_even_read(workshop):
    table = pickled_type(workshop)
    with pa.OSFile(str(workshop.folder / "data.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    saved = workshop.folder / "saved"
    saved.mkdir()
    shutil.copy(workshop.folder / "data.arrow", saved)
    (saved / "dataset_info.json").write_text("{}")
    state = {"_data_files": [{"filename": "data.arrow"}], "_fingerprint": "0", "_format_kwargs": {}}
    state |= dict.fromkeys(["_format_columns", "_format_type", "_split"], None) | {"_output_all_columns": False}
    (saved / "state.json").write_text(json.dumps(state))
    workshop.serve("org/data", {"train.parquet": parquet(table)}, kind="dataset")
    assert loaded(workshop.run(load()))
    done = workshop.run(
        """
        import datasets
        print("LOADED", datasets.load_from_disk("saved")[1], datasets.Dataset.from_file("data.arrow")[1])
        """
    )
    assert loaded(done)
    assert not ran(workshop)


def test_a_pickle_that_stands_for_the_type_of_a_column_is_refused_where_pyarrow_would_load_it(workshop, scripts):
    workshop.serve("org/data", {"train.parquet": parquet(pickled_type(workshop))}, kind="dataset")
    program = scripts + AUTO_LOAD + load()
    assert refused(workshop.run(program), "posix.mkdir")
    assert not ran(workshop)
    workshop.run(program, guard=False)
    assert ran(workshop)


def test_a_loading_script_runs_only_when_it_is_locked_with_remote_code(workshop, scripts):
    program = scripts + load(", trust_remote_code=True")
    files = {"data.py": SCRIPT, "part.py": PART}
    workshop.serve("org/data", files, kind="dataset", lock=False)
    assert refused(workshop.run(program), "hint: weighlock lock datasets/org/data")
    workshop.serve("org/data", files, kind="dataset")
    assert refused(workshop.run(program), "weighlock lock datasets/org/data --remote-code")
    workshop.serve("org/data", files, kind="dataset", remote_code=True)
    workshop.hub.commit("org/data", {"part.py": PART + harmful(workshop)}, type="dataset")
    assert loaded(workshop.run(program))
    assert loaded(workshop.run(program, HF_HUB_OFFLINE="1"))
    (copy,) = (workshop.folder / "huggingface" / "modules").rglob("part.py")
    copy.write_bytes(PART + harmful(workshop))
    assert refused(workshop.run(program, HF_HUB_OFFLINE="1"), "part.py", "rule: changed")
    assert not ran(workshop)


def test_a_loading_script_in_a_local_folder_runs_only_when_the_folder_is_locked_with_its_code(workshop, scripts):
    program = scripts + load(", trust_remote_code=True").replace("org/data", "./data")
    folder = workshop.folder / "data"
    folder.mkdir()
    (folder / "data.py").write_bytes(SCRIPT)
    (folder / "part.py").write_bytes(PART)
    assert refused(workshop.run(program), "not-in-lock")
    workshop.lock_folder("data", remote_code=True)
    assert loaded(workshop.run(program))


def test_a_metric_of_evaluate_runs_only_when_its_space_is_locked_with_remote_code(workshop, scripts):
    files = {"mine.py": METRIC}
    workshop.serve("evaluate-metric/mine", files, kind="space")
    assert refused(
        workshop.run(scripts + MEASURE), "mine.py", "weighlock lock spaces/evaluate-metric/mine --remote-code"
    )
    workshop.serve("evaluate-metric/mine", files, kind="space", remote_code=True)
    done = workshop.run(scripts + MEASURE)
    assert done.returncode == 0, done.stderr
    assert "LOADED {'mine': 7}" in done.stdout
