"""The memo against a dict, which is what the pure-Python unpickler has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighlock.errors import FormatError
from weighlock.formats.pickle import memo as memo_module
from weighlock.formats.pickle.memo import Memo
from weighlock.formats.pickle.values import Container, Instance, Native

VALUES = st.one_of(st.text(), st.integers(), st.none(), st.binary(), st.sampled_from([Container("list"), Native("a")]))
INDEXES = st.one_of(st.integers(0, 12), st.sampled_from([1 << 14, (1 << 14) + 1, 1 << 40, 10**30]))


@pytest.fixture(autouse=True)
def _few_near_entries(monkeypatch):
    monkeypatch.setattr(memo_module, "_NEAR", 4)


@given(st.lists(st.tuples(st.none() | INDEXES, VALUES), max_size=40))
def test_it_holds_what_a_dict_would_hold(puts):
    memo, expected = Memo(), {}
    for given_index, value in puts:
        index = len(expected) if given_index is None else given_index
        memo.put(index, value)
        expected[index] = value
        assert len(memo) == len(expected)
    for index, value in expected.items():
        assert memo.get(index) == value
        assert type(memo.get(index)) is type(value)


@pytest.mark.parametrize("index", [0, 1, 5, -1, 1 << 62, 10**40])
def test_an_entry_that_was_never_written(index):
    memo = Memo()
    memo.put(3, "far")
    with pytest.raises(FormatError):
        memo.get(index)


@pytest.mark.parametrize("index", [0, 7, 1 << 40])
def test_an_object_that_was_handed_out_is_shared(index):
    memo = Memo()
    for near in range(8):
        memo.put(near, Instance("a"))
    memo.put(index, value := Instance("b"))
    assert not value.shared
    assert memo.get(index) is value
    assert value.shared


def test_surrogates_survive():
    memo = Memo()
    for index in range(9):
        memo.put(index, "\ud800")
    assert memo.get(8) == "\ud800"


def test_what_it_keeps_is_counted():
    memo = Memo()
    for index in range(0, 3000, 3):
        memo.put(index, "x" * 100)
    assert memo.retained > 100_000
