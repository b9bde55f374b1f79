"""Registers real models of several flavors with the server that the environment names; run as a program, unguarded."""

from __future__ import annotations

import logging
import os
import sys
import warnings

FROM_CODE = """
import mlflow


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return ["from code"]


mlflow.models.set_model(Model())
"""
LOADER = """
from parts_of_model import NAME


class Model:
    def predict(self, data, params=None):
        return [NAME]


def _load_pyfunc(path):
    return Model()
"""


def _write(path: str, text: str) -> str:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def main() -> None:
    """Log and register everything; imports come after warnings are off."""
    import mlflow
    import numpy as np
    import torch
    from mlflow import pyfunc, pytorch, sklearn
    from sklearn.linear_model import LogisticRegression

    class Pickled(pyfunc.PythonModel):
        def load_context(self, context):
            with open(context.artifacts["answer"]) as file:
                self.answer = file.read()

        def predict(self, context, model_input, params=None):
            with open(context.artifacts["answer"]) as file:
                return [self.answer, file.read()]

    def linear(**more: object) -> LogisticRegression:
        model = LogisticRegression().fit(np.array([[0.0], [1.0]]), np.array([0, 1]))
        vars(model).update(more)
        return model

    mlflow.set_experiment("e2e")
    words = {"name": "model", "pip_requirements": ["mlflow"]}
    with mlflow.start_run():
        for name, model in (
            ("credit", linear()),
            ("credit", linear(more=1)),
            ("large", linear(more=np.zeros(300_000))),  # a file of more than a megabyte
        ):
            sklearn.log_model(model, registered_model_name=name, serialization_format="pickle", **words)
        sklearn.log_model(linear(more=2), serialization_format="pickle", **words | {"name": "unregistered"})
        sklearn.log_model(linear(), registered_model_name="skops", serialization_format="skops", **words)
        module = torch.nn.Linear(1, 1)
        pytorch.log_model(module, registered_model_name="torch", serialization_format="pickle", **words)
        answer = {"answer": _write("answer.txt", "42")}
        pyfunc.log_model(python_model=Pickled(), artifacts=answer, registered_model_name="pickled", **words)
        script = _write("script.py", FROM_CODE)
        pyfunc.log_model(python_model=script, registered_model_name="script", **words)
        pyfunc.log_model(python_model=script, registered_model_name="refused", **words)
        parts = os.path.dirname(_write("parts_of_model/__init__.py", "NAME = 'code'"))
        more = {"data_path": _write("data.txt", "1"), "code_paths": [_write("loader_of_model.py", LOADER), parts]}
        pyfunc.log_model(loader_module="loader_of_model", registered_model_name="loader", **more, **words)
    for name in ("credit", "large", "skops", "torch", "pickled", "script", "refused", "loader"):
        mlflow.MlflowClient().set_registered_model_alias(name, "champion", "1")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    os.chdir(sys.argv[1])
    main()
