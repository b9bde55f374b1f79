"""One requirement as a person wrote it: what it asks for, and whether a wheel can satisfy it.

Whatever can satisfy it only by running something (a folder, an sdist, version control, a file that is no wheel) becomes
a `Build`, which pip never hears of. Everything else becomes a line that is written anew from the parsed requirement,
so that pip cannot read into it what we did not.

Source:
    PEP 508; ``pip/_internal/req/constructors.py`` for what pip takes for a path.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import pathname2url

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from weighlock.errors import UsageError
from weighlock.release import Origin
from weighlock.sources.pip.interface import Build, Wanted
from weighlock.sources.pip.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

_ARCHIVES = (
    ".zip",
    ".whl",
    ".tar.gz",
    ".tgz",
    ".tar",
    ".tar.bz2",
    ".tbz",
    ".tar.xz",
    ".txz",
    ".tlz",
    ".tar.lz",
    ".tar.lzma",
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_EXTRAS = re.compile(r"(.+?)\[([^\[\]]*)\]\Z", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_DIGEST_FRAGMENT = re.compile(r"(?:egg=[A-Za-z0-9._-]+&)?(?:sha256=[0-9a-f]{64})?\Z")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_HASH = re.compile(r"(?:sha256|sha384|sha512):[0-9a-f]+\Z")
_BUILD_FILES = ("pyproject.toml", "setup.py")
_LONGEST = 8192
_NEWLINE = "\n"


def parse(
    text: str, origin: Origin, *, folder: str, hashes: Sequence[str] = (), constraint: bool = False
) -> Wanted | Build:
    """Take a requirement apart.

    Args:
        text: Without options.
        origin: Where it was written.
        folder: What a relative path is relative to.
        hashes: Of ``--hash``, as ``algorithm:value``.
        constraint: It is a constraint.

    Raises:
        UsageError: pip would not understand it.
    """
    text = text.strip()
    if len(text) > _LONGEST or not text.isprintable():
        raise _wrong(origin, "is no requirement")
    place, marker, extras = _place(text, origin, folder)
    if place is not None:
        return _from_place(place, marker, extras, origin, hashes, constraint=constraint)
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError) as error:
        hint = "write NAME, NAME==VERSION, NAME[EXTRA], or NAME @ URL"
        raise _wrong(origin, f"is no requirement: {str(error).partition(_NEWLINE)[0]}", hint) from None
    if requirement.url is None:
        return _wanted(str(requirement), canonicalize_name(requirement.name), None, origin, hashes)
    return _from_url(requirement, origin, folder, hashes, constraint=constraint)


def rewritten(wanted: Wanted) -> str:
    """Return the line that pip gets to read: parsed once more where it goes out, whoever made the requirement.

    Raises:
        UsageError: Only a build could satisfy it, or pip would not understand it.
    """
    text, *hashes = wanted.line.split(" --hash=")
    found = parse(text, wanted.origin, folder="/", hashes=hashes)
    if isinstance(found, Build):
        raise _wrong(wanted.origin, "can only be built, and nothing is built before the verdict")
    return found.line


def require_source(build: Build) -> None:
    """Refuse a path that nothing can be built from, because no policy could approve it.

    Raises:
        UsageError: Nothing is there, or it is no project.
    """
    path = build.location
    if _scheme(path) is not None or build.path is not None:  # what a file names is judged, and told with its line
        return
    origin = Origin(path=build.path, line=build.line, text=build.text)
    if not os.path.exists(path):
        raise _wrong(origin, "is a path, and nothing is there")
    if os.path.isdir(path) and not any(os.path.isfile(os.path.join(path, name)) for name in _BUILD_FILES):
        raise _wrong(origin, f"is a folder with neither {' nor '.join(_BUILD_FILES)}, so it is no project")


def parse_editable(text: str, origin: Origin, *, folder: str) -> Build:
    """Take the value of ``-e`` apart; it is always a build.

    Raises:
        UsageError: It is neither a folder nor a URL.
    """
    place, _, extras = _place(text.strip(), origin, folder, only=True)
    name = None
    if place is None:
        name, _, place = (part.strip() for part in text.partition("@"))
        name, extras = _with_extras(name)
    if not place or not place.isprintable():
        raise _wrong(origin, "is no editable requirement")
    kind = "vcs" if _is_vcs(place) else "folder"
    return _build(origin, kind, place, name or _egg(place), extras, editable=True)


def _place(
    text: str, origin: Origin, folder: str, *, only: bool = False
) -> tuple[str | None, Marker | None, tuple[str, ...]]:
    """Return the URL or the absolute path that a requirement is, or `None` where it starts with a name."""
    is_url = _scheme(text) is not None
    head, _, condition = text.partition("; " if is_url else ";")
    head = head.strip()
    bare, extras = (head, ()) if is_url else _with_extras(head)
    if not is_url and not only and not _looks_like_path(bare, folder):
        return None, None, ()
    if only and not is_url and not os.path.isdir(os.path.join(folder, bare)) and "@" in text:
        return None, None, ()
    try:
        marker = Marker(condition) if condition.strip() else None
    except (InvalidMarker, RecursionError) as error:
        raise _wrong(origin, f"has a marker that is none: {str(error).partition(_NEWLINE)[0]}") from None
    return head if is_url else os.path.normpath(os.path.join(folder, bare)), marker, extras


def _looks_like_path(text: str, folder: str) -> bool:
    before, at, _ = text.partition("@")
    if at and _NAME.match(_with_extras(before.strip())[0]) and not os.path.exists(os.path.join(folder, text)):
        return False  # ``name @ https://…``
    return os.sep in text or text.startswith(".") or text.lower().endswith(_ARCHIVES)


def _scheme(text: str) -> str | None:
    match = _SCHEME.match(text)
    return match[1].lower() if match else None


def _is_vcs(url: str) -> bool:
    scheme = _scheme(url) or ""
    return "+" in scheme or scheme in {"git", "hg", "svn", "bzr", "ssh"}


def _with_extras(text: str) -> tuple[str, tuple[str, ...]]:
    match = _EXTRAS.match(text)
    if not match:
        return text, ()
    return match[1].strip(), tuple(sorted({part.strip() for part in match[2].split(",") if part.strip()}))


def _from_place(
    place: str,
    marker: Marker | None,
    extras: tuple[str, ...],
    origin: Origin,
    hashes: Sequence[str],
    *,
    constraint: bool,
) -> Wanted | Build:
    if marker is None and not _scheme(place) and not os.path.lexists(place):
        raise _wrong(origin, "is a path, and nothing is there", hint="is the path right?")
    url = place if _scheme(place) else _file_url(place)
    kind, filename = _classified(url)
    if kind != "wheel":
        return _build(origin, kind, place, _egg(url), extras, marker=marker, constraint=constraint)
    name = _wheel_name(filename, origin)
    requirement = Requirement(name)
    requirement.extras, requirement.url, requirement.marker = set(extras), url, marker
    return _wanted(str(requirement), name, url, origin, hashes)


def _from_url(
    requirement: Requirement, origin: Origin, folder: str, hashes: Sequence[str], *, constraint: bool
) -> Wanted | Build:
    url = requirement.url or ""
    if _scheme(url) is None:
        url = _file_url(os.path.normpath(os.path.join(folder, url)))
    name, extras = canonicalize_name(requirement.name), tuple(sorted(requirement.extras))
    kind, filename = _classified(url)
    if kind != "wheel":
        return _build(origin, kind, url, name, extras, marker=requirement.marker, constraint=constraint)
    if _wheel_name(filename, origin) != name:
        raise _wrong(origin, f"names {name}, and the file at its URL is of another project")
    requirement.url = url
    return _wanted(str(requirement), name, url, origin, hashes)


def _classified(url: str) -> tuple[str, str]:
    """Return ``wheel`` only for a URL that pip cannot take for anything else, and its last part."""
    if _is_vcs(url):
        return "vcs", ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "url", ""
    path = unquote(parts.path)
    filename = path.rpartition("/")[2]
    if parts.scheme.lower() == "file":
        if parts.netloc not in {"", "localhost"} or not os.path.isabs(path) or not os.path.isfile(path):
            return "folder" if os.path.isdir(path) else "url", filename
    elif parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        return "url", filename
    if not filename.endswith(".whl"):
        return "sdist" if filename.lower().endswith(_ARCHIVES) else "url", filename
    return ("wheel" if _DIGEST_FRAGMENT.match(parts.fragment) else "url"), filename


def _wheel_name(filename: str, origin: Origin) -> str:
    try:
        return parse_wheel_filename(filename)[0]
    except InvalidWheelFilename:
        raise _wrong(origin, "names a file that is no wheel by its name") from None


def _file_url(path: str) -> str:
    return f"file://{pathname2url(path)}"


def _egg(place: str) -> str | None:
    match = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", place)
    return match[1] if match else None


def _build(
    origin: Origin,
    kind: str,
    location: str,
    name: str | None,
    extras: tuple[str, ...],
    *,
    marker: Marker | None = None,
    editable: bool = False,
    constraint: bool = False,
) -> Build:
    if constraint and editable:
        raise _wrong(origin, "is editable, which a constraint cannot be")
    return Build(
        path=origin.path,
        line=origin.line,
        text=origin.text,
        kind=kind,
        location=location,
        name=canonicalize_name(name) if name else None,
        extras=extras,
        editable=editable,
        constraint=constraint,
        marker=str(marker) if marker is not None else None,
    )


def _wanted(text: str, name: str, url: str | None, origin: Origin, hashes: Sequence[str]) -> Wanted:
    """Write the line that pip gets to read, and make sure that it reads it as it was meant."""
    if name.endswith(_ARCHIVES):
        raise _wrong(origin, "has a name that pip would take for a file")
    misread = _VARIABLE.search(text) or re.search(r"\s[#-]", text) or text.endswith("\\") or not text.isascii()
    if misread:
        raise _wrong(origin, "holds characters that pip would read in another way")
    for value in hashes:
        if not _HASH.match(value):
            raise _wrong(origin, "has a --hash that is none", hint="write --hash=sha256:… with 64 hexadecimal digits")
    return Wanted(line=" ".join((text, *(f"--hash={value}" for value in hashes))), origin=origin, name=name, url=url)


def _wrong(origin: Origin, message: str, hint: str | None = None) -> UsageError:
    where = f"{origin.path}:{origin.line}" if origin.path and origin.line else origin.path
    return UsageError(f"{redacted(origin.text)!r} {message}", where=where, hint=hint)
