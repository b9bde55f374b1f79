"""Wheels that installers would read differently, or that reach out of the folder that they are installed into.

## What it does

It refuses a wheel in whose archive readers would see different members (contradicting headers, several directories,
data outside of members, names that zipfile reads otherwise), a member whose path is absolute, has ``..``, a drive, a
backslash, a control character or parts that a file system would change, links and devices, set-user-ID bits, members
that would overwrite each other, also where letters differ only in case or in their Unicode form, a file where another
member needs a folder, encrypted members, members that unpack to far more than a file of their kind, entry points
whose names lead out of the folder for scripts, and those in which versions of pip would read another name.

## Why it matters

What is judged must be what is installed, by every installer: pip reads with `zipfile`, uv and others with readers of
their own. A path that leaves the folder overwrites files of other packages, or of the user.

## Known limits

Compression of more than 200 to 1 counts as a bomb only beyond 64 MiB unpacked: files full of zeros compress well. What
an installer other than pip does with an odd archive is not tried out; an archive that is odd is refused instead.

## Sources

PEP 427; APPNOTE.TXT 6.3.10; CVE-2019-20916 and CVE-2026-1703 of pip; the zip confusion attacks that PyPI rejects since
August 2025 (https://blog.pypi.org/posts/2025-08-07-wheel-archive-confusion-attacks/). None of 396 popular wheels has
any of this. What pip makes of an entry point: ``ENTRY_RE`` of its distlib, which it searches for anywhere in
``NAME = VALUE``: of ``good = /../../file=module:function`` pip 23 makes a command ``file``, and pip 24.0 to 25.3 one
that lies outside of the environment.
"""

from __future__ import annotations

import re
import stat
import unicodedata
from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Outcome, Severity
from weighlock.formats.wheel import Member, Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Wheel

_SAID_OF_MEMBERS = frozenset({"control-in-name", "duplicate-name-ignoring-case", "unsafe-name"})
_NO_PARTS = frozenset({"", ".", ".."})
# Windows drops a dot or a space at the end of a part, and takes what follows a colon for a stream of the file.
_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\\\\:]|[. ](?:/|\\Z)")
_NO_SCRIPT = re.compile(r"[\x00-\x1f\x7f/\\:]")
# What every version of pip reads as it is written: it looks for the first match in the line, not at its start.
_SCRIPT_NAME = re.compile(r"[\w.+-]+")
_SCRIPT_VALUE = re.compile(r"\w+(?:\.\w+)*(?::\w+(?:\.\w+)*)?\s*(?:\[[^\[\]]*\])?")
_LONGEST_PART, _LONGEST_PATH = 255, 1024
_BOMB_RATIO, _BOMB_SIZE = 200, 64 << 20
_REGULAR = frozenset({0, stat.S_IFREG, stat.S_IFDIR})


def run(wheel: Wheel) -> Iterator[Finding]:
    """Yield a finding for each thing that no honest wheel does."""
    for anomaly in wheel.anomalies:
        if anomaly not in _SAID_OF_MEMBERS:
            yield _finding(f"installers would read the archive differently: {anomaly}")
    for member in wheel.members:
        problem = _problem(member)
        if problem:
            yield _finding(problem, member.name)
    yield from _clashes(wheel)
    for entry in wheel.entry_points:
        if not entry.is_script:
            continue
        if entry.name in _NO_PARTS or _NO_SCRIPT.search(entry.name):
            yield _finding(f"the script {entry.name!r} would not lie in the folder for scripts under that name")
        elif not _SCRIPT_NAME.fullmatch(entry.name) or not _SCRIPT_VALUE.fullmatch(entry.value):
            written = f"{entry.name} = {entry.value}"
            yield _finding(f"installers would read another script in {written[:200]!r}")


def _problem(member: Member) -> str | None:
    """Return what is wrong with one member."""
    problem = _problem_of_path(member.name.removesuffix("/"))
    if problem:
        return problem
    if stat.S_IFMT(member.mode) not in _REGULAR:
        return "it is a link or a device"
    if member.mode & (stat.S_ISUID | stat.S_ISGID):
        return "it would run as another user"
    if member.size > _BOMB_SIZE and member.size > _BOMB_RATIO * member.compressed_size:
        return "it unpacks to far more than any file of its kind"
    if member.place is not None and member.place.scheme == "unknown":
        return "it lies in a part of the .data folder that installers do not know"
    return None


def _problem_of_path(name: str) -> str | None:
    parts = name.split("/")
    if any(part in _NO_PARTS for part in parts):
        return "its path is absolute or has parts that lead elsewhere"
    if _ODD.search(name):
        return "its path has a colon, a backslash or a control character, or a part that ends with a dot or a space"
    if len(name) > _LONGEST_PATH or max(len(part.encode("utf-8", "replace")) for part in parts) > _LONGEST_PART:
        return "its path is longer than a file system takes"
    return None


def _clashes(wheel: Wheel) -> Iterator[Finding]:
    """Yield members that would overwrite each other on some file system, and files where a folder has to be."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for member in wheel.files:
        if len(member.name) > _LONGEST_PATH:
            continue  # it is refused, and splitting it into thousands of folders would take its time
        path = _folded(member.place.key if member.place else member.name)
        if path in files:
            yield _finding(f"it would overwrite {files[path]!r} where letters are not told apart", member.name)
        files[path] = member.name
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders[folder] = member.name
            folder = folder.rpartition("/")[0]
    for path in files.keys() & folders.keys():
        yield _finding(f"it is a file where {folders[path]!r} needs a folder", files[path])


def _folded(path: str) -> str:
    """Return a path in the form in which file systems compare it that tell neither case nor composition apart."""
    return (
        path.lower() if path.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
    )


def _finding(message: str, member: str | None = None) -> Finding:
    return Finding(
        check="wheel-structure",
        severity=Severity.HIGH,
        message=message,
        location=Location(members=(member,) if member else ()),
        outcome=Outcome.REFUSED,
    )
