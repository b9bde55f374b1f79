"""Archives of torch and Keras that hold code, graphs or pickles."""

from __future__ import annotations

import os
import pickle
import shutil
import zipfile
from pathlib import Path

from tests.loaders.row import Payload, Row


def _write_lambda(marker: str, folder: Path) -> None:
    """Save a Lambda layer; Keras calls it once to see its shapes, here."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    code = eval(f"lambda t: (__import__('os').makedirs({marker!r}, exist_ok=True), t)[1]")  # noqa: S307
    model = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(code, output_shape=(1,))])
    model.save(folder / "lambda.keras")
    model.save(folder / "lambda.h5")
    shutil.rmtree(marker, ignore_errors=True)


def _keras(name: str):
    def bind():
        from keras.saving import load_model

        return lambda folder: load_model(folder / name, safe_mode=False)(__import__("numpy").ones((1, 1)))

    return bind


def _write_package(marker: str, folder: Path) -> None:
    from torch.package import PackageExporter

    with PackageExporter(folder / "package.pt") as exporter:
        exporter.extern("os")
        exporter.save_source_string("carried", f"import os; os.mkdir({marker!r})")


def _package():
    from torch.package import PackageImporter

    return lambda folder: PackageImporter(str(folder / "package.pt")).import_module("carried")


def _write_script(_: str, folder: Path) -> None:
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), str(folder / "script.pt"))


def _script():
    from torch.jit import load

    return lambda folder: load(str(folder / "script.pt"))


def _write_export(marker: str, folder: Path) -> None:
    """Save an exported program, with a pickle in place of its sample inputs."""
    import io

    import torch

    exported = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    torch.export.save(exported, folder / "whole.pt2")
    stream = io.BytesIO()
    torch.save(((Payload(marker),), {}), stream)
    with zipfile.ZipFile(folder / "whole.pt2") as whole, zipfile.ZipFile(folder / "model.pt2", "w") as crafted:
        for name in whole.namelist():
            crafted.writestr(name, stream.getvalue() if "sample_inputs" in name else whole.read(name))
    (folder / "whole.pt2").unlink()


def _export():
    from torch.export import load

    return lambda folder: load(folder / "model.pt2")


def _write_metadata(marker: str, folder: Path) -> None:
    (folder / ".metadata").write_bytes(pickle.dumps(Payload(marker)))


def _checkpoint():
    from torch.distributed.checkpoint import FileSystemReader

    return lambda folder: FileSystemReader(folder).read_metadata()


def _write_hub(marker: str, folder: Path) -> None:
    (folder / "hubconf.py").write_text(f"import os\nos.mkdir({marker!r})\ndef entry():\n    return 1\n")


def _hub():
    from torch.hub import load

    return lambda folder: load(str(folder), "entry", source="local", trust_repo=True)


def _row(name: str, hook: str, write, bind, *, locked: bool = False) -> Row:
    return Row(name=name, hook=hook, write=write, bind=bind, locked=locked, slow=True)


ROWS = (
    _row("torch.package", "torch_package", _write_package, _package),
    _row("torch.jit.load, changed bytes", "torch_native", _write_script, _script, locked=True),
    _row("torch.export.load, crafted .pt2", "torch_export", _write_export, _export),
    _row("torch.distributed.checkpoint, .metadata", "torch_distributed", _write_metadata, _checkpoint),
    _row("torch.hub.load, local folder", "torch_hub", _write_hub, _hub),
    _row("keras.saving.load_model, Lambda", "keras", _write_lambda, _keras("lambda.keras")),
    _row("keras.saving.load_model, Lambda in HDF5", "keras", _write_lambda, _keras("lambda.h5")),
)
