"""Properties of the inspector over all data and all bytes."""

import datetime
import pickle
import uuid
from collections import OrderedDict, deque

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus import opcodes as op
from tests.corpus.malicious.payloads import PAYLOADS
from tests.fuzz.oracle import broken_promise
from weighlock.finding import Outcome
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    st.binary().map(bytearray),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.none() | st.just(datetime.UTC)),
    st.timedeltas(),
    st.decimals(),
    st.fractions(),
    st.uuids().map(lambda value: uuid.UUID(int=value.int)),
)
KEYS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.binary(), st.dates())
DATA = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.lists(inner).map(deque),
        st.dictionaries(KEYS, inner),
        st.dictionaries(KEYS, inner).map(OrderedDict),
        st.sets(KEYS),
        st.frozensets(KEYS),
    ),
    max_leaves=30,
)
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@CALM
@given(DATA, st.integers(0, 5))
def test_plain_data_is_data_only(value, protocol):
    assert inspect(BytesSource(pickle.dumps(value, protocol))).outcome is Outcome.DATA_ONLY


@CALM
@given(DATA, st.integers(0, 5), st.sampled_from(sorted(PAYLOADS)), st.booleans())
def test_payload_beside_any_data_is_not_admitted(value, protocol, payload, first):
    data = pickle.dumps(value, protocol)[: None if first else -1]
    head = data[:2] if protocol >= 2 else b""
    call = PAYLOADS[payload] + op.POP
    stream = head + call + data[len(head) :] if first else data + op.POP + call + op.NONE + op.STOP
    assert inspect(BytesSource(stream)).outcome > Outcome.DATA_ONLY


@CALM
@given(st.binary(max_size=200))
def test_any_bytes_are_judged_without_a_lie(data):
    _, name = broken_promise(data)
    assert name is None


@CALM
@given(st.lists(st.sampled_from([bytes([code]) for code in range(256)] + [op.text("os"), op.glob("os", "system")])))
def test_any_opcodes_are_judged_without_a_lie(parts):
    _, name = broken_promise(b"\x80\x04" + b"".join(parts) + op.STOP)
    assert name is None


@CALM
@given(DATA, st.data())
def test_truncated_data_is_judged(value, data):
    whole = pickle.dumps(value, 4)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert inspect(BytesSource(cut)).outcome is not Outcome.NEEDS_APPROVAL
