from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace

import pytest

from tests.advisories.osv_api import osv_api
from tests.advisories.osv_files import DAY, MEDIUM, NOW, YESTERDAY, database, record, span
from weighlock import checks
from weighlock.advisories import pip_audit
from weighlock.advisories.advice import advise
from weighlock.advisories.cross_check import Seconded, cross_checked
from weighlock.advisories.pip_audit import Audit, PipAudit
from weighlock.advisory import Advisory, Severity
from weighlock.artifact import PackageFile
from weighlock.errors import AdvisoryError, UsageError
from weighlock.finding import Outcome
from weighlock.release import AdvisedRelease

RECORDS = [
    record("PYSEC-2", "one", ranges=[span(fixed="2.0")], aliases=["CVE-1", "GHSA-1"]),
    record("PYSEC-1", "one", versions=["1.0"], aliases=["CVE-2", "GHSA-1"]),
    record("GHSA-1", "one", versions=["1.0"], aliases=["CVE-1"]),
    record("GHSA-2", "one", versions=["1.0"], aliases=["CVE-3"], severity=MEDIUM),
    record("GHSA-3", "one", versions=["1.0"]),
    record("GHSA-4", "one", versions=["1.0"], withdrawn=YESTERDAY),
    record("PYSEC-3", "two", versions=["1.0.0"]),
    record("MAL-1", "three", ranges=[span()]),
    record("PYSEC-4", "four", versions=["1"], ranges=[span(introduced="3", last_affected="4")]),
]
PINS = [("One", "1.0"), ("two", "1"), ("three", "9.post1"), ("four", "4.0"), ("four", "2"), ("five", "1.0+cpu")]


def release(name: str, version: str) -> PackageFile:
    return PackageFile(name=name, version=version, filename=f"{name}.whl")


@pytest.fixture
def answers(monkeypatch):
    """Let pip-audit be a program that writes something else."""

    def fake(data: bytes | None, code: int = 0, error: Exception | None = None) -> PipAudit:
        def run(command, **options):
            if error is not None:
                raise error
            if data is not None:
                with open(command[command.index("--output") + 1], "wb") as file:
                    file.write(data)
            return SimpleNamespace(returncode=code, stderr=b"first\nFATAL: last words \x1b[2J\n")

        monkeypatch.setattr(pip_audit, "find_spec", lambda name: object())
        monkeypatch.setattr(subprocess, "run", run)
        return PipAudit()

    return fake


def answer(*rows: dict) -> bytes:
    return json.dumps({"dependencies": rows, "fixes": []}).encode()


CLEAN = {"name": "one", "version": "1.0", "vulns": []}


def test_the_real_one_with_the_same_data_finds_the_same(tmp_path):
    pytest.importorskip("pip_audit")
    with osv_api(RECORDS) as url, database(tmp_path, *RECORDS) as known:
        audit = PipAudit(url).audit(PINS)
        ours = known.query(PINS)
        assert audit.problems == {}
        theirs = [audit.found[pip_audit.pin_of(*pin)] for pin in PINS]
        assert [[found.id for found in one] for one in ours] == [sorted(found.id for found in one) for one in theirs]
        assert [found.fixed for one in ours for found in one] == [
            found.fixed for one in theirs for found in sorted(one, key=lambda found: found.id)
        ]
        assert [found.id for found in ours[0]] == ["CVE-3", "GHSA-3", "PYSEC-1", "PYSEC-2"]
        assert theirs[2][0].malware
        files = [release(*pin) for pin in PINS]
        alone = advise(known, files, now=NOW, most=10 * DAY)
        assert advise(Seconded(known, PipAudit(url)), files, now=NOW, most=10 * DAY).releases == alone.releases


def test_the_real_one_that_cannot_reach_its_server_is_unverifiable_and_not_clean():
    pytest.importorskip("pip_audit")
    audit = PipAudit("http://127.0.0.1:9/v1/query").audit([("one", "1.0")])
    assert audit.found == {}
    assert "pip-audit gave no answer" in audit.problems["one", "1.0"]


def test_without_it_there_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(pip_audit, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="not installed") as caught:
        PipAudit()
    assert "weighlock[audit]" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, 0),
        (None, 1),
        (b"", 0),
        (b"{}", 0),
        (b"[]", 0),
        (b"null", 0),
        (b"No known vulnerabilities found", 0),
        (b"[" * 100_000, 0),
        (answer(), 0),
        (answer({"name": "one", "skip_reason": "not found on PyPI"}), 0),
        (answer({"name": "two", "version": "1.0", "vulns": []}), 0),
        (answer({"name": "one", "version": "2.0", "vulns": []}), 0),
        (answer(CLEAN, CLEAN), 0),
        (answer({"name": "one", "version": "1.0"}), 0),
        (answer({"name": "one", "version": "1.0", "vulns": None}), 0),
        (answer({"name": "one", "version": "1.0", "vulns": [{"id": 7, "aliases": [], "fix_versions": []}]}), 1),
        (answer({"name": "one", "version": "1.0", "vulns": ["PYSEC-1"]}), 1),
        (answer({**CLEAN, "vulns": [{"id": 'x" }\n[tool]', "aliases": [], "fix_versions": []}]}), 1),
        (answer(CLEAN), 1),
        (answer(CLEAN), 2),
        (answer(CLEAN), -9),
        (answer({**CLEAN, "vulns": [{"id": "PYSEC-1", "aliases": [], "fix_versions": []}]}), 0),
    ],
)
def test_a_crash_a_skip_and_an_answer_that_is_none_are_never_clean(answers, data, code):
    source = answers(data, code)
    audit = source.audit([("one", "1.0")])
    assert audit.found == {}
    assert set(audit.problems) == {("one", "1.0")}
    with pytest.raises(AdvisoryError):
        source.query([("one", "1.0")])


@pytest.mark.parametrize("error", [subprocess.TimeoutExpired("pip-audit", 3), PermissionError(13, "Permission denied")])
def test_one_that_hangs_or_cannot_be_started_is_unverifiable(answers, error):
    assert set(answers(None, error=error).audit([("one", "1.0")]).problems) == {("one", "1.0")}


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("one", "1.0-final"),
        ("one", "1.0\n--index-url=https://evil.example"),
        ("one", ""),
        ("--requirement", "1.0"),
        ("one\ntwo==1", "1.0"),
        ("one @ https://x", "1.0"),
        ("", "1.0"),
    ],
)
def test_what_would_be_another_line_of_a_requirements_file_is_not_asked(answers, name, version):
    audit = answers(answer(CLEAN)).audit([(name, version)])
    assert audit.found == {}
    assert len(audit.problems) == 1


def test_its_own_variables_do_not_change_what_it_does(monkeypatch):
    monkeypatch.setenv("PIP_AUDIT_OUTPUT", "/dev/null")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", "https://evil.example")
    assert not [name for name in pip_audit._environ() if name.startswith("PIP_")]


def test_what_it_has_in_addition_counts_and_both_differences_are_listed():
    both = Advisory(id="PYSEC-1", aliases=("CVE-1",))
    theirs = Advisory(id="CVE-9", source="pip-audit")
    releases = [
        AdvisedRelease(artifact=release("one", "1.0"), advisories=(both, Advisory(id="PYSEC-2"))),
        AdvisedRelease(artifact=release("two", "1.0")),
        AdvisedRelease(artifact=release("three", "1.0")),
    ]
    audit = Audit(
        found={("one", "1.0"): (Advisory(id="CVE-1"), theirs)},
        problems={("two", "1.0"): "pip-audit skipped it"},
    )
    said = cross_checked(releases, audit)
    assert [advisory.id for advisory in said[0].advisories] == ["PYSEC-1", "PYSEC-2", "CVE-9"]
    assert said[0].advisories[2].severity is Severity.UNKNOWN
    assert said[0].unconfirmed == ("PYSEC-2",)
    assert [one.problem for one in said] == [None, "pip-audit skipped it", "pip-audit was not asked about it"]
    messages = [finding.message for finding in checks.run(said[0], checks.PACKAGES)]
    assert "CVE-9 applies, says pip-audit (of unknown severity, no fixed version is known)" in messages
    assert "the second source that was asked does not have PYSEC-2" in messages


def test_a_second_source_that_fails_makes_everything_unverifiable_and_nothing_clean(tmp_path, answers):
    source = answers(None, error=subprocess.TimeoutExpired("pip-audit", 3))
    with database(tmp_path, record("PYSEC-1", "one", versions=["1.0"])) as known:
        advice = advise(Seconded(known, source), [release("one", "1.0"), release("two", "2")], now=NOW, most=10 * DAY)
    for one in advice.releases:
        outcomes = {finding.outcome for finding in checks.run(one, checks.PACKAGES)}
        assert Outcome.UNVERIFIABLE in outcomes
