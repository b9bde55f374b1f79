"""TorchScript, exported programs, native code and packages under the guard: refused, unless locked and approved."""

from __future__ import annotations

import importlib
import io
import re
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.package
from torch.export import load as early_export_load
from torch.jit import load as early_jit_load
from torch.jit.mobile import _load_for_lite_interpreter
from torch.package import PackageImporter

from tests.runtime.hooks import torch_programs as programs
from tests.runtime.hooks.torch_programs import X, approved
from weighlock.errors import LoadRefused
from weighlock.runtime._patch import Patches

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return programs.make(tmp_path_factory.mktemp("programs"))


@pytest.fixture
def project(bench, honest):
    for path in honest.iterdir():
        shutil.copy(path, bench.folder)
    return bench


def locked(project, *names, left_out=()):
    for name in names:
        project.lock(name, **approved(project.folder / name, *left_out))
    project.guard()


def in_memory(name):
    return io.BytesIO(Path(name).read_bytes())


# These functions take no argument by its name.
NO = False

LOADS = {
    "torch.jit.load": ("scripted.pt", lambda name: torch.jit.load(name)(X)),
    "traced": ("traced.pt", lambda name: torch.jit.load(Path(name), map_location="cpu")(X)),
    "bound early": ("scripted.pt", lambda name: early_jit_load(name)(X)),
    "in memory": ("scripted.pt", lambda name: torch.jit.load(in_memory(name))(X)),
    "torch.load": ("scripted.pt", lambda name: torch.load(name, weights_only=False)(X)),
    "torch.load in memory": ("scripted.pt", lambda name: torch.load(in_memory(name), weights_only=False)(X)),
    "C++": ("scripted.pt", lambda name: torch._C.import_ir_module(torch._C.CompilationUnit(), name, None, {}, NO)),
    "top level": (
        "scripted.pt",
        lambda name: torch.import_ir_module(torch._C.CompilationUnit(), name, None, {}, NO),
    ),
    "lite": ("lite.ptl", lambda name: _load_for_lite_interpreter(name)(X)),
    "lite in memory": ("lite.ptl", lambda name: _load_for_lite_interpreter(in_memory(name))(X)),
    "flatbuffer": ("script.ff", lambda name: torch.jit.jit_module_from_flatbuffer(name)(X)),
    "flatbuffer in memory": ("script.ff", lambda name: torch.jit.jit_module_from_flatbuffer(in_memory(name))(X)),
    "torch.export": ("exported.pt2", lambda name: torch.export.load(name).module()(X)),
    "torch.export bound early": ("exported.pt2", lambda name: early_export_load(f=name).module()(X)),
    "torch.export in memory": ("exported.pt2", lambda name: torch.export.load(in_memory(name)).module()(X)),
}


NAMES = sorted({name for name, _ in LOADS.values()})


def not_refused(match):
    """Return the ways to load that were not refused for that reason; the guard is switched on once for all of them."""
    found = {}
    for case, (name, load) in LOADS.items():
        try:
            found[case] = load(name)
        except LoadRefused as refusal:
            if not re.search(match, str(refusal)):
                found[case] = str(refusal)
    return found


def test_a_locked_and_approved_program_loads(project):
    locked(project, *NAMES)
    assert all(load(name) is not None for name, load in LOADS.values())


def test_an_open_file_of_a_program_loads(project):
    locked(project, "exported.pt2", "scripted.pt")
    with open("exported.pt2", "rb") as file:
        assert torch.export.load(file).module()(X).shape == (1, 3)
    with open("scripted.pt", "rb") as file:
        assert torch.jit.load(file)(X).shape == (1, 3)


def test_a_tampered_program_is_refused(project):
    locked(project, *NAMES)
    for name in NAMES:
        data = bytearray(Path(name).read_bytes())
        data[len(data) // 2] ^= 1
        Path(name).write_bytes(data)
    assert not_refused("not in the lockfile") == {}


def test_a_program_that_nobody_approved_is_refused(project):
    locked(project, *NAMES, left_out=("torch.jit:code", "torch.export:program"))
    assert not_refused(r"torch\.(jit:code|export:program), which no approval") == {}


def test_unlocked_inspect_does_not_admit_programs(project):
    project.policy('unlocked = "inspect"\n')
    project.guard()
    assert not_refused(r"torch\.(jit:code|export:program), which no approval") == {}


def test_a_lockfile_from_before_programs_were_known_does_not_admit_them(project):
    for name in ("scripted.pt", "exported.pt2"):
        project.lock(name, outcome="not-a-model", imports=())
    project.guard()
    with pytest.raises(LoadRefused, match=r"torch\.jit:code"):
        torch.jit.load("scripted.pt")
    with pytest.raises(LoadRefused, match=r"torch\.export:program"):
        torch.export.load("exported.pt2")


def test_sample_inputs_that_are_a_payload_do_not_run(project):
    crafted = programs.with_sample_inputs(Path("exported.pt2"), project.folder / "crafted.pt2", project.marker)
    facts = approved(crafted)
    assert facts["outcome"] == "refused"
    project.lock("crafted.pt2", **facts)
    project.guard()
    for load in (lambda: torch.export.load("crafted.pt2"), lambda: torch.export.load(in_memory("crafted.pt2"))):
        with pytest.raises(LoadRefused):
            load()
    assert not project.marker.exists()


def test_a_size_that_is_code_is_not_evaluated(project):
    crafted = programs.with_expression(Path("exported.pt2"), project.folder / "crafted.pt2", project.marker)
    facts = approved(crafted)
    assert facts["outcome"] == "refused"
    project.lock("crafted.pt2", **facts)
    project.guard()
    with pytest.raises(LoadRefused):
        torch.export.load("crafted.pt2")
    assert not project.marker.exists()


@pytest.mark.parametrize("unlocked", ["refuse", "inspect"])
def test_native_code_is_not_loaded(project, unlocked):
    programs.native(project.folder / "native.pt2", project.marker)
    project.policy(f'unlocked = "{unlocked}"\n')
    project.guard()
    for load in (
        lambda: torch._inductor.aoti_load_package("native.pt2"),
        lambda: torch._inductor.aoti_load_package(in_memory("native.pt2")),
        lambda: torch.export.load("native.pt2"),
        lambda: torch._C._aoti.AOTIModelPackageLoader("native.pt2", "model", NO, 1, -1),
        lambda: torch._C._aoti.AOTIModelContainerRunnerCpu("native.so", 1),
        lambda: torch._C._aoti.AOTIModelContainerRunnerCpu(bytearray(b"native.so"), 1),
        lambda: torch._export.aot_load("native.so", "cpu"),
        lambda: torch._C._nativert.PyModelRunner("native.pt2", "model"),
    ):
        with pytest.raises(LoadRefused):
            load()
    assert not project.marker.exists()


def test_native_code_that_a_person_approved_is_loaded(project):
    programs.native(project.folder / "native.pt2", project.marker)
    locked(project, "native.pt2")
    with pytest.raises(RuntimeError, match="dlopen or dlsym"):  # it is no model, but its constructor ran
        torch._C._aoti.AOTIModelPackageLoader("native.pt2", "model", NO, 1, -1)
    assert project.marker.exists()


def test_source_of_a_package_needs_the_approval_of_each_module(project):
    programs.package(project.folder / "package.pt", project.marker)
    facts = approved(project.folder / "package.pt")
    assert facts["needs"] == ("torch.package:code harmless", "torch.package:code marking")
    project.lock("package.pt", **{**facts, "approved": facts["needs"][:1]})
    project.guard()
    with pytest.raises(LoadRefused, match=r"torch\.package:code marking"):
        PackageImporter("package.pt")
    assert not project.marker.exists()


def test_an_approved_package_imports_and_unpickles(project):
    programs.package(project.folder / "package.pt", project.marker)
    locked(project, "package.pt")
    for file in ("package.pt", in_memory("package.pt")):
        importer = PackageImporter(file)
        assert importer.import_module("harmless").ANSWER == 42
        assert torch.equal(importer.load_pickle("tensors", "w.pkl")["w"], torch.ones(2))
        assert not project.marker.exists()
    assert PackageImporter("package.pt").filename == "package.pt"


@pytest.mark.parametrize("unlocked", ["refuse", "inspect"])
def test_an_unlocked_package_is_refused(project, unlocked):
    programs.package(project.folder / "package.pt", project.marker)
    project.policy(f'unlocked = "{unlocked}"\n')
    project.guard()
    for file in ("package.pt", in_memory("package.pt")):
        with pytest.raises(LoadRefused):
            PackageImporter(file)


def test_a_package_that_changes_after_it_was_opened_is_refused(project):
    programs.package(project.folder / "package.pt", project.marker)
    locked(project, "package.pt")
    importer = PackageImporter("package.pt")
    with open("package.pt", "r+b") as file:
        file.write(b"PK\x03\x04 and other bytes")
    with pytest.raises(LoadRefused, match="changed"):
        importer.import_module("marking")
    assert not project.marker.exists()


def test_a_package_from_before_the_guard_and_an_open_reader_and_a_folder_are_refused(project):
    programs.package(project.folder / "package.pt", project.marker)
    importer, reader = PackageImporter("package.pt"), torch._C.PyTorchFileReader("package.pt")
    locked(project, "package.pt")
    with pytest.raises(LoadRefused, match="before the guard"):
        importer.import_module("marking")
    with pytest.raises(LoadRefused, match="reader"):
        PackageImporter(reader)
    (project.folder / "unpacked").mkdir()
    with pytest.raises(IsADirectoryError):
        PackageImporter("unpacked")
    assert not project.marker.exists()


def test_a_name_in_a_package_that_nobody_approved_is_not_imported(project):
    marker = project.marker
    with torch.package.PackageExporter("package.pt") as exporter:
        exporter.save_binary("p", "p.pkl", programs.payload(marker))
    project.lock(
        "package.pt", **approved(project.folder / "package.pt") | {"outcome": "data-only", "needs": (), "approved": ()}
    )
    project.guard()
    with pytest.raises(LoadRefused):
        PackageImporter("package.pt").load_pickle("p", "p.pkl")
    assert not marker.exists()


def test_taking_the_guard_back_restores_every_function(project):
    import weighlock.runtime

    before = {name: getattr(torch._C, name) for name in ("import_ir_module", "_pickle_load_obj")}
    runner = torch._C._aoti.AOTIModelPackageLoader
    project.guard()
    assert torch._C.import_ir_module is not before["import_ir_module"]
    weighlock.runtime.uninstall()
    assert {name: getattr(torch._C, name) for name in before} == before
    assert torch._C._aoti.AOTIModelPackageLoader is runner


def test_no_loader_of_torch_was_overlooked():
    """A torch with another function that loads programs in C++ fails here, before anyone relies on the guard."""
    from weighlock.runtime.hooks import torch_native as hook

    words = ("load", "import_ir", "flatbuffer")
    found = {name for name in dir(torch._C) if any(word in name for word in words) and name != "__loader__"}
    known = {*hook._FILES, *hook._BYTES, hook._FROM_PACKAGE}
    harmless = {"_get_operation_overload", "_get_module_info_from_flatbuffer", "_jit_script_compile_overload"}
    harmless |= {"_gds_load_storage", "_replace_overloaded_method_decl"}
    assert found - harmless == known
    runners = {name for name in dir(torch._C._aoti) if name[0] == "A"}
    assert runners <= set(hook._TYPES["_aoti"])


EARLY = """
    import io, sys, warnings
    warnings.simplefilter("ignore")
    import weighlock.runtime
    weighlock.runtime.install(mode="enforce", lock="models.lock", policy="weighlock.toml")
    import torch, torch.package
    from pathlib import Path
    from weighlock.errors import LoadRefused

    x = torch.ones(1, 2)
    for load in (
        lambda: torch.jit.load("scripted.pt")(x),
        lambda: torch.load("scripted.pt", weights_only=False)(x),
        lambda: torch.export.load("exported.pt2").module()(x),
        lambda: torch.package.PackageImporter("package.pt").import_module("harmless"),
    ):
        load()
    for load in (
        lambda: torch.jit.load("tampered.pt"),
        lambda: torch.import_ir_module(torch._C.CompilationUnit(), "tampered.pt", None, {}, False),
        lambda: torch.load("tampered.pt", weights_only=False),
        lambda: torch.export.load("inputs.pt2"),
        lambda: torch.export.load("expression.pt2"),
        lambda: torch.export.load(io.BytesIO(Path("inputs.pt2").read_bytes())),
        lambda: torch._inductor.aoti_load_package("native.pt2"),
        lambda: torch._export.aot_load("native.so", "cpu"),
        lambda: torch.package.PackageImporter("other.pt").import_module("marking"),
        lambda: torch.hub.load("repository", "model", source="local"),
    ):
        try:
            load()
        except LoadRefused:
            continue
        sys.exit("not refused")
    print("all refused")
"""


def test_a_guard_that_was_there_before_torch_refuses_the_same(project):
    folder, marker = project.folder, project.marker
    programs.package(folder / "package.pt", folder / "no marker")
    programs.package(folder / "other.pt", marker)
    programs.with_sample_inputs(folder / "exported.pt2", folder / "inputs.pt2", marker)
    programs.with_expression(folder / "exported.pt2", folder / "expression.pt2", marker)
    programs.native(folder / "native.pt2", marker)
    (folder / "tampered.pt").write_bytes((folder / "scripted.pt").read_bytes() + b"\0")
    (folder / "repository").mkdir()
    (folder / "repository/hubconf.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    for name in ("scripted.pt", "exported.pt2", "package.pt"):
        project.lock(name, **approved(folder / name))
    done = project.run(EARLY)
    assert (done.returncode, done.stdout) == (0, "all refused\n"), done.stderr
    assert not marker.exists()


@pytest.mark.parametrize("unlocked", ["refuse", "inspect"])
def test_a_pickle_with_the_suffix_of_safetensors_does_not_run(project, unlocked):
    Path("payload.safetensors").write_bytes(project.payload)
    torch.save(programs.Payload(project.marker), "archive.safetensors")
    project.policy(f'unlocked = "{unlocked}"\n')
    project.guard()
    for name in ("payload.safetensors", "archive.safetensors"):
        for file in (name, in_memory(name)):
            with pytest.raises(LoadRefused):
                torch.load(file, weights_only=False)
    assert not project.marker.exists()


def test_a_locked_safetensors_file_loads_by_its_suffix_and_is_refused_when_it_was_tampered_with(project):
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, "model.safetensors")
    project.lock("model.safetensors", format="safetensors")
    project.guard()
    assert torch.equal(torch.load("model.safetensors")["w"], torch.ones(2))
    shutil.copy("model.safetensors", "model.bin")
    with pytest.raises(Exception, match=r"(?i)pickle|unpickl|load"):
        torch.load("model.bin")  # admitted by its digest, and no format that torch.load takes by such a name
    data = bytearray(Path("model.safetensors").read_bytes())
    data[-1] ^= 1
    Path("model.safetensors").write_bytes(data)
    with pytest.raises(LoadRefused):
        torch.load("model.safetensors")


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        ("torch_native", "torch._C"),
        ("torch_package", "torch.package.package_importer"),
        ("torch_export", "torch.export"),
        ("torch_export", "torch.export.pt2_archive._package"),
        ("torch_hub", "torch.hub"),
        ("torch_distributed", "torch.distributed.checkpoint.filesystem"),
        ("torch_distributed", "torch.distributed.checkpoint._fsspec_filesystem"),
    ],
)
def test_a_choke_point_that_is_gone_fails_the_import(hook, name):
    module = importlib.import_module(f"weighlock.runtime.hooks.{hook}")
    with pytest.raises(LookupError):
        module.patch(ModuleType(name), Patches())


@pytest.mark.parametrize(
    ("version", "name", "guarded"),
    [
        ("2.2.2", "filesystem", False),
        ("2.3.1", "filesystem", True),
        ("2.3.1", "_fsspec_filesystem", False),
        ("2.4.0", "_fsspec_filesystem", True),
        ("unknown", "_fsspec_filesystem", True),
    ],
)
def test_only_a_torch_that_never_had_the_choke_points_of_distributed_checkpoints_may_lack_them(
    monkeypatch, version, name, guarded
):
    monkeypatch.setattr(torch, "__version__", version)
    hook = importlib.import_module("weighlock.runtime.hooks.torch_distributed")
    with pytest.raises(LookupError) if guarded else nullcontext():
        hook.patch(ModuleType(f"torch.distributed.checkpoint.{name}"), Patches())
