"""Write `src/weighlock/allowlist/profiles/*.txt` from the installed libraries.

A profile holds exact names, one ``module.name`` a line: classes, and the few functions that real pickles of those
classes need. Nothing else that a library has gets in: a function that runs what it is given is no business of a
profile. Names under which older releases kept the same classes are added from tables.

Run as ``python tools/build_profiles.py`` in an environment with the libraries of the tests.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import warnings
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ROOT / "src" / "weighlock" / "allowlist" / "profiles"

#: Classes that call, import, read or write what their state says: never part of a profile.
REFUSED = frozenset(
    {
        "sklearn.externals._arff.ArffDecoder",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.utils.parallel._FuncWrapper",
        "sklearn.utils.metadata_routing.MethodMapping",
        "torch.nn.modules.lazy.LazyModuleMixin",
    }
)

#: Parts of scikit-learn that hold no estimators, or run what they are given.
_SKLEARN_SKIPPED = (
    "sklearn.externals",
    "sklearn.datasets",
    "sklearn.tests",
    "sklearn.conftest",
    "sklearn.utils.parallel",
)

#: What pickles of estimators refer to besides estimators: containers of their state, and what Cython's classes are
#: made again with.
_SKLEARN_STATE = {
    "sklearn._loss._loss": ("Cy", "__pyx_unpickle_Cy"),
    "sklearn._loss.link": ("",),
    "sklearn._loss.loss": ("",),
    "sklearn.cluster._birch": ("_CF",),
    "sklearn.ensemble._gb_losses": ("",),
    "sklearn.ensemble._hist_gradient_boosting.binning": ("_BinMapper",),
    "sklearn.ensemble._hist_gradient_boosting.predictor": ("TreePredictor",),
    "sklearn.gaussian_process._gpc": ("_Binary",),
    "sklearn.gaussian_process.kernels": ("",),
    "sklearn.linear_model._sgd_fast": ("",),
    "sklearn.metrics._dist_metrics": ("newObj", "DistanceMetric", "*Distance", "*Distance64", "*Distance32"),
    "sklearn.metrics._scorer": ("_Scorer", "_PassthroughScorer", "_PredictScorer", "_BaseScorer", "_MultimetricScorer"),
    "sklearn.model_selection._split": ("",),
    "sklearn.neighbors._ball_tree": ("newObj", "BallTree"),
    "sklearn.neighbors._kd_tree": ("newObj", "KDTree"),
    "sklearn.neural_network._stochastic_optimizers": ("",),
    "sklearn.tree._tree": ("Tree",),
    "sklearn.utils._bunch": ("Bunch",),
}

#: How scipy's splines keep the array library that they were made with.
_ASARRAY = "scipy._lib.array_api_compat.numpy._aliases.asarray"

#: Functions without which real estimators do not load: the scores that a selector was told to use.
_SKLEARN_FUNCTIONS = (
    _ASARRAY,
    "scipy.interpolate._bsplines.BSpline",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_oneway",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.feature_selection._univariate_selection.r_regression",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
)

#: Where releases before 0.22 (modules without an underscore) and later moves kept what is elsewhere today.
_SKLEARN_MOVED = {
    "sklearn.cluster._birch": ("sklearn.cluster.birch",),
    "sklearn.cluster._dbscan": ("sklearn.cluster.dbscan_",),
    "sklearn.cluster._kmeans": ("sklearn.cluster.k_means_",),
    "sklearn.covariance._empirical_covariance": ("sklearn.covariance.empirical_covariance_",),
    "sklearn.cross_decomposition._pls": ("sklearn.cross_decomposition.pls_",),
    "sklearn.decomposition._fastica": ("sklearn.decomposition.fastica_",),
    "sklearn.decomposition._incremental_pca": ("sklearn.decomposition.incremental_pca",),
    "sklearn.decomposition._lda": ("sklearn.decomposition.online_lda",),
    "sklearn.decomposition._nmf": ("sklearn.decomposition.nmf",),
    "sklearn.decomposition._pca": ("sklearn.decomposition.pca",),
    "sklearn.decomposition._truncated_svd": ("sklearn.decomposition.truncated_svd",),
    "sklearn.ensemble._bagging": ("sklearn.ensemble.bagging",),
    "sklearn.ensemble._forest": ("sklearn.ensemble.forest",),
    "sklearn.ensemble._gb": ("sklearn.ensemble.gradient_boosting",),
    "sklearn.ensemble._iforest": ("sklearn.ensemble.iforest",),
    "sklearn.ensemble._voting": ("sklearn.ensemble.voting_classifier", "sklearn.ensemble.voting"),
    "sklearn.ensemble._weight_boosting": ("sklearn.ensemble.weight_boosting",),
    "sklearn.feature_extraction._dict_vectorizer": ("sklearn.feature_extraction.dict_vectorizer",),
    "sklearn.feature_selection._univariate_selection": ("sklearn.feature_selection.univariate_selection",),
    "sklearn.feature_selection._variance_threshold": ("sklearn.feature_selection.variance_threshold",),
    "sklearn.gaussian_process._gpc": ("sklearn.gaussian_process.gpc",),
    "sklearn.gaussian_process._gpr": ("sklearn.gaussian_process.gpr",),
    "sklearn.linear_model._base": ("sklearn.linear_model.base",),
    "sklearn.linear_model._bayes": ("sklearn.linear_model.bayes",),
    "sklearn.linear_model._coordinate_descent": ("sklearn.linear_model.coordinate_descent",),
    "sklearn.linear_model._huber": ("sklearn.linear_model.huber",),
    "sklearn.linear_model._logistic": ("sklearn.linear_model.logistic",),
    "sklearn.linear_model._perceptron": ("sklearn.linear_model.perceptron",),
    "sklearn.linear_model._ridge": ("sklearn.linear_model.ridge",),
    "sklearn.linear_model._stochastic_gradient": ("sklearn.linear_model.stochastic_gradient",),
    "sklearn.manifold._isomap": ("sklearn.manifold.isomap",),
    "sklearn.mixture._gaussian_mixture": ("sklearn.mixture.gaussian_mixture",),
    "sklearn.neighbors._ball_tree": ("sklearn.neighbors.ball_tree",),
    "sklearn.neighbors._classification": ("sklearn.neighbors.classification",),
    "sklearn.neighbors._kd_tree": ("sklearn.neighbors.kd_tree",),
    "sklearn.neighbors._nearest_centroid": ("sklearn.neighbors.nearest_centroid",),
    "sklearn.neighbors._regression": ("sklearn.neighbors.regression",),
    "sklearn.neighbors._unsupervised": ("sklearn.neighbors.unsupervised",),
    "sklearn.metrics._dist_metrics": ("sklearn.neighbors.dist_metrics", "sklearn.neighbors._dist_metrics"),
    "sklearn.neural_network._multilayer_perceptron": ("sklearn.neural_network.multilayer_perceptron",),
    "sklearn.preprocessing._data": ("sklearn.preprocessing.data",),
    "sklearn.preprocessing._encoders": ("sklearn.preprocessing._encoders",),
    "sklearn.preprocessing._label": ("sklearn.preprocessing.label",),
    "sklearn.impute._base": ("sklearn.impute",),
    "sklearn.semi_supervised._label_propagation": ("sklearn.semi_supervised.label_propagation",),
    "sklearn.svm._classes": ("sklearn.svm.classes",),
    "sklearn.tree._classes": ("sklearn.tree.tree",),
    "sklearn.utils._bunch": ("sklearn.utils",),
}

#: Activations that layers of `torch.nn.modules.transformer` keep as functions.
_TORCH_FUNCTIONS = ("torch.nn.functional.relu", "torch.nn.functional.gelu", "torch._C._nn.gelu")

_TRAINING = {
    "accelerate.state": ("PartialState",),
    "accelerate.utils.dataclasses": ("DistributedType",),
    "transformers.trainer_pt_utils": ("AcceleratorConfig",),
    "transformers.trainer_utils": ("FSDPOption", "HubStrategy", "IntervalStrategy", "SaveStrategy", "SchedulerType"),
    "transformers.training_args": ("OptimizerNames", "ParallelMode", "TrainingArguments"),
    "transformers.training_args_seq2seq": ("Seq2SeqTrainingArguments",),
    "transformers.debug_utils": ("DebugOption",),
}

#: Names of `training_args.bin` files of transformers 4 that release 5 no longer has.
_TRAINING_OLD = (
    "transformers.trainer_utils.EvaluationStrategy",
    "transformers.trainer_utils.ShardedDDPOption",
    "transformers.training_args.ShardedDDPOption",
    "transformers.integrations.deepspeed.HfDeepSpeedConfig",
    "transformers.integrations.deepspeed.HfTrainerDeepSpeedConfig",
    "transformers.deepspeed.HfDeepSpeedConfig",
    "transformers.deepspeed.HfTrainerDeepSpeedConfig",
    "accelerate.utils.dataclasses.DeepSpeedPlugin",
)

_SCIPY = {
    "scipy.interpolate._bsplines": ("BSpline",),
    "scipy.interpolate._cubic": ("Akima1DInterpolator", "CubicHermiteSpline", "CubicSpline", "PchipInterpolator"),
    "scipy.interpolate._interpolate": ("BPoly", "NdPPoly", "PPoly"),
    "scipy.spatial._ckdtree": ("cKDTree",),
    "scipy.spatial._kdtree": ("KDTree",),
    "scipy.spatial.transform._rotation": ("Rotation",),
    "scipy.stats._kde": ("gaussian_kde",),
}

# Distributions of scipy.stats are absent on purpose: restoring one executes the source text that its state holds.

#: The sparse containers; scipy before 1.8 had each module without its underscore.
_SPARSE = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")


#: What pyarrow pickles arrays, tables and their types with: functions and no classes, and none that reads a file.
_ARROW = """
_reconstruct_table _restore_array binary chunked_array decimal128 decimal256 dictionary field large_list list_ map_
py_buffer schema struct timestamp type_for_alias
"""


def modules(package: str, skipped: tuple[str, ...] = ()) -> Iterator[ModuleType]:
    """Import a package and all its modules but `skipped` ones and tests."""
    root = importlib.import_module(package)
    yield root
    for info in pkgutil.walk_packages(root.__path__, f"{package}.", onerror=lambda _: None):
        if info.name.startswith(skipped) or ".tests" in info.name or info.name.endswith((".conftest", "__main__")):
            continue
        try:
            yield importlib.import_module(info.name)
        except ImportError:
            sys.stderr.write(f"skipped {info.name}: it needs what is not installed\n")


def own_classes(module: ModuleType) -> Iterator[str]:
    """Name the classes that a module defines itself."""
    for name, value in vars(module).items():
        if inspect.isclass(value) and value.__module__ == module.__name__ and value.__qualname__ == name:
            yield name


def scikit_learn() -> set[str]:
    """Every estimator and splitter, what their states refer to, and both under the names of older releases."""
    from sklearn.base import BaseEstimator

    names = set(_SKLEARN_FUNCTIONS)
    for module in modules("sklearn", _SKLEARN_SKIPPED):
        estimators = {name for name in own_classes(module) if issubclass(vars(module)[name], BaseEstimator)}
        names |= {f"{module.__name__}.{name}" for name in estimators}
    for module_name, wanted in _SKLEARN_STATE.items():
        names |= _matching(module_name, wanted)
    moved = {
        f"{old}.{name.removeprefix(new + '.')}"
        for new, olds in _SKLEARN_MOVED.items()
        for old in olds
        for name in names
        if name.rpartition(".")[0] == new
    }
    return names | moved


def _matching(module_name: str, wanted: tuple[str, ...]) -> set[str]:
    """Name a module's classes, and its functions where `wanted` names them; ``*`` in front stands for any beginning."""
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        return set()
    classes = set(own_classes(module))
    found = {
        name
        for name in vars(module)
        if name in wanted or (name.startswith("__pyx_unpickle_") and _begins(name, wanted))
    }
    return {f"{module_name}.{name}" for name in found | {name for name in classes if _begins(name, wanted)}}


def _begins(name: str, wanted: tuple[str, ...]) -> bool:
    return any(name.endswith(part[1:]) if part.startswith("*") else name.startswith(part) for part in wanted)


def torch_nn() -> set[str]:
    """Every public module class of `torch.nn.modules`, and the activations that they keep."""
    from torch.nn import Module

    names = set(_TORCH_FUNCTIONS)
    for module in modules("torch.nn.modules"):
        names |= {f"{module.__name__}.{name}" for name in own_classes(module) if issubclass(vars(module)[name], Module)}
    return {*names, "torch.nn.modules.module.Module"}


def torch_optim() -> set[str]:
    """Every optimizer and scheduler of `torch.optim`, as ``torch.save(optimizer)`` writes them."""
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    names = set()
    for module in modules("torch.optim"):
        classes = own_classes(module)
        names |= {
            f"{module.__name__}.{name}" for name in classes if issubclass(vars(module)[name], Optimizer | LRScheduler)
        }
    return {*names, "torch.optim.lr_scheduler._LRScheduler"}


def training_arguments() -> set[str]:
    """Name the classes of ``training_args.bin``."""
    return {*_TRAINING_OLD, *_existing(_TRAINING)}


def scipy() -> set[str]:
    """Name the sparse containers, splines, trees and densities."""
    sparse = {
        f"scipy.sparse.{prefix}{kind}.{kind}_{form}"
        for kind in _SPARSE
        for form in ("matrix", "array")
        for prefix in ("_", "")
    }
    return {*sparse, *_existing(_SCIPY), _ASARRAY}


def diffusers() -> set[str]:
    """Every scheduler, and the dictionary that their configuration is kept in."""
    from diffusers.schedulers.scheduling_utils import SchedulerMixin

    names = {"diffusers.configuration_utils.FrozenDict"}
    for module in modules("diffusers.schedulers", ("diffusers.schedulers.deprecated",)):
        classes = own_classes(module)
        names |= {f"{module.__name__}.{name}" for name in classes if issubclass(vars(module)[name], SchedulerMixin)}
    return names


def transformers_configurations() -> set[str]:
    """Every model configuration: plain attributes and no more."""
    from transformers import PreTrainedConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    known = {PreTrainedConfig, *(CONFIG_MAPPING[key] for key in CONFIG_MAPPING)}
    return {f"{one.__module__}.{one.__qualname__}" for one in known}


def pandas_arrow() -> set[str]:
    """Name what pandas keeps text and other columns in where pyarrow is installed.

    No plain data: pyarrow takes the buffers of a file without looking whether the offsets in them stay inside.
    """
    arrays = {f"pandas.{name}" for name in ("ArrowDtype", "arrays.ArrowExtensionArray", "arrays.ArrowStringArray")}
    return arrays | {f"pyarrow.lib.{name}" for name in _ARROW.split()}


def _existing(table: dict[str, tuple[str, ...]]) -> set[str]:
    names = set()
    for module_name, wanted in table.items():
        module = importlib.import_module(module_name)
        for name in wanted:
            value = getattr(module, name, None)
            if inspect.isclass(value) or (isinstance(value, type) and issubclass(value, Enum)):
                names.add(f"{module_name}.{name}")
    return names


TABLE = {
    "scikit-learn": (scikit_learn, "scikit-learn estimators and what their states refer to"),
    "torch-nn": (torch_nn, "whole torch.nn modules, as torch.save(model) writes them"),
    "torch-optim": (torch_optim, "whole optimizers and schedulers of torch"),
    "transformers-training-args": (training_arguments, "training_args.bin of transformers"),
    "transformers-configs": (transformers_configurations, "model configurations of transformers"),
    "scipy": (scipy, "sparse matrices, splines, trees and densities of scipy"),
    "pandas-arrow": (pandas_arrow, "frames of pandas whose columns are kept by pyarrow"),
    "diffusers-schedulers": (diffusers, "schedulers of diffusers"),
}


def main() -> None:
    """Write every profile."""
    warnings.simplefilter("ignore")
    PROFILES.mkdir(exist_ok=True)
    for profile, (collect, title) in TABLE.items():
        names = sorted(collect() - REFUSED)
        lines = [f"# {title}", "# Written by tools/build_profiles.py: change that, not this.", *names]
        (PROFILES / f"{profile}.txt").write_text("\n".join(lines) + "\n", "utf-8")
        print(f"{profile}: {len(names)} names")


if __name__ == "__main__":
    main()
