"""What an admitted `torch.load` may import: the admitted names, also in loads inside it, and no others."""

from __future__ import annotations

import io
import pathlib
import pickle

import pytest
import torch

from tests.runtime.hooks.torch_files import TENSORS
from tests.runtime.payload import Payload
from weighlock.errors import LoadRefused


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_a_file_locked_as_data_that_asks_for_more_is_stopped_at_that_name(bench, options):
    torch.save(Payload(bench.marker), "model.pt", **options)
    bench.lock("model.pt", outcome="data-only", imports=TENSORS)
    bench.guard()
    with pytest.raises(LoadRefused, match=r"posix\.mkdir"):
        torch.load("model.pt", weights_only=False)
    assert not bench.marker.exists()


def test_an_approved_name_is_imported_and_no_other(bench):
    torch.save(Payload(bench.marker), "model.pt")
    bench.lock(
        "model.pt",
        outcome="needs-approval",
        imports=("posix.mkdir",),
        needs=("posix.mkdir",),
        approved=("posix.mkdir",),
    )
    bench.guard()
    torch.load("model.pt", weights_only=False)
    assert bench.marker.exists()


def test_a_locked_file_that_waits_for_its_approval_is_refused_even_with_weights_only(bench):
    torch.save(Payload(bench.marker), "model.pt")
    bench.lock("model.pt", outcome="needs-approval", imports=("posix.mkdir",), needs=("posix.mkdir",))
    bench.guard()
    with pytest.raises(LoadRefused, match="weighlock approve"):
        torch.load("model.pt")


def test_a_pickle_module_of_ones_own_gets_no_more_than_the_admission(bench):
    torch.save(Payload(bench.marker), "model.pt")
    bench.lock("model.pt", outcome="data-only", imports=TENSORS)
    bench.guard()
    with pytest.raises(LoadRefused):
        torch.load("model.pt", pickle_module=pickle, weights_only=False)
    assert not bench.marker.exists()


def test_a_load_nested_in_an_admitted_load_gets_no_more_than_the_outer_one(bench):
    """The outer file is approved for a name that loads bytes; the bytes ask for another name."""
    inner = io.BytesIO()
    torch.save(Payload(bench.marker), inner)
    outer = pickle.dumps(_Nested(inner.getvalue()))
    pathlib.Path("outer.pkl").write_bytes(outer)
    names = ("torch.storage._load_from_bytes",)
    bench.lock("outer.pkl", outcome="needs-approval", imports=names, needs=names, approved=names)
    bench.guard()
    with open("outer.pkl", "rb") as file, pytest.raises(LoadRefused, match=r"posix\.mkdir"):
        pickle.load(file)
    assert not bench.marker.exists()


class _Nested:
    def __init__(self, data):
        self.data = data

    def __reduce__(self):
        return torch.storage._load_from_bytes, (self.data,)


def test_a_storage_in_a_pickle_in_memory_keeps_working_but_holds_no_code(bench):
    bench.guard()
    assert torch.equal(pickle.loads(pickle.dumps(torch.ones(2))), torch.ones(2))
    inner = io.BytesIO()
    torch.save(Payload(bench.marker), inner)
    with pytest.raises(LoadRefused):
        pickle.loads(pickle.dumps(_Nested(inner.getvalue())))
    assert not bench.marker.exists()
