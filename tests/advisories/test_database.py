from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.advisories.osv_files import CRITICAL, DAY, MEDIUM, NOW, YESTERDAY, database, record, span
from weighlock.advisories.database import Database, place
from weighlock.advisory import Advisory, Severity
from weighlock.errors import AdvisoryError


def ask(tmp_path: Path, *records: dict | bytes, name: str = "example", version: str = "1.0") -> tuple[Advisory, ...]:
    with database(tmp_path, *records) as known:
        return known.query([(name, version)])[0]


def ids(advisories: tuple[Advisory, ...]) -> list[str]:
    return [advisory.id for advisory in advisories]


# What applies.


def test_a_listed_version_outside_of_the_ranges_is_affected(tmp_path):
    found = record("PYSEC-1", versions=["23.9.0.post1"], ranges=[span(fixed="23.9.0")])
    assert ids(ask(tmp_path, found, version="23.9.0.post1")) == ["PYSEC-1"]
    assert ids(ask(tmp_path, found, version="22")) == ["PYSEC-1"]
    assert ids(ask(tmp_path, found, version="23.9.0")) == []


@pytest.mark.parametrize("name", ["Flask_SQLAlchemy", "flask.sqlalchemy", " FLASK-SQLAlchemy", "flask--sqlalchemy"])
def test_another_spelling_of_the_name_hides_nothing(tmp_path, name):
    found = record("PYSEC-1", "Flask-SQLAlchemy", ranges=[span()])
    assert ids(ask(tmp_path, found, name=name)) == ["PYSEC-1"]


@pytest.mark.parametrize("version", ["1.0", "1", "1.0.0", "v1.0", "1.0+cpu", " 1.0 "])
def test_another_spelling_of_the_version_hides_nothing(tmp_path, version):
    assert ids(ask(tmp_path, record("PYSEC-1", versions=["1.0.0.0"]), version=version)) == ["PYSEC-1"]


@pytest.mark.parametrize("version", ["1.0-final", "garbage", "", "\x00", "1.0\n2.0", "9" * 10_000, "%", "' OR 1=1 --"])
def test_a_version_that_is_none_is_not_clean_and_no_error(tmp_path, version):
    assert ids(ask(tmp_path, record("PYSEC-1", ranges=[span()]), version=version)) == ["PYSEC-1"]


@pytest.mark.parametrize("name", ["", "\x00", "' OR 1=1 --", "a" * 10_000, "exämple", "../../etc"])
def test_a_name_that_is_none_finds_nothing_and_is_no_error(tmp_path, name):
    assert ask(tmp_path, record("PYSEC-1", ranges=[span()]), name=name) == ()


def test_a_key_is_not_found_inside_of_another_one(tmp_path):
    found = record("PYSEC-1", versions=["11.0", "1.01", "1.0.1", "0.1"])
    assert ask(tmp_path, found, version="1.0") == ()


def test_more_packages_than_a_statement_of_sqlite_takes(tmp_path):
    with database(tmp_path, record("PYSEC-1", "p1999", ranges=[span()])) as known:
        found = known.query([(f"p{number}", "1") for number in range(2000)])
        assert len(found) == 2000
        assert ids(found[-1]) == ["PYSEC-1"]
        assert not any(found[:-1])


def test_answers_come_in_the_order_of_the_questions_also_when_one_comes_twice(tmp_path):
    with database(tmp_path, record("PYSEC-1", versions=["1.0"])) as known:
        assert [
            ids(found) for found in known.query([("b", "1"), ("example", "1.0"), ("example", "2"), ("example", "1")])
        ] == [
            [],
            ["PYSEC-1"],
            [],
            ["PYSEC-1"],
        ]


def test_a_record_that_has_the_package_twice_is_one_advisory(tmp_path):
    twice = record("PYSEC-1", versions=["1.0"])
    twice["affected"] = [*twice["affected"], *record("x", ranges=[span(introduced="0.5", fixed="1.5")])["affected"]]
    (found,) = ask(tmp_path, twice)
    assert (found.id, found.fixed) == ("PYSEC-1", ("1.5",))
    assert ids(ask(tmp_path, twice, version="1.4")) == ["PYSEC-1"]


# Withdrawn.


def test_a_withdrawn_record_does_not_apply(tmp_path):
    gone = record("PYSEC-1", versions=["1.0"], withdrawn=YESTERDAY)
    with database(tmp_path, gone, record("PYSEC-2", "other", versions=["1"])) as known:
        assert known.query([("example", "1.0")]) == [()]
        assert known.status.withdrawn == 1


def test_a_withdrawn_alias_is_not_resurrected_by_the_record_that_names_it(tmp_path):
    narrow = record("PYSEC-1", versions=["0.9"], aliases=["GHSA-1"])
    broad = record("GHSA-1", ranges=[span()], aliases=["PYSEC-1"], withdrawn=YESTERDAY, severity=MEDIUM)
    assert ask(tmp_path, narrow, broad) == ()
    (found,) = ask(tmp_path, narrow, broad, version="0.9")
    assert found.severity is Severity.UNKNOWN  # a severity that was taken back makes nothing look harmless


def test_a_record_is_not_hidden_by_a_withdrawn_alias(tmp_path):
    mine = record("PYSEC-1", versions=["1.0"], aliases=["GHSA-1"])
    assert ids(ask(tmp_path, mine, record("GHSA-1", versions=["1.0"], withdrawn=YESTERDAY))) == ["PYSEC-1"]


def test_a_withdrawn_malware_report_is_no_malware_report(tmp_path):
    report = record("MAL-1", versions=["1.0"], withdrawn=YESTERDAY)
    assert ask(tmp_path, report, record("PYSEC-9", "other", versions=["1"])) == ()
    (found,) = ask(tmp_path, report, record("PYSEC-1", versions=["1.0"], aliases=["MAL-1"]))
    assert (found.id, found.malware) == ("PYSEC-1", False)


def test_an_older_copy_in_another_file_does_not_bring_a_withdrawn_record_back(tmp_path):
    older = record("MAL-1", versions=["1.0"], modified="2026-05-01T00:00:00Z")
    newer = record("MAL-1", versions=["1.0"], modified="2026-05-26T00:00:00Z", withdrawn="2026-05-26T00:00:00Z")
    other = record("PYSEC-1", "other", versions=["1"])
    assert ask(tmp_path, older, newer, other) == ()
    assert ask(tmp_path, newer, older, other) == ()


def test_of_two_copies_that_nobody_can_put_in_order_both_count(tmp_path):
    one = record("PYSEC-1", versions=["1.0"])
    gone = record("PYSEC-1", versions=["1.0"], withdrawn=YESTERDAY)
    undated = record("PYSEC-1", versions=["2.0"], modified="1-01-01T00:00:00Z")
    for records in ((one, gone, undated), (undated, gone, one)):
        assert ids(ask(tmp_path, *records)) == ["PYSEC-1"]
        assert ids(ask(tmp_path, *records, version="2.0")) == ["PYSEC-1"]


# Names.


def test_several_records_about_one_vulnerability_are_one_advisory(tmp_path):
    (found,) = ask(
        tmp_path,
        record("GHSA-1", versions=["1.0"], aliases=["CVE-1"], summary="theirs"),
        record("PYSEC-1", ranges=[span(fixed="1.1")], aliases=["CVE-1"]),
        record("CVE-1", versions=["1.0"]),
    )
    assert found.id == "PYSEC-1"
    assert found.aliases == ("CVE-1", "GHSA-1")
    assert found.summary == "theirs"
    assert found.fixed == ("1.1",)
    assert found.url == "https://osv.dev/vulnerability/PYSEC-1"


def test_aliases_of_aliases_are_one_advisory(tmp_path):
    chain = [
        record("GHSA-3", versions=["1.0"], aliases=["CVE-2"]),
        record("GHSA-1", versions=["1.0"], aliases=["CVE-1"]),
        record("GHSA-2", versions=["1.0"], aliases=["CVE-1", "CVE-2"]),
    ]
    (found,) = ask(tmp_path, *chain)
    assert found.id == "CVE-1"
    assert found.aliases == ("CVE-2", "GHSA-1", "GHSA-2", "GHSA-3")


def test_two_records_of_pypi_stay_two_although_a_report_about_both_is_their_alias(tmp_path):
    found = ask(
        tmp_path,
        record("PYSEC-2", versions=["1.0"], aliases=["CVE-2", "GHSA-1"]),
        record("PYSEC-1", versions=["1.0"], aliases=["CVE-1", "GHSA-1"]),
        record("GHSA-1", versions=["1.0"], aliases=["CVE-1"]),
    )
    assert ids(found) == ["PYSEC-1", "PYSEC-2"]
    assert [sorted(advisory.names) for advisory in found] == [
        ["CVE-1", "GHSA-1", "PYSEC-1"],
        ["CVE-2", "GHSA-1", "PYSEC-2"],
    ]


def test_a_record_does_not_make_a_name_of_one_advisory_a_name_of_another_one(tmp_path):
    found = ask(
        tmp_path,
        record("PYSEC-1", versions=["1.0"], aliases=["CVE-1", "GHSA-1"]),
        record("PYSEC-2", versions=["1.0"], aliases=["CVE-2", "GHSA-1"]),
        record("GHSA-1", versions=["1.0"], aliases=["CVE-2"]),
    )
    assert [sorted(advisory.names) for advisory in found] == [
        ["CVE-1", "GHSA-1", "PYSEC-1"],
        ["CVE-2", "GHSA-1", "PYSEC-2"],
    ]


def test_an_alias_that_does_not_apply_to_the_version_adds_nothing(tmp_path):
    other = record("GHSA-1", versions=["2.0"], aliases=["CVE-1"])
    (found,) = ask(tmp_path, record("PYSEC-1", versions=["1.0"], aliases=["CVE-1"]), other)
    assert found.names == {"PYSEC-1", "CVE-1"}


def test_records_about_other_packages_are_not_mixed_in(tmp_path):
    records = [
        record(f"PYSEC-{name}", name, versions=["1.0"], aliases=["CVE-1"]) for name in ("example", "example-gpu")
    ]
    assert ids(ask(tmp_path, *records)) == ["PYSEC-example"]


# Severity.


@pytest.mark.parametrize(
    ("other", "severity"),
    [
        (record("GHSA-1", "elsewhere", versions=["7"], aliases=["CVE-1"], severity=CRITICAL), Severity.CRITICAL),
        (record("GHSA-1", versions=["1.0"], severity=MEDIUM), Severity.MEDIUM),
        (record("CVE-1", ecosystem="npm", severity=MEDIUM), Severity.MEDIUM),
        (record("GHSA-1", versions=["7"], database_specific={"severity": "LOW"}), Severity.LOW),
        (record("GHSA-2", versions=["1.0"], severity=MEDIUM), Severity.UNKNOWN),
        (record("GHSA-1", versions=["7"]), Severity.UNKNOWN),
    ],
)
def test_severity_comes_from_a_record_under_another_name_or_is_unknown(tmp_path, other, severity):
    mine = record("PYSEC-1", versions=["1.0"], aliases=["CVE-1", "GHSA-1"])
    found = {advisory.id: advisory for advisory in ask(tmp_path, mine, other)}
    assert found["PYSEC-1"].severity is severity


def test_its_own_severity_goes_before_that_of_another_name_and_the_worst_of_all_that_apply_counts(tmp_path):
    mine = record("PYSEC-1", versions=["1.0"], aliases=["CVE-1"], severity=MEDIUM)
    elsewhere = record("GHSA-1", "elsewhere", versions=["1.0"], aliases=["CVE-1"], severity=CRITICAL)
    assert ask(tmp_path, mine, elsewhere)[0].severity is Severity.MEDIUM
    here = record("GHSA-1", versions=["1.0"], aliases=["CVE-1"], severity=CRITICAL)
    assert ask(tmp_path, mine, here)[0].severity is Severity.CRITICAL


# Malware.


@pytest.mark.parametrize(
    "records",
    [
        [record("MAL-1", versions=["1.0"])],
        [record("MAL-1", ranges=[span()])],
        [record("PYSEC-1", versions=["1.0"], aliases=["MAL-1"])],
        [record("PYSEC-1", versions=["1.0"], aliases=["MAL-1"], severity=MEDIUM), record("MAL-1", versions=["1.0"])],
    ],
)
def test_a_malware_report_is_one_under_every_name(tmp_path, records):
    (found,) = ask(tmp_path, *records)
    assert found.malware
    assert found.severity is Severity.CRITICAL


# Fixed versions.


def test_fixed_versions_are_above_and_free_of_every_record_about_it(tmp_path):
    many = {
        "type": "ECOSYSTEM",
        "events": [{"introduced": "0"}, {"fixed": "0.9"}, {"introduced": "1.0"}, {"fixed": "1.10"}],
    }
    more = {
        "type": "ECOSYSTEM",
        "events": [{"fixed": "1.9"}, {"introduced": "1.0"}, {"fixed": "x"}, {"introduced": "4"}],
    }
    (found,) = ask(
        tmp_path,
        record("PYSEC-1", ranges=[many, more, span(introduced="3", fixed="3.1")], versions=["3.1"], aliases=["CVE-1"]),
        record("CVE-1", ranges=[span(introduced="0", fixed="1.10.post1")]),
    )
    assert found.fixed == ("1.10.post1",)


# What is not understood.


def test_a_package_that_a_broken_record_names_is_never_clean(tmp_path):
    broken = record("PYSEC-1", "Broken_One", versions=7)
    with database(tmp_path, broken, record("PYSEC-2", "other", versions=["1"])) as known:
        (found,) = known.query([("broken-one", "1.0")])[0]
        assert (found.id, found.unclear, found.severity) == ("PYSEC-1", True, Severity.UNKNOWN)
        assert known.status.unclear == 1
        assert known.query([("other", "2")]) == [()]


def test_a_record_that_names_no_version_is_not_clean(tmp_path):
    commits = {"type": "GIT", "repo": "x", "events": [{"introduced": "0"}]}
    for record_ in (record("PYSEC-1"), record("PYSEC-1", ranges=[commits], severity=MEDIUM)):
        (found,) = ask(tmp_path, record_)
        assert (found.id, found.unclear) == ("PYSEC-1", True)


# The file.


def test_a_missing_database_is_an_error_that_names_both_ways_out(tmp_path):
    with pytest.raises(AdvisoryError, match="there is no advisory database") as caught:
        Database(tmp_path / "none.sqlite")
    assert "weighlock advisories update" in caught.value.hint
    assert "--from FILE" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"not a database", b"SQLite format 3\0" + bytes(4096)])
def test_a_broken_database_is_an_error_and_not_an_empty_one(tmp_path, data):
    path = tmp_path / "advisories.sqlite"
    path.write_bytes(data)
    with pytest.raises(AdvisoryError):
        Database(path)


def test_a_database_that_is_cut_off_is_an_error(tmp_path):
    records = [
        record(f"PYSEC-{number}", f"p{number}", versions=[f"1.{minor}" for minor in range(200)]) for number in range(60)
    ]
    database(tmp_path, *records).close()
    path = tmp_path / "advisories.sqlite"
    for size in range(4096, path.stat().st_size - 1, 8192):
        (tmp_path / "cut.sqlite").write_bytes(path.read_bytes()[:size])
        with pytest.raises(AdvisoryError), Database(tmp_path / "cut.sqlite") as known:
            known.query([(f"p{number}", "1.0") for number in range(60)])


@pytest.mark.parametrize(
    "statement", ["UPDATE meta SET value = '0' WHERE key = 'schema'", "DELETE FROM origin", "DELETE FROM meta"]
)
def test_a_database_of_another_version_or_of_nothing_is_an_error(tmp_path, statement):
    database(tmp_path, record("PYSEC-1", versions=["1"])).close()
    with sqlite3.connect(tmp_path / "advisories.sqlite") as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(AdvisoryError, match="cannot be read"):
        Database(tmp_path / "advisories.sqlite")


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_a_database_that_everybody_may_write_to_is_not_read(tmp_path):
    database(tmp_path, record("PYSEC-1", versions=["1"])).close()
    (tmp_path / "advisories.sqlite").chmod(0o666)
    with pytest.raises(AdvisoryError, match="everybody may write"):
        Database(tmp_path / "advisories.sqlite")


def test_a_folder_or_a_pipe_is_no_database(tmp_path):
    with pytest.raises(AdvisoryError, match="not a file"):
        Database(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AdvisoryError, match="not a file"):
        Database(tmp_path / "pipe")


def test_a_database_in_a_folder_that_cannot_be_written_leaves_nothing_there(tmp_path):
    with database(tmp_path, record("PYSEC-1", versions=["1"])) as known:
        known.query([("example", "1")])
        assert sorted(os.listdir(tmp_path)) == [".advisories.sqlite.lock", "advisories.sqlite", "all.zip"]


def test_threads_may_ask_at_once(tmp_path):
    with database(tmp_path, record("PYSEC-1", versions=["1"])) as known, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: known.query([("example", "1")] * 50), range(40)))
    assert {advisory.id for answer in answers for found in answer for advisory in found} == {"PYSEC-1"}


def test_the_place_is_the_variable_or_the_folder_for_data(tmp_path):
    assert place({"WEIGHLOCK_ADVISORIES": str(tmp_path / "x.sqlite")}) == tmp_path / "x.sqlite"
    assert place({"WEIGHLOCK_ADVISORIES": "x.sqlite"}) == Path.cwd() / "x.sqlite"
    assert place({}).name == "advisories.sqlite"


def test_a_path_with_marks_of_a_url_is_a_path(tmp_path):
    folder = tmp_path / "a?mode=rwc#b%41"
    folder.mkdir()
    with database(folder, record("PYSEC-1", versions=["1"])) as known:
        assert ids(known.query([("example", "1")])[0]) == ["PYSEC-1"]


# Age.


@pytest.mark.parametrize(
    ("modified", "now", "problem", "warning"),
    [
        (YESTERDAY, NOW, None, None),
        ("2026-11-17T12:00:00Z", NOW, None, "8 days old"),
        ("2026-10-20T12:00:00Z", NOW, "36 days old, and the policy takes 30 days", "36 days old"),
        (YESTERDAY, NOW - 3 * DAY, "from the future", None),
        (YESTERDAY, NOW + 40 * DAY, "41 days old", "41 days old"),
        ("2026-11-25T20:00:00Z", NOW, None, None),
        ("2031-01-01T00:00:00Z", NOW, "does not say how old", None),
        ("1-01-01T00:00:00Z", NOW, "does not say how old", None),
    ],
)
def test_the_age_is_that_of_the_newest_record_and_no_clock_makes_it_fresh(tmp_path, modified, now, problem, warning):
    with database(tmp_path, record("PYSEC-1", versions=["1"], modified=modified)) as known:
        said = known.status.problem(now, timedelta(days=30))
        assert (said is None) == (problem is None)
        assert problem is None or problem in said
        said = known.status.warning(now)
        assert (said is None) == (warning is None)
        assert warning is None or warning in said


def test_one_record_from_the_future_does_not_make_the_others_fresh(tmp_path):
    records = [
        record("PYSEC-1", versions=["1"], modified="2026-01-01T00:00:00Z"),
        record("PYSEC-2", versions=["1"], modified="2099-01-01T00:00:00Z"),
    ]
    with database(tmp_path, *records) as known:
        assert "328 days old" in known.status.problem(NOW, timedelta(days=30))
