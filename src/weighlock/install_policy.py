"""The policy about packages, ``[tool.weighlock.install]``: what is required of a release before it is installed.

Source:
    ``docs/policy.md`` for the keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from weighlock.advisory import Severity
from weighlock.errors import PolicyError
from weighlock.finding import Outcome
from weighlock.policy_keys import age, age_text, require_keys, rows, severity, text, texts
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from weighlock.artifact import PackageFile
    from weighlock.finding import Finding

_TABLE = "tool.weighlock.install"
_KEYS = ("min-age", "fail-on", "advisory-max-age", "allow-build", "indexes", "licenses", "accept", "ignore-advisories")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_ADVISORY_CHECKS = frozenset({"advisory", "malware-report"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A finding that a person accepts.

    Args:
        package: Canonical name of the project; it may be a pattern such as ``corp-*``.
        check: The one check whose findings are accepted.
        reason: Why, for the people who read the policy after them.
        version: Only this version.
        expires: Until the end of that day (UTC).
    """

    package: str
    check: str
    reason: str
    version: str | None = None
    expires: date | None = None

    def covers(self, artifact: PackageFile, finding: Finding, today: date) -> bool:
        """Say whether it accepts this finding in this artifact today."""
        return (
            self.check == finding.check
            and fnmatchcase(artifact.name, self.package)
            and self.version in {None, artifact.version}
            and (self.expires is None or today <= self.expires)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredAdvisory:
    """An advisory that a person decided not to wait for.

    Args:
        id: Any of its names.
        reason: Why.
        expires: Until the end of that day (UTC).
        package: Only for this project.
    """

    id: str
    reason: str
    expires: date
    package: str | None = None

    def covers(self, artifact: PackageFile, finding: Finding, today: date) -> bool:
        """Say whether it is about this finding in this artifact, and still holds."""
        return (
            finding.advisory is not None
            and self.id in finding.advisory.names
            and self.package in {None, artifact.name}
            and today <= self.expires
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPolicy:
    """What is required of a package before it is installed.

    Args:
        min_age: A younger release is refused.
        fail_on: An advisory of this severity or a higher one is refused; one of unknown severity always is.
        advisory_max_age: With an older advisory database nothing can be decided.
        allow_build: Canonical names of projects whose sdists may be built, each with a version, or `None` for any.
        indexes: Which index (URL) owns which names (patterns), in the order of the policy.
        licenses: SPDX identifiers; a release under another licence is refused; empty says nothing about licences.
        accept: Findings that are accepted.
        ignore_advisories: Advisories that are.
    """

    min_age: timedelta = timedelta(days=3)
    fail_on: Severity = Severity.HIGH
    advisory_max_age: timedelta = timedelta(days=30)
    allow_build: Mapping[str, str | None] = field(default_factory=dict)
    indexes: Mapping[str, str] = field(default_factory=dict)
    licenses: tuple[str, ...] = ()
    accept: tuple[Acceptance, ...] = ()
    ignore_advisories: tuple[IgnoredAdvisory, ...] = ()

    @classmethod
    def from_dict(cls, data: Any, *, checks: Collection[str] | None = None) -> InstallPolicy:
        """Make the policy from the parsed table.

        Args:
            data: The table.
            checks: The names of the checks that exist, to find misspelt ones; `None` skips that.

        Raises:
            PolicyError: A key or value is not known, with the path of the key.

        Source:
            ``docs/policy.md``.
        """
        require_keys(data, _KEYS, _TABLE)
        accept = rows(data.get("accept", []), _acceptance, f"{_TABLE}.accept")
        _require_checks(accept, checks)
        return cls(
            min_age=age(data.get("min-age", "3 days"), f"{_TABLE}.min-age"),
            fail_on=severity(data.get("fail-on", "high"), f"{_TABLE}.fail-on"),
            advisory_max_age=age(data.get("advisory-max-age", "30 days"), f"{_TABLE}.advisory-max-age"),
            allow_build=_builds(data.get("allow-build", []), f"{_TABLE}.allow-build"),
            indexes=_owners(data.get("indexes", {}), f"{_TABLE}.indexes"),
            licenses=texts(data.get("licenses", []), f"{_TABLE}.licenses"),
            accept=accept,
            ignore_advisories=rows(data.get("ignore-advisories", []), _ignored, f"{_TABLE}.ignore-advisories"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the table that says all of it."""
        builds = (name if version is None else f"{name}=={version}" for name, version in self.allow_build.items())
        return {
            "min-age": age_text(self.min_age),
            "fail-on": str(self.fail_on),
            "advisory-max-age": age_text(self.advisory_max_age),
            "allow-build": sorted(builds),
            "indexes": dict(self.indexes),
            "licenses": list(self.licenses),
            "accept": [_said(row) for row in self.accept],
            "ignore-advisories": [_said(row) for row in self.ignore_advisories],
        }

    def decide(self, artifact: PackageFile, findings: Sequence[Finding], now: datetime) -> Verdict:
        """Judge one package from what was seen in it and said about it.

        Args:
            artifact: The file.
            findings: Of every check that ran; a check that could not run says so with a finding of its own.
            now: The time, with a time zone, for what expires.

        Returns:
            `ALLOW`, with the acceptances that it rests on, or `DENY` with every reason.

        Source:
            ``docs/policy.md``, the order of the rules.
        """
        today = now.astimezone(UTC).date()
        denied, accepted = dict[str, Reason](), dict[str, Reason]()
        for finding in findings:
            if not self._counts(finding):
                continue
            ground = self._accepted(artifact, finding, today)
            if ground is not None:
                accepted.setdefault(ground.message, ground)
            else:
                denied.setdefault(f"{finding.check}: {finding.message}", self._refusal(artifact, finding, today))
        if denied:
            return Verdict(decision=Decision.DENY, reasons=tuple(denied.values()))
        return Verdict(decision=Decision.ALLOW, reasons=tuple(accepted.values()))

    def _counts(self, finding: Finding) -> bool:
        """Say whether a finding stands in the way unless somebody accepts it."""
        if finding.check == "advisory" and finding.advisory is not None:
            return finding.severity.reaches(self.fail_on)
        return finding.outcome > Outcome.DATA_ONLY

    def _accepted(self, artifact: PackageFile, finding: Finding, today: date) -> Reason | None:
        for ignored in self.ignore_advisories:
            if ignored.covers(artifact, finding, today):
                message = f"{ignored.id} is ignored until {ignored.expires}: {ignored.reason}"
                return Reason(rule="ignored", message=message)
        if finding.check in _ADVISORY_CHECKS:
            return None  # these are ignored one by one, each with its end
        for acceptance in self.accept:
            if acceptance.covers(artifact, finding, today):
                return Reason(rule="accepted", message=f"{acceptance.check} is accepted: {acceptance.reason}")
        return None

    def _refusal(self, artifact: PackageFile, finding: Finding, today: date) -> Reason:
        rule = "unverifiable" if finding.outcome is Outcome.UNVERIFIABLE else finding.check
        return Reason(rule=rule, message=finding.message, remedy=_remedy(artifact, finding, today))


def _remedy(artifact: PackageFile, finding: Finding, today: date) -> str:
    """Return the lines of a policy that approve it on purpose."""
    if finding.check in _ADVISORY_CHECKS:
        if finding.advisory is None:  # what may be missing cannot be approved
            return "weighlock advisories update"
        expires = today + timedelta(days=30)
        line = f'{{ id = "{finding.advisory.id}", package = "{artifact.name}", reason = "…", expires = {expires} }}'
        return f"[{_TABLE}] ignore-advisories = [{line}]"
    if finding.check == "needs-build":
        return f'[{_TABLE}] allow-build = ["{artifact.name}"]'
    if finding.index:
        return f'[{_TABLE}] indexes = {{ "{artifact.name}" = "{finding.index}" }}'
    line = f'{{ package = "{artifact.name}", version = "{artifact.version}", check = "{finding.check}", reason = "…" }}'
    return f"[{_TABLE}] accept = [{line}]"


def _acceptance(data: dict[str, Any], where: str) -> Acceptance:
    require_keys(data, ("package", "check", "reason", "version", "expires"), where)
    check = text(data.get("check"), f"{where}.check")
    if check in _ADVISORY_CHECKS:
        raise PolicyError("advisories are ignored by their names", where=f"{where}.check", hint="use ignore-advisories")
    return Acceptance(
        package=text(data.get("package"), f"{where}.package"),
        check=check,
        reason=text(data.get("reason"), f"{where}.reason"),
        version=None if data.get("version") is None else text(data["version"], f"{where}.version"),
        expires=None if data.get("expires") is None else _day(data["expires"], f"{where}.expires"),
    )


def _require_checks(accept: Sequence[Acceptance], checks: Collection[str] | None) -> None:
    """Refuse what would accept nothing: nobody would notice."""
    for number, acceptance in enumerate(accept):
        if checks is not None and acceptance.check not in checks:
            raise PolicyError(
                f"there is no check {acceptance.check!r}",
                where=f"{_TABLE}.accept[{number}].check",
                hint="a refusal names its check; docs/checks.md has them all",
            )


def _ignored(data: dict[str, Any], where: str) -> IgnoredAdvisory:
    require_keys(data, ("id", "reason", "expires", "package"), where)
    return IgnoredAdvisory(
        id=text(data.get("id"), f"{where}.id"),
        reason=text(data.get("reason"), f"{where}.reason"),
        expires=_day(data.get("expires"), f"{where}.expires"),
        package=None if data.get("package") is None else canonical_name(text(data["package"], f"{where}.package")),
    )


def canonical_name(name: str) -> str:
    """Return the name of a project as PEP 503 spells it."""
    # As packaging does it, which every guarded program would have to import before its first load.
    return re.sub(r"[-_.]+", "-", name).lower()


def _builds(value: Any, where: str) -> dict[str, str | None]:
    builds: dict[str, str | None] = {}
    for index, line in enumerate(texts(value, where)):
        name, _, version = line.partition("==")
        if not _NAME.match(name.strip()):
            raise PolicyError(f"not a project: {line!r}", where=f"{where}[{index}]", hint='write "name" or "name==1.0"')
        builds[canonical_name(name.strip())] = version.strip() or None
    return builds


def _owners(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise PolicyError('must be a table such as { "corp-*" = "https://pypi.corp.example/simple" }', where=where)
    return {pattern: text(url, f'{where}."{pattern}"').rstrip("/") for pattern, url in value.items()}


def _said(row: Acceptance | IgnoredAdvisory) -> dict[str, str]:
    values = ((item.name, getattr(row, item.name)) for item in fields(row))
    return {name: str(value) for name, value in values if value is not None}


def _day(value: Any, where: str) -> date:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if _DAY.match(value) else None
        except ValueError:
            value = None
    if not isinstance(value, date) or isinstance(value, datetime):
        raise PolicyError("must be a day such as 2027-01-31", where=where)
    return value
