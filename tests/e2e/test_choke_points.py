"""The table of choke points says what the hooks patch, and a choke point that is gone is noticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile

import pytest

from tests.e2e import choke_points
from weighlock.runtime import _finder
from weighlock.runtime.hooks import torch as torch_hook
from weighlock.runtime.hooks import torch_distributed, torch_export, torch_hub, torch_native, torch_package

# Patched where they exist; a version without them has nothing that could be reached so.
OPTIONAL = {
    "HfApi.download_bucket_files",
    "HfApi.resolve_revision",
    "cached_download",
    "get_cached_repo_tree",
    "import_module_class",
}

PATCHED = """
import json, sys
import weighlock.runtime
weighlock.runtime.install(lock=sys.argv[1])
from importlib import import_module
from weighlock.runtime import _finder
from weighlock.runtime.hooks import torch as torch_hook
from weighlock.runtime.hooks import torch_distributed, torch_export, torch_hub, torch_native, torch_package
for module in json.loads(sys.argv[2]):
    import_module(module)
print(json.dumps(_finder.choke_points()))
"""
QUICK = [
    module
    for module in choke_points.REQUIRED
    if module.startswith(("huggingface_hub", "transformers.dynamic", "transformers.safetensors"))
]


def wheel(tmp_path, source):
    path = tmp_path / "datasets-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("datasets/load.py", source)
    return path


def test_a_choke_point_that_is_gone_is_noticed(tmp_path):
    assert choke_points.missing("datasets", wheel(tmp_path, "import_main_class_2 = 1\n")) == [
        "datasets.load.import_main_class"
    ]
    assert choke_points.missing("datasets", wheel(tmp_path, "class X:\n    def import_main_class(self): ...\n"))


def test_a_module_that_is_gone_is_noticed(tmp_path):
    with zipfile.ZipFile(tmp_path / "datasets-9.whl", "w") as archive:
        archive.writestr("datasets/__init__.py", "")
    assert choke_points.missing("datasets", tmp_path / "datasets-9.whl") == ["datasets.load.import_main_class"]


@pytest.mark.parametrize(
    "source",
    ["def import_main_class(): ...", "from .x import y as import_main_class", "if 1:\n  import_main_class = 1"],
)
def test_a_choke_point_is_found_however_it_is_defined(tmp_path, source):
    assert choke_points.missing("datasets", wheel(tmp_path, source)) == []


def test_every_guarded_module_of_these_libraries_stands_in_the_table():
    guarded = {module for module in _finder.HOOKS if module.partition(".")[0] in choke_points.WHEELS}
    guarded -= {"sentence_transformers.SentenceTransformer"}
    # A class that is patched where it is imported, and looked up where it is defined.
    assert guarded | {"torch.package._package_unpickler"} == set(choke_points.REQUIRED)


@pytest.mark.parametrize(
    ("module", "points"),
    [
        ("torch._C", torch_native.POINTS),
        ("torch.distributed.checkpoint.filesystem", torch_distributed.POINTS),
        ("torch.hub", torch_hub.POINTS),
        ("torch.package.package_importer", [f"PackageImporter.{name}" for name in torch_package.POINTS]),
        *((module, [name]) for module, name in torch_export.POINTS.items()),
        ("torch.serialization", ["load", *torch_hook._CHOKE_POINTS]),
    ],
)
def test_what_a_hook_of_torch_cannot_do_without_stands_in_the_table(module, points):
    assert set(points) <= set(choke_points.REQUIRED[module])


def library(tmp_path, version, functions):
    path = tmp_path / f"torch-{version}-cp311-none-macosx_11_0_arm64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("torch/_C.cpython-311-darwin.so", b"PyInit__C\0")
        archive.writestr("torch/lib/libtorch_python.dylib", b"\0".join(functions) + b"\0")
    return path


def test_a_function_of_a_linked_library_is_not_taken_for_one_whose_name_it_begins(tmp_path):
    functions = [b"import_ir_module", b"import_ir_module_from_buffer"]
    gone = choke_points.missing("torch", library(tmp_path, "2.9", functions))
    assert not [point for point in gone if point.startswith("torch._C.")]
    gone = choke_points.missing("torch", library(tmp_path, "2.9", functions[1:]))
    assert [point for point in gone if point.startswith("torch._C.")] == ["torch._C.import_ir_module"]


def test_a_choke_point_is_wanted_from_the_version_that_brought_it(tmp_path):
    assert "torch.export.load" not in choke_points.missing("torch", library(tmp_path, "2.0.1", []))
    assert "torch.export.load" in choke_points.missing("torch", library(tmp_path, "2.1.0", []))
    assert "torch.serialization.load" in choke_points.missing("torch", library(tmp_path, "2.0.1", []))


def test_a_version_that_lost_a_choke_point_fails_the_matrix(tmp_path, monkeypatch):
    monkeypatch.setattr(choke_points, "WHEELS", {"datasets": ("9.9.9",)})
    wheel(tmp_path, "")
    assert choke_points.report(tmp_path) == (["datasets 9.9.9: missing: ['datasets.load.import_main_class']"], True)
    wheel(tmp_path, "def import_main_class(): ...")
    assert choke_points.report(tmp_path) == (["datasets 9.9.9: every choke point is there"], False)


@pytest.mark.timeout(240)
def test_what_is_patched_stands_in_the_table(tmp_path):
    (tmp_path / "models.lock").write_text('lock-version = "1.0"\ncreated-by = "weighlock"\n')
    done = subprocess.run(
        [sys.executable, "-c", PATCHED, str(tmp_path / "models.lock"), json.dumps(QUICK)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    points = json.loads(done.stdout.splitlines()[-1])
    for module in QUICK:
        table = set(choke_points.REQUIRED[module])
        patched = {point for point in points[module] if "Loader" not in point}
        assert patched - OPTIONAL <= table, module
