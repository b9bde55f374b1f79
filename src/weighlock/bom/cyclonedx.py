"""A bill of materials as a CycloneDX document: a plain dictionary, the same for the same value.

Libraries that read and write such documents know no model cards and drop them, so none is used. See
``docs/adr/`` for the decision and ``docs/formats/bom.md`` for every field.

Source:
    ECMA-424 (CycloneDX 1.6), CycloneDX 1.7; their JSON schemas.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from weighlock.bom.cyclonedx_card import kept, model_card
from weighlock.bom.names import address, plain
from weighlock.bom.spdx_ids import IDENTIFIERS
from weighlock.bom.values import DATASET
from weighlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from weighlock.artifact import Digest
    from weighlock.bom.values import Analysis, Bom, Component, License, Properties, Reference, Vulnerability

SPEC_VERSIONS = ("1.6", "1.7")

_LONGEST_REF = 1000  # references are made by weighlock and never cut
_ALGORITHMS = {"sha256": "SHA-256"}
_ADVISORIES = {
    "CVE": ("NVD", "https://nvd.nist.gov/vuln/detail/"),
    "GHSA": ("GitHub Advisories", "https://github.com/advisories/"),
    "PYSEC": ("PyPI Advisory Database", "https://osv.dev/vulnerability/"),
    "MAL": ("OpenSSF Malicious Packages", "https://osv.dev/vulnerability/"),
    "OSV": ("OSV", "https://osv.dev/vulnerability/"),
}
_REFERENCES = frozenset({"bom-ref", "ref", "dependsOn", "assemblies", "serialNumber", "$schema"})


def to_cyclonedx(bom: Bom, version: str = "1.6") -> dict[str, Any]:
    """Return the document.

    Args:
        bom: What is to be written.
        version: One of `SPEC_VERSIONS`.

    Raises:
        UsageError: There is no such version here.

    Source:
        ``docs/formats/bom.md``.
    """
    if version not in SPEC_VERSIONS:
        raise UsageError(
            f"CycloneDX {version} cannot be written", where="--spec-version", hint=f"use {' or '.join(SPEC_VERSIONS)}"
        )
    body = _inert(
        kept(
            {
                "metadata": _metadata(bom),
                "components": [_component(one) for one in bom.components],
                # An empty list says that it needs nothing; without one, cdxgen's validator falls over.
                "dependencies": [{"ref": ref, "dependsOn": sorted(needs)} for ref, needs in sorted(bom.dependencies)],
                "compositions": _compositions(bom),
                "vulnerabilities": [_vulnerability(one) for one in bom.vulnerabilities],
            }
        )
    )
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "serialNumber": _serial(body, version),
        "version": 1,
        **body,
    }


def _serial(body: Mapping[str, Any], version: str) -> str:
    """Return a serial number that follows from the content, so that the same content has the same one.

    Source:
        RFC 9562, UUID version 8.
    """
    text = json.dumps([version, body], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    digits = bytearray(hashlib.sha256(text.encode()).digest()[:16])
    digits[6] = digits[6] & 0x0F | 0x80
    digits[8] = digits[8] & 0x3F | 0x80
    hexadecimal = digits.hex()
    return "urn:uuid:" + "-".join(
        hexadecimal[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
    )


def _metadata(bom: Bom) -> dict[str, Any]:
    tool = {"type": "application", "name": "weighlock", "version": bom.tool}
    return kept(
        {
            "timestamp": bom.time.strftime("%Y-%m-%dT%H:%M:%SZ") if bom.time else None,
            "lifecycles": [{"phase": phase} for phase in bom.phases],
            "tools": {"components": [tool]},
            "authors": [{"name": bom.author}] if bom.author else None,
            "component": _component(bom.subject),
            "properties": _properties(bom.properties),
        }
    )


def _component(one: Component) -> dict[str, Any]:
    return kept(
        {
            "type": one.kind,
            "bom-ref": one.ref,
            "supplier": {"name": one.producer} if one.producer else None,
            "name": one.name or "unnamed",
            "version": one.version,
            "description": one.description,
            "hashes": _hashes(one.digests),
            "licenses": _licenses(one.licenses),
            "purl": one.purl,
            "pedigree": _pedigree(one),
            "externalReferences": _references(one.references),
            "components": [_component(part) for part in one.components],
            "modelCard": model_card(one.card) if one.card else None,
            "data": [_data(one)] if one.kind == DATASET else None,
            "properties": _properties(one.properties),
            "tags": list(one.tags),
        }
    )


def _data(one: Component) -> dict[str, Any]:
    contents = {"url": address(one.references[0].url)} if one.references else {}
    owners = {"owners": [{"organization": {"name": one.producer}}]} if one.producer else None
    return kept({"type": one.content or "dataset", "name": one.name, "contents": kept(contents), "governance": owners})


def _pedigree(one: Component) -> dict[str, Any] | None:
    if not one.ancestors:
        return None
    return kept({"ancestors": [_component(ancestor) for ancestor in one.ancestors], "notes": one.lineage})


def _hashes(digests: Iterable[Digest]) -> list[dict[str, str]]:
    return [{"alg": _ALGORITHMS[digest.algorithm], "content": digest.value} for digest in digests]


def _licenses(licenses: Iterable[License]) -> list[dict[str, Any]]:
    """Return licences by identifier or name, or one expression: in 1.6 an expression stands alone."""
    licenses = tuple(licenses)
    if len(licenses) == 1 and licenses[0].expression and licenses[0].expression not in IDENTIFIERS:
        return [{"expression": licenses[0].expression, "acknowledgement": "declared"}]
    found = []
    for one in licenses:
        named = {"id": one.expression} if one.expression in IDENTIFIERS else {"name": one.expression or one.name}
        url = address(one.url) if one.url else None
        found.append({"license": kept({**named, "acknowledgement": "declared", "url": url})})
    return found


def _references(references: Iterable[Reference]) -> list[dict[str, Any]]:
    return [
        kept({"type": one.kind, "url": url, "comment": one.comment, "hashes": _hashes(one.digests)})
        for one in references
        if (url := address(one.url) if "://" in one.url else one.url)
    ]


def _properties(properties: Properties) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in properties]


def _compositions(bom: Bom) -> list[dict[str, Any]]:
    """Say of which components all parts are listed, and of which that is not known."""
    found: dict[str, list[str]] = {}
    for one in (bom.subject, *bom.components):
        if one.complete is not None:
            found.setdefault("complete" if one.complete else "incomplete", []).append(one.ref)
    return [{"aggregate": aggregate, "assemblies": sorted(refs)} for aggregate, refs in sorted(found.items())]


def _vulnerability(one: Vulnerability) -> dict[str, Any]:
    source = kept({"name": one.source, "url": address(one.url) if one.url else None})
    versions = [{"version": one.version, "status": _status(one.analysis)}] if one.version else None
    return kept(
        {
            "bom-ref": one.ref,
            "id": one.id,
            "source": source,
            "references": [_alias(name) for name in one.aliases],
            "ratings": [{"source": {"name": one.source}, "severity": str(one.severity)}],
            "cwes": list(one.cwes),
            "description": one.description,
            "recommendation": one.recommendation,
            "analysis": kept(
                {
                    "state": one.analysis.state,
                    "justification": one.analysis.justification,
                    "response": list(one.analysis.responses),
                    "detail": one.analysis.detail,
                }
            ),
            "affects": [kept({"ref": one.component, "versions": versions})],
        }
    )


def _status(analysis: Analysis) -> str:
    if analysis.state == "not_affected":
        return "unaffected"
    return "unknown" if analysis.state == "in_triage" else "affected"


def _alias(name: str) -> dict[str, Any]:
    who, page = _ADVISORIES.get(name.partition("-")[0], ("unknown", ""))
    url = address(f"{page}{name}") if page else None
    return {"id": name, "source": kept({"name": who, "url": url})}


def _inert(value: Any, key: str = "") -> Any:
    """Make every text plain. References were made plain already, and have to stay what they are."""
    if isinstance(value, str):
        return plain(value, _LONGEST_REF) if key in _REFERENCES else plain(value)
    if isinstance(value, list):
        return [_inert(item, key) for item in value]
    if isinstance(value, dict):
        return {name: _inert(item, name) for name, item in value.items()}
    return value
