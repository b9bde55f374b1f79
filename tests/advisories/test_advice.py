from __future__ import annotations

from datetime import timedelta

import pytest

from tests.advisories.osv_files import DAY, NOW, database, record, span
from weighlock import checks
from weighlock.advisories.advice import advise, fixes
from weighlock.advisories.upgrades import smallest
from weighlock.artifact import PackageFile
from weighlock.finding import Outcome, Severity
from weighlock.install_policy import InstallPolicy
from weighlock.verdict import Decision

TWICE = {
    "type": "ECOSYSTEM",
    "events": [{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.3"}],
}


def package(name: str = "example", version: str = "1.0") -> PackageFile:
    return PackageFile(name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl")


def verdict(tmp_path, *records: dict, now=NOW, policy: InstallPolicy | None = None):
    with database(tmp_path, *records) as known:
        (release,) = advise(known, [package()], now=now, most=timedelta(days=30)).releases
    findings = list(checks.run(release, checks.PACKAGES))
    return (policy or InstallPolicy()).decide(package(), findings, now), findings


def test_a_clean_package_is_admitted(tmp_path):
    said, findings = verdict(tmp_path, record("PYSEC-1", versions=["2.0"]))
    assert said.decision is Decision.ALLOW
    assert findings == []


def test_an_advisory_of_unknown_severity_is_refused_whatever_the_threshold(tmp_path):
    policy = InstallPolicy(fail_on=Severity.CRITICAL)
    said, (finding,) = verdict(tmp_path, record("PYSEC-1", versions=["1.0"]), policy=policy)
    assert said.decision is Decision.DENY
    assert "unknown severity" in finding.message


def test_an_advisory_below_the_threshold_is_told_and_admitted(tmp_path):
    mild = record("PYSEC-1", versions=["1.0"], database_specific={"severity": "MODERATE"}, summary="Mild.")
    said, (finding,) = verdict(tmp_path, mild)
    assert said.decision is Decision.ALLOW
    assert finding.message == "PYSEC-1 applies (severity medium, no fixed version is known): Mild"


def test_a_malware_report_is_refused_and_is_no_advisory(tmp_path):
    said, (finding,) = verdict(tmp_path, record("MAL-1", versions=["1.0"], database_specific={"severity": "LOW"}))
    assert said.decision is Decision.DENY
    assert (finding.check, finding.severity, finding.outcome) == ("malware-report", Severity.CRITICAL, Outcome.REFUSED)


def test_an_old_database_makes_every_package_unverifiable_and_still_tells_what_it_knows(tmp_path):
    said, findings = verdict(tmp_path, record("PYSEC-1", versions=["1.0"]), now=NOW + 40 * DAY)
    assert said.decision is Decision.DENY
    assert {reason.rule for reason in said.reasons} == {"unverifiable", "advisory"}
    assert len(findings) == 2
    said, _ = verdict(tmp_path, record("PYSEC-1", versions=["2.0"]), now=NOW + 40 * DAY)
    assert [reason.rule for reason in said.reasons] == ["unverifiable"]
    assert said.reasons[0].remedy == "weighlock advisories update"


def test_a_package_of_a_broken_record_is_unverifiable(tmp_path):
    said, _ = verdict(tmp_path, record("PYSEC-1", versions=7), record("PYSEC-2", "other", versions=["1"]))
    assert [reason.rule for reason in said.reasons] == ["unverifiable"]


def test_an_ignored_advisory_is_admitted_by_any_of_its_names_until_its_end(tmp_path):
    found = record("PYSEC-1", versions=["1.0"], aliases=["CVE-1"])
    ignored = [{"id": "CVE-1", "reason": "we never call it", "expires": "2026-12-01"}]
    policy = InstallPolicy.from_dict({"ignore-advisories": ignored, "advisory-max-age": "300 days"})
    assert verdict(tmp_path, found, policy=policy)[0].decision is Decision.ALLOW
    assert verdict(tmp_path, found, policy=policy, now=NOW + 20 * DAY)[0].decision is Decision.DENY


def test_the_warning_about_age_comes_with_the_advice(tmp_path):
    with database(tmp_path, record("PYSEC-1", versions=["1.0"])) as known:
        assert advise(known, [], now=NOW, most=30 * DAY).warning is None
        assert "11 days old" in advise(known, [], now=NOW + 10 * DAY, most=30 * DAY).warning


@pytest.mark.parametrize(
    ("old", "new", "fixed"),
    [("1.0", "1.5", True), ("1.0", "2.3", True), ("1.0", "2.3.1", False), ("1.0", "2.1", False), ("1.6", "2.3", False)],
)
def test_a_hostile_release_after_the_fix_is_not_taken_for_the_fix(tmp_path, old, new, fixed):
    with database(tmp_path, record("PYSEC-1", ranges=[TWICE])) as known:
        assert fixes(known, {"example": (old, new)}) == ({"example"} if fixed else set())


def test_a_version_that_mends_one_advisory_and_keeps_its_alias_is_no_fix(tmp_path):
    records = [
        record("PYSEC-1", ranges=[span(fixed="1.5")], aliases=["CVE-1"]),
        record("CVE-1", "example", versions=["1.5"]),
    ]
    with database(tmp_path, *records) as known:
        assert fixes(known, {"example": ("1.0", "1.5")}) == set()


def test_the_smallest_upgrade_clears_every_finding(tmp_path):
    records = [
        record("PYSEC-1", ranges=[TWICE]),
        record("PYSEC-2", ranges=[span(introduced="0.5", fixed="2.4")]),
        record("MAL-1", versions=["2.5"]),
    ]
    released = {"example": ["1.4", "1.5", "2.2", "2.3", "2.4rc1", "2.4", "2.5", "3.0", "garbage", "0.4"]}
    with database(tmp_path, *records) as known:
        assert smallest(known, [("example", "1.0"), ("clean", "1")], released) == {("example", "1.0"): "2.4"}
        assert smallest(known, [("example", "2.4rc0")], released) == {("example", "2.4rc0"): "2.4"}
        assert smallest(known, [("example", "0.1")]) == {("example", "0.1"): None}
        assert smallest(known, [("example", "2.1")]) == {("example", "2.1"): "2.4"}
        assert smallest(known, [("example", "2.1")], {"example": ["2.2"]}) == {("example", "2.1"): None}


def test_an_advisory_that_the_policy_admits_and_nobody_fixed_does_not_stand_in_the_way(tmp_path):
    records = [record("PYSEC-1", ranges=[span(fixed="2.0")]), record("PYSEC-2", ranges=[span()])]
    with database(tmp_path, *records) as known:
        pins = [("example", "1.0"), ("example", "2.0")]
        assert smallest(known, pins) == {pins[0]: None, pins[1]: None}
        counted = smallest(known, pins, counts=lambda name, advisory: advisory.id != "PYSEC-2")
        assert counted == {("example", "1.0"): "2.0"}
