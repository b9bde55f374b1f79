"""numpy, pandas and joblib."""

from __future__ import annotations

import io
from pathlib import Path

from tests.loaders.row import Payload, Row


def _write_npy(marker: str, folder: Path) -> None:
    import numpy as np

    np.save(folder / "payload.npy", np.array([Payload(marker)], dtype=object), allow_pickle=True)


def _write_npz(marker: str, folder: Path) -> None:
    import numpy as np

    np.savez(folder / "payload.npz", a=np.array([Payload(marker)], dtype=object))


def _write_pickle(marker: str, folder: Path) -> None:
    import pickle

    (folder / "payload.npy").write_bytes(pickle.dumps(Payload(marker)))


def _write_frame(marker: str, folder: Path) -> None:
    import pandas as pd

    pd.to_pickle([Payload(marker)], folder / "frame.pkl")


def _write_frame_gzip(marker: str, folder: Path) -> None:
    import pandas as pd

    pd.to_pickle([Payload(marker)], folder / "frame.pkl.gz")


def _write_joblib(marker: str, folder: Path) -> None:
    import joblib

    joblib.dump([Payload(marker)], folder / "payload.joblib")


def _write_joblib_gzip(marker: str, folder: Path) -> None:
    import joblib

    joblib.dump([Payload(marker)], folder / "payload.joblib", compress=("gzip", 3))


def _numpy(name: str):
    def bind():
        from numpy import load

        return lambda folder: load(folder / name, allow_pickle=True)

    return bind


def _numpy_zip():
    from numpy import load

    return lambda folder: load(folder / "payload.npz", allow_pickle=True)["a"]


def _numpy_memory():
    from numpy import load

    return lambda folder: load(io.BytesIO((folder / "payload.npy").read_bytes()), allow_pickle=True)


def _numpy_format():
    from numpy.lib.format import read_array

    def call(folder: Path) -> object:
        with (folder / "payload.npy").open("rb") as file:
            return read_array(file, allow_pickle=True)

    return call


def _pandas(name: str):
    def bind():
        from pandas import read_pickle

        return lambda folder: read_pickle(folder / name)

    return bind


def _joblib(mmap_mode: str | None = None):
    def bind():
        from joblib import load

        return lambda folder: load(folder / "payload.joblib", mmap_mode=mmap_mode)

    return bind


def _joblib_open():
    from joblib import load

    def call(folder: Path) -> object:
        with (folder / "payload.joblib").open("rb") as file:
            return load(file)

    return call


ROWS = (
    Row(name="numpy.load, .npy", hook="pickle", write=_write_npy, bind=_numpy("payload.npy")),
    Row(name="numpy.load, .npz", hook="pickle", write=_write_npz, bind=_numpy_zip),
    Row(name="numpy.load, a pickle", hook="pickle", write=_write_pickle, bind=_numpy("payload.npy")),
    Row(name="numpy.load, in memory", hook="pickle", write=_write_npy, bind=_numpy_memory),
    Row(name="numpy.lib.format.read_array", hook="pickle", write=_write_npy, bind=_numpy_format),
    Row(name="pandas.read_pickle", hook="pickle", write=_write_frame, bind=_pandas("frame.pkl")),
    Row(name="pandas.read_pickle, gzip", hook="pickle", write=_write_frame_gzip, bind=_pandas("frame.pkl.gz")),
    Row(name="joblib.load", hook="joblib", write=_write_joblib, bind=_joblib()),
    Row(name="joblib.load, gzip", hook="joblib", write=_write_joblib_gzip, bind=_joblib()),
    Row(name="joblib.load, mmap_mode", hook="joblib", write=_write_joblib, bind=_joblib("r")),
    Row(name="joblib.load, open file", hook="joblib", write=_write_joblib, bind=_joblib_open),
)
