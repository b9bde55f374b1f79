"""Whatever a record says: it is understood, or refused in one clear way; and no spelling of a version is an error."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from weighlock.errors import FormatError
from weighlock.formats import cvss
from weighlock.formats.osv import names_in, parse
from weighlock.formats.pypi_versions import covers, intervals, key, place

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TEXT = st.text(max_size=12) | st.sampled_from(["0", "1.0", "1.0-final", "2!1", "1.0+x", "0.dev0", "v1", "1.0.post1"])
VERSION = st.from_regex(r"(1!)?[0-3](\.[0-3]){0,2}((a|b|rc)[0-2])?(\.post[0-2])?(\.dev[0-2])?", fullmatch=True)
KIND = st.sampled_from(["introduced", "fixed", "last_affected", "limit"])
EVENT = st.dictionaries(KIND | st.text(max_size=3), TEXT | ANY, max_size=2) | ANY
AFFECTED = st.fixed_dictionaries(
    {},
    optional={
        "package": st.fixed_dictionaries({}, optional={"name": TEXT | ANY, "ecosystem": st.just("PyPI") | ANY}) | ANY,
        "versions": st.lists(TEXT | ANY, max_size=3) | ANY,
        "ranges": st.lists(
            st.fixed_dictionaries(
                {}, optional={"type": st.sampled_from(["ECOSYSTEM", "GIT"]) | ANY, "events": st.lists(EVENT) | ANY}
            ),
            max_size=2,
        )
        | ANY,
    },
)
RECORD = st.fixed_dictionaries(
    {"id": st.just("PYSEC-1") | ANY, "affected": st.lists(AFFECTED, max_size=2) | ANY},
    optional=dict.fromkeys(("modified", "withdrawn", "aliases", "severity", "summary", "database_specific"), ANY),
)


@given(RECORD, TEXT)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_record_is_understood_or_refused(record, version):
    data = json.dumps(record).encode()
    with suppress(FormatError):
        for affected in parse(data).affected:
            affected.covers(version)
    with suppress(FormatError):
        names_in(data)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_bytes_are_a_record_or_refused(data):
    with suppress(FormatError):
        parse(data)


@given(st.text(max_size=60) | st.from_regex(r"CVSS:[34]\.[01](/[A-Z]{1,2}:[A-Z]){0,12}", fullmatch=True))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_vector_is_a_score_or_refused(vector):
    with suppress(FormatError):
        assert 0 <= cvss.base_score(vector) <= 10


@given(st.lists(st.tuples(KIND, TEXT | VERSION), max_size=5), TEXT | VERSION)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_spelling_of_a_version_is_an_error(events, version):
    key(version)
    place(version)
    assert all(covers(interval, version) in {True, False} for interval in intervals(events))


@example([("fixed", "0.dev0"), ("introduced", "0")], "0")
@given(st.lists(st.tuples(st.sampled_from(["introduced", "fixed"]), VERSION), min_size=1, max_size=6), VERSION)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_the_schema_calls_affected_is_affected(events, version):
    """Against OSV's own pseudo-code; what is fixed and introduced in one version goes on."""
    order = {"fixed": 0, "introduced": 1}
    expected = True
    for kind, value in sorted(events, key=lambda event: (Version(event[1]), order[event[0]])):
        # "0" stands for what is below every version, and that is affected already.
        if Version(version) >= Version(value) and (kind, value) != ("introduced", "0"):
            expected = kind == "introduced"
    found = intervals([("introduced", "0"), *events])
    assert any(covers(interval, version) for interval in found) == expected
