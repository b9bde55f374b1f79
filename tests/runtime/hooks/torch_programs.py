"""Programs that torch wrote, honest ones and crafted ones, each made once in a test session."""

from __future__ import annotations

import io
import pickle
import subprocess
import warnings
import zipfile
from pathlib import Path

import torch
from torch import nn

from tests.runtime.payload import Payload
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

X = torch.ones(1, 2)


class Net(nn.Module):
    """A model with a parameter and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.register_buffer("bias", torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x)) + self.bias


def make(folder: Path) -> Path:
    """Write one program of each kind."""
    net = Net().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.script(net)
        script.save(folder / "scripted.pt")
        torch.jit.trace(net, X).save(folder / "traced.pt")
        script._save_for_lite_interpreter(str(folder / "lite.ptl"))
        torch.jit.save_jit_module_to_flatbuffer(script, str(folder / "script.ff"))
        torch.export.save(torch.export.export(net, (X,)), folder / "exported.pt2")
    return folder


def rewrite(source: Path, target: Path, edits: dict[str, bytes]) -> Path:
    """Copy an archive of torch with other members."""
    writer = torch._C.PyTorchFileWriter(str(target))
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            inside = name.partition("/")[2]
            if not inside.startswith(".data/") and inside != "byteorder":
                data = edits.get(inside, archive.read(name))
                writer.write_record(inside, data, len(data))
    writer.write_end_of_file()
    return target


def with_sample_inputs(source: Path, target: Path, marker: Path) -> Path:
    """Craft an exported program whose sample inputs make the marker."""
    data = io.BytesIO()
    torch.save(((Payload(marker),), {}), data)
    return rewrite(source, target, {"data/sample_inputs/model.pt": data.getvalue()})


def with_expression(source: Path, target: Path, marker: Path) -> Path:
    """Craft an exported program with a size that makes the marker."""
    with zipfile.ZipFile(source) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("models/model.json"))
        program = archive.read(name).decode()
    expression = f"open('{marker}', 'w')"
    assert '{"as_int": 2}' in program
    crafted = program.replace('{"as_int": 2}', f'{{"as_expr": {{"expr_str": "{expression}", "hint": null}}}}', 1)
    return rewrite(source, target, {"models/model.json": crafted.encode()})


def native(target: Path, marker: Path) -> Path:
    """Craft an AOTInductor package whose library makes the marker when it is loaded, and the library beside it."""
    library = target.with_suffix(".so")
    code = (
        f'#include <stdio.h>\n__attribute__((constructor)) static void f(void) {{ fclose(fopen("{marker}", "w")); }}\n'
    )
    command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=code, text=True, check=True)
    writer = torch._C.PyTorchFileWriter(str(target))
    for name, data in (
        ("archive_format", b"pt2"),
        ("archive_version", b"0"),
        ("data/aotinductor/model/a.wrapper.so", library.read_bytes()),
        ("data/aotinductor/model/a.wrapper_metadata.json", b'{"AOTI_DEVICE_KEY":"cpu"}'),
    ):
        writer.write_record(name, data, len(data))
    writer.write_end_of_file()
    return target


def package(target: Path, marker: Path) -> Path:
    """Write a package with a module that makes the marker, one that does not, and a pickle of tensors."""
    from torch.package import PackageExporter

    with PackageExporter(str(target)) as exporter:
        exporter.save_source_string("harmless", "ANSWER = 42\n")
        exporter.save_source_string("marking", f"open({str(marker)!r}, 'w').close()\n")
        exporter.extern("**")
        exporter.save_pickle("tensors", "w.pkl", {"w": torch.ones(2)})
    return target


def approved(path: Path, *left_out: str) -> dict[str, object]:
    """Return what `weighlock lock` and `weighlock approve` write for a file."""
    inspection = inspect(BytesSource(path.read_bytes()))
    names = tuple(name for name in inspection.needs if name not in left_out)
    return {
        "format": inspection.format, "outcome": str(inspection.outcome), "imports": inspection.imports,
        "needs": inspection.needs, "approved": names,
    }  # fmt: skip


def payload(marker: Path) -> bytes:
    """Return a pickle that makes the marker."""
    return pickle.dumps(Payload(marker))
