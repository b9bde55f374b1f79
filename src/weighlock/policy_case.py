"""Test cases of a policy: an artifact with all that is known about it, and the verdict that a person expects.

Source:
    ``docs/policy.md``, "Cases".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from weighlock.advisory import Advisory
from weighlock.artifact import Digest, ModelFile, PackageFile
from weighlock.errors import PolicyError
from weighlock.evidence import Approval, LockEntry, OwnSave
from weighlock.finding import Finding, Inspection, Outcome, Severity
from weighlock.install_policy import canonical_name
from weighlock.policy_keys import boolean, choice, require_keys, rows, text, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.artifact import Artifact
    from weighlock.evidence import Evidence

_OUTCOMES = {str(outcome): outcome for outcome in Outcome}
_SEVERITIES = tuple(str(severity) for severity in Severity)
_KINDS = ("model", "package")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCase:
    """One case.

    Args:
        artifact: What is judged.
        inspection: What was seen in it; of a package, its findings alone count.
        evidence: What was verified about it.
        policy: The table of the policy that it is judged by; ``None`` for the one that holds.
        now: The time.
        verdict: That is expected, ``ALLOW`` or ``DENY``.
        rules: Names of the rules that it has to rest on, exactly; ``None`` where any will do.
    """

    artifact: Artifact
    inspection: Inspection
    evidence: tuple[Evidence, ...]
    policy: Mapping[str, Any] | None
    now: datetime
    verdict: str
    rules: frozenset[str] | None

    @classmethod
    def from_dict(cls, data: Any) -> PolicyCase:
        """Make a case from a parsed document.

        Raises:
            PolicyError: It is broken, with the path of the key.
        """
        require_keys(data, ("about", "artifact", "inspection", "findings", "evidence", "policy", "now", "expect"), "")
        expect = data.get("expect")
        require_keys(expect, ("verdict", "rules"), "expect")
        artifact = _artifact(data.get("artifact"))
        return cls(
            artifact=artifact,
            inspection=_inspection(data, is_model=isinstance(artifact, ModelFile)),
            evidence=rows(data.get("evidence", []), _evidence, "evidence"),
            policy=_table(data.get("policy")),
            now=_time(data.get("now")),
            verdict=choice(expect.get("verdict"), ("ALLOW", "DENY"), "expect.verdict"),
            rules=frozenset(texts(expect["rules"], "expect.rules")) if "rules" in expect else None,
        )


def _artifact(data: Any) -> Artifact:
    keys = ("kind", "name", "version", "filename", "path", "size", "digest", "format")
    require_keys(data, keys, "artifact")
    kind = choice(data.get("kind"), _KINDS, "artifact.kind")
    size, digest = data.get("size", 0), data.get("digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise PolicyError("must be a number of bytes", where="artifact.size")
    known = None if digest is None else _digest(digest)
    if kind == "model":
        require_keys(data, ("kind", "path", "size", "digest", "format"), "artifact")
        form = None if "format" not in data else text(data["format"], "artifact.format")
        return ModelFile(path=text(data.get("path"), "artifact.path"), size=size, digest=known, format=form)
    require_keys(data, ("kind", "name", "version", "filename", "size", "digest"), "artifact")
    name = canonical_name(text(data.get("name"), "artifact.name"))
    version = text(data.get("version"), "artifact.version")
    filename = text(data.get("filename", f"{name.replace('-', '_')}-{version}-py3-none-any.whl"), "artifact.filename")
    return PackageFile(name=name, version=version, filename=filename, size=size, digest=known)


def _digest(value: Any) -> Digest:
    try:
        return Digest(*text(value, "artifact.digest").split(":", 1))
    except (TypeError, ValueError) as error:
        raise PolicyError("must be sha256: and 64 lower-case hexadecimal digits", where="artifact.digest") from error


def _inspection(data: dict[str, Any], *, is_model: bool) -> Inspection:
    findings = rows(data.get("findings", []), _finding, "findings")
    table = data.get("inspection", {})
    require_keys(table, ("outcome", "format", "imports", "needs", "foremost"), "inspection")
    worst = max((finding.outcome for finding in findings), default=Outcome.DATA_ONLY)
    if is_model and "outcome" not in table:
        raise PolicyError("must be there for a model", where="inspection.outcome", hint='write "data-only", …')
    outcome = _outcome(table["outcome"], "inspection.outcome") if "outcome" in table else worst
    if outcome < worst:
        raise PolicyError(f"is less than the findings come to, {worst}", where="inspection.outcome")
    return Inspection(
        format=None if "format" not in table else text(table["format"], "inspection.format"),
        outcome=outcome,
        imports=texts(table.get("imports", []), "inspection.imports"),
        needs=texts(table.get("needs", []), "inspection.needs"),
        foremost=texts(table.get("foremost", []), "inspection.foremost"),
        findings=findings,
    )


def _finding(data: dict[str, Any], where: str) -> Finding:
    require_keys(data, ("check", "severity", "message", "outcome", "imports", "advisory", "index"), where)
    severity = Severity(choice(data.get("severity", "high"), _SEVERITIES, f"{where}.severity"))
    return Finding(
        check=text(data.get("check"), f"{where}.check"),
        severity=severity,
        message=text(data.get("message", "as the case has it"), f"{where}.message"),
        outcome=_outcome(data.get("outcome"), f"{where}.outcome"),
        imports=texts(data.get("imports", []), f"{where}.imports"),
        advisory=None if "advisory" not in data else _advisory(data["advisory"], severity, f"{where}.advisory"),
        index=None if "index" not in data else text(data["index"], f"{where}.index"),
    )


def _advisory(data: Any, severity: Severity, where: str) -> Advisory:
    require_keys(data, ("id", "aliases", "malware", "fixed"), where)
    return Advisory(
        id=text(data.get("id"), f"{where}.id"),
        aliases=texts(data.get("aliases", []), f"{where}.aliases"),
        malware=boolean(data.get("malware", False), f"{where}.malware"),
        fixed=texts(data.get("fixed", []), f"{where}.fixed"),
        severity=severity,
    )


def _evidence(data: dict[str, Any], where: str) -> Evidence:
    kind = choice(data.get("kind"), ("lock-entry", "approval", "own-save"), f"{where}.kind")
    if kind == "own-save":
        require_keys(data, ("kind",), where)
        return OwnSave()
    if kind == "lock-entry":
        require_keys(data, ("kind", "model", "path"), where)
        return LockEntry(model=text(data.get("model"), f"{where}.model"), path=text(data.get("path"), f"{where}.path"))
    require_keys(data, ("kind", "imports", "unsafe"), where)
    imports = frozenset(texts(data.get("imports", []), f"{where}.imports"))
    return Approval(imports=imports, unsafe=boolean(data.get("unsafe", False), f"{where}.unsafe"))


def _outcome(value: Any, where: str) -> Outcome:
    return _OUTCOMES[choice(value, tuple(_OUTCOMES), where)]


def _table(value: Any) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise PolicyError("must be a table", where="policy")
    return value


def _time(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise PolicyError("must be the time at which the case is judged, such as 2027-01-31", where="now")
