"""Vulnerabilities and what was decided about them (VEX), in the words of the Security profile of SPDX 3.0.1.

Source:
    SPDX 3.0.1, ``security_Vulnerability`` and the four relationships of VEX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weighlock.bom.names import address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from weighlock.bom.values import Vulnerability

_STATES = {
    "not_affected": "NotAffected",
    "false_positive": "NotAffected",
    "resolved": "Fixed",
    "resolved_with_pedigree": "Fixed",
    "exploitable": "Affected",
}
_RELATIONS = {
    "NotAffected": "doesNotAffect",
    "Fixed": "fixedIn",
    "Affected": "affects",
    "UnderInvestigation": "underInvestigationFor",
}
_JUSTIFICATIONS = {
    "code_not_present": "vulnerableCodeNotPresent",
    "code_not_reachable": "vulnerableCodeNotInExecutePath",
    "protected_by_mitigating_control": "inlineMitigationsAlreadyExist",
}


def vulnerability_elements(
    vulnerabilities: Sequence[Vulnerability], named: Callable[..., str], element: Callable[..., dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the elements that say what is wrong with which component, and what was decided.

    Args:
        vulnerabilities: Of the document.
        named: Makes the name of an element.
        element: Makes an element.
    """
    found: dict[str, dict[str, Any]] = {}
    for one in vulnerabilities:
        name = named("vulnerability", one.id)
        found.setdefault(name, element("security_Vulnerability", name, **_members(one)))
        for relation in _relations(one, name, named, element):
            found[str(relation["spdxId"])] = relation
    return list(found.values())


def _members(one: Vulnerability) -> dict[str, Any]:
    page = address(one.url) if one.url else None
    return {
        "name": one.id,
        "summary": one.description,
        "comment": f"severity {one.severity}, says {one.source}",
        "externalIdentifier": [_identifier(alias) for alias in (one.id, *one.aliases)],
        "externalRef": [{"type": "ExternalRef", "externalRefType": "securityAdvisory", "locator": [page]}]
        if page
        else [],
    }


def _identifier(alias: str) -> dict[str, str]:
    kind = "cve" if alias.startswith("CVE-") else "securityOther"
    return {"type": "ExternalIdentifier", "externalIdentifierType": kind, "identifier": alias}


def _relations(
    one: Vulnerability, name: str, named: Callable[..., str], element: Callable[..., dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    component = named("component", one.component)
    ends = {"from": component, "to": [name]}
    yield element(
        "Relationship",
        named("has-vulnerability", one.id, one.component),
        relationshipType="hasAssociatedVulnerability",
        **ends,
    )
    state = _STATES.get(one.analysis.state, "UnderInvestigation")
    yield element(
        f"security_Vex{state}VulnAssessmentRelationship",
        named("vex", one.id, one.component),
        relationshipType=_RELATIONS[state],
        **{"from": name, "to": [component]},
        **_decided(one, state),
    )


def _decided(one: Vulnerability, state: str) -> dict[str, Any]:
    detail = one.analysis.detail
    if state == "NotAffected":
        return {
            "security_justificationType": _JUSTIFICATIONS.get(one.analysis.justification or ""),
            "security_impactStatement": detail or f"decided as {one.analysis.state}",
        }
    if state == "Affected":
        return {
            "security_actionStatement": one.recommendation or "no fixed version is known",
            "security_statusNotes": detail,
        }
    return {"security_statusNotes": detail}
