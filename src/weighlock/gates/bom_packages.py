"""Packages as components of a bill of materials: of an environment, and of lists such as requirements and lockfiles."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName, default_environment
from packaging.requirements import InvalidRequirement, Requirement

from weighlock.artifact import Digest
from weighlock.bom.licenses import license_of
from weighlock.bom.names import address, below, pypi, qualified, reference
from weighlock.bom.values import FILE, PACKAGE, UNKNOWN, Component, License, Reference
from weighlock.install_policy import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from weighlock.formats.distribution import Distribution
    from weighlock.gates.listed import Listed
    from weighlock.signing.publishers import Publishers

_PYPI = re.compile(r"https://pypi\.org(?:/simple)?/?\Z")
_LABELS = (
    ("source", "vcs"), ("repository", "vcs"), ("github", "vcs"), ("code", "vcs"),
    ("doc", "documentation"), ("tracker", "issue-tracker"), ("issue", "issue-tracker"), ("bug", "issue-tracker"),
    ("change", "release-notes"), ("release notes", "release-notes"), ("home", "website"),
)  # fmt: skip
_MOST_FILES_OF_A_LIST = 200

# Classifiers that do not say which licence of a family is meant; everybody's guess is no declaration.
_VAGUE = frozenset({"BSD License", "GNU General Public License (GPL)", "Public Domain", "Other/Proprietary License"})
_EXACT = {
    "Apache Software License": "Apache-2.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "zlib/libpng License": "Zlib",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package as a component, and under which name and version advisories are looked up.

    Args:
        component: For the document.
        name: Canonical.
        version: Empty where it is not known.
        requested: A person asked for it.
    """

    component: Component
    name: str
    version: str
    requested: bool = False


def from_distribution(one: Distribution, *, files: bool) -> Package:
    """Return an installed distribution.

    Args:
        one: As its metadata describe it.
        files: List every file of its RECORD, and not RECORD alone.
    """
    purl = _installed_purl(one)
    ref = _ref(purl, one.name, one.version, (one.direct or "") if purl else "")
    parts = tuple(_recorded(ref, one, everything=files))
    told = [
        ("source", "installed"),
        ("installer", one.installer),
        ("requested", "yes" if one.requested else None),
        ("editable", "yes" if one.editable else None),
        ("direct-url", "a folder of this machine" if (one.direct or "").startswith("file:") else one.direct),
        ("record:files", str(len(one.files)) if one.record else None),
        ("unreadable", one.problem),
    ]
    component = Component(
        kind=PACKAGE,
        ref=ref,
        name=one.name,
        version=one.version or None,
        purl=purl,
        description=one.summary,
        producer=one.author,
        digests=(one.archive,) if one.archive else (),
        licenses=_licenses(one),
        references=tuple(_addresses(one)),
        properties=tuple((f"weighlock:{name}", value) for name, value in told if value),
        components=parts,
    )
    missing = {
        "license": component.licenses,
        "digest": component.digests or parts,
        "producer": component.producer,
    }
    return Package(
        component=_with_gaps(component, missing), name=one.name, version=one.version, requested=one.requested
    )


def from_list(listed: Listed) -> Package:
    """Return a package that a requirements file or a lockfile lists."""
    release = listed.release
    artifact, origin = release.artifact, release.origin
    version = artifact.version if artifact.version != "unbuilt" else ""
    index = release.served_by.index if release.served_by else None
    purl = None if listed.build in {"folder", "vcs"} else _listed_purl(artifact.name, version, index)
    where = (
        f"{origin.path}:{origin.line}" if origin and origin.path and origin.line else origin.path if origin else None
    )
    digests = sorted({*listed.digests, *([artifact.digest.value] if artifact.digest else [])})
    component = Component(
        kind=PACKAGE,
        ref=_ref(purl, artifact.name, version, index or artifact.filename),
        name=artifact.name,
        version=version or None,
        purl=purl,
        digests=tuple(map(Digest.sha256, digests)) if len(digests) == 1 else (),
        references=tuple(_files(listed)),
        properties=tuple(
            (f"weighlock:{name}", value)
            for name, value in (
                ("source", "listed"),
                ("listed-in", where),
                ("build", listed.build),
                ("requested", "yes" if release.requested else None),
            )
            if value
        ),
    )
    missing = {"license": (), "producer": (), "digest": digests, "version": version}
    component = _with_gaps(component, missing)
    return Package(component=component, name=artifact.name, version=version, requested=release.requested)


def with_provenance(package: Package, publishers: Publishers) -> Package:
    """Add who published an installed release, where that was verified when it was installed on this machine.

    Args:
        package: Installed by its name; what came from a URL or a folder is something else.
        publishers: The memory of this machine.

    Raises:
        SourceError: The memory cannot be read.
    """
    if not package.component.ref.startswith("pkg:pypi/"):
        return package
    told = tuple(
        ("weighlock:provenance", f"published by {one.publisher}, verified when it was installed here from {one.index}")
        for one in publishers.of_release(package.name, package.version)
    )
    component = replace(package.component, properties=(*package.component.properties, *told))
    return replace(package, component=component)


def merged(packages: Iterable[Package]) -> list[Package]:
    """Return each package once, sorted; of two with one reference the first counts, with what the others know."""
    found: dict[str, Package] = {}
    for package in packages:
        ref = package.component.ref
        found[ref] = _joined(found[ref], package) if ref in found else package
    return [found[ref] for ref in sorted(found)]


def _joined(one: Package, other: Package) -> Package:
    first, second = one.component, other.component
    told = dict.fromkeys((*first.properties, *second.properties))
    component = replace(
        first,
        licenses=first.licenses or second.licenses,
        digests=first.digests or second.digests,
        references=tuple(dict.fromkeys((*first.references, *second.references))),
        components=first.components or second.components,
        properties=tuple(item for item in told if item[0] != UNKNOWN),
    )
    gaps = set(first.every(UNKNOWN)) & set(second.every(UNKNOWN))
    component = replace(component, properties=(*component.properties, *((UNKNOWN, gap) for gap in sorted(gaps))))
    return replace(one, component=component, requested=one.requested or other.requested)


def needs(distributions: Sequence[Distribution], python: str | None) -> dict[str, tuple[str, ...]]:
    """Return which installed projects each installed project needs, by name.

    Extras count where something that is installed asks for them.

    Args:
        distributions: All of an environment.
        python: Its version, such as ``3.12``, where it is another one than this interpreter's.
    """
    environment = {name: str(value) for name, value in default_environment().items()}
    if python:
        environment |= {"python_version": python, "python_full_version": f"{python}.0"}
    wanted = {one.name: [found for text in one.requires if (found := _requirement(text))] for one in distributions}
    extras: dict[str, set[str]] = {name: set() for name in wanted}
    while True:
        before = sum(map(len, extras.values()))
        edges = {name: list(_holding(wanted[name], extras[name], environment)) for name in wanted}
        for holding in edges.values():
            for requirement in holding:
                extras.get(canonical_name(requirement.name), set()).update(map(canonical_name, requirement.extras))
        if sum(map(len, extras.values())) == before:
            break
    return {
        name: tuple(sorted({other for one in found if (other := canonical_name(one.name)) in wanted} - {name}))
        for name, found in edges.items()
    }


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _holding(
    requirements: Iterable[Requirement], extras: set[str], environment: Mapping[str, str]
) -> Iterator[Requirement]:
    for one in requirements:
        if one.marker is None or any(_holds(one.marker, extra, environment) for extra in ("", *sorted(extras))):
            yield one


def _holds(marker: Marker, extra: str, environment: Mapping[str, str]) -> bool:
    try:
        return marker.evaluate({**environment, "extra": extra})
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return True  # what cannot be told may be needed


def _ref(purl: str | None, name: str, version: str, origin: str) -> str:
    """Return a package URL as the reference where it is a plain one: cdxgen takes none with a URL inside."""
    return purl if purl and "?" not in purl else reference("package", name, version, origin)


def _installed_purl(one: Distribution) -> str | None:
    """Return a package URL; what came from a folder of somebody is no release of an index, whatever its name."""
    if one.direct is None:
        return pypi(one.name, one.version)
    if one.direct.startswith("file:") or one.editable:
        return None
    key = "vcs_url" if one.archive is None and not one.direct.endswith((".whl", ".gz", ".zip")) else "download_url"
    return qualified(pypi(one.name, one.version), {key: one.direct})


def _listed_purl(name: str, version: str, index: str | None) -> str:
    purl = pypi(name, version)
    own = index is not None and "://" in index and not _PYPI.match(index)
    return qualified(purl, {"repository_url": index}) if own and index else purl


def _recorded(ref: str, one: Distribution, *, everything: bool) -> Iterator[Component]:
    """Yield RECORD, whose digest stands for every file that has a digest in it, and the files where they are wanted."""
    itself = next((path for path, _, _ in one.files if path.endswith(".dist-info/RECORD")), "RECORD")
    if one.record is not None:
        yield Component(
            kind=FILE,
            ref=below(ref, itself),
            name=itself,
            digests=(one.record,),
            properties=(
                ("weighlock:size", str(one.record_size)),
                ("weighlock:digests-of", "every file of the package"),
            ),
        )
    if everything:
        for path, digest, size in sorted(one.files, key=lambda row: row[0]):
            if digest is not None and path != itself:
                told = (("weighlock:size", str(size)),) if size is not None else ()
                yield Component(kind=FILE, ref=below(ref, path), name=path, digests=(digest,), properties=told)


def _licenses(one: Distribution) -> tuple[License, ...]:
    """Return the expression of PEP 639, else the classifiers, else the field that may hold anything."""
    if one.expression:
        found = [license_of(one.expression)]
    elif one.classifiers and not (set(one.classifiers) <= _VAGUE and one.license):
        found = [License(expression=_EXACT[name]) if name in _EXACT else License(name=name) for name in one.classifiers]
    else:
        found = [license_of(one.license)] if one.license else []
    return tuple(dict.fromkeys(item for item in found if item is not None))


def _addresses(one: Distribution) -> Iterator[Reference]:
    if one.direct is not None and address(one.direct):
        yield Reference(kind="distribution", url=one.direct, digests=(one.archive,) if one.archive else ())
    seen = set()
    for label, url in one.urls:
        kind = next((kind for word, kind in _LABELS if word in label), "other")
        if address(url) and (kind, url) not in seen:
            seen.add((kind, url))
            yield Reference(kind=kind, url=url, comment=None if kind != "other" else label)


def _files(listed: Listed) -> Iterator[Reference]:
    """Yield the files that a list names, each with its digest; an installer takes one of them."""
    served = listed.release.served_by
    for file in served.files[:_MOST_FILES_OF_A_LIST] if served else ():
        digests = (Digest.sha256(file.sha256),) if file.sha256 else ()
        if address(file.url):
            yield Reference(kind="distribution", url=file.url, digests=digests, comment=file.filename)
    if served is None:
        for value in sorted(listed.digests):
            name = f"{listed.release.artifact.name}#sha256={value}"
            yield Reference(
                kind="distribution",
                url=name,
                digests=(Digest.sha256(value),),
                comment="the requirements admit a file of this digest",
            )


def _with_gaps(component: Component, there: Mapping[str, object]) -> Component:
    gaps = tuple((UNKNOWN, name) for name, value in sorted(there.items()) if not value)
    return replace(component, properties=(*component.properties, *gaps))
