"""HDF5 files, by our reader and by h5py."""

from __future__ import annotations

import contextlib
import io
import struct

import h5py
import numpy as np
import pytest

from tests.corpus.hdf5_files import filtered_dataset, hdf5
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError, WeighlockError
from weighlock.formats import hdf5 as format_
from weighlock.formats.source import Budget, BytesSource

VERSIONS = ["earliest", "v108", "v110", "latest"]


def read(data: bytes, **limits: int) -> format_.Hdf5:
    source = BytesSource(data)
    start = format_.find(source)
    assert start is not None
    return format_.parse(source, start, Budget(**limits))


def write(fill, **options) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w", **options) as opened:
        fill(opened)
    return file.getvalue()


def texts(found: format_.Hdf5) -> dict[tuple[str, str], tuple[bytes, ...] | None]:
    return {(each.path, each.name): each.texts for each in found.attributes}


def many(file) -> None:
    for number in range(40):
        file.attrs[f"a{number}"] = f"value {number}"
        file.create_dataset(f"d{number}", data=np.arange(number + 1), chunks=(1,), compression="gzip")
    inner = file.create_group("inner/group")
    inner.attrs["fixed"] = np.bytes_(b"fixed")
    inner.attrs["long"] = "x" * 60_000
    inner.attrs["several"] = ["one", "two"]
    inner.attrs["bytes"] = np.frombuffer(b"cos\nsystem\n.", np.uint8)
    for number in range(600):
        inner.create_group(f"g{number}").attrs["n"] = str(number)


@pytest.mark.parametrize("order", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_attribute_is_found_in_every_layout(version: str, order: bool):  # noqa: FBT001
    found = texts(read(write(many, libver=version, track_order=order)))
    assert len(found) == 40 + 4 + 600
    assert found["/", "a7"] == (b"value 7",)
    assert found["/inner/group", "long"] == (b"x" * 60_000,)
    assert found["/inner/group", "fixed"] == (b"fixed",)
    assert found["/inner/group", "several"] == (b"one", b"two")
    assert found["/inner/group", "bytes"] == (b"cos\nsystem\n.",)
    assert found["/inner/group/g599", "n"] == (b"599",)


def test_a_superblock_behind_a_user_block_is_found():
    data = write(lambda file: file.attrs.update({"a": "b"}), userblock_size=2048)
    assert texts(read(data)) == {("/", "a"): (b"b",)}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_behind_bytes_that_it_does_not_know_of_is_read_as_the_library_reads_it(version: str):
    data = bytes(1024) + write(lambda file: file.attrs.update({"a": "b"}), libver=version)
    with h5py.File(io.BytesIO(data)) as file:
        assert file.attrs["a"] == "b"
    assert texts(read(data)) == {("/", "a"): (b"b",)}


def leaves(file) -> None:
    file["link"] = h5py.ExternalLink("other.h5", "/a")
    file["soft"] = h5py.SoftLink("/elsewhere")
    file.create_dataset("external", (10,), dtype="i4", external=[("/etc/passwd", 0, 40)])
    layout = h5py.VirtualLayout((4,), "i4")
    layout[:] = h5py.VirtualSource("source.h5", "d", (4,))
    file.create_virtual_dataset("virtual", layout)


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_whatever_leads_out_of_the_file_is_found(version: str):
    assert read(write(leaves, libver=version)).external == {
        ("external link", "other.h5"),
        ("external file", "/etc/passwd"),
        ("virtual dataset", ""),
    }


def test_a_filter_that_needs_a_plugin_is_found_and_others_are_not():
    assert read(hdf5(datasets={"d": filtered_dataset(32015)})).external == {("filter", "32015")}
    assert read(hdf5(datasets={"d": filtered_dataset(1)})).external == set()


def test_a_group_that_holds_itself_ends():
    def fill(file):
        file["a/b/c"] = file["/"] if "a" in file else 1
        file["a/self"] = file["a"]
        file["a/root"] = file["/"]

    assert read(write(fill)).external == set()


def test_an_attribute_of_a_committed_type_is_read():
    def fill(file):
        file["kind"] = np.dtype("S5")
        file.attrs.create("a", b"value", dtype=file["kind"])

    assert texts(read(write(fill)))["/", "a"] == (b"value",)


def test_an_unknown_superblock_is_not_passed_over():
    data = bytearray(hdf5({"a": b"b"}))
    data[8] = 9
    with pytest.raises(UnsupportedError):
        read(bytes(data))


def test_an_unknown_message_is_not_passed_over():
    data = hdf5({"a": b"b"})
    with pytest.raises(UnsupportedError, match="unknown kind"):
        read(data.replace(struct.pack("<HH", 0x0C, data[114] | data[115] << 8), struct.pack("<HH", 0x77, data[114]), 1))


def test_a_tree_that_leads_back_into_itself_ends():
    data = bytearray(write(lambda file: file.create_group("a")))
    place = data.find(b"TREE")
    data[place + 5] = 1  # its children are trees now
    child = struct.unpack_from("<Q", data, place + 24 + 8)[0]
    data = data.replace(struct.pack("<Q", child), struct.pack("<Q", place))
    with pytest.raises(FormatError):
        read(bytes(data))


@pytest.mark.parametrize("version", VERSIONS)
def test_many_objects_are_over_budget(version: str):
    with pytest.raises(OverBudgetError):
        read(write(many, libver=version), opcodes=5_000)


def test_no_broken_file_does_anything_but_end():
    data = write(many, libver="latest")[:40_000]
    rng = np.random.default_rng(7)
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 12):
            broken[place] = rng.integers(0, 256)
        with contextlib.suppress(WeighlockError, AssertionError):
            read(bytes(broken[: rng.integers(100, len(data))]), opcodes=200_000, inflated=1 << 24)
