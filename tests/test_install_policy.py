"""The policy about packages: what it reads, and every way in which it must not let something pass."""

from datetime import UTC, date, datetime, timedelta

import pytest

from weighlock.advisory import Advisory, Severity
from weighlock.artifact import PackageFile
from weighlock.errors import PolicyError
from weighlock.finding import Finding, Outcome
from weighlock.install_policy import InstallPolicy
from weighlock.policy import Policy

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WHEEL = PackageFile(name="corp-tool", version="1.0", filename="corp_tool-1.0-py3-none-any.whl")


def finding(check="startup-files", outcome=Outcome.REFUSED, severity=Severity.HIGH, advisory=None):
    return Finding(check=check, severity=severity, message=f"what {check} saw", outcome=outcome, advisory=advisory)


def published(severity, name="PYSEC-2026-1"):
    advisory = Advisory(id=name, aliases=("CVE-2026-1",), severity=severity)
    return finding("advisory", Outcome.DATA_ONLY, severity, advisory)


def accepting(**row):
    row = {"package": "corp-tool", "check": "startup-files", "reason": "we read it", **row}
    return InstallPolicy.from_dict({"accept": [{key: value for key, value in row.items() if value is not None}]})


def decide(policy, *findings, artifact=WHEEL, now=NOW):
    return policy.decide(artifact, findings, now)


def test_what_is_only_informative_passes():
    assert decide(InstallPolicy(), finding(outcome=Outcome.DATA_ONLY), finding("notes", Outcome.NOT_A_MODEL)).allowed


@pytest.mark.parametrize("outcome", [Outcome.NEEDS_APPROVAL, Outcome.UNVERIFIABLE, Outcome.REFUSED])
def test_everything_above_plain_is_refused_with_its_rule_and_the_line_that_accepts_it(outcome):
    verdict = decide(InstallPolicy(), finding(outcome=outcome))
    assert not verdict.allowed
    rule = "unverifiable" if outcome is Outcome.UNVERIFIABLE else "startup-files"
    assert [reason.rule for reason in verdict.reasons] == [rule]
    assert 'check = "startup-files"' in verdict.reasons[0].remedy
    assert 'package = "corp-tool"' in verdict.reasons[0].remedy


@pytest.mark.parametrize(
    ("severity", "allowed"),
    [("info", True), ("low", True), ("medium", True), ("high", False), ("critical", False), ("unknown", False)],
)
def test_an_advisory_is_refused_from_high_on_and_where_nobody_knows(severity, allowed):
    assert decide(InstallPolicy(), published(Severity(severity))).allowed is allowed


@pytest.mark.parametrize("threshold", ["info", "low", "medium", "high", "critical"])
def test_unknown_severity_is_refused_at_every_threshold(threshold):
    assert not decide(InstallPolicy.from_dict({"fail-on": threshold}), published(Severity.UNKNOWN)).allowed


def test_one_accepted_finding_does_not_cover_another():
    assert decide(accepting(), finding()).allowed
    assert not decide(accepting(), finding(), finding("wheel-record")).allowed


@pytest.mark.parametrize(
    "row",
    [
        {"check": "wheel-record"},
        {"package": "corp-tools"},
        {"package": "corp"},
        {"version": "1.0.1"},
        {"expires": date(2026, 11, 24)},
    ],
    ids=str,
)
def test_an_acceptance_covers_nothing_else(row):
    assert not decide(accepting(**row), finding()).allowed


@pytest.mark.parametrize(
    "row", [{}, {"package": "corp-*"}, {"version": "1.0"}, {"expires": date(2026, 11, 25)}], ids=str
)
def test_an_acceptance_covers_what_it_names_until_the_end_of_its_day(row):
    verdict = decide(accepting(**row), finding())
    assert verdict.allowed
    assert "we read it" in verdict.reasons[0].message


def test_an_acceptance_of_yesterday_is_over_wherever_the_sun_stands():
    late = datetime(2026, 11, 25, 23, 30, tzinfo=UTC).astimezone(datetime.now().astimezone().tzinfo)
    assert not decide(accepting(expires=date(2026, 11, 24)), finding(), now=late).allowed


@pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-1"])
def test_an_advisory_is_ignored_by_any_of_its_names(name):
    row = {"id": name, "reason": "never called", "expires": date(2026, 12, 1)}
    assert decide(InstallPolicy.from_dict({"ignore-advisories": [row]}), published(Severity.CRITICAL)).allowed


@pytest.mark.parametrize(
    "row",
    [
        {"id": "PYSEC-2026-2"},
        {"expires": date(2026, 11, 24)},
        {"package": "another"},
    ],
    ids=str,
)
def test_an_ignored_advisory_covers_nothing_else(row):
    row = {"id": "PYSEC-2026-1", "reason": "never called", "expires": date(2026, 12, 1), **row}
    assert not decide(InstallPolicy.from_dict({"ignore-advisories": [row]}), published(Severity.HIGH)).allowed


@pytest.mark.parametrize("check", ["advisory", "malware-report"])
def test_advisories_cannot_be_accepted_wholesale(check):
    with pytest.raises(PolicyError, match=r"accept\[0\].check: advisories are ignored by their names"):
        accepting(check=check)


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ({"min-agee": "3 days"}, "tool.weighlock.install"),
        ({"min-age": 3}, "min-age"),
        ({"min-age": "-3 days"}, "min-age"),
        ({"min-age": "٣ days"}, "min-age"),
        ({"min-age": "99999999 days"}, "min-age"),
        ({"fail-on": "unknown"}, "fail-on"),
        ({"fail-on": "HIGH"}, "fail-on"),
        ({"accept": {"package": "a"}}, "accept"),
        ({"accept": [{"package": "a", "check": "yanked"}]}, r"accept\[0\].reason"),
        ({"accept": [{"package": "a", "check": "yanked", "reason": " "}]}, r"accept\[0\].reason"),
        ({"accept": [{"package": "a", "check": "yanked", "reason": "r", "expires": "soon"}]}, r"accept\[0\].expires"),
        ({"accept": [{"package": "a", "check": "yanked", "reason": "r", "expire": "2027-01-01"}]}, r"accept\[0\]"),
        ({"ignore-advisories": [{"id": "CVE-1", "reason": "r"}]}, r"ignore-advisories\[0\].expires"),
        ({"ignore-advisories": [{"id": "CVE-1", "expires": "2027-01-01"}]}, r"ignore-advisories\[0\].reason"),
        ({"ignore-advisories": ["CVE-1"]}, "ignore-advisories"),
        ({"allow-build": "name"}, "allow-build"),
        ({"allow-build": ["name>=1"]}, r"allow-build\[0\]"),
        ({"indexes": ["https://index.example"]}, "indexes"),
        ({"indexes": {"corp-*": 1}}, "indexes"),
        ({"licenses": "MIT"}, "licenses"),
    ],
    ids=str,
)
def test_a_misspelt_policy_is_an_error_with_its_place(table, where):
    with pytest.raises(PolicyError, match=where):
        Policy.from_dict({"install": table})


def test_a_whole_policy_is_read():
    policy = Policy.from_dict(
        {
            "install": {
                "min-age": "12 hours",
                "fail-on": "medium",
                "advisory-max-age": "60 days",
                "allow-build": ["Some_Name", "other==1.0"],
                "indexes": {"corp-*": "https://index.example/simple/"},
                "licenses": ["MIT"],
            }
        }
    ).install
    assert policy.min_age == timedelta(hours=12)
    assert policy.fail_on is Severity.MEDIUM
    assert policy.advisory_max_age == timedelta(days=60)
    assert policy.allow_build == {"some-name": None, "other": "1.0"}
    assert policy.indexes == {"corp-*": "https://index.example/simple"}
    assert policy.licenses == ("MIT",)
