"""Candidates and advised releases as JSON: what the checks of metadata read, written down field by field."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from weighlock.advisory import Advisory, Severity
from weighlock.artifact import Digest, PackageFile
from weighlock.formats.inventory import Component
from weighlock.release import (
    AdvisedRelease,
    BuildNeeded,
    Candidate,
    IndexFile,
    Origin,
    ProjectPage,
    Provenance,
    Publisher,
    Release,
    Surroundings,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def candidate_from(path: Path) -> Candidate | AdvisedRelease | BuildNeeded | Component:
    """Read one; a field that is left out has its default, and a project has no more than a name and a version."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if "component" in data:
        properties = tuple(map(tuple, data["component"].get("properties", [])))
        return Component(**{**data["component"], "properties": properties})
    if "build" in data:
        return BuildNeeded(**data["build"])
    if "release" not in data:
        return _advised(data)
    return Candidate(release=_release(data["release"]), surroundings=_surroundings(data.get("surroundings", {})))


def _advised(data: dict) -> AdvisedRelease:
    advisories = tuple(
        Advisory(
            **_known(Advisory, advisory, "severity", "aliases", "fixed"),
            severity=Severity(advisory.get("severity", "unknown")),
            aliases=tuple(advisory.get("aliases", [])),
            fixed=tuple(advisory.get("fixed", [])),
        )
        for advisory in data["advisories"]
    )
    return AdvisedRelease(
        artifact=_artifact(data["artifact"]),
        advisories=advisories,
        problem=data.get("problem"),
        unconfirmed=tuple(data.get("unconfirmed", [])),
    )


def _release(data: dict) -> Release:
    pages = tuple(_page(page) for page in data.get("pages", []))
    return Release(
        **_known(Release, data, "artifact", "origin", "served_by", "pages", "provenance", "extras"),
        artifact=_artifact(data["artifact"]),
        extras=tuple(data.get("extras", [])),
        origin=Origin(**data["origin"]) if "origin" in data else None,
        pages=pages,
        served_by=pages[data["served_by"]] if "served_by" in data else None,
        provenance=_provenance(data["provenance"]) if "provenance" in data else None,
    )


def _artifact(data: dict) -> PackageFile:
    digest = Digest.sha256(data["digest"]) if "digest" in data else None
    defaults = {"filename": f"{data['name'].replace('-', '_')}-{data['version']}-py3-none-any.whl"}
    return PackageFile(**{**defaults, **data, "digest": digest})


def _page(data: dict) -> ProjectPage:
    files = tuple(
        IndexFile(**{**file, "uploaded": datetime.fromisoformat(file["uploaded"]) if "uploaded" in file else None})
        for file in data.get("files", [])
    )
    return ProjectPage(**{**data, "files": files, "tracks": tuple(data.get("tracks", []))})


def _provenance(data: dict) -> Provenance:
    people = {key: Publisher(**data[key]) for key in ("publisher", "remembered") if key in data}
    return Provenance(**{**data, **people})


def _surroundings(data: dict) -> Surroundings:
    return Surroundings(
        **_known(Surroundings, data, "now", "min_age", "licenses"),
        now=datetime.fromisoformat(data["now"]) if "now" in data else NOW,
        min_age=timedelta(days=data.get("min_age", 3)),
        licenses=tuple(data.get("licenses", [])),
    )


def _known(kind: type, data: dict, *without: str) -> dict:
    names = {field.name for field in fields(kind)}
    assert set(data) <= names, set(data) - names
    return {key: value for key, value in data.items() if key not in without}
