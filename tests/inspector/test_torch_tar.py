"""The tar of torch's first releases: its members hold memory between pickles, as its loader reads them."""

from __future__ import annotations

import io
import struct
import tarfile
import warnings

import pytest

from tests.corpus import opcodes as op
from weighlock.finding import Outcome
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

EVIL = op.stream(op.call(op.glob("os", "getcwd")), protocol=2)


def outcome(data):
    return inspect(BytesSource(data)).outcome


def number(value):
    return op.stream(op.integer(value), protocol=2)


def storage(kind="FloatStorage", *, module="torch", count=6, data=bytes(24)):
    head = op.tup(op.integer(94444851), op.short_binstring("cpu"), op.glob(module, kind))
    return op.stream(head, protocol=2) + struct.pack("<q", count) + data


def tensor(sizes=(2, 3), strides=(3, 1), offset=0, *, dimensions=None):
    head = op.stream(op.tup(op.integer(7), op.integer(94444851), op.glob("torch", "FloatTensor")), protocol=2)
    numbers = struct.pack(f"<{len(sizes) + len(strides) + 1}q", *sizes, *strides, offset)
    return head + struct.pack("<i", len(sizes) if dimensions is None else dimensions) + b"\xff" * 4 + numbers


VIEWS = op.stream(op.EMPTY_LIST, protocol=2)
STORAGES = number(1) + storage() + VIEWS
TENSORS = number(1) + tensor()
WEIGHT = op.integer(7) + op.BINPERSID
# As `torch.save` of 2016 pickled a state dict: tensors are persistent ids that are numbers.
PICKLE = op.stream(op.mapping(weight=WEIGHT), protocol=2)
SYSTEM = op.stream(op.mapping(protocol_version=op.integer(1000), little_endian=op.TRUE), protocol=2)


def packed(*, links=(), **replaced):
    members = {"sys_info": SYSTEM, "pickle": PICKLE, "storages": STORAGES, "tensors": TENSORS, **replaced}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members.items():
            if data is None:
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target, kind in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return file.getvalue()


class TestRefused:
    @pytest.mark.parametrize(
        "storages",
        [
            EVIL,
            number(1) + EVIL,
            number(1) + storage() + EVIL,
            number(2) + storage() + storage("ByteStorage", data=b"\xff" * 6) + EVIL,
            number(2) + storage() + EVIL,
        ],
        ids=["number", "storage", "views", "views behind two", "second storage"],
    )
    def test_a_payload_in_storages(self, storages):
        assert outcome(packed(storages=storages)) is Outcome.REFUSED

    @pytest.mark.parametrize(
        "tensors",
        [EVIL, number(1) + EVIL, number(2) + tensor() + EVIL, number(3) + tensor() + tensor((), ()) + EVIL],
        ids=["number", "tensor", "second tensor", "third tensor"],
    )
    def test_a_payload_in_tensors(self, tensors):
        assert outcome(packed(tensors=tensors)) is Outcome.REFUSED

    def test_a_payload_in_pickle(self):
        evil = op.stream(op.array(WEIGHT, op.call(op.glob("os", "getcwd"))), protocol=2)
        assert outcome(packed(pickle=evil)) is Outcome.REFUSED

    def test_a_payload_in_storages_without_the_other_members(self):
        storages = number(1) + storage(data=b"\xff" * 24) + EVIL
        assert outcome(packed(storages=storages, tensors=None, pickle=None)) is Outcome.REFUSED


class TestUnverifiable:
    @pytest.mark.parametrize(
        "storages",
        [
            STORAGES + b"\0",
            STORAGES + op.stream(op.NONE),
            number(1) + storage(count=7) + VIEWS,
            number(1) + storage(count=-1) + VIEWS,
            number(1) + storage(count=(1 << 62) + 6) + VIEWS,
            number(1) + storage("UnknownStorage") + VIEWS,
            number(1) + storage(module="lab") + VIEWS,
            number(2) + storage() + VIEWS,
            number(1) + storage(),
            op.stream(op.NONE) + VIEWS,
            b"\xff" + STORAGES,
        ],
        ids=[
            "a byte left over",
            "a pickle left over",
            "another number",
            "negative",
            "wraps around",
            "unknown type",
            "type of another module",
            "one storage too few",
            "no views",
            "no number",
            "no pickle",
        ],
    )
    def test_storages_that_do_not_add_up(self, storages):
        assert outcome(packed(storages=storages)) is Outcome.UNVERIFIABLE

    @pytest.mark.parametrize(
        "tensors",
        [
            TENSORS + b"\0",
            number(2) + tensor(),
            number(1) + tensor(dimensions=3),
            number(1) + tensor(dimensions=-1),
            number(1) + tensor()[:-1],
            b"text",
        ],
        ids=["a byte left over", "one too few", "more dimensions", "negative", "cut", "no pickle"],
    )
    def test_tensors_that_do_not_add_up(self, tensors):
        assert outcome(packed(tensors=tensors)) is Outcome.UNVERIFIABLE

    @pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE])
    @pytest.mark.parametrize("name", ["storages", "tensors", "pickle"])
    def test_a_link_in_the_place_of_a_member(self, name, kind):
        moved = {name: None, "other": {"storages": STORAGES, "tensors": TENSORS, "pickle": PICKLE}[name]}
        assert outcome(packed(links=[(name, "other", kind)], **moved)) is Outcome.UNVERIFIABLE

    def test_a_persistent_id_that_is_no_number(self):
        pickle = op.stream(op.text("model") + op.BINPERSID, protocol=2)
        assert outcome(packed(pickle=pickle)) is Outcome.UNVERIFIABLE

    def test_a_number_as_persistent_id_outside_of_such_a_tar(self):
        assert outcome(PICKLE) is Outcome.UNVERIFIABLE
        assert outcome(packed(storages=None)) is Outcome.UNVERIFIABLE


class TestData:
    @pytest.mark.parametrize("weight", [WEIGHT, b"P7\n"])
    def test_a_state_dict_of_2016_as_torch_loads_it(self, tmp_path, weight):
        torch = pytest.importorskip("torch")
        memory = struct.pack("<6f", *range(6))
        data = packed(
            storages=number(1) + storage(data=memory) + VIEWS,
            pickle=op.stream(op.mapping(weight=weight), protocol=2),
        )
        place = tmp_path / "model.pt"
        place.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(place, weights_only=False)
        assert loaded["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
        inspection = inspect(BytesSource(data))
        assert (inspection.outcome, inspection.format) == (Outcome.DATA_ONLY, "torch-tar")

    def test_several_storages_and_tensors_and_views(self):
        views = op.stream(op.array(op.tup(*map(op.integer, (8, 94444851, 0, 2)))), protocol=2)
        storages = number(2) + storage() + storage("DoubleStorage", module="torch.cuda", data=b"\xff" * 48) + views
        tensors = number(3) + tensor() + tensor((), (), 5) + tensor((1,) * 9, (1,) * 9)
        assert outcome(packed(storages=storages, tensors=tensors)) is Outcome.DATA_ONLY

    def test_nothing_in_it(self):
        data = packed(storages=number(0) + VIEWS, tensors=number(0), pickle=op.stream(op.EMPTY_DICT, protocol=2))
        assert outcome(data) is Outcome.DATA_ONLY

    def test_an_empty_member_of_a_tar_that_is_not_of_torch(self):
        data = packed(storages=b"", tensors=None, pickle=op.stream(op.EMPTY_DICT, protocol=2))
        assert outcome(data) is Outcome.DATA_ONLY
        assert outcome(packed(storages=None, tensors=b"text", pickle=None)) is Outcome.DATA_ONLY
