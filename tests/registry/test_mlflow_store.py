"""The guarded store of MLflow without a server: how it starts, who it says it is, and that it can be killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings

import pytest

pytest.importorskip("mlflow", reason="mlflow is not installed: the extra [mlflow]")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's tables use what SQLAlchemy will remove
    import mlflow.store.model_registry.sqlalchemy_store  # noqa: F401
from mlflow.entities.model_registry import ModelVersionTag
from mlflow.exceptions import MlflowException
from mlflow.tracking._model_registry.utils import _get_store

from tests.mlflow_direct import policy_in, summary_of
from tests.mlflow_rig import POLICY
from weighlock.errors import PolicyError
from weighlock.registry.mlflow import open_store
from weighlock.registry.mlflow.actor import Actor

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


_KILLS = 12
"""By a person now and then 500; that takes a minute."""


@pytest.fixture
def artifacts(tmp_path):
    place = tmp_path / "artifacts"
    (place / "data").mkdir(parents=True)
    (place / "MLmodel").write_bytes(b"flavors: {}\n")
    (place / "data" / "model.bin").write_bytes(b"weights")
    return place


@pytest.fixture
def environ(tmp_path, monkeypatch):
    found = policy_in(tmp_path)
    for name, word in found.items():
        monkeypatch.setenv(name, word)
    return found


@pytest.fixture
def store(tmp_path, environ, artifacts):
    opened = open_store(f"weighlock+sqlite:///{tmp_path}/registry.db")
    opened.create_registered_model("net")
    opened.create_model_version("net", str(artifacts))
    yield opened
    opened._dispose_engine()


def attach(store, tmp_path, artifacts, *, version=1, previous=None):
    digest, key, value = summary_of(tmp_path, "net", version, artifacts, previous)
    store.set_model_version_tag("net", version, ModelVersionTag(key, value))
    return digest


def in_force(store):
    return store.get_registered_model("net").tags.get("weighlock.in-force.production")


@pytest.mark.parametrize(
    "policy", ["", '[tool.weighlock.promotion]\nverifiers = ["nobody"]\n', "[tool.weighlock.promotion]\nstage = 1\n"]
)
def test_a_policy_by_which_nothing_can_be_promoted_does_not_start(tmp_path, monkeypatch, policy):
    for name, word in policy_in(tmp_path, policy).items():
        monkeypatch.setenv(name, word)
    with pytest.raises(PolicyError):
        open_store(f"weighlock+sqlite:///{tmp_path}/registry.db")
    assert not (tmp_path / "registry.db").exists()


@pytest.mark.e2e
def test_a_server_that_could_promote_nothing_ends(tmp_path):
    """MLflow ends with a message and a status, and does not go on with a store of its own."""
    environ = policy_in(tmp_path, "")
    database = f"sqlite:///{tmp_path}/m.db"
    command = [sys.executable, "-m", "mlflow", "server", "--port", "0", "--backend-store-uri", database]
    command += ["--registry-store-uri", f"weighlock+{database}"]
    words = {"capture_output": True, "text": True, "timeout": 200}
    ran = subprocess.run(command, env=os.environ | environ, cwd=tmp_path, check=False, **words)
    assert ran.returncode == 1
    assert "nobody's signature counts" in ran.stderr


def test_workspaces_do_not_start(tmp_path, environ, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    with pytest.raises(PolicyError, match=r"workspaces.*hint: run one server for each workspace"):
        open_store(f"weighlock+sqlite:///{tmp_path}/registry.db")


def test_mlflow_finds_the_store_by_the_scheme_and_no_other_one_in_its_place(tmp_path, environ):
    """Without the entry point a server starts, as MLflow does, and each call of its registry is this error."""
    found = _get_store(f"weighlock+sqlite:///{tmp_path}/registry.db")
    assert type(found).__name__ == "GuardedStore"
    with pytest.raises(MlflowException, match="unsupported URI"):
        _get_store(f"weighlock+oracle:///{tmp_path}/registry.db")


def test_a_program_that_opens_the_database_itself_is_asked_as_well(store, tmp_path, artifacts):
    with pytest.raises(MlflowException, match="no verification summary"):
        store.set_registered_model_alias("net", "production", 1)
    digest = attach(store, tmp_path, artifacts)
    store.set_registered_model_alias("net", "production", 1)
    assert in_force(store) == digest
    assert store.get_model_version_by_alias("net", "production").version == 1


def test_outside_of_a_request_nobody_is_known():
    assert str(Actor()) == "mlflow:unknown@local"


def test_a_user_whom_nobody_asked_for_a_password_is_unknown(tmp_path, environ):
    import flask

    from weighlock.registry.mlflow.actor import current_actor

    app = flask.Flask("without passwords")
    with app.test_request_context(headers={"Authorization": "Basic YWRtaW46eA=="}, environ_base={"REMOTE_ADDR": "::1"}):
        assert str(current_actor()) == "mlflow:unknown@::1"


def test_a_stage_with_actors_is_closed_to_who_is_unknown(tmp_path, environ, artifacts):
    policy_in(tmp_path, POLICY)
    store = open_store(f"weighlock+sqlite:///{tmp_path}/registry.db")
    store.create_registered_model("net")
    store.create_model_version("net", str(artifacts))
    attach(store, tmp_path, artifacts)
    with pytest.raises(MlflowException, match="an unknown user may not move"):
        store.set_registered_model_alias("net", "production", 1)
    store._dispose_engine()


def test_a_summary_that_was_changed_in_the_database_is_not_believed(store, tmp_path, artifacts):
    attach(store, tmp_path, artifacts)
    store.set_registered_model_alias("net", "production", 1)
    _, _, other = summary_of(tmp_path, "other", 1, artifacts, None)
    with sqlite3.connect(tmp_path / "registry.db") as connection:
        connection.execute("UPDATE weighlock_promotions SET bundle = ?", (other.encode(),))
    connection.close()
    with pytest.raises(MlflowException, match="weighlock refuses"):
        store.get_model_version_by_alias("net", "production")


def test_nothing_is_hashed_for_who_has_no_summary_that_moves_the_name(store, tmp_path, artifacts, monkeypatch):
    """An artifact may be a terabyte of nothing, and whoever asks may ask again and again."""
    from weighlock.registry.mlflow import gate

    first = attach(store, tmp_path, artifacts)
    store.set_registered_model_alias("net", "production", 1)
    attach(store, tmp_path, artifacts, previous=first)
    store.set_registered_model_alias("net", "production", 1)
    store.create_model_version("net", str(artifacts))
    _, key, value = summary_of(tmp_path, "net", 1, artifacts, first)
    store.set_model_version_tag("net", 2, ModelVersionTag(key, value))
    monkeypatch.setattr(gate, "files_of", lambda _uri: pytest.fail("it was hashed"))
    with pytest.raises(MlflowException, match="weighlock refuses"):
        store.set_registered_model_alias("net", "production", 2)
    store.create_model_version("net", str(artifacts))
    with pytest.raises(MlflowException, match="there is no verification summary"):
        store.set_registered_model_alias("net", "production", 3)


@pytest.mark.parametrize("how", ["overwritten", "in the old one's place", "one more"])
def test_artifacts_that_are_changed_while_they_are_hashed_are_not_promoted(
    store, tmp_path, artifacts, monkeypatch, how
):
    from weighlock.registry.mlflow import gate

    attach(store, tmp_path, artifacts)
    place, real = artifacts / "data" / "model.bin", gate.files_of

    def files_of(uri):
        found, status = real(uri), place.stat()
        if how == "one more":
            (artifacts / "more.py").write_text("print()")
        else:
            data = b"x" * status.st_size
            target = place if how == "overwritten" else place.with_name("other")
            target.write_bytes(data)
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
            target.replace(place)
        return found

    monkeypatch.setattr(gate, "files_of", files_of)
    with pytest.raises(MlflowException, match="changed while they were hashed"):
        store.set_registered_model_alias("net", "production", 1)
    assert in_force(store) is None


def test_a_named_pipe_among_the_artifacts_holds_up_no_server(store, tmp_path, artifacts):
    attach(store, tmp_path, artifacts)
    (artifacts / "data" / "model.bin").unlink()
    os.mkfifo(artifacts / "data" / "model.bin")
    said = []
    asked = threading.Thread(target=_asked, args=(store, said), daemon=True)
    asked.start()
    asked.join(20)
    is_held_up = asked.is_alive()
    if is_held_up:
        os.close(os.open(artifacts / "data" / "model.bin", os.O_WRONLY))
        asked.join()
    assert not is_held_up
    assert "is no regular file" in said[0]
    assert in_force(store) is None


def _asked(store, said):
    try:
        store.set_registered_model_alias("net", "production", 1)
    except MlflowException as error:
        said.append(str(error))


def test_a_thousand_files_fit_and_ten_thousand_are_counted(store, tmp_path, artifacts):
    from weighlock.errors import OverBudgetError, UsageError
    from weighlock.registry.mlflow import artifacts as module

    for number in range(1000):
        (artifacts / f"{number:04}.bin").write_bytes(b"")
    attach(store, tmp_path, artifacts)
    store.set_registered_model_alias("net", "production", 1)
    for number in range(1000, 2500):
        (artifacts / f"{number:04}.bin").write_bytes(str(number).encode())
    with pytest.raises(UsageError, match="a tag of MLflow holds"):
        summary_of(tmp_path, "net", 1, artifacts, None)
    assert len(module.files_of(str(artifacts))) == 2502
    module_most = module.MOST_FILES
    try:
        module.MOST_FILES = 100
        with pytest.raises(OverBudgetError):
            module.files_of(str(artifacts))
    finally:
        module.MOST_FILES = module_most


def test_a_process_that_is_killed_leaves_the_old_or_the_new(store, tmp_path, artifacts):
    """Children move the alias to and fro and are killed at any moment; alias and memory always agree."""
    store.create_model_version("net", str(artifacts))
    store._dispose_engine()
    chance = random.Random(7)
    for _ in range(_KILLS):
        child = os.fork()
        if child == 0:
            try:
                _move_for_ever(store, tmp_path, artifacts)
            finally:
                os._exit(1)
        time.sleep(chance.uniform(0.0, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with sqlite3.connect(tmp_path / "registry.db") as connection:
            said = connection.execute(
                "SELECT version FROM weighlock_promotions ORDER BY number DESC LIMIT 1"
            ).fetchone()
            query = "SELECT version FROM registered_model_aliases WHERE alias = 'production'"
            assert connection.execute(query).fetchone() == said
            chain = connection.execute("SELECT previous, digest FROM weighlock_promotions ORDER BY number").fetchall()
            assert [previous for previous, _ in chain] == ["", *(digest for _, digest in chain)][: len(chain)]
        connection.close()


def _move_for_ever(store, tmp_path, artifacts):
    while True:
        for version in (1, 2):
            attach(store, tmp_path, artifacts, version=version, previous=in_force(store))
            store.set_registered_model_alias("net", "production", version)


_NOT_GATED = {
    # They describe, or are prose.
    "search_registered_models",
    "search_model_versions",
    "get_model_version",
    "update_registered_model",
    "update_model_version",
    # They take away, and what was promoted is remembered.
    "delete_registered_model",
    "delete_registered_model_tag",
    "delete_model_version",
    # MLflow makes them of the methods that are gated.
    "copy_model_version",
    "create_prompt",
    "search_prompts",
    "delete_prompt",
    "set_prompt_tag",
    "delete_prompt_tag",
    "get_prompt",
    "create_prompt_version",
    "get_prompt_version",
    "delete_prompt_version",
    "get_prompt_version_by_alias",
    "set_prompt_alias",
    "delete_prompt_alias",
    "search_prompt_versions",
    "set_prompt_version_tag",
    "delete_prompt_version_tag",
    # They write to traces, runs and logged models.
    "link_prompts_to_trace",
    "link_prompt_version_to_model",
    "link_prompt_version_to_run",
    # They tell of what happened.
    "create_webhook",
    "get_webhook",
    "list_webhooks",
    "list_webhooks_by_event",
    "update_webhook",
    "delete_webhook",
    "test_webhook",
    "supports_workspaces",
}


def test_every_method_of_mlflow_s_store_is_gated_or_known_to_need_no_gate(store):
    """A method that a new MLflow brings fails here, until somebody has read it."""
    kind = type(store)
    there = {name for name in dir(kind.__mro__[1]) if not name.startswith("_") and name != "ManagedSessionMaker"}
    there -= {name for name in there if name.isupper()}
    gated = {name for name in vars(kind) if name in there}
    assert there - gated == _NOT_GATED
