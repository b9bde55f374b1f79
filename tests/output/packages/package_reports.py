"""Reports about packages for the tests of every form: honest ones, and one whose every text is hostile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from weighlock.advisory import Advisory, Severity
from weighlock.artifact import Digest, PackageFile
from weighlock.finding import Finding, Location, Outcome
from weighlock.gates.packages import (
    AdvisoriesStatus,
    JudgedLooseFile,
    JudgedPackage,
    PackageReport,
    Suggestion,
    judge_file,
    judge_release,
)
from weighlock.install_policy import InstallPolicy
from weighlock.release import Origin, Release

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOSTILE = (
    "::error::x\r\n::add-mask::x ##[set-output name=x]y ##vso[task] %0A::x \x1b[2J|<img src=x onerror=alert(1)>"
    "]]>&\"'`[a](javascript:b) @everyone #1 ![i](https://evil.example/x) www.evil.example \u202e\ud800 </details>"
)


def package(
    name: str, version: str, *findings: Finding, origin: Origin | None = None, policy: InstallPolicy | None = None
) -> JudgedPackage:
    artifact = PackageFile(name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl")
    release = Release(artifact=artifact, requested=True, origin=origin)
    return judge_release(release, findings, policy or InstallPolicy(), NOW)


def advisory(name: str, severity: Severity, summary: str = "a sandbox can be left", fixed: str = "2.11.3") -> Finding:
    known = Advisory(
        id=name, severity=severity, summary=summary, fixed=(fixed,), url=f"https://osv.dev/vulnerability/{name}"
    )
    return Finding(check="advisory", severity=severity, message=f"{name}: {summary}", advisory=known)


def young() -> Finding:
    message = "it was uploaded 3 hours ago, and the policy asks for 3 days"
    return Finding(check="release-age", severity=Severity.MEDIUM, message=message, outcome=Outcome.NEEDS_APPROVAL)


def member(path: str, check: str = "startup-files") -> Finding:
    return Finding(
        check=check,
        severity=Severity.HIGH,
        message="it runs at every start of Python",
        location=Location(members=(path,)),
        outcome=Outcome.REFUSED,
    )


def unknown() -> Finding:
    return Finding(check="unverifiable", severity=Severity.HIGH, message="no index", outcome=Outcome.UNVERIFIABLE)


def stray(path: str = ".venv/lib/python3.11/site-packages/evil.pth") -> JudgedLooseFile:
    finding = Finding(check="stray", severity=Severity.HIGH, message="nobody owns it", outcome=Outcome.NEEDS_APPROVAL)
    return judge_file(path, [finding], InstallPolicy(), NOW, digest=Digest.sha256("ab" * 32))


def mixed() -> PackageReport:
    line = Origin(path="requirements.txt", line=3, text="jinja2==2.4.1")
    jinja = package(
        "jinja2",
        "2.4.1",
        advisory("PYSEC-2021-66", Severity.HIGH),
        advisory("PYSEC-2014-8", Severity.MEDIUM),
        origin=line,
    )
    suggestion = Suggestion(
        name="jinja2",
        version="2.4.1",
        upgrade="2.11.3",
        clears=("PYSEC-2021-66",),
        origin=line,
        line="jinja2==2.11.3",
    )
    accepted = InstallPolicy.from_dict(
        {"accept": [{"package": "coverage", "check": "startup-files", "reason": "we measure"}]}
    )
    return PackageReport(
        command="check",
        packages=(
            package("certifi", "2026.1.1"),
            package("coverage", "7.2", member("a.pth"), policy=accepted),
            jinja,
            package("requests", "2.34.0", advisory("PYSEC-2099-1", Severity.LOW), origin=Origin(path="pylock.toml")),
            package("newborn", "1.0", young(), origin=Origin(path="requirements.txt", line=7)),
            package("lost", "1.0", unknown()),
        ),
        files=(stray(),),
        inputs=("requirements.txt", "pylock.toml"),
        advisories=(AdvisoriesStatus(source="osv", updated=NOW - timedelta(days=9), age=timedelta(days=9), old=True),),
        warnings=("contents of wheels were not inspected",),
        suggestions=(suggestion,),
    )


def hostile() -> PackageReport:
    bad = Finding(check="startup-files", severity=Severity.HIGH, message=HOSTILE, outcome=Outcome.REFUSED)
    place = Finding(
        check="x", severity=Severity.HIGH, message="m", location=Location(members=(HOSTILE,)), outcome=Outcome.REFUSED
    )
    told = advisory(HOSTILE, Severity.CRITICAL, HOSTILE, HOSTILE)
    origin = Origin(path=HOSTILE, line=2, text=HOSTILE)
    return PackageReport(
        command="check",
        packages=(package(HOSTILE, HOSTILE, bad, place, told, origin=origin), package("x", "1", told)),
        files=(stray(HOSTILE),),
        inputs=(HOSTILE,),
        advisories=(AdvisoriesStatus(source=HOSTILE),),
        warnings=(HOSTILE,),
        suggestions=(
            Suggestion(name=HOSTILE, version="1", upgrade=None, clears=(HOSTILE,), origin=origin, line=HOSTILE),
        ),
    )


def empty() -> PackageReport:
    return PackageReport(command="check", packages=())
