from __future__ import annotations

from datetime import UTC, datetime

from weighlock.advisory import Advisory, Severity
from weighlock.artifact import Digest, PackageFile
from weighlock.finding import Finding, Outcome
from weighlock.gates.packages import PackageReport, judge_file, judge_release, unverifiable_package
from weighlock.install_policy import InstallPolicy
from weighlock.release import Release

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RELEASE = Release(artifact=PackageFile(name="demo", version="1.0", filename="demo-1.0-py3-none-any.whl"))


def _advisory(severity: Severity) -> Finding:
    advisory = Advisory(id="PYSEC-2026-1", severity=severity)
    return Finding(check="advisory", severity=severity, message="it has a hole", advisory=advisory)


def test_what_could_not_be_found_out_is_refused_and_says_so():
    judged = judge_release(RELEASE, [unverifiable_package("no index answers")], InstallPolicy(), NOW)
    assert [(reason.rule, reason.message) for reason in judged.verdict.reasons] == [
        ("unverifiable", "no index answers")
    ]
    assert not PackageReport(command="check", packages=(judged,)).allowed


def test_an_advisory_of_unknown_severity_is_refused_and_a_mild_one_is_not():
    assert not judge_release(RELEASE, [_advisory(Severity.UNKNOWN)], InstallPolicy(), NOW).verdict.allowed
    mild = judge_release(RELEASE, [_advisory(Severity.LOW)], InstallPolicy(), NOW)
    assert mild.verdict.allowed
    assert mild.findings
    assert PackageReport(command="check", packages=(mild,)).exit_code == 0


def test_a_file_is_accepted_by_its_digest_and_not_when_its_bytes_are_others():
    finding = Finding(check="stray", severity=Severity.HIGH, message="nobody owns it", outcome=Outcome.NEEDS_APPROVAL)
    digest = Digest.sha256("ab" * 32)
    table = {"accept": [{"package": "x.pth", "version": str(digest), "check": "stray", "reason": "ours"}]}
    policy = InstallPolicy.from_dict(table)
    assert judge_file("lib/x.pth", [finding], policy, NOW, digest=digest).verdict.allowed
    other = judge_file("lib/x.pth", [finding], policy, NOW, digest=Digest.sha256("cd" * 32))
    assert not other.verdict.allowed
    remedy = other.verdict.reasons[0].remedy
    assert remedy is not None
    assert f'version = "sha256:{"cd" * 32}"' in remedy
    assert not judge_file("lib/x.pth", [finding], policy, NOW).verdict.allowed


def test_one_refusal_refuses_the_whole_report():
    good = judge_release(RELEASE, [], InstallPolicy(), NOW)
    bad = judge_release(RELEASE, [_advisory(Severity.CRITICAL)], InstallPolicy(), NOW)
    assert PackageReport(command="check", packages=(good, good)).exit_code == 0
    assert PackageReport(command="check", packages=(good, bad)).exit_code == 1
