"""The fast reader of entries and the plain one say the same, of entries and of what is none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighlock.artifact import Digest
from weighlock.entry import Entry
from weighlock.incidents import entries
from weighlock.incidents.frontier import Frontier
from weighlock.incidents.numbers import pack, runs, unpack
from weighlock.ledger.verifier import leaf_hash, root_of
from weighlock.verdict import Decision, Stamp

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
WORDS = st.from_regex(r"\A[a-z][a-z0-9-]{0,39}\Z")
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(['a","time":"2026', "\\", '"', "\x7f", "é", "\u2028", "x" * 1001, "torch.load", '{"a":1}']),
)
ENTRIES = st.builds(
    Entry,
    time=st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)),
    event=st.from_regex(r"\A[0-9a-zA-Z:_-]{1,100}\Z"),
    gate=WORDS,
    kind=WORDS,
    subject=TEXTS,
    verdict=st.sampled_from(Decision),
    digest=st.none() | HEX.map(Digest.sha256),
    size=st.none() | st.integers(0, (1 << 63) - 1),
    enforced=st.booleans(),
    rules=st.lists(TEXTS, max_size=45).map(tuple),
    engines=st.lists(st.builds(Stamp, engine=TEXTS, policy=HEX.map(lambda digits: f"sha256:{digits}")), max_size=3).map(
        tuple
    ),
    evidence=st.lists(HEX.map(lambda digits: f"sha256:{digits}"), max_size=25).map(tuple),
    actor=TEXTS,
    loader=st.none() | TEXTS,
)


def agree(data: bytes) -> None:
    """Demand that both readers say the same."""
    assert entries.read(data) == entries._slowly(data)


@given(ENTRIES)
def test_both_readers_agree_about_entries(entry):
    data = entry.to_bytes()
    agree(data)
    found = entries.read(data)
    assert found is not None
    assert found.circumstance.verdict == entry.verdict
    assert found.digest == (bytes.fromhex(entry.digest.value) if entry.digest else b"")


@given(ENTRIES, st.data())
def test_both_readers_agree_about_changed_bytes(entry, data):
    plain = bytearray(entry.to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(plain) - 1))
        plain[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b'"', b"\\", b"0", b" ", b"\xff", b",", b"\n", b"A", b"\\u0041"])
        )
    agree(bytes(plain))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"2026-01-01T", b"2026-02-30T"),
        (b"00:00:00.", b"00:00:60."),
        (b"2026-01-01T", b"0026-01-01T"),
        (b'"version":1', b'"version":1.0'),
        (b'"version":1}', b'"version":1} '),
        (b'"verdict":"ALLOW"', b'"verdict":"allow"'),
        (b'"subject":"s"', b'"subject":"s","subject":"t"'),
        (b'"subject":"s"', b'"subject":"\xff"'),
        (b'"subject":"s"', b'"subject":"\\u0073"'),
        (b'"size":5', b'"size":05'),
        (b'"size":5', b'"size":9223372036854775808'),
        (b'"rules":[]', b'"rules":["a",]'),
        (b'"rules":[]', b'"rules":["a", "b"]'),
    ],
)
def test_what_is_no_entry_is_none_for_both(old, new):
    time = datetime(2026, 1, 1, tzinfo=UTC)
    data = Entry(
        time=time, event="e", gate="load", kind="model", subject="s", verdict=Decision.ALLOW, size=5
    ).to_bytes()
    assert entries.read(data) is not None
    assert old in data
    changed = data.replace(old, new)
    agree(changed)
    assert entries.read(changed) is None


@given(st.lists(st.sets(st.integers(0, 1 << 40), min_size=1).map(sorted), min_size=1, max_size=4))
def test_packed_numbers_come_back(parts):
    assert unpack(b"".join(map(pack, parts))) == [number for part in parts for number in part]


@given(st.binary(max_size=40))
def test_no_bytes_make_the_unpacking_hang_or_fail_otherwise(data):
    try:
        numbers = unpack(data)
    except ValueError:
        return
    assert len(numbers) <= len(data)


def test_runs_are_told_without_holes():
    assert runs([5, 1, 2, 3, 9, 2]) == [(1, 3), (5, 5), (9, 9)]


@given(st.lists(st.binary(max_size=8), max_size=70), st.integers(0, 70))
def test_a_tree_that_grows_has_the_root_of_the_whole(data, stop):
    tree = Frontier()
    for one in data[:stop]:
        tree.add(one)
    tree = Frontier(tree.size, tree.hashes)
    for one in data[stop:]:
        tree.add(one)
    assert tree.root() == root_of([leaf_hash(one) for one in data])
