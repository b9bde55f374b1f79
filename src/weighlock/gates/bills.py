"""Bills of materials that are judged: what they list, in the one form in which packages are judged, and their models.

What a bill says in favour of something, such as that it is not affected, is shown and changes no verdict. What it says
against something counts. Nothing that it lists is left out: what cannot be judged is refused, unless it is no software
and no model, and then it is told.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from weighlock import checks
from weighlock.advisory import Advisory, Severity
from weighlock.artifact import PackageFile
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError, WeighlockError
from weighlock.files import read_regular
from weighlock.finding import Finding, listing
from weighlock.formats import bill
from weighlock.formats.inventory import LARGEST, PACKAGE
from weighlock.formats.package_lock import without_credentials
from weighlock.gates.bill_models import is_dataset, is_model, judge_bill_models
from weighlock.gates.ci import Collected
from weighlock.gates.listed import Listed, canonical_version
from weighlock.gates.packages import judge_release, unverifiable_package
from weighlock.install_policy import canonical_name
from weighlock.release import AdvisedRelease, Origin, Release

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from weighlock.advisories.interface import AdvisorySource
    from weighlock.formats.inventory import Assertion, Component, Inventory
    from weighlock.formats.purl import Purl
    from weighlock.gates.packages import JudgedPackage
    from weighlock.install_policy import InstallPolicy
    from weighlock.lockfile import Lockfile

_CLEARED = frozenset({"not_affected", "false_positive", "resolved", "resolved_with_pedigree"})
_INDEX_HOSTS = frozenset({"pypi.org", "files.pythonhosted.org"})
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,254}[A-Za-z0-9])?\Z")
_ODD = re.compile(r"[^A-Za-z0-9._@/+:!~^-]")
"""Not in names and versions of packages. A refusal shows a line to copy into a policy, and a bill does not write it."""

_NO_VERSION = "the bill has no version of it, so which one is meant cannot be told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A bill of materials that a person named.

    Args:
        path: As they would name it.
        inventory: What it lists.
    """

    path: str
    inventory: Inventory


def read_bill(path: str) -> Bill:
    """Read a bill of materials.

    Raises:
        WeighlockError: It cannot be read, or it is none that is understood; `where` is its path and that of the member.
    """
    try:
        inventory = bill.parse(read_regular(path, LARGEST + 1))
    except (FormatError, OverBudgetError, UnsupportedError) as error:
        where = f"{path}, {error.where}" if error.where else path
        raise WeighlockError(error.message, where=where, hint=error.hint) from error
    except OSError as error:
        raise WeighlockError(f"cannot be read: {error.strerror}", where=path) from error
    if not any(_is_judged(one) for one in inventory.components):
        hint = "a bill without a package and without a model says that nobody looked, not that there is nothing"
        raise WeighlockError("lists nothing that could be judged", where=path, hint=hint)
    return Bill(path=path, inventory=inventory)


def collect_bill(
    one: Bill, advisories: AdvisorySource, lockfile: Lockfile | None, policy: InstallPolicy, now: datetime
) -> Collected:
    """Return everything that a bill lists: to be judged, judged, or told.

    Args:
        one: The bill.
        advisories: To tell what the bill adds to them.
        lockfile: Of models; `None` where there is none.
        policy: About packages.
        now: The time, with a time zone.
    """
    components = one.inventory.components
    claims = _claims(one.inventory)
    wanted = [(one, purl) for one in components for purl in one.purls if _is_of_pypi(purl)]
    lists = [_listed(component, purl, one.path, policy) for component, purl in wanted]
    said = [claims.get(component.ref, ()) for component, _ in wanted]
    judged = [_foreign(found, one.path, policy, now, claims) for found in components if _is_foreign(found)]
    return Collected(
        lists=tuple(_once(_with_claims(lists, said, advisories))),
        packages=tuple(judged),
        files=judge_bill_models(
            components, one.path, lockfile, {ref: tuple(_all(said)) for ref, said in claims.items()}
        ),
        warnings=tuple(_told(one)),
    )


def _is_judged(component: Component) -> bool:
    return any(map(_is_of_pypi, component.purls)) or _is_foreign(component) or is_model(component)


def _is_of_pypi(purl: Purl) -> bool:
    return purl.type == "pypi" and _NAME.match(purl.name) is not None


def _is_foreign(component: Component) -> bool:
    """Say whether it is software of which nothing here knows anything."""
    if component.subject or component.ancestor:
        return False  # what holds the parts, such as an image or a project; what they were made from
    if component.problem is not None:
        return True
    if component.purls:
        apart = is_model(component) or is_dataset(component)
        return not apart and not all(map(_is_of_pypi, component.purls))
    return component.kind == PACKAGE


def _listed(component: Component, purl: Purl, path: str, policy: InstallPolicy) -> Listed:
    """Return a package of PyPI as `check -r` has an exact pin."""
    version = purl.version or component.version
    direct = "vcs" if "vcs_url" in purl.qualifiers else "url" if _is_elsewhere(purl, "download_url") else None
    place = purl.qualifiers.get("vcs_url") or purl.qualifiers.get("download_url")
    artifact = PackageFile(
        name=canonical_name(purl.name),
        version=canonical_version(_plain(version or "")),
        filename="",
        url=without_credentials(place) if direct and place else None,
    )
    release = Release(
        artifact=artifact,
        requested=True,
        direct=direct,
        origin=Origin(path=path, text=component.where),
    )
    return Listed(
        release=release,
        findings=tuple(_doubts(component, purl, policy)),
        digests=frozenset(component.files_sha256),
        build="vcs" if direct == "vcs" else None,
        # The name of a project that has no release is free on the index, and whoever has it there is somebody else.
        installed=component.subject,
    )


def _plain(text: str) -> str:
    return _ODD.sub("_", text[:200])


def _doubts(component: Component, purl: Purl, policy: InstallPolicy) -> Iterator[Finding]:
    """Yield why it is not certain which release is meant."""
    if purl.version is None and component.version is None:
        yield unverifiable_package(_NO_VERSION)
    if _ODD.search(purl.version or component.version or ""):
        yield unverifiable_package(
            f"no release has a version such as {(purl.version or component.version or '')[:100]!r}"
        )
    if component.problem is not None:
        yield unverifiable_package(component.problem)
    if purl.namespace:
        yield unverifiable_package(f"its package URL has the namespace {purl.namespace[:100]!r}, and PyPI has none")
    if canonical_name(purl.name) != canonical_name(component.name.replace(":", "/").rpartition("/")[2]):
        why = f"its package URL names {purl.name[:100]!r} and the bill {component.name[:100]!r}"
        yield unverifiable_package(f"{why}, and which of them is there cannot be told")
    if None not in {purl.version, component.version} and not _same(purl.version, component.version):
        why = (
            f"its package URL has the version {str(purl.version)[:100]!r} and the bill {str(component.version)[:100]!r}"
        )
        yield unverifiable_package(f"{why}, and which of them is there cannot be told")
    index = purl.qualifiers.get("repository_url")
    if index is not None and _is_elsewhere(purl, "repository_url") and index.rstrip("/") not in policy.indexes.values():
        why = f"the bill says that it comes from {without_credentials(index)[:200]}"
        yield unverifiable_package(f"{why}, and the policy does not say that this index owns its name")


def _same(one: str | None, other: str | None) -> bool:
    return canonical_version(one or "") == canonical_version(other or "")


def _is_elsewhere(purl: Purl, key: str) -> bool:
    """Say whether a qualifier names another place than PyPI."""
    place = purl.qualifiers.get(key)
    if place is None:
        return False
    try:
        parts = urlsplit(place if "://" in place else f"https://{place}")
    except ValueError:
        return True
    return parts.hostname not in _INDEX_HOSTS or parts.scheme != "https"


def _foreign(
    component: Component, path: str, policy: InstallPolicy, now: datetime, claims: Mapping[str, Sequence[Assertion]]
) -> JudgedPackage:
    """Return software that nothing here can judge, refused until a person accepts that."""
    purl = next((purl for purl in component.purls if not _is_of_pypi(purl)), None)
    name = purl.title if purl is not None else f"unknown:{component.name}"
    version = (purl.version if purl is not None else None) or component.version or ""
    artifact = PackageFile(name=_plain(name), version=_plain(version), filename="")
    release = Release(artifact=artifact, requested=True, origin=Origin(path=path, text=component.where))
    if component.problem is not None:
        why = component.problem
    elif purl is not None and purl.type == "pypi":
        why = "its package URL has a name that no project on PyPI can have"
    elif purl is not None:
        why = f"it is a package of {purl.type}, and only advisories about packages of PyPI are known here"
    else:
        why = "the bill has no package URL of it, so what it is cannot be told"
    assertions = claims.get(component.ref, ())
    findings = [unverifiable_package(why), *_cleared(assertions), *_against(artifact, assertions, frozenset())]
    return judge_release(release, findings, policy, now)


def _claims(inventory: Inventory) -> dict[str, list[Assertion]]:
    """Return what is said about the vulnerabilities of each component, one thing about each vulnerability.

    A bill that names a vulnerability and in another place says that it does not apply says the latter.
    """
    said: dict[tuple[str, str], Assertion] = {}
    for assertion in inventory.assertions:
        for ref in assertion.refs:
            key = (_local(ref), assertion.id)
            earlier = said.get(key)
            if earlier is None or not earlier.state or (assertion.state and assertion.state not in _CLEARED):
                said[key] = assertion
    found: dict[str, list[Assertion]] = {}
    for (ref, _), assertion in said.items():
        found.setdefault(ref, []).append(assertion)
    return found


def _local(ref: str) -> str:
    """Return what a document calls a component inside of itself, from a BOM-Link too."""
    return ref.rpartition("#")[2] if ref.startswith("urn:cdx:") else ref


def _cleared(assertions: Sequence[Assertion]) -> Iterator[Finding]:
    """Yield a note for each vulnerability that a bill says does not apply."""
    for one in assertions:
        if one.state in _CLEARED:
            detail = f" ({one.detail[:300]})" if one.detail else ""
            message = f"the bill says {one.state} about {one.id}{detail}, which is shown and not believed"
            yield Finding(check="advisory", severity=Severity.LOW, message=message)


def _against(artifact: PackageFile, assertions: Sequence[Assertion], known: frozenset[str]) -> Iterator[Finding]:
    """Yield a finding for each vulnerability that a bill names and that no advisory here is about."""
    found = tuple(
        Advisory(
            id=_plain(one.id),
            aliases=tuple(map(_plain, one.aliases)),
            severity=_severity(one.severity),
            source="the bill of materials",
        )
        for one in assertions
        if one.state not in _CLEARED and not known & {one.id, *one.aliases}
    )
    yield from checks.run(AdvisedRelease(artifact=artifact, advisories=found), checks.PACKAGES)


def _severity(word: str) -> Severity:
    if word == "none":
        return Severity.INFO
    return next((one for one in Severity if str(one) == word), Severity.UNKNOWN)


def _all(assertions: Sequence[Assertion]) -> Iterator[Finding]:
    """Yield a note for each vulnerability that a bill names, of something that no advisory here is about."""
    yield from _cleared(assertions)
    for one in assertions:
        if one.state not in _CLEARED:
            state = f", as {one.state}" if one.state else ""
            message = f"the bill names {one.id}{state}"
            yield Finding(check="advisory", severity=_severity(one.severity), message=message)


def _with_claims(
    lists: Sequence[Listed], said: Sequence[Sequence[Assertion]], advisories: AdvisorySource
) -> Iterator[Listed]:
    """Add what a bill says about its packages; what the advisories have too, they say themselves."""
    files = [one.release.artifact for one in lists]
    found = advisories.query([(file.name, file.version) for file in files]) if any(said) else [()] * len(files)
    for one, file, assertions, known in zip(lists, files, said, found, strict=True):
        names = frozenset(name for advisory in known for name in advisory.names)
        yield replace(one, findings=(*one.findings, *_cleared(assertions), *_against(file, assertions, names)))


def _once(lists: Iterator[Listed]) -> list[Listed]:
    """Return each package once: generators list what they found in two files twice."""
    found: dict[object, Listed] = {}
    for one in lists:
        artifact = one.release.artifact
        found.setdefault((artifact, one.release.direct, one.findings, one.digests, one.installed), one)
    return list(found.values())


def _word(component: Component) -> str:
    return "ancestor" if component.ancestor else component.word


def _told(one: Bill) -> Iterator[str]:
    """Say what a bill lists, or says, and nobody judges."""
    components = one.inventory.components
    apart = Counter(_word(component) for component in components if not _is_judged(component) and not component.subject)
    beside = [*sorted(apart.items()), *one.inventory.beside]
    if beside:
        names = listing([f"{number} {word}" for word, number in beside], 8)
        yield f"{one.path} also lists what is neither a package nor a model, and none of it was judged: {names}"
    subjects = [component for component in components if component.subject]
    for subject in subjects:
        if not _is_judged(subject):
            yield f"{one.path} is about {subject.name[:100]}, of which only the parts that it lists were judged"
    known = {component.ref for component in components}
    lost = [claim.id for claim in one.inventory.assertions if not known & {_local(ref) for ref in claim.refs}]
    if lost:
        yield f"{one.path} names vulnerabilities of nothing that it lists: {listing(lost)}"
    if one.inventory.incomplete:
        yield f"{one.path} says of itself that it is not complete"
