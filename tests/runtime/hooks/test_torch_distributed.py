"""Distributed checkpoints under the guard: files are judged before anything of them is unpickled."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint import load as early_load
from torch.distributed.checkpoint._fsspec_filesystem import FsspecReader, FsspecWriter
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from torch.distributed.checkpoint.metadata import BytesStorageMetadata, Metadata, MetadataIndex

from tests.corpus import opcodes as op
from tests.runtime.payload import Payload
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

pytestmark = pytest.mark.filterwarnings("ignore")

FILES = (".metadata", "__0_0.distcp")


def state(value=0.0):
    # Two tensors of one shape, so that two archives in the file are of the same layout.
    return {"model": {"a": torch.full((3, 2), value), "b": torch.full((3, 2), value + 1)}, "step": int(value)}


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcp") / "checkpoint"
    dcp.save(state(7.0), checkpoint_id=folder)
    return folder


@pytest.fixture
def project(bench, honest):
    shutil.copytree(honest, bench.folder / "checkpoint")
    return bench


def lock(project, *, files=FILES, **facts):
    for name in files:
        project.lock(f"checkpoint/{name}", **facts)
    project.guard()


def load(reader=None, loader=dcp.load):
    into = state()
    loader(into, storage_reader=reader or FileSystemReader("checkpoint"))
    return into


def refusal(load):
    """Return the refusal; this library wraps whatever a reader raises in an exception of its own."""
    with pytest.raises(BaseException, match="weighlock refused") as caught:
        load()
    assert not isinstance(caught.value, Exception) or "LoadRefused" in str(caught.value)
    return str(caught.value)


def test_an_honest_checkpoint_holds_only_data(honest):
    found = {path.name: inspect(BytesSource(path.read_bytes())) for path in honest.iterdir()}
    assert {name: str(one.outcome) for name, one in found.items()} == dict.fromkeys(FILES, "data-only")
    assert found["__0_0.distcp"].format == "torch-zip-row"


def test_a_locked_checkpoint_loads(project):
    lock(project)
    for reader in (None, FsspecReader("checkpoint"), FsspecReader(f"file://{project.folder}/checkpoint")):
        loaded = load(reader)
        assert torch.equal(loaded["model"]["b"], torch.full((3, 2), 8.0))
        assert loaded["step"] == 7
    assert load(loader=early_load)["step"] == 7
    dcp_to_torch_save("checkpoint", "plain.pt")


def test_an_unlocked_checkpoint_loads_where_the_policy_inspects(project):
    project.policy('unlocked = "inspect"\n')
    project.guard()
    assert load()["step"] == 7


def test_checkpoints_can_be_saved(bench):
    bench.guard()
    dcp.save(state(), checkpoint_id="new")
    dcp.save(state(), storage_writer=FsspecWriter("newer"))
    assert sorted(path.name for path in Path("new").iterdir()) == sorted(FILES)


def test_an_unlisted_checkpoint_is_refused(project):
    project.guard()
    for reader in (None, FsspecReader("checkpoint")):
        assert "not in the lockfile" in refusal(lambda reader=reader: load(reader))
    assert "not in the lockfile" in refusal(lambda: dcp_to_torch_save("checkpoint", "plain.pt"))


@pytest.mark.parametrize("name", FILES)
def test_a_tampered_file_is_refused(project, name):
    lock(project)
    path = Path("checkpoint", name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for reader in (None, FsspecReader("checkpoint")):
        assert "not in the lockfile" in refusal(lambda reader=reader: load(reader))


def test_metadata_that_are_a_payload_do_not_run(project):
    Path("checkpoint/.metadata").write_bytes(project.payload)
    project.policy('unlocked = "inspect"\n')
    lock(project, outcome="data-only")
    assert "LoadRefused" in refusal(load) or not project.marker.exists()
    assert not project.marker.exists()


def test_metadata_that_point_into_the_middle_of_a_tensor_are_refused(project):
    """The memory of a storage is raw bytes, and any bytes can be a pickle for whoever begins to read there."""
    inner = pickle.dumps(Payload(project.marker), protocol=2)
    size = -(-len(inner) // 4)
    torch.manual_seed(0)
    memory = torch.frombuffer(bytearray(inner.ljust(4 * size, b"\0")), dtype=torch.float32).clone()
    shutil.rmtree("checkpoint")
    dcp.save({"w": memory, "x": 1}, checkpoint_id="checkpoint")
    data = Path("checkpoint/__0_0.distcp").read_bytes()
    metadata = pickle.loads(Path("checkpoint/.metadata").read_bytes())
    info = next(value for key, value in metadata.storage_data.items() if key.fqn == "x")
    info.offset, info.length = data.index(inner), len(inner)
    Path("checkpoint/.metadata").write_bytes(pickle.dumps(metadata))
    for policy in ("", 'unlocked = "inspect"\n'):
        project.policy(policy)
        lock(project)
        into = {"x": 0}
        text = refusal(lambda into=into: dcp.load(into, storage_reader=FileSystemReader("checkpoint")))
        assert "not one of its archives" in text
    assert not project.marker.exists()


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (op.mapping(fqn=op.text("w"), __class__=op.glob("os", "system")), "refused"),
        (op.mapping(fqn=op.glob("lab", "Thing")), "needs-approval"),
        (op.mapping(__setstate__=op.integer(1)), "refused"),
        (op.mapping(fqn=op.text("w")), "data-only"),
    ],
)
def test_metadata_are_plain_only_where_they_set_plain_attributes(state, outcome):
    name = op.glob("torch.distributed.checkpoint.metadata", "MetadataIndex")
    data = op.stream(name + op.EMPTY_TUPLE + op.NEWOBJ + state + op.BUILD, protocol=2)
    assert str(inspect(BytesSource(data)).outcome) == outcome


def test_a_row_with_a_payload_in_it_is_refused(project):
    bad = Path("bad.pt")
    torch.save(Payload(project.marker), bad)
    data = Path("checkpoint/__0_0.distcp").read_bytes()
    for row in (data + bad.read_bytes(), bad.read_bytes() + data):
        assert str(inspect(BytesSource(row)).outcome) == "refused"


def test_a_row_with_bytes_that_belong_to_none_of_its_archives_is_no_row(honest):
    data = (honest / "__0_0.distcp").read_bytes()
    for other in (b"x" + data, data + b"x", data + data[:-1], data[1:]):
        assert inspect(BytesSource(other)).format != "torch-zip-row"
    assert inspect(BytesSource(data + data)).format == "torch-zip-row"


def test_the_names_of_the_metadata_are_those_of_this_torch():
    made = Metadata(state_dict_metadata={"x": BytesStorageMetadata()}, storage_data={MetadataIndex("x"): None})
    assert str(inspect(BytesSource(pickle.dumps(made))).outcome) == "data-only"
