"""Models of a real MLflow server, of several flavors, locked, synced and loaded; and the ways around that."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import mlflow_server
from tests.runtime.venvs import SOURCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODELS = Path(__file__).with_name("mlflow_models.py")

PROGRAM = """
import contextlib, io, json, logging, os, sys, warnings

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
import mlflow, mlflow.pyfunc, mlflow.pytorch, mlflow.sklearn

names = dict(globals())
for line in sys.stdin:
    heard = io.StringIO()
    with contextlib.redirect_stderr(heard), contextlib.redirect_stdout(heard):
        try:
            exec(compile(json.loads(line), "program", "exec"), names)
            answer = ["done", names.pop("said", None)]
        except BaseException as error:
            answer = [type(error).__name__, str(error)]
    print(json.dumps([*answer, heard.getvalue()]), flush=True)
"""


class Program:
    """A program under the guard, which does what it is told."""

    def __init__(self, stage: Stage, **environ: str) -> None:
        command = [sys.executable, "-m", "weighlock", "run", "program.py"]
        self.stage = stage
        self.process = subprocess.Popen(
            command,
            cwd=stage.project,
            env=stage.environ | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str) -> tuple[str, object]:
        print(json.dumps(code), file=self.process.stdin, flush=True)
        kind, said, self.heard = json.loads(self.process.stdout.readline())
        return kind, said

    def loads(self, code: str) -> object:
        """Run something that has to work, and return what it leaves in `said`."""
        kind, said = self.run(code)
        assert kind == "done", said
        return said

    def refuses(self, code: str, *words: str) -> None:
        """Run something that the guard has to refuse, for a reason with these words."""
        kind, said = self.run(code)
        assert kind == "LoadRefused", (kind, said)
        for word in words:
            assert word in said, said

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Stage:
    """A server with models, and a project in which they are locked."""

    def __init__(self, server: mlflow_server.MlflowServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.project = folder / "project"
        self.marker = folder / "marker"
        self.project.mkdir()
        self.environ = (
            os.environ
            | server.environ()
            | {
                "PYTHONPATH": str(SOURCE),
                "WEIGHLOCK_CACHE": str(folder / "cache"),
                "WEIGHLOCK_STATE": str(folder / "state"),
                "TMPDIR": str(self._made("tmp")),
            }
        )
        (self.project / "program.py").write_text(PROGRAM)
        (self.project / "weighlock.toml").write_text("trust-saved = false\n")

    def _made(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name

    def command(self, *words: str, code: int = 0) -> str:
        """Run a command in the project, and return all that it says."""
        done = subprocess.run(
            [sys.executable, "-m", "weighlock", *words],
            cwd=self.project,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def artifacts(self, name: str, version: str = "1") -> Path:
        """Return the folder of the server in which the artifacts of a version lie."""
        path = f"2.0/mlflow/model-versions/get-download-uri?name={name}&version={version}"
        uri = self.server.must("GET", path)["artifact_uri"]
        return Path(self.server.artifacts, uri.removeprefix("mlflow-artifacts:/"))

    def alias(self, name: str, alias: str, version: str) -> None:
        body = {"name": name, "alias": alias, "version": version}
        self.server.must("POST", "2.0/mlflow/registered-models/alias", body)

    @contextlib.contextmanager
    def overwritten(self, place: Path, data: bytes):
        """Overwrite an artifact on the server, as everybody who may write to its store can."""
        before = place.read_bytes() if place.exists() else None
        new = not place.parent.exists()
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data if before is None else data.ljust(len(before), b"#"))
        try:
            yield
        finally:
            place.unlink() if before is None else place.write_bytes(before)
            if new:
                place.parent.rmdir()

    @property
    def payload(self) -> bytes:
        """A pickle that makes the marker."""
        return f"cbuiltins\nopen\n(V{self.marker}\nVw\ntR.".encode()

    @property
    def code(self) -> str:
        """Python that makes the marker."""
        return f"open({str(self.marker)!r}, 'w').close()\n"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "made").mkdir()
    with mlflow_server.server(folder / "server") as server:
        made = Stage(server, folder)
        subprocess.run(
            [sys.executable, str(MODELS), str(folder / "made")], env=made.environ, check=True, capture_output=True
        )
        made.command(
            "lock", "models:/credit@champion", "models:/large/1", "models:/skops/latest", "models:/torch@champion"
        )
        made.command("lock", "models:/script@champion", "models:/loader@champion", "--remote-code")
        made.command("lock", "models:/refused@champion")
        for file in ("credit:model.pkl", "large:model.pkl", "skops:model.skops", "torch:data/model.pth"):
            made.command("approve", f"models:/{file}", "--yes")
        made.command("approve", "models:/pickled:python_model.pkl", "--unsafe", "--reason", "read it", "--yes")
        made.command("lock", "models:/pickled@champion")
        yield made


@pytest.fixture(scope="module")
def program(stage):
    # No variable of MLflow loosens anything.
    running = Program(stage, MLFLOW_ALLOW_PICKLE_DESERIALIZATION="true")
    yield running
    running.close()


@pytest.fixture(autouse=True)
def _nothing_ran(stage):
    yield
    assert not stage.marker.exists(), "code of an attacker ran"


PREDICT = "said = list(mlflow.pyfunc.load_model({!r}).predict([[1.0]]))"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("said = type(mlflow.sklearn.load_model('models:/credit@champion')).__name__", "LogisticRegression"),
        ("said = type(mlflow.sklearn.load_model('models:/credit/1')).__name__", "LogisticRegression"),
        ("said = len(mlflow.sklearn.load_model('models:/large/1').more)", 300_000),
        ("said = type(mlflow.sklearn.load_model('models:/skops/latest')).__name__", "LogisticRegression"),
        ("said = type(mlflow.pytorch.load_model('models:/torch@champion')).__name__", "Linear"),
        (PREDICT.format("models:/credit@champion").replace("said = list(", "said = list(map(int, ") + ")", [1]),
        (PREDICT.format("models:/script@champion"), ["from code"]),
        (PREDICT.format("models:/loader@champion"), ["code"]),
        (
            "said = mlflow.models.get_model_info('models:/credit@champion').flavors['sklearn']['pickled_model']",
            "model.pkl",
        ),
        ("said = mlflow.models.Model.load('models:/credit/1').flavors['sklearn']['pickled_model']", "model.pkl"),
        ("said = mlflow.artifacts.load_text('models:/credit/1/requirements.txt')", "mlflow"),
    ],
)
def test_locked_models_of_every_flavor_load_unchanged(program, code, said):
    assert program.loads(code) == said


def test_a_pickled_python_model_reads_its_artifacts_whenever_it_wants(program):
    assert program.loads(PREDICT.format("models:/pickled@champion")) == ["42", "42"]


def test_an_alias_that_moved_on_the_server_means_the_locked_version(program, stage):
    stage.alias("credit", "champion", "2")
    try:
        assert program.loads("said = hasattr(mlflow.sklearn.load_model('models:/credit@champion'), 'more')") is False
        assert "@champion is now 2, 1 is locked" in stage.command("lock", "--check", "models:/credit@champion", code=1)
        program.refuses("mlflow.sklearn.load_model('models:/credit/2')", "rule: other-revision", "version 1")
    finally:
        stage.alias("credit", "champion", "1")


@pytest.mark.parametrize(
    "uri",
    [
        "models:/credit@Champion",
        "models:/credit@CHAMPION",
        "models:/credit@challenger",
        "models:/credit/2",
        "MODELS:/credit/2",
    ],
)
def test_another_alias_or_version_is_refused_before_the_server_is_asked(program, uri):
    program.refuses(f"mlflow.sklearn.load_model({uri!r})", "rule: other-revision", "weighlock lock")


@pytest.mark.parametrize(
    "uri", ["models:/unknown@champion", "models:/unknown/1", "models://other/credit/1", "models:/credit/1?a"]
)
def test_a_model_that_is_not_locked_is_refused(program, uri):
    program.refuses(f"mlflow.sklearn.load_model({uri!r})", "rule: not-in-lock")


LOAD = "mlflow.sklearn.load_model('models:/credit@champion')"


def test_an_artifact_that_was_overwritten_is_refused_by_load_download_and_sync(program, stage):
    place = stage.artifacts("credit") / "model.pkl"
    locked = next(
        line
        for line in (stage.project / "models.lock").read_text().split("model.pkl")[1].splitlines()
        if "sha256" in line
    )
    with stage.overwritten(place, stage.payload):
        program.refuses(LOAD, "models:/credit:model.pkl", "rule: changed", locked.split('"')[1])
        program.refuses(PREDICT.format("models:/credit/1"), "rule: changed")
        program.refuses("mlflow.artifacts.download_artifacts('models:/credit/1')", "rule: changed")
        program.refuses("mlflow.artifacts.download_artifacts('models:/credit/1/model.pkl')", "rule: changed")
        shutil.rmtree(stage.folder / "cache" / "mlflow" / "credit")
        said = stage.command("sync", "models:/credit", code=1)
        assert "model.pkl" in said
        assert locked.split('"')[1] in said


def test_an_overwritten_model_file_that_names_a_loader_is_refused(program, stage):
    evil = "flavors:\n  python_function:\n    loader_module: antigravity\n"
    with stage.overwritten(stage.artifacts("credit") / "MLmodel", evil.encode()):
        program.refuses(PREDICT.format("models:/credit@champion"), "MLmodel", "rule: changed")
        program.refuses("mlflow.models.Model.load('models:/credit/1')", "MLmodel", "rule: changed")


@pytest.mark.parametrize(
    "path", ["code/numpy.py", "extra.pkl", "data/__init__.py", "sitecustomize.py", "model.pkl.bak"]
)
def test_a_file_beside_the_locked_ones_is_refused(program, stage, path):
    with stage.overwritten(stage.artifacts("credit") / path, stage.code.encode()):
        program.refuses(LOAD, path, "rule: not-in-lock")


def test_a_source_that_was_swapped_on_the_server_is_refused(program, stage):
    real, other = stage.artifacts("credit"), stage.artifacts("credit", "2")
    shutil.move(real, real.with_name("kept"))
    shutil.copytree(other, real)
    try:
        program.refuses(LOAD, "rule: changed")
    finally:
        shutil.rmtree(real)
        shutil.move(real.with_name("kept"), real)


def test_a_run_is_no_way_around(program, stage):
    code = """
client = mlflow.MlflowClient()
version = client.get_model_version("credit", "2")
mlflow.sklearn.load_model(version.source)
"""
    assert program.loads("said = mlflow.MlflowClient().get_model_version('credit', '2').source").startswith("models:/")
    for uri in ("version.source", "f'runs:/{version.run_id}/unregistered'"):
        program.refuses(code.replace("version.source", uri), "MLmodel", "rule: not-in-lock")
    assert program.loads(code.replace('"2"', '"1"') + "said = 1") == 1


def test_what_a_client_downloads_past_the_guard_is_judged_when_it_is_loaded(program, stage):
    code = """
version = mlflow.MlflowClient().get_model_version("credit", "2")
place = mlflow.MlflowClient().download_artifacts(version.run_id, "model") if version.run_id else None
"""
    program.run(code)
    shutil.copytree(stage.artifacts("credit", "2"), stage.project / "copy")
    program.refuses("mlflow.sklearn.load_model('./copy')", "rule: not-in-lock")
    program.refuses("import pickle; pickle.load(open('./copy/model.pkl', 'rb'))", "rule: not-in-lock")
    shutil.rmtree(stage.project / "copy")


def test_what_is_downloaded_lies_where_the_program_said(program, stage):
    said = program.loads("said = mlflow.artifacts.download_artifacts('models:/torch@champion', dst_path='./here')")
    assert Path(said).resolve() == (stage.project / "here").resolve()
    program.loads("import torch; torch.load('./here/data/model.pth', weights_only=False)")
    (stage.project / "here" / "data" / "model.pth").write_bytes(stage.payload)
    program.refuses("torch.load('./here/data/model.pth', weights_only=False)", "rule: not-in-lock")
    program.refuses("mlflow.pytorch.load_model('./here')", "data/model.pth", "rule: changed")


def test_code_of_a_model_that_is_locked_without_it_does_not_run(program):
    program.refuses(PREDICT.format("models:/refused@champion"), "rule: remote-code", "--remote-code")


def test_code_that_was_exchanged_after_the_judgement_does_not_run(program, stage):
    """Between judgement and use, another process exchanges every file of the folder that the program named."""
    shutil.copytree(stage.artifacts("loader"), stage.project / "mine")
    code = f"""
import mlflow.pyfunc
real = mlflow.pyfunc._get_pip_requirements_from_model_path
def exchange(place):
    import glob
    for path in glob.glob('./mine/**/*', recursive=True):
        if os.path.isfile(path):
            open(path, 'w').write({stage.code!r})
    return real(place)
mlflow.pyfunc._get_pip_requirements_from_model_path = exchange
try:
    said = list(mlflow.pyfunc.load_model('./mine').predict([1]))
finally:
    mlflow.pyfunc._get_pip_requirements_from_model_path = real
"""
    assert program.loads(code) == ["code"]
    shutil.rmtree(stage.project / "mine")


def test_a_large_pickle_that_was_exchanged_after_the_judgement_is_refused_or_not_used(program, stage):
    shutil.copytree(stage.artifacts("large"), stage.project / "mine")
    code = f"""
import mlflow.sklearn
real = mlflow.sklearn._add_code_from_conf_to_system_path
def exchange(*args):
    with open('./mine/model.pkl', 'r+b') as file:
        file.write({stage.payload!r})
    return real(*args)
mlflow.sklearn._add_code_from_conf_to_system_path = exchange
sys.modules['weighlock.runtime._mlflow']._handed_out.clear()  # as if it was the first load of this model
try:
    mlflow.sklearn.load_model('./mine')
finally:
    mlflow.sklearn._add_code_from_conf_to_system_path = real
"""
    program.refuses(code, "model.pkl")
    shutil.rmtree(stage.project / "mine")


def test_links_out_of_the_folder_are_judged_by_what_they_lead_to(program, stage):
    folder = stage.project / "links"
    shutil.copytree(stage.artifacts("credit"), folder)
    (folder / "model.pkl").rename(stage.project / "moved.pkl")
    (folder / "model.pkl").symlink_to("../moved.pkl")
    program.loads("mlflow.sklearn.load_model('./links')")
    (stage.project / "moved.pkl").write_bytes(stage.payload)
    program.refuses("mlflow.sklearn.load_model('./links')", "rule: changed")
    (folder / "model.pkl").unlink()
    (folder / "model.pkl").symlink_to("/dev/zero")
    program.refuses("mlflow.sklearn.load_model('./links')", "regular file")
    (folder / "code").symlink_to(stage.folder)
    (folder / "model.pkl").unlink()
    program.refuses("mlflow.sklearn.load_model('./links')", "code")


@pytest.mark.parametrize(
    "evil",
    [
        "flavors: {python_function: {loader_module: antigravity}}",
        "flavors: {python_function: {loader_module: mlflow.projects}}",
        "flavors: {python_function: {<<: {loader_module: antigravity}}}",
        "flavors: {python_function: {loader_module: mlflow.sklearn, code: code}}",
        "flavors: {python_function: {loader_module: mlflow.pyfunc.model, model_code_path: script.py}}",
        "flavors: {sklearn: {}, langchain: {}}",
        "flavors: {tensorflow: {keras_module: antigravity}}",
        "flavors: {python_function: [loader_module]}",
        "!!python/object/apply:os.system [exit]",
        "flavors: &a [*a]",
    ],
)
def test_inspecting_instead_of_locking_admits_no_code(stage, lenient, evil):
    folder = stage.project / "unlocked"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text(evil)
    for path in ("code/antigravity.py", "script.py", "code/helpers.py"):
        (folder / path).write_text(stage.code)
    kind, said = lenient.run("mlflow.pyfunc.load_model('./unlocked')")
    assert kind != "done", said


@pytest.fixture(scope="module")
def lenient(stage):
    (stage.project / "lenient.toml").write_text('trust-saved = false\nunlocked = "inspect"\n')
    running = Program(stage, WEIGHLOCK_POLICY="lenient.toml")
    yield running
    running.close()


def test_inspecting_admits_data_and_refuses_a_pickle_that_runs(stage, lenient):
    shutil.copytree(stage.artifacts("torch"), stage.project / "inspected")
    (stage.project / "inspected" / "MLmodel").write_bytes((stage.artifacts("torch") / "MLmodel").read_bytes() + b"\n")
    lenient.loads("mlflow.pytorch.load_model('./inspected')")
    (stage.project / "inspected" / "data" / "model.pth").write_bytes(stage.payload)
    lenient.refuses("mlflow.pytorch.load_model('./inspected')", "data/model.pth")
    shutil.rmtree(stage.project / "inspected")


def test_an_environment_with_packages_that_a_model_names_is_refused(program):
    code = "from mlflow.pyfunc import _load_model_or_server as load\nload('models:/credit/1', {!r})"
    program.refuses(code.format("virtualenv"), "nobody judged")


def test_serving_under_the_guard_judges_what_it_serves(stage):
    command = [sys.executable, "-m", "weighlock", "run", "-m", "mlflow", "models", "predict", "--env-manager", "local"]
    (stage.project / "input.json").write_text('{"inputs": [[1.0]]}')

    def predict():
        return subprocess.run(
            [*command, "-m", "models:/credit@champion", "-i", "input.json"],
            cwd=stage.project,
            env=stage.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    done = predict()
    assert '"predictions": [1]' in done.stdout, done.stdout + done.stderr
    with stage.overwritten(stage.artifacts("credit") / "model.pkl", stage.payload):
        done = predict()
    assert done.returncode != 0
    assert "weighlock refused" in done.stderr


def test_loading_again_and_again_keeps_no_more_files_open(program):
    count = "len(os.listdir('/proc/self/fd'))"
    code = f"mlflow.sklearn.load_model('models:/large/1'); said = {count}"
    program.loads(code)
    first = program.loads(code)
    assert {program.loads(code) for _ in range(3)} == {first}
