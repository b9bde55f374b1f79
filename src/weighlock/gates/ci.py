"""The gate of ``weighlock check``: what lists name is judged as `install` would judge it, and nothing is installed.

One sequence for everything that a command was given:
    1. collect: what the lists name, see `weighlock.gates.listed`;
    2. indexes are asked for every name, unless nobody may be asked, and each release gets the file that it stands for;
    3. what is said about the releases becomes findings, beside those of the lists;
    4. decide: the policy judges each release by all its findings;
    5. where advisories refuse something, the smallest upgrade that clears them is looked for.

The contents of wheels are judged when they are installed, and not here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock import checks
from weighlock.advisories.advice import advise
from weighlock.finding import Finding, Outcome, Severity, listing
from weighlock.gates.listed import identified
from weighlock.gates.packages import PackageReport, judge_release, unverifiable_package
from weighlock.gates.releases import learn
from weighlock.gates.suggest import suggest
from weighlock.release import BuildNeeded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from weighlock.gates.listed import Listed
    from weighlock.gates.packages import AdvisoriesStatus, JudgedLooseFile, JudgedPackage
    from weighlock.gates.releases import Knowledge
    from weighlock.install_policy import InstallPolicy
    from weighlock.release import ProjectPage, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a command was given to judge.

    Args:
        lists: Every release that something lists.
        files: Files that were judged already.
        packages: Packages that were.
        inputs: What was read, for a person.
        warnings: What a person has to know about it.
    """

    lists: tuple[Listed, ...] = ()
    files: tuple[JudgedLooseFile, ...] = ()
    packages: tuple[JudgedPackage, ...] = ()
    inputs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def judge(
    collected: Collected,
    knowledge: Knowledge,
    policy: InstallPolicy,
    statuses: tuple[AdvisoriesStatus, ...] = (),
) -> PackageReport:
    """Judge everything that was collected.

    Args:
        collected: What there is.
        knowledge: Where facts about releases come from; without `ask` nobody is asked.
        policy: Of the project.
        statuses: Which advisories are asked, for the report.

    Raises:
        WeighlockError: An index or the advisories cannot be asked.
    """
    # 2. Ask, and find the files.
    pages = _pages(collected.lists, knowledge)
    lists = [identified(one, pages.get(one.release.artifact.name, ())) for one in collected.lists]
    # 3. Learn.
    known = replace(knowledge, ask=(lambda names: _of(pages, names)) if pages else None)
    full = [one for one in lists if _counts_its_index(one, pages)]
    learned = learn([one.release for one in full], known, policy)
    brief = [one for one in lists if not _counts_its_index(one, pages)]
    learned += _advised(brief, knowledge, policy)
    # 4. Decide.
    judged = [
        judge_release(release, (*_of_list(one, release, policy), *found), policy, knowledge.now)
        for one, (release, found) in zip([*full, *brief], learned, strict=True)
    ]
    judged = sorted(
        _once([*collected.packages, *judged]),
        key=lambda item: (item.release.artifact.name, item.release.artifact.version),
    )
    # 5. Suggest.
    return PackageReport(
        command="check",
        packages=tuple(judged),
        files=collected.files,
        inputs=collected.inputs,
        advisories=statuses,
        warnings=(*collected.warnings, *_unasked(lists, brief, knowledge), *_unbuilt(lists, policy)),
        suggestions=suggest(judged, knowledge.advisories, policy, knowledge.now),
    )


def _advised(
    lists: Sequence[Listed], knowledge: Knowledge, policy: InstallPolicy
) -> list[tuple[Release, tuple[Finding, ...]]]:
    """Return what advisories say about releases of which nothing else is asked."""
    releases = [one.release for one in lists]
    files = [release.artifact for release in releases]
    advice = advise(knowledge.advisories, files, now=knowledge.now, most=policy.advisory_max_age)
    found = [tuple(checks.run(one, checks.PACKAGES)) for one in advice.releases]
    return list(zip(releases, found, strict=True))


def _pages(lists: Sequence[Listed], knowledge: Knowledge) -> Mapping[str, tuple[ProjectPage, ...]]:
    names = sorted({one.release.artifact.name for one in lists if one.is_on_an_index})
    return knowledge.ask(names) if knowledge.ask is not None and names else {}


def _of(pages: Mapping[str, tuple[ProjectPage, ...]], names: Sequence[str]) -> dict[str, tuple[ProjectPage, ...]]:
    """Return the pages of names that were asked about; what has no version was not."""
    return {name: pages[name] for name in names if name in pages}


def _counts_its_index(listed: Listed, pages: Mapping[str, tuple[ProjectPage, ...]]) -> bool:
    """Say whether what indexes say, or do not say, is a reason to deny.

    Of what is installed already it is one only where an index lists that very version: what came from an index that is
    not configured here, or from a local build, is not found on any.
    """
    artifact = listed.release.artifact
    return not listed.installed or bool(artifact.filename and pages.get(artifact.name))


def _of_list(listed: Listed, release: Release, policy: InstallPolicy) -> Iterator[Finding]:
    """Yield what was found without asking anybody, and what differs from what an index lists."""
    yield from listed.findings
    if listed.build is not None and not _may_be_built(release, policy):
        yield from checks.run(BuildNeeded(kind=listed.build, editable=listed.editable), checks.PACKAGES)
    if listed.digests and release.asked:
        yield from _exchanged(listed, release)


def _unbuilt(lists: Sequence[Listed], policy: InstallPolicy) -> Iterator[str]:
    """Say what nothing is known of until it is built."""
    names = [one.release.artifact.name for one in lists if one.build and _may_be_built(one.release, policy)]
    if names:
        yield (
            f"{listing(names)} may be built: what comes out, and what that depends on, is judged by `weighlock install`"
        )


def _may_be_built(release: Release, policy: InstallPolicy) -> bool:
    artifact = release.artifact
    return policy.allow_build.get(artifact.name, "") in {None, artifact.version}


def _exchanged(listed: Listed, release: Release) -> Iterator[Finding]:
    """Yield a finding for each file that a lockfile lists and that an index has with other bytes now, or not at all.

    The file that fits this interpreter is one of several: other machines take others.
    """
    pairs = {(file.filename, file.sha256) for page in _own_page(listed) for file in page.files if file.sha256}
    locked = dict(pairs)
    if len(locked) != len(pairs):
        yield unverifiable_package("the lockfile lists one file with several digests, so which one counts is not known")
    chosen = release.artifact.filename  # the check of this name compares that one
    shown = {file.filename for page in release.pages for file in page.files}
    unknown = sorted(locked.keys() - shown - {chosen})
    if unknown and chosen in shown:  # otherwise no index here has the release at all, which is said
        yield unverifiable_package(
            f"the lockfile has {listing(unknown)}, which no configured index lists, and which others would install"
        )
    for page in release.pages:
        for file in page.files:
            digest = locked.get(file.filename)
            if digest and file.sha256 and file.sha256 != digest and file.filename != chosen:
                yield Finding(
                    check="changed-listing",
                    severity=Severity.CRITICAL,
                    message=(
                        f"the lockfile has {file.filename} with the digest {digest[:12]}…, "
                        f"and {page.index} lists it with {file.sha256[:12]}…"
                    ),
                    outcome=Outcome.REFUSED,
                )


def _own_page(listed: Listed) -> tuple[ProjectPage, ...]:
    return (listed.release.served_by,) if listed.release.served_by is not None else ()


def _once(judged: Sequence[JudgedPackage]) -> list[JudgedPackage]:
    """Return each judgement once: two lists may name the same release in different places, and both places count."""
    return list({(item.title, item.origin, item.verdict): item for item in judged}.values())


def _unasked(lists: Sequence[Listed], brief: Sequence[Listed], knowledge: Knowledge) -> Iterator[str]:
    """Say what only an index knows and nobody asked, in one sentence."""
    if knowledge.ask is None:
        number = sum(one.is_on_an_index for one in lists)
        if number:
            yield (
                f"no index was asked about {number} packages, so whether they were yanked, who else serves their names "
                "and, where no lockfile says it, their ages are not known"
            )
        return
    names = [one.release.artifact.pin for one in brief if one.is_on_an_index]
    if names:
        yield f"no configured index lists {listing(names)}, so their ages are not known"
