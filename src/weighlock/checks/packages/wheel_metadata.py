"""Wheels that are not what they are called.

## What it does

It refuses a wheel whose METADATA, whose .dist-info folder, whose file name and whatever an index or a resolver said do
not all agree about name and version, or about dependencies and licences; METADATA or WHEEL files that are missing,
cannot be read or give a single field twice; a version of the wheel format that is not known; metadata of other
distributions, also through the ``.data`` folder, which tools would believe to be installed; and files in the .dist-info
folder that only an installer writes (``direct_url.json``, ``INSTALLER``, ``REQUESTED``). It tells of signatures of
RECORD, which no installer verifies.

## Why it matters

Everything that is known about a release hangs on its name and version: advisories, age, ownership. A wheel that calls
itself otherwise inside is installed under a name that nobody judged, and a forged ``direct_url.json`` lies about where
it came from.

## Known limits

Whether the fields say the truth (authors, home pages, licences) is not looked at here.

## Sources

The core metadata specification; PEP 427, PEP 491; PEP 610 for ``direct_url.json``. None of 396 popular
wheels is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from weighlock.finding import Finding, Outcome, Severity, listing
from weighlock.formats.wheel import SAID, Placement, Wheel
from weighlock.formats.wheel_place import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from weighlock.formats.core_metadata import Headers

STRUCTURE = Placement

_NEW_FIELD = "license_expression"

_OF_AN_INSTALLER = ("direct_url.json", "INSTALLER", "REQUESTED")
_METADATA = (".dist-info", ".egg-info", ".egg-link", ".egg")
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


def run(placement: Placement) -> Iterator[Finding]:
    """Yield a finding for each thing that the wheel says of itself and that does not hold."""
    wheel = placement.wheel
    expected = placement.expected
    if expected is not None and not _agree(wheel, expected.name, expected.version):
        yield _finding(f"its file name is not that of {expected.name} {expected.version}, which was asked for")
    yield from _of_index(wheel, placement.said)
    if wheel.dist_info is None:
        return  # the check of RECORD says so
    folder, _, version = wheel.dist_info.removesuffix(".dist-info").partition("-")
    if not _agree(wheel, folder, version):
        yield _finding(f"its folder {wheel.dist_info!r} is that of something else")
    yield from _of_metadata(wheel)
    yield from _of_about(wheel)
    there = wheel.names
    yield from _of_others(wheel)
    forged = [name for name in _OF_AN_INSTALLER if f"{wheel.dist_info}/{name}" in there]
    if forged:
        yield _finding(f"it brings files that only an installer writes: {listing(forged)}")
    if any(f"{wheel.dist_info}/{name}" in there for name in _SIGNATURES):
        yield Finding(
            check="wheel-metadata", severity=Severity.INFO, message="it is signed in a way that nobody verifies"
        )


def _of_index(wheel: Wheel, said: Mapping[str, object]) -> Iterator[Finding]:
    """Yield a finding for fields that an index served otherwise (PEP 658): a resolver and other checks went by them."""
    for key in SAID if said and wheel.metadata is not None else ():
        if key == _NEW_FIELD and key not in said:
            continue  # a pip before 25 does not report it, whatever the index says
        field = key.replace("_", "-")
        served, own = _words(said.get(key)), _words(list(wheel.metadata.all(field)) if wheel.metadata else None)
        if served != own and all(map(str.isascii, (*served, *own))):
            yield _finding(f"its METADATA has other values of {field} than the index says")


def _words(value: object) -> list[str]:
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return sorted(text for text in (" ".join(str(item).split()) for item in texts) if text)


def _of_others(wheel: Wheel) -> Iterator[Finding]:
    """Yield a finding for files that tools would take for the metadata of an installed distribution."""
    for member in wheel.files:
        path = member.place.library if member.place is not None else None
        if path is None or not path.partition("/")[0].lower().endswith(_METADATA):
            continue
        if not (member.place == Place("root", member.name) and path.startswith(f"{wheel.dist_info}/")):
            yield _finding(f"it installs metadata of a distribution that it is not: {member.name[:200]}")
            return


def _of_metadata(wheel: Wheel) -> Iterator[Finding]:
    metadata = wheel.metadata
    if metadata is None:
        yield _finding(f"its METADATA cannot be read: {wheel.broken.get('METADATA', 'there is none')}")
        return
    yield from _repeated(metadata, "METADATA")
    name, version = metadata.first("name"), metadata.first("version")
    if name is None or version is None or not _agree(wheel, name, version):
        yield _finding(f"its METADATA is that of {name or 'nothing'} {version or 'without a version'}")


def _of_about(wheel: Wheel) -> Iterator[Finding]:
    if wheel.about is None:
        yield _finding(f"its file WHEEL cannot be read: {wheel.broken.get('WHEEL', 'there is none')}")
        return
    yield from _repeated(wheel.about, "WHEEL")
    version = wheel.about.first("wheel-version") or ""
    if version.split(".")[0] != "1":
        yield _finding(f"it is of version {version or 'none'} of the wheel format, which is not known")
    if "entry_points.txt" in wheel.broken:
        yield _finding(f"its entry_points.txt cannot be read: {wheel.broken['entry_points.txt']}")


def _repeated(headers: Headers, name: str) -> Iterator[Finding]:
    if headers.repeated:
        yield _finding(f"its {name} gives a field several times: {listing(headers.repeated)}")


def _agree(wheel: Wheel, name: str, version: str) -> bool:
    try:
        return canonicalize_name(name) == wheel.name and Version(version) == wheel.version
    except InvalidVersion:
        return False


def _finding(message: str) -> Finding:
    return Finding(check="wheel-metadata", severity=Severity.HIGH, message=message, outcome=Outcome.REFUSED)
