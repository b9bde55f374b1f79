"""Folders of MLflow models: a pickle, a loader that the folder brings, and a script."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

from tests.loaders.row import Payload, Row

_HEAD = "mlflow_version: 3.17.2\nmodel_uuid: '0'\nflavors:\n"


def _folder(folder: Path, flavors: str) -> Path:
    model = folder / "model"
    (model / "code").mkdir(parents=True)
    (model / "MLmodel").write_text(_HEAD + flavors)
    return model


def _write_pickle(marker: str, folder: Path) -> None:
    flavors = (
        "  sklearn: {code: null, pickled_model: model.pkl, serialization_format: pickle, sklearn_version: '1.7'}\n"
    )
    (_folder(folder, flavors) / "model.pkl").write_bytes(pickle.dumps(Payload(marker)))


def _write_loader(marker: str, folder: Path) -> None:
    model = _folder(folder, "  python_function: {loader_module: loader_that_came_along, code: code}\n")
    code = f"import os\nos.mkdir({marker!r})\ndef _load_pyfunc(path):\n    return 1\n"
    (model / "code" / "loader_that_came_along.py").write_text(code)


def _write_script(marker: str, folder: Path) -> None:
    flavors = (
        "  python_function: {loader_module: mlflow.pyfunc.model, model_code_path: script.py, python_model: script.py,"
        " code: null, streamable: false}\n"
    )
    (_folder(folder, flavors) / "script.py").write_text(f"import os\nos.mkdir({marker!r})\n")


def _sklearn():
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
    from mlflow.sklearn import load_model

    return lambda folder: load_model(str(folder / "model"))


def _pyfunc():
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
    from mlflow.pyfunc import load_model

    return lambda folder: load_model(str(folder / "model"))


def _row(name: str, write, bind) -> Row:
    return Row(name=name, hook="mlflow", write=write, bind=bind, slow=True)


ROWS = (
    _row("mlflow.sklearn.load_model", _write_pickle, _sklearn),
    _row("mlflow.pyfunc.load_model, code_paths", _write_loader, _pyfunc),
    _row("mlflow.pyfunc.load_model, models from code", _write_script, _pyfunc),
)
