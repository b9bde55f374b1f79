"""Are the choke points of the guard in other versions of the libraries, too? Read from wheels, nothing is installed.

``python tests/e2e/matrix.py --choke-points`` fetches each wheel and looks each name up in the syntax tree of its
module (of an extension module, in its bytes). A choke point that a version lost makes it fail.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.version import Version

from tests.e2e.matrix import NO_INDEX, NoIndexError

REQUIRED: dict[str, tuple[str, ...]] = {
    "datasets.load": ("import_main_class",),
    "diffusers.utils.dynamic_modules_utils": ("get_cached_module_file", "get_class_in_module"),
    "huggingface_hub.constants": ("HF_HOME", "HF_HUB_CACHE"),
    "huggingface_hub._snapshot_download": ("snapshot_download", "filter_repo_objects"),
    "huggingface_hub.file_download": (
        "_hf_hub_download_to_cache_dir",
        "_hf_hub_download_to_local_dir",
        "_chmod_and_move",
        "http_get",
        "xet_get",
        "try_to_load_from_cache",
        "_CACHED_NO_EXIST",
    ),
    "huggingface_hub.hf_api": (
        "HfApi.model_info",
        "HfApi.dataset_info",
        "HfApi.space_info",
        "HfApi.list_repo_tree",
        "HfApi.get_paths_info",
    ),
    "huggingface_hub.hf_file_system": (
        "HfFileSystem._open",
        "HfFileSystem.get_file",
        "HfFileSystemFile.__init__",
        "HfFileSystemStreamFile.__init__",
    ),
    "joblib.numpy_pickle": ("_unpickle", "NumpyUnpickler", "dump", "load"),
    "keras.src.legacy.saving.legacy_h5_format": ("load_model_from_hdf5",),
    "keras.src.saving.saving_api": ("load_weights",),
    "keras.src.saving.saving_lib": ("_load_model_from_fileobj", "load_weights_only"),
    "keras.src.utils.python_utils": ("func_load",),
    "safetensors._safetensors_rust": ("safe_open", "deserialize", "serialize_file"),
    "sentence_transformers.util": ("import_from_string",),
    "torch._C": ("import_ir_module", "import_ir_module_from_buffer"),
    "torch.distributed.checkpoint._fsspec_filesystem": ("FileSystem.create_stream",),
    "torch.distributed.checkpoint.filesystem": (
        "FileSystem.create_stream",
        "FileSystemReader._slice_file",
        "_write_files_from_queue",
    ),
    "torch.export": ("load",),
    "torch.export.pt2_archive._package": ("load_pt2",),
    "torch.hub": ("_import_module", "download_url_to_file"),
    "torch.package._package_unpickler": ("PackageUnpickler.find_class",),
    "torch.package.package_importer": (
        "PackageImporter.__init__",
        "PackageImporter.load_pickle",
        "PackageImporter._compile_source",
        "PackageUnpickler",
    ),
    "torch.serialization": (
        "load",
        "save",
        "_open_file_like",
        "_load",
        "_legacy_load",
        "_open_zipfile_reader",
        "_is_zipfile",
    ),
    "transformers.dynamic_module_utils": ("get_cached_module_file", "get_class_in_module"),
    "transformers.safetensors_conversion": ("auto_conversion",),
}
"""Module that is patched -> what its hook cannot do without."""

SINCE = {
    "torch.distributed.checkpoint._fsspec_filesystem": "2.4",
    "torch.distributed.checkpoint.filesystem": "2.3",
    "torch.export": "2.1",
    "torch.export.pt2_archive._package": "2.8",
}
"""Module -> the version that brought its choke points; the hooks leave the module of an older one as it is."""

# The Python package of torch links this library, in which the functions of its extension module are.
_LINKED = {"torch._C": "torch/lib/libtorch_python."}

WHEELS: dict[str, tuple[str, ...]] = {
    "datasets": ("2.21.0", "3.6.0", "4.0.0"),
    "diffusers": ("0.30.3", "0.35.1"),
    "huggingface_hub": ("0.30.2", "0.34.4", "0.36.2", "1.33.0", "2.4.0"),
    "joblib": ("1.3.2", "1.4.2"),
    "keras": ("3.8.0",),
    "safetensors": ("0.4.5", "0.5.3", "0.6.2", "0.7.0"),
    "sentence_transformers": ("3.4.1", "4.1.0", "5.1.0"),
    "torch": ("2.0.1", "2.3.1", "2.4.1", "2.7.1", "2.8.0"),
    "transformers": ("4.46.3", "4.49.0", "4.57.6", "5.0.0"),
}
"""Distribution -> versions that are looked at; what is installed is tested by running it."""

# Wheels of torch for Linux hold hundreds of megabytes of CUDA; those for macOS have the same modules.
_PLATFORMS = {"torch": ("--platform", "macosx_11_0_arm64", "--python-version", "3.11")}


def missing(distribution: str, wheel: Path) -> list[str]:
    """Return the choke points that a wheel does not have."""
    version = Version(wheel.stem.split("-")[1])
    with zipfile.ZipFile(wheel) as archive:
        modules = [module for module in REQUIRED if module.partition(".")[0] == distribution]
        modules = [module for module in modules if version >= Version(SINCE.get(module, "0"))]
        return [
            f"{module}.{name}"
            for module in modules
            for name in sorted(set(REQUIRED[module]) - set(_names(archive, module)))
        ]


def fetch(distribution: str, version: str, folder: Path) -> Path:
    """Return a wheel, downloaded where it is missing.

    Raises:
        NoIndexError: No package index answers.
        RuntimeError: pip failed in another way.
    """
    pattern = f"{distribution}-{version}-*.whl"
    for wheel in folder.glob(pattern):
        return wheel
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as staging:
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--retries", "1", "--timeout", "20"]
        options += _PLATFORMS.get(distribution, ())
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", staging, f"{distribution}=={version}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            if any(sign in done.stderr for sign in NO_INDEX):
                raise NoIndexError(f"no package index answers for {distribution}=={version}")
            raise RuntimeError(done.stderr)
        (wheel,) = Path(staging).glob("*.whl")
        return wheel.rename(folder / wheel.name)


def _names(archive: zipfile.ZipFile, module: str) -> Iterator[str]:
    """Yield every name that a module of a wheel defines or imports, and the methods of its classes."""
    place = module.replace(".", "/")
    names = archive.namelist()
    for path in (f"{place}.py", f"{place}/__init__.py"):
        if path in names:
            yield from _defined(ast.parse(archive.read(path)).body)
            return
    ends = "\0" if module in _LINKED else ""
    for path in names:
        if path.startswith(_LINKED.get(module, f"{place}.")) and path.endswith((".so", ".pyd", ".dylib")):
            # The names of an extension module stand in it as they are; those of C end with a zero byte.
            data = archive.read(path)
            yield from (name for name in REQUIRED[module] if f"{name}{ends}".encode() in data)


def _defined(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ImportFrom | ast.Import):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield node.name
            yield from (f"{node.name}.{name}" for name in _defined(node.body))
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.If | ast.Try):
            yield from _defined([*node.body, *node.orelse])


def report(folder: Path) -> tuple[list[str], bool]:
    """Look at every wheel.

    Args:
        folder: Where wheels are kept.

    Returns:
        A line for each version, and whether a choke point is missing anywhere.
    """
    lines, failed = [], False
    for distribution, versions in WHEELS.items():
        for version in versions:
            try:
                gone = missing(distribution, fetch(distribution, version, folder))
            except NoIndexError as error:
                lines.append(f"{distribution} {version}: skipped: {error}")
                continue
            failed |= bool(gone)
            lines.append(f"{distribution} {version}: {f'missing: {gone}' if gone else 'every choke point is there'}")
    return lines, failed
