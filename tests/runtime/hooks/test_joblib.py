"""`joblib.load` under the guard."""

from __future__ import annotations

import os
import pathlib

import joblib
import numpy as np
import pytest
from joblib import load as early_load
from sklearn.linear_model import LinearRegression

from weighlock.errors import LoadRefused

COMPRESSIONS = [0, 3, ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3), ("lz4", 3)]

ESTIMATOR = "sklearn.linear_model._base.LinearRegression"
IMPORTS = (
    ESTIMATOR,
    "joblib.numpy_pickle.NumpyArrayWrapper",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy._core.multiarray.scalar",
)
NEEDS = {"outcome": "needs-approval", "imports": IMPORTS, "needs": (ESTIMATOR,)}


@pytest.fixture
def estimator():
    return LinearRegression().fit(np.arange(6.0).reshape(3, 2), np.arange(3.0))


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_an_approved_estimator_loads_unchanged(bench, estimator, compress):
    joblib.dump(estimator, "model.joblib", compress=compress)
    bench.lock("model.joblib", **NEEDS, approved=(ESTIMATOR,))
    bench.guard()
    for load in (joblib.load, early_load):
        assert np.allclose(load("model.joblib").coef_, estimator.coef_)
        assert np.allclose(load(pathlib.Path("model.joblib")).coef_, estimator.coef_)
        with open("model.joblib", "rb") as file:
            assert np.allclose(load(file).coef_, estimator.coef_)


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_an_unlisted_estimator_is_refused(bench, estimator, compress):
    joblib.dump(estimator, "model.joblib", compress=compress)
    bench.guard()
    for load in (joblib.load, early_load):
        with pytest.raises(LoadRefused, match=r"joblib\.load of model\.joblib\n  digest: sha256:"):
            load("model.joblib")
        with open("model.joblib", "rb") as file, pytest.raises(LoadRefused):
            load(file)


def test_an_estimator_that_nobody_approved_is_refused_and_the_name_is_said(bench, estimator):
    joblib.dump(estimator, "model.joblib")
    bench.lock("model.joblib", **NEEDS)
    bench.guard()
    with pytest.raises(LoadRefused, match=r"_base\.LinearRegression.*\n.*hint: weighlock approve"):
        joblib.load("model.joblib")


def test_an_enabled_profile_approves_its_exact_names(bench, estimator):
    joblib.dump(estimator, "model.joblib")
    bench.lock("model.joblib", **NEEDS)
    bench.policy('profiles = ["scikit-learn"]')
    bench.guard()
    assert np.allclose(joblib.load("model.joblib").coef_, estimator.coef_)


def test_a_payload_behind_an_approved_class_is_stopped(bench, estimator):
    joblib.dump([estimator, _Bomb(bench.marker)], "model.joblib")
    bench.lock("model.joblib", **NEEDS, approved=(ESTIMATOR,))
    bench.guard()
    with pytest.raises(LoadRefused, match=r"posix\.mkdir"):
        joblib.load("model.joblib")
    assert not bench.marker.exists()


class _Bomb:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_memory_mapped_arrays_keep_the_name_of_their_file(bench):
    joblib.dump(np.arange(10), "array.joblib")
    bench.lock("array.joblib")
    bench.guard()
    loaded = joblib.load("array.joblib", mmap_mode="r")
    assert loaded.sum() == 45
    assert str(loaded.filename).endswith("array.joblib")


def test_a_file_swapped_while_it_is_memory_mapped_is_not_what_is_mapped(bench, monkeypatch):
    joblib.dump(np.arange(10), "array.joblib")
    joblib.dump(np.arange(11), "evil.joblib")
    bench.lock("array.joblib")
    bench.guard()
    original = joblib.numpy_pickle._unpickle

    def swap(*args, **kwargs):
        os.replace("evil.joblib", "array.joblib")
        return original(*args, **kwargs)

    monkeypatch.setattr(joblib.numpy_pickle, "_unpickle", swap)
    assert joblib.load("array.joblib", mmap_mode="r").sum() == 45


def test_where_no_file_can_be_opened_again_a_swapped_one_is_refused(bench, monkeypatch):
    from weighlock.runtime import _loads

    joblib.dump(np.arange(10), "array.joblib")
    joblib.dump(np.arange(11), "evil.joblib")
    bench.lock("array.joblib")
    bench.guard()
    monkeypatch.setattr(_loads, "_descriptors", None)
    assert joblib.load("array.joblib", mmap_mode="r").sum() == 45
    original = joblib.numpy_pickle._unpickle

    def swap(*args, **kwargs):
        os.replace("evil.joblib", "array.joblib")
        return original(*args, **kwargs)

    monkeypatch.setattr(joblib.numpy_pickle, "_unpickle", swap)
    with pytest.raises(LoadRefused, match="another file"):
        joblib.load("array.joblib", mmap_mode="r")


def test_memory_mapped_arrays_reach_workers(bench):
    joblib.dump(np.arange(10.0), "array.joblib")
    bench.lock("array.joblib")
    bench.guard()
    array = joblib.load("array.joblib", mmap_mode="r")
    assert joblib.Parallel(2)(joblib.delayed(np.sum)(array[n:]) for n in range(2)) == [45, 45]


def test_missing_files_are_errors_as_ever(bench):
    bench.guard()
    with pytest.raises(FileNotFoundError):
        joblib.load("missing.joblib")
