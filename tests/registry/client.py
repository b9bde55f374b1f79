"""A program of a user of MLflow, who never heard of the gate: `python client.py WHAT NAME`, with MLflow's variables."""

from __future__ import annotations

import json
import sys
import warnings

warnings.simplefilter("ignore")

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402


class Twice(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [2 * value for value in model_input]


def author(name):
    """Log a model, register it, and try it out under an open alias."""
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(name="model", python_model=Twice(), pip_requirements=[])
    version = mlflow.register_model(logged.model_uri, name)
    client = MlflowClient()
    client.set_registered_model_alias(name, "candidate", version.version)
    client.set_model_version_tag(name, version.version, "accuracy", "0.93")
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@candidate")
    return {"version": version.version, "said": loaded.predict([1, 2])}


def promote(name):
    """Move the alias of production, as a pipeline does."""
    client = MlflowClient()
    latest = max(client.search_model_versions(f"name = '{name}'"), key=lambda one: int(one.version))
    client.set_registered_model_alias(name, "production", latest.version)
    return {"version": latest.version}


def stage(name):
    """Move a version to the stage of MLflow's own."""
    moved = MlflowClient().transition_model_version_stage(name, "1", "Production", archive_existing_versions=True)
    return {"stage": moved.current_stage}


def copy(name):
    """Copy what is in production to another registered model."""
    copied = MlflowClient().copy_model_version(f"models:/{name}@production", f"{name}-copy")
    return {"version": copied.version, "name": copied.name}


def load(name):
    """Load what is in production, by its alias."""
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@production")
    client = MlflowClient()
    return {
        "said": loaded.predict([3]),
        "aliases": client.get_registered_model(name).aliases,
        "latest": client.get_model_version_by_alias(name, "production").version,
    }


if __name__ == "__main__":
    answer = {}
    for what in sys.argv[1].split(","):
        try:
            answer |= globals()[what](sys.argv[2])
        except mlflow.MlflowException as error:
            answer |= {"error": error.error_code, "message": error.message}
    json.dump(answer, sys.stdout)
