from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from weighlock.advisory import Severity
from weighlock.errors import FormatError
from weighlock.formats.osv import LARGEST, Record, names_in, parse

CRITICAL = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
LOW = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}


def affected(name: str = "example", ecosystem: str = "PyPI", **fields: object) -> dict:
    return {"package": {"name": name, "ecosystem": ecosystem}, **fields}


def record(*entries: dict, **fields: object) -> bytes:
    found = {"id": "PYSEC-2024-1", "modified": "2024-05-01T00:00:00Z", "affected": list(entries)}
    return json.dumps(found | fields).encode()


def one(**fields: object) -> Record:
    return parse(record(affected(versions=["1.0"]), **fields))


def covered(version: str, **fields: object) -> bool:
    return any(entry.covers(version) for entry in parse(record(affected(**fields))).affected)


def span(*events: dict, kind: str = "ECOSYSTEM") -> dict:
    return {"type": kind, "events": list(events)}


def test_a_version_is_affected_by_the_list_or_by_a_range():
    fields = {"versions": ["23.9.0.post1"], "ranges": [span({"introduced": "0"}, {"fixed": "23.9.0"})]}
    assert covered("23.8", **fields)
    assert covered("23.9.0.post1", **fields)
    assert not covered("23.9.0", **fields)


def test_a_record_without_a_list_of_versions():
    assert covered("1", ranges=[span({"introduced": "0"})])


def test_a_record_without_ranges():
    assert covered("1.0.0", versions=["1"])
    assert not covered("1.0.1", versions=["1"])


def test_a_range_of_commits_says_nothing_about_versions():
    commits = span({"introduced": "0"}, {"fixed": "8d3c2a"}, kind="GIT")
    assert not covered("2", versions=["1"], ranges=[commits])
    (entry,) = parse(record(affected(ranges=[commits]))).affected
    assert entry.is_vague
    (entry,) = parse(record(affected())).affected
    assert entry.is_vague


def test_a_semantic_range_is_a_range():
    assert covered("1.5", ranges=[span({"introduced": "1.0.0"}, {"fixed": "2.0.0"}, kind="SEMVER")])


def test_each_range_is_evaluated_by_itself():
    fields = {"ranges": [span({"introduced": "0"}, {"fixed": "1"}), span({"introduced": "0"}, {"fixed": "3"})]}
    assert covered("2", **fields)
    assert not covered("3", **fields)


def test_events_of_one_object_are_events():
    assert not covered("2", ranges=[span({"introduced": "0", "fixed": "2"})])
    assert covered("1", ranges=[span({"introduced": "0", "fixed": "2"})])


@pytest.mark.parametrize("name", ["Flask_SQLAlchemy", "flask.sqlalchemy", "FLASK--sqlalchemy", " flask-sqlalchemy"])
def test_another_spelling_of_a_name_is_the_same_package(name):
    assert parse(record(affected(name, versions=["1"]))).affected[0].name == "flask-sqlalchemy"


def test_a_record_about_several_packages_and_ecosystems():
    found = parse(
        record(
            affected("one", versions=["1"]),
            affected("two", versions=["2"]),
            affected("other", ecosystem="npm", versions=["3"]),
            affected("three", ecosystem="PyPI:corp", versions=["4"]),
            {"ranges": [span({"introduced": "0"}, kind="GIT")]},
        )
    )
    assert [entry.name for entry in found.affected] == ["one", "two", "three"]


def test_a_withdrawn_record_says_so():
    assert one(withdrawn="2026-05-26T00:00:00Z").withdrawn
    assert not one(withdrawn=None).withdrawn


@pytest.mark.parametrize("withdrawn", [False, 0, "", "yes", {}, [], "0001-01-01T00:00:00Z"])
def test_a_withdrawal_that_is_none_does_not_switch_a_record_off(withdrawn):
    with pytest.raises(FormatError):
        one(withdrawn=withdrawn)


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"severity": [CRITICAL]}, Severity.CRITICAL),
        ({"severity": [LOW, CRITICAL]}, Severity.CRITICAL),
        ({"severity": [CRITICAL], "database_specific": {"severity": "LOW"}}, Severity.CRITICAL),
        ({"database_specific": {"severity": "MODERATE"}}, Severity.MEDIUM),
        ({"database_specific": {"severity": "critical"}}, Severity.CRITICAL),
        ({"severity": [{"type": "CVSS_V3", "score": "7.5"}], "database_specific": {"severity": "High"}}, Severity.HIGH),
        ({"severity": [{"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:C/I:C/A:C"}]}, Severity.HIGH),
        ({"severity": [{"type": "Ubuntu", "score": "low"}]}, None),
        ({"severity": "critical"}, None),
        ({"severity": [None, 7, {"type": 7, "score": 7}]}, None),
        ({"database_specific": {"severity": "whatever"}}, None),
        ({"database_specific": "LOW"}, None),
        ({}, None),
    ],
)
def test_severity_comes_from_vectors_or_else_from_the_word_of_the_database(fields, severity):
    assert one(**fields).severity is severity


def test_severity_of_one_package_counts():
    assert parse(record(affected(versions=["1"], severity=[CRITICAL]))).severity is Severity.CRITICAL


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{",
        b"\xff\xfe\xfd",
        b'{"a":' * 100_000,
        b"[" * 1_000_000,
        record(affected(versions="1.0")),
        record(affected(versions=[1])),
        record(affected(versions=[""])),
        record(affected(versions=["1" * 300])),
        record(affected(versions=["\ud800"])),
        record(affected(ranges={})),
        record(affected(ranges=["0"])),
        record(affected(ranges=[span()])),
        record(affected(ranges=[{"type": "ECOSYSTEM"}])),
        record(affected(ranges=[span({"introduced": "0"}, kind="NEWER")])),
        record(affected(ranges=[span({"introduced": "0"}, {"reintroduced": "2"})])),
        record(affected(ranges=[span({"introduced": 0})])),
        record(affected(ranges=[span({})])),
        record(affected(name="")),
        record(affected(name=7)),
        record(affected(name="\ud800")),
        record({"package": {"name": "example"}}),
        record({"package": "example"}),
        record("example"),
        record(id=None),
        record(id="PYSEC 1"),
        record(id="x\x1b[2J"),
        record(id="x" * 200),
        record(aliases="CVE-1"),
        record(aliases=["CVE-1"] * 2000),
        record(schema_version="2.0.0"),
        record(schema_version=1),
        b'{"id": "PYSEC-2024-1", "affected": [], "affected": []}',
    ],
)
def test_a_record_that_is_not_understood_is_an_error(data):
    with pytest.raises(FormatError):
        parse(data)


def test_a_huge_record_is_not_read():
    with pytest.raises(FormatError, match="larger than"):
        parse(b" " * (LARGEST + 1))


def test_an_integer_without_end_is_an_error():
    with pytest.raises(FormatError):
        parse(b'{"id": %s}' % (b"9" * 5000))


def test_a_record_that_is_not_understood_names_its_packages():
    broken = record(affected("One_Two", versions=7), affected("three", ecosystem="PyPI"))
    assert names_in(broken) == ("PYSEC-2024-1", ("one-two", "three"))


@pytest.mark.parametrize("data", [b"{", record("example"), record(affected(name=None)), record(affected("x"), id=7)])
def test_a_record_that_does_not_even_name_its_packages(data):
    with pytest.raises(FormatError):
        names_in(data)


def test_names_times_and_summary():
    found = one(aliases=["GHSA-x", "CVE-1", "PYSEC-2024-1", 7, "no name"], details="\n First line \x1b[2J\nsecond\n")
    assert found.aliases == ("CVE-1", "GHSA-x")
    assert found.names == {"PYSEC-2024-1", "CVE-1", "GHSA-x"}
    assert found.modified == datetime(2024, 5, 1, tzinfo=UTC)
    assert found.summary == "First line \x1b[2J"
    assert len(one(summary="x" * 100_000).summary) == 300
    assert one(summary="half \ud800").summary == "half ?"


@pytest.mark.parametrize("modified", ["1-01-01T00:00:00Z", "soon", 7, None, "0001-01-01T00:00:00+23:00"])
def test_a_record_with_no_readable_time_still_counts(modified):
    assert one(modified=modified).modified is None
    assert one(modified=modified).affected


def test_what_ranges_call_fixed_is_kept():
    ranges = [span({"fixed": "2.0"}, {"introduced": "0"}, {"introduced": "3.0"}, {"fixed": "3.1"})]
    assert parse(record(affected(ranges=ranges))).affected[0].fixed == ("2.0", "3.1")
