"""Whatever a bundle holds, reading it ends with a statement of the one who signed it, or with a clear error."""

from __future__ import annotations

import base64
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.signing.conftest import NOW
from weighlock.errors import WeighlockError
from weighlock.signing.bundle import read_bundle
from weighlock.signing.documents import read_document
from weighlock.signing.statement import read_statement
from weighlock.signing.trust import TrustedKey
from weighlock.signing.verification import verify_bundle

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["AAAA", "sha256", "0" * 64]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_SLOW = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _places(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from _places(inner, (*path, key))


def _replaced(value, path, new):
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = _replaced(copied[path[0]], path[1:], new)
    return copied


@_SLOW
@given(data=st.data())
def test_a_bundle_with_any_part_replaced_is_the_signers_or_an_error(data, bundle, alice, statement):
    document = json.loads(bundle)
    path = data.draw(st.sampled_from(sorted(_places(document), key=str)))
    spoiled = json.dumps(_replaced(document, path, data.draw(_VALUES))).encode()
    try:
        verified = verify_bundle(spoiled, [TrustedKey(name="alice", key=alice.public)], now=NOW)
    except WeighlockError:
        return
    assert verified.statement == statement


@_SLOW
@given(data=st.data())
def test_a_statement_with_any_part_replaced_is_one_or_an_error(data, statement):
    document = json.loads(statement.to_bytes())
    path = data.draw(st.sampled_from(sorted(_places(document), key=str)))
    try:
        read = read_statement(json.dumps(_replaced(document, path, data.draw(_VALUES))).encode())
    except WeighlockError:
        return
    assert read.subjects
    assert read_statement(read.to_bytes()) == read


@_SLOW
@given(data=st.data())
def test_one_changed_byte_of_a_bundle_changes_nothing_or_ends_it(data, bundle, alice, statement):
    place = data.draw(st.integers(0, len(bundle) - 1))
    spoiled = bundle[:place] + bytes([data.draw(st.integers(0, 255))]) + bundle[place + 1 :]
    try:
        verified = verify_bundle(spoiled, [TrustedKey(name="alice", key=alice.public)], now=NOW)
    except WeighlockError:
        return
    assert verified.statement == statement
    assert base64.b64encode(read_bundle(spoiled).envelope.payload) in bundle


@_SLOW
@given(
    value=st.dictionaries(
        st.sampled_from(
            [
                "bomFormat",
                "components",
                "metadata",
                "@graph",
                "@context",
                "spdxVersion",
                "packages",
                "files",
                "weighlock",
                "command",
            ]
        ),
        _VALUES,
    )
)
def test_a_document_of_any_shape_is_recognised_or_an_error(value):
    for fixed in ({}, {"bomFormat": "CycloneDX"}, {"spdxVersion": "x"}, {"@context": "spdx"}):
        try:
            document = read_document(json.dumps({**value, **fixed}).encode(), "x")
        except WeighlockError:
            continue
        assert document is None or document.statement.to_bytes()
