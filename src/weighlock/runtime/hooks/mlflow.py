"""Guards models of MLflow: what a registry, a run or a folder delivers is judged before anything of it is used.

## Covers

- Every `load_model` of MLflow and of its flavors, `mlflow.pyfunc.load_model`, `load_pyfunc` and `spark_udf`, `mlflow
  models serve` and `predict`, `mlflow.artifacts.download_artifacts`, `load_dict`, `load_text` and `load_image`,
  `mlflow.models.Model.load` and `get_model_info`: ``models:/name@alias``, ``models:/name/version``, stages and
  ``latest``, ``models:/m-…``, ``runs:/``, ``mlflow-artifacts:``, cloud storage, and local paths. Choke point:
  `_download_artifact_from_uri`, to which all of them come.
- A registered model that is locked: the ref that was locked means the locked version, without asking the server where
  it points now; any other alias (in any other case), version or stage is refused.
- Every file of a model's folder must be the locked file of that path, and there must be no other one. MLflow gets a
  private folder with the judged bytes, so that an exchange after that has no effect; `download_artifacts` returns the
  folder that was asked for.
- Code: folders of ``code_paths``, models from code, and loaders, flavors and modules that an ``MLmodel`` names and that
  are not MLflow's own readers need a model that is locked with ``remote-code = true``. What is imported from a model's
  folder is compiled from the judged bytes.
- New environments with the packages that a model names (`env_manager` other than ``local``) are refused: nobody judged
  these packages.
- Pickles (``model.pkl``, ``python_model.pkl``, ``model.pth``, …) are judged as everywhere, when they are loaded;
  ``MLFLOW_ALLOW_PICKLE_DESERIALIZATION`` changes nothing about that.

## Does not cover

- `MlflowClient.download_artifacts` and artifacts that are no model: what is loaded from them is judged at load.
- Executors of Spark and other processes that are not guarded themselves; `weighlock activate` guards an environment.
- `mlflow run` (projects) in the environment of this process, and images that `mlflow models build-docker` builds.
- A file of more than 1 MB that another process of the same user overwrites in place after it was judged, where native
  code reads it; ``verify = "sealed"`` closes that.
- What a program saves with MLflow itself: it needs the lockfile before it can be loaded as a model.
- What locked code, and an approved class, does.
- Prompts, traces, data sets and metrics; they are data.
- Formats that only native code reads (XGBoost, LightGBM, CatBoost): locked bytes are what it gets.
- On Windows models with files larger than 1 MB are refused, since the judged files cannot be opened again there.
"""

from __future__ import annotations

import os
from _thread import _local

from weighlock.runtime import _code, _gate, _mlflow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_thread = _local()


def patch(module: ModuleType, patches: Patches) -> None:
    """Let what MLflow downloads be judged before it is used.

    Raises:
        LookupError: A choke point is gone.
    """
    for name, guard in _GUARDS[module.__name__].items():
        patches.answer(module, name, guard)


def _download(original: Callable[..., Any], artifact_uri: Any, *args: Any, **kwargs: Any) -> Any:
    """Answer `_download_artifact_from_uri`."""
    if not _gate.judging():
        return original(artifact_uri, *args, **kwargs)
    pin = _mlflow.pin_of_uri(str(artifact_uri))
    place = original(pin.uri if pin else artifact_uri, *args, **kwargs)
    return _mlflow.admit(os.fspath(place), pin, private=not getattr(_thread, "downloading", False))


def _download_only(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Answer `download_artifacts`: the program wants the files where it said."""
    outer = getattr(_thread, "downloading", False)
    _thread.downloading = True
    try:
        return original(*args, **kwargs)
    finally:
        _thread.downloading = outer


def _add_code(original: Callable[..., Any], code_path: Any) -> Any:
    """Answer `_add_code_to_system_path`: modules are about to be imported from there."""
    if _gate.judging():
        _code.add_folder(os.fspath(code_path))
    return original(code_path)


def _make_environment(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Answer what makes an environment with the packages that a model, or a project, names."""
    if _gate.judging():
        _gate.gate().refuse(
            "an environment for a model",
            "MLflow",
            None,
            [("guard", "MLflow would install packages that the model names, and nobody judged them")],
            'install them with `weighlock install`, and use env_manager="local" (--env-manager local)',
        )
    return original(*args, **kwargs)


_GUARDS: dict[str, dict[str, Callable[..., Any]]] = {
    "mlflow.artifacts": {"download_artifacts": _download_only},
    "mlflow.tracking.artifact_utils": {"_download_artifact_from_uri": _download},
    "mlflow.utils.conda": {"get_or_create_conda_env": _make_environment},
    "mlflow.utils.model_utils": {"_add_code_to_system_path": _add_code},
    "mlflow.utils.virtualenv": {"_get_or_create_virtualenv": _make_environment},
}
